"""Signature checks in worker processes: the one parallel stage of the node.

Responsible for spreading jobs over the workers, for order of urgency, for back-pressure, and for replacing
workers that die. It knows nothing of transactions or blocks: a job is (scheme, public, signature, message),
the answer a byte. Everything happens on the event loop that the verifier was made in.

Jobs are encoded once into segments. Segments wait in two queues, urgent (block import, consensus) before
pool, and travel in frames, at most FRAMES_PER_WORKER outstanding for each worker; the worker with the
fewest jobs gets the next. Pool frames leave when FRAME_JOBS_MIN jobs wait, or after FLUSH_MS. Workers start
when there is work that the others have no hands for, so an idle node has none.

A worker that dies loses nothing: its frames go to the front of the queue. A segment lost twice is taken
apart, its jobs travel alone with nothing else outstanding, and one that then kills two more workers is
answered "not valid", so that no crafted signature can stop the node. Deaths beyond RESPAWNS_MAX in
RESPAWN_WINDOW_S end `run` with VerifierFailed, and the node stops.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self

import structlog

from node.verifier_worker import (
    ANSWER,
    FRAME_JOBS_MAX,
    LENGTH,
    SEGMENT_JOBS_MAX,
    Job,
    check_segments,
    decode_segments,
    encode_segment,
)

FRAME_JOBS_MIN: Final = 64
"""Waiting pool jobs that make a frame worth its two system calls at each end."""
FLUSH_MS: Final = 2
"""Longest wait of a pool job for company."""
FRAMES_PER_WORKER: Final = 2
"""One that is worked on and one that waits, so that no worker idles during the answer's way."""
CAPACITY_JOBS: Final = 8192
"""Unverified jobs above which `wait_capacity` waits: about 0.2 s of work of two workers."""
CAPACITY_LOW_JOBS: Final = 6144
"""Unverified jobs at which the waiting go on."""
JOBS_MAX: Final = 262_144
"""Unverified jobs that are accepted at all; only callers that ignore `wait_capacity` meet it."""
LOSSES_TOGETHER_MAX: Final = 2
"""Workers that jobs may cost together; after that each travels alone."""
LOSSES_MAX: Final = 4
"""Workers that a job may cost before it is held to be the cause: the last two died of it alone."""
RESPAWNS_MAX: Final = 8
RESPAWN_WINDOW_S: Final = 60
START_RETRY_S: Final = 1
"""Pause after the system refused to start a worker; with none left the event loop checks itself meanwhile."""
CLOSE_S: Final = 2
"""Time that workers have to end by themselves."""
REAP_S: Final = 0.01

_PROGRAM: Final = "from node.verifier_worker import main; main()"

Callback = Callable[[bytes], None]
"""Gets one byte for each job in their order: 1 valid, 0 not."""

_logger = structlog.get_logger(__name__)


class VerifierFailed(Exception):
    """Signature workers die faster than they may be replaced."""


class VerifierFull(Exception):
    """More jobs wait than the verifier accepts."""


class _Batch:
    """Jobs that were submitted together and are answered together."""

    __slots__ = ("callback", "remaining", "results")

    def __init__(self, count: int, callback: Callback) -> None:
        self.remaining = count
        self.results = bytearray(count)
        self.callback = callback


class _Segment:
    """Jobs that travel together: a slice of one batch."""

    __slots__ = ("batch", "count", "data", "losses", "start")

    def __init__(self, batch: _Batch, start: int, count: int, data: bytes, losses: int = 0) -> None:
        self.batch = batch
        self.start = start
        self.count = count
        self.data = data
        self.losses = losses


