"""How blocks come about: by interval, instantly or by hand, one way at a time, changed while the node runs.

Responsible for the task that makes blocks and for ending it between two blocks, never within one. What a
block is made of is the author's business.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

from node.authoring.author import Author
from node.config import InstantSeal, IntervalSeal, ManualSeal, Seal


class Building:
    """Runs an author in one mode, then in another when told so."""

    def __init__(self, author: Author, seal: Seal, block_time_ms: int) -> None:
        """`block_time_ms` is the interval of a mode that names none."""
        self.seal = seal
        self._author = author
        self._block_time_ms = block_time_ms
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> NoReturn:
        """Make blocks for ever."""
        while True:
            async with asyncio.TaskGroup() as group:
                self._task = group.create_task(self._build(self.seal), name="author")

    async def switch(self, seal: Seal) -> None:
        """Make blocks in another way from now on; what the open block held is in the pool again."""
        async with self._author.lock:  # whoever makes a block holds it: none is left half made
            self.seal = seal
            if self._task is not None:
                self._task.cancel()
            self._author.intake.is_drained = False
            self._author.stand_by()

    async def _build(self, seal: Seal) -> None:
        match seal:
            case IntervalSeal(period_ms):
                await self._author.run_interval(self._block_time_ms if period_ms is None else period_ms)
            case InstantSeal():
                await self._author.run_instant()
            case ManualSeal():
                await asyncio.Event().wait()
