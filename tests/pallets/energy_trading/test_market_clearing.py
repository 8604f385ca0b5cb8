"""From the gate to settlement: prices of the worked examples, fills in pages of any size, what sellers are
owed, halts that refund everything, fees and wheeling where they belong."""

from typing import Any

import pytest
from msgspec import structs

from genesis.consortium import UNIT
from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.market_types import Clearing, DayStats, Halt, Phase, Row, SlotPosition, Stage
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import ROOT, BadOrigin, Pays, Weight
from runtime.frame.fungible import Preservation, Reason
from runtime.primitives.row_tree import EMPTY_ROOT, compute_root
from runtime.primitives.scale import codec
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, Chain
from tests.support.energy import (
    MARKET_POT,
    OPERATOR,
    PARAMETERS,
    REGULATORS,
    SLOT_MS,
    TREASURY_POT,
    WATT_EACH,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    pass_gate,
    pass_gate_time,
)
from tests.support.watt_ledger import MINIMUM

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
TIME, PRO_RATA = Rationing.TIME, Rationing.PRO_RATA
VALUE = 10**5
WHO = (ALICE, BOB, CHARLIE, DAVE, EVE)
NO_IDLE = Weight(200_000_000, 1 << 63)
"""Too little for any order in the idle time of a block."""


def refused(energy: Energy, error: Any, who: Any, name: str, *args: Any) -> None:
    energy.noop(energy.pallets.market.error(error), who, f"Market.{name}", *args)


def place_all(energy: Energy, orders: list[tuple[Side, int, int]], slot: int) -> None:
    """Place orders, each by the next account."""
    for who, (side, qty, limit) in zip(WHO, orders, strict=False):
        energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, limit, 0)


def clear(energy: Energy, orders: list[tuple[Side, int, int]]) -> int:
    """Place orders for the slot after the next and go on until it is cleared; return it."""
    slot = next_slot(energy, 2)
    place_all(energy, orders, slot)
    pass_gate(energy, slot)
    energy.next_block()
    assert energy.pallets.market.is_cleared(ZONE, slot)
    return slot


def traded(energy: Energy, slot: int) -> list[int]:
    """Return what each account traded."""
    found = [energy.pallets.market.positions.get((ZONE, slot), who) for who in WHO]
    return [0 if position is None else position.traded_wh for position in found]


# --- prices and fills


@pytest.mark.parametrize(
    ("orders", "terms", "price", "fills"),
    [
        ([(SELL, 500, 22_000), (BUY, 500, 45_001)], (PRO_RATA, 0, 0), (33_500, 22_000, 45_001), [500, 500]),
        (
            [(SELL, 300, 22_000), (SELL, 300, 26_000), (BUY, 400, 45_000)],
            (PRO_RATA, 0, 0),
            (26_000, 26_000, 26_000),
            [300, 100, 400],
        ),
        (
            [(SELL, 300, 22_000), (SELL, 300, 30_000), (BUY, 300, 45_000)],
            (PRO_RATA, 0, 0),
            (26_000, 22_000, 30_000),
            [300, 0, 300],
        ),
        (
            [(SELL, 100, 25_000), (BUY, 67, 30_000), (BUY, 67, 30_000), (BUY, 66, 30_000)],
            (TIME, 0, 0),
            (30_000, 30_000, 30_000),
            [100, 67, 33, 0],
        ),
        (
            [(SELL, 100, 25_000), (BUY, 67, 30_000), (BUY, 67, 30_000), (BUY, 66, 30_000)],
            (PRO_RATA, 0, 0),
            (30_000, 30_000, 30_000),
            [100, 34, 33, 33],
        ),
        (
            [(SELL, 2_500, 22_000), (SELL, 1_000, 31_000), (BUY, 2_600, 42_218), (BUY, 900, 57_982)],
            (PRO_RATA, 100, 10_700),
            (31_102, 31_000, 31_205),
            [2_500, 1_000, 2_600, 900],
        ),
        ([(SELL, 1_000, 45_000), (BUY, 1_000, 45_000)], (PRO_RATA, 100, 0), None, [0, 0]),
        (
            [(SELL, 1_000_000, 45_000), (BUY, 1_000_000, 45_450)],
            (PRO_RATA, 100, 0),
            (45_000, 45_000, 45_000),
            [1_000_000, 1_000_000],
        ),
    ],
)
def test_worked_examples(
    orders: list[tuple[Side, int, int]],
    terms: tuple[Rationing, int, int],
    price: tuple[int, int, int] | None,
    fills: list[int],
) -> None:
    rationing, fee_bps, wheeling = terms
    parameters = structs.replace(PARAMETERS, rationing=rationing, fee_bps=fee_bps)
    energy = energy_chain(parameters, World(wheeling={ZONE: wheeling}))
    slot = clear(energy, orders)
    found = energy.pallets.market.clearings.get((ZONE, slot))
    assert (None if found is None else (found.price, found.low, found.high)) == price
    assert traded(energy, slot) == fills + [0] * (len(WHO) - len(fills))


