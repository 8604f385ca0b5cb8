"""Clients that mean harm, over real sockets: each is refused or dropped, others are answered in a second."""

import asyncio
import contextlib
import gzip
import io
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from node.rpc.connections import Deadlines
from node.rpc.jsonrpc import Limits
from node.rpc.server import RpcConfig, RpcServer
from tests.node.rpc.demo import Demo, running

pytestmark = [pytest.mark.net, pytest.mark.slow]

HURRIED = Deadlines(
    head_s=0.5, body_s=0.6, idle_s=0.8, ping_s=0.3, silence_s=0.9, stalled_write_s=0.8, sweep_s=0.1
)
MIB = 1024 * 1024
PATIENCE = 5
HEALTH = b'{"jsonrpc":"2.0","id":1,"method":"system_health","params":[]}'
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Attacked:
    """A server under attack, and a client that asks for its health all the while."""

    def __init__(self, server: RpcServer, demo: Demo, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.demo = demo
        self.http = http
        self.url = f"http://127.0.0.1:{server.port}/"
        self.worst_s = 0.0
        self.asked = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def ask_health(self) -> None:
        while True:
            began, began_cpu = time.perf_counter(), time.process_time()
            async with self.http.post(self.url, data=HEALTH) as response:
                assert response.status == 200
                assert b'"peers":0' in await response.read()
            took_s, worked_s = time.perf_counter() - began, time.process_time() - began_cpu
            # What this process did meanwhile counts, not what a busy machine did; idle waiting counts too.
            self.worst_s = max(self.worst_s, worked_s, took_s / PATIENCE)
            self.asked += 1
            await asyncio.sleep(0.02)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, object]]:
        data = io.BytesIO(body)  # aiohttp warns of large bodies given as bytes
        async with self.http.post(self.url, data=data, headers=headers) as response:
            text = await response.read()
            return response.status, json.loads(text) if text.startswith(b"{") else {"text": text.decode()}

    async def code(self, body: bytes) -> object:
        error = (await self.post(body))[1]["error"]
        assert isinstance(error, dict)
        return error["code"]


@contextlib.asynccontextmanager
async def attacked(config: RpcConfig | None = None) -> AsyncIterator[Attacked]:
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        running(config or RpcConfig(port=0)) as (server, demo),
        aiohttp.ClientSession(connector=connector) as http,
    ):
        scene = Attacked(server, demo, http)
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(scene.ask_health())
            try:
                yield scene
                await asyncio.sleep(0.05)
            finally:
                asking.cancel()
                await scene.close()
        assert scene.asked > 0
        assert scene.worst_s < 1, f"system_health took {scene.worst_s:.2f} s"


async def is_dropped(reader: asyncio.StreamReader, within_s: float = 3) -> bytes:
    """Return what is read until the server closes the connection."""
    try:
        return await asyncio.wait_for(reader.read(), within_s)
    except ConnectionResetError:
        return b""


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def call(name: str, *params: object, id_: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id_, "method": name, "params": list(params)}


async def test_silent_connections_are_dropped() -> None:
    async with attacked(RpcConfig(port=0, deadlines=HURRIED)) as scene:
        connections = [await scene.open() for _ in range(40)]
        for reader, writer in connections:
            assert await is_dropped(reader) == b""
            writer.close()


async def test_slow_request_heads_are_dropped() -> None:
    async with attacked(RpcConfig(port=0, deadlines=HURRIED)) as scene:
        connections = [await scene.open() for _ in range(40)]

        async def trickle(writer: asyncio.StreamWriter) -> None:
            for byte in b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as tasks:
            slow = [tasks.create_task(trickle(writer)) for _, writer in connections]
            for reader, _ in connections:
                answer = await is_dropped(reader)
                assert answer == b"" or answer.startswith(b"HTTP/1.1 408")  # a reset may overtake it
            for task in slow:
                task.cancel()


async def test_slow_request_bodies_are_dropped() -> None:
    async with attacked(RpcConfig(port=0, deadlines=HURRIED)) as scene:
        reader, writer = await scene.open()
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
        assert (await is_dropped(reader)).startswith(b"HTTP/1.1 408")


@pytest.mark.slow
async def test_idle_kept_alive_connections_are_dropped() -> None:
    async with attacked(RpcConfig(port=0, deadlines=HURRIED)) as scene:
        reader, writer = await scene.open()
        writer.write(post(HEALTH))
        began = time.perf_counter()
        assert (await is_dropped(reader)).startswith(b"HTTP/1.1 200")
        assert time.perf_counter() - began > 0.5


