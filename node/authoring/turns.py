"""Work in slices: an event loop gets its turn whenever a slice has taken long enough.

It knows nothing of the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")

SLICE_S = 0.005
"""Work between two turns of the event loop, to which the last step adds its own length."""
URGENT_SLICE_S = 0.02
"""The same for work that a block waits for, which what else the loop has to do stretches less then. With
shorter slices sealing took as long as a slot under load, and every second block was late and large."""


class Turns:
    """Gives up the event loop when the current slice is over."""

    def __init__(self, monotonic: Callable[[], float], slice_s: float = SLICE_S) -> None:
        self._monotonic = monotonic
        self._slice_s = slice_s
        self._end = monotonic() + slice_s

    async def pause(self) -> None:
        """Let the event loop turn if the slice is over."""
        if self._monotonic() >= self._end:
            await asyncio.sleep(0)
            self._end = self._monotonic() + self._slice_s

    async def run(self, steps: Generator[None, None, T]) -> T:
        """Run a generator to its end, pausing after its steps; return its result."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            await self.pause()