def test_reference_demo_moves_exact_money(energy: Energy) -> None:
    """1,000 kWh at 4.50 THB: 4,500 THB to the seller, 45 THB of fee, and 0.5 THB per kWh of wheeling."""
    energy.ok(ROOT, "Market.set_market", ZONE, structs.replace(PARAMETERS, fee_bps=100))
    world, watt, market = energy.pallets.world, energy.pallets.watt, energy.pallets.market
    world.wheeling[ZONE] = 5_000
    slot = clear(energy, [(SELL, 1_000_000, 45_000), (BUY, 1_000_000, 50_450)])
    paid = 4_500 * UNIT + 45 * UNIT + 500 * UNIT
    assert watt.free.get(BOB) == WATT_EACH - paid
    assert watt.free.get(ALICE) == WATT_EACH
    assert watt.free.get(MARKET_POT) == MINIMUM + paid
    position = SlotPosition(ALICE, 0, 1_000_000, 4_500 * UNIT)
    assert position in market.iterate(ZONE, slot, None, 10)
    market.on_settled(ZONE, slot)
    assert watt.free.get(TREASURY_POT) == MINIMUM + 45 * UNIT
    assert watt.free.get(world.wheeling_pot(ZONE)) == MINIMUM + 500 * UNIT
    assert market.take_receivable(ZONE, slot, ALICE) == 4_500 * UNIT
    assert watt.free.get(MARKET_POT) == MINIMUM + 4_500 * UNIT
    assert market.phase_of(ZONE, slot) is Phase.Settled


def test_events_tell_gate_price_fills_and_root() -> None:
    energy = energy_chain()
    slot = next_slot(energy, 2)
    place_all(energy, [(SELL, 300, 22_000), (BUY, 200, 45_000), (BUY, 400, 20_000)], slot)
    pass_gate(energy, slot)
    gate, price = energy.block_events()[:2]
    assert gate == events.GateClosed(ZONE, slot, 600, 300)
    assert price == events.SlotCleared(ZONE, slot, 22_000, 22_000, 22_000, 200, 3, 200 * 23_000)
    energy.api.finalize_block()
    energy_amount = 200 * 22_000 * VALUE
    bought = Row(1, BOB, BUY, 200, 22_000, energy_amount, 0, 0)
    sold = Row(0, ALICE, SELL, 200, 22_000, energy_amount, 0, 0)
    root = compute_root([codec(Row).encode(row) for row in (bought, sold)])
    told = [record.event for record in energy.state.events]
    assert events.OrdersFilled(ZONE, slot, (bought,)) in told
    assert events.OrdersFilled(ZONE, slot, (sold,)) in told
    assert events.TradesSealed(ZONE, slot, 2, root) in told
    assert energy.pallets.market.trades_root.get((ZONE, slot)) == root
    assert energy.pallets.market.trades.get((ZONE, slot, 0)) == (bought, sold)
    assert energy.pallets.world.cleared == [(ZONE, slot)]


