"""Peers that lie, stall or flood: each hurts only itself, and an honest neighbour is served all the while."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web

from node.clock import SystemClock
from node.network.dialling import SOCKET_MESSAGE_MAX, DialError, dial_peer
from node.network.errors import PeerGoneError, Penalty
from node.network.handshake import Identity, WrongGenesisError
from node.network.identity import PeerId
from node.network.listener import PENDING_MAX
from node.network.messages import (
    RULES,
    BlockRequest,
    Consensus,
    Goodbye,
    GoodbyeReason,
    Introduction,
    Kind,
    Message,
    PeersRequest,
    PeersResponse,
    Ping,
    Pong,
    Request,
    Response,
    Status,
    Transactions,
    encode_message,
)
from node.network.reassembly import MORE, PIECE
from node.network.service import Network
from tests.node.network.peers import make_address, make_key
from tests.node.network.running import (
    GENESIS,
    HERE,
    PATIENCE_S,
    Stranger,
    World,
    get_score,
    has_peer,
    hurry,
    is_connected,
    make_status,
    wait_until,
    world,
)

pytestmark = [pytest.mark.net, pytest.mark.slow]
HASH = bytes(32)


@contextlib.asynccontextmanager
async def attacked(**deadlines: float) -> AsyncIterator[tuple[World, Network]]:
    """Start a node under attack whose honest peer goes on asking it; at the end that one was served.

    The node itself asks for nothing, so that every answer to it is one too many.
    """
    async with world() as made:
        target = await made.start(1, timing=hurry(discovery_s=3600, **deadlines))
        honest = await made.start(2, reserved=target.addresses)
        await wait_until(lambda: is_connected(target, honest))
        over = asyncio.Event()
        worst_s = 0.0

        async def ask() -> None:
            nonlocal worst_s
            while not over.is_set():
                began, began_cpu = time.perf_counter(), time.process_time()
                await honest.request(target.peer, PeersRequest(1), PATIENCE_S)
                took_s, worked_s = time.perf_counter() - began, time.process_time() - began_cpu
                # What this process did meanwhile counts; of waiting on a busy machine only a part.
                worst_s = max(worst_s, worked_s, took_s / 5)
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask())
            yield made, target
            over.set()
        assert worst_s < 1
        assert is_connected(target, honest)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" + bytes(1000),
        b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000,
    ],
)
async def test_what_is_no_websocket_is_turned_away(data: bytes) -> None:
    async with attacked(opening_s=1) as (_, target):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.addresses[0].port)
        writer.write(data)
        answer = await read_all(reader)
        assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        writer.close()


async def test_browsers_are_told_that_this_port_is_for_nodes() -> None:
    async with attacked() as (made, target):
        response = await made.client.get(f"http://127.0.0.1:{target.addresses[0].port}/")
        assert response.status == 426
        assert "speaks to nodes" in await response.text()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost"])
async def test_silence_before_the_handshake_is_cut(sent: bytes) -> None:
    async with attacked(opening_s=0.3) as (_, target):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.addresses[0].port)
        writer.write(sent)
        await read_all(reader)
        writer.close()
        assert len(target.peers()) == 1


@pytest.mark.slow
async def test_silence_in_the_handshake_is_cut() -> None:
    async with attacked(opening_s=0.3) as (made, target):
        silent = Stranger(await made.open(target), 9)
        assert await silent.is_cut()
        proved = await made.visit(target, 9, introduce=False)
        assert await proved.is_cut()
        half = await made.visit(target, 9, introduce=False)
        await half.send(Introduction("half", 0, ()))
        assert await half.is_cut()
        assert len(target.peers()) == 1


@pytest.mark.parametrize("data", [b"", b"x", bytes(70), bytes(71), bytes(100_000), b"LOAM" + bytes(66)])
async def test_garbage_in_the_handshake_is_cut(data: bytes) -> None:
    async with attacked() as (made, target):
        socket = await made.open(target)
        await socket.send_bytes(data)
        assert await Stranger(socket, 9).is_cut()


async def test_connections_without_a_proof_are_bounded() -> None:
    async with attacked() as (made, target):
        port = target.addresses[0].port
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(PENDING_MAX + 1)]
        assert await read_all(opened[-1][0]) == b""
        for _, writer in opened:
            writer.close()
        await wait_until(lambda: not target._server._pending.connections.keys() - established(target))
        await made.visit(target, 9)


def established(network: Network) -> set[web.RequestHandler]:
    pending = network._server._pending.connections
    return {inner for inner, connection in pending.items() if connection.is_established}


async def test_another_genesis_is_a_ban_on_both_sides() -> None:
    async with attacked() as (made, target):
        other = await made.start(3, genesis=bytes(32), bootnodes=target.addresses)
        await wait_until(lambda: get_score(other, target.peer) < -(2**30))
        await wait_until(lambda: get_score(target, other.peer) < -(2**30))
        assert other.peers() == []
        assert await is_banned_openly(made, target, 3)


async def test_a_genesis_without_a_proof_bans_nobody() -> None:
    async with attacked() as (made, target):
        socket = await made.open(target)
        stranger = Stranger(socket, 9)
        with pytest.raises(WrongGenesisError):
            await stranger.shake_hands(target.peer, genesis=bytes(32))
        await socket.close()
        assert get_score(target, stranger.peer) == 0


async def test_another_node_at_an_address_is_not_talked_to() -> None:
    async with attacked() as (made, target):
        wrong = make_address(77, "127.0.0.1", target.addresses[0].port)
        seeker = await made.start(3, path=None)
        assert seeker._book.hear([str(wrong)], "loopback") == 1
        await wait_until(lambda: not seeker._book.choose(1, set()))
        assert seeker.peers() == []
        assert not has_peer(target, seeker.peer)


async def test_a_node_that_dials_itself_notices() -> None:
    async with world() as made:
        alone = await made.start(1)
        alias = make_address(77, "127.0.0.1", alone.addresses[0].port)
        assert alone._book.hear([str(alias)], "loopback") == 1
        await wait_until(lambda: not alone._book.choose(1, set()))
        assert alone.peers() == []


HOSTILE_FRAMES = [
    b"",
    b"\x00",
    b"\x7f" + bytes(10),
    bytes([Kind.CONSENSUS]),
    bytes([Kind.CONSENSUS]) + b"\xc1",
    bytes([Kind.CONSENSUS]) + b"\x91\xc6\xff\xff\xff\xff",
    bytes([Kind.REQUEST]) + b"\x91" * 500,
    bytes([Kind.PING]) + bytes(PIECE),
    bytes([Kind.PING | MORE]) + bytes(PIECE),
    bytes([Kind.TRANSACTIONS | MORE]) + bytes(5),
    bytes([Kind.INTRODUCTION]) + encode_message(Introduction("again", 0, ())),
    bytes([Kind.RESPONSE]) + encode_message(Response(0, PeersResponse(()))),
    bytes([Kind.RESPONSE | MORE]) + bytes(PIECE),
]


@pytest.mark.slow
@pytest.mark.parametrize("plaintext", HOSTILE_FRAMES)
async def test_sealed_nonsense_ends_the_connection_and_three_of_it_are_a_ban(plaintext: bytes) -> None:
    async with attacked() as (made, target):
        peer = Stranger(await made.open(target), 9).peer
        for _ in range(3):
            stranger = await made.visit(target, 9)
            await stranger.send_frame(plaintext)
            assert await stranger.is_cut()
            await wait_until(lambda: not has_peer(target, peer))
        assert target._book.is_banned(peer)
        assert await is_banned_openly(made, target, 9)


async def is_banned_openly(made: World, target: Network, number: int) -> bool:
    """Tell whether a peer that comes back is told that it is banned."""
    again = await made.visit(target, number, introduce=False)
    goodbye = await again.receive()
    return isinstance(goodbye, Goodbye) and goodbye.reason == GoodbyeReason.BANNED


async def test_a_message_above_its_size_ends_the_connection() -> None:
    async with attacked() as (made, target):
        stranger = await made.visit(target, 9)
        limit = RULES[Kind.CONSENSUS].size_max
        for _ in range(limit // PIECE + 1):
            with contextlib.suppress(ConnectionError):
                await stranger.send_frame(bytes([Kind.CONSENSUS | MORE]) + bytes(PIECE))
        assert await stranger.is_cut()
        assert get_score(target, stranger.peer) <= Penalty.BAD_MESSAGE.change // 2


async def test_frames_above_the_limit_are_not_even_opened() -> None:
    async with attacked() as (made, target):
        stranger = await made.visit(target, 9)
        with contextlib.suppress(ConnectionError):
            await stranger.socket.send_bytes(bytes(SOCKET_MESSAGE_MAX))
        assert await stranger.is_cut()
        assert get_score(target, stranger.peer) == 0


async def send_tampered(stranger: Stranger) -> None:
    frame = stranger.sealer.seal(bytes([Kind.PING]) + encode_message(Ping(1)))
    await stranger.socket.send_bytes(frame[:-1] + bytes([frame[-1] ^ 1]))


async def send_again(stranger: Stranger) -> None:
    frame = stranger.sealer.seal(bytes([Kind.PING]) + encode_message(Ping(1)))
    await stranger.socket.send_bytes(frame)
    await stranger.socket.send_bytes(frame)


async def send_text(stranger: Stranger) -> None:
    await stranger.socket.send_str("hello")


async def send_socket_ping(stranger: Stranger) -> None:
    await stranger.socket.ping()


@pytest.mark.parametrize("attack", [send_tampered, send_again, send_text, send_socket_ping])
async def test_what_an_attacker_on_the_path_can_do_ends_the_connection_and_blames_nobody(
    attack: Callable[[Stranger], object],
) -> None:
    async with attacked() as (made, target):
        stranger = await made.visit(target, 9)
        doing = attack(stranger)
        assert asyncio.iscoroutine(doing)
        await doing
        assert await stranger.is_cut()
        assert get_score(target, stranger.peer) == 0


@pytest.mark.parametrize(
    "messages",
    [
        [make_status(), make_status()],
        [Consensus(b"v")],
        [Introduction("a", 0, ()), Consensus(b"v")],
        [Introduction("a", 0, ()), Introduction("a", 0, ())],
    ],
)
async def test_who_does_not_introduce_itself_first_is_cut(messages: list[Message]) -> None:
    async with attacked() as (made, target):
        stranger = await made.visit(target, 9, introduce=False)
        for message in messages:
            await stranger.send(message)
        assert await stranger.is_cut()
        assert get_score(target, stranger.peer) < -(2**28)


FLOODS: list[tuple[Message, int]] = [
    (Ping(1), RULES[Kind.PING].count_per_minute),
    (make_status(), RULES[Kind.STATUS].bytes_per_minute // len(encode_message(make_status()))),
    (Request(1, BlockRequest(HASH, 1)), RULES[Kind.REQUEST].count_per_minute),
]


@pytest.mark.parametrize(("message", "allowed"), FLOODS)
async def test_a_flood_is_a_ban(message: Message, allowed: int) -> None:
    async with attacked() as (made, target):
        stranger = await made.visit(target, 9)
        for _ in range(allowed):
            await stranger.send(message)
        await stranger.send(Request(2, PeersRequest(1)))
        assert get_score(target, stranger.peer) == 0
        with contextlib.suppress(ConnectionError):
            for _ in range(60):
                await stranger.send(message)
        assert await stranger.is_cut()
        await wait_until(lambda: target._book.is_banned(stranger.peer))
        assert not has_peer(target, stranger.peer)


@pytest.mark.slow
async def test_a_slow_reader_holds_up_nobody_and_is_dropped_in_the_end() -> None:
    async with attacked(stalled_s=1.0) as (made, target):
        stranger = await made.visit(target, 9)
        reading = stranger.socket._conn
        assert reading is not None
        assert reading.transport is not None
        reading.transport.pause_reading()
        heard = 0

        def hear(_: object, __: Consensus) -> None:
            nonlocal heard
            heard += 1

        quick = await made.start(
            4, reserved=target.addresses, prepare=lambda network: network.on_message(Consensus, hear)
        )
        await wait_until(lambda: is_connected(quick, target))
        taken = [target.send(stranger.peer, Transactions((bytes(1024 * 1024),))) for _ in range(40)]
        assert taken[0]
        assert not taken[-1]
        (info,) = [info for info in target.peers() if info.peer == stranger.peer]
        assert info.lost_messages == taken.count(False)
        for number in range(200):
            target.broadcast(Consensus(number.to_bytes(4, "big")))
        await wait_until(lambda: heard == 200)
        await wait_until(lambda: not has_peer(target, stranger.peer))
        assert get_score(target, stranger.peer) == 0
        reading.transport.abort()


@pytest.mark.slow
async def test_a_peer_that_goes_silent_is_dropped() -> None:
    async with attacked(ping_s=0.1, silence_s=1.0) as (made, target):
        stranger = await made.visit(target, 9)
        assert (await receive_ping(stranger)).nonce == 0
        assert await stranger.is_cut()


async def receive_ping(stranger: Stranger) -> Ping:
    message = await stranger.receive()
    assert isinstance(message, Ping)
    return message


class Watch(SystemClock):
    """A clock that a test can move on, as a process finds it that was stopped."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


