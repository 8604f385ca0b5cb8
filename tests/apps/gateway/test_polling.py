"""A source is asked at its pace; after failures later and later, and at its own wish later still."""

import asyncio
from collections import deque
from decimal import Decimal

import pytest

from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.metrics import Metrics
from apps.gateway.polling import keep_polling
from apps.gateway.readings import Poll, Reading, SourceState
from apps.gateway.settings import CsvSource, HttpSource, Source
from tests.support.gateway import KEY, NOW_MS, HandClock

HTTP = HttpSource("http://a", interval_ms=2_000, backoff_first_ms=500, backoff_max_ms=4_000)
GOOD = Poll({KEY: Reading(Decimal(5), NOW_MS)})
DOWN = SourceFault(FaultKind.STATUS, "status 500")


class Script:
    """A source that does one thing after another, and then is not asked any more."""

    def __init__(self, *steps: Poll | SourceFault) -> None:
        self.steps = deque(steps)

    async def poll(self) -> Poll:
        if not self.steps:
            raise asyncio.CancelledError
        step = self.steps.popleft()
        if isinstance(step, SourceFault):
            raise step
        return step


async def play(*steps: Poll | SourceFault, source: Source = HTTP) -> tuple[SourceState, Metrics, list[float]]:
    """Return the state of a source after it has done all that, its metrics, and the waits in between."""
    state, clock = SourceState("a", (KEY,)), HandClock()
    metrics = Metrics(["a"], [KEY])
    with pytest.raises(asyncio.CancelledError):
        await keep_polling(Script(*steps), source, state, metrics, clock, lambda: 1.0)
    return state, metrics, clock.slept


def count(metrics: Metrics, kind: FaultKind) -> float | None:
    return metrics.registry.get_sample_value(
        "loam_gateway_source_faults_total", {"source": "a", "kind": kind.value}
    )


async def test_a_good_source_is_asked_at_its_interval() -> None:
    state, metrics, slept = await play(GOOD, GOOD, GOOD)
    assert slept == [2.0, 2.0, 2.0]
    assert state.fault is None
    assert (
        metrics.registry.get_sample_value("loam_gateway_source_latency_seconds_count", {"source": "a"}) == 3
    )


async def test_failures_in_a_row_are_waited_for_longer_and_a_good_answer_starts_over() -> None:
    state, metrics, slept = await play(DOWN, DOWN, DOWN, DOWN, DOWN, GOOD, DOWN)
    assert slept == [0.5, 1.0, 2.0, 4.0, 4.0, 2.0, 0.5]
    assert count(metrics, FaultKind.STATUS) == 6
    assert state.fault is not None
    assert state.fault.detail == "status 500"
    assert state.answered_ms is not None


async def test_who_asks_to_be_left_alone_is_left_alone() -> None:
    _, _, slept = await play(SourceFault(FaultKind.RATE_LIMITED, "status 429", 30_000), GOOD)
    assert slept == [30.0, 2.0]
    _, _, slept = await play(SourceFault(FaultKind.RATE_LIMITED, "status 429", 5))
    assert slept == [0.5]


async def test_the_limit_of_requests_holds_whatever_the_interval_says() -> None:
    often = HttpSource("http://a", interval_ms=100, requests_per_minute=3)
    _, _, slept = await play(GOOD, GOOD, GOOD, GOOD, source=often)
    assert slept == [0.1, 0.1, 0.1, 59.7, 0.1]


async def test_a_value_that_is_wrong_is_marked_until_it_is_right_and_the_source_keeps_its_pace() -> None:
    wrong = SourceFault(FaultKind.MISSING, "nothing at /price")
    state, metrics, slept = await play(Poll({KEY: wrong}), Poll({KEY: wrong}))
    assert slept == [2.0, 2.0]
    assert state.faults[KEY].kind is FaultKind.MISSING
    assert count(metrics, FaultKind.MISSING) == 2
    state, _, _ = await play(Poll({KEY: wrong}), GOOD)
    assert state.faults == {}


async def test_a_table_is_asked_at_its_interval_too() -> None:
    _, _, slept = await play(GOOD, DOWN, source=CsvSource("t.csv", 1_000, interval_ms=300))
    assert slept == [0.3, 0.5]
