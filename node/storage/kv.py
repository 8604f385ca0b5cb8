"""The ordered key-value store that everything durable stands on: its Protocol and its errors.

Responsible for the words (read, batch, snapshot) and the error tree that every implementation shares. It
must not know which implementation runs, nor what the keys mean.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

RESERVED_FIRST_BYTE = 0
"""Keys that begin with this byte belong to the implementation; `iterate` never shows them."""

KEY_FIRST = bytes([RESERVED_FIRST_BYTE + 1])
"""The lowest key a caller may use."""

Entry = tuple[bytes, bytes]
Change = tuple[bytes, bytes | None]
"""A key and its new value; None deletes the key."""
Batch = Iterable[Change]
"""Changes applied in order and atomically; a later change of the same key wins."""


class StorageError(Exception):
    """Storage could not do what was asked; the message is for the operator."""


class CorruptionError(StorageError):
    """Stored bytes are not what was written; nothing of them was returned."""


class LostWritesError(CorruptionError):
    """The database is an older state of itself: acknowledged writes are gone."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            f"the database ends at write {actual}, but write {expected} had been confirmed: "
            f"{expected - actual} writes are lost"
        )
        self.expected = expected
        self.actual = actual


class DiskFullError(StorageError):
    """No space was left for a write; free some and start again."""


class WriteFailedError(StorageError):
    """A write failed for another reason than space; what is on disk is known only after reopening."""


class ReadFailedError(StorageError):
    """The operating system refused a read, for instance because file descriptors are used up."""


class LockedError(StorageError):
    """Another process (or this one) has the database open."""

    def __init__(self, path: str, pid: int | None) -> None:
        super().__init__(f"{path} is in use by {'another process' if pid is None else f'pid {pid}'}")
        self.path = path
        self.pid = pid


class MissingError(StorageError):
    """There is no database at the place named."""


class SchemaError(StorageError):
    """The database has another layout than this program writes."""

    def __init__(self, found: int, supported: int) -> None:
        super().__init__(f"the database has schema {found}, this program supports schema {supported}")
        self.found = found
        self.supported = supported


class WrongGenesisError(StorageError):
    """The database belongs to another chain."""

    def __init__(self, expected: bytes, found: bytes) -> None:
        super().__init__(
            f"the database belongs to the chain with genesis 0x{found.hex()}, not 0x{expected.hex()}; "
            "use another base path or purge the chain"
        )
        self.expected = expected
        self.found = found


class ClosedError(StorageError):
    """The database was closed, or poisoned by an earlier failure, which then is in `failure`."""

    def __init__(self, message: str, failure: BaseException | None = None) -> None:
        super().__init__(message)
        self.failure = failure


class Reader(Protocol):
    """Consistent reads, of the live store or of a snapshot."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of the key, or None."""
        ...

    def iterate(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Entry]:
        """Yield entries with start ≤ key < stop in key order, as they were when this was called."""
        ...

    def keys(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[bytes]:
        """Yield keys alone, otherwise as `iterate`."""
        ...


class Snapshot(Reader, Protocol):
    """The store as it was at one moment; close it, or its old values stay on disk."""

    def close(self) -> None:
        """Let go of the old values."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class KeyValue(Reader, Protocol):
    """An ordered map from bytes to bytes with atomic batches; reads from any thread, writes from one."""

    def write(self, batch: Batch, *, sync: bool) -> None:
        """Apply the batch atomically; with sync it survives power loss once this returns.

        Any failure poisons the store: the outcome is unknown until it is opened again, so every later call
        raises ClosedError.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Return a view of the present moment."""
        ...

    def approximate_size(self, start: bytes, stop: bytes) -> int:
        """Return about how many bytes of disk the keys in the range take."""
        ...

    def memory_bytes(self) -> int:
        """Return about how much memory the store takes for caches and unflushed writes."""
        ...

    def compact(self, start: bytes | None = None, stop: bytes | None = None) -> None:
        """Rewrite the range without deleted values; may take minutes."""
        ...

    def close(self) -> None:
        """Release everything; closing twice is allowed."""
        ...


def compute_prefix_stop(prefix: bytes) -> bytes | None:
    """Return the lowest key above all keys with the prefix, or None when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
