"""The runtime's working state: decoded live values above a committed backend, and one journal.

Responsible for rollback of failed calls, the dirty set of a block and the order in which changes leave the
runtime. It knows no pallet, no tree and no disk: the committed state is a `Backend`, what changed is a list
of raw pairs.

Invariants. An entry's first value of the block is recorded once, at the first write; rolling back restores
values but keeps the record, so `drain` compares the encoded first and last value and reports only real
changes. Changes leave sorted by raw key, whatever order the calls wrote them in.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import msgspec

from runtime.primitives.scale import EncodeError


class Backend(Protocol):
    """Committed state at one block: raw storage keys to raw values."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a raw key, or None when absent."""
        ...

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        """Yield the raw keys with a prefix in ascending order, strictly after `after` when given."""
        ...


class MemoryBackend:
    """A backend over a dict, for genesis, tests and benchmarks."""

    def __init__(self, entries: dict[bytes, bytes] | None = None) -> None:
        self.entries: dict[bytes, bytes] = {} if entries is None else entries

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a raw key, or None when absent."""
        return self.entries.get(key)

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        """Yield the raw keys with a prefix in ascending order, strictly after `after` when given."""
        found = sorted(k for k in self.entries if k.startswith(prefix) and (after is None or k > after))
        return iter(found)

    def apply(self, changes: list[Change]) -> None:
        """Write a block's changes."""
        for change in changes:
            if change.new is None:
                self.entries.pop(change.key, None)
            else:
                self.entries[change.key] = change.new


SORTED_BYTES = 33
"""Changes are sorted in groups by so much of their keys: the item's 32 bytes and one of the entry's hash."""
JOURNAL_PER_ENTRY = 8
EVENTS_PER_ENTRY = 4
"""Journal records and events freed in the time that it takes to encode an entry."""
DRAIN_AT_ONCE = 1 << 62
"""More entries than any block writes: everything in one slice."""


class Change(NamedTuple):
    """One storage entry that a block changed: raw key, value before and after (None: absent)."""

    key: bytes
    old: bytes | None
    new: bytes | None


