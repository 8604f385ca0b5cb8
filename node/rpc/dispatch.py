"""From a parsed request to its answer: finds the method, checks safety and rate, binds, calls, encodes.

This is the boundary where any exception of a handler becomes code -32603 and a log line, so that a failing
request never stops its neighbours. Knows nothing of HTTP, WebSockets or sockets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

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
from node.rpc.methods import Method, Methods, Subscription, Unsubscription, bind
from node.rpc.subscriptions import Sink, SubscriptionTable

# How long one connection may work before the others get their turn.
SLICE_S: Final = 0.002
# Calls handed to a batch handler at once, whatever the batch limit of the server.
BATCH_HANDLER_CALLS: Final = 256
# Longer bodies are parsed one at a time, so that many at once do not add up to one long pause.
HEAVY_BODY_BYTES: Final = 64 * 1024
REPEATED_LOG_S: Final = 60
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


class Call(NamedTuple):
    """One call on its way to an answer."""

    name: str
    request: Request
    caller: Caller
    opened: list[Sink]
    began_s: float


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
        self._heavy = asyncio.Lock()
        # Method → when its last unexpected failure was logged, and how many went unlogged since.
        self._failures: dict[str, tuple[float, int]] = {}

    async def read(self, body: bytes) -> Parsed:
        """Return the requests of a body; long bodies of all connections take turns with everything else."""
        if len(body) <= HEAVY_BODY_BYTES:
            return parse(body, self.limits)
        async with self._heavy:
            began_s = self._now()
            parsed = parse(body, self.limits)
            took_s = self._now() - began_s
            # Costly bodies, which honest clients do not send, get at most half of the loop's time.
            await asyncio.sleep(took_s if took_s > SLICE_S else 0)
        return parsed

    def is_sync(self, parsed: Parsed) -> bool:
        """Return whether all handlers concerned answer without waiting."""
        if isinstance(parsed, list):
            return not any(self._waits(item, in_batch=True) for item in parsed)
        return not self._waits(parsed, in_batch=False)

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
        call = Call(UNKNOWN if entry is None else entry.name, request, caller, opened, self._now())
        if self._limiter is not None and not self._limiter.take(caller.address, 1, call.began_s):
            self._observer.on_rate_limited(caller.protocol, call.name, 1)
            return self._reply(request, _rate_limited(self._limiter))
        self._observer.on_started(caller.protocol, call.name, 1)
        if entry is None:
            return self._finish(call, _not_found(request.method))
        if entry.unsafe and not caller.unsafe:
            return self._finish(call, _unsafe(entry.name))
        match entry:
            case Method():
                return self._call_async(call, entry) if entry.is_async else self._call(call, entry)
            case Subscription():
                return self._subscribe(call, entry)
            case Unsubscription():
                return self._unsubscribe(call, entry)

    def can_join(self, name: str) -> bool:
        """Return whether single calls of a method are better answered many at once by `answer_many`."""
        entry = self._methods.find(name)
        return isinstance(entry, Method) and entry.batch_is_async

    async def answer_many(self, requests: Sequence[Request], caller: Caller) -> list[Outcome]:
        """Return the answers to calls of one method with a batch handler."""
        entry = self._methods.find(requests[0].method)
        assert isinstance(entry, Method)
        return await self._call_many(entry, requests, caller)

    def report(self, name: str, error: Exception) -> RpcError:
        """Log what a handler let out, for one name once a minute, and return what the caller sees."""
        now_s = self._now()
        logged_s, unlogged = self._failures.get(name, (now_s - REPEATED_LOG_S, 0))
        if now_s - logged_s >= REPEATED_LOG_S:
            log.error("rpc_call_failed", method=name, unlogged=unlogged, exc_info=error)
            self._failures[name] = (now_s, 0)
        else:
            self._failures[name] = (logged_s, unlogged + 1)
        return RpcError(INTERNAL_ERROR, "Internal error", f"{name} failed; the node's log has the reason")

    def _waits(self, item: Request | Refusal, *, in_batch: bool) -> bool:
        entry = self._methods.find(item.method) if isinstance(item, Request) else None
        if isinstance(entry, Method) and in_batch and entry.batch is not None:
            return entry.batch_is_async
        return isinstance(entry, Method | Subscription) and entry.is_async

    def _call(self, call: Call, entry: Method) -> Outcome:
        try:
            outcome: bytes | RpcError = encode(entry.handler(*bind(entry, call.request.params)))
        except RpcError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            outcome = self.report(entry.name, error)
        return self._finish(call, outcome)

    async def _call_async(self, call: Call, entry: Method) -> Outcome:
        try:
            pending = cast(Awaitable[object], entry.handler(*bind(entry, call.request.params)))
            outcome: bytes | RpcError = encode(await pending)
        except RpcError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            outcome = self.report(entry.name, error)
        return self._finish(call, outcome)

    def _subscribe(self, call: Call, entry: Subscription) -> Started:
        try:
            arguments = bind(entry, call.request.params)
            sink = _open(call, entry)
        except RpcError as error:
            return self._finish(call, error)
        if entry.is_async:
            return self._subscribe_async(call, entry, sink, arguments)
        try:
            entry.handler(sink, *arguments)
        except RpcError as error:
            return self._subscribed(call, sink, error)
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            return self._subscribed(call, sink, self.report(entry.name, error))
        return self._subscribed(call, sink, None)

    async def _subscribe_async(
        self, call: Call, entry: Subscription, sink: Sink, arguments: Sequence[object]
    ) -> Outcome:
        try:
            await cast(Awaitable[object], entry.handler(sink, *arguments))
        except RpcError as error:
            return self._subscribed(call, sink, error)
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            return self._subscribed(call, sink, self.report(entry.name, error))
        return self._subscribed(call, sink, None)

    def _subscribed(self, call: Call, sink: Sink, error: RpcError | None) -> Outcome:
        if error is not None:
            sink.close()
            return self._finish(call, error)
        call.opened.append(sink)
        return self._finish(call, encode(sink.id))

    def _unsubscribe(self, call: Call, entry: Unsubscription) -> Outcome:
        try:
            (subscription_id,) = bind(entry, call.request.params)
        except RpcError as error:
            return self._finish(call, error)
        table = call.caller.subscriptions
        ended = table is not None and table.close(entry.subscription, str(subscription_id))
        return self._finish(call, b"true" if ended else b"false")

    def _finish(self, call: Call, outcome: bytes | RpcError) -> Outcome:
        took_us = int((self._now() - call.began_s) * 1e6)
        failed = isinstance(outcome, RpcError)
        self._observer.on_finished(call.caller.protocol, call.name, 1, int(failed), took_us)
        return self._reply(call.request, outcome)

    def _reply(self, request: Request, outcome: bytes | RpcError) -> Outcome:
        if not request.answered:
            return None
        if isinstance(outcome, bytes):
            if len(outcome) <= self.limits.response_bytes:
                return encode_result(request.id, outcome)
            outcome = response_too_big(self.limits)
        return encode_error(request.id, outcome)

    async def _answer_batch(
        self, batch: Sequence[Request | Refusal], caller: Caller, opened: list[Sink]
    ) -> Outcome:
        """Answer in order; once the response is full, the calls left are refused unexecuted."""
        answers: list[bytes] = []
        room = self.limits.response_bytes
        too_big = batch_response_too_big(self.limits)
        turn_ends_s = self._now() + SLICE_S
        for entry, items in self._group(batch):
            if room <= 0:
                made = [_refused(item, too_big) for item in items]
            elif entry is not None:
                made = await self._call_many(entry, cast(Sequence[Request], items), caller)
            else:
                made = [await self.answer(items[0], caller, opened)]
            for item, given in zip(items, made, strict=True):
                if given is not None:
                    fits = len(given) <= room
                    answers.append(
                        given if fits else encode_error(item.id, batch_response_too_big(self.limits))
                    )
                    room -= len(given)
            if self._now() > turn_ends_s:
                await asyncio.sleep(0)
                turn_ends_s = self._now() + SLICE_S
        return encode_batch(answers) if answers else None

    def _group(
        self, batch: Sequence[Request | Refusal]
    ) -> Iterator[tuple[Method | None, Sequence[Request | Refusal]]]:
        """Yield neighbouring calls of a method with a batch handler together, all others one by one."""
        position = 0
        while position < len(batch):
            item = batch[position]
            entry = self._methods.find(item.method) if isinstance(item, Request) else None
            length = 1
            if isinstance(entry, Method) and entry.batch is not None:
                length = _count_same(batch[position : position + BATCH_HANDLER_CALLS])
                yield entry, batch[position : position + length]
            else:
                yield None, [item]
            position += length

    async def _call_many(self, entry: Method, requests: Sequence[Request], caller: Caller) -> list[Outcome]:
        """Answer calls of one method by its batch handler; those over the rate limit are refused."""
        began_s = self._now()
        allowed = len(requests)
        if self._limiter is not None:
            allowed = self._limiter.take(caller.address, allowed, began_s)
            if allowed < len(requests):
                self._observer.on_rate_limited(caller.protocol, entry.name, len(requests) - allowed)
        self._observer.on_started(caller.protocol, entry.name, allowed)
        if entry.unsafe and not caller.unsafe:
            outcomes: list[bytes | RpcError] = [_unsafe(entry.name)] * allowed
        else:
            outcomes = await self._run_many(entry, requests[:allowed])
        errors = sum(isinstance(outcome, RpcError) for outcome in outcomes)
        took_us = int((self._now() - began_s) * 1e6)
        self._observer.on_finished(caller.protocol, entry.name, allowed, errors, took_us)
        if self._limiter is not None:
            outcomes += [_rate_limited(self._limiter)] * (len(requests) - allowed)
        return [self._reply(request, outcome) for request, outcome in zip(requests, outcomes, strict=True)]

    async def _run_many(self, entry: Method, requests: Sequence[Request]) -> list[bytes | RpcError]:
        """Return the outcome of each call; those whose parameters are wrong never reach the handler."""
        refused: dict[int, RpcError] = {}
        arguments: list[tuple[object, ...]] = []
        for position, request in enumerate(requests):
            try:
                arguments.append(tuple(bind(entry, request.params)))
            except RpcError as error:
                refused[position] = error
        outcomes = await self._run_batch_handler(entry, arguments) if arguments else []
        for position, refusal in refused.items():  # in ascending order, so that each insert is final
            outcomes.insert(position, refusal)
        return outcomes

    async def _run_batch_handler(
        self, entry: Method, arguments: list[tuple[object, ...]]
    ) -> list[bytes | RpcError]:
        assert entry.batch is not None
        try:
            made = entry.batch(arguments)
            if entry.batch_is_async:
                made = await cast(Awaitable[object], made)
            results = cast(Sequence[object], made)
            assert len(results) == len(arguments), "a batch handler answers every call"
            return [result if isinstance(result, RpcError) else encode(result) for result in results]
        except RpcError as error:
            return [error] * len(arguments)
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            return [self.report(entry.name, error)] * len(arguments)


def _open(call: Call, entry: Subscription) -> Sink:
    if call.caller.subscriptions is None:
        raise RpcError(METHOD_NOT_FOUND, f"{entry.name} is a subscription and needs a WebSocket connection")
    if not call.request.answered:
        raise RpcError(METHOD_NOT_FOUND, f"{entry.name} needs an id, or its notices mean nothing")
    return call.caller.subscriptions.open(entry.name, entry.notification)


def _count_same(items: Sequence[Request | Refusal]) -> int:
    """Return how many requests at the start are of the first one's method."""
    first = items[0]
    for count, item in enumerate(items):
        if not isinstance(item, Request) or not isinstance(first, Request) or item.method != first.method:
            return count
    return len(items)


def _refused(item: Request | Refusal, error: RpcError) -> Outcome:
    return encode_error(item.id, error) if isinstance(item, Refusal) or item.answered else None


def _not_found(name: str) -> RpcError:
    # Clients compare the message, so the name goes into the data.
    return RpcError(
        METHOD_NOT_FOUND, "Method not found", f"no method is named {name[:80]}; rpc_methods lists them"
    )


def _unsafe(name: str) -> RpcError:
    return RpcError(METHOD_NOT_FOUND, f"{name} is unsafe; start with --rpc-methods unsafe")


def _rate_limited(limiter: RateLimiter) -> RpcError:
    return RpcError(RATE_LIMITED, "RPC rate limit exceeded", limiter.sentence)
