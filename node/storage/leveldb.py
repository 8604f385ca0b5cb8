"""LevelDB behind the KeyValue Protocol; the only module that imports plyvel.

Responsible for what LevelDB does not promise by itself: one user at a time, creation only where nothing of
ours was, checksums on every read, recognition of a database that opens as an older state of itself, and an
end to all use after a failed write (the write may or may not be there; only a reopening tells). It must not
know what the keys mean.

A database directory holds `lock`, `marker.json`, `head` (see `lock.py` and `marker.py`) and LevelDB's own
files in `leveldb/`.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import plyvel
from plyvel._plyvel import Snapshot

from node.storage.failed_writes import name_failure, os_errors_translated
from node.storage.kv import (
    KEY_FIRST,
    RESERVED_FIRST_BYTE,
    Batch,
    ClosedError,
    CorruptionError,
    Entry,
    LockedError,
    LostWritesError,
    MissingError,
    ReadFailedError,
    StorageError,
    WrongGenesisError,
)
from node.storage.lock import DirectoryLock
from node.storage.marker import (
    SCHEMA_VERSION,
    Head,
    HeadFile,
    ManifestWatch,
    Marker,
    ensure_manifest,
    load_marker,
    store_marker,
)
from node.storage.tables import ensure_footers

if TYPE_CHECKING:
    from plyvel._plyvel import Iterator as Cursor

LOCK_NAME = "lock"
MARKER_NAME = "marker.json"
HEAD_NAME = "head"
LEVELDB_NAME = "leveldb"

WRITE_BUFFER_BYTES = 64 << 20
CACHE_BYTES = 64 << 20
TABLE_FILE_BYTES = 32 << 20
OPEN_FILES_MAX = 256
BLOOM_BITS_PER_KEY = 10

MEMORY_PROPERTY = b"leveldb.approximate-memory-usage"
SEQUENCE_KEY = bytes([RESERVED_FIRST_BYTE]) + b"sequence"
SEQUENCE_BYTES = 8

_Item = TypeVar("_Item")

_USED_ELSEWHERE = os.strerror(errno.EAGAIN)


class LevelDbKeyValue:
    """An open database; reads from any thread, writes from one thread at a time."""

    def __init__(self, path: Path, genesis: bytes | None, *, create: bool) -> None:
        """Open the database of the chain with this genesis hash (None: whichever it is), or create it.

        Raises LockedError, MissingError, WrongGenesisError, SchemaError, DiskFullError, LostWritesError or
        CorruptionError; of the last two, some can be mended by `recovery.recover`.
        """
        assert genesis is not None or not create
        if not create and not path.is_dir():
            raise MissingError(f"there is no database at {path}")
        self.path = path
        self._failure: StorageError | None = None
        with os_errors_translated(), ExitStack() as stack:
            path.mkdir(parents=True, exist_ok=True)
            lock = DirectoryLock(path / LOCK_NAME)
            stack.callback(lock.release)
            self.genesis = _prepare(path, genesis, create=create)
            self._head = HeadFile(path / HEAD_NAME)
            stack.callback(self._head.close)
            confirmed = self._head.load()
            ensure_manifest(path / LEVELDB_NAME, confirmed.manifest)
            self._db = open_leveldb(path / LEVELDB_NAME)
            stack.callback(self._db.close)
            self._sequence = load_sequence(self._db)
            if self._sequence < confirmed.sequence:
                raise LostWritesError(confirmed.sequence, self._sequence)
            self._manifest = ManifestWatch(path / LEVELDB_NAME)
            stack.callback(self._manifest.close)
            self._store_head()
            self._resources = stack.pop_all()

    @property
    def sequence(self) -> int:
        """How many writes were made since the database was created."""
        return self._sequence

    def get(self, key: bytes) -> bytes | None:
        """Return the value of the key, or None."""
        self._ensure_usable()
        return _get(self._db, key)

    def iterate(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Entry]:
        """Yield entries with start ≤ key < stop in key order, as they were when this was called."""
        self._ensure_usable()
        return _iterate(self._db, start, stop, reverse=reverse)

    def keys(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[bytes]:
        """Yield keys alone, otherwise as `iterate`."""
        self._ensure_usable()
        return _iterate_keys(self._db, start, stop, reverse=reverse)

    def write(self, batch: Batch, *, sync: bool) -> None:
        """Apply the batch atomically; with sync it survives power loss once this returns.

        Any failure poisons the store: every later call raises ClosedError.
        """
        self._ensure_usable()
        pending = self._db.write_batch(sync=sync)
        put, delete = pending.put, pending.delete
        for key, value in batch:
            assert key >= KEY_FIRST
            if value is None:
                delete(key)
            else:
                put(key, value)
        put(SEQUENCE_KEY, (self._sequence + 1).to_bytes(SEQUENCE_BYTES, "big"))
        try:
            pending.write()
            self._sequence += 1
            if sync:
                self._store_head()
        except StorageError as error:
            self._failure = error
            raise
        except (plyvel.Error, RuntimeError) as error:
            self._failure = _translate(error, is_write=True)
            raise self._failure from error

    def snapshot(self) -> "LevelDbSnapshot":
        """Return a view of the present moment."""
        self._ensure_usable()
        return LevelDbSnapshot(self._db.snapshot())

    def approximate_size(self, start: bytes, stop: bytes) -> int:
        """Return about how many bytes of disk the keys in the range take."""
        self._ensure_usable()
        return self._db.approximate_size(start, stop)

    def memory_bytes(self) -> int:
        """Return about how much memory the store takes for caches and unflushed writes."""
        self._ensure_usable()
        found = self._db.get_property(MEMORY_PROPERTY)
        return 0 if found is None else int(found)

    def compact(self, start: bytes | None = None, stop: bytes | None = None) -> None:
        """Rewrite the range without deleted values; may take minutes."""
        self._ensure_usable()
        self._db.compact_range(start=start, stop=stop)

    def close(self) -> None:
        """Release everything; closing twice is allowed. No write may be in progress."""
        self._resources.close()
        self._failure = self._failure or ClosedError("the database is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _store_head(self) -> None:
        with os_errors_translated(self.path / HEAD_NAME):
            self._head.store(Head(self._sequence, self._manifest.update()))

    def _ensure_usable(self) -> None:
        if self._failure is not None:
            message = f"the database may not be used any more: {self._failure}"
            raise ClosedError(message, self._failure) from self._failure


class LevelDbSnapshot:
    """The database as it was at one moment."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def get(self, key: bytes) -> bytes | None:
        """Return the value of the key, or None."""
        return _get(self._snapshot, key)

    def iterate(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Entry]:
        """Yield entries with start ≤ key < stop in key order."""
        return _iterate(self._snapshot, start, stop, reverse=reverse)

    def keys(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[bytes]:
        """Yield keys alone, otherwise as `iterate`."""
        return _iterate_keys(self._snapshot, start, stop, reverse=reverse)

    def close(self) -> None:
        """Let go of the old values."""
        self._snapshot.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_leveldb(directory: Path, *, create: bool = False) -> plyvel.DB:
    """Open LevelDB's own files with every check on; the caller holds the directory's lock."""
    if not create:
        ensure_footers(directory)
    try:
        return plyvel.DB(
            str(directory),
            create_if_missing=create,
            error_if_exists=create,
            paranoid_checks=True,
            write_buffer_size=WRITE_BUFFER_BYTES,
            max_open_files=OPEN_FILES_MAX,
            lru_cache_size=CACHE_BYTES,
            max_file_size=TABLE_FILE_BYTES,
            bloom_filter_bits=BLOOM_BITS_PER_KEY,
            compression=None,  # hashes and signatures: Snappy costs 15 µs a cold read and a tenth of all else
        )
    except plyvel.Error as error:
        text = _describe(error)
        if "lock" in text and _USED_ELSEWHERE in text:
            raise LockedError(str(directory), None) from error
        if not isinstance(error, plyvel.IOError):
            raise CorruptionError(f"{directory} does not open: {text}") from error
        raise _translate(error, is_write=True) from error


def load_sequence(db: plyvel.DB) -> int:
    """Return the number of the last write the database holds."""
    data = _get(db, SEQUENCE_KEY)
    if data is None or len(data) != SEQUENCE_BYTES:
        raise CorruptionError("the database has lost the number of its last write")
    return int.from_bytes(data, "big")


def rebuild_contents(directory: Path) -> None:
    """Let LevelDB guess a new table of contents from what files it finds; values may be wrong afterwards.

    Only for a copy, and only before a verification of every value by hashes.
    """
    try:
        plyvel.repair_db(str(directory), paranoid_checks=True)
    except plyvel.Error as error:
        raise CorruptionError(_describe(error)) from error
    shutil.rmtree(directory / "lost", ignore_errors=True)


def _prepare(path: Path, genesis: bytes | None, *, create: bool) -> bytes:
    """Check the marker, create the database where none was finished; return the genesis hash."""
    try:
        marker = load_marker(path / MARKER_NAME)
    except MissingError:
        if (path / LEVELDB_NAME).exists() or (path / HEAD_NAME).exists():
            raise CorruptionError(f"{path / MARKER_NAME} is missing beside a database") from None
        if genesis is None or not create:
            raise
        marker = Marker(SCHEMA_VERSION, genesis, is_ready=False)
        store_marker(path / MARKER_NAME, marker)
    if genesis is not None and marker.genesis != genesis:
        raise WrongGenesisError(genesis, marker.genesis)
    if not marker.is_ready:
        if not create:
            raise MissingError(f"the database at {path} was never finished")
        _create(path)
        store_marker(path / MARKER_NAME, marker._replace(is_ready=True))
    return marker.genesis


def _create(path: Path) -> None:
    """Make an empty database; whatever an interrupted creation left is removed."""
    (path / HEAD_NAME).unlink(missing_ok=True)
    directory = path / LEVELDB_NAME
    if directory.exists():
        shutil.rmtree(directory)
    db = open_leveldb(directory, create=True)
    try:
        batch = db.write_batch(sync=True)
        batch.put(SEQUENCE_KEY, bytes(SEQUENCE_BYTES))
        batch.write()
        manifest = ManifestWatch(directory)
        head = HeadFile(path / HEAD_NAME)
        try:
            head.reset(Head(0, manifest.update()))
        finally:
            head.close()
            manifest.close()
    finally:
        db.close()


def _get(source: plyvel.DB | Snapshot, key: bytes) -> bytes | None:
    try:
        return source.get(key, verify_checksums=True)
    except (plyvel.Error, RuntimeError) as error:
        raise _translate(error, is_write=False) from error


def _iterate(
    source: plyvel.DB | Snapshot, start: bytes, stop: bytes | None, *, reverse: bool
) -> Iterator[Entry]:
    low = max(start, KEY_FIRST)
    try:
        # plyvel 1.5.1, reversed and with a start, yields nothing where exactly one key matches.
        cursor = source.iterator(
            reverse=reverse, start=None if reverse else low, stop=stop, verify_checksums=True
        )
    except (plyvel.Error, RuntimeError) as error:
        raise _translate(error, is_write=False) from error
    entries = _drain(cursor)
    return takewhile(lambda entry: entry[0] >= low, entries) if reverse else entries


def _iterate_keys(
    source: plyvel.DB | Snapshot, start: bytes, stop: bytes | None, *, reverse: bool
) -> Iterator[bytes]:
    if reverse:
        return (key for key, _ in _iterate(source, start, stop, reverse=True))
    try:
        cursor = source.iterator(
            start=max(start, KEY_FIRST), stop=stop, include_value=False, verify_checksums=True
        )
    except (plyvel.Error, RuntimeError) as error:
        raise _translate(error, is_write=False) from error
    return _drain(cursor)


def _drain(cursor: "Cursor[_Item]") -> Iterator[_Item]:
    try:
        yield from cursor
    except (plyvel.Error, RuntimeError) as error:
        raise _translate(error, is_write=False) from error
    finally:
        cursor.close()


def _translate(error: Exception, *, is_write: bool) -> StorageError:
    text = _describe(error)
    if isinstance(error, plyvel.CorruptionError):
        return CorruptionError(text)
    if isinstance(error, RuntimeError):
        return ClosedError(text)
    if not is_write:
        return ReadFailedError(text)
    return name_failure(text)  # plyvel's IOError is an OSError without a number


def _describe(error: Exception) -> str:
    """Return the message; plyvel puts LevelDB's bytes into the exception as they are."""
    if not isinstance(error, plyvel.Error):
        return str(error)
    return " ".join(
        part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in error.args
    )
