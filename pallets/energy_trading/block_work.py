"""The market's work of each block: gates and prices at its start, orders in its idle time, old slots last.

Responsible for what is done in which order, and for the weight that it takes; what it means is
`slot_life.py`'s. Nothing here waits for ever: a block closes at least one gate that is due and goes some
steps on with the first coupled auction that waits, whatever its weight; zones take turns in idle time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pallets.energy_trading import weights
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import ZoneId, Zones
from pallets.energy_trading.slot_life import SlotLife
from pallets.energy_trading.withdrawals import Withdrawals
from runtime.frame.dispatch import DispatchError, Weight
from runtime.frame.state import State
from runtime.frame.storage import Map, Value
from runtime.primitives.scale import u8, u32

STEPS_MIN: Final = 64
"""Steps of an auction of several zones that every block takes, so that it ends."""
ARCHIVE_SLOTS: Final = 8
"""Slots of a zone that one block looks at to archive them."""
ARCHIVE_ENTRIES: Final = 256
"""Positions that one step of archiving removes."""


@dataclass(frozen=True, slots=True)
class BlockWork:
    """The hooks of one market instance."""

    state: State
    store: MarketStore
    life: SlotLife
    withdrawals: Withdrawals
    zones: Value[Zones]
    work_cursor: Value[u8]
    archive_cursor: Map[ZoneId, u32]

    def begin(self) -> Weight:
        """Withdraw orders of who may not trade, then close the gates that are due and find prices; return the
        weight used."""
        used, is_done = self.withdrawals.go_on(weights.MARKET_LOOK)
        for zone in self.zones.get() if is_done else ():
            used = self._close_gates(zone, used)
        return self._price_groups(used)

    def go_on(self, limit: Weight) -> Weight:
        """Fill and refund orders of closed books, then archive; return the weight used."""
        zones = self.zones.get()
        used = weights.MARKET_LOOK
        first = self.work_cursor.get()
        for place in range(len(zones)):
            used = self._work(zones[(first + place) % len(zones)], limit, used)
        if any(self.store.work_queue.get(zone) for zone in zones):
            self.work_cursor.put((first + 1) % len(zones))
        for zone in zones:
            used = self._archive(zone, limit, used)
        return used

    def _close_gates(self, zone: int, used: Weight) -> Weight:
        market = self.store.get_market(zone)
        for slot in self.store.gate_queue.get(zone):
            key = (zone, slot)
            if not self.life.is_due(key, market):
                break
            found = self.life.find_group(key)
            levels = sum(self.life.count_levels((one, slot)) for one in found[0])
            per_level = weights.MARKET_CLOSE_GATE_PER_LEVEL.times(levels)
            cost = weights.MARKET_CLOSE_GATE.times(len(found[0])).plus(per_level)
            is_first = used == weights.MARKET_LOOK
            if not is_first and not used.plus(cost).fits(self.store.config.hook_weight):
                break
            if not self.life.close_gate(key, found):
                break
            used = used.plus(cost)
        return used

    def _price_groups(self, used: Weight) -> Weight:
        """Go on with the first auction of several zones that waits, as far as weight allows."""
        queue = self.store.coupling_queue.get()
        if not queue:
            return used
        per_level = weights.MARKET_PRICE_ZONES_PER_LEVEL.times(self.life.couplings.count_levels(queue[0]))
        used = used.plus(weights.MARKET_PRICE_ZONES).plus(per_level)
        room = self.store.config.hook_weight.minus(used)
        steps = max(STEPS_MIN, _times(room, weights.MARKET_PRICE_ZONES_PER_STEP))
        taken = self.life.price_group(queue[0], steps)
        return used.plus(weights.MARKET_PRICE_ZONES_PER_STEP.times(taken))

    def _work(self, zone: int, limit: Weight, used: Weight) -> Weight:
        for slot in self.store.work_queue.get(zone):
            room = limit.minus(used.plus(weights.MARKET_STEP_CLEARING))
            orders_max = _times(room, weights.MARKET_STEP_CLEARING_PER_ORDER)
            if orders_max == 0:
                break
            mark = self.state.mark()
            try:
                done = self.life.work((zone, slot), orders_max)
            except DispatchError:
                # The asset refuses for now, as while it is frozen as a whole: the work waits.
                self.state.rollback(mark)
                done = orders_max
            per_order = weights.MARKET_STEP_CLEARING_PER_ORDER.times(done)
            used = used.plus(weights.MARKET_STEP_CLEARING).plus(per_order)
        return used

    def _archive(self, zone: int, limit: Weight, used: Weight) -> Weight:
        """Archive settled slots of a zone whose time has come, from the oldest on."""
        if not self.archive_cursor.contains(zone):
            self.archive_cursor.put(zone, self.store.current_slot())
        for _ in range(ARCHIVE_SLOTS):
            cost = used.plus(weights.MARKET_ARCHIVE)
            slot = self.archive_cursor.get(zone)
            if not cost.fits(limit) or not self.life.is_old(slot):
                break
            used = cost
            if not self.life.archive((zone, slot), ARCHIVE_ENTRIES):
                break
            self.archive_cursor.put(zone, slot + 1)
        return used


def _times(room: Weight, each: Weight) -> int:
    """Return how often a weight fits into another."""
    by_time = room.ref_time // max(1, each.ref_time)
    return min(by_time, room.proof_size // max(1, each.proof_size))
