"""Votes weigh by conviction, and majorities adapt to the turnout."""

import pytest

from pallets.governance.tally import (
    Tally,
    Vote,
    compute_lock_periods,
    compute_tally,
    compute_weight,
    is_simple_majority,
    is_super_majority_against,
    is_super_majority_approve,
)


def test_conviction_multiplies_and_locks() -> None:
    assert [compute_weight(c, 109) for c in range(7)] == [10, 109, 218, 327, 436, 545, 654]
    assert [compute_lock_periods(c) for c in range(7)] == [0, 1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize("conviction", [-1, 7])
def test_conviction_out_of_range_is_a_mistake(conviction: int) -> None:
    with pytest.raises(AssertionError):
        compute_weight(conviction, 1)
    with pytest.raises(AssertionError):
        compute_lock_periods(conviction)


def test_turnout_counts_balances_and_not_their_weight() -> None:
    assert compute_tally([Vote(True, 6, 10), Vote(False, 0, 19)]) == Tally(60, 1, 29)


def test_low_turnout_asks_for_more_ayes_and_more_nays() -> None:
    assert not is_super_majority_approve(Tally(60, 50, 110), 210)
    assert is_super_majority_approve(Tally(100, 50, 150), 210)
    assert is_super_majority_against(Tally(50, 60, 110), 210)
    assert not is_super_majority_against(Tally(50, 100, 150), 210)


def test_tie_and_silence_carry_nothing() -> None:
    assert not is_simple_majority(Tally(5, 5, 10))
    for carries in (is_super_majority_approve, is_super_majority_against):
        assert not carries(Tally(0, 0, 0), 100)
