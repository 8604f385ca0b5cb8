"""Faults on purpose are what they are named: a lie is an outlier in range, silence is silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.errors import ConfigFault
from apps.gateway.faults import distort, is_silent, parse_fault
from apps.gateway.rounds import Answer
from apps.gateway.settings import Fault
from pallets.oracle.median import is_outlier
from tests.support.gateway import KEY, NOW_MS, VIEW


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lying", Fault("lying")),
        ("dead", Fault("dead")),
        ("flapping", Fault("flapping", 60_000)),
        ("flapping:5", Fault("flapping", 5_000)),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Lying",
        "lying:5",
        "dead:1",
        "flapping:",
        "flapping:0",
        "flapping:-1",
        "flapping:x",
        "flapping:99999999",
    ],
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ConfigFault, match="--fault"):
        parse_fault(text)


def test_a_dead_gateway_is_silent_and_one_that_flaps_by_turns() -> None:
    assert not is_silent(None, NOW_MS)
    assert not is_silent(Fault("lying"), NOW_MS)
    assert is_silent(Fault("dead"), NOW_MS)
    flapping = Fault("flapping", 1_000)
    assert [is_silent(flapping, now_ms) for now_ms in (0, 999, 1_000, 1_999, 2_000)] == [
        False,
        False,
        True,
        True,
        False,
    ]


@given(st.integers(VIEW.least, VIEW.greatest))
def test_a_lie_is_in_range_and_an_outlier_against_the_truth(value: int) -> None:
    (told,) = distort(Fault("lying"), [Answer(0, KEY, value, NOW_MS)], {KEY: VIEW})
    assert VIEW.least <= told.value <= VIEW.greatest
    if value > 1:
        assert is_outlier(told.value, value, VIEW.outlier_ppm)


@pytest.mark.parametrize("fault", [None, Fault("dead"), Fault("flapping")])
def test_who_does_not_lie_says_what_it_measured(fault: Fault | None) -> None:
    answers = (Answer(0, KEY, 47_500, NOW_MS),)
    assert distort(fault, answers, {KEY: VIEW}) == answers
