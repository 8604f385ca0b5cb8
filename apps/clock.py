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


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)
