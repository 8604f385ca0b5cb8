"""The only source of time of the separate programs; everything else is handed a `Clock`.

It must not know what the time is used for.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What programs ask of time; tests have a manual one."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class WallClock(Clock, Protocol):
    """A clock that knows the date too; for programs that compare it with a chain's."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970; may jump either way when the system clock is set."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)
