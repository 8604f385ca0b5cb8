"""The hashed form of the state tree and its proofs: what a verifier needs to know, and nothing more.

The tree maps paths (blake3 of a raw storage key) to blake3 hashes of values. A subtree that holds at most
sixteen entries is one *bucket*; a larger one is a *branch* with one child for each next nibble of the
path. Each of the three node kinds is hashed behind its own tag byte:

    empty   blake3(00) bucket  blake3(01 ‖ entries)           an entry is path ‖ blake3(value), ascending
    by path, 1 to 16 of them branch  blake3(02 ‖ 16 child hashes)   an absent child stands as the hash of
    the empty node

Why this is sound. A node's input begins with its kind, so under a collision-free hash a node hash fixes
the kind and all the bytes below it; a value hash stands only inside an entry, where no verifier looks for
a node, so a value made to look like a node gains nothing. The shape is a function of the set of paths
alone, hence the root is a function of the map, whatever the order of changes.

This module holds no tree and knows no storage: it reads and writes proofs, purely. The byte layout is
written out in docs/state-tree.md.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runtime.primitives.hashing import blake3_256

BUCKET_ENTRIES_MAX: Final = 16  # performance.md §4: the fastest commit of the sizes 8, 16, 32, 64
DEPTH_MAX: Final = 64  # nibbles in a path

HASH_BYTES: Final = 32
ENTRY_BYTES: Final = 64
BRANCH_CHILDREN: Final = 16

TAG_EMPTY: Final = b"\x00"
TAG_BUCKET: Final = b"\x01"
TAG_BRANCH: Final = b"\x02"
EMPTY_HASH: Final = blake3_256(TAG_EMPTY)

KIND_ABSENT: Final = 0
KIND_PRESENT: Final = 1

_BYTES: Final = tuple(bytes([value]) for value in range(256))


class ProofFault(StrEnum):
    """The rule that a refused proof breaks; the texts are stable codes."""

    TRUNCATED = "truncated"
    UNKNOWN_KIND = "unknown kind"
    TOO_DEEP = "too deep"
    OWN_CHILD_LISTED = "own child listed"
    EMPTY_SIBLING_LISTED = "empty sibling listed"
    BRANCH_UNMERGED = "branch unmerged"
    BUCKET_UNSPLIT = "bucket unsplit"
    ENTRY_MISPLACED = "entry misplaced"
    ENTRIES_UNSORTED = "entries unsorted"
    OWN_ENTRY_LISTED = "own entry listed"
    TRAILING_BYTES = "trailing bytes"
    ROOT_MISMATCH = "root mismatch"


class InvalidProof(ValueError):
    """A proof that shows nothing, with the first rule it breaks."""

    def __init__(self, fault: ProofFault) -> None:
        super().__init__(f"invalid state proof: {fault.value}")
        self.fault: Final = fault


@dataclass(frozen=True, slots=True)
class Present:
    """The key is in the state, with this value."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Absent:
    """The key is not in the state."""


def compute_path(key: bytes) -> bytes:
    """Return the 32-byte place of a raw storage key in the tree."""
    return blake3_256(key)


def get_nibble(path: bytes, depth: int) -> int:
    """Return the child taken by a path in a branch at this depth; high nibble of a byte first."""
    return path[depth >> 1] & 15 if depth & 1 else path[depth >> 1] >> 4


def find_end(entries: list[bytes], start: int, end: int, depth: int) -> int:
    """Return where those end that share the first one's nibble at a depth; all share what is before it."""
    first, place = entries[start], depth >> 1
    highest = first[place] if depth & 1 else first[place] | 15
    if highest == 255 or (depth & 1 and highest & 15 == 15):
        return end
    return bisect_left(entries, first[:place] + _BYTES[highest + 1], start, end)


def verify(root: bytes, key: bytes, proof: bytes) -> Present | Absent:
    """Return what the state under `root` holds at a raw storage key, by the proof alone.

    Raises InvalidProof unless the proof is the one canonical proof for this root and key. Cost grows with
    the length of the proof, which the caller bounds.
    """
    path = compute_path(key)
    if len(proof) < 2:
        raise InvalidProof(ProofFault.TRUNCATED)
    kind, depth = proof[0], proof[1]
    if kind not in {KIND_ABSENT, KIND_PRESENT}:
        raise InvalidProof(ProofFault.UNKNOWN_KIND)
    if depth > DEPTH_MAX:
        raise InvalidProof(ProofFault.TOO_DEEP)
    levels, position = _read_levels(proof, path, depth)
    entries, position = _read_entries(proof, position, path, depth)
    answer: Present | Absent
    if kind == KIND_PRESENT:
        answer = Present(proof[position:])
        if len(entries) == BUCKET_ENTRIES_MAX:
            raise InvalidProof(ProofFault.BUCKET_UNSPLIT)
        entries.append(path + blake3_256(answer.value))
        entries.sort()
    else:
        answer = Absent()
        if position != len(proof):
            raise InvalidProof(ProofFault.TRAILING_BYTES)
    if _compute_root(path, levels, entries) != root:
        raise InvalidProof(ProofFault.ROOT_MISMATCH)
    return answer


