"""The in-memory twin of the LevelDB store, for tests and for simulations without a disk.

Responsible for behaving exactly as `leveldb.py` does except for durability. Made for up to some hundred
thousand keys: the first write after a snapshot or an iteration copies the map.
"""

from bisect import bisect_left
from collections.abc import Iterator
from threading import Lock
from types import TracebackType
from typing import Self

from node.storage.kv import KEY_FIRST, Batch, ClosedError, Entry


class MemoryKeyValue:
    """An ordered map in memory that keeps the KeyValue contract."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._version = _Version({})
        self._is_closed = False

    def get(self, key: bytes) -> bytes | None:
        """Return the value of the key, or None."""
        self._ensure_open()
        with self._lock:  # a batch in progress must not be seen in part
            return self._version.entries.get(key)

    def iterate(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Entry]:
        """Yield entries with start ≤ key < stop in key order, as they were when this was called."""
        return self.snapshot().iterate(start, stop, reverse=reverse)

    def keys(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[bytes]:
        """Yield keys alone, otherwise as `iterate`."""
        return self.snapshot().keys(start, stop, reverse=reverse)

    def write(self, batch: Batch, *, sync: bool) -> None:  # noqa: ARG002 - nothing to sync here
        """Apply the batch atomically."""
        self._ensure_open()
        changes = list(batch)
        with self._lock:
            version = self._version
            if version.is_shared:
                version = _Version(dict(version.entries))
            version.sorted_keys = None
            for key, value in changes:
                assert key >= KEY_FIRST
                if value is None:
                    version.entries.pop(key, None)
                else:
                    version.entries[key] = value
            self._version = version

    def snapshot(self) -> "MemorySnapshot":
        """Return a view of the present moment."""
        self._ensure_open()
        with self._lock:
            self._version.is_shared = True
            return MemorySnapshot(self._version)

    def approximate_size(self, start: bytes, stop: bytes) -> int:
        """Return the bytes of keys and values in the range."""
        return sum(len(key) + len(value) for key, value in self.iterate(start, stop))

    def memory_bytes(self) -> int:
        """Return 0: there is no cache over what is in memory anyway."""
        return 0

    def compact(self, start: bytes | None = None, stop: bytes | None = None) -> None:
        """Do nothing: memory has no deleted values."""
        del start, stop

    def close(self) -> None:
        """Refuse all later calls."""
        self._is_closed = True

    def _ensure_open(self) -> None:
        if self._is_closed:
            raise ClosedError("the database is closed")


class _Version:
    """One state of the map; never changed once a snapshot shares it."""

    __slots__ = ("entries", "is_shared", "sorted_keys")

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries = entries
        self.is_shared = False
        self.sorted_keys: list[bytes] | None = None


class MemorySnapshot:
    """The map as it was at one moment."""

    def __init__(self, version: _Version) -> None:
        self._version: _Version | None = version

    def get(self, key: bytes) -> bytes | None:
        """Return the value of the key, or None."""
        return self._ensure_open().entries.get(key)

    def iterate(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Entry]:
        """Yield entries with start ≤ key < stop in key order."""
        entries = self._ensure_open().entries
        return ((key, entries[key]) for key in self.keys(start, stop, reverse=reverse))

    def keys(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[bytes]:
        """Yield keys alone, otherwise as `iterate`."""
        version = self._ensure_open()
        if version.sorted_keys is None:
            version.sorted_keys = sorted(version.entries)
        keys = version.sorted_keys
        low = bisect_left(keys, start)
        high = len(keys) if stop is None else bisect_left(keys, stop)
        chosen = keys[low:high]
        return reversed(chosen) if reverse else iter(chosen)

    def close(self) -> None:
        """Refuse all later calls."""
        self._version = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ensure_open(self) -> _Version:
        if self._version is None:
            raise ClosedError("the snapshot is closed")
        return self._version
