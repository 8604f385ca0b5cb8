"""Whom messages, requests and comings and goings are told; the boundary behind which a failure stays.

A handler that fails is logged and its neighbours go on. It must not know connections.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import structlog

from node.network.errors import Penalty, RemoteError
from node.network.identity import PeerId
from node.network.messages import (
    AnyMessage,
    Message,
    Refusal,
    RefusalCode,
    RequestBody,
    ResponseBody,
    Status,
)
from node.network.slots import Direction

RequestHandler = Callable[[PeerId, RequestBody], Awaitable[ResponseBody | Refusal]]

log = structlog.get_logger("p2p")


class PeerInfo(NamedTuple):
    """What is known of a connected peer; `host` is its IP address."""

    peer: PeerId
    direction: Direction
    host: str
    agent: str
    status: Status
    latency_ms: int | None
    score: int
    is_reserved: bool
    lost_messages: int
    """Messages that were not sent for lack of room: the peer reads too slowly."""


class Handlers:
    """The registered handlers of one network."""

    def __init__(self) -> None:
        self._messages: dict[type[object], list[Callable[[PeerId, Message], None]]] = {}
        self._requests: dict[type[RequestBody], RequestHandler] = {}
        self._connected: list[Callable[[PeerInfo], None]] = []
        self._disconnected: list[Callable[[PeerId], None]] = []

    def add_message(self, record: type[AnyMessage], handler: Callable[[PeerId, AnyMessage], None]) -> None:
        """Call the handler with every message of this type."""
        narrow: Any = handler  # it is only ever called with messages of its type
        self._messages.setdefault(record, []).append(narrow)

    def add_request(self, record: type[RequestBody], handler: RequestHandler) -> None:
        """Let the handler answer all requests of this type; there is one."""
        assert record not in self._requests
        self._requests[record] = handler

    def add_connected(self, handler: Callable[[PeerInfo], None]) -> None:
        """Call the handler with every peer that is connected from now on."""
        self._connected.append(handler)

    def add_disconnected(self, handler: Callable[[PeerId], None]) -> None:
        """Call the handler with every peer that is gone."""
        self._disconnected.append(handler)

    def handle_message(self, peer: PeerId, message: Message) -> Penalty | None:
        """Call the handlers; return what the peer has to bear for the message, None as a rule."""
        for handler in self._messages.get(type(message), ()):
            try:
                handler(peer, message)
            except RemoteError as error:
                log.debug("peer_message_refused", peer=peer, reason=error.reason)
                return error.penalty
            except Exception:
                log.exception("message_handler_failed", peer=peer, message_type=type(message).__name__)
        return None

    async def handle_request(
        self, peer: PeerId, body: RequestBody
    ) -> tuple[ResponseBody | Refusal, Penalty | None]:
        """Return the response, and what the peer has to bear for the request."""
        handler = self._requests.get(type(body))
        if handler is None:
            return Refusal(RefusalCode.UNSUPPORTED), None
        try:
            return await handler(peer, body), None
        except RemoteError as error:
            log.debug("peer_request_refused", peer=peer, reason=error.reason)
            return Refusal(RefusalCode.FAILED), error.penalty
        except Exception:
            log.exception("request_handler_failed", peer=peer, request_type=type(body).__name__)
            return Refusal(RefusalCode.FAILED), None

    def tell_connected(self, info: PeerInfo) -> None:
        """Tell that a peer is there."""
        for handler in self._connected:
            try:
                handler(info)
            except Exception:
                log.exception("peer_handler_failed", peer=info.peer)

    def tell_disconnected(self, peer: PeerId) -> None:
        """Tell that a peer is gone."""
        for handler in self._disconnected:
            try:
                handler(peer)
            except Exception:
                log.exception("peer_handler_failed", peer=peer)
