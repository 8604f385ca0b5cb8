"""A clock that moves only when a test says so."""


class ManualClock:
    """Starts at 2025-01-01 00:00:00 UTC; wall and monotonic time move together unless the wall is set."""

    def __init__(self, now_ms: int = 1_735_689_600_000) -> None:
        self._wall_ms = now_ms
        self._passed_ms = 0

    def now_ms(self) -> int:
        return self._wall_ms

    def monotonic(self) -> float:
        return self._passed_ms / 1000

    def advance(self, ms: int) -> None:
        """Let time pass."""
        assert ms >= 0
        self._wall_ms += ms
        self._passed_ms += ms

    def set_wall(self, now_ms: int) -> None:
        """Set the wall clock, as an operator or NTP would; monotonic time does not notice."""
        self._wall_ms = now_ms
