"""The Merkle tree of a list of rows in one growing file, so that a proof of any row takes few reads.

Responsible for the layout: after each leaf the file gets, bottom up, every subtree that it completes. So a
list of n rows takes 2n - popcount(n) hashes, which only ever are appended: a list that was cut off goes on
after its file is cut to a known length. The root and the proofs are those of
`runtime/primitives/row_tree.py`.
"""

from __future__ import annotations

from typing import IO, Final

from runtime.primitives.row_tree import fold_peaks, hash_row
from runtime.primitives.types import Hash

HASH_BYTES: Final = 32


def count_hashes(length: int) -> int:
    """Return how many hashes the file of a list has."""
    return 2 * length - length.bit_count()


class RowStore:
    """A list that grows; the file is its caller's, opened for reading and writing."""

    def __init__(self, file: IO[bytes], length: int = 0) -> None:
        """Go on with a list of this length; what the file has beyond it is cut off."""
        self._file = file
        self.length = length
        file.truncate(count_hashes(length) * HASH_BYTES)
        self._peaks = self._read_peaks(0, length)

    @property
    def root(self) -> Hash:
        """The root of the rows so far."""
        return fold_peaks(self._peaks)

    def append(self, row: bytes) -> None:
        """Add a row."""
        node, peaks, length = hash_row(row), list(self._peaks), self.length
        completed = [node]
        while length & 1:
            node = fold_peaks((peaks.pop(), node))
            completed.append(node)
            length >>= 1
        self._peaks = (*peaks, node)
        self._file.seek(count_hashes(self.length) * HASH_BYTES)
        self._file.write(b"".join(completed))
        self.length += 1

    def prove(self, place: int) -> tuple[Hash, ...]:
        """Return the siblings on the way from a row to the root, the lowest first."""
        assert 0 <= place < self.length, "the row is in the list"
        low, high = 0, self.length
        siblings: list[Hash] = []
        while high - low > 1:
            middle = low + (1 << ((high - low - 1).bit_length() - 1))
            if place < middle:
                siblings.append(fold_peaks(self._read_peaks(middle, high)))
                high = middle
            else:
                siblings.append(self._read_subtree(low, middle - low))
                low = middle
        return tuple(reversed(siblings))

    def _read_peaks(self, low: int, high: int) -> tuple[Hash, ...]:
        """Return the roots of the complete subtrees that rows from a split point on fall into."""
        peaks: list[Hash] = []
        while low < high:
            size = 1 << ((high - low).bit_length() - 1)
            peaks.append(self._read_subtree(low, size))
            low += size
        return tuple(peaks)

    def _read_subtree(self, low: int, size: int) -> Hash:
        """Return the root of a complete subtree: it was written when its last row came, after the smaller
        ones of that row."""
        last = low + size - 1
        at = count_hashes(last) + size.bit_length() - 1
        self._file.seek(at * HASH_BYTES)
        found = self._file.read(HASH_BYTES)
        assert len(found) == HASH_BYTES, "the file has all of the list"
        return Hash(found)
