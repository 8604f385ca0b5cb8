"""Proofs that a chunk of state entries is complete and true: what its verifier needs to know, nothing more.

A chunk is every entry whose path lies between two bounds, in the order of paths; chunks that follow one
another from the lowest path to the end are the whole state. The request of a peer for a state is
answered with such chunks. This module holds no tree, reads no storage and knows no message; nodes and their
hashes are those of tree_proof, the bytes are written out in docs/state-tree.md.

A chunk *covers* the paths from its start to that of its last entry, or to the highest path if it has no
entry. A subtree lies before the covered paths, among them, after them, or is *cut*: has paths of both
sorts. The proof opens the cut subtrees and none else, in the order in which they are met from the root:
a cut branch lists the hashes of its children before and after, a cut bucket its entries before and after.

Why this is sound. Under a collision-free hash the root fixes the bytes of every node that is opened. A
subtree among the covered paths is computed from the chunk's entries alone, since its shape is a function
of its paths; one hash for it fixes all its entries. What the proof itself supplies lies outside of the
covered paths, which is checked for each hash and each entry, so nothing covered can hide in the proof. And
the proof shows everything behind the last entry, at least by its hash: whether the state ends there is
seen, not believed. Cut subtrees are at most two at each depth and none at the depth of a path, so the
length of a proof is bounded whatever the state.
"""

from collections.abc import Sequence
from enum import Enum, StrEnum, auto
from itertools import pairwise
from typing import Final, NamedTuple

from runtime.primitives.hashing import blake3_256
from runtime.primitives.tree_proof import (
    BRANCH_CHILDREN,
    BUCKET_ENTRIES_MAX,
    DEPTH_MAX,
    EMPTY_HASH,
    ENTRY_BYTES,
    HASH_BYTES,
    TAG_BRANCH,
    TAG_BUCKET,
    compute_path,
    find_end,
    get_nibble,
)

LOWEST_PATH: Final = bytes(HASH_BYTES)
"""Where the first chunk of a state starts."""

RANGE_ENTRIES_MAX: Final = 16_384  # some 50 ms of verifying at a million keys: benchmarks.tree
BRANCH_MARK: Final = 0xFF
_BRANCH_BYTES_MAX: Final = 3 + HASH_BYTES * (BRANCH_CHILDREN - 1)
_BUCKET_BYTES_MAX: Final = 1 + ENTRY_BYTES * BUCKET_ENTRIES_MAX
RANGE_PROOF_BYTES_MAX: Final = 2 * (DEPTH_MAX * _BRANCH_BYTES_MAX + _BUCKET_BYTES_MAX)
"""More than any proof has: two cut branches at each depth and two cut buckets, all full."""

_PATH_MAX: Final = (1 << 8 * HASH_BYTES) - 1


class RangeFault(StrEnum):
    """The rule that a refused chunk breaks; the texts are stable codes."""

    TOO_MANY_ENTRIES = "too many entries"
    TOO_LONG = "too long"
    ENTRIES_UNSORTED = "entries unsorted"
    ENTRY_BEFORE_START = "entry before start"
    TRUNCATED = "truncated"
    UNKNOWN_KIND = "unknown kind"
    COVERED_CHILD_LISTED = "covered child listed"
    EMPTY_CHILD_LISTED = "empty child listed"
    BRANCH_UNMERGED = "branch unmerged"
    BUCKET_UNSPLIT = "bucket unsplit"
    COVERED_ENTRY_LISTED = "covered entry listed"
    ENTRY_MISPLACED = "entry misplaced"
    TRAILING_BYTES = "trailing bytes"
    ROOT_MISMATCH = "root mismatch"


class InvalidRange(ValueError):
    """A chunk that shows nothing, with the first rule it or its proof breaks."""

    def __init__(self, fault: RangeFault) -> None:
        super().__init__(f"invalid state range: {fault.value}")
        self.fault: Final = fault


class RangeProof(NamedTuple):
    """Entries of the tree (path and value hash, ascending), their proof, and where the next ones start."""

    entries: list[bytes]
    proof: bytes
    next_start: bytes | None


class Place(Enum):
    """Where a subtree lies, seen from the covered paths."""

    BEFORE = auto()
    COVERED = auto()
    CUT = auto()
    AFTER = auto()


class Subtree(NamedTuple):
    """The paths that share their first `depth` nibbles with `lowest`."""

    lowest: int
    depth: int

    def get_child(self, nibble: int) -> "Subtree":
        return Subtree(self.lowest | nibble << 4 * (DEPTH_MAX - self.depth - 1), self.depth + 1)


WHOLE: Final = Subtree(0, 0)


