"""The one thread that writes: jobs run in the order submitted, and the first failure is the last job.

Responsible for order, backpressure and poisoning. It must not know what the jobs write, nor asyncio: a loop
awaits the futures by `asyncio.wrap_future`.
"""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import TypeVar

from node.storage.kv import ClosedError

IN_FLIGHT_MAX = 4
"""Two blocks: each is inserted, and later finalized."""

_Result = TypeVar("_Result")


class Writer:
    """Runs jobs one after another in a thread of its own."""

    def __init__(self, *, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        assert in_flight_max > 0
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="storage-writer")
        self._changed = Condition()
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._waiting: list[Future[None]] = []
        self._failed_job = ""
        self._failure: BaseException | None = None
        self._broken: Future[None] = Future()
        self._broken.set_running_or_notify_cancel()  # from here on nobody who waits can cancel it

    def submit(self, name: str, job: Callable[[], _Result]) -> Future[_Result]:
        """Queue the job; its future carries its result or its exception.

        Blocks while `in_flight_max` jobs are unfinished: await `room` first to keep an event loop free.
        After a failed job every future carries a ClosedError that holds the failure, and this raises it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self._in_flight_max)
            self._ensure_usable()
            self._in_flight += 1
        return self._executor.submit(self._run, name, job)

    def room(self) -> Future[None]:
        """Return a future that is done when `submit` would not block; for the one thread that submits."""
        future: Future[None] = Future()
        with self._changed:
            if self._in_flight < self._in_flight_max:
                future.set_result(None)
            else:
                self._waiting.append(future)
        return future

    def broken(self) -> Future[None]:
        """Return a future that never ends but with the exception of the first job that failed."""
        return self._broken

    def close(self) -> None:
        """Finish the queued jobs and end the thread; closing twice is allowed."""
        self._executor.shutdown(wait=True)

    def _run(self, name: str, job: Callable[[], _Result]) -> _Result:
        try:
            self._ensure_usable()
            return job()
        finally:
            failure = sys.exception()
            with self._changed:
                if failure is not None and self._failure is None:
                    self._failed_job, self._failure = name, failure
                    self._broken.set_exception(failure)
                self._in_flight -= 1
                waiting, self._waiting = self._waiting, []
                self._changed.notify_all()
            for future in waiting:
                if future.set_running_or_notify_cancel():
                    future.set_result(None)

    def _ensure_usable(self) -> None:
        if self._failure is not None:
            message = f"nothing may be written after the failure of {self._failed_job!r}"
            raise ClosedError(message, self._failure) from self._failure
