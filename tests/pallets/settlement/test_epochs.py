"""Epochs: each account pays or receives once, money is kept, and what is missing is cut from receivers."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.settlement import collateral_events, settlement_errors, settlement_events
from pallets.settlement.collateral_types import Guarantee
from pallets.settlement.netting import net
from pallets.settlement.netting_work import EPOCHS_SKIPPED_MAX
from pallets.settlement.settlement import Settlement
from pallets.settlement.settlement_types import Batch, NetRow
from runtime.frame.dispatch import NOBODY, BadOrigin, Pays, Weight
from runtime.primitives.proportion import share_all
from runtime.primitives.row_tree import compute_root
from runtime.primitives.scale import codec
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB
from tests.support.fake_watt import MINIMUM
from tests.support.settlement import (
    EPOCH_SLOTS,
    FUNDS,
    SETTLEMENT_POT,
    EnergyChain,
    energy_chain,
    give,
    net_all,
    pass_slots,
    person,
)

AMPLE = Weight(10**12, 10**9)


@pytest.fixture
def chain() -> Iterator[EnergyChain]:
    made = energy_chain(people=6)
    yield made
    made.close_block()


def pallet(chain: EnergyChain) -> Settlement:
    return chain.pallets.settlement


def accrue(chain: EnergyChain, amounts: list[int]) -> int:
    """Let amounts accrue that sum to what came from a market; return the epoch."""
    ledger = pallet(chain).ledger
    epoch, received = ledger.current_epoch(), sum(amounts)
    assert received >= 0
    for number, amount in enumerate(amounts):
        ledger.accrue(epoch, person(number), amount)
    give(chain, SETTLEMENT_POT, received)
    ledger.receive(epoch, received)
    return epoch


def free(chain: EnergyChain, number: int) -> int:
    return chain.pallets.watt.free.get(person(number))


def set_free(chain: EnergyChain, number: int, amount: int) -> None:
    chain.pallets.watt.free.put(person(number), amount)


def test_everybody_pays_and_receives_once(chain: EnergyChain) -> None:
    amounts = [-700, 300, 0, 500, -20, 60]
    epoch = accrue(chain, amounts)
    expected = net({**{person(n): one for n, one in enumerate(amounts)}, SETTLEMENT_POT: -sum(amounts)})
    net_all(chain)
    assert [free(chain, number) - FUNDS for number in range(6)] == amounts
    applied = [one for one in chain.events() if isinstance(one, settlement_events.NettingApplied)]
    debits = [(one.who, -one.amount) for one in applied if one.amount < 0]
    receipts = [(one.who, one.amount) for one in applied if one.amount > 0]
    assert sorted([*debits, (SETTLEMENT_POT, 140)]) == sorted(expected.debits)
    assert sorted(receipts) == sorted(expected.credits)
    assert applied[: len(debits)] == [one for one in applied if one.amount < 0]
    root = compute_root([codec(NetRow).encode(NetRow(one.who, one.amount, one.missing)) for one in applied])
    assert pallet(chain).batches.get(epoch) == Batch(root, 5, 720, 860, 140, 0)
    assert chain.events()[-1] == settlement_events.EpochNetted(epoch, root, 5, 720, 860)
    assert not list(pallet(chain).accrual.items())
    assert not list(pallet(chain).epochs.items())


def test_what_cancels_out_moves_nothing(chain: EnergyChain) -> None:
    ledger = pallet(chain).ledger
    epoch = ledger.current_epoch()
    for amount in (5, -12, 7):
        ledger.accrue(epoch, person(0), amount)
        ledger.accrue(epoch, person(1), -amount)
    assert not list(pallet(chain).accrual.items())
    net_all(chain)
    batch = pallet(chain).batches.get(epoch)
    assert batch is not None
    assert (batch.rows, batch.net_debits) == (0, 0)


def test_an_epoch_is_netted_when_it_is_over(chain: EnergyChain) -> None:
    epoch, error = accrue(chain, [-5, 5]), pallet(chain).error
    chain.noop(error(settlement_errors.EpochOpen), ALICE, "Settlement.net_page", epoch)
    chain.noop(error(settlement_errors.EpochOpen), ALICE, "Settlement.net_page", epoch + 1)
    chain.noop(error(settlement_errors.NothingToDo), ALICE, "Settlement.net_page", epoch - 1)
    pass_slots(chain, EPOCH_SLOTS)
    chain.noop(BadOrigin, NOBODY, "Settlement.net_page", epoch)
    chain.noop(error(settlement_errors.NothingToDo), ALICE, "Settlement.net_page", epoch - 1)
    chain.pallets.watt.is_paused.put(True)
    chain.noop(error(settlement_errors.TokenPaused), ALICE, "Settlement.net_page", epoch)
    chain.pallets.watt.is_paused.put(False)
    assert chain.ok(ALICE, "Settlement.net_page", epoch).pays_fee is Pays.No
    chain.noop(error(settlement_errors.NothingToDo), ALICE, "Settlement.net_page", epoch)


def test_epochs_begin_early_by_the_offset(chain: EnergyChain) -> None:
    ledger = pallet(chain).ledger
    first = 5 * EPOCH_SLOTS - 3
    assert [ledger.epoch_of(first - 1), ledger.epoch_of(first), ledger.epoch_of(first + EPOCH_SLOTS - 1)] == [
        4,
        5,
        5,
    ]


def test_hook_nets_what_is_over_and_passes_over_empty_epochs() -> None:
    chain = energy_chain(AMPLE, people=2)
    settlement = pallet(chain)
    first = accrue(chain, [-5, 5])
    pass_slots(chain, EPOCH_SLOTS * 2)
    chain.next_block()
    assert settlement.batches.contains(first)
    assert settlement.next_epoch.get() == settlement.ledger.current_epoch()
    assert not settlement.batches.contains(first + 1)
    assert free(chain, 1) == FUNDS + 5
    settlement.next_epoch.put(settlement.ledger.current_epoch() - EPOCHS_SKIPPED_MAX - 5)
    second = accrue(chain, [-1, 1])
    pass_slots(chain, EPOCH_SLOTS)
    chain.next_block(2)
    assert settlement.batches.contains(second)
    chain.close_block()


def test_hook_waits_while_the_token_is_paused_and_without_weight() -> None:
    chain = energy_chain(AMPLE, people=2)
    epoch = accrue(chain, [-5, 5])
    chain.pallets.watt.is_paused.put(True)
    pass_slots(chain, EPOCH_SLOTS + 1)
    assert not pallet(chain).batches.contains(epoch)
    chain.pallets.watt.is_paused.put(False)
    pallet(chain).on_idle(chain.number, Weight(0, 0))
    assert not pallet(chain).batches.contains(epoch)
    chain.next_block()
    assert pallet(chain).batches.contains(epoch)
    chain.close_block()


def test_payment_that_cannot_be_received_is_kept_and_claimed(chain: EnergyChain) -> None:
    accrue(chain, [-500, 500])
    chain.pallets.watt.refusers.put(person(1), True)
    net_all(chain)
    assert settlement_events.PaymentKept(person(1), 500) in chain.events()
    assert free(chain, 1) == FUNDS
    chain.pallets.watt.refusers.put(person(1), False)
    chain.noop(pallet(chain).error(settlement_errors.NothingToDo), ALICE, "Settlement.claim", person(0))
    chain.noop(BadOrigin, NOBODY, "Settlement.claim", person(1))
    chain.ok(ALICE, "Settlement.claim", person(1))
    assert chain.events() == [settlement_events.PaymentClaimed(person(1), 500)]
    assert free(chain, 1) == FUNDS + 500
    chain.noop(pallet(chain).error(settlement_errors.NothingToDo), ALICE, "Settlement.claim", person(1))


def test_debtor_keeps_the_minimum_and_the_rest_is_cut_from_receivers(chain: EnergyChain) -> None:
    set_free(chain, 0, MINIMUM + 100)
    epoch = accrue(chain, [-700, 200, 300, -50, 250])
    net_all(chain)
    assert free(chain, 0) == MINIMUM
    received = [free(chain, number) - FUNDS for number in (1, 2, 4)]
    assert sum(received) == 150
    cuts = {1: 200 - received[0], 2: 300 - received[1], 4: 250 - received[2]}
    order = [one.who for one in chain.events() if isinstance(one, settlement_events.HaircutApplied)]
    numbers = [next(n for n in cuts if person(n) == who) for who in order]
    amounts = {1: 200, 2: 300, 4: 250}
    assert [cuts[n] for n in numbers] == share_all(600, [amounts[n] for n in numbers])
    assert collateral_events.ArrearsOpened(epoch, person(0), 600, 0) in chain.events()
    batch = pallet(chain).batches.get(epoch)
    assert batch is not None
    assert batch.haircut == 600
    assert [n for n in range(5) if chain.pallets.collateral.is_suspended(person(n))] == [0]


Households = st.lists(
    st.tuples(st.integers(-1_000, 1_000), st.integers(0, 600), st.integers(0, 300), st.integers(0, 300)),
    min_size=1,
    max_size=6,
)


def test_receiver_in_arrears_gets_what_is_left_of_its_payment(chain: EnergyChain) -> None:
    """A debtor of one epoch earns in the next: who went without is paid before it."""
    free_of = chain.pallets.watt.free
    free_of.put(person(0), MINIMUM)
    first = accrue(chain, [-600, 600])
    net_all(chain)
    assert chain.pallets.collateral.owed.get(person(0)) == 600
    for earned, owed, got in ((400, 200, 0), (500, 0, 300)):
        accrue(chain, [earned, 0])
        net_all(chain)
        assert chain.pallets.collateral.owed.get(person(0)) == owed
        assert free_of.get(person(0)) == MINIMUM + got
        pallet(chain).try_state()
    before = free(chain, 1)
    chain.ok(ALICE, "Collateral.claim_recovery", person(1), first)
    assert free(chain, 1) == before + 600


def furnish(households: list[tuple[int, int, int, int]], fund: int) -> EnergyChain:
    """Return a chain whose homes have little money, deposits and collateral, and owe each other."""
    chain = energy_chain(people=len(households) + 1)
    for number, (_, money, deposit, collateral) in enumerate(households):
        for kind, amount in ((Guarantee.Deposit, deposit), (Guarantee.Collateral, collateral)):
            if amount:
                chain.ok(person(number), "Collateral.deposit_collateral", kind, amount)
        set_free(chain, number, MINIMUM + money)
    if fund:
        chain.ok(BOB, "Collateral.contribute_default_fund", fund)
    amounts = [household[0] for household in households]
    accrue(chain, [*amounts, max(0, -sum(amounts))])
    return chain


def net_in_pages(chain: EnergyChain, sizes: list[int]) -> bytes:
    pass_slots(chain, EPOCH_SLOTS)
    place = 0
    while pallet(chain).netter.due_epoch() is not None:
        pallet(chain).netter.work(sizes[place % len(sizes)])
        chain.api.try_state()
        place += 1
    chain.close_block()
    return chain.root()


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(Households, st.integers(0, 500), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_pages_of_any_size_give_the_same_state_and_money_is_kept(
    households: list[tuple[int, int, int, int]], fund: int, sizes: list[int]
) -> None:
    chain = furnish(households, fund)
    watt = chain.pallets.watt
    before = {who: watt.total_balance(who) for who, _ in watt.free.items()}
    issued = watt.total_issuance()
    root = net_in_pages(chain, sizes)
    assert net_in_pages(furnish(households, fund), [100]) == root
    assert watt.total_issuance() == issued
    assert all(amount >= MINIMUM for _, amount in watt.free.items())
    missing = sum(debt.receivers for _, debt in chain.pallets.collateral.arrears.items())
    cuts: dict[AccountId, int] = {who: cut.amount for (_, who), cut in chain.pallets.collateral.cuts.items()}
    assert sum(cuts.values()) == missing
    for number, (amount, *_) in enumerate(households):
        who = person(number)
        change = watt.total_balance(who) - before[who]
        if amount >= 0:
            assert change == amount - cuts.get(who, 0)
        else:
            unpaid = chain.pallets.collateral.owed.get(who)
            assert change == amount + unpaid
