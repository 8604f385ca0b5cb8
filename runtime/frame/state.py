"""The runtime's working state: decoded live values above a committed backend, and one journal.

Responsible for rollback of failed calls, the dirty set of a block and the order in which changes leave the
runtime. It knows no pallet, no tree and no disk: the committed state is a `Backend`, what changed is a list
of raw pairs with their hashes.

Invariants. An entry is noted once a block, at its first write; rolling back restores values but keeps the
note, so a collection compares bytes and reports only real changes. Changes leave sorted by raw key, whatever
order the calls wrote them in.

At 100,000 accounts what a block costs is the memory it visits. So everything about an entry that was touched
is in one `Entry`, and replaced values go as soon as no call can bring them back: after an abandoned block,
which is rare, they are read again.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Generator, Iterator
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from runtime.primitives.hashing import blake3, blake3_256
from runtime.primitives.scale import EncodeError

T = TypeVar("T")


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


UNSLICED: Final = 1 << 62
"""More entries than any block writes: everything in one slice."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One storage entry that a block changed: raw key, value before and after (None: absent).

    `hashed` is what the state tree takes: blake3 of the key and, unless the entry is gone, of the new value.
    """

    key: bytes
    old: bytes | None
    new: bytes | None
    hashed: bytes


def make_change(key: bytes, old: bytes | None, new: bytes | None) -> Change:
    """Return the change of one entry, hashed as the state tree takes it."""
    return Change(key, old, new, blake3_256(key) + (b"" if new is None else blake3_256(new)))


_BY_KEY: Final = attrgetter("key")
_BY_PREFIX: Final = attrgetter("prefix")
_FEW: Final = 256  # changes: below, sorting them at once is as fast as distributing them first
_NOT_COLLECTED: Final[Any] = object()
_COMMIT_SPEED: Final = 8  # how many entries are committed, or distributed, while one is collected


class Entry:
    """One storage entry that was touched.

    `value` is live, decoded, under the Python key `node`, and `raw` is committed under the raw `key`; each is
    None where the entry is absent. `written` tells whether the open block wrote it, `next_raw` is its raw
    value as of the last collection. `path`, blake3 of the key, is empty until a change needs it.
    """

    __slots__ = ("key", "next_raw", "node", "path", "raw", "value", "written")

    def __init__(self, node: Any, key: bytes, raw: bytes | None, value: Any) -> None:
        self.node = node
        self.key = key
        self.path = b""
        self.raw = self.next_raw = raw
        self.value = value
        self.written = False


class Undecoded(NamedTuple):
    """The former value of an item's entry whose stored bytes are of an older runtime version's type."""

    item: Entries


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A point in the journal that the state can return to, until it is settled again."""

    entries: int
    events: int
    settled: int


class Entries(Protocol):
    """What the state needs of a storage item: how its raw keys begin, its touched entries by Python key, the
    lately touched and the aged ones, those that the open block wrote, and its codec."""

    pallet: str
    name: str
    prefix: bytes
    live: dict[Any, Entry]
    aged: dict[Any, Entry]
    written: list[Entry]

    def encode_value(self, value: Any) -> bytes:
        """Return the raw value of a decoded one."""
        ...


