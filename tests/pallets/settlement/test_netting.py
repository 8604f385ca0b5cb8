"""Netting: nothing is lost, nobody pays more than they would one by one, and what does not sum to zero is
refused.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.settlement.netting import (
    Entry,
    InvalidObligation,
    NetBatch,
    Obligation,
    Unbalanced,
    accrue,
    net,
)
from runtime.primitives.types import AccountId

ACCOUNTS = [AccountId(bytes([number]) * 32) for number in range(5)]
OBLIGATIONS = st.lists(
    st.builds(
        Obligation, st.sampled_from(ACCOUNTS[:3]), st.sampled_from(ACCOUNTS[2:]), st.integers(1, 10**30)
    ).filter(lambda one: one.debtor != one.creditor),
    max_size=20,
)


@given(OBLIGATIONS)
def test_what_the_debtors_pay_is_what_the_creditors_get(obligations: list[Obligation]) -> None:
    batch = net(accrue({}, obligations))
    assert sum(one.amount for one in batch.debits) == sum(one.amount for one in batch.credits) == batch.moved
    assert batch.moved <= sum(one.amount for one in obligations)
    assert not {one.who for one in batch.debits} & {one.who for one in batch.credits}
    for entries in (batch.debits, batch.credits):
        assert all(one.amount > 0 for one in entries)
        assert [one.who for one in entries] == sorted(one.who for one in entries)
    for who in ACCOUNTS:
        owed = sum(one.amount for one in obligations if one.creditor == who)
        owes = sum(one.amount for one in obligations if one.debtor == who)
        received = sum(one.amount for one in batch.credits if one.who == who)
        paid = sum(one.amount for one in batch.debits if one.who == who)
        assert received - paid == owed - owes


@given(OBLIGATIONS, st.integers(0, 20))
def test_accruing_in_parts_is_accruing_at_once(obligations: list[Obligation], cut: int) -> None:
    assert accrue(accrue({}, obligations[:cut]), obligations[cut:]) == accrue({}, obligations)


def test_debts_around_a_circle_cancel() -> None:
    a, b, c = ACCOUNTS[:3]
    circle = [Obligation(a, b, 5), Obligation(b, c, 5), Obligation(c, a, 5)]
    assert net(accrue({}, circle)) == NetBatch((), (), 0)
    assert net(accrue({}, [*circle, Obligation(a, c, 2)])) == NetBatch((Entry(a, 2),), (Entry(c, 2),), 2)


def test_nothing_is_netted_to_nothing() -> None:
    assert net({}) == NetBatch((), (), 0)


def test_positions_that_do_not_sum_to_zero_are_refused() -> None:
    with pytest.raises(Unbalanced) as caught:
        net({ACCOUNTS[0]: 5, ACCOUNTS[1]: -4})
    assert caught.value.excess == 1


@pytest.mark.parametrize("amount", [0, -1])
def test_payment_of_nothing_or_less_is_refused(amount: int) -> None:
    with pytest.raises(InvalidObligation):
        accrue({}, [Obligation(ACCOUNTS[0], ACCOUNTS[1], amount)])


def test_payment_to_oneself_is_refused() -> None:
    with pytest.raises(InvalidObligation):
        accrue({}, [Obligation(ACCOUNTS[0], ACCOUNTS[0], 1)])
