"""From a parsed request to its answer: finds the method, checks safety and rate, binds, calls, encodes.

This is the boundary where any exception of a handler becomes code -32603 and a log line, so that a failing
request never stops its neighbours. Knows nothing of HTTP, WebSockets or sockets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from node.rpc.access import RateLimiter
from node.rpc.jsonrpc import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    RATE_LIMITED,
    BatchAnswer,
    Calls,
    Id,
    Json,
    Limits,
    Outcome,
    Parsed,
    Refusal,
    RpcError,
    encode_answer,
    encode_error,
    parse,
    response_too_big,
)
from node.rpc.methods import Entry, Method, Methods, Subscription, Unsubscription, bind, bind_many
from node.rpc.subscriptions import Sink, SubscriptionTable
from node.storage.kv import ClosedError

# How long one connection may work before the others get their turn.
SLICE_S: Final = 0.002
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


Answer: TypeAlias = bytes | None
"""What goes back to the client; None for a notification."""
Started: TypeAlias = Answer | Coroutine[object, object, Answer]


class Turn:
    """The time that one connection may take of the event loop before the others get theirs."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ends_s = now() + SLICE_S

    def is_over(self) -> bool:
        """Return whether the others should have their turn now."""
        return self._now() > self._ends_s

    async def pass_on(self) -> None:
        """Let the others work, then begin another turn."""
        await asyncio.sleep(0)
        self._ends_s = self._now() + SLICE_S


