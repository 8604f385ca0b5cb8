"""The listening side: sockets, WebSockets, our part of the handshake. Knows no slots and no scores."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from aiohttp import web

from node.network.channel import CLOSE_S, ConnectionOverError, Wire
from node.network.dialling import SECRET_LENGTH, SOCKET_MESSAGE_MAX
from node.network.handshake import HandshakeError, Identity, Session, answer
from node.network.listener import Inbound, Pending
from node.network.multiaddr import Multiaddr

BACKLOG: Final = 128
HEADER_BYTES: Final = 8192
SHUTDOWN_S: Final = 2.0

OnSession = Callable[[Wire, Session, Inbound], Awaitable[None]]
OnRefused = Callable[[HandshakeError], None]

log = structlog.get_logger("p2p")


class Server:
    """Answers whoever connects and hands on those who prove a key, each in a task of aiohttp's own."""

    def __init__(
        self,
        identity: Identity,
        on_session: OnSession,
        on_refused: OnRefused,
        *,
        opening_s: float,
        now: Callable[[], float],
    ) -> None:
        self._identity = identity
        self._on_session = on_session
        self._on_refused = on_refused
        self._pending = Pending(opening_s, now)
        self._listeners: list[asyncio.Server] = []
        self._http = web.Server(
            self._handle,
            access_log=None,
            logger=_silent_logger(),
            auto_decompress=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )

    async def listen(self, addresses: Sequence[Multiaddr]) -> tuple[Multiaddr, ...]:
        """Bind the addresses and return them with the ports really bound; raises OSError."""
        bound: list[Multiaddr] = []
        loop = asyncio.get_running_loop()
        for address in addresses:
            listener = await loop.create_server(
                lambda: Inbound(self._pending, self._http(), loop.call_later),
                address.host,
                address.port,
                backlog=BACKLOG,
            )
            self._listeners.append(listener)
            bound.append(address._replace(port=listener.sockets[0].getsockname()[1]))
        return tuple(bound)

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._pending.abort_all()
        self._http.pre_shutdown()
        await self._http.shutdown(SHUTDOWN_S)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        inbound = self._pending.connections.get(request.protocol)
        if inbound is None:
            raise ConnectionResetError("dropped before its request was handled")
        socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=SOCKET_MESSAGE_MAX, timeout=CLOSE_S
        )
        try:
            await socket.prepare(request)
        except web.HTTPException:
            refusal = web.Response(status=426, text="this port speaks to nodes, by WebSocket\n")
            refusal.force_close()
            return refusal
        wire = Wire(socket, request.transport, inbound.host)
        try:
            session = await self._shake_hands(wire)
            await self._on_session(wire, session, inbound)
        except HandshakeError as error:
            log.debug("peer_handshake_failed", host=inbound.host, reason=str(error))
            self._on_refused(error)
        except ConnectionOverError as error:
            log.debug("peer_handshake_failed", host=inbound.host, reason=str(error))
        finally:
            await wire.close()
        return socket

    async def _shake_hands(self, wire: Wire) -> Session:
        answering = answer(self._identity, secrets.token_bytes(SECRET_LENGTH), await wire.receive())
        await wire.send(answering.answer)
        return answering.finish(await wire.receive())


def _silent_logger() -> logging.Logger:
    """Return a logger that drops what aiohttp says of malformed requests."""
    logger = logging.getLogger("node.network.http")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
