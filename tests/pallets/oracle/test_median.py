"""Oracle rounds: the value of an honest majority, and answers that do not count."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.oracle.median import (
    AlreadySubmitted,
    Answer,
    BadQuorum,
    EmptyRange,
    FeedRules,
    Status,
    aggregate,
)
from runtime.primitives.arithmetic import Overflow, Underflow

NOW = 1_780_000_000_000
RULES = FeedRules(3, 10_000, 50_000, 0, 1_000_000)


def make_answers(*values: int) -> list[Answer[int]]:
    return [Answer(provider, value, NOW) for provider, value in enumerate(values)]


@given(
    st.lists(st.integers(40_000, 50_000), min_size=3, max_size=10),
    st.lists(st.integers(-(10**7), 10**7), max_size=9),
    st.data(),
)
def test_value_lies_between_honest_ones_while_liars_are_fewer_than_half(
    honest: list[int], lies: list[int], data: st.DataObject
) -> None:
    lies = lies[: len(honest) - 1]
    answers = data.draw(st.permutations(make_answers(*honest, *lies)))
    found = aggregate(answers, RULES, NOW)
    assert found.value is not None
    assert min(honest) <= found.value <= max(honest)
    assert found.spread is not None
    assert found.spread >= 0


@given(st.lists(st.integers(0, 1_000_000), max_size=9), st.data())
def test_order_of_answers_changes_no_value(values: list[int], data: st.DataObject) -> None:
    answers = make_answers(*values)
    one, other = aggregate(answers, RULES, NOW), aggregate(data.draw(st.permutations(answers)), RULES, NOW)
    assert (one.value, one.counted, one.spread) == (other.value, other.counted, other.spread)
    assert set(one.outliers) == set(other.outliers)


@given(st.lists(st.integers(0, 1_000_000), min_size=3, max_size=9))
def test_copy_of_the_median_does_not_move_it(values: list[int]) -> None:
    value = aggregate(make_answers(*values), RULES, NOW).value
    assert value is not None
    assert aggregate(make_answers(*values, value), RULES, NOW).value == value


@pytest.mark.parametrize(
    ("age_ms", "counts"), [(0, True), (10_000, True), (10_001, False), (-1, False), (-10_000, False)]
)
def test_answer_counts_up_to_its_greatest_age_and_not_before_its_time(age_ms: int, *, counts: bool) -> None:
    found = aggregate([*make_answers(1, 2, 3), Answer(9, 4, NOW - age_ms)], RULES, NOW)
    assert found.counted == (4 if counts else 3)
    assert found.stale == (() if counts else (9,))


@pytest.mark.parametrize(("value", "counts"), [(0, True), (1_000_000, True), (-1, False), (1_000_001, False)])
def test_answer_counts_inside_the_range_of_the_feed(value: int, *, counts: bool) -> None:
    found = aggregate([*make_answers(1, 2, 3), Answer(9, value, NOW - 99_999 * (not counts))], RULES, NOW)
    assert found.out_of_range == (() if counts else (9,))
    assert found.stale == ()


def test_value_needs_a_quorum_of_answers_that_count() -> None:
    short = aggregate([*make_answers(1, 2), Answer(9, 3, NOW - 10_001)], RULES, NOW)
    assert (short.status, short.value, short.counted) == (Status.INSUFFICIENT_QUORUM, None, 2)
    assert aggregate(make_answers(1, 2, 3), RULES, NOW).status is Status.FRESH


def test_outlier_is_told_and_its_distance_is_exact() -> None:
    found = aggregate(make_answers(100, 100, 105), RULES, NOW)
    assert found.outliers == ()
    found = aggregate(make_answers(100, 100, 106), RULES, NOW)
    assert (found.outliers, found.spread) == ((2,), 0)
    found = aggregate(make_answers(0, 0, 1), RULES, NOW)
    assert found.outliers == (2,)


def test_values_below_zero_have_a_median_too() -> None:
    found = aggregate(make_answers(-1_950, -1_900, -1_000), RULES._replace(least=-2_000), NOW)
    assert (found.value, found.outliers) == (-1_900, (2,))


@pytest.mark.parametrize(
    ("answers", "rules", "error"),
    [
        ([Answer(1, 1, NOW), Answer(1, 2, NOW)], RULES, AlreadySubmitted),
        ([], RULES._replace(quorum=0), BadQuorum),
        ([], RULES._replace(least=5, greatest=4), EmptyRange),
        ([], RULES._replace(max_age_ms=-1), Underflow),
        ([], RULES._replace(outlier_ppm=2**32), Overflow),
    ],
)
def test_rounds_that_are_none_are_refused(
    answers: list[Answer[Any]], rules: FeedRules, error: type[Exception]
) -> None:
    with pytest.raises(error):
        aggregate(answers, rules, NOW)
