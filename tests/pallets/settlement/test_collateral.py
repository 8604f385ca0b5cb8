"""Collateral: what is required stays, debts take what stands for them in order, receivers are made whole."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.energy_trading.units import compute_value
from pallets.settlement import collateral_errors as errors
from pallets.settlement import collateral_events as events
from pallets.settlement.collateral import Collateral
from pallets.settlement.collateral_types import DEPOSIT_SLOTS, Cut, Debt, Guarantee, Recovery
from pallets.settlement.tariff import ON_PEAK_TICKS
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, PalletError, TokenFailure, TokenReason
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE
from tests.support.fake_watt import MINIMUM, Trade
from tests.support.settlement import (
    CAPACITY_W,
    FUND_POT,
    FUNDS,
    SETTLEMENT_POT,
    SLOT_MS,
    ZONE,
    Community,
    Device,
    EnergyChain,
    current_slot,
    energy_chain,
    net_all,
    pass_slots,
    person,
)

DEPOSIT, COLLATERAL = Guarantee
SPREAD = 57_982 - 22_000
CAPACITY_WH = CAPACITY_W * SLOT_MS // 3_600_000
REQUIRED = compute_value(DEPOSIT_SLOTS * CAPACITY_WH, ON_PEAK_TICKS)
NO_FUNDS = TokenFailure(TokenReason.FundsUnavailable)


@pytest.fixture
def chain() -> Iterator[EnergyChain]:
    made = energy_chain(people=3)
    yield made
    # Tests let settlement's pot owe nothing: what they put there was nobody's.
    made.pallets.watt.free.put(SETTLEMENT_POT, MINIMUM)
    made.close_block()


def pallet(chain: EnergyChain) -> Collateral:
    return chain.pallets.collateral


def deposit(chain: EnergyChain, who: AccountId, kind: Guarantee, amount: int) -> None:
    chain.ok(who, "Collateral.deposit_collateral", kind, amount)


def cover(chain: EnergyChain, epoch: int, who: AccountId, owed: int) -> int:
    return pallet(chain).cover(epoch, who, owed, SETTLEMENT_POT)


# --- putting aside


def test_deposit_and_collateral_are_held_apart(chain: EnergyChain) -> None:
    deposit(chain, ALICE, DEPOSIT, 30)
    deposit(chain, ALICE, COLLATERAL, 70)
    assert chain.events() == [events.CollateralDeposited(ALICE, COLLATERAL, 70)]
    assert pallet(chain)._guarantees(ALICE) == (30, 70)
    assert chain.pallets.watt.free.get(ALICE) == FUNDS - 100
    chain.ok(ALICE, "Collateral.withdraw_collateral", DEPOSIT, 30)
    assert chain.events() == [events.CollateralWithdrawn(ALICE, DEPOSIT, 30)]
    assert pallet(chain)._guarantees(ALICE) == (0, 70)


def test_putting_aside_is_refused(chain: EnergyChain) -> None:
    name, error = "Collateral.deposit_collateral", pallet(chain).error
    chain.noop(error(errors.ZeroAmount), ALICE, name, DEPOSIT, 0)
    chain.noop(BadOrigin, ROOT, name, DEPOSIT, 1)
    chain.noop(NO_FUNDS, ALICE, name, DEPOSIT, FUNDS - MINIMUM + 1)
    chain.noop(NO_FUNDS, FERDIE, name, COLLATERAL, 1)
    deposit(chain, ALICE, DEPOSIT, FUNDS - MINIMUM)
    name = "Collateral.withdraw_collateral"
    chain.noop(error(errors.ZeroAmount), ALICE, name, DEPOSIT, 0)
    chain.noop(error(errors.NotHeld), ALICE, name, COLLATERAL, 1)
    chain.noop(error(errors.NotHeld), ALICE, name, DEPOSIT, FUNDS - MINIMUM + 1)
    chain.noop(BadOrigin, NOBODY, name, DEPOSIT, 1)


def test_deposit_for_the_meters_stays(chain: EnergyChain) -> None:
    Device("a", ALICE).register(chain)
    deposit(chain, ALICE, DEPOSIT, REQUIRED + 5)
    refused = pallet(chain).error(errors.RequirementNotMet)
    chain.noop(refused, ALICE, "Collateral.withdraw_collateral", DEPOSIT, 6)
    chain.ok(ALICE, "Collateral.withdraw_collateral", DEPOSIT, 5)
    assert pallet(chain)._missing(ALICE) == (0, 0)


def test_collateral_stands_for_what_a_seller_offers_until_the_slot_is_settled(chain: EnergyChain) -> None:
    community = Community(chain, 1)
    seller, key = person(0), (ZONE, community.slot)
    worth = compute_value(1_000, SPREAD)
    deposit(chain, seller, COLLATERAL, 2 * worth + 3)
    assert not pallet(chain).covers(seller, key, 2_001)
    assert pallet(chain).requirement.get(seller) == 0
    assert pallet(chain).covers(seller, key, 1_000)
    assert pallet(chain).covers(seller, (ZONE, community.slot + 1), 1_000)
    assert not pallet(chain).covers(seller, (ZONE, community.slot + 2), 1)
    assert pallet(chain).covers(seller, key, 900)
    assert pallet(chain).covers(seller, (ZONE, community.slot + 2), 100)
    refused = pallet(chain).error(errors.RequirementNotMet)
    chain.noop(refused, seller, "Collateral.withdraw_collateral", COLLATERAL, 4)
    chain.ok(seller, "Collateral.withdraw_collateral", COLLATERAL, 3)
    community.read((0, 0))
    community.settle()
    assert pallet(chain).requirement.get(seller) == worth + compute_value(100, SPREAD)
    assert pallet(chain).covers(seller, (ZONE, community.slot), 0)
    assert pallet(chain).covers(seller, (ZONE, community.slot + 1), 0)
    assert not pallet(chain).requirement.contains(seller)


def test_offers_of_an_account_that_had_no_part_are_released(chain: EnergyChain) -> None:
    community, name = Community(chain, 1), "Collateral.release_requirement"
    slot = community.slot
    deposit(chain, ALICE, COLLATERAL, compute_value(10, SPREAD))
    assert pallet(chain).covers(ALICE, (ZONE, slot), 10)
    refused = pallet(chain).error(errors.NothingToDo)
    chain.noop(refused, BOB, name, ALICE, ZONE, slot)
    community.read((0, 0))
    community.settle()
    chain.noop(refused, BOB, name, BOB, ZONE, slot)
    chain.noop(BadOrigin, NOBODY, name, ALICE, ZONE, slot)
    chain.ok(BOB, name, ALICE, ZONE, slot)
    assert chain.events() == [events.RequirementReleased(ALICE, compute_value(10, SPREAD))]
    assert pallet(chain).requirement.get(ALICE) == 0


def test_collateral_stands_for_what_is_owed_beyond_the_deposit_until_it_is_paid(chain: EnergyChain) -> None:
    community, seller = Community(chain, 1), person(0)
    key, worth = (ZONE, community.slot), compute_value(1_000, SPREAD)
    deposit(chain, seller, COLLATERAL, worth)
    assert pallet(chain).covers(seller, key, 1_000)
    community.trade(0, 0, 1_000, receivable=compute_value(1_000, 30_000))
    community.read((0, 0))
    community.settle()
    owed = compute_value(1_000, 57_982 - 30_000)
    assert chain.pallets.settlement.owed_by(seller) == owed
    assert pallet(chain).requirement.get(seller) == 0
    later = (ZONE, community.slot + 1)
    assert not pallet(chain).covers(seller, later, 1_000)
    name, refused = "Collateral.withdraw_collateral", pallet(chain).error(errors.RequirementNotMet)
    chain.noop(refused, seller, name, COLLATERAL, worth - owed + 1)
    chain.ok(seller, name, COLLATERAL, worth - owed)
    deposit(chain, seller, DEPOSIT, 7)
    chain.ok(seller, name, COLLATERAL, 7)
    net_all(chain)
    assert chain.pallets.settlement.owed_by(seller) == 0
    chain.ok(seller, name, COLLATERAL, owed - 7)


def test_deposit_that_stands_for_a_debt_in_the_place_of_collateral_stays(chain: EnergyChain) -> None:
    """A debtor without meters, of whom no deposit is required, moves its guarantee from one kind to the other
    and would be gone with both."""
    community, debtor = Community(chain, 1), ALICE
    owed = compute_value(1_000, 57_982)
    chain.pallets.market.trade(ZONE, community.slot, debtor, Trade(0, 1_000, 0))
    community.read((0, 0))
    community.settle()
    assert chain.pallets.settlement.owed_by(debtor) == owed
    name, refused = "Collateral.withdraw_collateral", pallet(chain).error(errors.RequirementNotMet)
    deposit(chain, debtor, DEPOSIT, owed + 5)
    chain.noop(refused, debtor, name, DEPOSIT, 6)
    chain.ok(debtor, name, DEPOSIT, 5)
    deposit(chain, debtor, COLLATERAL, 30)
    chain.noop(refused, debtor, name, DEPOSIT, 31)
    chain.ok(debtor, name, DEPOSIT, 30)
    chain.noop(refused, debtor, name, COLLATERAL, 1)
    net_all(chain)
    chain.ok(debtor, name, DEPOSIT, owed - 30)


# --- margin calls


def test_margin_call_suspends_who_does_not_answer_in_time(chain: EnergyChain) -> None:
    error = pallet(chain).error
    chain.noop(error(errors.RequirementMet), BOB, "Collateral.margin_call", ALICE)
    Device("a", ALICE).register(chain)
    deposit(chain, ALICE, DEPOSIT, REQUIRED - 1)
    chain.noop(BadOrigin, NOBODY, "Collateral.margin_call", ALICE)
    chain.ok(BOB, "Collateral.margin_call", ALICE)
    due = current_slot(chain) + 2
    assert chain.events() == [events.MarginCalled(ALICE, 1, 0, due)]
    chain.noop(error(errors.AlreadyCalled), BOB, "Collateral.margin_call", ALICE)
    pass_slots(chain, 2)
    assert not pallet(chain).is_suspended(ALICE)
    assert pallet(chain).covers(ALICE, (ZONE, due), 0)
    pass_slots(chain)
    assert pallet(chain).is_suspended(ALICE)
    assert not pallet(chain).covers(ALICE, (ZONE, due), 0)
    deposit(chain, ALICE, COLLATERAL, 1)
    assert pallet(chain).is_suspended(ALICE)
    deposit(chain, ALICE, DEPOSIT, 1)
    assert events.MarginLifted(ALICE) in chain.events()
    assert not pallet(chain).is_suspended(ALICE)
    assert not pallet(chain).margin_calls.contains(ALICE)


def test_margin_call_is_lifted_when_less_is_required(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    chain.ok(BOB, "Collateral.margin_call", ALICE)
    pass_slots(chain, 3)
    assert pallet(chain).is_suspended(ALICE)
    chain.ok(ROOT, "Meters.retire_meter", device.id)
    assert not pallet(chain).is_suspended(ALICE)
    chain.ok(BOB, "Collateral.margin_call", ALICE)
    assert chain.events() == [events.MarginLifted(ALICE)]
    chain.noop(pallet(chain).error(errors.RequirementMet), BOB, "Collateral.margin_call", ALICE)


# --- default


def test_debt_takes_deposit_then_collateral_then_fund_then_receivers(chain: EnergyChain) -> None:
    deposit(chain, ALICE, DEPOSIT, 30)
    deposit(chain, ALICE, COLLATERAL, 50)
    chain.ok(BOB, "Collateral.contribute_default_fund", 20)
    assert chain.events() == [events.FundContributed(BOB, 20)]
    pot = chain.pallets.watt.free.get(SETTLEMENT_POT)
    assert cover(chain, 7, ALICE, 10) == 10
    assert pallet(chain)._guarantees(ALICE) == (20, 50)
    assert cover(chain, 7, ALICE, 60) == 60
    assert pallet(chain)._guarantees(ALICE) == (0, 10)
    assert pallet(chain).owed.get(ALICE) == 0
    assert not pallet(chain).is_suspended(ALICE)
    assert cover(chain, 7, ALICE, 25) == 25
    assert pallet(chain).default_fund.get() == 5
    assert pallet(chain).arrears.get(ALICE, 7) == Debt(0, 15)
    assert pallet(chain).is_suspended(ALICE)
    assert cover(chain, 8, ALICE, 45) == 5
    assert chain.events()[-1] == events.ArrearsOpened(8, ALICE, 40, 5)
    assert pallet(chain).arrears.get(ALICE, 8) == Debt(40, 5)
    assert pallet(chain).recoveries.get(8) == Recovery(40, 0, 0)
    assert chain.pallets.watt.free.get(SETTLEMENT_POT) - pot == 100
    pallet(chain).ensure_in_good_standing(BOB)
    with pytest.raises(PalletError) as refused:
        pallet(chain).ensure_in_good_standing(ALICE)
    assert refused.value.value() == pallet(chain).error(errors.Suspended).value()


def test_arrears_are_paid_to_receivers_first_and_lift_the_suspension(chain: EnergyChain) -> None:
    chain.ok(BOB, "Collateral.contribute_default_fund", 20)
    cover(chain, 7, ALICE, 100)
    deposit(chain, ALICE, COLLATERAL, 3)
    error, name = pallet(chain).error, "Collateral.pay_arrears"
    chain.noop(error(errors.CollateralLocked), ALICE, "Collateral.withdraw_collateral", COLLATERAL, 1)
    chain.noop(error(errors.NoArrears), ALICE, name, ALICE, 8, 10)
    chain.noop(error(errors.NoArrears), ALICE, name, BOB, 7, 10)
    chain.noop(error(errors.ZeroAmount), ALICE, name, ALICE, 7, 0)
    chain.noop(NO_FUNDS, FERDIE, name, ALICE, 7, 10)
    chain.noop(BadOrigin, ROOT, name, ALICE, 7, 10)
    chain.ok(ALICE, name, ALICE, 7, 75)
    assert chain.events() == [events.ArrearsPaid(7, ALICE, 75, 25)]
    assert pallet(chain).arrears.get(ALICE, 7) == Debt(5, 20)
    assert pallet(chain).is_suspended(ALICE)
    assert pallet(chain).default_fund.get() == 0
    chain.ok(CHARLIE, name, ALICE, 7, 1_000)
    assert chain.pallets.watt.free.get(CHARLIE) == FUNDS - 25
    assert pallet(chain).default_fund.get() == 20
    assert pallet(chain).recoveries.get(7) == Recovery(80, 80, 0)
    assert not pallet(chain).is_suspended(ALICE)
    chain.ok(ALICE, "Collateral.withdraw_collateral", COLLATERAL, 3)


def test_liquidation_pays_arrears_from_what_is_free_and_then_from_what_is_held(chain: EnergyChain) -> None:
    error, name, free = pallet(chain).error, "Collateral.liquidate", chain.pallets.watt.free
    chain.noop(error(errors.NoArrears), BOB, name, ALICE, 7)
    cover(chain, 7, ALICE, 100)
    deposit(chain, ALICE, DEPOSIT, 30)
    deposit(chain, ALICE, COLLATERAL, 90)
    free.put(ALICE, MINIMUM + 10)
    chain.noop(BadOrigin, NOBODY, name, ALICE, 7)
    chain.ok(BOB, name, ALICE, 7)
    assert chain.events() == [events.Liquidated(ALICE, 30, 60), events.ArrearsPaid(7, ALICE, 100, 0)]
    assert pallet(chain)._guarantees(ALICE) == (0, 30)
    assert free.get(ALICE) == MINIMUM
    assert not pallet(chain).is_suspended(ALICE)
    chain.ok(ALICE, "Collateral.withdraw_collateral", COLLATERAL, 30)
    free.put(ALICE, MINIMUM)
    cover(chain, 8, ALICE, 100)
    chain.noop(error(errors.NothingToDo), BOB, name, ALICE, 8)
    free.put(ALICE, MINIMUM + 200)
    chain.ok(BOB, name, ALICE, 8)
    assert free.get(ALICE) == MINIMUM + 100
    assert pallet(chain).recoveries.get(8) == Recovery(100, 100, 0)


def test_what_a_debtor_is_to_receive_pays_its_arrears_first(chain: EnergyChain) -> None:
    pot = chain.pallets.watt.free.get(SETTLEMENT_POT)
    assert pallet(chain).set_off(ALICE, 50, SETTLEMENT_POT) == 0
    cover(chain, 7, ALICE, 100)
    chain.pallets.watt.free.put(SETTLEMENT_POT, pot + 150)
    assert pallet(chain).set_off(BOB, 50, SETTLEMENT_POT) == 0
    assert pallet(chain).set_off(ALICE, 40, SETTLEMENT_POT) == 40
    assert chain.events()[-1] == events.ArrearsPaid(7, ALICE, 40, 60)
    assert pallet(chain).is_suspended(ALICE)
    assert pallet(chain).set_off(ALICE, 110, SETTLEMENT_POT) == 60
    assert chain.pallets.watt.free.get(SETTLEMENT_POT) == pot + 50
    assert pallet(chain).recoveries.get(7) == Recovery(100, 100, 0)
    assert not pallet(chain).is_suspended(ALICE)


def test_root_writes_off(chain: EnergyChain) -> None:
    cover(chain, 7, ALICE, 100)
    name, error = "Collateral.write_off", pallet(chain).error
    chain.noop(BadOrigin, ALICE, name, ALICE, 7)
    chain.noop(error(errors.NoArrears), ROOT, name, ALICE, 6)
    chain.ok(ROOT, name, ALICE, 7)
    assert chain.events() == [events.ArrearsWrittenOff(7, ALICE, 100)]
    assert not pallet(chain).is_suspended(ALICE)
    chain.noop(error(errors.NoArrears), ROOT, name, ALICE, 7)


def test_contribution_is_refused(chain: EnergyChain) -> None:
    name = "Collateral.contribute_default_fund"
    chain.noop(pallet(chain).error(errors.ZeroAmount), ALICE, name, 0)
    chain.noop(NO_FUNDS, ALICE, name, FUNDS - MINIMUM + 1)
    chain.noop(BadOrigin, ROOT, name, 1)


# --- recovery

RECEIVERS = (BOB, CHARLIE, DAVE, EVE)


def test_who_went_without_nothing_claims_nothing(chain: EnergyChain) -> None:
    refused, name = pallet(chain).error(errors.NothingToDo), "Collateral.claim_recovery"
    cover(chain, 7, ALICE, 100)
    pallet(chain).note_haircut(7, BOB, 100)
    chain.noop(refused, BOB, name, BOB, 7)
    chain.noop(refused, CHARLIE, name, CHARLIE, 7)
    chain.noop(BadOrigin, NOBODY, name, BOB, 7)
    chain.ok(ALICE, "Collateral.pay_arrears", ALICE, 7, 60)
    chain.noop(refused, BOB, name, BOB, 8)
    chain.ok(CHARLIE, name, BOB, 7)
    assert chain.events() == [events.RecoveryClaimed(7, BOB, 60)]
    assert pallet(chain).cuts.get(7, BOB) == Cut(100, 60)
    chain.noop(refused, BOB, name, BOB, 7)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 3)), max_size=12),
)
def test_receivers_get_their_part_in_any_order_and_all_once_all_is_paid(
    cuts: list[int], steps: list[tuple[int, int]]
) -> None:
    chain = energy_chain()
    fund_pot = chain.pallets.watt.free.get(FUND_POT)
    cover(chain, 7, ALICE, sum(cuts))
    for who, cut in zip(RECEIVERS, cuts, strict=False):
        pallet(chain).note_haircut(7, who, cut)
    for amount, number in [*steps, (sum(cuts), 0)]:
        if pallet(chain).owed.get(ALICE):
            chain.ok(ALICE, "Collateral.pay_arrears", ALICE, 7, amount)
        chain.dispatch(RECEIVERS[number], chain.call("Collateral.claim_recovery", RECEIVERS[number], 7))
        recovered = pallet(chain).recoveries.get(7).recovered
        for who, cut in zip(RECEIVERS, cuts, strict=False):
            assert chain.pallets.watt.free.get(who) - FUNDS <= cut * recovered // sum(cuts)
        pallet(chain).try_state()
    for who in RECEIVERS:
        chain.dispatch(ALICE, chain.call("Collateral.claim_recovery", who, 7))
    paid = [chain.pallets.watt.free.get(who) - FUNDS for who in RECEIVERS]
    assert paid == [*cuts, 0, 0, 0][: len(RECEIVERS)]
    assert chain.pallets.watt.free.get(FUND_POT) == fund_pot
    assert not list(pallet(chain).cuts.items())
