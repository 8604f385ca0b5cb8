"""The other end of a connection, which does what a test says: a WebSocket server without a chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

from aiohttp import WSMsgType, web

Answer = Callable[[str, list[Any]], Any]


class Raw(Exception):  # no error: the text that a method answers with
    """Raised by an answer: send these texts instead of one."""


class Silence(Exception):  # no error either
    """Raised by an answer: send nothing."""


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
        try:
            answer = {"result": self.answer(call["method"], call["params"])}
        except Raw as raw:
            for text in raw.args:
                await socket.send_str(text)
        except Silence:
            return
        except Hangup:
            await socket.close()
        except LookupError as error:
            failure = {"code": -32601, "message": "Method not found", "data": str(error)}
            await socket.send_str(json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": failure}))
        else:
            await socket.send_str(json.dumps({"jsonrpc": "2.0", "id": call["id"], **answer}))


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds; the test's own time limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110  # what is waited for knows no event
        await asyncio.sleep(0.001)
