"""Live questions: functions of the runtime whose answers are sent again when a block has changed them.

Responsible for asking each question once after a new best block, however many watch it, and for sending only
what has changed. It knows neither functions nor answers: a question is a key and what asks it.

Cost: different questions are bounded, and so is how many of them one connection has. One is asked at a time,
and the next after a pause as long as that took, so other calls wait no longer than for a single call, and
half of the event loop's time is theirs. Blocks that come faster than the questions are asked are passed over:
an answer is always that of the newest best block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final, TypeAlias

from node.chain.events import NewBest
from node.rpc.jsonrpc import RpcError, encode
from node.rpc.subscriptions import Publisher, Sink, too_many
from runtime.primitives.types import Hash

MAX_QUESTIONS: Final = 1_024
"""Different questions that all connections watch together."""

Step: TypeAlias = Callable[[], None]
Ask: TypeAlias = Callable[[Hash | None], object]
"""What answers a question at a block, by default the best one, as JSON; RpcError when it cannot."""


class _Question:
    """A question that is watched, and the last answer as JSON text."""

    __slots__ = ("ask", "text", "watchers")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.text = b""
        self.watchers = Publisher()

    def take(self, text: bytes) -> None:
        """Send an answer to all who watch, if it is another."""
        if text != self.text:
            self.text = text
            self.watchers.publish_encoded(text)


def _call_later(delay_s: float, step: Step) -> None:
    asyncio.get_running_loop().call_later(delay_s, step)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class LiveQuestions:
    """The questions that the connections of one server watch."""

    def __init__(
        self,
        call_later: Callable[[float, Step], None] = _call_later,
        now: Callable[[], float] = _loop_time,
    ) -> None:
        """`call_later` lets a step be made in so many seconds; `now` tells seconds."""
        self._call_later = call_later
        self._now = now
        self._questions: dict[Hashable, _Question] = {}
        self._waiting: dict[Hashable, None] = {}
        self._head: Hash | None = None
        self._is_scheduled = False

    def watch(self, sink: Sink, key: Hashable, ask: Ask) -> None:
        """Send a subscription the answer now and whenever a best block has changed it.

        RpcError when the question cannot be answered now, or when too many different ones are watched.
        """
        question = self._questions.get(key)
        if question is None and len(self._questions) >= MAX_QUESTIONS:
            raise too_many(MAX_QUESTIONS)
        text = encode(ask(None))
        if question is None:
            question = self._questions[key] = _Question(ask)
        question.take(text)
        sink.send_encoded(text)
        question.watchers.add(sink)
        sink.on_close(lambda: self._forget_idle(key))

    def on_best(self, best: NewBest) -> None:
        """Hear that another block is the best: every question is asked again soon."""
        self._head = best.info.hash
        self._waiting.update(dict.fromkeys(self._questions))
        self._schedule(0)

    def __len__(self) -> int:
        return len(self._questions)

    def _schedule(self, delay_s: float) -> None:
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            self._call_later(delay_s, self._step)

    def _step(self) -> None:
        """Ask the question that has waited longest; what it raises does not keep the others waiting."""
        self._is_scheduled = False
        key = next(iter(self._waiting), None)
        if key is None:
            return
        del self._waiting[key]
        began_s = self._now()
        try:
            self._ask_again(self._questions[key])
        finally:
            self._schedule(self._now() - began_s)

    def _ask_again(self, question: _Question) -> None:
        """Send what has changed; a question that makes no sense at this block keeps its last answer, one that
        fails by a fault of the node ends, so that the log has it once."""
        with question.watchers.closed_on_error():
            try:
                text = encode(question.ask(self._head))
            except RpcError:
                return
            question.take(text)

    def _forget_idle(self, key: Hashable) -> None:
        question = self._questions.get(key)
        if question is not None and not len(question.watchers):
            del self._questions[key]
            self._waiting.pop(key, None)
