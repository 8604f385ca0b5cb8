"""From a parsed request to its answer: finds the method, checks safety and rate, binds, calls, encodes.

This is the boundary where any exception of a handler becomes code -32603 and a log line, so that a failing
request never stops its neighbours. Knows nothing of HTTP, WebSockets or sockets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast

import structlog

from node.rpc.access import RateLimiter
from node.rpc.jsonrpc import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    RATE_LIMITED,
    Limits,
    Parsed,
    Refusal,
    Request,
    RpcError,
    batch_response_too_big,
    encode,
    encode_batch,
    encode_error,
    encode_result,
    parse,
    response_too_big,
)
from node.rpc.methods import Entry, Method, Methods, Subscription, Unsubscription, bind
from node.rpc.subscriptions import Sink, SubscriptionTable

# How long one connection may work before the others get their turn.
SLICE_S: Final = 0.002
# Calls handed to a batch handler at once, whatever the batch limit of the server.
BATCH_HANDLER_CALLS: Final = 256
UNKNOWN: Final = "unknown"

log = structlog.get_logger("rpc")


class CallObserver(Protocol):
    """Where call statistics go; method names are those of the table or `unknown`, so labels are bounded."""

    def on_started(self, protocol: str, method: str, calls: int) -> None:
        """Calls were accepted for dispatch."""
        ...

    def on_finished(self, protocol: str, method: str, calls: int, errors: int, took_us: int) -> None:
        """Calls were answered; `took_us` is the time of all of them together, in microseconds."""
        ...

    def on_rate_limited(self, protocol: str, method: str, calls: int) -> None:
        """Calls were refused by the rate limit."""
        ...

    def on_session_opened(self) -> None:
        """A WebSocket was opened."""
        ...

    def on_session_closed(self, took_us: int) -> None:
        """A WebSocket was closed after that many microseconds."""
        ...


class NoObserver:
    """Drops all statistics."""

    def on_started(self, protocol: str, method: str, calls: int) -> None: ...

    def on_finished(self, protocol: str, method: str, calls: int, errors: int, took_us: int) -> None: ...

    def on_rate_limited(self, protocol: str, method: str, calls: int) -> None: ...

    def on_session_opened(self) -> None: ...

    def on_session_closed(self, took_us: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: address, `http` or `ws`, whether unsafe methods are open, the subscriptions held."""

    address: str
    protocol: str
    unsafe: bool
    subscriptions: SubscriptionTable | None = None


Outcome: TypeAlias = bytes | None
Started: TypeAlias = Outcome | Coroutine[object, object, Outcome]


