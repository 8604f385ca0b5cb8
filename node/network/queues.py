"""What waits to be sent to one peer: a bounded queue for each class of messages, the urgent ones first.

Sans-IO. A long message gives way to more urgent ones after each piece. What happens when a queue is full is
fixed by class: votes and notices are worth less the older they are, so the oldest goes; transactions and
answers are not taken. It must not know sockets.
"""

from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from node.network.messages import MIB, Kind
from node.network.reassembly import split_message


class Urgency(IntEnum):
    """Classes of messages, the most urgent first."""

    CONSENSUS = 0
    NOTICE = 1
    EXCHANGE = 2
    BULK = 3


class Bound(NamedTuple):
    """How much may wait; `drops_oldest`: a new message displaces old ones, else it is refused."""

    messages_max: int
    bytes_max: int
    drops_oldest: bool


URGENCIES: Final = MappingProxyType(
    {
        Kind.CONSENSUS: Urgency.CONSENSUS,
        Kind.INTRODUCTION: Urgency.NOTICE,
        Kind.GOODBYE: Urgency.NOTICE,
        Kind.PING: Urgency.NOTICE,
        Kind.PONG: Urgency.NOTICE,
        Kind.STATUS: Urgency.NOTICE,
        Kind.REQUEST: Urgency.EXCHANGE,
        Kind.RESPONSE: Urgency.EXCHANGE,
        Kind.TRANSACTIONS: Urgency.BULK,
    }
)

BOUNDS: Final = MappingProxyType(
    {
        Urgency.CONSENSUS: Bound(2048, 8 * MIB, drops_oldest=True),
        Urgency.NOTICE: Bound(64, MIB, drops_oldest=True),
        Urgency.EXCHANGE: Bound(64, 64 * MIB, drops_oldest=False),
        Urgency.BULK: Bound(256, 8 * MIB, drops_oldest=False),
    }
)


class Queue:
    """The waiting messages of one class; the one being sent is no longer in it."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._waiting: deque[tuple[Kind, bytes]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, kind: Kind, data: bytes) -> int:
        """Take a message in and return how many were lost for it, itself counted where it is refused."""
        if len(data) > self._bound.bytes_max:
            return 1
        lost = 0
        while (
            len(self._waiting) >= self._bound.messages_max or self._size + len(data) > self._bound.bytes_max
        ):
            if not self._bound.drops_oldest:
                return 1
            self.take()
            lost += 1
        self._waiting.append((kind, data))
        self._size += len(data)
        return lost

    def take(self) -> tuple[Kind, bytes]:
        """Take the oldest message out."""
        kind, data = self._waiting.popleft()
        self._size -= len(data)
        return kind, data


class SendQueues:
    """All that waits for one peer."""

    def __init__(self) -> None:
        self._queues = {urgency: Queue(BOUNDS[urgency]) for urgency in Urgency}
        self._started: dict[Urgency, Iterator[bytes]] = {}

    def put(self, kind: Kind, data: bytes) -> int:
        """Queue a message; return how many messages of its class were lost by it."""
        return self._queues[URGENCIES[kind]].put(kind, data)

    def next_frame(self) -> bytes | None:
        """Return the next frame to seal and send, None when nothing waits."""
        for urgency, queue in self._queues.items():
            started = self._started.get(urgency)
            if started is not None:
                frame = next(started, None)
                if frame is not None:
                    return frame
                del self._started[urgency]
            if queue:
                pieces = split_message(*queue.take())
                self._started[urgency] = pieces
                return next(pieces)
        return None