@pytest.mark.slow
async def test_websocket_that_answers_no_ping_is_dropped_and_one_that_does_stays() -> None:
    async with attacked(RpcConfig(port=0, deadlines=HURRIED)) as scene:
        reader, writer = await scene.open()
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        async with scene.http.ws_connect(scene.url) as alive, asyncio.TaskGroup() as tasks:
            answer = tasks.create_task(alive.receive_str())
            frames = await is_dropped(reader)
            assert frames.startswith(b"\x89\x00")  # pings
            await asyncio.sleep(HURRIED.silence_s)
            await alive.send_str(HEALTH.decode())
            assert "peers" in await answer


async def test_compressed_bodies_are_refused() -> None:
    bomb = gzip.compress(b"[" * 50 * MIB)
    async with attacked() as scene:
        for encoding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
            status, answer = await scene.post(bomb, **{"Content-Encoding": encoding})
            assert status == 415
            assert "compressed" in str(answer)


async def test_batch_of_20000_is_refused() -> None:
    body = json.dumps([call("system_health", id_=n) for n in range(20_000)]).encode()
    async with attacked() as scene:
        assert await scene.code(body) == -32010
        async with scene.http.ws_connect(scene.url) as socket:
            await socket.send_bytes(body)
            assert json.loads(await socket.receive_str())["error"]["code"] == -32010


async def test_15_mib_of_empty_arrays_is_refused_over_http_and_websocket() -> None:
    body = b"[" + b"[]," * (5 * MIB) + b"[]]"
    async with attacked() as scene:
        status, answer = await scene.post(body)
        assert (status, answer["error"]["code"]) == (413, -32007)  # type: ignore[index]  # JSON
        chunked = (body[start : start + MIB] for start in range(0, len(body), MIB))

        async def stream() -> AsyncIterator[bytes]:
            for chunk in chunked:
                yield chunk

        with contextlib.suppress(aiohttp.ClientError):
            async with scene.http.post(scene.url, data=stream()) as response:
                assert response.status == 413
        async with scene.http.ws_connect(scene.url) as socket:
            with contextlib.suppress(ConnectionError):  # closed with 1009 while the rest is under way
                await socket.send_bytes(body)
            message = await socket.receive()
            assert message.type is not aiohttp.WSMsgType.TEXT
            assert socket.closed


async def test_body_announced_too_long_is_refused_before_it_comes() -> None:
    async with attacked() as scene:
        reader, writer = await scene.open()
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 1)


async def test_arrays_within_the_size_limit_are_refused_by_count() -> None:
    body = b"[" + b"[]," * (5 * MIB // 3 - 2) + b"[]]"
    async with attacked() as scene:
        answers = await asyncio.gather(*(scene.code(body) for _ in range(8)))
        assert answers == [-32010] * 8


@pytest.mark.slow
async def test_costliest_accepted_bodies_of_many_clients_take_turns() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"x","params":{%b}}' % b",".join(
        b'"k%d":1' % n for n in range(65_000)
    )
    async with attacked() as scene:
        answers = await asyncio.gather(*(scene.code(body) for _ in range(25)))
        assert answers == [-32601] * 25


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 100_000, -32700),
        (b"[" * 30_000 + b"]" * 30_000, -32700),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"m"}', -32700),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"m"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\udfff"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xed\xa0\x80"}', -32700),
        (b'{"jsonrpc":"2.0","id":%b,"method":"m"}' % (b"9" * 100_000), -32700),
        (b'{"jsonrpc":"2.0","id":340282366920938463463374607431768211456,"method":"m"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"test_big","params":[18446744073709551616]}', -32602),
        (b"", -32700),
    ],
    ids=lambda value: str(value[:30]) if isinstance(value, bytes) else str(value),
)
async def test_poisoned_json_is_refused_over_both_transports(body: bytes, code: int) -> None:
    async with attacked() as scene:
        assert await scene.code(body) == code
        async with scene.http.ws_connect(scene.url) as socket:
            await socket.send_bytes(body)
            assert json.loads(await socket.receive_str())["error"]["code"] == code
            if b"\xed" not in body:
                await socket.send_str(body.decode())
                assert json.loads(await socket.receive_str())["error"]["code"] == code


async def test_bytes_that_are_no_http_are_answered_400_or_dropped() -> None:
    async with attacked() as scene:
        for noise in (
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"\x00" * 1000,
            b"GET\r\n\r\n",
            b"POST / HTTP/9.9\r\n\r\n",
        ):
            reader, writer = await scene.open()
            writer.write(noise + b"\r\n\r\n")
            writer.write_eof()
            answer = await is_dropped(reader)
            assert answer == b"" or answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
        long_header = b"POST / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n"
        many_headers = b"POST / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n"
        for head in (long_header, many_headers):
            reader, writer = await scene.open()
            writer.write(head)
            assert b" 400 " in await is_dropped(reader)


