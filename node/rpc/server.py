"""The RPC server: HTTP POST, WebSocket and a few GET pages on one port, for browsers, wallets and scripts.

Binds the port, checks host and origin, reads bodies under limits and hands them to the dispatcher. Everything
that waits runs in the server's own task group, which ends with the `serve` context. Knows no method by name.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

import structlog
from aiohttp import web

from node.rpc.access import DEFAULT_ORIGINS, Hosts, Origins, RateLimiter, is_address
from node.rpc.connections import Connection, ConnectionTable, Deadlines, Phase
from node.rpc.dispatch import Caller, CallObserver, Dispatcher, NoObserver
from node.rpc.jsonrpc import SERVER_BUSY, Limits, RpcError, encode_error, request_too_big
from node.rpc.methods import Methods
from node.rpc.subscriptions import MAX_QUEUED_NOTICES, MAX_SUBSCRIPTIONS
from node.rpc.websocket import WebSocketSession
from node.tasks import OwnTasks

HEADER_BYTES: Final = 8192
HEADERS: Final = 100
BACKLOG: Final = 1024
# After an early refusal the rest of a body is read and dropped this long, so that the client sees the answer.
LINGER_S: Final = 2.0
SHUTDOWN_S: Final = 2.0
BIND_ATTEMPTS: Final = 10
SERVER: Final = "loam"
JSON: Final = "application/json; charset=utf-8"

log = structlog.get_logger("rpc")


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """What the operator chooses; names follow the command line flags."""

    port: int = 9944
    external: bool = False
    # Take a free port when the wanted one is in use, as Substrate does.
    retry_random_port: bool = True
    methods: Literal["auto", "safe", "unsafe"] = "auto"
    cors: Sequence[str] = DEFAULT_ORIGINS
    # Host names besides addresses and localhost; `all` turns the check off. External servers do not check.
    hosts: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    max_connections: int = 100
    max_connections_per_address: int | None = None
    max_subscriptions_per_connection: int = MAX_SUBSCRIPTIONS
    message_buffer_capacity: int = MAX_QUEUED_NOTICES
    calls_per_minute: int | None = None
    rate_limit_exempt: Sequence[str] = ()
    # Believe a proxy in front about who calls, for the rate limit only.
    trust_proxy: bool = False
    deadlines: Deadlines = field(default_factory=Deadlines)


class Page(NamedTuple):
    """The answer to a GET."""

    status: int
    body: bytes
    content_type: str = JSON


GetHandler: TypeAlias = Callable[[], Page | Awaitable[Page]]


class RpcServer:
    """A running server; made by `serve`."""

    def __init__(
        self,
        methods: Methods,
        config: RpcConfig,
        tasks: OwnTasks,
        *,
        now: Callable[[], float],
        pages: Mapping[str, GetHandler],
        observer: CallObserver,
    ) -> None:
        limiter = None
        if config.calls_per_minute is not None:
            limiter = RateLimiter(config.calls_per_minute, exempt=config.rate_limit_exempt)
        self.addresses: tuple[tuple[str, int], ...] = ()
        self._config = config
        self._tasks = tasks
        self._pages = pages
        self._observer = observer
        self._now = now
        self._dispatcher = Dispatcher(
            methods, limits=config.limits, now=now, observer=observer, limiter=limiter
        )
        self._origins = Origins(config.cors)
        self._hosts = Hosts(("all",) if config.external else tuple(config.hosts))
        self._connections = ConnectionTable(
            limit=config.max_connections,
            limit_per_address=config.max_connections_per_address,
            deadlines=config.deadlines,
            now=now,
        )
        self._http = web.Server(
            self._handle,
            access_log=None,
            # aiohttp logs every malformed request with a traceback; a level above all silences it.
            logger=_silent_logger(),
            auto_decompress=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
            keepalive_timeout=config.deadlines.idle_s + 15,
            lingering_time=LINGER_S,
        )

    @property
    def port(self) -> int:
        """The port really bound."""
        return self.addresses[0][1]

    def protocol(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self._connections, self._http())

    async def sweep(self) -> None:
        """Check the deadlines of all connections, for ever."""
        while True:
            await asyncio.sleep(self._config.deadlines.sweep_s)
            self._connections.sweep()

    async def shutdown(self) -> None:
        """Close all connections, giving calls in progress a moment."""
        sessions = [connection.session for connection in self._connections if connection.session is not None]
        await asyncio.gather(*(session.close() for session in sessions))
        self._http.pre_shutdown()
        await self._http.shutdown(SHUTDOWN_S)
        for connection in tuple(self._connections):
            connection.cut()
        await asyncio.sleep(0)  # the closed connections are told in the next turn

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request; the boundary where no exception may pass."""
        connection = self._connections.find(request.protocol)
        if connection is None:
            raise ConnectionResetError("dropped before its request was handled")
        connection.enter(Phase.BODY)
        try:
            response = await self._route(request, connection)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - the dispatch boundary
            self._dispatcher.report(f"{request.method} request", error)
            response = _plain(500, "internal error; the node's log has the reason")
        connection.finish_request()
        connection.enter(Phase.IDLE)
        response.headers["Server"] = SERVER
        return response

    def _forbidden(self, host: str | None, origin: str | None) -> str | None:
        if not self._hosts.allow(host):
            return "this Host is not served here; use localhost or an IP address, or --rpc-external"
        if origin is not None and not self._origins.allow(origin):
            return "this Origin is not allowed; allow it with --rpc-cors"
        return None

    async def _route(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        headers = request.headers
        host, origin = headers.get("Host"), headers.get("Origin")
        if connection.checked != (host, origin):
            reason = self._forbidden(host, origin)
            if reason is not None:
                return _plain(403, reason)
            connection.checked = (host, origin)
        if headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, connection)
        match request.method:
            case "POST":
                response = await self._post(request, connection)
            case "GET" | "HEAD":
                response = await self._get(request)
            case "OPTIONS":
                response = web.Response(status=204)
            case _:
                response = _plain(
                    405, "send JSON-RPC requests by POST", {"Allow": "POST, GET, HEAD, OPTIONS"}
                )
        if origin is not None:
            self._add_cors(request, response, origin)
        return response

    async def _websocket(self, request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        session = WebSocketSession(
            connection,
            self._dispatcher,
            self._tasks,
            address=self._find_caller(request, connection),
            unsafe=self._is_unsafe_open(connection),
            max_subscriptions=self._config.max_subscriptions_per_connection,
            max_queued=self._config.message_buffer_capacity,
        )
        began = self._now()
        self._observer.on_session_opened()
        try:
            return await session.run(request)
        except web.HTTPException as refusal:
            return _plain(refusal.status, refusal.text or refusal.reason)
        finally:
            self._observer.on_session_closed(int((self._now() - began) * 1e6))

    async def _post(self, request: web.BaseRequest, connection: Connection) -> web.Response:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _plain(415, "compressed request bodies are not accepted")
        body = await self._body(request)
        if body is None:
            too_big = encode_error(None, request_too_big(self._config.limits))
            return web.Response(
                status=413, body=too_big, headers={"Content-Type": JSON, "Connection": "close"}
            )
        connection.finish_request()
        connection.enter(Phase.CALL)
        address = self._find_caller(request, connection)
        caller = Caller(address, "http", self._is_unsafe_open(connection))
        answer = await self._dispatcher.answer(await self._dispatcher.read(body), caller, [])
        if answer is None:
            return web.Response(status=204)
        if not connection.can_send(len(answer)):
            busy = RpcError(
                SERVER_BUSY, "Server is busy, try again later", "too many answers wait to be read"
            )
            return web.Response(status=503, body=encode_error(None, busy), headers={"Content-Type": JSON})
        return web.Response(body=answer, headers={"Content-Type": JSON})

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """Return the body, None as soon as it is known to be too long."""
        limit = self._config.limits.request_bytes
        if (request.content_length or 0) > limit:
            return None
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        content = request.content
        chunks: list[bytes] = []
        size = 0
        while not content.at_eof():
            chunks.append(await content.readany())
            size += len(chunks[-1])
            if size > limit:
                return None
        return b"".join(chunks)

    async def _get(self, request: web.BaseRequest) -> web.Response:
        handler = self._pages.get(request.path)
        if handler is None:
            known = "".join(f"\n  GET {path}" for path in sorted(self._pages))
            return _plain(405, f"send JSON-RPC requests by POST, or open a WebSocket; pages:{known}")
        made = handler()
        page = made if isinstance(made, Page) else await made
        return web.Response(status=page.status, body=page.body, headers={"Content-Type": page.content_type})

    def _add_cors(self, request: web.BaseRequest, response: web.StreamResponse, origin: str) -> None:
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = "*" if self._origins.any else origin
        headers["Vary"] = "Origin"
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = "POST, GET"
            headers["Access-Control-Allow-Headers"] = "content-type"
            headers["Access-Control-Max-Age"] = "3600"
            if request.headers.get("Access-Control-Request-Private-Network") == "true":
                headers["Access-Control-Allow-Private-Network"] = "true"

    def _find_caller(self, request: web.BaseRequest, connection: Connection) -> str:
        """Return the address whose calls are counted: the peer's, or that which a trusted proxy names."""
        if not self._config.trust_proxy:
            return connection.address
        # The proxy appends who called it; what stands before that, the caller may have made up.
        named = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return named if is_address(named) else connection.address

    def _is_unsafe_open(self, connection: Connection) -> bool:
        match self._config.methods:
            case "safe":
                return False
            case "unsafe":
                return True
            case "auto":
                return not self._config.external and connection.is_loopback


@contextlib.asynccontextmanager
async def serve(
    methods: Methods,
    config: RpcConfig,
    tasks: asyncio.TaskGroup,
    *,
    now: Callable[[], float] | None = None,
    pages: Mapping[str, GetHandler] | None = None,
    observer: CallObserver | None = None,
) -> AsyncIterator[RpcServer]:
    """Serve while the context is open, with tasks in the given group; OSError when no port can be bound.

    `now` tells seconds, by default the event loop's, which may come in whole milliseconds.
    """
    loop = asyncio.get_running_loop()
    own = OwnTasks(tasks)
    server = RpcServer(
        methods, config, own, now=now or loop.time, pages=pages or {}, observer=observer or NoObserver()
    )
    sockets = bind_sockets(config)
    listeners = [await loop.create_server(server.protocol, sock=bound, backlog=BACKLOG) for bound in sockets]
    server.addresses = tuple(_address(bound) for bound in sockets)
    own.start(server.sweep())
    log.info("rpc_listening", addresses=[show_address(*one) for one in server.addresses])
    try:
        yield server
    finally:
        for listener in listeners:
            listener.close()
        await server.shutdown()
        own.cancel()


def show_address(host: str, port: int) -> str:
    """Return an address as URLs write it, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind_sockets(config: RpcConfig) -> list[socket.socket]:
    """Bind IPv4, and IPv6 where the machine has it; a free port when the wanted one is taken."""
    port = config.port
    for attempt in range(BIND_ATTEMPTS):
        try:
            return _bind_both(port, external=config.external)
        except OSError as error:
            is_free_choice = config.retry_random_port or config.port == 0
            if error.errno != errno.EADDRINUSE or not is_free_choice or attempt == BIND_ATTEMPTS - 1:
                raise
            log.warning("rpc_port_in_use", port=port)
            port = 0
    raise AssertionError("the loop returns or raises")


def _bind_both(port: int, *, external: bool) -> list[socket.socket]:
    v4, v6 = ("0.0.0.0", "::") if external else ("127.0.0.1", "::1")  # noqa: S104 - the operator asked for it
    first = socket.create_server((v4, port), backlog=BACKLOG)
    try:
        second = socket.create_server((v6, _address(first)[1]), family=socket.AF_INET6, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            first.close()
            raise
        log.info("rpc_without_ipv6", reason=str(error))
        return [first]
    return [first, second]


def _address(bound: socket.socket) -> tuple[str, int]:
    name: tuple[str, int] = bound.getsockname()
    return name[0], name[1]


def _silent_logger() -> logging.Logger:
    logger = logging.getLogger("node.rpc.http")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=dict(headers or {}))
