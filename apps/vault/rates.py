"""How often somebody may ask: buckets that fill at a steady rate, a bounded number of them.

It knows no officer and no address, only names.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from apps.clock import Clock

BUCKETS_MAX: Final = 4096
"""Names that are remembered; whoever is forgotten begins with a full bucket."""


class Rates:
    """One bucket for each name."""

    def __init__(self, clock: Clock, per_second: float, burst: int) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> bool:
        """Take one from a bucket; False where it is empty."""
        left = self._left(name)
        if left < 1:
            return False
        self._buckets[name] = (left - 1, self._clock.monotonic())
        self._buckets.move_to_end(name)
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return True

    def _left(self, name: str) -> float:
        now = self._clock.monotonic()
        left, since = self._buckets.get(name, (float(self._burst), now))
        return min(float(self._burst), left + (now - since) * self._per_second)