class Coverage(NamedTuple):
    """The covered paths, first and last included."""

    first: int
    last: int

    @classmethod
    def of(cls, start: bytes, entries: Sequence[bytes]) -> "Coverage":
        """Return what a chunk covers, by its start and its ascending entries."""
        last = int.from_bytes(entries[-1][:HASH_BYTES], "big") if entries else _PATH_MAX
        return cls(int.from_bytes(start, "big"), last)

    def locate(self, subtree: Subtree) -> Place:
        lowest, depth = subtree
        highest = lowest | (1 << 4 * (DEPTH_MAX - depth)) - 1
        if highest < self.first:
            return Place.BEFORE
        if lowest > self.last:
            return Place.AFTER
        return Place.COVERED if self.first <= lowest and highest <= self.last else Place.CUT

    def locate_entry(self, entry: bytes) -> Place:
        return self.locate(Subtree(int.from_bytes(entry[:HASH_BYTES], "big"), DEPTH_MAX))

    def get_cut_children(self, subtree: Subtree) -> list[int]:
        """Return the nibbles, none to two, of the children that are cut."""
        return [
            nibble for nibble in range(BRANCH_CHILDREN) if self.locate(subtree.get_child(nibble)) is Place.CUT
        ]


def verify_range(
    root: bytes, start: bytes, entries: Sequence[tuple[bytes, bytes]], proof: bytes
) -> bytes | None:
    """Return where the next chunk starts, None at the end; the chunk is all there is from `start` to there.

    `entries` are raw keys and values in the order of their paths, `start` a path: LOWEST_PATH or what the
    chunk before returned. Raises InvalidRange unless the state under `root` has exactly these entries from
    `start` to the last of them (to the end if there are none), and the proof is the one canonical proof of
    it. Cost grows with the bytes of the entries, which the caller bounds.
    """
    assert len(start) == HASH_BYTES, "a start is a path"
    if len(entries) > RANGE_ENTRIES_MAX:
        raise InvalidRange(RangeFault.TOO_MANY_ENTRIES)
    if len(proof) > RANGE_PROOF_BYTES_MAX:
        raise InvalidRange(RangeFault.TOO_LONG)
    hashed = [compute_path(key) + blake3_256(value) for key, value in entries]
    if any(entry[:HASH_BYTES] >= after[:HASH_BYTES] for entry, after in pairwise(hashed)):
        raise InvalidRange(RangeFault.ENTRIES_UNSORTED)
    if hashed and hashed[0][:HASH_BYTES] < start:
        raise InvalidRange(RangeFault.ENTRY_BEFORE_START)
    coverage = Coverage.of(start, hashed)
    reader = _Reader(coverage, hashed, proof)
    if reader.read_root() != root:
        raise InvalidRange(RangeFault.ROOT_MISMATCH)
    return get_next_start(coverage) if reader.continues else None


def get_next_start(coverage: Coverage) -> bytes:
    """Return the path behind the covered ones, where more of the state follows them."""
    return (coverage.last + 1).to_bytes(HASH_BYTES, "big")


def encode_cut_branch(coverage: Coverage, subtree: Subtree, branch: bytes | bytearray) -> bytes:
    """Return how a proof opens a cut branch, given by its tagged bytes. Trusts its arguments."""
    bitmap = 0
    listed: list[bytes] = []
    for nibble in range(BRANCH_CHILDREN):
        at = 1 + HASH_BYTES * nibble
        child = bytes(branch[at : at + HASH_BYTES])
        place = coverage.locate(subtree.get_child(nibble))
        if child != EMPTY_HASH and place in {Place.BEFORE, Place.AFTER}:
            bitmap |= 1 << nibble
            listed.append(child)
    return bytes((BRANCH_MARK,)) + bitmap.to_bytes(2, "little") + b"".join(listed)


def encode_cut_bucket(coverage: Coverage, entries: Sequence[bytes]) -> bytes:
    """Return how a proof opens a cut bucket or the empty node, given by its entries. Trusts them."""
    listed = [entry for entry in entries if coverage.locate_entry(entry) is not Place.COVERED]
    return bytes((len(listed),)) + b"".join(listed)


class _Node(NamedTuple):
    """The hash of a subtree, and how many entries it holds at most; a listed one may hold any number."""

    hash: bytes
    entries_max: int


_ANY_NUMBER: Final = BUCKET_ENTRIES_MAX + 1


