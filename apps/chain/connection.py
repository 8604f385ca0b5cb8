"""JSON-RPC over one WebSocket that is opened again whenever it ends.

Responsible for requests with a time limit, for subscriptions with bounded queues, and for what happens when
the connection is lost: requests in flight fail with ConnectionLost, since nobody knows whether they took
effect; subscriptions are made again where their reader wants that, and end with ConnectionLost otherwise;
then it connects again, each time twice as late as before. It knows no chain and no method by name.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self, TypeAlias

import aiohttp
import orjson

from apps.chain.errors import (
    ClientError,
    ConnectionLost,
    ProtocolFault,
    RequestTimeout,
    RpcFailure,
    SubscriptionOverflow,
)
from apps.clock import Clock

Json: TypeAlias = Any
"""What orjson reads; whoever asked checks it."""

UNSUBSCRIBE_S: Final = 1.0
UNREADABLE: Final = (orjson.JSONDecodeError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Limits of a connection; a connection that lasts `stable_s` starts the waits over."""

    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    message_bytes_max: int = 64 << 20
    in_flight_max: int = 256
    queue_max: int = 1024
    retry_first_s: float = 0.1
    retry_max_s: float = 10.0
    stable_s: float = 10.0
    heartbeat_s: float = 20.0


class _Pending(NamedTuple):
    answer: asyncio.Future[Json]
    subscription: Subscription | None


