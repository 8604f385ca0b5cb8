"""What hostile traders, operators and regulators try, each as a test that it fails: wider limits, deposits
that come back too early, work beyond its weight, payments that cannot arrive, votes of the dismissed."""

import pytest
from msgspec import structs

from genesis.consortium import UNIT
from pallets.energy_trading import block_work, slot_life, weights
from pallets.energy_trading import market_errors as errors
from pallets.energy_trading.grid_types import CURTAILMENTS_MAX
from pallets.energy_trading.market_store import DAY_MS, DAY_OFFSET_MS
from pallets.energy_trading.market_types import (
    CONTRACTS_MAX,
    ROW_PAGE,
    SLOT_ORDERS_MAX,
    ZONES_MAX,
    Limits,
    MarketKind,
    Phase,
    Wire,
)
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import ROOT
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BLOCK_TIME_MS, BOB, CHARLIE, START_MS, Chain
from tests.support.energy import (
    ARCHIVE_MS,
    OFFICER,
    OPERATOR,
    PARAMETERS,
    REGULATORS,
    SLOT_MS,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    pass_gate,
    pass_gate_time,
)

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
VALUE = 10**5


def submit(
    energy: Energy, who: AccountId, slot: int, side: Side, qty: int, limit: int, zone: int = ZONE
) -> int:
    number = energy.pallets.market.next_order_id.get()
    energy.ok(who, "Market.submit_order", zone, slot, side, qty, limit, 0)
    return number


