"""Connections that others open, until they have proved who they are: how many, how long, how many bytes.

Wraps aiohttp's protocol for one connection, because aiohttp has no deadline for a request head and no limit
of connections. It must not know the handshake; whoever does says `establish` when it is done.
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import structlog
from aiohttp import web

from node.network.limits import TokenBucket
from node.network.subnets import LOOPBACK, Subnet, compute_subnet

PENDING_MAX: Final = 64
"""Connections without a proved key, all together."""
PENDING_PER_SUBNET_MAX: Final = 4
ARRIVALS_PER_MINUTE: Final = 1200
ARRIVALS_PER_SUBNET_PER_MINUTE: Final = 60
"""A handshake takes half a millisecond; loopback may have as many as it likes."""
SUBNETS_MAX: Final = 1024
"""Subnets whose arrivals are counted, the latest ones."""
OPENING_BYTES_MAX: Final = 64 * 1024
"""Bytes before the handshake is over: HTTP headers, two messages, and the first frames behind them."""

log = structlog.get_logger("p2p")


class Pending:
    """The connections of a listener that have not proved a key yet."""

    def __init__(self, opening_s: float, now: Callable[[], float]) -> None:
        self.opening_s = opening_s
        self._now = now
        self._arrivals = TokenBucket(ARRIVALS_PER_MINUTE, self._now_ms())
        self._arrivals_by_subnet: dict[Subnet, TokenBucket] = {}
        self.connections: dict[web.RequestHandler, Inbound] = {}

    def admit(self, connection: "Inbound") -> bool:
        """Give a new connection a place."""
        subnet = connection.subnet
        pending = [other.subnet for other in self.connections.values() if not other.is_established]
        if len(pending) >= PENDING_MAX:
            return False
        if subnet != LOOPBACK and (
            pending.count(subnet) >= PENDING_PER_SUBNET_MAX or not self._count_arrival(subnet)
        ):
            return False
        self.connections[connection.inner] = connection
        return True

    def _count_arrival(self, subnet: Subnet) -> bool:
        """Count one more connection from a subnet; False where there are too many."""
        now_ms = self._now_ms()
        bucket = self._arrivals_by_subnet.pop(subnet, None)
        if bucket is None:
            bucket = TokenBucket(ARRIVALS_PER_SUBNET_PER_MINUTE, now_ms)
            if len(self._arrivals_by_subnet) >= SUBNETS_MAX:
                del self._arrivals_by_subnet[next(iter(self._arrivals_by_subnet))]
        self._arrivals_by_subnet[subnet] = bucket
        return bucket.take(1, now_ms) and self._arrivals.take(1, now_ms)

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

    def release(self, connection: "Inbound") -> None:
        """Take a connection out."""
        self.connections.pop(connection.inner, None)

    def abort_all(self) -> None:
        """Drop every connection, established ones too."""
        for connection in tuple(self.connections.values()):
            connection.abort("the node is stopping")


class Inbound(asyncio.Protocol):
    """One connection: passes everything on to aiohttp's protocol."""

    def __init__(self, pending: Pending, inner: web.RequestHandler, call_later: "CallLater") -> None:
        self.inner = inner
        self.host = ""
        self.subnet: Subnet = ""
        self.is_established = False
        self._pending = pending
        self._call_later = call_later
        self._received = 0
        self._admitted = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection or drop it."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._transport = transport
        peername = transport.get_extra_info("peername")
        self.host = str(peername[0]) if isinstance(peername, tuple) and peername else ""
        self.subnet = compute_subnet(self.host)
        self._admitted = self._pending.admit(self)
        if not self._admitted:
            self.abort("too many connections without a proved key")
            return
        self._call_later(self._pending.opening_s, self._expire)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, as many as an opening needs until it is over."""
        if not self._admitted:
            return
        self._received += len(data)
        if not self.is_established and self._received > OPENING_BYTES_MAX:
            self.abort("too many bytes before the handshake was over")
            return
        self.inner.data_received(data)

    def eof_received(self) -> None:
        """Pass the end of the peer's data on."""
        if self._admitted:
            self.inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the peer does not keep up."""
        if self._admitted:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the peer has caught up."""
        if self._admitted:
            self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._pending.release(self)
        if self._admitted:
            self.inner.connection_lost(exc)

    def establish(self) -> None:
        """Say that the opening is over; from now on others watch the connection."""
        self.is_established = True

    def abort(self, reason: str) -> None:
        """Drop the connection at once, with what is unsent."""
        if self._transport is not None and not self._transport.is_closing():
            log.debug("peer_connection_dropped", host=self.host, reason=reason)
            self._transport.abort()

    def _expire(self) -> None:
        if not self.is_established:
            self.abort("did not prove its key in time")


CallLater = Callable[[float, Callable[[], None]], object]