class _Run(msgspec.Struct, frozen=True, gc=False):
    """Calls on their way to answers: the method or why there is none, and how many the rate allows."""

    target: Entry | RpcError
    name: str
    calls: Calls
    caller: Caller
    opened: list[Sink]
    allowed: int
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
            return not any(isinstance(part, Calls) and self._waits(part, in_batch=True) for part in parsed)
        return not (isinstance(parsed, Calls) and self._waits(parsed, in_batch=False))

    async def answer(self, parsed: Parsed, caller: Caller, opened: list[Sink]) -> Answer:
        """Return the answer to a body, None when there is none; `opened` collects new subscriptions."""
        if isinstance(parsed, list):
            return await self._answer_batch(parsed, caller, opened)
        started = self.start(parsed, caller, opened)
        return started if started is None or isinstance(started, bytes) else await started

    def start(self, call: Calls | Refusal, caller: Caller, opened: list[Sink]) -> Started:
        """Return the answer to a call that came alone, or a coroutine of it when the handler is async."""
        if isinstance(call, Refusal):
            return encode_error(call.id, call.error)
        run = self._admit(call, caller, opened)
        if not run.allowed:
            return self._encode(run, 0, *self._refuse_others(run))
        if _is_async(run.target):
            return self._answer_later(run)
        return self._answer_one(run, self._call(run, 0))

    def can_join(self, name: str) -> bool:
        """Return whether calls of a method that came alone are better answered many at once."""
        entry = self._methods.find(name)
        return isinstance(entry, Method) and entry.batch_is_async

    async def answer_many(self, calls: Calls, caller: Caller) -> list[Answer]:
        """Return the answers to calls of a method with a batch handler that came alone."""
        run = self._admit(calls, caller, [])
        outcomes = await self._call_together(run)
        self._finish(run, _count_errors(outcomes[: run.allowed]))
        return [self._encode(run, position, outcome) for position, outcome in enumerate(outcomes)]

    def report(self, name: str, error: Exception) -> RpcError:
        """Log what a handler let out, for one name once a minute, and return what the caller sees.

        A closed database is no fault of the handler: the node is ending, and says itself why.
        """
        if isinstance(error, ClosedError):
            return RpcError(INTERNAL_ERROR, "Internal error", "the node is ending; its log has the reason")
        now_s = self._now()
        logged_s, unlogged = self._failures.get(name, (now_s - REPEATED_LOG_S, 0))
        if now_s - logged_s >= REPEATED_LOG_S:
            log.error("rpc_call_failed", method=name, unlogged=unlogged, exc_info=error)
            self._failures[name] = (now_s, 0)
        else:
            self._failures[name] = (logged_s, unlogged + 1)
        return RpcError(INTERNAL_ERROR, "Internal error", f"{name} failed; the node's log has the reason")

    def _waits(self, calls: Calls, *, in_batch: bool) -> bool:
        entry = self._methods.find(calls.method)
        if isinstance(entry, Method) and in_batch and entry.batch is not None:
            return entry.batch_is_async
        return isinstance(entry, Method | Subscription) and entry.is_async

    # --- calls

    def _admit(self, calls: Calls, caller: Caller, opened: list[Sink]) -> _Run:
        """Find the method, take the calls out of the caller's rate, and count them."""
        entry = self._methods.find(calls.method)
        target = _not_found(calls.method) if entry is None else entry
        name = UNKNOWN if entry is None else entry.name
        if entry is not None and entry.unsafe and not caller.unsafe:
            target = _unsafe(name)
        began_s = self._now()
        allowed = count = len(calls.ids)
        if self._limiter is not None:
            allowed = self._limiter.take(caller.address, count, began_s)
            if allowed < count:
                self._observer.on_rate_limited(caller.protocol, name, count - allowed)
        if allowed:
            self._observer.on_started(caller.protocol, name, allowed)
        return _Run(target, name, calls, caller, opened, allowed, began_s)

    def _call(self, run: _Run, position: int) -> Outcome:
        """Return what one call of a synchronous method has led to."""
        try:
            return _invoke(run, position)
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            return self._fault(run.name, error)

    async def _call_async(self, run: _Run, position: int) -> Outcome:
        """Return what one call of an asynchronous method has led to."""
        try:
            return await cast(Awaitable[object], _invoke(run, position))
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            return self._fault(run.name, error)

    async def _call_together(self, run: _Run) -> list[Outcome]:
        """Return what calls of a method with a batch handler have led to."""
        if isinstance(run.target, Method):
            outcomes = await self._run_batch_handler(run.target, run.calls.params[: run.allowed])
        else:
            outcomes = [run.target] * run.allowed
        return outcomes + self._refuse_others(run)

    async def _run_batch_handler(self, entry: Method, params: Sequence[Json]) -> list[Outcome]:
        """Return the outcome of each call; those whose parameters are wrong never reach the handler."""
        assert entry.batch is not None
        columns, refused = bind_many(entry, params)
        count = len(params) - len(refused)
        outcomes: list[Outcome] = []
        if count:
            try:
                made = entry.batch(*columns)
                if entry.batch_is_async:
                    made = await cast(Awaitable[object], made)
                outcomes = list(cast(Sequence[object], made))
                assert len(outcomes) == count, "a batch handler answers every call"
            except Exception as error:  # noqa: BLE001 - the dispatch boundary
                outcomes = [self._fault(entry.name, error)] * count
        for position, refusal in refused.items():  # in ascending order, so that each insert is final
            outcomes.insert(position, refusal)
        return outcomes

    # --- answers

    def _answer_one(self, run: _Run, outcome: Outcome) -> Answer:
        self._finish(run, int(isinstance(outcome, RpcError)))
        return self._encode(run, 0, outcome)

    async def _answer_later(self, run: _Run) -> Answer:
        return self._answer_one(run, await self._call_async(run, 0))

    async def _answer_batch(
        self, batch: Sequence[Calls | Refusal], caller: Caller, opened: list[Sink]
    ) -> Answer:
        """Answer in order; once the response is full, the calls left are refused unexecuted."""
        answer = BatchAnswer(self.limits)
        turn = Turn(self._now)
        for part in batch:
            if isinstance(part, Refusal):
                answer.add([part.id], [part.error])
            elif answer.is_full:
                answer.refuse(part.ids)
            else:
                await self._answer_run(self._admit(part, caller, opened), answer, turn)
            if turn.is_over():
                await turn.pass_on()
        return answer.encode()

    async def _answer_run(self, run: _Run, answer: BatchAnswer, turn: Turn) -> None:
        """Answer neighbouring calls of one method, all at once where it has a batch handler."""
        ids = run.calls.ids
        if isinstance(run.target, Method) and run.target.batch is not None:
            outcomes = await self._call_together(run)
            self._add(run, answer, ids, outcomes)
            self._finish(run, _count_errors(outcomes[: run.allowed]))
            return
        is_async = _is_async(run.target)
        outcomes = []
        for position in range(run.allowed):
            if answer.is_full:
                break
            outcome = await self._call_async(run, position) if is_async else self._call(run, position)
            self._add(run, answer, ids[position : position + 1], [outcome])
            outcomes.append(outcome)
            if turn.is_over():
                await turn.pass_on()
        answer.refuse(ids[len(outcomes) : run.allowed])
        answer.add(ids[run.allowed :], self._refuse_others(run))
        self._finish(run, _count_errors(outcomes) + run.allowed - len(outcomes))

    def _add(
        self, run: _Run, answer: BatchAnswer, ids: Sequence[Id | UnsetType], outcomes: Sequence[Outcome]
    ) -> None:
        try:
            answer.add(ids, outcomes)
        except TypeError as error:
            answer.add(ids, [self.report(run.name, error)] * len(ids))

    def _encode(self, run: _Run, position: int, outcome: Outcome) -> Answer:
        """Return the answer to a call that came alone."""
        request_id = run.calls.ids[position]
        if request_id is UNSET:
            return None
        try:
            answer = encode_answer(request_id, outcome)
        except TypeError as error:
            return encode_error(request_id, self.report(run.name, error))
        if len(answer) > self.limits.response_bytes:
            return encode_error(request_id, response_too_big(self.limits))
        return answer

    def _finish(self, run: _Run, errors: int) -> None:
        if run.allowed:
            took_us = int((self._now() - run.began_s) * 1e6)
            self._observer.on_finished(run.caller.protocol, run.name, run.allowed, errors, took_us)

    def _fault(self, name: str, error: Exception) -> RpcError:
        return error if isinstance(error, RpcError) else self.report(name, error)

    def _refuse_others(self, run: _Run) -> list[Outcome]:
        """Return the errors of the calls that the rate does not allow."""
        if self._limiter is None:
            return []
        refusal = RpcError(RATE_LIMITED, "RPC rate limit exceeded", self._limiter.sentence)
        return [refusal] * (len(run.calls.ids) - run.allowed)


