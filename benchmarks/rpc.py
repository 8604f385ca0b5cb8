"""RPC ingest: what one call costs the server over HTTP and WebSocket, single and in batches of 100.

`python -m benchmarks.rpc [CALLS]` starts a server of fake methods in its own process, sends prepared bytes
over raw sockets, checks that every call was answered with a result, and prints one JSON line for each case.
The last line is what a transfer in a batch over WebSocket costs the event loop: hashing included, decoding
not.
"""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from benchmarks.measure import Meter, loop_seconds, report
from node.rpc.groups.author import AuthorMethods
from node.rpc.groups.context import ChainContext
from node.rpc.methods import Methods, method
from node.rpc.server import RpcConfig, serve
from runtime.primitives.types import Hash

ANSWER = b'"jsonrpc"'
RESULT = b'"result"'
EXTRINSIC_BYTES = 141
PIPELINED = 16


class FakeIntake:
    """Stands in for pool and chain: hashes an extrinsic and keeps it."""

    def __init__(self) -> None:
        self.pool: dict[bytes, bytes] = {}

    async def submit(self, raws: Sequence[bytes]) -> list[Hash]:
        hashes = [Hash(hashlib.blake2b(raw, digest_size=32).digest()) for raw in raws]
        self.pool.update(zip(hashes, raws, strict=True))
        return hashes


class FakeState:
    """Stands in for the state: the same account under every key."""

    def __init__(self) -> None:
        self.account = "0x" + "ab" * 80

    @method("state_getStorage")
    def storage(self, key: bytes, at: bytes | None = None) -> str:
        """Read."""
        return self.account if key and at is None else ""


def make_methods() -> Methods:
    """Return the two hot methods without a chain."""
    context = cast(ChainContext, SimpleNamespace(intake=FakeIntake(), author=None, in_block_s=0.0))
    return Methods(AuthorMethods(context), FakeState())


class Case(NamedTuple):
    name: str
    method: str
    calls_in_message: int = 1
    connections: int = 4
    pipelined: int = 1

    @property
    def websocket(self) -> bool:
        return self.name.startswith("ws_")


READ = "state_getStorage"
SUBMIT = "author_submitExtrinsic"
CASES = (
    Case("http_single_read", READ, connections=8),
    Case("http_single_submit", SUBMIT, connections=8),
    Case("http_batch_submit", SUBMIT, calls_in_message=100),
    Case("ws_single_read", READ, pipelined=PIPELINED),
    Case("ws_single_submit", SUBMIT, pipelined=PIPELINED),
    Case("ws_batch_submit", SUBMIT, calls_in_message=100, pipelined=2),
)
LOOP_CASE = Case("ws_batch_submit_loop", SUBMIT, calls_in_message=100, connections=1, pipelined=2)
LOOP_ROUNDS = 20


def build_messages(case: Case, calls: int) -> list[bytes]:
    """Return the bodies, each call with an extrinsic or key of its own."""
    bodies: list[bytes] = []
    for first in range(0, calls, case.calls_in_message):
        numbers = range(first + 1, first + 1 + case.calls_in_message)
        requests = [
            {"jsonrpc": "2.0", "id": n, "method": case.method, "params": [f"0x{n:0{2 * EXTRINSIC_BYTES}x}"]}
            for n in numbers
        ]
        bodies.append(json.dumps(requests if case.calls_in_message > 1 else requests[0]).encode())
    return bodies


def frame(body: bytes) -> bytes:
    """Return a masked text frame; the mask is zero, which costs the server the same."""
    size = len(body)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 65536:
        head = bytes([0x81, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x81, 0x80 | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + body


def post(body: bytes) -> bytes:
    """Return a POST request."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def exchange(port: int, case: Case, messages: Sequence[bytes]) -> int:
    """Send all messages over one connection, at most `pipelined` unanswered; return the number of results."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if case.websocket:
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
    answered = results = sent = 0
    tail = b""
    while answered < len(messages) * case.calls_in_message:
        while sent < len(messages) and sent - answered // case.calls_in_message < case.pipelined:
            writer.write(messages[sent])
            sent += 1
        data = tail + await reader.read(1 << 18)
        assert len(data) > len(tail), "the server closed the connection"
        end = data.rfind(b"}") + 1
        answered += data.count(ANSWER, 0, end)
        results += data.count(RESULT, 0, end)
        tail = data[end:]
    writer.close()
    await writer.wait_closed()
    return results


async def measure(case: Case, pid: int, port: int, calls: int) -> dict[str, Any]:
    """Run one case and return its figures."""
    wrap = frame if case.websocket else post
    messages = [wrap(body) for body in build_messages(case, calls)]
    shares = [messages[n :: case.connections] for n in range(case.connections)]
    meter = Meter(pid)
    results = sum(await asyncio.gather(*(exchange(port, case, share) for share in shares)))
    used = meter.read()
    sent = len(messages) * case.calls_in_message
    assert results == sent, f"{case.name}: {results} results for {sent} calls"
    return {
        "case": case.name,
        "calls": sent,
        "calls_per_s": round(sent / used.wall_s),
        "server_us_per_call": round(used.watched_s / sent * 1e6, 2),
        "client_us_per_call": round(used.own_s / sent * 1e6, 2),
        "foreign_cores": used.foreign_cores,
    }


async def measure_loop(pid: int, port: int, calls: int) -> dict[str, Any]:
    """Return the event loop's processor time for each call of a batch, the least of some rounds."""
    messages = [frame(body) for body in build_messages(LOOP_CASE, calls)]
    meter = Meter(pid)
    sent = len(messages) * LOOP_CASE.calls_in_message
    least_s = float("inf")
    for _ in range(LOOP_ROUNDS):
        before_s = loop_seconds(pid)
        results = await exchange(port, LOOP_CASE, messages)
        least_s = min(least_s, loop_seconds(pid) - before_s)
        assert results == sent, f"{LOOP_CASE.name}: {results} results for {sent} calls"
    return {
        "case": LOOP_CASE.name,
        "calls": sent,
        "loop_us_per_call": round(least_s / sent * 1e6, 2),
        "foreign_cores": meter.read().foreign_cores,
    }


async def serve_for_ever() -> None:
    """Be the server: print the port, then serve until standard input closes."""
    async with asyncio.TaskGroup() as tasks, serve(make_methods(), RpcConfig(port=0), tasks) as server:
        print(server.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main(calls: int) -> None:
    """Run all cases against one server process."""
    command = [sys.executable, "-m", "benchmarks.rpc", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        port = int(next(line for line in lines if line.strip().isdigit()))
        for case in CASES:
            share = calls if case.calls_in_message > 1 or case.websocket else calls // 4
            report("rpc", **asyncio.run(measure(case, server.pid, port, share)))
        report("rpc", **asyncio.run(measure_loop(server.pid, port, calls // 10)))


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve_for_ever())
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
