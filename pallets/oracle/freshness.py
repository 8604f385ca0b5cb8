"""How fresh a feed was: in how many of the last windows of time a recent value stood.

Responsible for the count; it knows neither values nor providers. A window is fresh when, at its end, the last
value is at most a window's length old.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

WINDOW_MS: Final = 10_000
WINDOWS: Final = 360
"""An hour."""
TARGET_PERMILLE: Final = 950
WHOLE_PERMILLE: Final = 1_000


class UnorderedTimes(ValueError):
    """The moments of a feed's values are not in order."""


class Freshness(NamedTuple):
    """Fresh windows of all; the share is rounded down."""

    fresh: int
    windows: int

    @property
    def permille(self) -> int:
        """The share in thousandths, rounded down."""
        return self.fresh * WHOLE_PERMILLE // self.windows

    @property
    def meets_target(self) -> bool:
        """Answer whether at least 95 % were fresh, without rounding."""
        return self.fresh * WHOLE_PERMILLE >= TARGET_PERMILLE * self.windows


def measure_freshness(
    times_ms: Sequence[int], start_ms: int, windows: int = WINDOWS, window_ms: int = WINDOW_MS
) -> Freshness:
    """Return the freshness of the windows from `start_ms` on, given when values were aggregated.

    Values after a window's end do not count for it. Raises UnorderedTimes.
    """
    assert windows > 0, "there is a window"
    assert window_ms > 0, "a window has a length"
    if any(later < earlier for earlier, later in pairwise(times_ms)):
        raise UnorderedTimes("a value is older than the one before it")
    ends = (start_ms + window_ms * number for number in range(1, windows + 1))
    return Freshness(sum(_is_fresh(times_ms, end, window_ms) for end in ends), windows)


def _is_fresh(times_ms: Sequence[int], end_ms: int, window_ms: int) -> bool:
    before = bisect_right(times_ms, end_ms)
    return before > 0 and end_ms - times_ms[before - 1] <= window_ms
