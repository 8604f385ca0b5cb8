"""A source is asked later after each failure, and never more often than its limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.pacing import MINUTE_MS, RateLimit, compute_backoff


def test_waits_double_up_to_the_limit() -> None:
    assert [compute_backoff(n, 500, 5_000, 1.0) for n in range(1, 7)] == [
        500,
        1_000,
        2_000,
        4_000,
        5_000,
        5_000,
    ]


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6), st.floats(0, 1))
def test_jitter_takes_at_most_half_of_a_wait_away(
    failures: int, first_ms: int, more_ms: int, jitter: float
) -> None:
    limit_ms = first_ms + more_ms
    full_ms = compute_backoff(failures, first_ms, limit_ms, 1.0)
    assert first_ms <= full_ms <= limit_ms
    assert full_ms // 2 <= compute_backoff(failures, first_ms, limit_ms, jitter) <= full_ms
    assert compute_backoff(failures, first_ms, limit_ms, jitter) >= 1


@pytest.mark.parametrize(("failures", "jitter"), [(0, 0.5), (1, -0.1), (1, 1.1)])
def test_a_wait_without_a_failure_and_a_share_above_one_are_misuse(failures: int, jitter: float) -> None:
    with pytest.raises(AssertionError):
        compute_backoff(failures, 1, 1, jitter)


@given(st.integers(1, 5), st.lists(st.integers(0, 40_000), max_size=40))
def test_no_minute_has_more_requests_than_allowed(per_minute: int, gaps: list[int]) -> None:
    limit = RateLimit(per_minute)
    now_ms, sent = 0, list[int]()
    for gap_ms in gaps:
        now_ms += gap_ms
        now_ms += limit.compute_wait(now_ms)
        assert limit.compute_wait(now_ms) == 0
        limit.note(now_ms)
        sent.append(now_ms)
    for moment in sent:
        assert sum(moment - MINUTE_MS < other <= moment for other in sent) <= per_minute


def test_the_limit_holds_up_exactly_until_the_oldest_request_is_a_minute_old() -> None:
    limit = RateLimit(2)
    limit.note(0)
    assert limit.compute_wait(10) == 0
    limit.note(10)
    assert limit.compute_wait(20) == MINUTE_MS - 20
    assert limit.compute_wait(MINUTE_MS) == 0