class Subscription:
    """The notices of a subscription in order; iterate over it. Ends with an exception that says why."""

    def __init__(self, method: str, params: tuple[Json, ...], *, limit: int, resumes: bool) -> None:
        self.method = method
        self.params = params
        self.resumes = resumes
        self._limit = limit
        self._waiting: deque[Json] = deque()
        self._changed = asyncio.Event()
        self._end: ClientError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come in."""
        return self._end is not None

    def push(self, notice: Json) -> None:
        """Queue a notice; ends the subscription when too many wait."""
        if len(self._waiting) >= self._limit:
            self.end(SubscriptionOverflow(self._limit))
        if self._end is None:
            self._waiting.append(notice)
            self._changed.set()

    def end(self, reason: ClientError) -> None:
        """Let the reader have what waits, and then the reason."""
        if self._end is None:
            self._end = reason
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Json:
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()


class Connection:
    """One WebSocket at a time to one address; an async context, in which requests wait until it is open."""

    def __init__(self, url: str, clock: Clock, settings: ConnectionSettings) -> None:
        self.url = url
        self._clock = clock
        self._settings = settings
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._open = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.in_flight_max)
        self._next_id = 1
        self._pending: dict[int, _Pending] = {}
        self._live: dict[str | int, Subscription] = {}
        self._lost: list[Subscription] = []
        self._reason = ConnectionLost(f"{url} was not reached yet")
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._running = self._group.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await self._group.__aexit__(None, None, None)

    async def request(self, method: str, *params: Json, timeout_s: float | None = None) -> Json:
        """Return the result of a method; RpcFailure, ConnectionLost or RequestTimeout."""
        return await self._ask(method, params, None, timeout_s)

    @asynccontextmanager
    async def subscribe(
        self, method: str, *params: Json, unsubscribe: str, resumes: bool = True
    ) -> AsyncIterator[Subscription]:
        """Open a subscription for as long as the context lasts.

        One that resumes is made again on each new connection; its reader may miss what happened between.
        """
        made = Subscription(method, params, limit=self._settings.queue_max, resumes=resumes)
        try:
            await self._ask(method, params, made, None)
            yield made
        finally:
            made.end(ConnectionLost("the subscription was given up"))
            for known in [number for number, one in self._live.items() if one is made]:
                del self._live[known]
                if self._open.is_set():
                    with suppress(ClientError):
                        await self._ask(unsubscribe, (known,), None, UNSUBSCRIBE_S)

    # --- one request

    async def _ask(
        self,
        method: str,
        params: tuple[Json, ...],
        subscription: Subscription | None,
        timeout_s: float | None,
    ) -> Json:
        limit_s = self._settings.timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s), self._slots:
                while self._socket is None:
                    await self._open.wait()
                return await self._send(self._socket, method, params, subscription)
        except TimeoutError as error:
            if self._socket is None:
                raise ConnectionLost(str(self._reason)) from error
            raise RequestTimeout(method, limit_s) from error

    async def _send(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        method: str,
        params: tuple[Json, ...],
        subscription: Subscription | None,
    ) -> Json:
        number = self._next_id
        self._next_id += 1
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._pending[number] = _Pending(answer, subscription)
        text = orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        try:
            await socket.send_str(text.decode())
            return await answer
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(f"the connection to {self.url} is gone") from error
        finally:
            self._pending.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # nobody else will look at it, which asyncio would complain of

    # --- the socket

    async def _run(self) -> None:
        wait_s = self._settings.retry_first_s
        async with aiohttp.ClientSession() as session:
            while True:
                begun = self._clock.monotonic()
                reason = await self._connect(session)
                self._lose(reason)
                if self._clock.monotonic() - begun >= self._settings.stable_s:
                    wait_s = self._settings.retry_first_s
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, self._settings.retry_max_s)

    async def _connect(self, session: aiohttp.ClientSession) -> ConnectionLost:
        """Open the socket and serve it; return why it ended."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                socket = await session.ws_connect(
                    self.url,
                    max_msg_size=self._settings.message_bytes_max,
                    heartbeat=self._settings.heartbeat_s,
                )
        except (aiohttp.ClientError, OSError) as error:
            return ConnectionLost(f"{self.url} cannot be reached: {error}")
        try:
            return await self._serve(socket)
        finally:
            await socket.close()

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> ConnectionLost:
        self._socket = socket
        again, self._lost = self._lost, []
        async with asyncio.TaskGroup() as group:
            for one in again:
                if not one.has_ended:
                    group.create_task(self._resume(one))
            self._open.set()
            reason = await self._read(socket)
            self._lose(reason)
        return reason

    async def _resume(self, subscription: Subscription) -> None:
        try:
            await self._ask(subscription.method, subscription.params, subscription, None)
        except ConnectionLost:
            self._lost.append(subscription)
        except ClientError as error:
            subscription.end(error)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> ConnectionLost:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.ERROR:
                return ConnectionLost(f"the connection to {self.url} broke: {message.data}")
            if message.type is not aiohttp.WSMsgType.TEXT:
                return ProtocolFault(f"{self.url} sent what is no text")
            try:
                self._receive(orjson.loads(message.data))
            except UNREADABLE as error:
                return ProtocolFault(f"{self.url} sent what is no JSON-RPC: {error!r}")
        return ConnectionLost(f"the connection to {self.url} has ended")

    def _receive(self, message: Json) -> None:
        """Take one message; what UNREADABLE names when it is none of JSON-RPC."""
        if "method" in message:
            params = message["params"]
            subscription = self._live.get(params["subscription"])
            if subscription is not None:
                subscription.push(params["result"])
            return
        pending = self._pending.get(message["id"])
        if pending is None:
            return  # the answer to a request that nobody waits for any more
        if "error" in message:
            error = message["error"]
            _settle(pending.answer, RpcFailure(error["code"], error["message"], error.get("data")))
            return
        result = message["result"]
        if pending.subscription is not None and not pending.subscription.has_ended:
            self._live[result] = pending.subscription
        _settle(pending.answer, result)

    def _lose(self, reason: ConnectionLost) -> None:
        self._open.clear()
        self._socket = None
        self._reason = reason
        for pending in self._pending.values():
            _settle(pending.answer, reason)
        for subscription in self._live.values():
            if subscription.resumes:
                self._lost.append(subscription)
            else:
                subscription.end(reason)
        self._live.clear()


def _settle(answer: asyncio.Future[Json], outcome: Json) -> None:
    if answer.done():
        return
    if isinstance(outcome, ClientError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
