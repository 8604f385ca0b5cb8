"""Freshness: a window is fresh up to its length and not a millisecond longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.oracle.freshness import Freshness, UnorderedTimes, measure_freshness


@pytest.mark.parametrize(
    ("times", "fresh"),
    [
        ([], 0),
        ([0], 1),
        ([-1], 0),
        ([10_000], 2),
        ([10_001], 1),
        ([20_001], 0),
        ([0, 10_000], 2),
        ([9_999, 20_000], 2),
    ],
)
def test_window_is_fresh_while_its_last_value_is_no_older_than_it_is_long(
    times: list[int], fresh: int
) -> None:
    assert measure_freshness(times, 0, windows=2) == Freshness(fresh, 2)


@given(st.lists(st.integers(0, 300_000), max_size=40), st.integers(0, 100_000))
def test_count_is_that_of_a_search_window_by_window(times: list[int], start: int) -> None:
    times.sort()
    fresh = 0
    for number in range(20):
        end = start + 10_000 * (number + 1)
        fresh += any(end - 10_000 <= moment <= end for moment in times)
    assert measure_freshness(times, start, windows=20).fresh == fresh


@pytest.mark.parametrize(
    ("fresh", "permille", "meets"), [(341, 947, False), (342, 950, True), (360, 1000, True)]
)
def test_target_is_342_of_360(fresh: int, permille: int, *, meets: bool) -> None:
    found = Freshness(fresh, 360)
    assert (found.permille, found.meets_target) == (permille, meets)


def test_share_that_rounds_up_to_the_target_does_not_meet_it() -> None:
    assert not Freshness(9_499, 10_000).meets_target


def test_moments_out_of_order_are_refused() -> None:
    with pytest.raises(UnorderedTimes):
        measure_freshness([5, 4], 0)


def test_no_window_is_a_broken_invariant() -> None:
    with pytest.raises(AssertionError):
        measure_freshness([], 0, windows=0)