@pytest.mark.slow
async def test_a_node_that_stood_still_does_not_blame_its_peers() -> None:
    watch = Watch()
    async with world() as made:
        target = await made.start(1, clock=watch, timing=hurry(ping_s=1, silence_s=20))
        honest = await made.start(2, bootnodes=target.addresses)
        await wait_until(lambda: is_connected(target, honest))
        heard: list[PeerId] = []
        target.on_disconnected(heard.append)
        watch.ahead_s = 60
        await asyncio.sleep(0.5)
        assert heard == []
        stranger = await made.visit(target, 9)
        for _ in range(30):
            watch.ahead_s += 1
            await asyncio.sleep(0.06)
        assert not has_peer(target, stranger.peer)
        assert has_peer(target, honest.peer)


@pytest.mark.slow
async def test_a_peer_that_answers_pings_stays() -> None:
    async with attacked(ping_s=0.1, silence_s=2.0) as (made, target):
        stranger = await made.visit(target, 9)
        ends = time.perf_counter() + 3
        while time.perf_counter() < ends:
            await stranger.send(Pong((await receive_ping(stranger)).nonce))
        assert has_peer(target, stranger.peer)


async def test_a_message_that_is_never_finished_ends_the_connection() -> None:
    async with attacked(message_s=0.3) as (made, target):
        stranger = await made.visit(target, 9)
        await stranger.send_frame(bytes([Kind.TRANSACTIONS | MORE]) + bytes(PIECE))
        assert await stranger.is_cut()


