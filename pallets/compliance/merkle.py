"""Merkle trees of rows: one hash for a report or a day, and proofs that a row is in it.

Responsible for the tree's shape, its hashes and its proofs. What a row is it does not know. The shape is that
of RFC 9162 §2.1 (Certificate Transparency) with blake2b-256: a leaf is hashed behind 00, a node behind 01, a
tree of n leaves splits at the largest power of two below n, and no leaf has a hash of its own. So a leaf can
never be taken for a node, and the root is a function of the rows and their order alone.

A tree that grows is kept as its peaks: the roots of its perfect subtrees, the largest first, one for each bit
of the number of leaves. Another leaf costs two hashes on the average.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import Hash

PEAKS_MAX: Final = 64
"""Peaks of the largest tree that a u64 counts."""

EMPTY_ROOT: Final = Hash(blake2_256(b""))
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def hash_leaf(row: bytes) -> Hash:
    """Return the hash of a row."""
    return Hash(blake2_256(_LEAF + row))


def append_leaf(peaks: tuple[Hash, ...], count: int, leaf: Hash) -> tuple[Hash, ...]:
    """Return the peaks of a tree of `count` leaves after one more."""
    standing, top = list(peaks), leaf
    while count & 1:
        top = _hash_node(standing.pop(), top)
        count >>= 1
    return (*standing, top)


def fold_peaks(peaks: Sequence[Hash]) -> Hash:
    """Return the root of the tree that these peaks stand for."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = _hash_node(peak, root)
    return root


def compute_root(rows: Sequence[bytes]) -> Hash:
    """Return the root of a tree of rows in their order."""
    peaks: tuple[Hash, ...] = ()
    for count, row in enumerate(rows):
        peaks = append_leaf(peaks, count, hash_leaf(row))
    return fold_peaks(peaks)


def make_proof(rows: Sequence[bytes], index: int) -> tuple[Hash, ...]:
    """Return the proof that the row at an index is in the tree: sibling hashes from the leaf up."""
    assert 0 <= index < len(rows), "there is no such row"
    if len(rows) == 1:
        return ()
    split = _split(len(rows))
    if index < split:
        return (*make_proof(rows[:split], index), compute_root(rows[split:]))
    return (*make_proof(rows[split:], index - split), compute_root(rows[:split]))


def verify_proof(root: Hash, row: bytes, index: int, count: int, proof: Sequence[Hash]) -> bool:
    """Answer whether a proof shows that a row is at an index of the tree with a root and `count` leaves."""
    if not 0 <= index < count:
        return False
    sides: list[bool] = []
    while count > 1:
        split = _split(count)
        sides.append(index < split)
        index, count = (index, split) if index < split else (index - split, count - split)
    if len(sides) != len(proof):
        return False
    found = hash_leaf(row)
    for is_left, sibling in zip(reversed(sides), proof, strict=True):
        found = _hash_node(found, sibling) if is_left else _hash_node(sibling, found)
    return found == root


def _split(count: int) -> int:
    """Return the largest power of two below a count above one."""
    return 1 << ((count - 1).bit_length() - 1)


def _hash_node(left: Hash, right: Hash) -> Hash:
    return Hash(blake2_256(_NODE + left + right))