def _count_errors(outcomes: Sequence[Outcome]) -> int:
    return list(map(type, outcomes)).count(RpcError)


def _is_async(target: Entry | RpcError) -> bool:
    return isinstance(target, Method | Subscription) and target.is_async


def _invoke(run: _Run, position: int) -> object:
    """Return what the handler of a call returns, a coroutine when it is async; raises what it raises."""
    target = run.target
    params = run.calls.params[position]
    match target:
        case Method():
            return target.handler(*bind(target, params))
        case Subscription():
            return _subscribe(run, target, position)
        case Unsubscription():
            return _unsubscribe(run, target, *bind(target, params))
        case RpcError():
            return target


def _subscribe(run: _Run, entry: Subscription, position: int) -> object:
    arguments = bind(entry, run.calls.params[position])
    sink = _open(run, entry, position)
    with sink.closed_on_error():
        made = entry.handler(sink, *arguments)
    if entry.is_async:
        return _subscribe_later(run, sink, cast(Awaitable[object], made))
    run.opened.append(sink)
    return sink.id


async def _subscribe_later(run: _Run, sink: Sink, made: Awaitable[object]) -> str:
    with sink.closed_on_error():
        await made
    run.opened.append(sink)
    return sink.id


def _open(run: _Run, entry: Subscription, position: int) -> Sink:
    if run.caller.subscriptions is None:
        raise RpcError(METHOD_NOT_FOUND, f"{entry.name} is a subscription and needs a WebSocket connection")
    if run.calls.ids[position] is UNSET:
        raise RpcError(METHOD_NOT_FOUND, f"{entry.name} needs an id, or its notices mean nothing")
    return run.caller.subscriptions.open(entry.name, entry.notification, is_costly=entry.is_costly)


def _unsubscribe(run: _Run, entry: Unsubscription, subscription_id: object) -> bool:
    table = run.caller.subscriptions
    return table is not None and table.close(entry.subscription, str(subscription_id))


def _not_found(name: str) -> RpcError:
    # Clients compare the message, so the name goes into the data.
    return RpcError(
        METHOD_NOT_FOUND, "Method not found", f"no method is named {name[:80]}; rpc_methods lists them"
    )


def _unsafe(name: str) -> RpcError:
    return RpcError(METHOD_NOT_FOUND, f"{name} is unsafe; start with --rpc-methods unsafe")
