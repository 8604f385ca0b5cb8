"""The network of one chain: who is connected, what they say, what they are asked; first file for users of it.

The host makes a `Network`, registers handlers and enters `running`; everything that waits runs in the host's
task group and ends with that context. It must not know what headers, transactions, votes and proofs are, nor
which chain it serves beyond the genesis hash. There may be many in a process.

Handlers of messages are plain functions, called in the order in which one peer sent; they must be quick or
hand work on. Handlers of requests are coroutines. Either may raise `RemoteError` where the peer is to blame.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar, overload

import aiohttp
import structlog

from node.clock import Clock
from node.network.book import Book
from node.network.channel import Channel, ConnectionOverError, DismissedError, Wire
from node.network.connection import Connection
from node.network.dialling import DialError, dial_peer, make_client
from node.network.errors import PeerGoneError, Penalty, RemoteError, RequestError, RequestTimeoutError
from node.network.frames import FrameError
from node.network.handlers import Handlers, PeerInfo
from node.network.handshake import (
    HandshakeError,
    Identity,
    OwnKeyError,
    Session,
    WrongGenesisError,
    WrongPeerError,
)
from node.network.identity import PeerId, compute_peer_id
from node.network.listener import Inbound
from node.network.messages import (
    ADDRESSES_MAX,
    AGENT_MAX,
    PEERS_MAX,
    AnyMessage,
    BlockRequest,
    BlockResponse,
    BlocksRequest,
    BlocksResponse,
    Goodbye,
    GoodbyeReason,
    Introduction,
    Kind,
    Message,
    PeersRequest,
    PeersResponse,
    Refusal,
    RefusalCode,
    Request,
    RequestBody,
    Response,
    ResponseBody,
    StateRequest,
    StateResponse,
    Status,
    WarpRequest,
    WarpResponse,
    encode_if_short,
    encode_message,
    get_kind,
)
from node.network.multiaddr import Multiaddr
from node.network.planning import Planner
from node.network.server import Server
from node.network.settings import NetworkSettings
from node.network.slots import Admission, Direction, Link, Slots
from node.network.subnets import LOOPBACK, compute_subnet, make_address
from node.tasks import OwnTasks
from runtime.primitives.crypto import Keypair

SERVED_MAX: Final = 4
"""Requests of one peer that are answered at once; more are refused as busy."""
DISCOVERY_TIMEOUT_S: Final = 10.0
LATE_MS: Final = 5000
"""How late a look at the deadlines may come; later, the node itself was asleep and blames nobody."""

AnyRequest = TypeVar("AnyRequest", BlocksRequest, BlockRequest, StateRequest, WarpRequest)

log = structlog.get_logger("p2p")


class Network:
    """One node in one chain's network."""

    def __init__(
        self,
        settings: NetworkSettings,
        keypair: Keypair,
        genesis: bytes,
        tasks: asyncio.TaskGroup,
        *,
        status: Callable[[], Status],
        clock: Clock,
    ) -> None:
        self.peer = compute_peer_id(keypair.public)
        self.addresses: tuple[Multiaddr, ...] = ()
        """Where the node listens, with its peer id; empty before `running`."""
        self._settings = settings
        self._identity = Identity(keypair, genesis)
        self._status = status
        self._clock = clock
        self._tasks = OwnTasks(tasks)
        self._handlers = Handlers()
        self._book = Book(self.peer, settings, clock)
        self._slots = Slots(self.peer, settings.slots)
        self._planner = Planner(self.peer, settings, self._book, self._slots)
        self._server = Server(
            self._identity,
            self._on_dialled,
            self._on_refused_handshake,
            opening_s=settings.timing.opening_s,
            now=clock.monotonic,
        )
        self._connections: dict[PeerId, Connection] = {}
        self._received_bytes = 0
        self._sent_bytes = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Network"]:
        """Listen, dial and keep connections while the context is open; OSError when no port can be bound."""
        bound = await self._server.listen(self._settings.listen)
        self.addresses = tuple(address._replace(peer=self.peer) for address in bound)
        log.info("network_listening", peer=self.peer, addresses=[str(address) for address in self.addresses])
        client = make_client()
        for loop in (self._dial(client), self._sweep(), self._discover(), self._book.keep()):
            self._tasks.start(loop)
        try:
            yield self
        finally:
            for connection in tuple(self._connections.values()):
                connection.end("the node is stopping")
            await self._server.close()
            await self._tasks.end()
            await client.close()
            self._book.save()

    def on_message(self, record: type[AnyMessage], handler: Callable[[PeerId, AnyMessage], None]) -> None:
        """Call the handler with every message of this type; not for what this layer keeps to itself."""
        self._handlers.add_message(record, handler)

    def on_connected(self, handler: Callable[[PeerInfo], None]) -> None:
        """Call the handler with every peer that comes; its status is known then."""
        self._handlers.add_connected(handler)

    def on_disconnected(self, handler: Callable[[PeerId], None]) -> None:
        """Call the handler with every peer that goes; one whose connection is replaced goes and comes."""
        self._handlers.add_disconnected(handler)

    def on_request(
        self,
        record: type[AnyRequest],
        handler: Callable[[PeerId, AnyRequest], Awaitable[ResponseBody | Refusal]],
    ) -> None:
        """Let the handler answer all requests of this type; without one they are refused as unsupported."""

        async def answer(peer: PeerId, body: RequestBody) -> ResponseBody | Refusal:
            assert isinstance(body, record)
            return await handler(peer, body)

        self._handlers.add_request(record, answer)

    def send(self, peer: PeerId, message: Message) -> bool:
        """Queue a message; False where the peer is not connected or messages were lost for lack of room."""
        connection = self._connections.get(peer)
        return connection is not None and connection.send(message)

    def broadcast(self, message: Message, except_peer: PeerId | None = None) -> int:
        """Queue a message to all peers but one, encoding it once; return how many took it."""
        kind, data = get_kind(type(message)), encode_message(message)
        return sum(
            connection.send_encoded(kind, data)
            for peer, connection in self._connections.items()
            if peer != except_peer
        )

    @overload
    async def request(self, peer: PeerId, body: BlocksRequest, timeout_s: float) -> BlocksResponse: ...
    @overload
    async def request(self, peer: PeerId, body: BlockRequest, timeout_s: float) -> BlockResponse: ...
    @overload
    async def request(self, peer: PeerId, body: StateRequest, timeout_s: float) -> StateResponse: ...
    @overload
    async def request(self, peer: PeerId, body: PeersRequest, timeout_s: float) -> PeersResponse: ...
    @overload
    async def request(self, peer: PeerId, body: WarpRequest, timeout_s: float) -> WarpResponse: ...
    async def request(self, peer: PeerId, body: RequestBody, timeout_s: float) -> ResponseBody:
        """Ask a peer and return its response, which has the form but may be a lie; raises RequestError."""
        connection = self._connections.get(peer)
        if connection is None:
            raise PeerGoneError("the peer is not connected")
        try:
            return await connection.request(body, timeout_s)
        except RequestTimeoutError:
            self.report(peer, Penalty.TIMEOUT)
            raise

    def report(self, peer: PeerId, penalty: Penalty) -> None:
        """Change a peer's score; one that falls below the threshold loses its connection."""
        if self._book.report(peer, penalty):
            self.disconnect(peer, "is banned")

    def disconnect(self, peer: PeerId, reason: str) -> None:
        """End the connection to a peer, if there is one."""
        connection = self._connections.get(peer)
        if connection is not None:
            self._leave(connection, reason)

    def peers(self) -> list[PeerInfo]:
        """Return the connected peers, the longest connected first."""
        return [self._describe(connection) for connection in self._connections.values()]

    def add_reserved(self, address: Multiaddr) -> None:
        """Keep a connection to the peer at an address that names it, and forgive what it did."""
        self._planner.add_reserved(address)

    def remove_reserved(self, peer: PeerId) -> None:
        """Treat a peer as any other; with `reserved_only` it is disconnected."""
        self._planner.remove_reserved(peer)
        if self._settings.slots.reserved_only:
            self.disconnect(peer, "is no longer reserved")

    def reserved(self) -> tuple[PeerId, ...]:
        """Return the reserved nodes, connected or not."""
        return self._planner.reserved

    def count_traffic(self) -> tuple[int, int]:
        """Return the bytes received and sent in frames since the start."""
        channels = [connection.channel for connection in self._connections.values()]
        return (
            self._received_bytes + sum(channel.received_bytes for channel in channels),
            self._sent_bytes + sum(channel.sent_bytes for channel in channels),
        )

    async def _dial(self, client: aiohttp.ClientSession) -> None:
        """Dial whom the planner names, for ever."""
        while True:
            for address in self._planner.choose(self._connections.keys(), self._now_ms()):
                assert address.peer is not None
                self._planner.dialling.add(address.peer)
                self._tasks.start(self._dial_one(client, address, address.peer))
            await asyncio.sleep(self._settings.timing.dial_s)

    async def _dial_one(self, client: aiohttp.ClientSession, address: Multiaddr, peer: PeerId) -> None:
        """Dial a peer and keep the connection until it ends."""
        began_ms = self._now_ms()
        try:
            async with asyncio.timeout(self._settings.timing.opening_s):
                wire, session = await dial_peer(client, self._identity, address)
        except (DialError, HandshakeError, ConnectionOverError, TimeoutError) as error:
            log.debug("peer_dial_failed", address=str(address), reason=str(error) or "no answer in time")
            self._on_refused_handshake(error)
            self._book.on_failed(address, is_wrong=isinstance(error, WrongPeerError | OwnKeyError))
        except Exception:
            log.exception("peer_dial_crashed", address=str(address))
        else:
            self._book.on_reached(address)
            link = Link(peer, Direction.OUTBOUND, compute_subnet(wire.host))
            await self._keep(wire, session, link, lambda: None)
        finally:
            now_ms = self._now_ms()
            steady_ms = self._settings.timing.steady_s * 1000
            self._planner.on_ended(peer, now_ms, is_steady=now_ms - began_ms >= steady_ms)

    async def _on_dialled(self, wire: Wire, session: Session, inbound: Inbound) -> None:
        """Keep a connection that somebody opened and proved a key on."""
        link = Link(compute_peer_id(session.public), Direction.INBOUND, inbound.subnet)
        await self._keep(wire, session, link, inbound.establish)

    def _on_refused_handshake(self, error: Exception) -> None:
        """Ban who proved to be of another chain; nobody else has proved anything."""
        if isinstance(error, WrongGenesisError):
            self.report(compute_peer_id(error.public), Penalty.WRONG_GENESIS)

    async def _keep(self, wire: Wire, session: Session, link: Link, establish: Callable[[], None]) -> None:
        """Open a connection and serve it until it ends; the boundary where a peer's failure stays."""
        try:
            async with asyncio.timeout(self._settings.timing.opening_s):
                connection = await self._open(Channel(wire, session, self._clock), link)
            if connection is not None:
                establish()
                await self._serve(connection)
        except (TimeoutError, ConnectionOverError, FrameError) as error:
            log.debug("peer_lost", peer=link.peer, reason=str(error) or "no introduction in time")
        except DismissedError as error:
            log.debug("peer_dismissed_us", peer=link.peer, reason=error.goodbye.reason)
            self._book.hear(error.goodbye.addresses, link.subnet)
        except RemoteError as error:
            log.debug("peer_broke_protocol", peer=link.peer, reason=error.reason)
            if error.penalty is not None:
                self.report(link.peer, error.penalty)
        except Exception:
            log.exception("peer_failed", peer=link.peer)
        finally:
            await wire.close()

    async def _open(self, channel: Channel, link: Link) -> Connection | None:
        """Exchange introductions and take the peer in; None where it is dismissed."""
        verdict = self._judge(link)
        if not isinstance(verdict, GoodbyeReason):
            introduction, status = await channel.introduce(self._introduce(), self._status())
            verdict = self._judge(link)  # others may have come meanwhile
            if not isinstance(verdict, GoodbyeReason):
                connection = Connection(channel, link, introduction, status, self._settings)
                self._enter(connection)
                return connection
        log.debug("peer_dismissed", peer=link.peer, reason=verdict.name)
        await channel.send_message(Goodbye(verdict, self._list_addresses(link)))
        return None

    def _judge(self, link: Link) -> Admission | GoodbyeReason:
        return GoodbyeReason.BANNED if self._book.is_banned(link.peer) else self._slots.judge(link)

    def _introduce(self) -> Introduction:
        port = self.addresses[0].port if self.addresses else 0
        public = self._settings.public_addresses[:ADDRESSES_MAX]
        named = tuple(str(address._replace(peer=self.peer)) for address in public)
        return Introduction(self._settings.agent[:AGENT_MAX], port, named)

    def _enter(self, connection: Connection) -> None:
        """Take a connection in, in place of the peer's present one."""
        link = connection.link
        present = self._connections.get(link.peer)
        if present is not None:
            self._leave(present, "was replaced by another connection")
        self._connections[link.peer] = connection
        self._slots.add(link)
        self._book.hear(self._list_own_addresses(connection), link.subnet)
        log.debug("peer_connected", peer=link.peer, direction=link.direction.value)
        self._handlers.tell_connected(self._describe(connection))

    def _leave(self, connection: Connection, reason: str) -> None:
        """Take a connection out and end it; doing so twice is allowed."""
        connection.end(reason)
        if self._connections.get(connection.peer) is not connection:
            return
        del self._connections[connection.peer]
        self._slots.remove(connection.peer)
        self._received_bytes += connection.channel.received_bytes
        self._sent_bytes += connection.channel.sent_bytes
        self._handlers.tell_disconnected(connection.peer)

    async def _serve(self, connection: Connection) -> None:
        """Read and write until the connection ends."""
        self._tasks.start(self._write(connection))
        if connection.link.direction is Direction.OUTBOUND:
            self._tasks.start(self._ask_for_peers(connection.peer))
        try:
            await connection.read(self._handle, self._on_flood)
        finally:
            self._leave(connection, "was closed")

    async def _write(self, connection: Connection) -> None:
        try:
            await connection.write()
        except (ConnectionOverError, FrameError) as error:
            self._leave(connection, str(error))
        except Exception:
            log.exception("peer_failed", peer=connection.peer)
            self._leave(connection, "failed here")

    def _handle(self, connection: Connection, message: Message) -> None:
        if isinstance(message, Request):
            self._answer(connection, message)
            return
        penalty = self._handlers.handle_message(connection.peer, message)
        if penalty is not None:
            self.report(connection.peer, penalty)

    def _on_flood(self, connection: Connection, kind: Kind) -> None:
        log.debug("peer_floods", peer=connection.peer, kind=kind.name.lower())
        self.report(connection.peer, Penalty.FLOOD)

    def _answer(self, connection: Connection, request: Request) -> None:
        body = request.body
        if isinstance(body, PeersRequest):
            addresses = self._list_addresses(connection.link)[: body.count]
            connection.send(Response(request.id, PeersResponse(addresses)))
        elif connection.served >= SERVED_MAX:
            connection.send(Response(request.id, Refusal(RefusalCode.BUSY)))
        else:
            connection.served += 1
            self._tasks.start(self._answer_later(connection, request.id, body))

    async def _answer_later(self, connection: Connection, number: int, body: RequestBody) -> None:
        try:
            async with asyncio.timeout(self._settings.timing.serving_s):
                response, penalty = await self._handlers.handle_request(connection.peer, body)
        except TimeoutError:
            log.warning("request_handler_too_slow", request_type=type(body).__name__)
            response, penalty = Refusal(RefusalCode.BUSY), None
        finally:
            connection.served -= 1
        data = encode_if_short(Response(number, response))
        if data is None:
            log.error("response_too_long", request_type=type(body).__name__)
            data = encode_message(Response(number, Refusal(RefusalCode.FAILED)))
        connection.send_encoded(Kind.RESPONSE, data)
        if penalty is not None:
            self.report(connection.peer, penalty)

    async def _sweep(self) -> None:
        """Check the deadlines of all connections, for ever."""
        swept_ms = self._now_ms()
        while True:
            await asyncio.sleep(self._settings.timing.sweep_s)
            now_ms = self._now_ms()
            late_ms = now_ms - swept_ms - self._settings.timing.sweep_s * 1000
            swept_ms = now_ms
            if late_ms > LATE_MS:
                log.warning("node_stood_still", late_ms=int(late_ms))
            for connection in tuple(self._connections.values()):
                if late_ms > LATE_MS:
                    connection.excuse(now_ms)
                reason = connection.tick(now_ms, self._settings.timing)
                if reason is not None:
                    log.debug("peer_overdue", peer=connection.peer, reason=reason)
                    self._leave(connection, reason)

    async def _discover(self) -> None:
        """Ask one peer after another for addresses, for ever."""
        while True:
            await asyncio.sleep(self._settings.timing.discovery_s)
            if self._connections and self._slots.count_free_outbound():
                await self._ask_for_peers(secrets.choice(tuple(self._connections)))

    async def _ask_for_peers(self, peer: PeerId) -> None:
        try:
            response = await self.request(peer, PeersRequest(PEERS_MAX), DISCOVERY_TIMEOUT_S)
        except RequestError as error:
            log.debug("peer_gave_no_addresses", peer=peer, reason=str(error))
            return
        connection = self._connections.get(peer)
        if connection is not None:
            noted = self._book.hear(response.addresses, connection.link.subnet)
            log.debug("peer_gave_addresses", peer=peer, count=len(response.addresses), noted=noted)

    def _list_own_addresses(self, connection: Connection) -> tuple[str, ...]:
        """Return where a connected peer says it listens: its public addresses, and its port as seen here."""
        introduction, host = connection.introduction, connection.channel.wire.host
        seen = make_address(host, introduction.port, connection.peer)
        named = tuple(text for text in introduction.addresses if text.endswith(f"/p2p/{connection.peer}"))
        return named if seen is None else (*named, str(seen))

    def _list_addresses(self, asker: Link) -> tuple[str, ...]:
        """Return where others are, for a peer that asks; loopback addresses only to loopback."""
        connected = [
            make_address(other.channel.wire.host, other.introduction.port, other.peer)
            for other in self._connections.values()
        ]
        found = [address for address in connected if address is not None]
        found += self._book.sample_reached()
        texts = {
            str(address): None
            for address in found
            if address.peer != asker.peer
            and (asker.subnet == LOOPBACK or compute_subnet(address.host) != LOOPBACK)
        }
        return tuple(texts)[:PEERS_MAX]

    def _describe(self, connection: Connection) -> PeerInfo:
        return PeerInfo(
            connection.peer,
            connection.link.direction,
            connection.channel.wire.host,
            connection.introduction.agent,
            connection.status,
            connection.latency_ms,
            self._book.get_score(connection.peer),
            connection.peer in self._slots.reserved,
            connection.lost_messages,
        )

    def _now_ms(self) -> int:
        return int(self._clock.monotonic() * 1000)