def test_book_without_a_cross_gives_everything_back(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    place_all(energy, [(SELL, 300, 30_000), (BUY, 200, 29_999)], slot)
    pass_gate(energy, slot)
    assert events.NoCross(ZONE, slot) in energy.block_events()
    energy.next_block()
    market = energy.pallets.market
    assert market.clearings.get((ZONE, slot)) is None
    assert market.trades_root.get((ZONE, slot)) == EMPTY_ROOT
    assert (market.count(ZONE, slot), market.iterate(ZONE, slot, None, 10)) == (0, [])
    assert energy.pallets.watt.free.get(BOB) == WATT_EACH
    assert market.is_cleared(ZONE, slot)


def test_slot_without_an_order_is_cleared_by_its_gate(energy: Energy) -> None:
    slot, market = next_slot(energy, 2), energy.pallets.market
    assert not market.is_cleared(ZONE, slot)
    pass_gate_time(energy, slot)
    assert market.is_cleared(ZONE, slot)
    assert market.count(ZONE, slot) == 0
    market.on_settled(ZONE, slot)
    assert market.phase_of(ZONE, slot) is Phase.GateClosed


def test_phases_of_a_slot(energy: Energy) -> None:
    slot, market = next_slot(energy, 5), energy.pallets.market
    seen = [market.phase_of(ZONE, slot)]
    while energy.number < 75:
        energy.next_block()
        if energy.number == 15:
            place_all(energy, [(SELL, 1, 1), (BUY, 1, 1)], slot)
        phase = market.phase_of(ZONE, slot)
        if phase is not seen[-1]:
            seen.append(phase)
    assert seen == [
        Phase.Future,
        Phase.Open,
        Phase.GateClosed,
        Phase.Clearing,
        Phase.Cleared,
        Phase.Delivering,
        Phase.AwaitingMeters,
    ]


def test_statistics_add_up_the_slots_of_a_day(energy: Energy) -> None:
    energy.ok(ROOT, "Market.set_market", ZONE, structs.replace(PARAMETERS, fee_bps=100))
    first = clear(energy, [(SELL, 100, 20_000), (BUY, 100, 20_200)])
    clear(energy, [(SELL, 50, 30_000), (BUY, 50, 30_300)])
    day = (first * SLOT_MS + 7 * 3_600_000) // 86_400_000
    value = (100 * 20_000 + 50 * 30_000) * VALUE
    expected = DayStats(2, 150, value, 20_000, 30_000, 4, value // 100, 0)
    assert energy.pallets.market.stats.get((ZONE, day)) == expected


# --- pages of any size


def finish_by_steps(energy: Energy, slot: int) -> int:
    """Let anyone step until the slot is cleared; return how often."""
    steps = 0
    while not energy.pallets.market.is_cleared(ZONE, slot):
        post = energy.ok(FERDIE, "Market.step_clearing", ZONE, slot)
        assert post.pays_fee is Pays.No
        steps += 1
    return steps


def test_anyone_may_step_when_blocks_have_no_idle_weight() -> None:
    energy = energy_chain(hook_weight=NO_IDLE)
    slot = next_slot(energy, 2)
    place_all(energy, [(SELL, 500, 22_000), (BUY, 400, 45_001)], slot)
    refused(energy, errors.NothingToDo, FERDIE, "step_clearing", ZONE, slot)
    pass_gate(energy, slot)
    energy.next_block(3)
    assert energy.pallets.market.phase_of(ZONE, slot) is Phase.Clearing
    assert finish_by_steps(energy, slot) == 1
    refused(energy, errors.NothingToDo, FERDIE, "step_clearing", ZONE, slot)
    refused(energy, errors.NothingToDo, FERDIE, "step_clearing", 7, slot)
    energy.close_block()


def test_asset_that_refuses_for_now_delays_the_work_and_stops_nothing(energy: Energy) -> None:
    slot, watt = next_slot(energy, 2), energy.pallets.watt
    place_all(energy, [(SELL, 500, 22_000), (BUY, 400, 45_001)], slot)
    watt.is_frozen.put(True)
    pass_gate(energy, slot)
    energy.next_block(2)
    assert energy.pallets.market.phase_of(ZONE, slot) is Phase.Clearing
    assert energy.pallets.market.trades.get((ZONE, slot, 0)) == ()
    energy.noop(watt.Frozen, FERDIE, "Market.step_clearing", ZONE, slot)
    watt.is_frozen.kill()
    energy.next_block()
    assert energy.pallets.market.is_cleared(ZONE, slot)


def test_heavy_gates_wait_for_the_next_block_but_one_is_always_closed() -> None:
    energy = energy_chain(hook_weight=NO_IDLE)
    world, market = energy.pallets.world, energy.pallets.market
    for zone in (2, 3):
        world.operators[zone], world.wheeling[zone] = OPERATOR, 0
        energy.ok(ROOT, "Market.set_market", zone, PARAMETERS)
    slot = next_slot(energy, 2)
    for zone in (1, 2, 3):
        energy.ok(ALICE, "Market.submit_order", zone, slot, SELL, 10, 10, 0)
    pass_gate(energy, slot)
    refused(energy, errors.GateClosed, ALICE, "cancel_order", 2)
    phases = []
    for _ in range(3):
        phases.append([market.books.get((zone, slot)).phase for zone in (1, 2, 3)])  # type: ignore[union-attr]  # there
        energy.next_block()
    opened, closed = Phase.Open, Phase.Clearing
    assert phases == [[closed, opened, opened], [closed, closed, opened], [closed] * 3]
    energy.close_block()


# --- halts


def test_operator_halts_and_every_escrow_comes_back(energy: Energy) -> None:
    slot, market = next_slot(energy, 2), energy.pallets.market
    place_all(energy, [(SELL, 500, 22_000), (BUY, 400, 45_001)], slot)
    place_all(energy, [(BUY, 500, 22_000), (BUY, 400, 45_001)], slot + 1)
    refused(energy, errors.NotOperator, ALICE, "halt_market", ZONE)
    refused(energy, errors.UnknownMarket, OPERATOR, "halt_market", 9)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    assert energy.events() == [events.MarketHalted(ZONE)]
    refused(energy, errors.MarketHalted, OPERATOR, "halt_market", ZONE)
    refused(energy, errors.MarketHalted, ALICE, "submit_order", ZONE, slot, SELL, 1, 1, 0)
    refused(energy, errors.NotActive, ALICE, "cancel_order", 0)
    refused(energy, errors.MarketHalted, ALICE, "amend_order", 0, 1, 1)
    assert market.phase_of(ZONE, slot) is Phase.Halting
    energy.next_block()
    assert market.phase_of(ZONE, slot) is Phase.Halted
    assert [energy.pallets.watt.free.get(who) for who in (ALICE, BOB)] == [WATT_EACH] * 2
    assert not list(market.orders.items())
    assert not list(market.books.items())
    energy.ok(OPERATOR, "Market.resume_market", ZONE)
    assert energy.events() == [events.MarketResumed(ZONE)]
    refused(energy, errors.NotHalted, OPERATOR, "resume_market", ZONE)
    clear(energy, [(SELL, 1, 1), (BUY, 1, 1)])


def test_annulled_orders_are_told() -> None:
    energy = energy_chain()
    slot = next_slot(energy, 2)
    place_all(energy, [(SELL, 500, 22_000), (BUY, 400, 45_001)], slot)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    energy.api.finalize_block()
    told = [record.event for record in energy.state.events]
    assert events.OrderAnnulled(0) in told
    assert events.OrderAnnulled(1) in told
    assert events.SlotHalted(ZONE, slot) in told


def test_halt_in_the_midst_of_fills_unwinds_them() -> None:
    energy = energy_chain(
        structs.replace(PARAMETERS, fee_bps=100), World(wheeling={ZONE: 5}), hook_weight=NO_IDLE
    )
    market, watt = energy.pallets.market, energy.pallets.watt
    slot = next_slot(energy, 2)
    place_all(energy, [(BUY, 100, 45_000), (BUY, 100, 45_000), (SELL, 150, 10), (BUY, 9, 1)], slot)
    pass_gate(energy, slot)
    for orders in range(1, 8):
        mark = energy.state.mark()
        market.life.work((ZONE, slot), orders)
        energy.ok(OPERATOR, "Market.halt_market", ZONE)
        market.try_state()
        while market.work_queue.get(ZONE):
            market.life.work((ZONE, slot), 1)
            market.try_state()
        assert [watt.free.get(who) for who in WHO] == [WATT_EACH] * len(WHO)
        assert watt.free.get(MARKET_POT) == MINIMUM
        assert market.count(ZONE, slot) == 0
        assert market.clearings.get((ZONE, slot)) is None
        assert market.trades_root.get((ZONE, slot)) == EMPTY_ROOT
        assert market.phase_of(ZONE, slot) is Phase.Halted
        energy.state.rollback(mark)
    energy.close_block()


def test_what_is_cleared_stays_so_when_the_market_halts(energy: Energy) -> None:
    slot = clear(energy, [(SELL, 500, 22_000), (BUY, 400, 45_001)])
    before = traded(energy, slot)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    energy.next_block()
    assert traded(energy, slot) == before == [400, 400, 0, 0, 0]


def test_refund_of_an_account_that_died_can_be_claimed() -> None:
    energy = energy_chain(hook_weight=NO_IDLE)
    market, watt = energy.pallets.market, energy.pallets.watt
    slot = next_slot(energy, 2)
    place_all(energy, [(BUY, 1, 10), (SELL, 1, 10)], slot)
    pass_gate(energy, slot)
    market.life.work((ZONE, slot), 1)
    watt.transfer(ALICE, EVE, watt.free.get(ALICE), Preservation.EXPENDABLE)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    while market.work_queue.get(ZONE):
        market.life.work((ZONE, slot), 1)
    assert market.unclaimed.get(ALICE) == 10 * VALUE
    assert watt.free.get(ALICE) == 0
    watt.transfer(EVE, ALICE, MINIMUM, Preservation.PRESERVE)
    refused(energy, errors.NothingToDo, BOB, "claim")
    energy.ok(ALICE, "Market.claim")
    assert watt.free.get(ALICE) == MINIMUM + 10 * VALUE
    refused(energy, errors.NothingToDo, ALICE, "claim")
    energy.close_block()


def test_regulators_halt_and_resume_by_three_votes(energy: Energy) -> None:
    market, (one, two, three, four) = energy.pallets.market, REGULATORS
    energy.ok(one, "Market.halt_market", ZONE)
    assert energy.events() == [events.HaltVoted(ZONE, one, 1)]
    refused(energy, errors.AlreadyVoted, one, "halt_market", ZONE)
    energy.ok(two, "Market.halt_market", ZONE)
    assert market.markets.get(ZONE).halt is Halt.No  # type: ignore[union-attr]  # there is one
    energy.ok(three, "Market.halt_market", ZONE)
    assert market.markets.get(ZONE).halt is Halt.Regulators  # type: ignore[union-attr]  # there is one
    refused(energy, errors.MarketHalted, four, "halt_market", ZONE)
    refused(energy, errors.NotOperator, OPERATOR, "resume_market", ZONE)
    refused(energy, errors.NotOperator, ALICE, "resume_market", ZONE)
    for regulator in (one, two, four):
        assert market.markets.get(ZONE).is_halted  # type: ignore[union-attr]  # there is one
        energy.ok(regulator, "Market.resume_market", ZONE)
    assert not market.markets.get(ZONE).is_halted  # type: ignore[union-attr]  # there is one
    assert not list(market.halt_votes.items())


def test_regulators_take_over_what_the_operator_halted(energy: Energy) -> None:
    market = energy.pallets.market
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    energy.ok(REGULATORS[3], "Market.resume_market", ZONE)
    for regulator in REGULATORS[:3]:
        energy.ok(regulator, "Market.halt_market", ZONE)
    assert market.markets.get(ZONE).halt is Halt.Regulators  # type: ignore[union-attr]  # there is one
    refused(energy, errors.NotOperator, OPERATOR, "resume_market", ZONE)


def test_emergency_of_the_grid_halts_and_the_operator_resumes(energy: Energy) -> None:
    market = energy.pallets.market
    market.halt_for_emergency(ZONE)
    market.halt_for_emergency(ZONE)
    market.halt_for_emergency(9)
    assert market.markets.get(ZONE).halt is Halt.Emergency  # type: ignore[union-attr]  # there is one
    energy.ok(OPERATOR, "Market.resume_market", ZONE)


# --- governance


def test_market_needs_rules_that_can_work(energy: Energy) -> None:
    energy.noop(BadOrigin, ALICE, "Market.set_market", ZONE, PARAMETERS)
    for change in (
        {"k_permille": 1_001},
        {"fee_bps": 1_001},
        {"gate_ms": 86_400_001},
        {"horizon": 0},
        {"horizon": 193},
        {"qty_min": 0},
        {"qty_max": 0},
        {"qty_max": 10**9 + 1},
        {"price_min": 2, "price_max": 1},
        {"price_max": 10**6 + 1},
        {"price_step": 0},
    ):
        bad = structs.replace(PARAMETERS, **change)
        refused(energy, errors.BadParameters, ROOT, "set_market", ZONE, bad)
    refused(energy, errors.UnknownMarket, ROOT, "set_market", 2, PARAMETERS)
    widest = structs.replace(
        PARAMETERS, k_permille=1_000, fee_bps=1_000, gate_ms=86_400_000, horizon=192, price_max=10**6
    )
    energy.ok(ROOT, "Market.set_market", ZONE, widest)
    assert energy.events() == [events.MarketSet(ZONE, widest)]


def test_so_many_zones_have_a_market_and_no_more(energy: Energy) -> None:
    world = energy.pallets.world
    for zone in range(2, 34):
        world.operators[zone] = OPERATOR
    for zone in range(2, 33):
        energy.ok(ROOT, "Market.set_market", zone, PARAMETERS)
    refused(energy, errors.TooManyZones, ROOT, "set_market", 33, PARAMETERS)
    energy.ok(ROOT, "Market.set_market", 5, PARAMETERS)


def test_open_book_keeps_its_rules_when_the_market_gets_others(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    place_all(energy, [(SELL, 100, 100), (BUY, 100, 200)], slot)
    energy.ok(ROOT, "Market.set_market", ZONE, structs.replace(PARAMETERS, fee_bps=1_000, k_permille=0))
    pass_gate(energy, slot)
    energy.next_block()
    found = energy.pallets.market.clearings.get((ZONE, slot))
    assert found == Clearing(150, 100, 200, 100, 100, 100 * 150 * VALUE, 100 * 100, 1, 1)


def test_fees_are_collected_by_governance_up_to_what_there_is(energy: Energy) -> None:
    energy.ok(ROOT, "Market.set_market", ZONE, structs.replace(PARAMETERS, fee_bps=100))
    slot = clear(energy, [(SELL, 1_000, 45_000), (BUY, 1_000, 45_450)])
    energy.pallets.market.on_settled(ZONE, slot)
    fee = 1_000 * 45_000 * 100 * 10
    energy.noop(BadOrigin, ALICE, "Market.collect_fees", ALICE, fee)
    refused(energy, errors.InsufficientFunds, ROOT, "collect_fees", ALICE, fee + 1)
    energy.ok(ROOT, "Market.collect_fees", ALICE, fee)
    assert energy.events() == [events.FeesCollected(ALICE, fee)]
    assert energy.pallets.watt.free.get(TREASURY_POT) == MINIMUM


# --- what settlement reads


def test_positions_are_listed_page_by_page_in_one_order(energy: Energy) -> None:
    market = energy.pallets.market
    slot = clear(energy, [(SELL, 30, 10), (BUY, 10, 10), (BUY, 10, 10), (BUY, 10, 10)])
    whole = market.iterate(ZONE, slot, None, 100)
    assert {one.who for one in whole} == {ALICE, BOB, CHARLIE, DAVE}
    assert market.count(ZONE, slot) == 4
    for size in (1, 2, 3, 4):
        pages: list[SlotPosition] = []
        while page := market.iterate(ZONE, slot, pages[-1].who if pages else None, size):
            pages += page
        assert pages == whole
    assert sum(one.bought_wh for one in whole) == sum(one.sold_wh for one in whole) == 30


def test_receivable_is_handed_over_once(energy: Energy) -> None:
    market = energy.pallets.market
    slot = clear(energy, [(SELL, 30, 10), (BUY, 30, 10)])
    assert market.take_receivable(ZONE, slot, ALICE) == 300 * VALUE
    assert market.take_receivable(ZONE, slot, ALICE) == 0
    assert market.take_receivable(ZONE, slot, BOB) == 0
    assert market.take_receivable(ZONE, slot, CHARLIE) == 0
    assert {one.receivable for one in market.iterate(ZONE, slot, None, 9)} == {0}


def test_settling_twice_pays_once(energy: Energy) -> None:
    energy.ok(ROOT, "Market.set_market", ZONE, structs.replace(PARAMETERS, fee_bps=100))
    slot = clear(energy, [(SELL, 1_000, 45_000), (BUY, 1_000, 45_450)])
    for _ in range(2):
        energy.pallets.market.on_settled(ZONE, slot)
    assert energy.pallets.watt.free.get(TREASURY_POT) == MINIMUM + 1_000 * 45_000 * 100 * 10
    assert energy.pallets.watt.balance_on_hold(Reason(28, 0), BOB) == 0


def test_nothing_is_settled_before_it_is_cleared() -> None:
    energy = energy_chain(structs.replace(PARAMETERS, fee_bps=100), hook_weight=NO_IDLE)
    slot = next_slot(energy, 2)
    place_all(energy, [(BUY, 1_000, 45_450), (SELL, 1_000, 45_000)], slot)
    pass_gate(energy, slot)
    energy.pallets.market.life.work((ZONE, slot), 1)
    energy.pallets.market.on_settled(ZONE, slot)
    assert energy.pallets.watt.free.get(TREASURY_POT) == MINIMUM
    assert energy.pallets.market.phase_of(ZONE, slot) is Phase.Clearing
    assert energy.pallets.market.progress.get((ZONE, slot)).stage is Stage.FillBids  # type: ignore[union-attr]  # there
    energy.close_block()
