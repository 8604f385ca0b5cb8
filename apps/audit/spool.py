"""Rows on disk while they are collected, with their tree, so that memory does not grow with them.

Responsible for two files in one folder: a row a line (canonical JSON, or hex of a leaf), and the tree of
`row_store.py`. It knows neither blocks nor formats of output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final, Self

from apps.audit.errors import Unchecked
from apps.audit.plain import Record
from apps.audit.row_proof import RowProof, encode_proof, encode_row, parse_bytes
from apps.audit.row_store import HASH_BYTES, RowStore, count_hashes
from runtime.primitives.types import Hash

ROWS: Final = "rows"
TREE: Final = "tree"
_LEAF: Final = b"0x"


class Spool:
    """A list of rows in a folder; a context manager."""

    def __init__(self, folder: Path, length: int = 0, size: int = 0) -> None:
        """Go on with a list of `length` rows in `size` bytes; what the files have beyond is cut off."""
        with ExitStack() as stack:
            self._rows: IO[bytes] = stack.enter_context(_open(folder / ROWS, size))
            self._tree = stack.enter_context(_open(folder / TREE, count_hashes(length) * HASH_BYTES))
            self._store = RowStore(self._tree, length)
            self._rows.truncate(size)
            self._rows.seek(size)
            self._stack = stack.pop_all()
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def length(self) -> int:
        """How many rows there are."""
        return self._store.length

    @property
    def root(self) -> Hash:
        """The root of the rows."""
        return self._store.root

    def append(self, row: Record | bytes) -> None:
        """Add a row."""
        encoded = encode_row(row)
        self._store.append(encoded)
        line = (_LEAF + encoded.hex().encode() if isinstance(row, bytes) else encoded) + b"\n"
        self._rows.write(line)
        self.size += len(line)

    def flush(self) -> None:
        """Give the files all that was added."""
        self._rows.flush()
        self._tree.flush()

    def rows(self) -> Iterator[Record | bytes]:
        """Give the rows in order; none is added meanwhile."""
        self.flush()
        self._rows.seek(0)
        while line := self._rows.readline():
            text = line.rstrip(b"\n")
            yield parse_bytes(text.decode()) if text.startswith(_LEAF) else json.loads(text)

    def proofs(self) -> Iterator[str]:
        """Give a line with the proof of each row in order."""
        root = self.root
        for place, row in enumerate(self.rows()):
            proof = RowProof(root, self.length, place, row, self._store.prove(place))
            yield encode_proof(proof) + "\n"


def _open(path: Path, size: int) -> IO[bytes]:
    """Open a file for reading and writing that has at least so many bytes; Unchecked when it has fewer."""
    if not path.exists():
        path.touch()
    if path.stat().st_size < size:
        raise Unchecked(f"{path} has lost what was collected: remove {path.parent} and begin anew")
    return path.open("r+b")
