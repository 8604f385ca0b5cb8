"""The whole state of one recent final block, prepared to be handed out in chunks with proofs.

Responsible for a tree of its own and for finding keys by their paths; it knows no peer and no message. What
takes long comes as steps, between which an event loop may turn; none takes more than some ms.

Memory: some 70 MB for a million keys, which are kept by path, besides what the chain changes in its own tree
while this one stands.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice
from typing import Final, NamedTuple

from node.storage.recent_state import RecentState
from runtime.primitives.hashing import blake3_256
from runtime.primitives.tree import Tree
from runtime.primitives.types import Hash

KEYS_PER_STEP: Final = 500
"""Keys hashed or read in one step, some 2 ms; 3 ms at most at 300,000 keys."""
ENTRIES_PER_STEP: Final = 250
REPLACED_MAX: Final = 500_000
"""Keys that later blocks changed, which are held in memory; a block with more of them is too far behind."""
_BUCKETS: Final = 1 << 12
_LENGTH_BYTES: Final = 2


class Unpreparable(Exception):
    """The state cannot be handed out: too much has changed since, or it is not the block's."""


class Chunk(NamedTuple):
    """Entries that follow one another in the order of paths, and the proof that none is left out."""

    entries: tuple[tuple[bytes, bytes], ...]
    proof: bytes


class KeyIndex:
    """Keys by the beginning of their paths: compact, for a bucket's paths are computed again when needed."""

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        self._last: tuple[int, dict[bytes, bytes]] = (-1, {})

    def add(self, key: bytes) -> None:
        """Take a key in, which is shorter than 64 KiB."""
        path = blake3_256(key)
        self._buckets[_find_bucket(path)] += len(key).to_bytes(_LENGTH_BYTES, "little") + key

    def get(self, path: bytes) -> bytes:
        """Return the key of a path; asked for in the order of paths, each bucket is looked through once."""
        bucket = _find_bucket(path)
        if self._last[0] != bucket:
            self._last = bucket, {blake3_256(key): key for key in _split(self._buckets[bucket])}
        return self._last[1][path]


class StateSnapshot:
    """A prepared state; `prepare_steps` comes before the chunks. Close it."""

    def __init__(self, state: RecentState, tree: Tree, root: Hash) -> None:
        """Take over an opened state, and a tree of its own: that of a block from there up to the newest one
        that the state knows of."""
        self.number = state.number
        self.is_closed = False
        self._state = state
        self._tree = tree
        self._root = root
        self._index = KeyIndex()

    def prepare_steps(self) -> Generator[None, None, None]:
        """Make ready; raises Unpreparable."""
        for _ in self._state.load_steps(KEYS_PER_STEP):
            if len(self._state.replaced) > REPLACED_MAX:
                raise Unpreparable(f"more than {REPLACED_MAX} keys have changed since block {self.number}")
            yield
        changes = iter(self._state.replaced.items())
        while batch := list(islice(changes, KEYS_PER_STEP)):
            yield from self._tree.update_steps(batch, ENTRIES_PER_STEP)
        if self._tree.root != self._root:
            raise Unpreparable(f"the state of block {self.number} has not the root that its header names")
        for count, key in enumerate(self._state.keys(), 1):
            self._index.add(key)
            if not count % KEYS_PER_STEP:
                yield

    def chunk_steps(self, start: bytes, count: int, bytes_max: int) -> Generator[None, None, Chunk]:
        """Return the entries from a path on, so many at most.

        They are cut before the one that would exceed so many bytes of keys and values, unless it is first.
        """
        found = self._tree.prove_range(start, count)
        yield
        entries: list[tuple[bytes, bytes]] = []
        size = 0
        for entry in found.entries:
            key = self._index.get(entry[:32])
            value = self._state.get(key)
            assert value is not None, "state and tree agree"
            size += len(key) + len(value)
            if size > bytes_max and entries:
                break
            entries.append((key, value))
            if not len(entries) % ENTRIES_PER_STEP:
                yield
        if len(entries) < len(found.entries):
            found = self._tree.prove_range(start, len(entries))
        return Chunk(tuple(entries), found.proof)

    def close(self) -> None:
        """Let go of the storage snapshot; closing twice is allowed."""
        if not self.is_closed:
            self.is_closed = True
            self._state.close()


def _find_bucket(path: bytes) -> int:
    return path[0] << 4 | path[1] >> 4


def _split(bucket: bytearray) -> Iterator[bytes]:
    position = 0
    while position < len(bucket):
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(bucket[position:start], "little")
        yield bytes(bucket[start:position])
