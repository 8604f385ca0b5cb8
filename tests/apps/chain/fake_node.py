"""The other end of a connection, which does what a test says: a WebSocket server without a chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

from aiohttp import WSMsgType, web

Answer = Callable[[str, list[Any]], Any]


class Raw(Exception):  # no error: the text that a method answers with
    """Raised by an answer: send these texts instead of one."""


class Silence(Exception):  # no error either
    """Raised by an answer: send nothing."""


class Fail(Exception):
    """Raised by an answer: an error of JSON-RPC."""

    def __init__(self, code: int, message: str = "no") -> None:
        super().__init__(message)
        self.code = code


class Then(NamedTuple):
    """Returned by an answer: send the result, and do something afterwards."""

    result: Any
    action: Callable[[], Awaitable[None]]


class QuickClock:
    """A clock whose sleeps take no time, and are written down."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.001)


class Hangup(Exception):  # nor this
    """Raised by an answer: close the connection."""


class FakeNode:
    """Answers each call with `answer(method, params)`; an async context that listens."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[tuple[str, list[Any]]] = []
        self.sockets: list[web.WebSocketResponse] = []
        application = web.Application()
        application.router.add_get("/", self._serve)
        self._runner = web.AppRunner(application)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()
        await self._runner.cleanup()

    async def hang_up(self) -> None:
        """Close every connection."""
        for socket in self.sockets:
            await socket.close()
        self.sockets.clear()

    async def push(self, subscription: str, result: Any) -> None:
        """Send a notice to the latest connection."""
        params = {"subscription": subscription, "result": result}
        await self.sockets[-1].send_str(json.dumps({"jsonrpc": "2.0", "method": "note", "params": params}))

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return sum(name == method for name, _ in self.calls)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            await self._reply(socket, json.loads(message.data))
        return socket

    async def _reply(self, socket: web.WebSocketResponse, call: dict[str, Any]) -> None:
        self.calls.append((call["method"], call["params"]))
        answer: Any = None
        error: dict[str, Any] | None = None
        try:
            answer = self.answer(call["method"], call["params"])
        except Raw as raw:
            for text in raw.args:
                await socket.send_str(text)
            return
        except Silence:
            return
        except Hangup:
            await socket.close()
            return
        except LookupError as missing:
            error = {"code": -32601, "message": "Method not found", "data": str(missing)}
        except Fail as fail:
            error = {"code": fail.code, "message": str(fail)}
        outcome = (
            {"result": answer[0] if isinstance(answer, Then) else answer}
            if error is None
            else {"error": error}
        )
        await socket.send_str(json.dumps({"jsonrpc": "2.0", "id": call["id"], **outcome}))
        if isinstance(answer, Then):
            await answer.action()


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds; the test's own time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110  # what is waited for knows no event
        await asyncio.sleep(0.001)
