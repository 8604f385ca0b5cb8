"""Sealed frames over one WebSocket, and the first two messages of each side; knows no queues and no rates."""

import asyncio
from typing import Final, NamedTuple, TypeAlias

import aiohttp
from aiohttp import WSMsgType, web

from node.clock import Clock
from node.network.errors import Penalty, RemoteError
from node.network.frames import FrameOpener, FrameSealer
from node.network.handshake import Session
from node.network.messages import (
    Goodbye,
    Introduction,
    Message,
    Status,
    decode_message,
    encode_message,
    get_kind,
)
from node.network.reassembly import parse_piece, split_message

Socket: TypeAlias = web.WebSocketResponse | aiohttp.ClientWebSocketResponse

CLOSE_S: Final = 1.0


class ConnectionOverError(Exception):
    """The socket is closed, by whichever side."""


class DismissedError(Exception):
    """The peer said goodbye instead of introducing itself."""

    def __init__(self, goodbye: Goodbye) -> None:
        super().__init__(f"the peer said goodbye (reason {goodbye.reason})")
        self.goodbye = goodbye


class Wire(NamedTuple):
    """A socket with what aiohttp hides behind it; `host` is the address of the other end."""

    socket: Socket
    transport: asyncio.Transport | None
    host: str

    async def receive(self) -> bytes:
        """Return the next binary message; raises ConnectionOverError at anything else."""
        message = await self.socket.receive()
        if message.type is not WSMsgType.BINARY:
            raise ConnectionOverError(f"the socket gave {message.type.name}")
        data: bytes = message.data
        return data

    async def send(self, data: bytes) -> None:
        """Send a binary message, waiting while the peer does not read; raises ConnectionOverError."""
        try:
            await self.socket.send_bytes(data)
        except (OSError, RuntimeError) as error:  # RuntimeError: the socket was closed before
            raise ConnectionOverError(str(error)) from error

    async def close(self) -> None:
        """Send what is unsent, say goodbye to the socket and close; at once where that takes too long."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.socket.close()
        except (OSError, RuntimeError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once, with what is unsent."""
        if self.transport is not None:
            self.transport.abort()


class Channel:
    """The two sealed directions of a wire, with what the watch over them needs to know."""

    def __init__(self, wire: Wire, session: Session, clock: Clock) -> None:
        self.wire = wire
        self.opened_ms = int(clock.monotonic() * 1000)
        self.heard_ms = self.opened_ms
        self.sending_since_ms: int | None = None
        """Since when a frame waits for the peer to read; None where none does."""
        self.received_bytes = 0
        self.sent_bytes = 0
        self._clock = clock
        self._sealer = FrameSealer(session.sending)
        self._opener = FrameOpener(session.receiving)

    def now_ms(self) -> int:
        """Return monotonic milliseconds."""
        return int(self._clock.monotonic() * 1000)

    async def receive_frame(self) -> bytes:
        """Return the plaintext of the next frame; raises ConnectionOverError or FrameError."""
        frame = await self.wire.receive()
        self.received_bytes += len(frame)
        self.heard_ms = self.now_ms()
        return self._opener.open(frame)

    async def send_frame(self, plaintext: bytes) -> None:
        """Seal and send a frame; raises ConnectionOverError or FrameError."""
        frame = self._sealer.seal(plaintext)
        self.sent_bytes += len(frame)
        self.sending_since_ms = self.now_ms()
        await self.wire.send(frame)
        self.sending_since_ms = None

    async def send_message(self, message: Message) -> None:
        """Send a message past all queues; only before the connection has any."""
        for frame in split_message(get_kind(type(message)), encode_message(message)):
            await self.send_frame(frame)

    async def introduce(self, introduction: Introduction, status: Status) -> tuple[Introduction, Status]:
        """Exchange the first two messages and return the peer's; the caller sets the deadline.

        Raises DismissedError, RemoteError, FrameError or ConnectionOverError.
        """
        await self.send_message(introduction)
        await self.send_message(status)
        first = await self._receive_message()
        if not isinstance(first, Introduction):
            raise RemoteError("did not introduce itself first", Penalty.BAD_MESSAGE)
        second = await self._receive_message()
        if not isinstance(second, Status):
            raise RemoteError("did not tell its status second", Penalty.BAD_MESSAGE)
        return first, second

    async def _receive_message(self) -> Message:
        piece = parse_piece(await self.receive_frame())
        if not piece.is_last:
            raise RemoteError("sent a long message in the opening", Penalty.BAD_MESSAGE)
        message = decode_message(piece.kind, piece.data)
        if isinstance(message, Goodbye):
            raise DismissedError(message)
        return message