class Undecoded(NamedTuple):
    """First value of an entry whose stored bytes are of an older runtime version's type."""

    raw: bytes


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A point in the journal that the state can return to."""

    entries: int
    events: int


class Entries(Protocol):
    """What the state needs of a storage item; `node` below is the Python key within the item."""

    pallet: str
    name: str
    values: dict[Any, Any]
    first: dict[Any, Any]
    committed: dict[Any, tuple[bytes, bytes | None]]

    def raw_key(self, node: Any) -> bytes:
        """Return the raw storage key of an entry."""
        ...

    def encode_value(self, value: Any) -> bytes:
        """Return the raw value of a decoded one."""
        ...


class State:
    """Live values of every storage item of one runtime, with the journal of the open block."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.journal: list[tuple[Entries, Hashable, Any]] = []
        self.events: list[Any] = []
        self._items: list[Entries] = []
        self._dirty: list[Entries] = []
        self._collected: list[tuple[Entries, list[tuple[Any, Change]]]] = []

    def register(self, item: Entries) -> None:
        """Let a storage item take part in rollback, draining and retargeting."""
        self._items.append(item)

    def touch(self, item: Entries) -> None:
        """Note that an item got its first dirty entry of the block."""
        self._dirty.append(item)

    def mark(self) -> Mark:
        """Return the point that `rollback` can return to."""
        return Mark(len(self.journal), len(self.events))

    def rollback(self, mark: Mark) -> None:
        """Undo every write and event since the mark."""
        journal = self.journal
        while len(journal) > mark.entries:
            item, node, old = journal.pop()
            if isinstance(old, Undecoded):
                del item.values[node]
            else:
                item.values[node] = old
        del self.events[mark.events :]

    def pending(self) -> list[Change]:
        """Return the changes of the open block so far, sorted by raw key, without ending it."""
        changes: list[Change] = []
        for item in self._dirty:
            changes += [change for _, change in _collect(item, item.first.items())]
        changes.sort()
        return changes

    def drain(self) -> list[Change]:
        """End the block: return its changes sorted by raw key and forget the journal; live values stay."""
        steps = self.drain_steps(DRAIN_AT_ONCE)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                changes: list[Change] = end.value
                return changes

    def drain_steps(self, per_step: int) -> Generator[None, None, list[Change]]:
        """Do what `drain` does in slices of `per_step` entries, yielding after each.

        Until the generator is exhausted nothing may be written.
        """
        changes = yield from self.collect_steps(per_step)
        yield from self.commit_steps(per_step)
        return changes

    def collect_steps(self, per_step: int) -> Generator[None, None, list[Change]]:
        """Return the changes of the open block, sorted by raw key, in slices of `per_step` entries.

        From then on nothing may be written until `commit_steps` lets the changes stay or `abandon` undoes
        them.
        """
        yield from _shorten_steps(
            self.journal, JOURNAL_PER_ENTRY * per_step
        )  # `first` is enough from here on
        sorter: dict[bytes, list[Change]] = {}
        for item in self._dirty:
            entries = iter(item.first.items())
            while part := list(islice(entries, per_step)):
                changed = _collect(item, part)
                self._collected.append((item, changed))
                for _, change in changed:
                    sorter.setdefault(change.key[:SORTED_BYTES], []).append(change)
                yield
        changes: list[Change] = []
        fresh = 0
        for start in sorted(sorter):
            group = sorter.pop(start)
            changes += sorted(group, key=_RAW_KEY)
            fresh += len(group)
            if fresh >= per_step:
                fresh = 0
                yield
        return changes

    def commit_steps(self, per_step: int) -> Generator[None, None, None]:
        """End the block whose changes were collected: they stay. In slices, since forgetting takes time."""
        for item, changed in self._collected:
            for node, change in changed:
                item.committed[node] = (change.key, change.new)
            yield
        for item in self._dirty:
            while item.first:
                for _ in range(min(per_step, len(item.first))):
                    item.first.popitem()
                yield
        yield from _shorten_steps(self.events, EVENTS_PER_ENTRY * per_step)
        self._forget_block()

    def abandon(self) -> None:
        """Undo the whole open block, collected or not."""
        for item in self._dirty:
            values = item.values
            for node, first in item.first.items():
                if isinstance(first, Undecoded):
                    values.pop(node, None)
                else:
                    values[node] = first
        self._forget_block()

    def retarget(self, backend: Backend) -> None:
        """Stand on another committed state; every live value is forgotten and read again when touched."""
        assert not self._dirty, "the open block must be drained or abandoned first"
        self.backend = backend
        for item in self._items:
            item.values.clear()
            item.committed.clear()

    def rebase(self, backend: Backend) -> None:
        """Read below the live values from another backend that holds the same state."""
        self.backend = backend

    def trim(self, entries_max: int) -> None:
        """Forget the live values of items that hold more than `entries_max`; they are read again when
        touched."""
        assert not self._dirty, "the open block must be drained or abandoned first"
        for item in self._items:
            if len(item.values) > entries_max:
                item.values.clear()
                item.committed.clear()

    def _forget_block(self) -> None:
        for item in self._dirty:
            item.first.clear()
        self._dirty.clear()
        self._collected.clear()
        self.journal.clear()
        self.events.clear()


_RAW_KEY = itemgetter(0)


def _shorten_steps(records: list[Any], per_step: int) -> Generator[None, None, None]:
    """Free a list from its end: all at once, the 60,000 records of a full block take 30 ms."""
    while records:
        del records[-per_step:]
        yield


def _collect(item: Entries, entries: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Change]]:
    """Return the real changes among an item's written entries (Python key, first value)."""
    values, committed, encode = item.values, item.committed, item.encode_value
    changed: list[tuple[Any, Change]] = []
    for node, first in entries:
        last = values.get(node, first)
        if last is first:
            continue
        key, old = committed[node]
        try:
            new = None if last is None else encode(last)
        except EncodeError as error:
            raise EncodeError(f"{item.pallet}.{item.name} holds what its type cannot: {error}") from error
        if old != new:
            changed.append((node, Change(key, old, new)))
    return changed