class State:
    """Live values of every storage item of one runtime, with the journal of the open block."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.journal: list[tuple[Entry, Any]] = []
        self.events: list[Any] = []
        self._items: list[Entries] = []
        self._prefixes: list[bytes] = []
        self._dirty: list[Entries] = []
        self._collected: Any = _NOT_COLLECTED
        self._settled = 0

    def register(self, item: Entries) -> None:
        """Let a storage item take part in rollback, collection and retargeting; it shares no key with
        another."""
        mine, place = item.prefix, bisect(self._prefixes, item.prefix)
        # No prefix begins with another, so what mine begins with, or what begins with mine, stands beside it.
        before, after = self._prefixes[place - 1 : place], self._prefixes[place : place + 1]
        assert not any(mine.startswith(one) for one in before), "keys are distinct"
        assert not any(one.startswith(mine) for one in after), "keys are distinct"
        self._prefixes.insert(place, mine)
        self._items.append(item)

    def find(self, key: bytes) -> Entries | None:
        """Return the storage item whose raw keys begin as this one does, None when there is none."""
        return next((item for item in self._items if key.startswith(item.prefix)), None)

    def touch(self, item: Entries) -> None:
        """Note that an item got its first dirty entry of the block."""
        self._dirty.append(item)

    def mark(self) -> Mark:
        """Return the point that `rollback` can return to."""
        return Mark(len(self.journal), len(self.events), self._settled)

    def rollback(self, mark: Mark) -> None:
        """Undo every write and event since the mark."""
        assert mark.settled == self._settled, "what came after the mark can be undone"
        journal = self.journal
        while len(journal) > mark.entries:
            entry, old = journal.pop()
            entry.value = old
            if isinstance(old, Undecoded):
                del old.item.live[entry.node]
                entry.written = False
        del self.events[mark.events :]

    def settle(self) -> None:
        """Forget the journal: what was written so far can only be undone with the whole block, by `abandon`.

        Marks made before are void. Called after every extrinsic, this frees the values that it replaced while
        they are in the cache, which takes a fraction of freeing them at the end of the block.
        """
        self.journal.clear()
        self._collected = _NOT_COLLECTED
        self._settled += 1

    def pending(self) -> list[Change]:
        """Return the changes of the open block so far, sorted by raw key, without ending it."""
        return _exhaust(self.collect_steps(UNSLICED))

    def collect_steps(self, per_step: int) -> Generator[None, None, list[Change]]:
        """Do what `pending` does in slices of `per_step` entries, yielding after each.

        Nothing may be written from then on until `commit` lets the changes stay or `abandon` undoes them.
        """
        changes: list[Change] = []
        for item in sorted(self._dirty, key=_BY_PREFIX):
            found: list[Change] = []
            for start in range(0, len(item.written), per_step):
                found += _collect(item, item.written[start : start + per_step])
                yield
            changes += yield from _sort_steps(found, len(item.prefix), per_step)
        self._collected = self._last_write()
        return changes

    def commit(self) -> None:
        """End the block whose changes were just collected: forget the journal; live values stay.

        The backend must hold the changes before the state is used again.
        """
        _exhaust(self.commit_steps(UNSLICED))

    def commit_steps(self, per_step: int) -> Generator[None, None, None]:
        """Do what `commit` does, yielding as often as the collection of `per_step` entries at a time does.

        Until the generator is exhausted the state must not be used.
        """
        assert self._collected is self._last_write(), "nothing was written since the changes were collected"
        at_once = per_step * _COMMIT_SPEED
        for spent in (self.journal, self.events):
            while spent:
                del spent[-at_once:]
                yield
        for item in self._dirty:
            for start in range(0, len(item.written), at_once):
                for entry in item.written[start : start + at_once]:
                    entry.raw = entry.next_raw
                    entry.written = False
                yield
            item.written.clear()
        self._dirty.clear()
        self._collected = _NOT_COLLECTED
        self._settled += 1

    def drain(self) -> list[Change]:
        """End the block: return its changes sorted by raw key and forget the journal; live values stay."""
        return _exhaust(self.drain_steps(UNSLICED))

    def drain_steps(self, per_step: int) -> Generator[None, None, list[Change]]:
        """Do what `drain` does in slices of `per_step` entries, yielding after each.

        Until the generator is exhausted nothing may be written.
        """
        changes = yield from self.collect_steps(per_step)
        yield from self.commit_steps(per_step)
        return changes

    def abandon(self) -> None:
        """Undo the whole open block; what it wrote is read again when touched."""
        for item in self._dirty:
            for entry in item.written:
                if entry.written:
                    del item.live[entry.node]
            item.written.clear()
        self._dirty.clear()
        self.events.clear()
        self.settle()

    def retarget(self, backend: Backend) -> None:
        """Stand on another committed state; every live value is forgotten and read again when touched."""
        assert not self._dirty, "the open block must be drained or abandoned first"
        self.backend = backend
        for item in self._items:
            item.live.clear()
            item.aged.clear()

    def rebase(self, backend: Backend) -> None:
        """Read below the live values from another backend that holds the same state."""
        self.backend = backend

    def trim(self, entries_max: int) -> None:
        """Let no item hold many more than `entries_max` live values.

        Once half as many were touched they age; those still untouched when the next half ages are forgotten,
        and read again when touched.
        """
        assert not self._dirty, "the open block must be drained or abandoned first"
        for item in self._items:
            if len(item.live) > entries_max // 2:
                item.aged = item.live
                item.live = {}

    def _last_write(self) -> tuple[Entry, Any] | None:
        return self.journal[-1] if self.journal else None


def _collect(item: Entries, entries: list[Entry]) -> list[Change]:
    """Return the real changes among an item's written entries."""
    encode = item.encode_value
    hasher = blake3()  # taken back to its start for each value: a third cheaper than as many new ones
    reset, update, digest = hasher.reset, hasher.update, hasher.digest
    changes: list[Change] = []
    for entry in entries:
        if not entry.written:
            continue
        value, old = entry.value, entry.raw
        entry.next_raw = old
        try:
            new = None if value is None else encode(value)
        except EncodeError as error:
            raise EncodeError(f"{item.pallet}.{item.name} holds what its type cannot: {error}") from error
        if new == old:
            continue
        entry.next_raw = new
        hashed = entry.path
        if not hashed:
            reset()
            update(entry.key)
            hashed = entry.path = digest()
        if new is not None:
            reset()
            update(new)
            hashed += digest()
        changes.append(Change(entry.key, old, new, hashed))
    return changes


def _sort_steps(changes: list[Change], place: int, per_step: int) -> Generator[None, None, list[Change]]:
    """Return an item's changes by raw key; the keys differ from `place` on.

    Distributed by that byte first, many are sorted in two thirds of the time, and in slices.
    """
    if len(changes) <= _FEW:
        return sorted(changes, key=_BY_KEY)
    parts: list[list[Change]] = [[] for _ in range(256)]
    for start in range(0, len(changes), per_step * _COMMIT_SPEED):
        for change in changes[start : start + per_step * _COMMIT_SPEED]:
            parts[change.key[place]].append(change)
        yield
    ordered: list[Change] = []
    for first in range(0, 256, 64):
        for part in parts[first : first + 64]:
            part.sort(key=_BY_KEY)
            ordered += part
        yield
    return ordered


def _exhaust(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
