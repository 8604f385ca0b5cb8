"""Reports of trade: figures of a real market's blocks, and the reference's."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from msgspec import structs

from apps.audit.plain import Record
from apps.audit.trading import Figures, Trading
from apps.audit.witness import BlockEvents
from apps.chain.runtime import EventRecord
from apps.chain.values import Value, Variant
from genesis.consortium import UNIT
from pallets.energy_trading.market_types import MarketKind
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_value
from tests.apps.audit.market_blocks import Recorder, header_of
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE
from tests.support.energy import (
    OPERATOR,
    PARAMETERS,
    SLOT_MS,
    ZONE,
    World,
    energy_chain,
    next_slot,
    now_ms,
)

BUY, SELL = Side.BUY, Side.SELL
KWH = 1_000


def market_event(name: str, **value: Value) -> EventRecord:
    return EventRecord(None, "Market", name, value)


def trade(zone: int, qty: int, price: int, fee: int = 0, wheeling: int = 0) -> EventRecord:
    fields = {"taker": 1, "maker": 2, "qty": qty, "price": price, "fee": fee, "wheeling": wheeling}
    return market_event("TradeExecuted", zone=zone, slot=9, **fields)


def fill(side: str, qty: int, price: int) -> dict[str, Any]:
    row = {"order": 1, "who": ALICE, "qty": qty, "price": price, "energy": compute_value(qty, price)}
    return {
        **row,
        "side": Variant(side),
        "fee": 5 if side == "BUY" else 0,
        "wheeling": 7 if side == "BUY" else 0,
    }


def count(*blocks: Iterable[EventRecord]) -> Trading:
    trading = Trading()
    for number, events in enumerate(blocks, 1):
        # the aggregation reads no runtime
        trading.add(BlockEvents(header_of(number, 0), None, tuple(events)))  # type: ignore[arg-type]
    return trading


def rows_of(rows: list[Record], name: str) -> list[Record]:
    return [row for row in rows if row["row"] == name]


def test_the_figures_of_the_reference_are_reproduced() -> None:
    """125,000 transactions, 1,500,000 kWh, 6,750,000 THB: 4.50 THB per kWh on average."""

    def blocks() -> Iterator[list[EventRecord]]:
        for _ in range(1_250):
            yield [trade(1, 12 * KWH, 45_000)] * 100

    trading = count(*blocks())
    assert trading.total == Figures(125_000, 1_500_000 * KWH, 6_750_000 * UNIT, 0, 0)
    assert trading.total.average_ticks == 45_000
    assert trading.total.describe() == (
        "125,000 transactions, 1,500,000 kWh, 6,750,000.00 THB, 4.5000 THB/kWh on average"
    )


def test_the_average_of_different_prices_is_weighed_by_energy_and_rounded_down() -> None:
    trading = count([trade(1, 1, 10), trade(1, 2, 11)])
    assert trading.total.average_ticks == 10
    assert trading.total.value == compute_value(1, 10) + compute_value(2, 11)


def test_nothing_traded_has_no_average() -> None:
    rows = count([]).sec_rows()
    assert [row["row"] for row in rows] == ["total", "contracts"]
    assert rows[0]["average_ticks"] == 0
    assert count([]).erc_rows({}) == []


def test_an_auction_counts_each_buyer_once_and_no_seller() -> None:
    rows = (fill("BUY", 300, 20_000), fill("BUY", 200, 20_000), fill("SELL", 500, 20_000))
    filled = market_event("OrdersFilled", zone=1, slot=9, rows=rows)
    total = count([filled]).total
    assert total == Figures(2, 500, compute_value(500, 20_000), 10, 14)
    sealed = market_event("TradesSealed", zone=1, slot=9, rows=3, root=bytes(32))
    assert count([filled], [sealed]).total == total


def test_fills_that_a_halt_takes_back_do_not_count_and_trades_do() -> None:
    filled = market_event("OrdersFilled", zone=1, slot=9, rows=(fill("BUY", 300, 20_000),))
    halted = market_event("SlotHalted", zone=1, slot=9)
    other = market_event("SlotHalted", zone=2, slot=9)
    assert count([filled], [halted]).total == Figures()
    assert count([filled], [other]).total.transactions == 1
    assert count([trade(1, 300, 20_000)], [halted]).total.transactions == 1


def test_zones_come_in_order_and_add_up() -> None:
    trading = count([trade(3, 5, 10, 1, 2), trade(1, 7, 10), trade(3, 5, 10)])
    zones = rows_of(trading.sec_rows(), "zone")
    assert [row["zone"] for row in zones] == [1, 3]
    (total,) = rows_of(trading.sec_rows(), "total")
    for name in ("transactions", "energy_wh", "value", "fees", "wheeling"):
        assert total[name] == sum(row[name] for row in zones)


def test_contracts_have_a_row_of_their_own() -> None:
    events = [
        market_event("BilateralAccepted", contract=1, paid=70),
        market_event("BilateralAccepted", contract=2, paid=30),
        market_event("BilateralTerminated", contract=2, refunded=10),
    ]
    trading = count(events)
    assert trading.total == Figures()
    (contracts,) = rows_of(trading.sec_rows(), "contracts")
    assert contracts == {"row": "contracts", "accepted": 2, "paid": 100, "refunded": 10}


def test_a_zone_s_month_has_price_wheeling_losses_and_curtailment() -> None:
    sums = {"grid_buys_wh": 4, "grid_sells_wh": 5, "netted_wh": 6, "penalties": 7}
    events = [
        trade(1, 1_000_000, 45_000, 3, 9),
        market_event("SlotSettled", zone=1, slot=9, fees=3, wheeling=9),
        EventRecord(None, "Settlement", "SlotSettled", {"zone": 1, "slot": 9, "sums": sums}),
        EventRecord(None, "Grid", "Curtailed", {"zone": 2, "slot": 9, "permille": 500, "refunded": 11}),
    ]
    first, second = count(events).erc_rows({1: 61_234})
    assert (first["zone"], first["energy_wh"], first["average_ticks"]) == (1, 1_000_000, 45_000)
    assert (first["wheeling"], first["wheeling_paid"], first["loss_ppm"], first["losses_wh"]) == (
        9,
        9,
        61_234,
        61_234,
    )
    assert (first["settled_slots"], first["grid_buys_wh"], first["grid_sells_wh"]) == (1, 4, 5)
    assert (first["netted_wh"], first["penalties"], first["curtailed_slots"]) == (6, 7, 0)
    assert (second["zone"], second["energy_wh"], second["loss_ppm"]) == (2, 0, 0)
    assert (second["curtailed_slots"], second["curtailed_refunds"]) == (1, 11)


def test_a_real_auction_gives_the_figures_that_the_market_s_own_statistics_have() -> None:
    energy = energy_chain(structs.replace(PARAMETERS, fee_bps=100), World(wheeling={ZONE: 5_000}))
    recorder = Recorder(energy)
    slot = next_slot(energy, 2)
    orders = ((ALICE, SELL, 700, 20_000), (BOB, BUY, 400, 60_000), (CHARLIE, BUY, 500, 50_000))
    for who, side, qty, limit in orders:
        energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, limit, 0)
    while not energy.pallets.market.is_cleared(ZONE, slot):
        recorder.next_block()
    recorder.next_block()
    trading = Trading()
    for block in recorder.blocks:
        trading.add(block)
    day = energy.pallets.market.store.day_of(slot * SLOT_MS)
    stats = energy.pallets.market.stats.get((ZONE, day))
    assert trading.total == Figures(2, stats.volume, stats.value, stats.fees, stats.wheeling)
    assert stats.volume == 700


def test_a_real_continuous_market_gives_the_figures_of_its_statistics() -> None:
    energy = energy_chain(structs.replace(PARAMETERS, kind=MarketKind.Continuous))
    recorder = Recorder(energy)
    slot = next_slot(energy, 2)
    for who, side, qty in ((ALICE, SELL, 700), (BOB, BUY, 300), (DAVE, BUY, 300)):
        energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, 30_000, 0)
    while not energy.pallets.market.is_cleared(ZONE, slot):
        recorder.next_block()
    recorder.next_block()
    trading = count(*(block.events for block in recorder.blocks))
    assert trading.total == Figures(2, 600, compute_value(600, 30_000))
    day = energy.pallets.market.store.day_of(slot * SLOT_MS)
    assert energy.pallets.market.stats.get((ZONE, day)).volume == 600


@pytest.mark.parametrize("continues", [False, True])
def test_a_real_halt_before_the_gate_leaves_no_trade(*, continues: bool) -> None:
    kind = MarketKind.Continuous if continues else MarketKind.CallUniform
    energy = energy_chain(structs.replace(PARAMETERS, kind=kind))
    recorder = Recorder(energy)
    slot = next_slot(energy, 2)
    energy.ok(ALICE, "Market.submit_order", ZONE, slot, SELL, 700, 20_000, 0)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    end = now_ms(energy) + 3 * SLOT_MS
    while now_ms(energy) < end:
        recorder.next_block()
    assert count(*(block.events for block in recorder.blocks)).total == Figures()
