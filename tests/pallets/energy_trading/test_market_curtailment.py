"""Curtailment: positions are scaled by the operator's word when a slot begins, and every unit of money is
accounted for, whatever the prices were and however the work is cut."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.grid import Grid
from pallets.energy_trading.grid_types import CURTAILMENTS_MAX, Curtailment
from pallets.energy_trading.market_types import MarketKind, MarketParameters, Phase, Wire
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, Chain
from tests.support.energy import (
    MARKET_POT,
    OPERATOR,
    PARAMETERS,
    SLOT_MS,
    TRADERS,
    TREASURY_POT,
    WATT_EACH,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    now_ms,
    pass_gate,
)
from tests.support.watt_ledger import MINIMUM

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
VALUE = 10**5
RULES = structs.replace(PARAMETERS, fee_bps=100)


def make(parameters: MarketParameters = RULES, zones: int = 1, wires: tuple[Wire, ...] = ()) -> Energy:
    numbers = range(1, zones + 1)
    world = World(dict.fromkeys(numbers, 5), dict.fromkeys(numbers, OPERATOR), wires=wires, uses_grid=True)
    return energy_chain(parameters, world)


@pytest.fixture
def energy() -> Iterator[Energy]:
    made = make()
    yield made
    made.close_block()


def place(energy: Energy, slot: int, orders: list[tuple[bytes, Side, int, int]]) -> None:
    for who, side, qty, limit in orders:
        energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, limit, 0)  # type: ignore[arg-type]  # an account


def begin(energy: Energy, slot: int) -> None:
    """Go on until a slot has begun for a few blocks."""
    while now_ms(energy) < slot * SLOT_MS + 4_000:
        energy.next_block()


def traded(energy: Energy, slot: int) -> dict[bytes, tuple[int, int]]:
    return {
        one.who: (one.bought_wh, one.sold_wh) for one in energy.pallets.market.iterate(ZONE, slot, None, 99)
    }


def test_positions_are_scaled_when_the_slot_begins_and_buyers_refunded(energy: Energy) -> None:
    """Of 100 Wh at 100 ticks 30.1 %, that is 30 Wh, stay; the one that remains goes to the first by key."""
    slot, watt, market = next_slot(energy, 1), energy.pallets.watt, energy.pallets.market
    place(energy, slot, [(ALICE, SELL, 100, 100), (BOB, BUY, 67, 106), (CHARLIE, BUY, 33, 106)])
    pass_gate(energy, slot)
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 301)
    assert energy.events() == [Grid.CurtailmentOrdered(ZONE, slot, 301)]
    energy.next_block()
    assert sum(bought for bought, _ in traded(energy, slot).values()) == 100
    begin(energy, slot)
    kept = traded(energy, slot)
    assert kept in (
        {ALICE: (0, 30), BOB: (21, 0), CHARLIE: (9, 0)},
        {ALICE: (0, 30), BOB: (20, 0), CHARLIE: (10, 0)},
    )
    for who in (BOB, CHARLIE):
        assert watt.free.get(who) == WATT_EACH - kept[who][0] * (100 * VALUE + 100 * 100 * 10 + 5 * VALUE)
    assert [one.receivable for one in market.iterate(ZONE, slot, None, 9) if one.sold_wh] == [
        30 * 100 * VALUE
    ]
    assert not energy.pallets.grid.curtailments.get()
    market.on_settled(ZONE, slot)
    assert watt.free.get(TREASURY_POT) == MINIMUM + 30 * 100 * 100 * 10
    assert market.take_receivable(ZONE, slot, ALICE) == watt.free.get(MARKET_POT) - MINIMUM


def test_refund_is_told() -> None:
    energy = make()
    slot = next_slot(energy, 1)
    place(energy, slot, [(ALICE, SELL, 100, 100), (BOB, BUY, 100, 106)])
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 400)
    told: list[object] = []
    while now_ms(energy) < slot * SLOT_MS + 3_000:
        energy.api.finalize_block()
        told += [record.event for record in energy.state.events]
        energy.backend.apply(energy.state.drain())
        energy.open_block()
    refunded = 60 * (100 * VALUE + 100 * 100 * 10 + 5 * VALUE)
    assert Grid.Curtailed(ZONE, slot, 400, refunded) in told


def test_nothing_stays_of_a_slot_that_is_curtailed_wholly(energy: Energy) -> None:
    slot, watt = next_slot(energy, 1), energy.pallets.watt
    place(energy, slot, [(ALICE, SELL, 100, 100), (BOB, BUY, 100, 106)])
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 0)
    begin(energy, slot)
    assert traded(energy, slot) == {}
    assert watt.free.get(BOB) == WATT_EACH
    assert watt.free.get(MARKET_POT) == MINIMUM
    assert energy.pallets.market.is_cleared(ZONE, slot)


def test_lifted_curtailment_changes_nothing(energy: Energy) -> None:
    slot = next_slot(energy, 1)
    place(energy, slot, [(ALICE, SELL, 100, 100), (BOB, BUY, 100, 106)])
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 0)
    energy.noop(energy.pallets.grid.NotOperator, ALICE, "Grid.lift", ZONE, slot)
    energy.noop(energy.pallets.grid.NotCurtailed, OPERATOR, "Grid.lift", ZONE, slot + 1)
    energy.ok(OPERATOR, "Grid.lift", ZONE, slot)
    assert energy.events() == [Grid.Lifted(ZONE, slot)]
    energy.noop(energy.pallets.grid.NotCurtailed, OPERATOR, "Grid.lift", ZONE, slot)
    begin(energy, slot)
    assert traded(energy, slot) == {ALICE: (0, 100), BOB: (100, 0)}
    energy.noop(energy.pallets.grid.DeliveryBegun, OPERATOR, "Grid.lift", ZONE, slot)


def test_curtailment_is_the_operators_before_delivery(energy: Energy) -> None:
    grid, slot = energy.pallets.grid, next_slot(energy, 2)
    energy.noop(grid.UnknownZone, OPERATOR, "Grid.curtail", 9, slot, 500)
    energy.noop(grid.NotOperator, ALICE, "Grid.curtail", ZONE, slot, 500)
    energy.noop(grid.BadPermille, OPERATOR, "Grid.curtail", ZONE, slot, 1_000)
    energy.noop(grid.DeliveryBegun, OPERATOR, "Grid.curtail", ZONE, slot - 2, 500)
    energy.noop(grid.DeliveryBegun, OPERATOR, "Grid.curtail", ZONE, slot + 191, 500)
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot + 190, 999)
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 0)
    energy.noop(grid.AlreadyCurtailed, OPERATOR, "Grid.curtail", ZONE, slot, 500)
    assert grid.curtailments.get() == (Curtailment(slot, ZONE, 0), Curtailment(slot + 190, ZONE, 999))
    for ahead in range(1, CURTAILMENTS_MAX - 1):
        energy.ok(OPERATOR, "Grid.curtail", ZONE, slot + ahead, 1)
    energy.noop(grid.TooMany, OPERATOR, "Grid.curtail", ZONE, slot + 180, 1)


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_curtailing_is_for_signers(energy: Energy, origin: Origin) -> None:
    energy.noop(BadOrigin, origin, "Grid.curtail", ZONE, 1, 1)
    energy.noop(BadOrigin, origin, "Grid.lift", ZONE, 1)


def test_empty_slot_is_curtailed_to_nothing(energy: Energy) -> None:
    slot = next_slot(energy, 1)
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 500)
    begin(energy, slot)
    assert not energy.pallets.grid.curtailments.get()
    assert not list(energy.pallets.market.curtailing.items())


def test_coupled_and_halted_zones_are_not_scaled() -> None:
    energy = make(zones=2, wires=(Wire(1, 2, 50, 0),))
    slot, told = next_slot(energy, 1), []
    place(energy, slot, [(ALICE, SELL, 100, 100)])
    energy.ok(BOB, "Market.submit_order", 2, slot, BUY, 100, 206, 0)
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 500)
    while now_ms(energy) < slot * SLOT_MS + 3_000:
        energy.next_block()
        told += energy.block_events()
    assert Grid.CurtailmentRefused(ZONE, slot) in told
    assert traded(energy, slot) == {ALICE: (0, 50)}
    energy.close_block()


def test_slot_that_is_not_cleared_yet_waits_for_its_curtailment(energy: Energy) -> None:
    slot, watt, market = next_slot(energy, 1), energy.pallets.watt, energy.pallets.market
    place(energy, slot, [(ALICE, SELL, 100, 100), (BOB, BUY, 100, 106)])
    energy.ok(OPERATOR, "Grid.curtail", ZONE, slot, 500)
    watt.is_frozen.put(True)
    begin(energy, slot)
    assert market.phase_of(ZONE, slot) is Phase.Clearing
    assert energy.pallets.grid.curtailments.get()
    watt.is_frozen.kill()
    energy.next_block(4)
    assert traded(energy, slot) == {ALICE: (0, 50), BOB: (50, 0)}


def test_halt_does_not_stop_a_curtailment(energy: Energy) -> None:
    slot, market = next_slot(energy, 1), energy.pallets.market
    place(energy, slot, [(ALICE, SELL, 100, 100), (BOB, BUY, 100, 106)])
    pass_gate(energy, slot)
    energy.next_block()
    assert market.curtail(ZONE, slot, 500)
    assert market.phase_of(ZONE, slot) is Phase.Curtailing
    assert not market.is_cleared(ZONE, slot)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    energy.next_block()
    assert traded(energy, slot) == {ALICE: (0, 50), BOB: (50, 0)}
    assert market.is_cleared(ZONE, slot)


TRADES = st.lists(
    st.tuples(st.sampled_from(TRADERS), st.sampled_from(Side), st.integers(1, 60), st.integers(5, 40)),
    min_size=2,
    max_size=25,
)
SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    TRADES,
    st.integers(0, 999),
    st.sampled_from(MarketKind),
    st.sampled_from(Rationing),
    SIZES,
    st.booleans(),
)
def test_scaling_conserves_energy_and_money_however_it_is_cut(
    trades: list[tuple[bytes, Side, int, int]],
    permille: int,
    kind: MarketKind,
    rationing: Rationing,
    sizes: list[int],
    has_contract: bool,
) -> None:
    energy = make(structs.replace(RULES, kind=kind, rationing=rationing))
    slot, market, watt = next_slot(energy, 2), energy.pallets.market, energy.pallets.watt
    if has_contract:
        energy.ok(DAVE, "Market.propose_bilateral", ALICE, ZONE, (slot, slot), SELL, 17, 333)
        energy.ok(ALICE, "Market.accept_bilateral", 0)
    for who, side, qty, limit in trades:
        energy.dispatch(who, energy.call("Market.submit_order", ZONE, slot, side, qty, limit, 0))  # type: ignore[arg-type]  # an account
    pass_gate(energy, slot)
    energy.next_block()
    before = traded(energy, slot)
    total = sum(bought for bought, _ in before.values())
    found = []
    for steps in ([9_999], [1], sizes):
        mark, turn = energy.state.mark(), 0
        assert market.curtail(ZONE, slot, permille)
        while market.work_queue.get(ZONE):
            market.life.work((ZONE, slot), steps[turn % len(steps)])
            market.try_state()
            turn += 1
        after = traded(energy, slot)
        assert sum(bought for bought, _ in after.values()) == total * permille // 1_000
        assert sum(sold for _, sold in after.values()) == total * permille // 1_000
        assert all(after[who] <= before[who] for who in after)
        book = market.books.get((ZONE, slot))
        assert book is not None
        assert kind is MarketKind.Continuous or has_contract or book.energy == 0
        found.append(energy.state.pending())
        assert watt.total_issuance() == sum(amount for _, amount in watt.free.items())
        energy.state.rollback(mark)
    assert found[0] == found[1] == found[2]
