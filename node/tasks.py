"""The tasks one component has in a task group of its owner, which it can end without ending the group."""

import asyncio
from collections.abc import Coroutine


class OwnTasks:
    """Starts tasks in a given group and remembers those still running."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a task; an exception it lets out ends the group.

        CancelledError when the group has come to its end: nothing new begins then.
        """
        try:
            task = self._group.create_task(work)
        except RuntimeError as error:
            work.close()
            raise asyncio.CancelledError from error
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def cancel(self) -> None:
        """Cancel all that still run."""
        for task in tuple(self._running):
            task.cancel()

    async def end(self) -> None:
        """Cancel all that still run, and wait until they are over."""
        self.cancel()
        current = asyncio.current_task()
        running = [task for task in self._running if task is not current]
        if running:
            await asyncio.wait(running)
