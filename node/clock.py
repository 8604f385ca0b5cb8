"""The node's only source of time; everything else is handed a `Clock`.

It must not know what the time is used for. Wall time goes into blocks and is judged by other nodes; monotonic
time measures durations and never goes back.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What the node asks of time; tests have a manual one."""

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch; may jump either way when the system clock is set."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        """Return milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.monotonic()
