"""One connection after its opening: messages in and out, in bounded memory, under deadlines.

It reads, counts, decodes and hands on; it queues, cuts and seals. Whoever owns it decides who may connect and
what messages mean. A peer that breaks the protocol makes `read` raise; nothing here waits for a peer but its
own two tasks.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from node.network.channel import Channel, ConnectionOverError
from node.network.errors import Penalty, RemoteError, RequestTimeoutError, TooManyRequestsError
from node.network.identity import PeerId
from node.network.limits import Allowance
from node.network.messages import (
    Goodbye,
    Introduction,
    Kind,
    Message,
    Ping,
    Pong,
    Request,
    RequestBody,
    Response,
    ResponseBody,
    Status,
    decode_message,
    encode_message,
    get_kind,
)
from node.network.queues import SendQueues
from node.network.reassembly import Reassembly, parse_piece
from node.network.requests import PendingRequests
from node.network.settings import NetworkSettings, Timing
from node.network.slots import Link

TURN_MS: Final = 5
"""How long one peer's messages are handled before others have their turn."""

log = structlog.get_logger("p2p")


class Connection:
    """A connection to a peer that has proved its key and introduced itself."""

    def __init__(
        self,
        channel: Channel,
        link: Link,
        introduction: Introduction,
        status: Status,
        settings: NetworkSettings,
    ) -> None:
        self.channel = channel
        self.link = link
        self.introduction = introduction
        self.status = status
        self.requests = PendingRequests()
        self.served = 0
        """The peer's requests that are being answered."""
        self.latency_ms: int | None = None
        self.lost_messages = 0
        self.is_over = False
        self._rules = settings.rules
        self._queues = SendQueues()
        self._wake = asyncio.Event()
        self._reassembly = Reassembly()
        self._allowance = Allowance(settings.rules, channel.opened_ms)
        self._pinged_ms = channel.opened_ms
        self._excused_ms = channel.opened_ms
        self._ping = -1

    @property
    def peer(self) -> PeerId:
        """The peer's id."""
        return self.link.peer

    async def read(
        self, handle: Callable[["Connection", Message], None], on_flood: Callable[["Connection", Kind], None]
    ) -> None:
        """Hand on every message until the connection is over.

        Raises RemoteError, FrameError or ConnectionOverError. `on_flood` is told of each message above the
        rate of its kind, which is dropped.
        """
        turn_ends_ms = self.channel.now_ms() + TURN_MS
        while not self.is_over:
            piece = parse_piece(await self.channel.receive_frame())
            now_ms = self.channel.heard_ms
            data = self._reassembly.take(piece, self._get_size_max(piece.kind), now_ms)
            if data is not None:
                if not self._allowance.take(piece.kind, len(data), now_ms):
                    on_flood(self, piece.kind)
                elif self._is_for_others(message := decode_message(piece.kind, data)):
                    handle(self, message)
            if now_ms >= turn_ends_ms:
                await asyncio.sleep(0)
                turn_ends_ms = self.channel.now_ms() + TURN_MS

    async def write(self) -> None:
        """Send what is queued until the connection is over; raises FrameError or ConnectionOverError."""
        while not self.is_over:
            frame = self._queues.next_frame()
            if frame is None:
                self._wake.clear()
                await self._wake.wait()
            else:
                await self.channel.send_frame(frame)

    def send(self, message: Message) -> bool:
        """Queue a message; False where it or an older one of its class was lost."""
        return self.send_encoded(get_kind(type(message)), encode_message(message))

    def send_encoded(self, kind: Kind, data: bytes) -> bool:
        """Queue an encoded message, as `send`."""
        if self.is_over:
            return False
        lost = self._queues.put(kind, data)
        self.lost_messages += lost
        self._wake.set()
        return not lost

    async def request(self, body: RequestBody, timeout_s: float) -> ResponseBody:
        """Ask, and return the response; raises RequestError."""
        waiter: asyncio.Future[ResponseBody] = asyncio.get_running_loop().create_future()
        number = self.requests.add(body, waiter)
        if not self.send(Request(number, body)):
            self.requests.drop(number)
            raise TooManyRequestsError("too much waits to be sent to this peer")
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except TimeoutError as error:
            raise RequestTimeoutError(f"no response within {timeout_s} s") from error
        finally:
            waiter.cancel()  # a late response then finds nobody waiting

    def tick(self, now_ms: int, timing: Timing) -> str | None:
        """Send a ping where one is due; return why the connection should end, None while it may stay."""
        if self._is_overdue(self.channel.heard_ms, now_ms, timing.silence_s):
            return "was silent"
        if self._is_overdue(self.channel.sending_since_ms, now_ms, timing.stalled_s):
            return "does not read"
        if self._is_overdue(self._reassembly.get_oldest_ms(), now_ms, timing.message_s):
            return "does not finish its message"
        if now_ms - self._pinged_ms >= timing.ping_s * 1000:
            self._pinged_ms = now_ms
            self._ping += 1
            self.send(Ping(self._ping))
        return None

    def excuse(self, now_ms: int) -> None:
        """Start all deadlines anew: the node itself was asleep."""
        self._excused_ms = now_ms

    def end(self, reason: str) -> None:
        """End the connection at once; its tasks notice, and whoever waits for a response is told."""
        if not self.is_over:
            self.is_over = True
            log.debug("peer_connection_ended", peer=self.peer, reason=reason)
            self.requests.fail_all()
            self._wake.set()
            self.channel.wire.abort()

    def _is_overdue(self, since_ms: int | None, now_ms: int, limit_s: float) -> bool:
        """Tell whether something takes too long that began then; None where it is not under way."""
        return since_ms is not None and now_ms - max(since_ms, self._excused_ms) > limit_s * 1000

    def _get_size_max(self, kind: Kind) -> int:
        """Return how long a message may be; raises RemoteError where none of its kind is expected."""
        if kind is not Kind.RESPONSE:
            return self._rules[kind].size_max
        size_max = self.requests.get_size_max()
        if not size_max:
            raise RemoteError("answered what nobody asked", Penalty.NOT_REQUESTED)
        return size_max

    def _is_for_others(self, message: Message) -> bool:
        """Handle what concerns the connection alone; return whether the message concerns others."""
        match message:
            case Ping(nonce):
                self.send(Pong(nonce))
            case Pong(nonce):
                if nonce == self._ping:
                    self.latency_ms = self.channel.heard_ms - self._pinged_ms
            case Response():
                self.requests.settle(message)
            case Goodbye(reason):
                raise ConnectionOverError(f"the peer said goodbye (reason {reason})")
            case Introduction():
                raise RemoteError("introduced itself again", Penalty.BAD_MESSAGE)
            case Status():
                self.status = message
                return True
            case _:
                return True
        return False
