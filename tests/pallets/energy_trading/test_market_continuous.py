"""Continuous trading through the pallet: the vectors of a published matching engine, money of each trade,
limits that include fee and wheeling, gates and halts."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.continuous import MATCHES_MAX
from pallets.energy_trading.market_types import (
    PAGE_ORDERS,
    Clearing,
    DayStats,
    MarketKind,
    NewOrder,
    Phase,
    SlotPosition,
)
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import list_levels
from runtime.frame.dispatch import ROOT
from runtime.frame.fungible import Reason
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, Chain
from tests.support.energy import (
    OPERATOR,
    PARAMETERS,
    SLOT_MS,
    WATT_EACH,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    pass_gate,
)

FILE = Path(__file__).parents[2] / "vectors" / "data" / "clearing_cda.json"
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
BUY, SELL = Side.BUY, Side.SELL
Energy = Chain[EnergyChain]
VALUE = 10**5
CONTINUOUS = structs.replace(PARAMETERS, kind=MarketKind.Continuous)


@cache
def load_cases() -> dict[str, Any]:
    return {entry["name"]: entry for entry in json.loads(FILE.read_text())["cases"]}


def account_of(place: int) -> AccountId:
    return AccountId(b"trader" + place.to_bytes(26, "big"))


@pytest.mark.parametrize("name", load_cases())
def test_vectors_of_a_matching_engine_through_the_pallet(name: str) -> None:
    entry = load_cases()[name]
    placed = [step for step in entry["ops"] if step["op"] != "cancel"]
    energy = energy_chain(CONTINUOUS, more=[account_of(place) for place in range(len(placed))])
    slot = next_slot(energy, 2)
    names: list[str] = []
    trades: list[list[Any]] = []
    for step in entry["ops"]:
        if step["op"] == "cancel":
            number = names.index(step["id"])
            energy.dispatch(account_of(number), energy.call("Market.cancel_order", number))
            continue
        order = (ZONE, slot, SIDES[step["side"]], step["qty"], step["price"], 0)
        energy.ok(account_of(len(names)), "Market.submit_order", *order)
        names.append(step["id"])
        trades += [
            [names[event.taker], names[event.maker], event.qty, event.price]
            for event in energy.events()
            if isinstance(event, events.TradeExecuted)
        ]
    assert trades == entry["expect"]["trades"]
    book = {"bids": list_waiting(energy, slot, BUY, names), "asks": list_waiting(energy, slot, SELL, names)}
    assert book == entry["expect"]["book"]
    energy.close_block()


def list_waiting(energy: Energy, slot: int, side: Side, names: list[str]) -> list[list[Any]]:
    market = energy.pallets.market
    found: list[list[Any]] = []
    for ticks, _, _ in list_levels(market.levels.get((ZONE, slot, side))):
        ids = market.pages.get((ZONE, slot, side, ticks))
        orders = [market.orders.get(order_id) for order_id in ids]
        found.append(
            [ticks, [[names[one], order.qty] for one, order in zip(ids, orders, strict=True) if order]]
        )
    return found


def make(fee_bps: int = 0, wheeling: int = 0) -> Energy:
    return energy_chain(structs.replace(CONTINUOUS, fee_bps=fee_bps), World(wheeling={ZONE: wheeling}))


def place(energy: Energy, who: AccountId, side: Side, qty: int, limit: int, slot: int | None = None) -> None:
    wanted = next_slot(energy, 2) if slot is None else slot
    energy.ok(who, "Market.submit_order", ZONE, wanted, side, qty, limit, 0)


def refused(energy: Energy, error: Any, who: AccountId, name: str, *args: Any) -> None:
    energy.noop(energy.pallets.market.error(error), who, f"Market.{name}", *args)


def test_trade_moves_exact_money_at_once_and_returns_what_the_limit_allowed_more() -> None:
    energy = make(fee_bps=100, wheeling=5_000)
    slot, market, watt = next_slot(energy, 2), energy.pallets.market, energy.pallets.watt
    place(energy, ALICE, SELL, 1_000, 45_000)
    place(energy, BOB, BUY, 400, 60_000)
    fee, wheeling = 400 * 45_000 * 100 * 10, 400 * 5_000 * VALUE
    assert energy.events()[-1] == events.TradeExecuted(ZONE, slot, 1, 0, 400, 45_000, fee, wheeling)
    paid = 400 * 45_000 * VALUE + fee + wheeling
    assert watt.free.get(BOB) == WATT_EACH - paid
    assert watt.balance_on_hold(Reason(28, 0), BOB) == 0
    assert market.orders.get(0).qty == 600  # type: ignore[union-attr]  # it waits
    assert market.orders.get(0).filled == 400  # type: ignore[union-attr]  # it waits
    assert SlotPosition(ALICE, 0, 400, 400 * 45_000 * VALUE) in market.iterate(ZONE, slot, None, 9)
    energy.close_block()


def test_waiting_bid_sells_at_what_its_limit_leaves_for_energy() -> None:
    energy = make(fee_bps=100, wheeling=5_000)
    slot, watt = next_slot(energy, 2), energy.pallets.watt
    place(energy, BOB, BUY, 400, 50_450)
    refused(energy, errors.SideLocked, BOB, "submit_order", ZONE, slot, SELL, 1, 1, 0)
    place(energy, ALICE, SELL, 400, 45_001)
    assert energy.pallets.market.clearings.get((ZONE, slot)) is None
    place(energy, CHARLIE, SELL, 400, 45_000)
    assert watt.free.get(BOB) == WATT_EACH - 400 * 50_450 * VALUE
    assert energy.pallets.market.clearings.get((ZONE, slot)).price == 45_000  # type: ignore[union-attr]  # it traded
    energy.close_block()


def test_bid_below_the_wheeling_is_out_of_the_band() -> None:
    energy = make(wheeling=5_000)
    slot = next_slot(energy, 2)
    refused(energy, errors.PriceOutOfBand, BOB, "submit_order", ZONE, slot, BUY, 1, 4_999, 0)
    place(energy, BOB, BUY, 1, 5_000)
    energy.close_block()


def test_amended_limit_may_trade_at_once() -> None:
    energy = make()
    place(energy, ALICE, SELL, 10, 100)
    place(energy, BOB, BUY, 10, 90)
    energy.ok(BOB, "Market.amend_order", 1, 4, 120)
    assert energy.pallets.market.orders.get(1) is None
    assert energy.pallets.watt.free.get(BOB) == WATT_EACH - 400 * VALUE
    energy.close_block()


def test_order_trades_with_so_many_others_and_no_more() -> None:
    energy = make()
    slot = next_slot(energy, 2)
    energy.ok(ALICE, "Market.submit_orders", (NewOrder(ZONE, slot, SELL, 1, 1),) * 64)
    place(energy, CHARLIE, SELL, 1, 1)
    refused(energy, errors.TooManyMatches, BOB, "submit_order", ZONE, slot, BUY, MATCHES_MAX + 1, 9, 0)
    place(energy, BOB, BUY, MATCHES_MAX, 9)
    place(energy, BOB, BUY, 1, 9)
    assert not energy.pallets.market.levels.get((ZONE, slot, SELL))
    energy.close_block()


def test_one_price_holds_so_many_orders_and_no_more() -> None:
    energy = make()
    slot = next_slot(energy, 2)
    for who in (ALICE, BOB, CHARLIE, DAVE):
        energy.ok(who, "Market.submit_orders", (NewOrder(ZONE, slot, SELL, 1, 1),) * (PAGE_ORDERS // 4))
    refused(energy, errors.BookFull, EVE, "submit_order", ZONE, slot, SELL, 1, 1, 0)
    place(energy, EVE, SELL, 1, 2)
    energy.close_block()


def test_gate_ends_what_waits_and_keeps_what_traded() -> None:
    energy = make(fee_bps=100)
    slot, market = next_slot(energy, 2), energy.pallets.market
    place(energy, ALICE, SELL, 10, 100)
    place(energy, BOB, BUY, 4, 200)
    place(energy, CHARLIE, BUY, 5, 99)
    place(energy, DAVE, BUY, 5, 98)
    refused(energy, errors.NothingToDo, ALICE, "step_clearing", ZONE, slot)
    pass_gate(energy, slot)
    energy.next_block()
    assert market.phase_of(ZONE, slot) is Phase.Cleared
    assert not list(market.orders.items())
    assert energy.pallets.watt.free.get(CHARLIE) == WATT_EACH
    assert market.clearings.get((ZONE, slot)) == Clearing(100, 100, 100, 4, 4, 400 * VALUE, 0, 0, 0)
    assert market.count(ZONE, slot) == 2
    day = (slot * SLOT_MS + 7 * 3_600_000) // 86_400_000
    assert market.stats.get((ZONE, day)) == DayStats(1, 4, 400 * VALUE, 100, 100, 0, 4 * VALUE, 0)
    energy.close_block()


def test_halt_cancels_what_waits_and_trades_stand() -> None:
    energy = make()
    slot, market = next_slot(energy, 2), energy.pallets.market
    place(energy, ALICE, SELL, 10, 100)
    place(energy, BOB, BUY, 4, 200)
    place(energy, CHARLIE, BUY, 5, 99)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    energy.next_block()
    assert not list(market.orders.items())
    assert energy.pallets.watt.free.get(CHARLIE) == WATT_EACH
    assert market.phase_of(ZONE, slot) is Phase.Halted
    energy.ok(OPERATOR, "Market.resume_market", ZONE)
    place(energy, CHARLIE, SELL, 5, 99, slot)
    place(energy, BOB, BUY, 5, 200, slot)
    pass_gate(energy, slot)
    energy.next_block()
    assert market.clearings.get((ZONE, slot)) == Clearing(99, 99, 100, 9, 9, (400 + 495) * VALUE, 0, 0, 0)
    energy.close_block()


def test_market_may_change_its_kind_for_books_to_come() -> None:
    energy = make()
    slot = next_slot(energy, 2)
    place(energy, ALICE, SELL, 10, 100)
    energy.ok(ROOT, "Market.set_market", ZONE, PARAMETERS)
    place(energy, BOB, BUY, 4, 200)
    assert energy.pallets.market.clearings.get((ZONE, slot)) is not None
    place(energy, ALICE, SELL, 10, 100, slot + 1)
    place(energy, BOB, BUY, 4, 200, slot + 1)
    assert energy.pallets.market.clearings.get((ZONE, slot + 1)) is None
    energy.close_block()
