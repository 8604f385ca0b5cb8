"""What happens to the transactions that somebody watches, as a list of small events.

The pool reports here; the caller drains the events and gives them to its subscribers. Only watched
transactions cause events. The statuses and their order are those of Substrate's `author_extrinsicUpdate`.
Knows nothing of subscriptions, connections or time: finality is given up by number of blocks.
"""

from typing import Final

import msgspec

FINALITY_BLOCKS_MAX: Final = 512
"""Blocks with watched transactions that may wait for finality (Substrate's MAX_FINALITY_WATCHERS)."""
WATCHED_MAX: Final = 131_072
"""Transactions watched at once: 100 connections of 1024 subscriptions, rounded up."""


class Event(msgspec.Struct, frozen=True):
    """Something happened to the watched transaction of this hash."""

    transaction: bytes


class Future(Event, frozen=True):
    """It waits for a tag that nothing provides yet."""


class Ready(Event, frozen=True):
    """It can be included."""


class Broadcast(Event, frozen=True):
    """It was sent to these peers."""

    peers: tuple[str, ...]


class InBlock(Event, frozen=True):
    """It stands in this block of the best chain at this place."""

    block: bytes
    index: int


class Retracted(Event, frozen=True):
    """The block it stood in left the best chain."""

    block: bytes


class Finalized(Event, frozen=True):
    """The block it stands in is final; the last event."""

    block: bytes
    index: int


class FinalityTimeout(Event, frozen=True):
    """Its block was not finalized in FINALITY_BLOCKS_MAX blocks; the last event."""

    block: bytes


class Usurped(Event, frozen=True):
    """A better paying transaction took its place; the last event."""

    by: bytes


class Dropped(Event, frozen=True):
    """A limit of the pool pushed it out; the last event."""


class Invalid(Event, frozen=True):
    """It is no longer valid; the last event."""


PoolEvent = (
    Future
    | Ready
    | Broadcast
    | InBlock
    | Retracted
    | Finalized
    | FinalityTimeout
    | Usurped
    | Dropped
    | Invalid
)


class Watchers:
    """Which transactions are watched, and the events not yet drained."""

    def __init__(
        self, finality_blocks_max: int = FINALITY_BLOCKS_MAX, watched_max: int = WATCHED_MAX
    ) -> None:
        self._finality_blocks_max = finality_blocks_max
        self._watched_max = watched_max
        self._watched: dict[bytes, bytes | None] = {}  # the block it stands in
        self._blocks: dict[bytes, dict[bytes, int]] = {}  # block -> transaction -> index, oldest block first
        self._events: list[PoolEvent] = []

    def __len__(self) -> int:
        return len(self._watched)

    def __contains__(self, transaction: bytes) -> bool:
        return transaction in self._watched

    def watch(self, transaction: bytes) -> bool:
        """Watch from now on; False when too many are watched already."""
        if transaction not in self._watched:
            if len(self._watched) >= self._watched_max:
                return False
            self._watched[transaction] = None
        return True

    def unwatch(self, transaction: bytes) -> bool:
        """Watch no longer; False when it was not watched."""
        if transaction not in self._watched:
            return False
        self._leave_block(transaction)
        del self._watched[transaction]
        return True

    def drain(self) -> list[PoolEvent]:
        """Return the events since the last call, in the order they happened."""
        events, self._events = self._events, []
        return events

    def report(self, event: Future | Ready | Broadcast) -> None:
        """Note a step on the way."""
        if event.transaction in self._watched:
            self._events.append(event)

    def end(self, event: Usurped | Dropped | Invalid) -> None:
        """Note that the transaction left the pool for good and stop watching it."""
        if event.transaction in self._watched:
            self._events.append(event)
            self.unwatch(event.transaction)

    def on_included(self, transaction: bytes, block: bytes, index: int) -> None:
        """Note that the best chain includes the transaction."""
        if transaction not in self._watched:
            return
        self._leave_block(transaction)
        self._watched[transaction] = block
        self._blocks.setdefault(block, {})[transaction] = index
        self._events.append(InBlock(transaction, block, index))
        if len(self._blocks) > self._finality_blocks_max:
            self._give_up(next(iter(self._blocks)))

    def on_retracted(self, block: bytes) -> None:
        """Note that the block left the best chain; its transactions stay watched."""
        for transaction in self._blocks.pop(block, ()):
            self._watched[transaction] = None
            self._events.append(Retracted(transaction, block))

    def on_finalized(self, block: bytes) -> None:
        """Note that the block is final and stop watching its transactions."""
        for transaction, index in self._blocks.pop(block, {}).items():
            del self._watched[transaction]
            self._events.append(Finalized(transaction, block, index))

    def _give_up(self, block: bytes) -> None:
        for transaction in self._blocks.pop(block):
            del self._watched[transaction]
            self._events.append(FinalityTimeout(transaction, block))

    def _leave_block(self, transaction: bytes) -> None:
        block = self._watched[transaction]
        if block is None:
            return
        self._watched[transaction] = None
        members = self._blocks[block]
        del members[transaction]
        if not members:
            del self._blocks[block]
