"""Certificates: every eligible Wh counts once, and no slot is claimed twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.certificates.issuance import AlreadyClaimed, Claims, EmptyPeriod, claim
from runtime.primitives.arithmetic import U64_MAX, Overflow, Underflow


@given(st.lists(st.integers(0, 5_000_000), max_size=20))
def test_certificates_and_remainder_are_all_that_was_generated(energies: list[int]) -> None:
    claims, issued = Claims(), 0
    for slot, energy_wh in enumerate(energies):
        count, claims = claim(claims, slot, slot, energy_wh)
        issued += count
        assert 0 <= claims.remainder_wh < 1_000_000
    assert claims.issued == issued
    assert issued * 1_000_000 + claims.remainder_wh == sum(energies)


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=20))
def test_one_claim_for_a_period_gives_what_its_slots_give(energies: list[int]) -> None:
    slots = Claims()
    for slot, energy_wh in enumerate(energies):
        _, slots = claim(slots, slot, slot, energy_wh)
    assert claim(Claims(), 0, len(energies) - 1, sum(energies)) == (slots.issued, slots)


@pytest.mark.parametrize(("first", "last"), [(9, 9), (10, 10), (10, 12), (5, 20)])
def test_slot_that_was_claimed_is_refused(first: int, last: int) -> None:
    _, claims = claim(Claims(), 8, 10, 999_999)
    with pytest.raises(AlreadyClaimed) as caught:
        claim(claims, first, last, 1)
    assert (caught.value.slot, caught.value.claimed_up_to) == (first, 10)


def test_slot_after_the_claimed_ones_is_taken_and_gaps_may_be() -> None:
    _, claims = claim(Claims(), 8, 10, 999_999)
    assert claim(claims, 11, 11, 1) == (1, Claims(11, 0, 1))
    assert claim(claims, 20, 21, 0) == (0, Claims(21, 999_999, 0))


def test_slot_zero_counts_once_too() -> None:
    _, claims = claim(Claims(), 0, 0, 5)
    with pytest.raises(AlreadyClaimed):
        claim(claims, 0, 0, 5)


def test_periods_and_energies_that_are_none_are_refused() -> None:
    with pytest.raises(EmptyPeriod):
        claim(Claims(), 5, 4, 1)
    with pytest.raises(Underflow):
        claim(Claims(), 5, 5, -1)
    with pytest.raises(Overflow):
        claim(Claims(), 5, 5, U64_MAX + 1)
