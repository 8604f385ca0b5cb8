"""The whole state of a recent final block, for one who reads all of it and not only a few keys.

Responsible for reads that cost one look-up, however many blocks have followed: what these replaced is loaded
into memory first, from the undo records. It must not know who reads. A view holds a snapshot, so the chain
may go on under it.
"""

from collections.abc import Generator, Iterator, Mapping

from node.storage.columns import Column
from node.storage.kv import KeyValue, Snapshot
from node.storage.states import StateDiscarded, load_head
from node.storage.undo import iterate_undo

_STATE_STOP = bytes([Column.STATE[0] + 1])


class RecentState:
    """The state after one final block; `load_steps` comes before the reads. Close it."""

    def __init__(self, kv: KeyValue, number: int) -> None:
        """Open the view; raises StateDiscarded."""
        self._snapshot: Snapshot = kv.snapshot()
        head = load_head(self._snapshot)
        oldest, newest = (0, -1) if head is None else (head.oldest_state, head.block.number)
        if not oldest <= number <= newest:
            self._snapshot.close()
            raise StateDiscarded(number, oldest, newest)
        self.number = number
        self.newest = newest
        """The last final block when the view was opened."""
        self._replaced: dict[bytes, bytes | None] = {}

    def load_steps(self, per_step: int) -> Generator[None, None, None]:
        """Load what later blocks replaced, some µs a key; yields after each `per_step` keys."""
        for number in range(self.newest, self.number, -1):
            for count, (key, value) in enumerate(iterate_undo(self._snapshot, number), 1):
                self._replaced[key] = value
                if not count % per_step:
                    yield
            yield

    @property
    def replaced(self) -> Mapping[bytes, bytes | None]:
        """What the keys held that later blocks changed, as far as they are loaded; None is absent."""
        return self._replaced

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a storage key, or None."""
        if key in self._replaced:
            return self._replaced[key]
        return self._snapshot.get(Column.STATE + key)

    def keys(self) -> Iterator[bytes]:
        """Yield every storage key once, in no order that means anything."""
        for stored in self._snapshot.keys(Column.STATE, _STATE_STOP):
            if (key := stored[1:]) not in self._replaced:
                yield key
        for key, value in self._replaced.items():
            if value is not None:
                yield key

    def close(self) -> None:
        """Let go of the snapshot."""
        self._snapshot.close()