class _Reader:
    """Reads one proof and puts a chunk's entries into the places that it leaves open."""

    __slots__ = ("continues", "coverage", "entries", "position", "proof")

    def __init__(self, coverage: Coverage, entries: list[bytes], proof: bytes) -> None:
        self.coverage = coverage
        self.entries = entries
        self.proof = proof
        self.position = 0
        self.continues = False

    def read_root(self) -> bytes:
        """Return the root to which entries and proof come, the whole proof having been read."""
        end = len(self.entries)
        if self.coverage.locate(WHOLE) is Place.CUT:
            root = self._read_cut(WHOLE, 0, end).hash
        else:
            root = _compute_hash(self.entries, 0, end, 0)
        if self.position != len(self.proof):
            raise InvalidRange(RangeFault.TRAILING_BYTES)
        return root

    def _read_cut(self, subtree: Subtree, start: int, end: int) -> _Node:
        """Read a cut subtree, to which the chunk's entries from `start` up to `end` belong."""
        mark = self._take(1)[0]
        if mark == BRANCH_MARK:
            return self._read_branch(subtree, start, end)
        if mark > BUCKET_ENTRIES_MAX:
            raise InvalidRange(RangeFault.UNKNOWN_KIND)
        return self._read_bucket(subtree, mark, start, end)

    def _read_branch(self, subtree: Subtree, start: int, end: int) -> _Node:
        children = self._read_listed(subtree)
        cut = self.coverage.get_cut_children(subtree)
        for nibble, first, after in self._split(subtree.depth, start, end, cut):
            if nibble in cut:
                children[nibble] = self._read_cut(subtree.get_child(nibble), first, after)
            else:
                computed = _compute_hash(self.entries, first, after, subtree.depth + 1)
                children[nibble] = _Node(computed, after - first)
        entries_max = sum(child.entries_max for child in children)
        if entries_max <= BUCKET_ENTRIES_MAX:
            raise InvalidRange(RangeFault.BRANCH_UNMERGED)
        hashes = [child.hash for child in children]
        return _Node(blake3_256(TAG_BRANCH + b"".join(hashes)), entries_max)

    def _read_listed(self, subtree: Subtree) -> list[_Node]:
        """Read the children of a cut branch before and after the covered paths; the others stay empty."""
        bitmap = int.from_bytes(self._take(2), "little")
        listed = self._take(HASH_BYTES * bitmap.bit_count())
        children = [_Node(EMPTY_HASH, 0)] * BRANCH_CHILDREN
        position = 0
        for nibble in range(BRANCH_CHILDREN):
            if not bitmap >> nibble & 1:
                continue
            place = self.coverage.locate(subtree.get_child(nibble))
            if place in {Place.COVERED, Place.CUT}:
                raise InvalidRange(RangeFault.COVERED_CHILD_LISTED)
            child = listed[position : position + HASH_BYTES]
            if child == EMPTY_HASH:
                raise InvalidRange(RangeFault.EMPTY_CHILD_LISTED)
            children[nibble] = _Node(child, _ANY_NUMBER)
            self.continues |= place is Place.AFTER
            position += HASH_BYTES
        return children

    def _split(self, depth: int, start: int, end: int, cut: list[int]) -> list[tuple[int, int, int]]:
        """Return the children that are cut or get entries: nibble and the entries from where up to where."""
        children = dict.fromkeys(cut, (start, start))
        while start < end:
            after = find_end(self.entries, start, end, depth)
            children[get_nibble(self.entries[start], depth)] = (start, after)
            start = after
        return [(nibble, *children[nibble]) for nibble in sorted(children)]

    def _read_bucket(self, subtree: Subtree, count: int, start: int, end: int) -> _Node:
        if count + end - start > BUCKET_ENTRIES_MAX:
            raise InvalidRange(RangeFault.BUCKET_UNSPLIT)
        listed = self._take(ENTRY_BYTES * count)
        others = [listed[at : at + ENTRY_BYTES] for at in range(0, len(listed), ENTRY_BYTES)]
        shift = 4 * (DEPTH_MAX - subtree.depth)
        previous = b""
        for entry in others:
            path = entry[:HASH_BYTES]
            place = self.coverage.locate_entry(entry)
            if place is Place.COVERED:
                raise InvalidRange(RangeFault.COVERED_ENTRY_LISTED)
            if int.from_bytes(path, "big") >> shift != subtree.lowest >> shift:
                raise InvalidRange(RangeFault.ENTRY_MISPLACED)
            if path <= previous:
                raise InvalidRange(RangeFault.ENTRIES_UNSORTED)
            self.continues |= place is Place.AFTER
            previous = path
        entries = sorted(others + self.entries[start:end])
        return _Node(_compute_hash(entries, 0, len(entries), subtree.depth), len(entries))

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.proof):
            raise InvalidRange(RangeFault.TRUNCATED)
        taken = self.proof[self.position : end]
        self.position = end
        return taken


def _compute_hash(entries: list[bytes], start: int, end: int, depth: int) -> bytes:
    """Return the hash of the node at `depth` over the ascending entries from `start` up to `end`."""
    if start == end:
        return EMPTY_HASH
    if end - start <= BUCKET_ENTRIES_MAX:
        return blake3_256(TAG_BUCKET + b"".join(entries[start:end]))
    hashes = [EMPTY_HASH] * BRANCH_CHILDREN
    while start < end:
        after = find_end(entries, start, end, depth)
        hashes[get_nibble(entries[start], depth)] = _compute_hash(entries, start, after, depth + 1)
        start = after
    return blake3_256(TAG_BRANCH + b"".join(hashes))
