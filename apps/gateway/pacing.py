"""How soon a source may be asked again: twice as late after each failure, never more often than its limit.

Pure; time is monotonic milliseconds and an argument. Jitter is drawn by the caller, so that many gateways
that lost a source together do not come back together.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE_MS: Final = 60_000
SHIFT_MAX: Final = 30


def compute_backoff(failures: int, first_ms: int, limit_ms: int, jitter: float) -> int:
    """Return the milliseconds to wait after so many failures in a row, at least one.

    The full wait doubles from `first_ms` up to `limit_ms`; `jitter`, from 0 to 1, says how much of its upper
    half is waited.
    """
    assert failures > 0, "a wait follows a failure"
    assert 0 <= jitter <= 1, "jitter is a share"
    full_ms = min(first_ms << min(failures - 1, SHIFT_MAX), limit_ms)
    return full_ms - int(full_ms // 2 * (1 - jitter))


class RateLimit:
    """At most so many requests in any sixty seconds."""

    def __init__(self, per_minute: int) -> None:
        assert per_minute > 0, "a limit lets something through"
        self._per_minute = per_minute
        self._sent: deque[int] = deque()

    def compute_wait(self, now_ms: int) -> int:
        """Return the milliseconds until the next request may go."""
        while self._sent and self._sent[0] <= now_ms - MINUTE_MS:
            self._sent.popleft()
        if len(self._sent) < self._per_minute:
            return 0
        return self._sent[0] + MINUTE_MS - now_ms

    def note(self, now_ms: int) -> None:
        """Count a request."""
        self._sent.append(now_ms)
