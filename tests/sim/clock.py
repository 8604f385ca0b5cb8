"""A node's own clocks: a monotonic one that may run fast, slow, or leap; and the skew of its wall clock."""


class LocalClock:
    """Milliseconds; the monotonic clock runs at `rate` thousandths of the world's time."""

    def __init__(self) -> None:
        self.skew_ms = 0
        self.rate = 1000
        self._world_ms = 0
        self._local_ms = 0

    def read(self, now: int) -> int:
        """Return the monotonic time at a time of the world."""
        return self._local_ms + (now - self._world_ms) * self.rate // 1000

    def when(self, local_ms: int, now: int) -> int:
        """Return the time of the world, not before now, at which the monotonic clock shows a time."""
        ahead = (local_ms - self._local_ms) * 1000
        return max(now, self._world_ms - (-ahead // self.rate))

    def change(self, now: int, rate: int, leap_ms: int = 0) -> None:
        """Run at another rate from now on, perhaps after a leap forward."""
        self._local_ms = self.read(now) + leap_ms
        self._world_ms = now
        self.rate = rate
