"""One WebSocket session: requests in, answers and notices out, in bounded memory.

Requests of synchronous methods are answered in order as they come; asynchronous ones run beside them, a
bounded number at once, after which reading stops. Calls of one asynchronous method that arrive together go to
its batch handler together. A client that does not read its notices is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from node.rpc.connections import Connection, Phase
from node.rpc.dispatch import Answer, Caller, Dispatcher, Turn
from node.rpc.jsonrpc import TOGETHER_MAX, Calls, Parsed
from node.rpc.subscriptions import MAX_QUEUED_NOTICES, MAX_SUBSCRIPTIONS, Sink, SubscriptionTable
from node.tasks import OwnTasks

# Requests, or bursts of them, of one connection that wait for asynchronous handlers before reading stops.
MAX_IN_FLIGHT: Final = 64
CLOSE_TIMEOUT_S: Final = 1.0

log = structlog.get_logger("rpc")


class WebSocketSession:
    """Serves one WebSocket until it closes."""

    def __init__(
        self,
        connection: Connection,
        dispatcher: Dispatcher,
        tasks: OwnTasks,
        *,
        address: str,
        unsafe: bool,
        max_subscriptions: int = MAX_SUBSCRIPTIONS,
        max_queued: int = MAX_QUEUED_NOTICES,
    ) -> None:
        self._connection = connection
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._max_queued = max_queued
        self._subscriptions = SubscriptionTable(self, limit=max_subscriptions, max_held=max_queued)
        self._caller = Caller(address, "ws", unsafe, self._subscriptions)
        # One byte above the limit: aiohttp refuses messages of exactly its maximum.
        limit = dispatcher.limits.request_bytes + 1
        self._socket = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_S, compress=False, max_msg_size=limit, decode_text=False
        )
        self._outbox: deque[bytes] = deque()
        self._ping_due = False
        self._wake = asyncio.Event()
        self._in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._burst: Calls | None = None
        self._over = False

    async def run(self, request: web.BaseRequest) -> web.StreamResponse:
        """Shake hands and serve; returns when the connection is over."""
        await self._socket.prepare(request)
        self._connection.session = self
        self._connection.finish_request()
        self._connection.enter(Phase.SESSION)
        writer = self._tasks.start(self._write())
        try:
            await self._read()
        finally:
            self._start_burst()  # calls that came just before the client closed
            self._over = True
            self._connection.session = None
            self._subscriptions.close_all()
            writer.cancel()
        return self._socket

    def push(self, notice: bytes) -> None:
        """Queue a notice; a client that has a full queue and does not read loses its connection."""
        if self._over:
            return
        if self._connection.writing_paused and len(self._outbox) >= self._max_queued:
            self.overflow()
            return
        self._outbox.append(notice)
        self._wake.set()

    def overflow(self) -> None:
        """Drop the connection of a client that reads too slowly."""
        if not self._over:
            self._over = True
            log.warning("rpc_slow_reader_dropped", peer=self._connection.address, queued=len(self._outbox))
            self._outbox.clear()
            self._connection.abort("reads its notices too slowly")

    def ping(self) -> None:
        """Send a ping soon."""
        self._ping_due = True
        self._wake.set()

    async def close(self) -> None:
        """Tell the client that the server goes away, and end the session."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the node is stopping")

    async def _read(self) -> None:
        turn = Turn(asyncio.get_running_loop().time)
        while not self._over:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            self._connection.finish_request()
            data: bytes = message.data
            await self._handle(await self._dispatcher.read(data))
            if turn.is_over():
                await turn.pass_on()

    async def _handle(self, parsed: Parsed) -> None:
        if isinstance(parsed, Calls) and self._dispatcher.can_join(parsed.method):
            await self._join(parsed)
            return
        self._start_burst()
        opened: list[Sink] = []
        if not self._dispatcher.is_sync(parsed):
            await self._in_flight.acquire()
            self._tasks.start(self._later(self._dispatcher.answer(parsed, self._caller, opened), opened))
            return
        await self._answer(await self._dispatcher.answer(parsed, self._caller, opened), opened)

    async def _join(self, call: Calls) -> None:
        """Put a call to those of its kind that arrived just before; they start at the end of this turn."""
        burst = self._burst
        if burst is not None and burst.method == call.method and len(burst.ids) < TOGETHER_MAX:
            burst.ids += call.ids
            burst.params += call.params
            return
        self._start_burst()
        await self._in_flight.acquire()
        asyncio.get_running_loop().call_soon(self._start_burst)
        self._burst = call

    def _start_burst(self) -> None:
        if self._burst is not None:
            burst, self._burst = self._burst, None
            self._tasks.start(self._answer_burst(burst))

    async def _answer_burst(self, burst: Calls) -> None:
        try:
            for answer in await self._dispatcher.answer_many(burst, self._caller):
                await self._answer(answer, [])
        finally:
            self._in_flight.release()

    async def _later(self, answering: Coroutine[object, object, Answer], opened: list[Sink]) -> None:
        try:
            await self._answer(await answering, opened)
        finally:
            self._in_flight.release()

    async def _answer(self, answer: Answer, opened: list[Sink]) -> None:
        """Send an answer, waiting while the client does not read; then let its subscriptions speak."""
        if answer is not None and not self._over:
            if not self._connection.can_send(len(answer)):
                self.overflow()
                return
            await self._put(answer, WSMsgType.TEXT)
        for sink in opened:
            sink.announce()

    async def _write(self) -> None:
        while not self._over:
            await self._wake.wait()
            self._wake.clear()
            if self._ping_due:
                self._ping_due = False
                await self._put(b"", WSMsgType.PING)
            while self._outbox:
                await self._put(self._outbox.popleft(), WSMsgType.TEXT)

    async def _put(self, data: bytes, kind: WSMsgType) -> None:
        try:
            await self._socket.send_frame(data, kind)
        except ConnectionError:
            self._over = True