async def test_an_answer_of_another_kind_fails_the_request_and_costs() -> None:
    async with attacked() as (made, target):
        stranger = await made.visit(target, 9)

        async def answer() -> None:
            request = await stranger.receive()
            assert isinstance(request, Request)
            await stranger.send(Response(request.id, PeersResponse(())))

        asked = target.request(stranger.peer, BlockRequest(HASH, 1), PATIENCE_S)
        result, _ = await asyncio.gather(asked, answer(), return_exceptions=True)
        assert isinstance(result, Exception)
        assert await stranger.is_cut()
        assert get_score(target, stranger.peer) < -(2**28)


async def test_who_was_asked_for_addresses_cannot_send_blocks() -> None:
    async with attacked() as (made, target):
        stranger = await made.visit(target, 9)

        async def answer() -> None:
            await stranger.receive()
            await stranger.send_frame(bytes([Kind.RESPONSE | MORE]) + bytes(PIECE))

        asked = target.request(stranger.peer, PeersRequest(1), PATIENCE_S)
        result, _ = await asyncio.gather(asked, answer(), return_exceptions=True)
        assert isinstance(result, PeerGoneError)
        assert await stranger.is_cut()
        assert get_score(target, stranger.peer) < -(2**28)


async def test_addresses_from_a_peer_are_taken_within_limits() -> None:
    async with attacked() as (made, target):
        before = len(target._book._store)
        stranger = Stranger(await made.open(target), 9)
        await stranger.shake_hands(target.peer)
        own = make_address(0, "127.0.0.1", 5)._replace(peer=stranger.peer)
        others = [str(make_address(number, "127.0.0.1")) for number in range(5)]
        await stranger.send(Introduction("x", 4000, ("nonsense", str(own), *others)))
        await stranger.send(make_status())
        await wait_until(lambda: has_peer(target, stranger.peer))
        assert len(target._book._store) == before + 1
        assert {address.port for address in target._book._store.get_addresses(stranger.peer)} == {5, 4000}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x00" * 10_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_whatever_answers_a_dial_is_no_peer(answer: bytes) -> None:
    visited = False

    async def redirected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visited
        visited = True
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer % port if b"%d" in answer else answer)
        writer.close()

    inner = await asyncio.start_server(redirected, "127.0.0.1", 0)
    port = inner.sockets[0].getsockname()[1]
    outer = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with inner, outer, world() as made:
        address = make_address(9, "127.0.0.1", outer.sockets[0].getsockname()[1])
        with pytest.raises(DialError):
            await dial_peer(made.client, Identity(make_key(1), GENESIS), address)
        assert not visited


