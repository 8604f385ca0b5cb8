"""The Merkle root of a list of rows, built row by row, and the proof that a row is in it.

Responsible for one tree: leaf hash blake2b-256(0x00 ‖ row), node hash blake2b-256(0x01 ‖ left ‖ right), a
list of n rows split at the largest power of two below n, as in RFC 6962 §2.1. The root of no rows is the
hash of nothing. While a list grows, only the roots of its complete subtrees are kept, the peaks, one for each
bit of its length. It knows bytes, not what they mean.

A leaf cannot pass for a node, nor a node for a leaf, since their inputs begin differently; the length of the
list is part of what a verifier must know.
"""

from collections.abc import Sequence

from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import Hash

EMPTY_ROOT = Hash(blake2_256(b""))


def hash_row(row: bytes) -> Hash:
    """Return the leaf of a row."""
    return Hash(blake2_256(b"\0" + row))


def append_row(peaks: tuple[Hash, ...], length: int, row: bytes) -> tuple[Hash, ...]:
    """Return the peaks of a list with one more row; `length` is that before it."""
    return append_leaf(peaks, length, hash_row(row))


def append_leaf(peaks: tuple[Hash, ...], length: int, leaf: Hash) -> tuple[Hash, ...]:
    """Return the peaks of a list with one more row, given by its leaf."""
    assert len(peaks) == length.bit_count(), "one peak for each bit of the length"
    node = leaf
    kept = list(peaks)
    while length & 1:
        node = _hash_node(kept.pop(), node)
        length >>= 1
    return (*kept, node)


def fold_peaks(peaks: Sequence[Hash]) -> Hash:
    """Return the root of the list that has these peaks."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = _hash_node(peak, root)
    return root


def compute_root(rows: Sequence[bytes]) -> Hash:
    """Return the root of a whole list."""
    peaks: tuple[Hash, ...] = ()
    for length, row in enumerate(rows):
        peaks = append_row(peaks, length, row)
    return fold_peaks(peaks)


def prove_row(rows: Sequence[bytes], place: int) -> tuple[Hash, ...]:
    """Return the siblings on the way from a row to the root, the lowest first; linear in the list."""
    assert 0 <= place < len(rows), "the row is in the list"
    low, high = 0, len(rows)
    siblings: list[Hash] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if place < middle:
            siblings.append(compute_root(rows[middle:high]))
            high = middle
        else:
            siblings.append(compute_root(rows[low:middle]))
            low = middle
    return tuple(reversed(siblings))


def verify_row(root: Hash, length: int, place: int, row: bytes, siblings: Sequence[Hash]) -> bool:
    """Tell whether a row stands at a place of the list with this length and root."""
    if not 0 <= place < length:
        return False
    turns: list[bool] = []
    low, high = 0, length
    while high - low > 1:
        middle = low + _split(high - low)
        turns.append(place < middle)
        low, high = (low, middle) if place < middle else (middle, high)
    if len(siblings) != len(turns):
        return False
    node = hash_row(row)
    for is_left, sibling in zip(reversed(turns), siblings, strict=True):
        node = _hash_node(node, sibling) if is_left else _hash_node(sibling, node)
    return node == root


def _split(length: int) -> int:
    """Return the largest power of two below a length of at least two."""
    return 1 << ((length - 1).bit_length() - 1)


def _hash_node(left: Hash, right: Hash) -> Hash:
    return Hash(blake2_256(b"\1" + left + right))
