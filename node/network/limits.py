"""How much one peer may send, and what it costs to send more: token buckets by kind, and decaying scores.

Pure; time is an argument in milliseconds. It must not know connections.
"""

from collections.abc import Mapping
from typing import Final

from node.network.errors import SCORE_MAX, SCORE_MIN
from node.network.messages import Kind, Rule

MINUTE_MS: Final = 60_000

BANNED_BELOW: Final = 71 * (SCORE_MIN // 100 + 1)
"""71 % of the way down; Substrate's `BANNED_THRESHOLD`, whose division rounds towards zero."""
INVERSE_DECREMENT: Final = 200
"""Each second a score loses this part of itself, and at least 1; Substrate's.

So it halves in 139 s, and the worst is forgotten within the hour, after 3544 s.
"""


class TokenBucket:
    """Allows an amount a minute, all of it at once if it was saved up."""

    def __init__(self, per_minute: int, now_ms: int) -> None:
        self._rate = per_minute
        self._full = per_minute * MINUTE_MS
        self._level = self._full
        self._filled_ms = now_ms

    def take(self, amount: int, now_ms: int) -> bool:
        """Take the amount and return True, or return False and take nothing."""
        passed = max(now_ms - self._filled_ms, 0)
        self._level = min(self._level + passed * self._rate, self._full)
        self._filled_ms = now_ms
        if amount * MINUTE_MS > self._level:
            return False
        self._level -= amount * MINUTE_MS
        return True


class Allowance:
    """What one peer may still send, by kind."""

    def __init__(self, rules: Mapping[Kind, Rule], now_ms: int) -> None:
        self._buckets = {
            kind: (
                TokenBucket(rule.count_per_minute, now_ms),
                TokenBucket(rule.bytes_per_minute, now_ms),
            )
            for kind, rule in rules.items()
        }

    def take(self, kind: Kind, size: int, now_ms: int) -> bool:
        """Count a message in; False where it is above the rate of its kind."""
        count, volume = self._buckets[kind]
        return count.take(1, now_ms) and volume.take(size, now_ms)


def is_banned(score: int) -> bool:
    """Tell whether a peer with this score is refused."""
    return score < BANNED_BELOW


def add_score(score: int, change: int) -> int:
    """Return the changed score within the range of i32."""
    return min(max(score + change, SCORE_MIN), SCORE_MAX)


def decay_score(score: int, seconds: int) -> int:
    """Return what is left of a score after whole seconds; at most 3544 steps."""
    for _ in range(seconds):
        if score == 0:
            return 0
        step = abs(score) // INVERSE_DECREMENT or 1
        score += step if score < 0 else -step
    return score