async def test_a_listener_that_never_answers_is_given_up() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader)
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, world() as made:
        address = make_address(9, "127.0.0.1", server.sockets[0].getsockname()[1])
        await made.start(1, bootnodes=(address,), timing=hurry(opening_s=0.3))
        async with asyncio.timeout(PATIENCE_S):
            await gone.wait()


async def test_a_listener_that_proves_nothing_is_given_up() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = await socket.receive_bytes()
        await socket.send_bytes(hello + bytes(112))
        assert (await socket.receive()).type is not aiohttp.WSMsgType.BINARY
        refused.set()
        return socket

    refused = asyncio.Event()
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with world() as made:
            port = runner.addresses[0][1]
            await made.start(1, bootnodes=(make_address(9, "127.0.0.1", port),))
            async with asyncio.timeout(PATIENCE_S):
                await refused.wait()
    finally:
        await runner.cleanup()


async def test_a_status_that_cannot_be_told_is_our_fault_alone() -> None:
    """A bug on our side loses a connection, not the node."""
    async with world() as made:
        calls = 0

        def fail() -> Status:
            nonlocal calls
            calls += 1
            raise KeyError("planted")

        broken = made.make(1, listen=HERE)
        broken._status = fail
        async with broken.running():
            stranger = await made.visit(broken, 9, introduce=False)
            assert await stranger.is_cut()
            again = await made.visit(broken, 9, introduce=False)
            assert await again.is_cut()
        assert calls == 2
