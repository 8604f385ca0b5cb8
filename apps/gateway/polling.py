"""Asking one source for ever: at its pace, later after failures, and never more often than allowed.

What comes back goes into the readings, what is wrong into the source's state; neither a silent nor a lying
source disturbs another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import structlog

from apps.clock import WallClock
from apps.gateway.errors import SourceFault
from apps.gateway.metrics import Metrics
from apps.gateway.pacing import RateLimit, compute_backoff
from apps.gateway.readings import Poll, SourceState
from apps.gateway.settings import CsvSource, HttpSource, MqttSource, Source


class Pace(NamedTuple):
    """Requests in a minute at most, and the first and the longest wait after failures."""

    per_minute: int
    first_ms: int
    most_ms: int


LOCAL_PACE: Final = Pace(600, 500, 5_000)
"""What is asked in this process costs nobody anything."""

log = structlog.get_logger("gateway.source")


class Poller(Protocol):
    """Asks a source once."""

    async def poll(self) -> Poll:
        """Return what it says now; SourceFault."""
        ...


async def keep_polling(
    poller: Poller,
    source: Source,
    state: SourceState,
    metrics: Metrics,
    clock: WallClock,
    jitter: Callable[[], float],
) -> None:
    """Ask a source until cancelled; `jitter` draws numbers from 0 to 1."""
    pace = get_pace(source)
    limit = RateLimit(pace.per_minute)
    failures = 0
    while True:
        if (wait_ms := limit.compute_wait(_monotonic_ms(clock))) > 0:
            await clock.sleep(wait_ms / 1000)
            continue
        limit.note(_monotonic_ms(clock))
        fault = await _ask(poller, state, metrics, clock)
        if fault is None:
            failures = 0
            await clock.sleep(source.interval_ms / 1000)
        else:
            failures += 1
            backoff_ms = compute_backoff(failures, pace.first_ms, pace.most_ms, jitter())
            await clock.sleep(max(backoff_ms, fault.retry_ms or 0) / 1000)


def get_pace(source: Source) -> Pace:
    """Return how often a source may be asked."""
    match source:
        case HttpSource():
            return Pace(source.requests_per_minute, source.backoff_first_ms, source.backoff_max_ms)
        case CsvSource() | MqttSource():
            return LOCAL_PACE


async def _ask(poller: Poller, state: SourceState, metrics: Metrics, clock: WallClock) -> SourceFault | None:
    """Ask once; return what was wrong with the whole answer."""
    before = state.fault
    begun_s = clock.monotonic()
    try:
        poll = await poller.poll()
    except SourceFault as fault:
        state.fail(fault, clock.now_ms())
        metrics.faults.labels(state.name, fault.kind.value).inc()
        if before is None or before.kind is not fault.kind:
            log.warning("source_failed", source=state.name, kind=fault.kind.value, detail=fault.detail)
        return fault
    metrics.latency.labels(state.name).observe(clock.monotonic() - begun_s)
    known = {key: seen.kind for key, seen in state.faults.items()}
    wrong = state.take(poll, clock.now_ms())
    for one in wrong:
        metrics.faults.labels(state.name, one.kind.value).inc()
    for key, seen in state.faults.items():
        if known.get(key) is not seen.kind:
            log.warning(
                "value_refused", source=state.name, feed=key, kind=seen.kind.value, detail=seen.detail
            )
    if before is not None:
        log.info("source_back", source=state.name)
    return None


def _monotonic_ms(clock: WallClock) -> int:
    return int(clock.monotonic() * 1_000)