class _Worker:
    """One process with its pipe; reports answers and its death through the two functions."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_answer: Callable[[list[_Segment], bytes], None],
        on_death: Callable[["_Worker"], None],
    ) -> None:
        self.frames: deque[list[_Segment]] = deque()
        self.jobs = 0
        self.cpu_ns = 0
        self._loop = loop
        self._on_answer = on_answer
        self._on_death = on_death
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._pipe, other = socket.socketpair()
        try:
            self.process = _start_process(other)
        except OSError:
            self._pipe.close()
            raise
        finally:
            other.close()
        self._pipe.settimeout(0)
        loop.add_reader(self._pipe.fileno(), self._on_readable)

    def send(self, segments: list[_Segment], count: int) -> None:
        """Send a frame of so many jobs; whatever the pipe does not take follows when it can."""
        self.frames.append(segments)
        self.jobs += count
        body = b"".join([segment.data for segment in segments])
        frame = LENGTH.pack(len(body)) + body
        if self._outgoing:
            self._outgoing += frame
            return
        sent = self._write(frame)
        if sent < len(frame):
            self._outgoing += memoryview(frame)[sent:]
            self._loop.add_writer(self._pipe.fileno(), self._on_writable)

    def close(self) -> None:
        """Close the pipe, which ends the process once it has finished its frame."""
        if self._pipe.fileno() >= 0:
            self._loop.remove_reader(self._pipe.fileno())
            self._loop.remove_writer(self._pipe.fileno())
            self._pipe.close()

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return self._pipe.send(data)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return 0  # of its death the reader hears

    def _on_writable(self) -> None:
        del self._outgoing[: self._write(self._outgoing)]
        if not self._outgoing:
            self._loop.remove_writer(self._pipe.fileno())

    def _on_readable(self) -> None:
        try:
            data = self._pipe.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._on_death(self)
            return
        self._incoming += data
        incoming = self._incoming
        while len(incoming) >= ANSWER.size:
            count, cpu_ns = ANSWER.unpack_from(incoming)
            end = ANSWER.size + count
            if len(incoming) < end:
                return
            results = bytes(incoming[ANSWER.size : end])
            del incoming[:end]
            segments = self.frames.popleft()
            assert count == sum(segment.count for segment in segments)
            self.jobs -= count
            self.cpu_ns = cpu_ns
            self._on_answer(segments, results)


class Verifier:
    """Checks signatures in `workers` processes, or with 0 between other work of the event loop itself."""

    def __init__(self, workers: int) -> None:
        assert workers >= 0
        self._workers_max = workers
        self._loop = asyncio.get_running_loop()
        self._workers: list[_Worker] = []
        self._dying: list[subprocess.Popen[bytes]] = []
        self._urgent: deque[_Segment] = deque()
        self._pool: deque[_Segment] = deque()
        self._suspects: deque[_Segment] = deque()
        self._pool_jobs = 0
        self._unverified = 0
        self._flush: asyncio.TimerHandle | None = None
        self._inline: asyncio.Handle | None = None
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._deaths: deque[float] = deque(maxlen=RESPAWNS_MAX + 1)
        self._death_count = 0
        self._ended_cpu_ns = 0
        self._no_start_before = 0.0
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def unverified(self) -> int:
        """Jobs submitted and not yet answered."""
        return self._unverified

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that run now."""
        return tuple(worker.process.pid for worker in self._workers)

    @property
    def deaths(self) -> int:
        """Workers that died unasked."""
        return self._death_count

    @property
    def cpu_ns(self) -> int:
        """CPU time of all workers so far in ns, as of the last answer of each."""
        return self._ended_cpu_ns + sum(worker.cpu_ns for worker in self._workers)

    def submit_many(self, jobs: Sequence[Job], callback: Callback, *, urgent: bool = False) -> None:
        """Check the jobs and call back once, later, with one byte for each in their order.

        Batches are answered in no particular order. What `close` or a failure leaves open stays so.
        Raises ValueError on a field longer than a job may carry, VerifierFull beyond JOBS_MAX; nothing is
        checked then.
        """
        assert not self._closed
        count = len(jobs)
        if self._unverified + count > JOBS_MAX:
            raise VerifierFull(f"{self._unverified} signatures wait already")
        batch = _Batch(count, callback)
        if not count:
            self._loop.call_soon(callback, b"")
            return
        segments = [
            _Segment(batch, start, min(SEGMENT_JOBS_MAX, count - start), encode_segment(part))
            for start in range(0, count, SEGMENT_JOBS_MAX)
            if (part := jobs[start : start + SEGMENT_JOBS_MAX])
        ]
        self._unverified += count
        if urgent:
            self._urgent += segments
        else:
            self._pool += segments
            self._pool_jobs += count
        self._dispatch()

    def verify_many(self, jobs: Sequence[Job], *, urgent: bool = False) -> asyncio.Future[bytes]:
        """Return a future of one byte for each job, 1 valid, 0 not; otherwise like `submit_many`."""
        future: asyncio.Future[bytes] = self._loop.create_future()

        def answer(results: bytes) -> None:
            if not future.done():
                future.set_result(results)

        self.submit_many(jobs, answer, urgent=urgent)
        return future

    def verify(self, job: Job, *, urgent: bool = False) -> asyncio.Future[bool]:
        """Return a future that tells whether the signature is valid; `verify_many` is cheaper for each."""
        future: asyncio.Future[bool] = self._loop.create_future()

        def answer(results: bytes) -> None:
            if not future.done():
                future.set_result(results == b"\x01")

        self.submit_many((job,), answer, urgent=urgent)
        return future

    async def wait_capacity(self) -> None:
        """Wait until no more than CAPACITY_JOBS are unverified; call it before reading more input."""
        while self._unverified > CAPACITY_JOBS and not self._closed:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    async def run(self) -> None:
        """Return when the verifier is closed; raises VerifierFailed when workers cannot be kept alive."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """End the workers and wait for them; unanswered jobs stay unanswered."""
        if self._closed:
            return
        self._closed = True
        for handle in (self._flush, self._inline):
            if handle is not None:
                handle.cancel()
        self._urgent.clear()
        self._pool.clear()
        self._suspects.clear()
        for worker in self._workers:
            self._retire(worker)
        self._workers.clear()
        self._wake_waiters()
        deadline = self._loop.time() + CLOSE_S
        while any(process.poll() is None for process in self._dying):
            if self._loop.time() >= deadline:
                for process in self._dying:
                    process.kill()
            await asyncio.sleep(REAP_S)
        self._dying.clear()
        if not self._failure.done():
            self._failure.set_result(None)
        self._failure.exception()  # whoever did not await `run` need not be told by the collector

    # Dispatch

    def _dispatch(self) -> None:
        if self._closed or self._failure.done():
            return
        if not self._workers_max or (not self._workers and self._loop.time() < self._no_start_before):
            self._schedule_inline()
            return
        while self._suspects:
            # Alone in a worker, and nothing else anywhere: whoever dies now is known to be the cause.
            if any(worker.frames for worker in self._workers):
                return
            worker = self._choose_worker()
            if worker is None:
                return
            self._send(worker, self._suspects, 1)
        while self._urgent and (worker := self._choose_worker()) is not None:
            self._send(worker, self._urgent, SEGMENT_JOBS_MAX)
        while self._pool_jobs >= FRAME_JOBS_MIN and (worker := self._choose_worker()) is not None:
            self._pool_jobs -= self._send(worker, self._pool, FRAME_JOBS_MAX)
        if 0 < self._pool_jobs < FRAME_JOBS_MIN and self._flush is None:
            self._flush = self._loop.call_later(FLUSH_MS / 1000, self._on_flush)

    def _on_flush(self) -> None:
        self._flush = None
        if (
            self._pool
            and not self._urgent
            and not self._suspects
            and (worker := self._choose_worker()) is not None
        ):
            self._pool_jobs -= self._send(worker, self._pool, FRAME_JOBS_MAX)
        self._dispatch()

    @staticmethod
    def _send(worker: _Worker, queue: deque[_Segment], jobs_max: int) -> int:
        """Send one frame of the first segments of the queue and return how many jobs it holds."""
        segments = [queue.popleft()]
        count = segments[0].count
        while queue and count + queue[0].count <= jobs_max:
            segments.append(queue.popleft())
            count += segments[-1].count
        worker.send(segments, count)
        return count

    def _choose_worker(self) -> _Worker | None:
        """Return the worker with the fewest jobs that takes a frame; a new one rather than a busy one."""
        free = [worker for worker in self._workers if len(worker.frames) < FRAMES_PER_WORKER]
        best = min(free, key=lambda worker: worker.jobs, default=None)
        if best is not None and not best.frames:
            return best
        if len(self._workers) >= self._workers_max or self._loop.time() < self._no_start_before:
            return best
        try:
            worker = _Worker(self._loop, self._on_answer, self._on_death)
        except OSError as error:
            _logger.warning("verifier_worker_not_started", error=str(error), workers=len(self._workers))
            self._no_start_before = self._loop.time() + START_RETRY_S
            self._loop.call_later(START_RETRY_S, self._dispatch)
            if not self._workers:
                self._schedule_inline()
            return best
        self._workers.append(worker)
        return worker

    def _schedule_inline(self) -> None:
        if self._inline is None and (self._urgent or self._pool):
            self._inline = self._loop.call_soon(self._on_inline)

    def _on_inline(self) -> None:
        self._inline = None
        queue = self._urgent or self._pool
        segment = queue.popleft()
        if queue is self._pool:
            self._pool_jobs -= segment.count
        self._on_answer([segment], check_segments(segment.data))

    def _on_answer(self, segments: list[_Segment], results: bytes) -> None:
        position = 0
        for segment in segments:
            batch = segment.batch
            end = position + segment.count
            batch.results[segment.start : segment.start + segment.count] = results[position:end]
            position = end
            batch.remaining -= segment.count
            if not batch.remaining:
                self._loop.call_soon(batch.callback, bytes(batch.results))
        self._unverified -= position
        if self._waiters and self._unverified <= CAPACITY_LOW_JOBS:
            self._wake_waiters()
        self._dispatch()

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    # Workers that die

    def _on_death(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.kill()
        self._retire(worker)
        lost = [segment for frame in worker.frames for segment in frame]
        _logger.warning("verifier_worker_died", pid=worker.process.pid, lost_frames=len(worker.frames))
        # Which queue they came from is not kept: what has waited this long is urgent.
        self._urgent.extendleft(reversed([segment for segment in lost if not self._suspect(segment)]))
        self._loop.call_later(REAP_S, self._reap)
        self._count_death()
        self._dispatch()

    def _suspect(self, segment: _Segment) -> bool:
        """Note that a worker died with this segment; False if it may simply be sent again."""
        segment.losses += 1
        if segment.losses < LOSSES_TOGETHER_MAX:
            return False
        if segment.losses >= LOSSES_MAX:
            _logger.error("verifier_job_gave_up", workers_lost=segment.losses)
            self._loop.call_soon(self._on_answer, [segment], b"\x00")
        elif segment.count == 1:
            self._suspects.append(segment)
        else:
            self._suspects.extend(
                _Segment(segment.batch, segment.start + index, 1, encode_segment([job]), segment.losses)
                for index, job in enumerate(decode_segments(segment.data))
            )
        return True

    def _count_death(self) -> None:
        now = self._loop.time()
        self._death_count += 1
        self._deaths.append(now)
        if len(self._deaths) > RESPAWNS_MAX and now - self._deaths[0] < RESPAWN_WINDOW_S:
            _logger.error("verifier_failed", deaths=len(self._deaths), window_s=RESPAWN_WINDOW_S)
            if not self._failure.done():
                self._failure.set_exception(VerifierFailed(f"{len(self._deaths)} signature workers died"))

    def _retire(self, worker: _Worker) -> None:
        worker.close()
        self._ended_cpu_ns += worker.cpu_ns
        self._dying.append(worker.process)

    def _reap(self) -> None:
        self._dying = [process for process in self._dying if process.poll() is None]
        if self._dying and not self._closed:
            self._loop.call_later(REAP_S, self._reap)


def _start_process(pipe: socket.socket) -> subprocess.Popen[bytes]:
    """Start a worker that serves the pipe; takes about a millisecond, the interpreter starts meanwhile.

    It gets this process's import path instead of working one out, and a process group of its own, so that
    Ctrl-C reaches only the node.
    """
    paths = [os.path.abspath(path) for path in sys.path]
    program = f"import sys; sys.path[:] = {paths!r}; {_PROGRAM}"
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-I", "-S", "-c", program],
        stdin=pipe.fileno(),
        stdout=subprocess.DEVNULL,
        process_group=0,
    )
