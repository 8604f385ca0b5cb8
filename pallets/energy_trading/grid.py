"""Grid: zones and their operators, lines between them, capacities per slot, alerts, and the grid's fund.

Responsible for what the grid is and how loaded it is. It prices and clears nothing: the market asks it for
zones, lines and capacities, and tells it flows. It knows the market, the oracle's load and time as Protocols.

Capacities of a slot are set by the operator of the zone where the line begins, until the gate of the slot
closes there. Above 97 % of load every market is halted. The congestion rent of coupled auctions, what buyers
pay beyond sellers and wheeling, is in the fund, a pot that governance may pay from.

Invariants (checked by `try_state`): lines join zones that exist; no flow exceeds its line's capacity; lists
and maps agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pallets.energy_trading import weights
from pallets.energy_trading.grid_types import (
    AHEAD_MAX,
    CURTAILMENTS_MAX,
    LINES_MAX,
    LOSS_MAX_PPM,
    PERMILLE_MAX,
    SLOTS_AT_ONCE_MAX,
    WHEELING_MAX_TICKS,
    ZONES_MAX,
    Alert,
    AlertLevel,
    Curtailment,
    Curtailments,
    Flow,
    Flows,
    Line,
    SlotId,
    SlotIds,
    Way,
    Ways,
    Zone,
    ZoneId,
    ZoneIds,
    ZoneStatus,
    level_of,
    wheeling_pot_of,
)
from pallets.energy_trading.market_types import Wire
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError, Weight, ensure_root, ensure_signed
from runtime.frame.event import Event
from runtime.frame.fungible import Preservation
from runtime.frame.fungibles import Asset
from runtime.frame.pallet import Pallet
from runtime.frame.storage import TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.scale import u16, u32, u64, u128
from runtime.primitives.types import AccountId


class Clock(Protocol):
    """Where the time of the block is read."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970."""
        ...


class GridLoad(Protocol):
    """Where the load of the whole grid is read."""

    def share_permille(self) -> int | None:
        """Return how much of the grid's capacity is in use, None while nothing fresh is known."""
        ...


class Markets(Protocol):
    """What the grid asks of the market."""

    def is_gate_open(self, zone: int, slot: int) -> bool:
        """Tell whether orders of a slot may still change."""
        ...

    def curtail(self, zone: int, slot: int, permille: int) -> bool | None:
        """Scale the positions of a cleared slot; None while it is not cleared, False where it cannot be."""
        ...

    def halt_for_emergency(self, zone: int) -> bool:
        """Halt a zone's market for the grid's sake; False where there is none or it is halted already."""
        ...


@dataclass(frozen=True, slots=True)
class GridConfig:
    """`governance` raises unless an origin may change the grid; `fund` gets the congestion rent.

    `market` is asked when a call is made, since the market stands on the grid.
    """

    asset: Asset
    clock: Clock
    load: GridLoad
    market: Callable[[], Markets]
    governance: Callable[[Origin], None]
    fund: AccountId
    slot_ms: int
    load_blocks: int = 10


