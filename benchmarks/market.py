"""Cost of the energy market: clearing, zonal clearing and settlement without storage, clearing also with it.

`python -m benchmarks.market [ORDERS…]` prints one JSON line for each call auction of so many orders (100,
1,000, 4,096, 10,000 and 50,000 unless told), for each network of zones and for each settlement; and one for
each auction of up to 4,096 orders through the pallet: what placing an order costs, the block of the gate, and
the fills with all payments, on values that are decoded already. Times are CPU times
of this process, the least and the median of several runs on the same book. A call auction is measured on
prices that are all different, where there are as many levels as orders, and on prices in steps of 0.01 THB;
it covers the level sums, the price, and the fills of both sides in pages, in proportion at the margin. Every
result is checked: volumes agree, a zonal market is worth at least its zones apart, cash sums to zero.
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from blake3 import blake3
from msgspec import structs

from benchmarks.measure import Meter, report
from pallets.energy_trading.clearing import compute_clearing
from pallets.energy_trading.fills import Rationing, fill_page, measure_page, start_filling
from pallets.energy_trading.levels import Margin, Order, Rules, collect_levels
from pallets.energy_trading.market_types import BOOK_ORDERS_MAX
from pallets.energy_trading.orders import Side
from pallets.energy_trading.zonal import Line, ZonalClearing, ZoneBook, clear_zones
from pallets.settlement.imbalance import (
    Delivery,
    Sums,
    Terms,
    count_page,
    settle_page,
    start_settling,
)
from pallets.settlement.imbalance import (
    measure_page as measure_settlement_page,
)
from runtime.frame.dispatch import Weight
from runtime.primitives.types import AccountId
from tests.support.energy import PARAMETERS, ZONE, World, energy_chain, next_slot, pass_gate_time

SIZES: Final = (100, 1_000, BOOK_ORDERS_MAX, 10_000, 50_000)
NETWORKS: Final = ((4, 200), (8, 500), (8, 2_000), (16, 2_000))
ACCOUNTS: Final = (1_000, 10_000)
RUNS: Final = 7
PAGE: Final = 128
RULES: Final = Rules(k_permille=500, fee_bps=100, wheeling_ticks=5_000)
NO_IDLE: Final = Weight(1, 0)
TERMS: Final = Terms(22_000, 57_982, 50, 50, 1_000, has_netting=True)
LOW, HIGH = 22_000, 58_000
WHEELING: Final = (0, 500, 5_000, 10_700)


def measure_ms(act: Callable[[], object], runs: int = RUNS) -> dict[str, float]:
    times = []
    for _ in range(runs):
        started = time.process_time_ns()
        act()
        times.append((time.process_time_ns() - started) / 1_000_000)
    return {"least": round(min(times), 3), "median": round(statistics.median(times), 3)}


class Stream:
    """Numbers that are the same on every run."""

    def __init__(self, seed: int) -> None:
        self._hasher = blake3(seed.to_bytes(8, "little"))
        self._place = 0

    def draw(self, low: int, high: int) -> int:
        """The next number from `low` to `high`."""
        drawn = int.from_bytes(self._hasher.digest(length=8, seek=self._place), "little")
        self._place += 8
        return low + drawn % (high - low + 1)


def make_orders(random: Stream, count: int, step: int) -> list[Order]:
    return [
        Order(random.draw(100, 1_500), LOW + step * random.draw(0, (HIGH - LOW) // step))
        for _ in range(count)
    ]


def pages(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[at : at + PAGE] for at in range(0, len(items), PAGE))


def fill(margin: Margin, orders: Sequence[Order]) -> int:
    cursor = start_filling(margin, Rationing.PRO_RATA)
    if cursor.needs_measuring:
        for page in pages(orders):
            cursor = measure_page(cursor, page)
    total = 0
    for page in pages(orders):
        fills, cursor = fill_page(cursor, page)
        total += sum(fills)
    return total


def run_auction(bids: Sequence[Order], offers: Sequence[Order]) -> int:
    clearing = compute_clearing(collect_levels(Side.BUY, bids), collect_levels(Side.SELL, offers), RULES)
    assert clearing is not None
    assert fill(clearing.bids, bids) == fill(clearing.offers, offers) == clearing.volume_wh
    return clearing.price


def bench_auction(orders: int, step: int) -> None:
    meter = Meter()
    random = Stream(orders)
    bids, offers = (make_orders(random, orders // 2, step) for _ in Side)
    levels = [collect_levels(side, one) for side, one in ((Side.BUY, bids), (Side.SELL, offers))]
    report(
        "clearing",
        orders=orders,
        levels=sum(len(one) for one in levels),
        clearing_ms=measure_ms(lambda: run_auction(bids, offers)),
        price_ms=measure_ms(lambda: compute_clearing(levels[0], levels[1], RULES)),
        foreign_cores=meter.read().foreign_cores,
    )


def bench_stored_auction(orders: int, step: int) -> None:
    """Clear a book of the market pallet, each order by an account of its own; the result is the pure one."""
    meter = Meter()
    random = Stream(orders)
    bids, offers = (make_orders(random, orders // 2, step) for _ in Side)
    expected = compute_clearing(collect_levels(Side.BUY, bids), collect_levels(Side.SELL, offers), RULES)
    people = [AccountId(b"trader" + number.to_bytes(26, "big")) for number in range(orders)]
    parameters = structs.replace(PARAMETERS, k_permille=RULES.k_permille, fee_bps=RULES.fee_bps)
    world = World(wheeling={ZONE: RULES.wheeling_ticks}, uses_assets=True)
    chain = energy_chain(parameters, world, more=people, hook_weight=NO_IDLE)
    slot, market = next_slot(chain, 3), chain.pallets.market
    sides = [Side.BUY] * len(bids) + [Side.SELL] * len(offers)
    calls = [
        (who, chain.call("Market.submit_order", ZONE, slot, side, *order, 0))
        for who, side, order in zip(people, sides, bids + offers, strict=True)
    ]

    def submit() -> None:
        for who, call in calls:
            chain.assert_ok(who, call)
            chain.state.settle()

    def fill() -> None:
        while market.work_queue.get(ZONE):
            market.life.work((ZONE, slot), PAGE)

    submit_ms = measure_ms(submit, runs=1)["least"]
    pass_gate_time(chain, slot)
    chain.close_block()
    gate_ms = measure_ms(chain.open_block, runs=1)["least"]
    fill_ms = measure_ms(fill, runs=1)["least"]
    found = market.clearings.get((ZONE, slot))
    assert found is not None
    assert expected is not None
    assert (found.price, found.volume) == (expected.price, expected.volume_wh)
    report(
        "clearing_stored",
        orders=orders,
        submit_us=round(submit_ms * 1_000 / orders, 1),
        gate_ms=gate_ms,
        fill_ms=fill_ms,
        clearing_ms=round(gate_ms + fill_ms, 3),
        foreign_cores=meter.read().foreign_cores,
    )


def make_network(zones: int, orders: int) -> tuple[list[ZoneBook], list[Line]]:
    """Half of all possible lines, so that many are saturated; no two orders need have the same price."""
    random = Stream(zones * orders)
    books = []
    for _ in range(zones):
        bids, offers = (make_orders(random, orders // zones // 2, 1) for _ in Side)
        books.append(ZoneBook(collect_levels(Side.BUY, bids), collect_levels(Side.SELL, offers), RULES))
    lines = [
        Line(a, b, random.draw(0, 20_000), WHEELING[random.draw(0, 3)])
        for a in range(zones)
        for b in range(zones)
        if a != b and random.draw(0, 1)
    ]
    return books, lines


def bench_network(zones: int, orders: int) -> None:
    meter = Meter()
    books, lines = make_network(zones, orders)
    found: list[ZonalClearing] = []
    clearing_ms = measure_ms(lambda: found.append(clear_zones(books, lines)), runs=3)
    apart = clear_zones(books, [])
    assert found[-1].welfare >= apart.welfare
    assert found[-1].congestion_rent >= 0
    report(
        "zonal",
        zones=zones,
        orders=orders,
        lines=len(lines),
        steps=found[-1].steps,
        clearing_ms=clearing_ms,
        foreign_cores=meter.read().foreign_cores,
    )


def run_settlement(deliveries: Sequence[Delivery]) -> int:
    sums = Sums()
    for page in pages(deliveries):
        sums = count_page(sums, page)
    cursor = start_settling(TERMS, sums)
    for page in pages(deliveries):
        cursor = measure_settlement_page(cursor, page)
    total = 0
    for page in pages(deliveries):
        rows, cursor = settle_page(cursor, page)
        total += sum(row.net for row in rows)
    assert total + cursor.grid_cash + cursor.penalty_pot == 0
    return total


def bench_settlement(accounts: int) -> None:
    meter = Meter()
    random = Stream(accounts)
    deliveries = [Delivery(*(random.draw(0, 1_500) for _ in range(4))) for _ in range(accounts)]
    report(
        "settlement",
        accounts=accounts,
        settlement_ms=measure_ms(lambda: run_settlement(deliveries)),
        foreign_cores=meter.read().foreign_cores,
    )


def main() -> None:
    gc.disable()  # as the node does while it runs
    sizes = [int(word) for word in sys.argv[1:]]
    for orders in sizes or SIZES:
        for step in (1, 100):
            bench_auction(orders, step)
            if orders <= BOOK_ORDERS_MAX:
                bench_stored_auction(orders, step)
    for zones, orders in NETWORKS[:1] if sizes else NETWORKS:
        bench_network(zones, orders)
    for accounts in sizes or ACCOUNTS:
        bench_settlement(accounts)


if __name__ == "__main__":
    main()
