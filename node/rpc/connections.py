"""Connections of the RPC port: how many, from where, and how long each may take for what it is doing.

Wraps aiohttp's protocol for one connection, because aiohttp has no deadline for a request head or body and no
limit of connections. One sweep a second checks all deadlines. Knows nothing of JSON-RPC.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

import structlog
from aiohttp import web

# Write buffer at which a connection counts as not keeping up.
WRITE_BUFFER_BYTES: Final = 1024 * 1024
SWEEP_S: Final = 1.0

_BUSY_BODY: Final = (
    b'{"jsonrpc":"2.0","error":{"code":-32009,"message":"Server is busy, try again later",'
    b'"data":"the limit of connections is reached (--rpc-max-connections)"},"id":null}'
)
BUSY_RESPONSE: Final = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b"
) % (len(_BUSY_BODY), _BUSY_BODY)
TIMEOUT_RESPONSE: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

log = structlog.get_logger("rpc")


class Phase(Enum):
    """What a connection is doing; each phase but CALL has a deadline."""

    HEAD = "waiting for a request head"
    BODY = "reading a request body"
    CALL = "answering"
    IDLE = "kept alive"
    SESSION = "WebSocket"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds a connection may spend on each thing."""

    head_s: float = 10
    body_s: float = 30
    idle_s: float = 60
    ping_s: float = 30
    silence_s: float = 60
    stalled_write_s: float = 60


class Session(Protocol):
    """What the sweep needs of a WebSocket session."""

    def ping(self) -> None:
        """Send a ping soon."""
        ...


class Connection(asyncio.Protocol):
    """One TCP connection: passes everything on to aiohttp's protocol and remembers when it last moved."""

    def __init__(self, table: "ConnectionTable", inner: web.RequestHandler) -> None:
        self.inner = inner
        self.address = ""
        self.local_address = ""
        self.phase = Phase.HEAD
        self.since_s = table.now()
        self.heard_s = self.since_s
        self.pinged_s = self.since_s
        self.calls = 0
        self.session: Session | None = None
        self.writing_paused = False
        self._unsent = 0
        self._drained_s = self.since_s
        self._table = table
        self._transport: asyncio.Transport | None = None
        self._admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection or turn it away with 429."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.address = _first(transport.get_extra_info("peername"))
        self.local_address = _first(transport.get_extra_info("sockname"))
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._admitted = self._table.admit(self)
        if self._admitted:
            self.inner.connection_made(transport)
        else:
            transport.write(BUSY_RESPONSE)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; the first bytes after an idle time start the clock of a request head."""
        self.heard_s = self._table.now()
        if self.phase is Phase.IDLE:
            self.enter(Phase.HEAD)
        if self._admitted:
            self.inner.data_received(data)

    def eof_received(self) -> None:
        """Pass the end of the client's data on."""
        if self._admitted:
            self.inner.eof_received()

    def pause_writing(self) -> None:
        """Note that the client does not keep up."""
        self.writing_paused = True
        self._drained_s = self._table.now()
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        self.writing_paused = False
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._table.release(self)
        if self._admitted:
            self.inner.connection_lost(exc)

    def enter(self, phase: Phase) -> None:
        """Start a phase and its clock."""
        self.phase = phase
        self.since_s = self._table.now()

    def abort(self, reason: str) -> None:
        """Drop the connection at once, what is unsent included."""
        if self._transport is not None and not self._transport.is_closing():
            log.info("rpc_connection_dropped", peer=self.address, reason=reason)
            if self.phase in (Phase.HEAD, Phase.BODY) and self.heard_s > self.since_s:
                self._transport.write(TIMEOUT_RESPONSE)
            self._transport.abort()

    @property
    def unsent(self) -> int:
        """Bytes waiting for the client to read them."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def overdue(self, now_s: float, deadlines: Deadlines) -> str | None:
        """Return why the connection should be dropped, None while it is within its deadlines."""
        unsent = self.unsent
        if unsent == 0 or unsent < self._unsent:
            self._drained_s = now_s
        self._unsent = unsent
        if now_s - self._drained_s > deadlines.stalled_write_s:
            return "does not read its answers"
        spent = now_s - self.since_s
        match self.phase:
            case Phase.HEAD:
                return "sent no request in time" if spent > deadlines.head_s else None
            case Phase.BODY:
                return "sent its request too slowly" if spent > deadlines.body_s else None
            case Phase.IDLE:
                return "was idle" if spent > deadlines.idle_s and unsent == 0 else None
            case Phase.SESSION:
                return "was silent" if now_s - self.heard_s > deadlines.silence_s else None
            case Phase.CALL:
                return None


class ConnectionTable:
    """All open connections of a server, with their limits."""

    def __init__(
        self, *, limit: int, limit_per_address: int | None, deadlines: Deadlines, now: Callable[[], float]
    ) -> None:
        self.now = now
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._deadlines = deadlines
        self._connections: dict[web.RequestHandler, Connection] = {}
        self._refused = 0

    def admit(self, connection: Connection) -> bool:
        """Give a new connection a place, if need be that of one which has asked nothing yet."""
        if self._limit_per_address is not None:
            same = sum(other.address == connection.address for other in self._connections.values())
            if same >= self._limit_per_address:
                self._refused += 1
                return False
        if len(self._connections) >= self._limit:
            victim = self._dispensable()
            if victim is None:
                self._refused += 1
                return False
            self.release(victim)
            victim.abort("made room for another connection")
        self._connections[connection.inner] = connection
        return True

    def release(self, connection: Connection) -> None:
        """Take a connection out."""
        self._connections.pop(connection.inner, None)

    def find(self, inner: web.RequestHandler) -> Connection | None:
        """Return the connection of an aiohttp protocol, None when it has just been dropped."""
        return self._connections.get(inner)

    def sweep(self) -> None:
        """Drop what is overdue, ping quiet WebSockets, say how many were turned away."""
        now_s = self.now()
        for connection in tuple(self._connections.values()):
            reason = connection.overdue(now_s, self._deadlines)
            if reason is not None:
                connection.abort(reason)
            elif connection.session is not None and now_s - connection.pinged_s >= self._deadlines.ping_s:
                connection.pinged_s = now_s
                connection.session.ping()
        if self._refused:
            log.warning("rpc_connections_refused", count=self._refused, limit=self._limit)
            self._refused = 0

    def __len__(self) -> int:
        return len(self._connections)

    def _dispensable(self) -> Connection | None:
        """Return the oldest connection still waiting for its first request, else the one idle longest."""
        for connection in self._connections.values():
            if connection.calls == 0 and connection.phase in (Phase.HEAD, Phase.BODY):
                return connection
        idle = [connection for connection in self._connections.values() if connection.phase is Phase.IDLE]
        return min(idle, key=lambda connection: connection.since_s, default=None)


def _first(address: object) -> str:
    return str(address[0]) if isinstance(address, tuple) and address else ""
