"""Proportional shares: exact sum, within a unit of the exact part, the same in pages of every size."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.arithmetic import DivisionByZero, Overflow, Underflow
from runtime.primitives.proportion import measure, share, share_all, start_sharing

WEIGHTS = st.lists(st.integers(0, 2**64), max_size=20)


@given(WEIGHTS, st.data())
def test_shares_sum_to_the_amount_and_nobody_gets_more_than_the_weight(
    weights: list[int], data: st.DataObject
) -> None:
    total = sum(weights)
    amount = data.draw(st.integers(0, total))
    shares = share_all(amount, weights)
    assert sum(shares) == amount
    for part, weight in zip(shares, weights, strict=True):
        assert 0 <= part <= weight
        if total:
            assert abs(part - Fraction(amount * weight, total)) <= 1


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 7), st.integers(1, 7), st.data())
def test_pages_of_every_size_give_the_same_shares(
    weights: list[int], first: int, second: int, data: st.DataObject
) -> None:
    amount = data.draw(st.integers(0, sum(weights)))
    state = start_sharing(amount, sum(weights))
    for at in range(0, len(weights), first):
        state = measure(state, weights[at : at + first])
    shares = []
    for at in range(0, len(weights), second):
        page, state = share(state, weights[at : at + second])
        shares += page
    assert shares == share_all(amount, weights)
    assert state.left_over == 0


def test_units_that_the_floors_leave_go_to_the_first_of_the_list() -> None:
    assert share_all(100, [67, 67, 66]) == [34, 33, 33]
    assert share_all(2, [0, 1, 1, 1]) == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("amount", "total", "error"),
    [(-1, 5, Underflow), (0, -1, Underflow), (1, 0, DivisionByZero), (6, 5, Overflow)],
)
def test_what_cannot_be_shared_is_refused(amount: int, total: int, error: type[ArithmeticError]) -> None:
    with pytest.raises(error):
        start_sharing(amount, total)


def test_nothing_and_all_of_it_need_no_measuring() -> None:
    assert start_sharing(0, 0).is_measured
    assert start_sharing(0, 9).is_measured
    assert start_sharing(9, 9).is_measured
    assert not start_sharing(8, 9).is_measured
    assert share(start_sharing(0, 0), [0, 0])[0] == [0, 0]


def test_weights_beyond_their_announced_sum_are_refused() -> None:
    with pytest.raises(Overflow):
        measure(start_sharing(1, 5), [3, 3])


def test_sharing_before_all_is_measured_is_a_broken_invariant() -> None:
    with pytest.raises(AssertionError):
        share(measure(start_sharing(1, 5), [3]), [3])
