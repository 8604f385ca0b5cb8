"""Zones that are cleared together, through the pallets: the vectors of a solver, flows within capacity, rent
never below zero, one result for every cut of the work, and halts that refund all of them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.grid import Grid
from pallets.energy_trading.market_types import MarketKind, MarketParameters, Phase, Wire
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import ROOT, Weight
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, Chain
from tests.support.energy import (
    GRID_FUND,
    MARKET_POT,
    OPERATOR,
    PARAMETERS,
    WATT_EACH,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    pass_gate,
)
from tests.support.watt_ledger import MINIMUM

FILE = Path(__file__).parents[2] / "vectors" / "data" / "clearing_zonal.json"
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
BUY, SELL = Side.BUY, Side.SELL
Energy = Chain[EnergyChain]
VALUE = 10**5
NO_IDLE = Weight(200_000_000, 1 << 63)
WHO = (ALICE, BOB, CHARLIE, DAVE, EVE)
Placed = tuple[int, Side, int, int]
"""Zone, side, Wh, limit."""


def account_of(place: int) -> AccountId:
    return AccountId(b"trader" + place.to_bytes(26, "big"))


def make(
    zones: int,
    wires: list[Wire],
    parameters: MarketParameters = PARAMETERS,
    *,
    traders: int = 0,
    hook_weight: Weight | None = None,
) -> Energy:
    """Return a chain whose zones 1, 2, … are joined by lines of the grid pallet."""
    numbers = range(1, zones + 1)
    world = World(
        wheeling=dict.fromkeys(numbers, 0),
        operators=dict.fromkeys(numbers, OPERATOR),
        wires=tuple(wires),
        uses_grid=True,
    )
    return energy_chain(
        parameters, world, more=[account_of(place) for place in range(traders)], hook_weight=hook_weight
    )


def place_all(energy: Energy, orders: list[Placed], slot: int) -> None:
    """Place orders, each by an account of its own."""
    for place, (zone, side, qty, limit) in enumerate(orders):
        energy.ok(account_of(place), "Market.submit_order", zone, slot, side, qty, limit, 0)


def clear(energy: Energy, orders: list[Placed]) -> int:
    slot = next_slot(energy, 2)
    place_all(energy, orders, slot)
    pass_gate(energy, slot)
    energy.next_block(2)
    return slot


@cache
def load_cases() -> dict[str, Any]:
    return {entry["name"]: entry for entry in json.loads(FILE.read_text())["cases"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", load_cases())
def test_vectors_of_a_solver_through_the_pallet(name: str) -> None:
    entry = load_cases()[name]
    names, expect = entry["zones"], entry["expect"]
    wires = [
        Wire(names.index(line["from"]) + 1, names.index(line["to"]) + 1, line["cap"], line["wheeling_tick"])
        for line in entry["lines"]
    ]
    energy = make(len(names), wires, traders=len(entry["orders"]))
    orders = [
        (names.index(one["zone"]) + 1, SIDES[one["side"]], one["qty"], one["price"])
        for one in entry["orders"]
    ]
    slot = clear(energy, orders)
    market = energy.pallets.market
    clearings = [market.clearings.get((zone, slot)) for zone in range(1, len(names) + 1)]
    found = [clearing for clearing in clearings if clearing is not None]
    assert (
        sum(one.volume for one in found) == sum(one.sold for one in found) == expect["max_volume_at_optimum"]
    )
    assert welfare_of(energy, slot) == expect["max_welfare_tick_wh"]
    flows = {(flow.source, flow.target): flow.energy for flow in energy.pallets.grid.flow.get(slot)}
    for wire, (least, most) in zip(wires, expect["flow_range_at_optimum"], strict=True):
        assert least <= flows.get((wire.source, wire.target), 0) <= most
    energy.close_block()


def welfare_of(energy: Energy, slot: int) -> int:
    """Return the welfare of all auctions of a slot, of one zone or several."""
    market = energy.pallets.market
    alone = [one.welfare for key, one in market.clearings.items() if one is not None and key[1] == slot]
    together = [one.welfare for key, one in market.couplings.items() if one is not None and key[1] == slot]
    return sum(alone) + sum(together)


# --- money


def test_rent_and_wheeling_of_a_full_line_reach_fund_and_operator() -> None:
    """100 Wh fit; the price is 20 where they are made and 50 where they are used; 10 of it is wheeling."""
    energy = make(2, [Wire(1, 2, 100, 10)], traders=3)
    slot = clear(energy, [(1, SELL, 500, 20), (2, BUY, 500, 50), (1, BUY, 50, 20)])
    market, watt, grid = energy.pallets.market, energy.pallets.watt, energy.pallets.grid
    prices = [market.clearings.get((zone, slot)) for zone in (1, 2)]
    assert [(one.price, one.volume, one.sold) for one in prices if one] == [(20, 50, 150), (50, 100, 0)]
    assert watt.free.get(GRID_FUND) == MINIMUM + 100 * 20 * VALUE
    assert watt.free.get(grid.wheeling_pot(1)) == MINIMUM + 100 * 10 * VALUE
    owed = sum(one.receivable for zone in (1, 2) for one in market.iterate(zone, slot, None, 9))
    assert owed == 150 * 20 * VALUE
    assert watt.free.get(MARKET_POT) == MINIMUM + owed
    assert [flow.energy for flow in grid.flow.get(slot)] == [100]
    energy.noop(grid.InsufficientFunds, ROOT, "Grid.claim_rent", ALICE, 100 * 20 * VALUE + 1)
    energy.ok(ROOT, "Grid.claim_rent", ALICE, 100 * 20 * VALUE)
    assert energy.events() == [Grid.RentClaimed(ALICE, 100 * 20 * VALUE)]
    energy.close_block()


def test_zones_without_room_between_them_are_cleared_apart() -> None:
    energy = make(2, [Wire(1, 2, 0, 0)], traders=2)
    slot = clear(energy, [(1, SELL, 500, 20), (2, BUY, 500, 50)])
    assert not list(energy.pallets.market.clearings.items())
    assert not energy.pallets.grid.flow.get(slot)
    energy.close_block()


def test_energy_passes_through_a_zone_where_nobody_trades() -> None:
    energy = make(3, [Wire(1, 2, 100, 1), Wire(2, 3, 100, 2)], traders=2)
    slot = clear(energy, [(1, SELL, 80, 20), (3, BUY, 80, 50)])
    assert [flow.energy for flow in energy.pallets.grid.flow.get(slot)] == [80, 80]
    through = energy.pallets.market.clearings.get((2, slot))
    assert through is not None
    assert (through.volume, through.sold) == (0, 0)
    assert energy.pallets.market.is_cleared(2, slot)
    energy.close_block()


def test_zones_of_other_rules_are_not_coupled() -> None:
    energy = make(3, [Wire(1, 2, 100, 0), Wire(1, 3, 100, 0)], traders=3)
    energy.ok(ROOT, "Market.set_market", 2, structs.replace(PARAMETERS, k_permille=499))
    energy.ok(ROOT, "Market.set_market", 3, structs.replace(PARAMETERS, kind=MarketKind.Continuous))
    slot = clear(energy, [(1, SELL, 80, 20), (2, BUY, 80, 50), (3, BUY, 80, 50)])
    assert not list(energy.pallets.market.clearings.items())
    assert energy.pallets.market.is_cleared(1, slot)
    energy.close_block()


def test_coupled_gate_is_the_last_ones() -> None:
    energy = make(2, [Wire(1, 2, 100, 0)], traders=2)
    energy.ok(ROOT, "Market.set_market", 2, structs.replace(PARAMETERS, gate_ms=1_000))
    slot, market = next_slot(energy, 2), energy.pallets.market
    place_all(energy, [(1, SELL, 80, 20), (2, BUY, 80, 50)], slot)
    pass_gate(energy, slot)
    assert market.phase_of(1, slot) is Phase.GateClosed
    assert market.phase_of(2, slot) is Phase.Open
    energy.noop(market.error(errors.GateClosed), account_of(0), "Market.cancel_order", 0)
    energy.ok(account_of(1), "Market.amend_order", 1, 80, 40)
    energy.next_block(3)
    found = market.clearings.get((1, slot))
    assert found is not None
    assert found.sold == 80
    energy.close_block()


# --- halts


def halt_and_check(energy: Energy, slot: int, zone: int) -> None:
    """Halt one zone; both are refunded and the pot is as it was."""
    market, watt = energy.pallets.market, energy.pallets.watt
    energy.ok(OPERATOR, "Market.halt_market", zone)
    for _ in range(100):
        for one in (1, 2):
            market.life.work((one, slot), 1)
            market.try_state()
    assert [market.phase_of(one, slot) for one in (1, 2)] == [Phase.Halted] * 2
    assert all(watt.free.get(account_of(place)) == WATT_EACH for place in range(4))
    assert watt.free.get(MARKET_POT) == watt.free.get(GRID_FUND) == MINIMUM
    assert not list(market.couplings.items())
    assert not market.coupling_queue.get()


@pytest.mark.slow
def test_halt_of_one_zone_refunds_all_that_are_cleared_with_it() -> None:
    energy = make(2, [Wire(1, 2, 100, 1)], traders=4, hook_weight=NO_IDLE)
    slot, market = next_slot(energy, 2), energy.pallets.market
    place_all(energy, [(1, SELL, 80, 20), (2, BUY, 80, 50), (1, BUY, 10, 30), (2, SELL, 10, 60)], slot)
    pass_gate(energy, slot)
    assert [market.phase_of(zone, slot) for zone in (1, 2)] == [Phase.Clearing] * 2
    for done in range(8):
        for zone in (1, 2):
            mark = energy.state.mark()
            market.life.work((1, slot), done // 2)
            market.life.work((2, slot), (done + 1) // 2)
            halt_and_check(energy, slot, zone)
            energy.state.rollback(mark)
    energy.close_block()


def test_halt_before_the_price_refunds_all_that_were_to_be_cleared_together() -> None:
    energy = make(2, [Wire(1, 2, 100, 1)], traders=4, hook_weight=NO_IDLE)
    slot, market = next_slot(energy, 2), energy.pallets.market
    place_all(energy, [(1, SELL, 80, 20), (2, BUY, 80, 50)], slot)
    energy.pallets.timestamp.now.put(slot * 10_000 - 3_000)
    assert market.life.close_gate((1, slot))
    assert [market.phase_of(zone, slot) for zone in (1, 2)] == [Phase.GateClosed] * 2
    market.try_state()
    halt_and_check(energy, slot, 2)


def test_auction_of_zones_goes_on_over_blocks_to_one_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pallets.energy_trading.block_work.STEPS_MIN", 1)
    wires = [Wire(1, 2, 100, 1), Wire(2, 1, 50, 3)]
    orders = [(1 + place % 2, Side(place % 3 % 2), 10 + place, 20 + place * 7 % 11) for place in range(20)]
    found = []
    for hook_weight in (None, NO_IDLE):
        energy = make(2, wires, traders=20, hook_weight=hook_weight)
        market, slot, blocks = energy.pallets.market, next_slot(energy, 2), 0
        place_all(energy, orders, slot)
        pass_gate(energy, slot)
        while market.coupling_queue.get():
            assert market.phase_of(1, slot) is Phase.GateClosed
            energy.next_block()
            blocks += 1
        assert (blocks > 3) is (hook_weight is not None)
        found.append([market.clearings.get((zone, slot)) for zone in (1, 2)])
        energy.close_block()
    assert found[0] == found[1]


def test_halted_zone_is_left_out_of_the_next_auctions() -> None:
    energy = make(2, [Wire(1, 2, 100, 1)], traders=3)
    energy.ok(OPERATOR, "Market.halt_market", 2)
    slot = clear(energy, [(1, SELL, 80, 20), (1, BUY, 80, 50)])
    found = energy.pallets.market.clearings.get((1, slot))
    assert found is not None
    assert found.volume == 80
    assert not list(energy.pallets.market.couplings.items())
    energy.close_block()


# --- properties


NETWORKS = st.tuples(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(Side), st.integers(1, 50), st.integers(1, 30)),
        min_size=1,
        max_size=24,
    ),
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 60), st.integers(0, 5)), max_size=8
    ),
    st.sampled_from(Rationing),
    st.sampled_from([0, 100]),
)


def to_wires(lines: list[tuple[int, int, int, int]]) -> list[Wire]:
    found = {(source, target): Wire(source, target, cap, cost) for source, target, cap, cost in lines}
    return [wire for (source, target), wire in sorted(found.items()) if source != target]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(NETWORKS, st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_coupled_auctions_conserve_energy_and_money_however_the_work_is_cut(
    network: tuple[list[Placed], list[tuple[int, int, int, int]], Rationing, int], sizes: list[int]
) -> None:
    orders, lines, rationing, fee_bps = network
    parameters = structs.replace(PARAMETERS, rationing=rationing, fee_bps=fee_bps)
    energy = make(4, to_wires(lines), parameters, traders=len(orders), hook_weight=NO_IDLE)
    market, slot = energy.pallets.market, next_slot(energy, 2)
    place_all(energy, orders, slot)
    pass_gate(energy, slot)
    energy.next_block(3)
    found = []
    for steps in ([9_999], sizes):
        mark, turn = energy.state.mark(), 0
        while any(market.work_queue.get(zone) for zone in range(1, 5)):
            for zone in range(1, 5):
                market.life.work((zone, slot), steps[turn % len(steps)])
            energy.api.try_state()
            turn += 1
        check_conservation(energy, slot)
        found.append(energy.state.pending())
        energy.state.rollback(mark)
    assert found[0] == found[1]


def check_conservation(energy: Energy, slot: int) -> None:
    """In every zone what is bought is what is sold and brought in, less what is taken out; rent is not
    negative."""
    market, grid, watt = energy.pallets.market, energy.pallets.grid, energy.pallets.watt
    flows = grid.flow.get(slot)
    for zone in range(1, 5):
        positions = market.iterate(zone, slot, None, 99)
        net = sum(one.bought_wh - one.sold_wh for one in positions)
        brought = sum(flow.energy for flow in flows if flow.target == zone)
        taken = sum(flow.energy for flow in flows if flow.source == zone)
        assert net == brought - taken
    assert watt.free.get(GRID_FUND) >= MINIMUM
    rents = [one.rent for _, one in market.couplings.items() if one is not None]
    assert watt.free.get(GRID_FUND) == MINIMUM + sum(rents)


def test_the_end_of_a_coupled_auction_is_told() -> None:
    energy = make(2, [Wire(1, 2, 100, 10)], traders=2)
    slot = next_slot(energy, 2)
    place_all(energy, [(1, SELL, 80, 20), (2, BUY, 80, 50)], slot)
    pass_gate(energy, slot)
    energy.api.finalize_block()
    told = [record.event for record in energy.state.events]
    assert events.ZonesCleared(slot, (1, 2), 80 * 20, 0) in told
    assert Grid.CongestionRent(slot, 0) in told
