"""Networks over loopback sockets, and a stranger that speaks the protocol as far as a test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Self

import aiohttp

from node.clock import Clock, SystemClock
from node.network.dialling import make_client
from node.network.frames import FrameOpener, FrameSealer
from node.network.handshake import Identity, dial
from node.network.identity import PeerId, compute_peer_id, parse_peer_id
from node.network.messages import (
    Introduction,
    Message,
    Role,
    Status,
    decode_message,
    encode_message,
    get_kind,
)
from node.network.multiaddr import Multiaddr
from node.network.reassembly import parse_piece, split_message
from node.network.service import Network
from node.network.settings import NetworkSettings, Timing
from tests.node.network.peers import make_key

GENESIS = bytes(range(32))
HERE = (Multiaddr("ip4", "127.0.0.1", 0, None),)
# Deadlines stay long, so that a busy machine breaks none; tests of a deadline shorten that one.
QUICK = Timing(dial_s=0.02, backoff_s=0.05, backoff_max_s=0.4, sweep_s=0.05, discovery_s=0.1, steady_s=3600)
PATIENCE_S = 20


def make_status(number: int = 7) -> Status:
    return Status(Role.FULL, number, bytes([number]) * 32, 0, GENESIS)


async def wait_until(is_so: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(patience_s):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def is_connected(one: Network, other: Network) -> bool:
    """Tell whether both know of the connection."""
    return has_peer(one, other.peer) and has_peer(other, one.peer)


def has_peer(network: Network, peer: PeerId) -> bool:
    return any(info.peer == peer for info in network.peers())


def get_score(network: Network, peer: PeerId) -> int:
    return network._book.get_score(peer)


class World:
    """Networks of one test, which all end with it."""

    def __init__(self, tasks: asyncio.TaskGroup, stack: contextlib.AsyncExitStack) -> None:
        self.client = make_client()
        self._tasks = tasks
        self._stack = stack

    async def start(
        self,
        number: int,
        *,
        genesis: bytes = GENESIS,
        timing: Timing = QUICK,
        prepare: Callable[[Network], None] | None = None,
        listen: tuple[Multiaddr, ...] = HERE,
        **settings: Any,
    ) -> Network:
        network = self.make(number, genesis=genesis, timing=timing, listen=listen, **settings)
        if prepare is not None:
            prepare(network)
        return await self._stack.enter_async_context(network.running())

    def make(
        self, number: int, *, genesis: bytes = GENESIS, clock: Clock | None = None, **settings: Any
    ) -> Network:
        return Network(
            NetworkSettings(**settings),
            make_key(number),
            genesis,
            self._tasks,
            status=lambda: make_status(number),
            clock=clock or SystemClock(),
        )

    async def visit(self, network: Network, number: int, *, introduce: bool = True) -> "Stranger":
        """Connect a stranger that has proved its key."""
        stranger = Stranger(await self.open(network), number)
        await stranger.shake_hands(network.peer)
        if introduce:
            await stranger.introduce()
            await wait_until(lambda: has_peer(network, stranger.peer))
        return stranger

    async def open(self, network: Network) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket and say nothing."""
        url = f"ws://127.0.0.1:{network.addresses[0].port}/"
        socket = await self.client.ws_connect(url, autoping=False, max_msg_size=0)
        self._stack.push_async_callback(socket.close)
        return socket


class Stranger:
    """A peer made by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, number: int) -> None:
        self.socket = socket
        self.keypair = make_key(number)
        self.peer = compute_peer_id(self.keypair.public)
        self.sealer = FrameSealer(bytes(32))
        self.opener = FrameOpener(bytes(32))

    async def shake_hands(self, peer: PeerId, genesis: bytes = GENESIS) -> Self:
        dialling = dial(Identity(self.keypair, genesis), b"\x07" * 32, parse_peer_id(peer))
        await self.socket.send_bytes(dialling.hello)
        third, session = dialling.finish(await self.socket.receive_bytes())
        await self.socket.send_bytes(third)
        self.sealer, self.opener = FrameSealer(session.sending), FrameOpener(session.receiving)
        return self

    async def introduce(self, port: int = 0) -> None:
        await self.send(Introduction("stranger", port, ()))
        await self.send(make_status())
        assert isinstance(await self.receive(), Introduction)
        assert isinstance(await self.receive(), Status)

    async def send(self, message: Message) -> None:
        for plaintext in split_message(get_kind(type(message)), encode_message(message)):
            await self.send_frame(plaintext)

    async def send_frame(self, plaintext: bytes) -> None:
        await self.socket.send_bytes(self.sealer.seal(plaintext))

    async def receive(self) -> Message:
        """Return the next message, which has one piece."""
        piece = parse_piece(self.opener.open(await self.socket.receive_bytes()))
        assert piece.is_last
        return decode_message(piece.kind, piece.data)

    async def is_cut(self) -> bool:
        """Wait until the other side has closed; what it says meanwhile does not matter."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    return True


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
        made = World(tasks, stack)
        stack.push_async_callback(made.client.close)
        yield made


def hurry(**deadlines: float) -> Timing:
    """Return quick timing with some deadlines shortened."""
    return replace(QUICK, **deadlines)