class Grid(Pallet[GridConfig]):
    """The zones of the grid, the lines between them, and their load."""

    zones: Map[ZoneId, Zone | None] = storage(TWOX_64_CONCAT, docs="The zones of the grid.")
    zone_ids: Value[ZoneIds] = storage(default=(), docs="The numbers of the zones, in ascending order.")
    lines: Map[Way, Line | None] = storage(TWOX_64_CONCAT, docs="Lines from a zone to another.")
    ways: Value[Ways] = storage(default=(), docs="From where to where lines lead, in ascending order.")
    capacity: DoubleMap[SlotId, Way, u64 | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="The capacity of a line in one slot, where it is another, in Wh."
    )
    flow: Map[SlotId, Flows] = storage(
        TWOX_64_CONCAT, default=(), docs="What auctions of a slot send over lines."
    )
    alerts: Map[ZoneId, Alert | None] = storage(TWOX_64_CONCAT, docs="Alerts that operators raised.")
    curtailments: Value[Curtailments] = storage(
        default=(), docs="Slots that are to be curtailed when they begin, the earliest first."
    )
    load_level: Value[AlertLevel] = storage(
        default=AlertLevel.Normal, docs="The level of the whole grid's load."
    )

    class ZoneSet(Event, index=0):
        """A zone of the grid was added or changed."""

        zone: ZoneId
        is_: Zone

    class LineSet(Event, index=1):
        """A line between two zones was added or changed; a capacity of 0 closes it."""

        source: ZoneId
        target: ZoneId
        line: Line

    class CapacitySet(Event, index=2):
        """A line has another capacity in these slots."""

        source: ZoneId
        target: ZoneId
        slots: SlotIds
        capacity: u64

    class AlertRaised(Event, index=3):
        """A zone's operator raised an alert."""

        zone: ZoneId
        level: AlertLevel

    class AlertCleared(Event, index=4):
        """A zone's alert is over."""

        zone: ZoneId

    class LoadChanged(Event, index=5):
        """The load of the whole grid reached another level."""

        level: AlertLevel
        share_permille: u32

    class CongestionRent(Event, index=6):
        """An auction of coupled zones paid this rent into the grid's fund."""

        slot: SlotId
        amount: u128

    class RentClaimed(Event, index=7):
        """Rent was paid out of the grid's fund."""

        to: AccountId
        amount: u128

    class CurtailmentOrdered(Event, index=8):
        """A slot will be curtailed to so many permille when it begins."""

        zone: ZoneId
        slot: SlotId
        permille: u16

    class Curtailed(Event, index=9):
        """The positions of a slot were scaled down to so many permille, and buyers got this back."""

        zone: ZoneId
        slot: SlotId
        permille: u16
        refunded: u128

    class Lifted(Event, index=10):
        """The curtailment of a slot was taken back."""

        zone: ZoneId
        slot: SlotId

    class CurtailmentRefused(Event, index=11):
        """A slot could not be curtailed: its zone was cleared together with others, or halted."""

        zone: ZoneId
        slot: SlotId

    class NotOperator(PalletError, index=0):
        """Only the operator of the zone can do this."""

    class GatePassed(PalletError, index=1):
        """The gate of this slot is closed; the capacities of its lines are fixed."""

    class UnknownLine(PalletError, index=2):
        """There is no line this way."""

    class BadPermille(PalletError, index=3):
        """A share is between 0 and 999 permille."""

    class UnknownZone(PalletError, index=4):
        """There is no such zone."""

    class BadParameters(PalletError, index=5):
        """A zone or line like this could not work."""

    class TooMany(PalletError, index=6):
        """There is no room for another zone or line, or the call names too many slots."""

    class NoAlert(PalletError, index=7):
        """The zone has no alert."""

    class InsufficientFunds(PalletError, index=8):
        """The grid's fund has less than this."""

    class DeliveryBegun(PalletError, index=9):
        """The slot has begun already, or is too far ahead."""

    class AlreadyCurtailed(PalletError, index=10):
        """The slot is to be curtailed already; lift that first."""

    class NotCurtailed(PalletError, index=11):
        """The slot is not to be curtailed."""

    class PotMissing(PalletError, index=12):
        """The pot that gets the zone's wheeling has no balance yet; send it the minimum first."""

    def genesis(self, zones: tuple[tuple[int, Zone], ...], lines: tuple[tuple[Way, Line], ...] = ()) -> None:
        """Set the zones and lines that the chain starts with."""
        for number, zone in zones:
            self._put_zone(number, zone)
        for way, line in lines:
            self._put_line(way, line)

    # --- hooks

    def on_initialize(self, number: int) -> Weight:
        """Begin a curtailment that is due, and look at the load now and then; an emergency halts every
        market."""
        used = self._begin_curtailment()
        if number % self.config.load_blocks:
            return used
        share = self.config.load.share_permille()
        if share is None:
            return used
        level = level_of(share)
        if level is not self.load_level.get():
            self.load_level.put(level)
            self.deposit(self.LoadChanged(level, share))
        if level is not AlertLevel.Emergency:
            return used
        market = self.config.market()
        halted = sum(market.halt_for_emergency(zone) for zone in self.zone_ids.get())
        return used.plus(weights.GRID_RAISE_ALERT.times(halted))

    # --- calls

    @call(0, weight=weights.GRID_SET_ZONE)
    def set_zone(self, origin: Origin, zone: ZoneId, is_: Zone) -> None:
        """Add a zone or change it: operator, wheeling in ticks per kWh, losses in ppm. By governance.

        Its pot of wheeling, account `modlwheel_` and the number in two bytes, must have the minimum balance.
        """
        self.config.governance(origin)
        if is_.wheeling > WHEELING_MAX_TICKS or is_.loss_ppm > LOSS_MAX_PPM:
            raise self.BadParameters
        asset = self.config.asset
        if asset.total_balance(self.wheeling_pot(zone)) < asset.minimum_balance():
            raise self.PotMissing
        self._put_zone(zone, is_)
        self.deposit(self.ZoneSet(zone, is_))

    @call(1, weight=weights.GRID_SET_LINE)
    def set_line(self, origin: Origin, source: ZoneId, target: ZoneId, line: Line) -> None:
        """Add a line from a zone to another or change it: Wh in a slot, wheeling in ticks. By governance."""
        self.config.governance(origin)
        if source == target or line.wheeling > WHEELING_MAX_TICKS:
            raise self.BadParameters
        self._put_line((source, target), line)
        self.deposit(self.LineSet(source, target, line))

    def _capacity_weight(self, source: int, target: int, slots: SlotIds, capacity: int) -> Weight:
        del source, target, capacity
        return weights.GRID_SET_CAPACITY.plus(weights.GRID_SET_CAPACITY_PER_SLOT.times(len(slots)))

    @call(2, weight=_capacity_weight)
    def set_capacity(
        self, origin: Origin, source: ZoneId, target: ZoneId, slots: SlotIds, capacity: u64
    ) -> None:
        """Set the capacity of a line in some slots, in Wh, before their gates close.

        Only for the operator of the zone where the line begins.
        """
        self._ensure_operator(ensure_signed(origin), source)
        if not self.lines.contains((source, target)):
            raise self.UnknownLine
        if len(slots) > SLOTS_AT_ONCE_MAX:
            raise self.TooMany
        for slot in slots:
            if not self.config.market().is_gate_open(source, slot):
                raise self.GatePassed
            self.capacity.put(slot, (source, target), capacity)
        self.deposit(self.CapacitySet(source, target, slots, capacity))

    @call(3, weight=weights.GRID_RAISE_ALERT)
    def raise_alert(self, origin: Origin, zone: ZoneId, level: AlertLevel) -> None:
        """Raise an alert in a zone; an emergency halts its market. Only for the zone's operator."""
        self._ensure_operator(ensure_signed(origin), zone)
        if level is AlertLevel.Normal:
            raise self.BadParameters
        self.alerts.put(zone, Alert(level, self.config.clock.now_ms()))
        self.deposit(self.AlertRaised(zone, level))
        if level is AlertLevel.Emergency:
            self.config.market().halt_for_emergency(zone)

    @call(4, weight=weights.GRID_CLEAR_ALERT)
    def clear_alert(self, origin: Origin, zone: ZoneId) -> None:
        """End a zone's alert; a halted market stays halted until it is resumed. Only for its operator."""
        self._ensure_operator(ensure_signed(origin), zone)
        if not self.alerts.contains(zone):
            raise self.NoAlert
        self.alerts.remove(zone)
        self.deposit(self.AlertCleared(zone))

    @call(6, weight=weights.GRID_CURTAIL)
    def curtail(self, origin: Origin, zone: ZoneId, slot: SlotId, permille: u16) -> None:
        """Scale all positions of a slot down to so many permille when it begins; buyers are refunded.

        Only for the zone's operator, before the slot begins. Zones that are cleared together are not scaled.
        """
        self._ensure_operator(ensure_signed(origin), zone)
        if permille > PERMILLE_MAX:
            raise self.BadPermille
        self._ensure_ahead(slot)
        queue = self.curtailments.get()
        if any((one.zone, one.slot) == (zone, slot) for one in queue):
            raise self.AlreadyCurtailed
        # Each zone has its share of the queue, so that no operator takes it from the others.
        own = sum(one.zone == zone for one in queue)
        if len(queue) >= CURTAILMENTS_MAX or own >= CURTAILMENTS_MAX // len(self.zone_ids.get()):
            raise self.TooMany
        added = Curtailment(slot, zone, permille)
        self.curtailments.put(tuple(sorted((*queue, added), key=lambda one: (one.slot, one.zone))))
        self.deposit(self.CurtailmentOrdered(zone, slot, permille))

    @call(7, weight=weights.GRID_LIFT)
    def lift(self, origin: Origin, zone: ZoneId, slot: SlotId) -> None:
        """Take the curtailment of a slot back before it begins. Only for the zone's operator."""
        self._ensure_operator(ensure_signed(origin), zone)
        self._ensure_ahead(slot)
        queue = self.curtailments.get()
        kept = tuple(one for one in queue if (one.zone, one.slot) != (zone, slot))
        if len(kept) == len(queue):
            raise self.NotCurtailed
        self.curtailments.put(kept)
        self.deposit(self.Lifted(zone, slot))

    @call(5, weight=weights.GRID_CLAIM_RENT)
    def claim_rent(self, origin: Origin, to: AccountId, amount: u128) -> None:
        """Pay congestion rent out of the grid's fund. Only for Root."""
        ensure_root(origin)
        config = self.config
        if amount > config.asset.reducible_balance(config.fund, Preservation.PRESERVE):
            raise self.InsufficientFunds
        config.asset.transfer(config.fund, to, amount, Preservation.PRESERVE)
        self.deposit(self.RentClaimed(to, amount))

    # --- what the market and settlement ask for

    def operator_of(self, zone: int) -> AccountId | None:
        """Return the account of a zone's operator, None when there is no such zone in service."""
        found = self.zones.get(zone)
        return found.operator if found is not None and found.status is ZoneStatus.InService else None

    def wheeling_of(self, zone: int) -> int:
        """Return what a buyer pays for the grid inside a zone, in ticks."""
        found = self.zones.get(zone)
        return 0 if found is None else found.wheeling

    def loss_ppm_of(self, zone: int) -> int:
        """Return the losses of a zone's grid, in millionths of what flows."""
        found = self.zones.get(zone)
        return 0 if found is None else found.loss_ppm

    def wheeling_pot(self, zone: int) -> AccountId:
        """Return the pot of a zone's wheeling."""
        return wheeling_pot_of(zone)

    def wires_of(self, slot: int) -> list[Wire]:
        """Return the lines between zones in service that take energy in a slot, in ascending order."""
        wires: list[Wire] = []
        for way in self.ways.get():
            line = self.lines.get(way)
            assert line is not None, "a way that is listed has a line"
            capacity = self.capacity.get(slot, way)
            capacity = line.capacity if capacity is None else capacity
            if capacity and all(self.operator_of(zone) is not None for zone in way):
                wires.append(Wire(*way, capacity, line.wheeling))
        return wires

    def note_flows(self, slot: int, flows: Sequence[tuple[Wire, int]], rent: int) -> None:
        """Keep what an auction sends over lines, beside what other auctions of the slot do, and tell of the
        rent that it paid into the fund."""
        more = tuple(
            Flow(wire.source, wire.target, energy, wire.capacity) for wire, energy in flows if energy
        )
        if more:
            self.flow.put(slot, (*self.flow.get(slot), *more))
        self.deposit(self.CongestionRent(slot, rent))

    def note_curtailed(self, zone: int, slot: int, permille: int, refunded: int) -> None:
        """Tell that a slot is curtailed, and how much buyers got back."""
        self.deposit(self.Curtailed(zone, slot, permille, refunded))

    def forget_slot(self, slot: int) -> None:
        """Remove the flows and capacities of a slot that is archived."""
        self.flow.remove(slot)
        self.capacity.clear_prefix(slot, LINES_MAX)

    def try_state(self) -> None:
        """AssertionError unless lists and maps agree and no flow exceeds its line."""
        ids, ways = list(self.zone_ids.get()), list(self.ways.get())
        assert ids == sorted(zone for zone, _ in self.zones.items()), "zones are listed in order"
        assert ways == sorted(way for way, _ in self.lines.items()), "lines are listed in order"
        assert all(zone in ids for way in ways for zone in way), "a line joins zones"
        for every in self.flow.items():
            flows = every[1]
            assert all(0 < flow.energy <= flow.capacity for flow in flows), "a flow fits its line"
            listed = [(flow.source, flow.target) for flow in flows]
            assert len(dict.fromkeys(listed)) == len(listed), "a line is used by one auction of a slot"

    # --- helpers

    def _begin_curtailment(self) -> Weight:
        """Let the market scale the first slot that has begun; while that is not cleared, it waits."""
        for order in self.curtailments.get():
            if self.config.slot_ms * order.slot > self.config.clock.now_ms():
                break
            answer = self.config.market().curtail(order.zone, order.slot, order.permille)
            if answer is None:
                continue
            self.curtailments.put(tuple(one for one in self.curtailments.get() if one != order))
            if not answer:
                self.deposit(self.CurtailmentRefused(order.zone, order.slot))
            return weights.GRID_WAIT.plus(weights.GRID_CURTAIL)
        return weights.GRID_WAIT

    def _ensure_ahead(self, slot: int) -> None:
        """Raise DeliveryBegun unless a slot is still to come, and not too far ahead."""
        config = self.config
        current = config.clock.now_ms() // config.slot_ms
        if not current < slot <= current + AHEAD_MAX:
            raise self.DeliveryBegun

    def _ensure_operator(self, who: AccountId, zone: int) -> None:
        found = self.zones.get(zone)
        if found is None:
            raise self.UnknownZone
        if found.operator != who:
            raise self.NotOperator

    def _put_zone(self, number: int, zone: Zone) -> None:
        if not self.zones.contains(number):
            ids = self.zone_ids.get()
            if len(ids) >= ZONES_MAX:
                raise self.TooMany
            self.zone_ids.put(tuple(sorted((*ids, number))))
        self.zones.put(number, zone)

    def _put_line(self, way: Way, line: Line) -> None:
        if not all(self.zones.contains(zone) for zone in way):
            raise self.UnknownZone
        if not self.lines.contains(way):
            ways = self.ways.get()
            if len(ways) >= LINES_MAX:
                raise self.TooMany
            self.ways.put(tuple(sorted((*ways, way))))
        self.lines.put(way, line)
