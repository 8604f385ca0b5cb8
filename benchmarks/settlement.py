"""Cost of settling a slot in the composed runtime: accounts with meters, some of which traded.

A line for each number of accounts. `settle_ms` is the processor time of the settlement pallet's work at the
ends of blocks until the slot is settled, `longest_ms` the most of it in one block, `seal_ms` what encoding
its changes takes besides. The blocks have no other transactions.
"""

from __future__ import annotations

import gc
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from typing import Final

from msgspec import structs

from benchmarks.measure import Meter, progress, report
from genesis.energy_section import TEST
from pallets.compliance.office import Purpose
from pallets.energy_trading.orders import Side
from pallets.settlement.collateral_types import Guarantee
from runtime.frame.dispatch import Weight
from runtime.frame.state import Change, MemoryBackend
from tests.support.market import (
    COLLATERAL,
    LOCAL,
    ZONE,
    Device,
    current_slot,
    energy,
    home,
    market_chain,
    order,
    submit,
)

SIZES: Final = (1_000, 4_000, 10_000)
TRADERS_MAX: Final = 4_000
"""A book has room for little more."""
READINGS: Final = 40
"""Readings of one call."""
SLOT_BLOCKS: Final = 60
PRICE: Final = 40_000
TRADED_WH: Final = 1_000


class OrderedBackend(MemoryBackend):
    """A backend that finds the keys of a prefix as a database does, without looking at all others."""

    def __init__(self) -> None:
        super().__init__()
        self._order: list[bytes] = []

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        place = bisect_left(self._order, prefix) if after is None else bisect_right(self._order, after)
        return takewhile(lambda key: key.startswith(prefix), islice(self._order, place, None))

    def apply(self, changes: list[Change]) -> None:
        before = len(self.entries)
        is_new = any(change.new is None or change.key not in self.entries for change in changes)
        super().apply(changes)
        if is_new or len(self.entries) != before:
            self._order = sorted(self.entries)


def main() -> None:
    gc.disable()  # as the node does while it runs
    for accounts in [int(word) for word in sys.argv[1:]] or SIZES:
        bench(accounts)


def bench(accounts: int) -> None:
    progress(f"settlement: {accounts} accounts")
    timing = structs.replace(TEST, slot_ms=SLOT_BLOCKS * 1_000)
    chain = market_chain(accounts, timing, backend=OrderedBackend())
    devices = _prepare(chain, accounts)
    slot = _trade(chain, min(accounts, TRADERS_MAX))
    while current_slot(chain) <= slot:
        _next_block(chain)
    _read(chain, devices, slot - 1)
    while not energy(chain).settlement.work.is_settled(ZONE, slot - 1):
        _next_block(chain)
    _read(chain, devices, slot)
    meter = Meter()
    idle_ms, seal_ms, keys = _settle(chain, slot)
    report(
        "settlement_stored",
        accounts=accounts,
        traders=min(accounts, TRADERS_MAX),
        blocks=len(idle_ms),
        settle_ms=round(sum(idle_ms), 1),
        longest_ms=round(max(idle_ms), 1),
        seal_ms=round(seal_ms, 1),
        us_per_account=round(1_000 * sum(idle_ms) / accounts, 1),
        keys_per_account=round(keys / accounts, 2),
        foreign_cores=meter.read().foreign_cores,
    )


def _prepare(chain: LOCAL, accounts: int) -> list[Device]:
    """Register every account with a meter that counts from the slot that it is, within one block."""
    first = current_slot(chain)
    devices = []
    for number in range(accounts):
        who = home(number)
        chain.ok(who, "Market.register_participant")
        chain.ok(who, "Collateral.deposit_collateral", Guarantee.Collateral, COLLATERAL)
        chain.ok(who, "Privacy.give_consent", Purpose.MeterPublication, 1, None)
        devices.append(Device(number, who).register(chain, first))
    return devices


def _trade(chain: LOCAL, traders: int) -> int:
    """Order in the next slot, every second account to buy; return the slot."""
    slot = current_slot(chain) + 1
    for number in range(traders):
        order(chain, home(number), slot, Side.SELL if number % 2 else Side.BUY, TRADED_WH, PRICE)
    return slot


def _read(chain: LOCAL, devices: list[Device], slot: int) -> None:
    """Submit the readings of a slot that is over: every account misses what it traded by some."""
    readings = []
    for number, device in enumerate(devices):
        while device.slot < slot:
            used, given = (0, 900 + number % 150) if number % 2 else (950 + number % 100, 0)
            readings.append(device.count(used, given))
    for start in range(0, len(readings), READINGS):
        submit(chain, readings[start : start + READINGS])


def _settle(chain: LOCAL, slot: int) -> tuple[list[float], float, int]:
    """Close blocks until a slot is settled; return milliseconds of each and of sealing, and keys written."""
    settlement = energy(chain).settlement
    idle_ms: list[float] = []
    work: Callable[[int, Weight], Weight] = settlement.on_idle

    def wait(number: int, remaining: Weight) -> Weight:
        del number, remaining
        return Weight(0, 0)

    def timed(number: int, remaining: Weight) -> Weight:
        started = time.process_time()
        used = work(number, remaining)
        idle_ms.append(1_000 * (time.process_time() - started))
        return used

    seal_ms, keys = 0.0, 0
    setattr(settlement, "on_idle", wait)  # noqa: B010 - so that the readings are written before
    _next_block(chain)
    setattr(settlement, "on_idle", timed)  # noqa: B010
    while not settlement.work.is_settled(ZONE, slot):
        chain.api.finalize_block()
        started = time.process_time()
        changes = chain.state.drain()
        seal_ms += 1_000 * (time.process_time() - started)
        keys += len(changes)
        chain.backend.apply(changes)
        chain.open_block()
    return idle_ms, seal_ms, keys


def _next_block(chain: LOCAL) -> None:
    """Close the block without looking at every pallet's state."""
    chain.api.finalize_block()
    chain.backend.apply(chain.state.drain())
    chain.open_block()


if __name__ == "__main__":
    main()