async def test_subscription_flood_ends_at_the_limit() -> None:
    async with attacked() as scene, scene.http.ws_connect(scene.url) as socket:
        for n in range(1100):
            await socket.send_str(json.dumps(call("chain_subscribeNewHeads", id_=n)))
        answers: dict[int, dict[str, object]] = {}
        while len(answers) < 1100:
            message = json.loads(await socket.receive_str())
            if "id" in message:
                answers[message["id"]] = message
        refused = [answer["error"] for answer in answers.values() if "error" in answer]
        assert len(refused) == 1100 - 1024
        assert all(error["code"] == -32006 for error in refused)  # type: ignore[index]  # JSON
        assert len(scene.demo.heads) == 1024
        scene.demo.heads.publish({"number": "0x1"})
        notices = [json.loads(await socket.receive_str()) for _ in range(1024)]
        assert len({notice["params"]["subscription"] for notice in notices}) == 1024
    assert (len(scene.demo.heads), scene.demo.closed) == (0, 1024)


async def test_slow_reader_is_dropped_and_others_get_every_notice() -> None:
    async with attacked() as scene, scene.http.ws_connect(scene.url) as good:
        await good.send_str(json.dumps(call("chain_subscribeNewHeads")))
        await good.receive_str()
        await good.receive_str()
        reader, writer = await scene.open()
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(call("chain_subscribeNewHeads")).encode()
        writer.write(bytes([0x81, 0x80 | len(body)]) + bytes(4) + body)
        await reader.read(100)  # and never again
        assert len(scene.demo.heads) == 2
        for n in range(400):
            scene.demo.heads.publish({"n": n, "blob": "x" * 100_000})
            assert json.loads(await good.receive_str())["params"]["result"]["n"] == n
        assert len(scene.demo.heads) == 1
        writer.close()


@pytest.mark.slow
async def test_client_that_does_not_read_answers_is_dropped() -> None:
    async with attacked(RpcConfig(port=0, deadlines=HURRIED)) as scene:
        reader, writer = await scene.open()
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(call("test_big", 5 * MIB)).encode()
        for _ in range(20):
            writer.write(bytes([0x81, 0x80 | len(body)]) + bytes(4) + body)
        await asyncio.sleep(HURRIED.stalled_write_s + 1)
        assert len(scene.server._connections) == 1
        writer.close()


@pytest.mark.slow
async def test_http_client_that_does_not_read_its_answer_is_dropped() -> None:
    body = json.dumps(call("test_big", 14 * MIB)).encode()
    async with attacked(RpcConfig(port=0, deadlines=HURRIED)) as scene:
        reader, writer = await scene.open()
        writer.write(post(body))
        await asyncio.sleep(HURRIED.stalled_write_s + 1)
        assert len(scene.server._connections) == 1
        assert len(await is_dropped(reader)) < 14 * MIB


async def test_thousand_silent_connections_leave_room_for_those_who_ask() -> None:
    async with attacked() as scene:
        connections = []
        for _ in range(20):
            connections += await asyncio.gather(*(scene.open() for _ in range(50)))
            assert (await scene.post(HEALTH))[0] == 200
        assert len(scene.server._connections) <= 100
        for _, writer in connections:
            writer.close()


async def test_place_of_a_long_idle_connection_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.rpc.connections.DISPENSABLE_IDLE_S", 0.2)
    async with attacked(RpcConfig(port=0, max_connections=2)) as scene:
        idle, writer = await scene.open()
        writer.write(post(HEALTH))
        await idle.read(100)
        reader, writer = await scene.open()
        assert (await is_dropped(reader)).startswith(b"HTTP/1.1 429")
        await asyncio.sleep(0.4)
        reader, writer = await scene.open()
        writer.write(post(HEALTH))
        assert (await reader.read(100)).startswith(b"HTTP/1.1 200")
        await is_dropped(idle, 1)


async def test_places_of_busy_clients_are_not_taken() -> None:
    async with attacked(RpcConfig(port=0, max_connections=5)) as scene:
        sockets = [await scene.http.ws_connect(scene.url) for _ in range(4)]
        for socket in sockets:
            await socket.send_bytes(HEALTH)
            await socket.receive_str()
        refused = 0
        for _ in range(20):
            reader, writer = await scene.open()
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
            with contextlib.suppress(TimeoutError):
                refused += (await asyncio.wait_for(reader.read(20), 0.05)).startswith(b"HTTP/1.1 429")
            writer.close()
        for socket in sockets:
            await socket.send_bytes(HEALTH)
            assert "peers" in await socket.receive_str()
            await socket.close()


