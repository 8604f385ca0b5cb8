"""Connections of the RPC port: how many, from where, how long and how much memory each may take.

Wraps aiohttp's protocol for one connection, because aiohttp has no deadline for a request head or body and no
limit of connections. A sweep every second checks all deadlines. Knows nothing of JSON-RPC.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, cast

import structlog
from aiohttp import web

from node.rpc.access import is_loopback

# A connection with more than this unsent does not keep up; below it, bursts of notices pass.
WRITE_BUFFER_BYTES: Final = 1024 * 1024
# What all connections together may have received of unfinished requests, and not yet read of their answers.
MAX_UNFINISHED_BYTES: Final = 128 * 1024 * 1024
MAX_UNSENT_BYTES: Final = 256 * 1024 * 1024
# A connection with less than this is never the one to suffer for the sum.
SMALL_BYTES: Final = 64 * 1024
# A kept-alive connection may have to give its place to a new one when it has asked nothing for this long.
DISPENSABLE_IDLE_S: Final = 5

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
    """Seconds a connection may spend on each thing; checked every `sweep_s`."""

    head_s: float = 10
    body_s: float = 30
    idle_s: float = 60
    ping_s: float = 30
    silence_s: float = 60
    stalled_write_s: float = 60
    sweep_s: float = 1


class Session(Protocol):
    """What is needed of a WebSocket session from outside."""

    def ping(self) -> None:
        """Send a ping soon."""
        ...

    async def close(self) -> None:
        """Tell the client that the server goes away."""
        ...


class Connection(asyncio.Protocol):
    """One TCP connection: passes everything on to aiohttp's protocol and remembers when it last moved.

    `checked` is the Host and Origin found acceptable, which clients repeat with every request.
    """

    def __init__(self, table: "ConnectionTable", inner: web.RequestHandler) -> None:
        self.inner = inner
        self.address = ""
        self.is_loopback = False
        self.checked: tuple[str | None, str | None] | None = None
        self.phase = Phase.HEAD
        self.since_s = table.now()
        self.heard_s = self.since_s
        self.pinged_s = self.since_s
        self.calls = 0
        self.unfinished = 0
        self.session: Session | None = None
        self.writing_paused = False
        self._unsent = 0
        self._drained_s = self.since_s
        self._table = table
        self._transport: asyncio.Transport | None = None
        self._admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection or turn it away with 429."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._transport = transport
        self.address = _host(transport.get_extra_info("peername"))
        self.is_loopback = is_loopback(_host(transport.get_extra_info("sockname")))
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._admitted = self._table.admit(self)
        if self._admitted:
            self.inner.connection_made(transport)
        else:
            transport.write(BUSY_RESPONSE)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; the first bytes after an idle time start the clock of a request head."""
        if not self._admitted:
            return
        self.heard_s = self._table.now()
        if self.phase is Phase.IDLE:
            self.enter(Phase.HEAD)
        self.unfinished += len(data)
        self._table.unfinished += len(data)
        if self._table.unfinished > MAX_UNFINISHED_BYTES and self.unfinished > SMALL_BYTES:
            self.abort("too many unfinished requests are held in memory")
            return
        self.inner.data_received(data)

    def eof_received(self) -> None:
        """Pass the end of the client's data on."""
        if self._admitted:
            self.inner.eof_received()

    def pause_writing(self) -> None:
        """Note that the client does not keep up."""
        self.writing_paused = True
        if self._admitted:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        self.writing_paused = False
        if self._admitted:
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

    def finish_request(self) -> None:
        """Note that a request has been received whole."""
        self.calls += 1
        self._table.unfinished -= self.unfinished
        self.unfinished = 0

    def abort(self, reason: str) -> None:
        """Drop the connection at once, with what is unsent."""
        if self._transport is None or self._transport.is_closing():
            return
        log.debug("rpc_connection_dropped", peer=self.address, reason=reason)
        if self.phase in (Phase.HEAD, Phase.BODY) and self.unfinished:
            self._transport.write(TIMEOUT_RESPONSE)
        self._transport.abort()

    def cut(self) -> None:
        """Close at once without a word, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def can_send(self, size: int) -> bool:
        """Return whether the server has memory for an answer of that size."""
        return self._table.can_send(size)

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
        spent_s = now_s - self.since_s
        match self.phase:
            case Phase.HEAD:
                return "sent no request in time" if spent_s > deadlines.head_s else None
            case Phase.BODY:
                return "sent its request too slowly" if spent_s > deadlines.body_s else None
            case Phase.IDLE:
                return "was idle" if spent_s > deadlines.idle_s and unsent == 0 else None
            case Phase.SESSION:
                return "was silent" if now_s - self.heard_s > deadlines.silence_s else None
            case Phase.CALL:
                return None


class ConnectionTable:
    """All open connections of a server, with their limits."""

    def __init__(
        self,
        *,
        limit: int,
        limit_per_address: int | None,
        deadlines: Deadlines,
        now: Callable[[], float],
    ) -> None:
        self.now = now
        self.unfinished = 0
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._deadlines = deadlines
        self._connections: dict[web.RequestHandler, Connection] = {}
        self._refused = 0

    def admit(self, connection: Connection) -> bool:
        """Give a new connection a place, if need be that of one which has asked nothing yet."""
        if self._is_allowed(connection.address) and self._has_room():
            self._connections[connection.inner] = connection
            return True
        self._refused += 1
        return False

    def release(self, connection: Connection) -> None:
        """Take a connection out."""
        if self._connections.pop(connection.inner, None) is not None:
            self.unfinished -= connection.unfinished

    def find(self, inner: web.RequestHandler) -> Connection | None:
        """Return the connection of an aiohttp protocol, None when it has just been dropped."""
        return self._connections.get(inner)

    def can_send(self, size: int) -> bool:
        """Return whether an answer of that size may be added to what clients have not read yet."""
        return size <= SMALL_BYTES or size + sum(connection.unsent for connection in self) <= MAX_UNSENT_BYTES

    def sweep(self) -> None:
        """Drop what is overdue, ping WebSockets, say how many were turned away."""
        now_s = self.now()
        for connection in tuple(self):
            reason = connection.overdue(now_s, self._deadlines)
            if reason is not None:
                connection.abort(reason)
            elif connection.session is not None and now_s - connection.pinged_s >= self._deadlines.ping_s:
                connection.pinged_s = now_s
                connection.session.ping()
        if self._refused:
            log.warning("rpc_connections_refused", count=self._refused, limit=self._limit)
            self._refused = 0

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections.values())

    def __len__(self) -> int:
        return len(self._connections)

    def _is_allowed(self, address: str) -> bool:
        limit = self._limit_per_address
        return limit is None or sum(other.address == address for other in self) < limit

    def _has_room(self) -> bool:
        if len(self._connections) < self._limit:
            return True
        victim = self._dispensable()
        if victim is None:
            return False
        self.release(victim)
        victim.abort("made room for another connection")
        return True

    def _dispensable(self) -> Connection | None:
        """Return the oldest connection still waiting for its first request, else the one idle too long."""
        for connection in self:
            if connection.calls == 0 and connection.phase in (Phase.HEAD, Phase.BODY):
                return connection
        since_s = self.now() - DISPENSABLE_IDLE_S
        idle = [other for other in self if other.phase is Phase.IDLE and other.since_s < since_s]
        return min(idle, key=lambda connection: connection.since_s, default=None)


def _host(address: object) -> str:
    return str(address[0]) if isinstance(address, tuple) and address else ""
