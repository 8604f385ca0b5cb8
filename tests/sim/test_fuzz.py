"""Whatever `checks` lets through, in whatever order, nothing escapes the engine."""

from collections import Counter

import pytest

from tests.sim.checker import Violation
from tests.sim.fuzz import Fuzz

KINDS = (
    *("Received", "TimerFired", "Judged", "Built", "Certified", "Begun"),
    *("Sign", "Broadcast", "Persist", "Decide", "Report", "rejected"),
)


def test_ten_thousand_inputs_raise_nothing_and_reach_everything() -> None:
    counts: Counter[str] = Counter()
    for seed in range(4):
        counts += Fuzz(seed).run(2_500)
    assert {kind: counts[kind] for kind in KINDS if counts[kind] < 10} == {}


def test_statement_that_no_check_lets_through_is_found() -> None:
    fuzz = Fuzz(1)
    fuzz._instance += 1
    with pytest.raises(Violation, match=r"hygiene|order"):
        fuzz.run(500)