def begin_day(energy: Energy, before_ms: int = 0) -> None:
    """Go on to the first block of the next Thai day, or to one so long before it."""
    energy.close_block()
    now = START_MS + energy.number * BLOCK_TIME_MS
    begins = ((now + DAY_OFFSET_MS) // DAY_MS + 1) * DAY_MS - DAY_OFFSET_MS
    energy.start_ms = begins - before_ms - (energy.number + 1) * BLOCK_TIME_MS
    energy.open_block()


# --- traders


def test_leaving_and_coming_back_brings_no_wider_limits(energy: Energy) -> None:
    """Who was limited by Compliance would else have the limits of a newcomer again."""
    narrow = Limits(10, 10, 10**18)
    energy.ok(OFFICER, "Market.set_limits", ALICE, narrow)
    energy.ok(ALICE, "Market.leave")
    energy.ok(ALICE, "Market.register_participant")
    found = energy.pallets.market.participants.get(ALICE)
    assert found is not None
    assert found.limits == narrow


def test_leaving_does_not_begin_a_new_daily_limit(energy: Energy) -> None:
    slot, market = next_slot(energy, 2), energy.pallets.market
    energy.ok(OFFICER, "Market.set_limits", BOB, Limits(10**9, 10**9, 100 * 200 * VALUE))
    submit(energy, ALICE, slot, SELL, 100, 100)
    submit(energy, BOB, slot, BUY, 100, 200)
    pass_gate(energy, slot)
    energy.next_block()
    energy.noop(market.error(errors.StillOpen), BOB, "Market.leave")
    begin_day(energy)
    energy.ok(BOB, "Market.leave")
    assert not market.open_orders.contains(BOB)


def test_cancelling_orders_of_yesterday_frees_nothing_of_today(energy: Energy) -> None:
    """Else a trader orders twice its daily limit in a day, by cancelling what it ordered the day before."""
    each, market = 100 * 200 * VALUE, energy.pallets.market
    energy.ok(OFFICER, "Market.set_limits", BOB, Limits(10**9, 10**9, each))
    begin_day(energy, before_ms=2_000)
    slot = (energy.start_ms + energy.number * BLOCK_TIME_MS) // SLOT_MS + 3
    first = submit(energy, BOB, slot, BUY, 100, 200)
    energy.next_block(3)
    submit(energy, BOB, slot, BUY, 100, 200)
    energy.ok(BOB, "Market.cancel_order", first)
    exceeded = market.error(errors.LimitExceededDaily)
    energy.noop(exceeded, BOB, "Market.submit_order", ZONE, slot, BUY, 1, 1, 0)


def test_amending_an_order_of_yesterday_counts_it_today(energy: Energy) -> None:
    each, market = 100 * 200 * VALUE, energy.pallets.market
    energy.ok(OFFICER, "Market.set_limits", BOB, Limits(10**9, 10**9, each))
    begin_day(energy, before_ms=2_000)
    slot = (energy.start_ms + energy.number * BLOCK_TIME_MS) // SLOT_MS + 3
    first = submit(energy, BOB, slot, BUY, 100, 100)
    energy.next_block(3)
    energy.ok(BOB, "Market.amend_order", first, 50, 400)
    assert market.open_orders.get(BOB).ordered == each
    energy.noop(market.error(errors.LimitExceededDaily), BOB, "Market.submit_order", ZONE, slot, BUY, 1, 1, 0)
    energy.ok(BOB, "Market.cancel_order", first)
    assert market.open_orders.get(BOB).ordered == 0


def test_proposals_keep_the_deposit_of_who_made_them(energy: Energy) -> None:
    """Else one deposit after another account writes contracts into the state and is taken away again."""
    slot, market = next_slot(energy, 2), energy.pallets.market
    for _ in range(CONTRACTS_MAX):
        energy.ok(ALICE, "Market.propose_bilateral", BOB, ZONE, (slot, slot), SELL, 1, 1)
    energy.noop(market.error(errors.StillOpen), ALICE, "Market.leave")
    for number in range(CONTRACTS_MAX):
        energy.ok(ALICE, "Market.terminate_bilateral", number)
    energy.ok(ALICE, "Market.leave")
    assert not list(market.bilaterals.items())


def test_contract_is_accepted_once_and_ended_once(energy: Energy) -> None:
    slot, market = next_slot(energy, 2), energy.pallets.market
    energy.ok(ALICE, "Market.propose_bilateral", BOB, ZONE, (slot, slot), SELL, 100, 100)
    energy.noop(market.error(errors.PartnerMismatch), ALICE, "Market.accept_bilateral", 0)
    energy.noop(market.error(errors.PartnerMismatch), CHARLIE, "Market.terminate_bilateral", 0)
    energy.ok(BOB, "Market.accept_bilateral", 0)
    energy.noop(market.error(errors.NothingToDo), BOB, "Market.accept_bilateral", 0)
    energy.ok(BOB, "Market.terminate_bilateral", 0)
    for who in (ALICE, BOB):
        energy.noop(market.error(errors.UnknownContract), who, "Market.terminate_bilateral", 0)
    energy.noop(market.error(errors.UnknownContract), BOB, "Market.accept_bilateral", 0)


def test_one_account_cannot_fill_a_book(energy: Energy) -> None:
    """A full book takes nobody's orders: how much of it one account may take is bounded, also by amending."""
    slot, market = next_slot(energy, 2), energy.pallets.market
    full = market.error(errors.LimitExceededOpenOrders)
    for _ in range(SLOT_ORDERS_MAX):
        submit(energy, ALICE, slot, SELL, 1, 1_000_000)
    energy.noop(full, ALICE, "Market.submit_order", ZONE, slot, SELL, 1, 1_000_000, 0)
    energy.ok(ALICE, "Market.amend_order", 0, 2, 1_000)
    submit(energy, ALICE, slot + 1, SELL, 1, 1_000_000)
    energy.ok(ALICE, "Market.cancel_order", 1)
    submit(energy, ALICE, slot, SELL, 1, 1_000_000)


@pytest.mark.parametrize(("qty", "limit"), [(10**9, 10**6), (1, 0), (10**9, 0), (1, 10**6)])
def test_orders_of_extreme_size_and_price_clear_exactly(qty: int, limit: int) -> None:
    world = World(uses_assets=True)
    energy = energy_chain(structs.replace(PARAMETERS, fee_bps=0), world)
    slot, market, asset = next_slot(energy, 2), energy.pallets.market, energy.pallets.asset
    before = asset.total_issuance()
    submit(energy, ALICE, slot, SELL, qty, limit)
    submit(energy, BOB, slot, BUY, qty, limit)
    pass_gate(energy, slot)
    energy.next_block()
    sold = market.positions.get((ZONE, slot), ALICE)
    assert sold is not None
    assert (sold.traded_wh, sold.energy) == (qty, qty * limit * VALUE)
    assert asset.total_issuance() == before
    energy.close_block()


def test_share_of_nothing_leaves_no_position_and_no_row(energy: Energy) -> None:
    """In proportion 1 Wh is less than a Wh for each of three: two get nothing, and nothing stays of them."""
    slot, market = next_slot(energy, 2), energy.pallets.market
    submit(energy, ALICE, slot, SELL, 1, 100)
    buyers = energy.pallets.market.participants.items()
    three = [who for who, _ in buyers if who != ALICE][:3]
    for who in three:
        submit(energy, who, slot, BUY, 1, 100)
    pass_gate(energy, slot)
    energy.next_block()
    assert sum(market.positions.contains((ZONE, slot), who) for who in three) == 1
    assert len(market.trades.get((ZONE, slot, 0))) == 2
    assert all(energy.pallets.watt.held.get(who, market.store.escrow) == 0 for who in three)


# --- operators and regulators


def test_votes_of_dismissed_regulators_do_not_count(energy: Energy) -> None:
    market, world = energy.pallets.market, energy.pallets.world
    for who in REGULATORS[:2]:
        energy.ok(who, "Market.halt_market", ZONE)
        world.retired[who] = None
    energy.ok(REGULATORS[2], "Market.halt_market", ZONE)
    found = market.markets.get(ZONE)
    assert found is not None
    assert not found.is_halted
    assert market.halt_votes.get((ZONE, True)) == (REGULATORS[2],)


def test_halting_twice_takes_nothing_back_twice(energy: Energy) -> None:
    """Halt, resume and halt again while the refunds of the first halt are still to be made."""
    slot, market, watt = next_slot(energy, 3), energy.pallets.market, energy.pallets.watt
    whole = watt.free.get(BOB)
    submit(energy, BOB, slot, BUY, 100, 200)
    for name in ("halt", "resume", "halt", "resume"):
        energy.ok(OPERATOR, f"Market.{name}_market", ZONE)
    energy.noop(market.error(errors.NotActive), BOB, "Market.submit_order", ZONE, slot, BUY, 1, 1, 0)
    energy.next_block()
    assert watt.free.get(BOB) == whole
    submit(energy, BOB, slot, BUY, 100, 200)


def test_no_operator_takes_the_queue_of_curtailments_from_the_others() -> None:
    world = World({1: 0, 2: 0}, {1: OPERATOR, 2: REGULATORS[3]}, uses_grid=True)
    energy = energy_chain(world=world)
    slot, grid = next_slot(energy, 1), energy.pallets.grid
    for ahead in range(CURTAILMENTS_MAX // 2):
        energy.ok(OPERATOR, "Grid.curtail", 1, slot + ahead, 0)
    energy.noop(grid.TooMany, OPERATOR, "Grid.curtail", 1, slot + CURTAILMENTS_MAX, 0)
    energy.ok(REGULATORS[3], "Grid.curtail", 2, slot, 0)


def test_curtailment_that_comes_after_settlement_is_refused_and_does_not_wait_for_ever() -> None:
    world = World(uses_grid=True)
    energy = energy_chain(world=world)
    slot, market = next_slot(energy, 1), energy.pallets.market
    submit(energy, ALICE, slot, SELL, 100, 100)
    submit(energy, BOB, slot, BUY, 100, 100)
    pass_gate(energy, slot)
    energy.next_block()
    market.on_settled(ZONE, slot)
    assert market.curtail(ZONE, slot, 0) is False
    sold = market.positions.get((ZONE, slot), ALICE)
    assert sold is not None
    assert sold.traded_wh == 100


# --- pots


@pytest.mark.parametrize("uses_assets", [False, True])
def test_wheeling_less_than_a_pot_can_receive_does_not_stop_settlement(uses_assets: bool) -> None:
    """A zone of which nobody endowed the pot: one Wh traded there would else leave its slots unsettled for
    ever. What is due waits until it is enough."""
    world = World(uses_assets=uses_assets)
    energy = energy_chain(world=world)
    market, asset = energy.pallets.market, energy.pallets.asset
    world.operators[2], world.wheeling[2] = OPERATOR, 5
    energy.ok(ROOT, "Market.set_market", 2, PARAMETERS)
    pot = world.wheeling_pot(2)
    for qty in (1, 10**9):
        slot = next_slot(energy, 2)
        submit(energy, ALICE, slot, SELL, qty, 10, zone=2)
        submit(energy, BOB, slot, BUY, qty, 20, zone=2)
        pass_gate(energy, slot)
        energy.next_block()
        market.on_settled(2, slot)
        assert market.phase_of(2, slot) is Phase.Settled
        if qty == 1:
            assert market.unclaimed.get(pot) == 5 * VALUE
    assert market.unclaimed.get(pot) == 0
    assert asset.total_balance(pot) == (10**9 + 1) * 5 * VALUE
    energy.close_block()


def test_pot_of_a_line_that_cannot_receive_does_not_stop_coupled_zones() -> None:
    """Else one Wh over a new zone's line keeps the money of every buyer of all its neighbours."""
    world = World(uses_assets=True)
    energy = energy_chain(world=world)
    market = energy.pallets.market
    world.operators[2], world.wheeling[2] = OPERATOR, 0
    world.wires = (Wire(2, ZONE, 10, 3),)
    energy.ok(ROOT, "Market.set_market", 2, PARAMETERS)
    slot = next_slot(energy, 2)
    submit(energy, ALICE, slot, SELL, 1, 10, zone=2)
    submit(energy, BOB, slot, BUY, 1, 20)
    pass_gate(energy, slot)
    energy.next_block(2)
    for zone in (ZONE, 2):
        book = market.books.get((zone, slot))
        assert book is not None
        assert book.phase is Phase.Cleared
    assert market.unclaimed.get(world.wheeling_pot(2)) == 3 * VALUE
    energy.close_block()


@pytest.mark.parametrize("capacity", [0, 1, 7, 2**64 - 1])
def test_lines_of_odd_capacity_carry_no_more_than_they_take(capacity: int) -> None:
    world = World(
        {1: 0, 2: 0}, {1: OPERATOR, 2: OPERATOR}, wires=(Wire(1, 2, capacity, 3),) if capacity else ()
    )
    energy = energy_chain(world=world)
    slot, market = next_slot(energy, 2), energy.pallets.market
    submit(energy, ALICE, slot, SELL, 13, 10)
    submit(energy, BOB, slot, BUY, 11, 20, zone=2)
    pass_gate(energy, slot)
    energy.next_block(2)
    bought = market.positions.get((2, slot), BOB)
    assert (0 if bought is None else bought.traded_wh) == min(11, capacity)
    energy.close_block()


# --- work and weight


def test_rows_of_a_busy_slot_are_archived_a_few_pages_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two accounts trade as often as they pay for: nothing but fees bounds the rows of a continuous book."""
    monkeypatch.setattr(slot_life, "ARCHIVE_PAGES", 2)
    energy = energy_chain(structs.replace(PARAMETERS, kind=MarketKind.Continuous))
    slot, market = next_slot(energy, 2), energy.pallets.market
    pages = 5
    for _ in range(pages * ROW_PAGE // 2):
        submit(energy, ALICE, slot, SELL, 1, 10)
        submit(energy, BOB, slot, BUY, 1, 10)
    pass_gate(energy, slot)
    energy.next_block()
    market.on_settled(ZONE, slot)
    market.take_receivable(ZONE, slot, ALICE)
    energy.start_ms += SLOT_MS + ARCHIVE_MS
    left = [pages]
    while market.books.contains((ZONE, slot)):
        energy.next_block()
        left.append(sum(1 for _ in market.trades.items()))
        assert left[-2] - left[-1] <= 2
    assert left[-1] == 0
    energy.close_block()


def test_gates_of_coupled_zones_are_weighed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing one gate closes those of all zones joined with it, and each has levels to add up."""
    numbers = range(1, 5)
    wires = tuple(Wire(1, zone, 5, 1) for zone in numbers if zone > 1)
    world = World(dict.fromkeys(numbers, 0), dict.fromkeys(numbers, OPERATOR), wires=wires)
    energy = energy_chain(world=world)
    slot, market = next_slot(energy, 2), energy.pallets.market
    for zone in numbers:
        for limit in range(10):
            submit(energy, ALICE, slot, SELL, 1, 100 + limit, zone=zone)
    pass_gate_time(energy, slot)
    monkeypatch.setattr(block_work.BlockWork, "_price_groups", lambda _, used: used)
    levels = weights.MARKET_CLOSE_GATE_PER_LEVEL.times(40)
    expected = weights.MARKET_LOOK.plus(weights.MARKET_CLOSE_GATE.times(4)).plus(levels)
    assert market.work.begin() == expected
    assert all(market.phase_of(zone, slot) is Phase.GateClosed for zone in numbers)


def test_step_that_finishes_many_zones_declares_their_weight() -> None:
    energy = energy_chain()
    declared = energy.call("Market.step_clearing", ZONE, 1).weight()
    most = weights.MARKET_STEP_CLEARING_PER_ORDER.times(ROW_PAGE + ZONES_MAX)
    assert weights.MARKET_STEP_CLEARING.plus(most).fits(declared)


def test_registration_costs_what_it_gives_back(energy: Energy) -> None:
    balances = energy.pallets.balances
    before = balances.total_balance(ALICE)
    for _ in range(3):
        energy.ok(ALICE, "Market.leave")
        energy.ok(ALICE, "Market.register_participant")
    assert balances.total_balance(ALICE) == before
    held = energy.pallets.market.participants.get(ALICE)
    assert held is not None
    assert held.deposit == UNIT