async def test_connections_of_one_address_can_be_limited() -> None:
    async with attacked(RpcConfig(port=0, max_connections_per_address=3)) as scene:
        await asyncio.sleep(0.05)
        kept = [await scene.open() for _ in range(2)]
        reader, _ = await scene.open()
        answer = await is_dropped(reader)
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"-32009" in answer
        for _, writer in kept:
            writer.close()


@pytest.mark.slow
async def test_long_batches_of_many_clients_do_not_hold_up_others() -> None:
    body = json.dumps([call("test_busy", 60_000, id_=n) for n in range(100)]).encode()
    async with attacked() as scene:

        async def over_websocket() -> None:
            async with scene.http.ws_connect(scene.url) as socket:
                for _ in range(3):
                    await socket.send_bytes(body)
                for _ in range(3):
                    assert len(json.loads(await socket.receive_str())) == 100

        async def over_http() -> None:
            async with scene.http.post(scene.url, data=body) as response:
                assert len(json.loads(await response.read())) == 100

        await asyncio.gather(*(over_websocket() for _ in range(3)), *(over_http() for _ in range(3)))


@pytest.mark.slow
async def test_messages_already_received_are_answered_in_turns_with_others() -> None:
    body = json.dumps(call("test_busy", 100_000)).encode()
    async with attacked() as scene, scene.http.ws_connect(scene.url) as socket:
        for _ in range(400):
            await socket.send_bytes(body)
        before = scene.asked
        for _ in range(400):
            await socket.receive_str()
        assert scene.asked - before > 5


async def test_flood_of_small_messages_does_not_hold_up_others() -> None:
    async with attacked() as scene:

        async def flood() -> None:
            async with scene.http.ws_connect(scene.url) as socket:
                for _ in range(3000):
                    await socket.send_bytes(HEALTH)
                for _ in range(3000):
                    await socket.receive_str()

        await asyncio.gather(*(flood() for _ in range(4)))


async def test_calls_that_never_end_stop_only_their_own_connection() -> None:
    async with attacked() as scene, scene.http.ws_connect(scene.url) as socket:
        for n in range(100):
            await socket.send_str(json.dumps(call("test_wait", id_=n)))
        await socket.send_str(json.dumps(call("system_health", id_="after")))
        await asyncio.sleep(0.1)
        scene.demo.release.set()
        ids = [json.loads(await socket.receive_str())["id"] for _ in range(101)]
        assert set(ids) == {*range(100), "after"}


async def test_huge_answers_nobody_reads_have_a_common_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.rpc.connections.MAX_UNSENT_BYTES", 8 * MIB)
    body = json.dumps(call("test_big", 7 * MIB)).encode()
    async with attacked(RpcConfig(port=0, limits=Limits(response_bytes=8 * MIB))) as scene:
        answers = []
        for _ in range(4):
            reader, writer = await scene.open()
            writer.write(post(body))
            answers.append(await reader.read(20))
        assert answers[0].startswith(b"HTTP/1.1 200")
        assert answers[-1].startswith(b"HTTP/1.1 503")


async def test_unfinished_requests_have_a_common_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.rpc.connections.MAX_UNFINISHED_BYTES", 4 * MIB)
    async with attacked() as scene:
        connections = [await scene.open() for _ in range(4)]
        for _, writer in connections:
            writer.write(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n" + b" " * 2_000_000
            )
        await asyncio.sleep(0.3)
        assert scene.server._connections.unfinished <= 4 * MIB
        for _, writer in connections:
            writer.close()
        await asyncio.sleep(0.05)
        assert scene.server._connections.unfinished < 1000


@pytest.mark.slow
async def test_stopping_server_does_not_wait_for_answers_to_be_read() -> None:
    async with running() as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(post(json.dumps(call("test_big", 14 * MIB)).encode()))
        await reader.read(10)
    assert len(await is_dropped(reader, 1)) < 14 * MIB
    writer.close()


async def test_server_stops_quickly_with_open_sockets_and_calls_in_progress() -> None:
    async with aiohttp.ClientSession() as http:
        async with running() as (server, _):
            socket = await http.ws_connect(f"http://127.0.0.1:{server.port}/")
            await socket.send_str(json.dumps(call("test_wait")))
            _, silent = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.sleep(0.05)
            began = time.perf_counter()
        assert time.perf_counter() - began < 4
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        silent.close()