class Dispatcher:
    """Answers requests from a table of methods."""

    def __init__(
        self,
        methods: Methods,
        *,
        limits: Limits,
        now: Callable[[], float],
        observer: CallObserver,
        limiter: RateLimiter | None = None,
    ) -> None:
        self.limits = limits
        self._methods = methods
        self._now = now
        self._observer = observer
        self._limiter = limiter

    def parse(self, body: bytes) -> Parsed:
        """Return the requests of a body."""
        return parse(body, self.limits)

    def is_sync(self, parsed: Parsed) -> bool:
        """Return whether all handlers concerned answer without waiting."""
        if isinstance(parsed, Refusal):
            return True
        if isinstance(parsed, Request):
            return not self._waits(parsed.method, in_batch=False)
        return not any(
            isinstance(item, Request) and self._waits(item.method, in_batch=True) for item in parsed
        )

    async def answer(self, parsed: Parsed, caller: Caller, opened: list[Sink]) -> Outcome:
        """Return the answer to a body, None when there is none; `opened` collects new subscriptions."""
        if isinstance(parsed, Refusal):
            return encode_error(parsed.id, parsed.error)
        if isinstance(parsed, list):
            return await self._answer_batch(parsed, caller, opened)
        started = self.start(parsed, caller, opened)
        return started if started is None or isinstance(started, bytes) else await started

    def start(self, request: Request, caller: Caller, opened: list[Sink]) -> Started:
        """Return the answer to one request, or a coroutine of it when the handler is async."""
        entry = self._methods.find(request.method)
        refusal = self._refusal(entry, request.method, caller, calls=1)
        if refusal is not None or entry is None:
            return self._reply(request, refusal or _not_found(request.method))
        self._observer.on_started(caller.protocol, entry.name, 1)
        match entry:
            case Method():
                if entry.is_async:
                    return self._call_async(entry, request, caller)
                return self._call(entry, request, caller)
            case Subscription():
                return self._subscribe(entry, request, caller, opened)
            case Unsubscription():
                return self._unsubscribe(entry, request, caller)

    def _waits(self, name: str, *, in_batch: bool) -> bool:
        entry = self._methods.find(name)
        if isinstance(entry, Method) and in_batch and entry.batch is not None:
            return entry.batch_is_async
        return entry is not None and not isinstance(entry, Unsubscription) and entry.is_async

    def _refusal(self, entry: Entry | None, name: str, caller: Caller, *, calls: int) -> RpcError | None:
        label = entry.name if entry is not None else UNKNOWN
        if self._limiter is not None and not self._limiter.allow(caller.address, calls, self._now()):
            self._observer.on_rate_limited(caller.protocol, label, calls)
            return RpcError(RATE_LIMITED, "RPC rate limit exceeded", self._limiter.sentence)
        if entry is None:
            self._observer.on_started(caller.protocol, UNKNOWN, calls)
            self._observer.on_finished(caller.protocol, UNKNOWN, calls, calls, 0)
            return _not_found(name)
        if entry.unsafe and not caller.unsafe:
            return RpcError(METHOD_NOT_FOUND, f"{entry.name} is unsafe; start with --rpc-methods unsafe")
        return None

    def _call(self, entry: Method, request: Request, caller: Caller) -> Outcome:
        began = self._now()
        try:
            outcome: bytes | RpcError = encode(entry.handler(*bind(entry, request.params)))
        except RpcError as error:
            outcome = error
        except Exception:  # noqa: BLE001 - the dispatch boundary
            outcome = _internal(entry.name)
        return self._finish(entry, request, caller, began, outcome)

    async def _call_async(self, entry: Method, request: Request, caller: Caller) -> Outcome:
        began = self._now()
        try:
            result = await cast(Awaitable[object], entry.handler(*bind(entry, request.params)))
            outcome: bytes | RpcError = encode(result)
        except RpcError as error:
            outcome = error
        except Exception:  # noqa: BLE001 - the dispatch boundary
            outcome = _internal(entry.name)
        return self._finish(entry, request, caller, began, outcome)

    def _finish(
        self, entry: Entry, request: Request, caller: Caller, began: float, outcome: bytes | RpcError
    ) -> Outcome:
        took_us = int((self._now() - began) * 1e6)
        self._observer.on_finished(
            caller.protocol, entry.name, 1, int(isinstance(outcome, RpcError)), took_us
        )
        return self._reply(request, outcome)

    def _reply(self, request: Request, outcome: bytes | RpcError) -> Outcome:
        if not request.answered:
            return None
        if isinstance(outcome, RpcError):
            return encode_error(request.id, outcome)
        if len(outcome) > self.limits.response_bytes:
            return encode_error(request.id, response_too_big(self.limits))
        return encode_result(request.id, outcome)

    def _subscribe(
        self, entry: Subscription, request: Request, caller: Caller, opened: list[Sink]
    ) -> Started:
        began = self._now()
        sink: Sink | None = None
        try:
            arguments = bind(entry, request.params)
            sink = self._open(entry, request, caller)
            made = entry.handler(sink, *arguments)
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            return self._subscribed(entry, request, caller, began, (sink, opened, error))
        if entry.is_async:
            return self._subscribe_async(
                entry, request, caller, began, (sink, opened, cast(Awaitable[object], made))
            )
        return self._subscribed(entry, request, caller, began, (sink, opened, None))

    async def _subscribe_async(
        self,
        entry: Subscription,
        request: Request,
        caller: Caller,
        began: float,
        made: tuple[Sink, list[Sink], Awaitable[object]],
    ) -> Outcome:
        sink, opened, pending = made
        try:
            await pending
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            return self._subscribed(entry, request, caller, began, (sink, opened, error))
        return self._subscribed(entry, request, caller, began, (sink, opened, None))

    def _subscribed(
        self,
        entry: Subscription,
        request: Request,
        caller: Caller,
        began: float,
        made: tuple[Sink | None, list[Sink], Exception | None],
    ) -> Outcome:
        sink, opened, error = made
        if error is None and sink is not None:
            opened.append(sink)
            return self._finish(entry, request, caller, began, encode(sink.id))
        if sink is not None:
            sink.close()
        refusal = error if isinstance(error, RpcError) else _internal(entry.name, error)
        return self._finish(entry, request, caller, began, refusal)

    def _open(self, entry: Subscription, request: Request, caller: Caller) -> Sink:
        if caller.subscriptions is None:
            raise RpcError(
                METHOD_NOT_FOUND, f"{entry.name} is a subscription and needs a WebSocket connection"
            )
        if not request.answered:
            raise RpcError(
                METHOD_NOT_FOUND, f"{entry.name} needs an id: without an answer its notices mean nothing"
            )
        return caller.subscriptions.open(entry.name, entry.notification)

    def _unsubscribe(self, entry: Unsubscription, request: Request, caller: Caller) -> Outcome:
        began = self._now()
        try:
            (subscription_id,) = bind(entry, request.params)
        except RpcError as error:
            return self._finish(entry, request, caller, began, error)
        table = caller.subscriptions
        ended = table is not None and table.close(entry.subscription, str(subscription_id))
        return self._finish(entry, request, caller, began, b"true" if ended else b"false")

    async def _answer_batch(
        self, batch: Sequence[Request | Refusal], caller: Caller, opened: list[Sink]
    ) -> Outcome:
        """Answer in order; calls that no longer fit the response are refused unexecuted."""
        answers: list[bytes] = []
        room = self.limits.response_bytes
        position = 0
        turn_ends = self._now() + SLICE_S
        while position < len(batch):
            item = batch[position]
            many = self._batch_method(item)
            if room <= 0:
                made, position = [_refused(item, batch_response_too_big(self.limits))], position + 1
            elif many is not None:
                requests = _same_method(batch, position)
                made, position = await self._call_many(many, requests, caller), position + len(requests)
            else:
                made, position = [await self.answer(item, caller, opened)], position + 1
            for answer in made:
                if answer is not None:
                    answers.append(answer)
                    room -= len(answer)
            if self._now() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = self._now() + SLICE_S
        return encode_batch(answers) if answers else None

    def _batch_method(self, item: Request | Refusal) -> Method | None:
        entry = self._methods.find(item.method) if isinstance(item, Request) else None
        return entry if isinstance(entry, Method) and entry.batch is not None else None

    async def _call_many(self, entry: Method, requests: Sequence[Request], caller: Caller) -> list[Outcome]:
        refusal = self._refusal(entry, entry.name, caller, calls=len(requests))
        if refusal is not None:
            return [self._reply(request, refusal) for request in requests]
        began = self._now()
        self._observer.on_started(caller.protocol, entry.name, len(requests))
        outcomes: list[bytes | RpcError | None] = []
        arguments: list[Sequence[object]] = []
        for request in requests:
            try:
                arguments.append(tuple(bind(entry, request.params)))
            except RpcError as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        results = iter(await self._run_many(entry, arguments))
        errors = 0
        answers: list[Outcome] = []
        for request, refused in zip(requests, outcomes, strict=True):
            outcome = refused if refused is not None else next(results)
            errors += isinstance(outcome, RpcError)
            answers.append(self._reply(request, outcome))
        took_us = int((self._now() - began) * 1e6)
        self._observer.on_finished(caller.protocol, entry.name, len(requests), errors, took_us)
        return answers

    async def _run_many(self, entry: Method, arguments: list[Sequence[object]]) -> list[bytes | RpcError]:
        assert entry.batch is not None
        if not arguments:
            return []
        try:
            made = entry.batch(arguments)
            results = cast(
                Sequence[object], await cast(Awaitable[object], made) if entry.batch_is_async else made
            )
            assert len(results) == len(arguments), "a batch handler answers every call"
            return [result if isinstance(result, RpcError) else encode(result) for result in results]
        except RpcError as error:
            return [error] * len(arguments)
        except Exception:  # noqa: BLE001 - the dispatch boundary
            return [_internal(entry.name)] * len(arguments)


def _same_method(batch: Sequence[Request | Refusal], start: int) -> list[Request]:
    first = batch[start]
    run: list[Request] = []
    for item in batch[start : start + BATCH_HANDLER_CALLS]:
        if not isinstance(item, Request) or not isinstance(first, Request) or item.method != first.method:
            break
        run.append(item)
    return run


def _refused(item: Request | Refusal, error: RpcError) -> Outcome:
    return encode_error(item.id, error) if isinstance(item, Refusal) or item.answered else None


def _not_found(name: str) -> RpcError:
    # Clients compare the message; the name goes into the data.
    return RpcError(
        METHOD_NOT_FOUND, "Method not found", f"no method is named {name[:80]}; rpc_methods lists them all"
    )


def _internal(name: str, error: Exception | None = None) -> RpcError:
    log.error("rpc_call_failed", method=name, exc_info=error if error is not None else True)
    return RpcError(INTERNAL_ERROR, "Internal error", f"{name} failed; the node's log has the reason")