def encode_proof(
    path: bytes, branches: Sequence[bytes | bytearray], bucket: bytes, value: bytes | None
) -> bytes:
    """Return the canonical proof for a path, from the hashed bytes of the nodes on its way.

    `branches` are the tagged branch inputs from the root down, `bucket` is the tagged bucket they lead to
    or empty; `value` is the value at the path, None if the path is not in the bucket. Trusts its
    arguments.
    """
    parts = [bytes((KIND_ABSENT if value is None else KIND_PRESENT, len(branches)))]
    for depth, branch in enumerate(branches):
        own = get_nibble(path, depth)
        bitmap = 0
        siblings: list[bytes] = []
        for nibble in range(BRANCH_CHILDREN):
            start = 1 + HASH_BYTES * nibble
            sibling = bytes(branch[start : start + HASH_BYTES])
            if nibble != own and sibling != EMPTY_HASH:
                bitmap |= 1 << nibble
                siblings.append(sibling)
        parts.append(bitmap.to_bytes(2, "little"))
        parts.extend(siblings)
    entries = [bucket[start : start + ENTRY_BYTES] for start in range(1, len(bucket), ENTRY_BYTES)]
    others = [entry for entry in entries if entry[:HASH_BYTES] != path]
    parts.append(bytes((len(others),)))
    parts.extend(others)
    if value is not None:
        parts.append(value)
    return b"".join(parts)


def _read_levels(proof: bytes, path: bytes, depth: int) -> tuple[list[list[bytes]], int]:
    """Read the child hashes of each branch, the path's own left empty, and the position behind them."""
    position = 2
    levels: list[list[bytes]] = []
    bitmap = 1
    for level in range(depth):
        bitmap = int.from_bytes(proof[position : position + 2], "little")
        end = position + 2 + HASH_BYTES * bitmap.bit_count()
        if len(proof) < end:
            raise InvalidProof(ProofFault.TRUNCATED)
        if bitmap >> get_nibble(path, level) & 1:
            raise InvalidProof(ProofFault.OWN_CHILD_LISTED)
        position += 2
        hashes = [EMPTY_HASH] * BRANCH_CHILDREN
        for nibble in range(BRANCH_CHILDREN):
            if bitmap >> nibble & 1:
                hashes[nibble] = proof[position : position + HASH_BYTES]
                if hashes[nibble] == EMPTY_HASH:
                    raise InvalidProof(ProofFault.EMPTY_SIBLING_LISTED)
                position += HASH_BYTES
        levels.append(hashes)
    # The lowest branch holds more than a bucket can, so something stands beside the path's own child.
    if bitmap == 0:
        raise InvalidProof(ProofFault.BRANCH_UNMERGED)
    return levels, position


def _read_entries(proof: bytes, position: int, path: bytes, depth: int) -> tuple[list[bytes], int]:
    """Read the bucket's entries of other keys, and the position behind them."""
    if position >= len(proof):
        raise InvalidProof(ProofFault.TRUNCATED)
    count = proof[position]
    if count > BUCKET_ENTRIES_MAX:
        raise InvalidProof(ProofFault.BUCKET_UNSPLIT)
    start = position + 1
    end = start + ENTRY_BYTES * count
    if end > len(proof):
        raise InvalidProof(ProofFault.TRUNCATED)
    entries = [proof[place : place + ENTRY_BYTES] for place in range(start, end, ENTRY_BYTES)]
    shift = 4 * (DEPTH_MAX - depth)
    prefix = int.from_bytes(path, "big") >> shift
    previous = b""
    for entry in entries:
        other = entry[:HASH_BYTES]
        if other == path:
            raise InvalidProof(ProofFault.OWN_ENTRY_LISTED)
        if int.from_bytes(other, "big") >> shift != prefix:
            raise InvalidProof(ProofFault.ENTRY_MISPLACED)
        if other <= previous:
            raise InvalidProof(ProofFault.ENTRIES_UNSORTED)
        previous = other
    return entries, end


def _compute_root(path: bytes, levels: list[list[bytes]], entries: list[bytes]) -> bytes:
    """Hash from the bucket up to the root."""
    node = blake3_256(TAG_BUCKET + b"".join(entries)) if entries else EMPTY_HASH
    for depth in range(len(levels) - 1, -1, -1):
        hashes = levels[depth]
        hashes[get_nibble(path, depth)] = node
        node = blake3_256(TAG_BRANCH + b"".join(hashes))
    return node
