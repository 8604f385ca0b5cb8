"""A WebSocket relay between a wallet client and the node that breaks one thing on the way.

It proves that the scenarios can fail: with a fault, the scenario that looks at the broken thing must report
it. A fault sees each request before the node does and each result or notice before the client does, and
returns what is passed on instead. The relay knows JSON-RPC and nothing of the chain;
the faults are in faults.py.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

Json = Any
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
START_TIMEOUT_S = 10

DROP = object()
"""Returned instead of a notice that the client shall never see."""


class Call(NamedTuple):
    """A request, or a notice, which has no parameters."""

    method: str
    parameters: Json = ()


Spoil = Callable[[Call, Json], Json]


def untouched(_call: Call, value: Json) -> Json:
    return value


@dataclass(frozen=True, slots=True)
class Fault:
    """What to break: each function gets the call and the value to spoil, and returns what is passed on."""

    parameters: Spoil = untouched
    result: Spoil = untouched
    error: Spoil = untouched
    notice: Spoil = untouched


@dataclass(slots=True)
class _Connection:
    fault: Fault
    calls: dict[Json, Call] = field(default_factory=dict)

    def request(self, message: Json) -> Json:
        if isinstance(message, list):
            return [self.request(each) for each in message]
        call = Call(message["method"], message.get("params") or [])
        self.calls[message["id"]] = call
        return {**message, "params": self.fault.parameters(call, call.parameters)}

    def answer(self, message: Json) -> Json:
        if isinstance(message, list):
            return [self.answer(each) for each in message]
        if "method" in message:
            told = message["params"]
            spoiled = self.fault.notice(Call(message["method"]), told["result"])
            return DROP if spoiled is DROP else {**message, "params": {**told, "result": spoiled}}
        call = self.calls.pop(message["id"])
        if "error" in message:
            return {**message, "error": self.fault.error(call, message["error"])}
        return {**message, "result": self.fault.result(call, message["result"])}


async def _relay_answers(
    connection: _Connection, node: ClientWebSocketResponse, client: web.WebSocketResponse
) -> None:
    async for message in node:
        if message.type == WSMsgType.TEXT:
            passed = connection.answer(orjson.loads(message.data))
            if passed is not DROP:
                await client.send_str(orjson.dumps(passed).decode())
    await client.close()


def _application(endpoint: str, fault: Fault) -> web.Application:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX)
        await client.prepare(request)
        connection = _Connection(fault)
        async with (
            ClientSession() as session,
            session.ws_connect(endpoint, max_msg_size=MESSAGE_BYTES_MAX) as node,
            asyncio.TaskGroup() as tasks,
        ):
            answers = tasks.create_task(_relay_answers(connection, node, client))
            async for message in client:
                if message.type == WSMsgType.TEXT:
                    await node.send_str(orjson.dumps(connection.request(orjson.loads(message.data))).decode())
            answers.cancel()
        return client

    application = web.Application()
    application.router.add_get("/", serve)
    return application


@contextmanager
def relaying(endpoint: str, fault: Fault) -> Iterator[str]:
    """Run the relay in a thread of its own; yields the endpoint to give to the client."""
    started: list[int] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def run() -> None:
        runner = web.AppRunner(_application(endpoint, fault), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        started.append(runner.addresses[0][1])
        ready.set()
        await stopping.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(START_TIMEOUT_S)
    try:
        yield f"ws://127.0.0.1:{started[0]}"
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()
