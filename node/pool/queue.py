"""The two queues of the pool (ready, future): entries, their occupation, and who leaves when one is full.

Knows the order of worth inside one queue and nothing of tags; the pool says who depends on whom.
"""

from collections.abc import Callable, Collection, Iterable
from heapq import heapify, heappop, heappush
from typing import Final

import msgspec

from node.pool.transaction import PRIORITY_MAX, PoolTransaction

FUTURE: Final = 0
"""Waits for tags that nothing provides."""
READY: Final = 1
"""Could be included; in the order unless something it requires comes first."""
TAKEN: Final = 2
"""Ready, and in the open block."""
GONE: Final = 3
"""No longer in the pool."""

EVICTED_MAX: Final = 256
"""Entries one newcomer may push out, so that a submission has a bounded cost."""
SEQUENCE_BITS: Final = 40
"""Room for the order of arrival in a sort key: two years at 15,000 a second."""


class Entry(msgspec.Struct, eq=False, gc=False):
    """A transaction in the pool with its place."""

    tx: PoolTransaction
    key: int
    """Sorts by priority, highest first, then by arrival; unique."""
    state: int
    valid_till: int
    """Number of the best block at which it expires."""
    missing: set[bytes] | None
    """Tags it waits for; None or empty unless FUTURE, or TAKEN with a predecessor that turned out invalid."""


def compute_key(priority: int, sequence: int) -> int:
    """Return the place in the order: lower goes first."""
    return (PRIORITY_MAX - priority) << SEQUENCE_BITS | sequence


class Queue:
    """Entries by hash with limits on their count and bytes.

    The order of worth is built when the queue first overflows and kept only while it stays full, so it costs
    nothing in the usual case.
    """

    def __init__(self, count_max: int, bytes_max: int, *, gives_way_to_equals: bool) -> None:
        self.count_max = count_max
        self.bytes_max = bytes_max
        self.entries: dict[bytes, Entry] = {}
        self.bytes = 0
        # With it the oldest of the least priority leaves first, otherwise the newest of them.
        self._gives_way_to_equals = gives_way_to_equals
        self._worst: list[tuple[int, int, bytes]] | None = None

    def add(self, entry: Entry) -> None:
        """Hold the entry; the caller has made room."""
        tx = entry.tx
        self.entries[tx.hash] = entry
        self.bytes += len(tx.data)
        if self._worst is not None:
            self.note(entry)

    def remove(self, entry: Entry) -> None:
        """Hold the entry no longer."""
        del self.entries[entry.tx.hash]
        self.bytes -= len(entry.tx.data)

    def is_full_for(self, size: int) -> bool:
        """Tell whether an entry of so many bytes needs another to leave."""
        return len(self.entries) >= self.count_max or self.bytes + size > self.bytes_max

    def note(self, entry: Entry) -> None:
        """Let the entry be chosen by `plan_room` (again)."""
        if self._worst is None:
            return
        heappush(self._worst, self._rank(entry))
        if len(self._worst) > 2 * len(self.entries) + 1024:
            self._worst = None

    def forget_order(self) -> None:
        """Drop the order of worth; the next overflow builds it again in O(n log n)."""
        self._worst = None

    def plan_room(
        self,
        newcomer: PoolTransaction,
        replaced: Collection[Entry],
        spared: Collection[bytes],
        get_subtree: Callable[[Entry], Iterable[Entry]],
    ) -> list[Entry] | None:
        """Return which entries to drop so that the newcomer fits; None when it is not worth that.

        `replaced` leave anyway, `spared` must stay. An entry leaves with its subtree. Nothing changes yet.
        """
        count = len(self.entries) + 1 - len(replaced) - self.count_max
        size = self.bytes + len(newcomer.data) - self.bytes_max - sum(len(one.tx.data) for one in replaced)
        leaving = {one.tx.hash: one for one in replaced}
        popped: list[Entry] = []
        while (count > 0 or size > 0) and len(leaving) - len(replaced) <= EVICTED_MAX:
            worst = self._pop_worst()
            if worst is None:
                break
            popped.append(worst)
            if worst.tx.hash in spared or worst.tx.hash in leaving:
                continue
            if not self._gives_way(worst.tx.priority, newcomer.priority):
                break
            for entry in get_subtree(worst):
                if entry.tx.hash not in leaving:
                    leaving[entry.tx.hash] = entry
                    count -= 1
                    size -= len(entry.tx.data)
        for entry in popped:
            self.note(entry)
        dropped = list(leaving.values())[len(replaced) :]
        return dropped if count <= 0 and size <= 0 and len(dropped) <= EVICTED_MAX else None

    def _gives_way(self, old: int, new: int) -> bool:
        return old <= new if self._gives_way_to_equals else old < new

    def _rank(self, entry: Entry) -> tuple[int, int, bytes]:
        sequence = entry.key & ((1 << SEQUENCE_BITS) - 1)
        return entry.tx.priority, sequence if self._gives_way_to_equals else -sequence, entry.tx.hash

    def _pop_worst(self) -> Entry | None:
        if self._worst is None:
            self._worst = [self._rank(entry) for entry in self.entries.values()]
            heapify(self._worst)
        while self._worst:
            rank = heappop(self._worst)
            entry = self.entries.get(rank[2])
            if entry is not None and entry.state != TAKEN and self._rank(entry) == rank:
                return entry
        return None
