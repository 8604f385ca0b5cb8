"""What to do when a database will not open: find the newest state of it that is whole, on a copy.

Responsible for cutting damaged logs at the first bad byte, which leaves a true earlier state of the
database (a prefix of its writes, without a hole in the middle), for having the caller verify the copy, and
only then for putting it in place. The damaged files are kept beside it. It must not know what the keys
mean: whether the blocks hang together by their hashes is the caller's question.

LevelDB's own means are not used, or only when asked: without its paranoid mode it opens damaged logs with
holes in the middle of history, and its repair leaves wrong values behind that pass every later check.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from node.storage.failed_writes import os_errors_translated
from node.storage.kv import CorruptionError, KeyValue
from node.storage.leveldb import (
    HEAD_NAME,
    LEVELDB_NAME,
    LOCK_NAME,
    MARKER_NAME,
    LevelDbKeyValue,
    load_sequence,
    open_leveldb,
    rebuild_contents,
)
from node.storage.lock import DirectoryLock
from node.storage.marker import (
    Head,
    HeadFile,
    ManifestWatch,
    ensure_manifest,
    load_marker,
    sync_directory,
)
from node.storage.tables import TABLE_SUFFIXES

COPY_NAME = "recovery"
DAMAGED_NAME = "damaged"

Check = Callable[[KeyValue], None]
"""Verifies a recovered database by hashes; raises StorageError when it must not be used."""


class Recovery(NamedTuple):
    """What a recovery did."""

    lost_writes: int | None
    """Confirmed writes that are gone; None when the record of them is gone too."""
    damaged: Path
    """Where the files lie as they were found."""


def open_or_recover(path: Path, genesis: bytes, check: Check) -> tuple[LevelDbKeyValue, Recovery | None]:
    """Open or create the database; when it is damaged, recover what can be and say what was done.

    Raises as `LevelDbKeyValue` and `recover` do.
    """
    try:
        return LevelDbKeyValue(path, genesis, create=True), None
    except CorruptionError:
        recovery = recover(path, check)
    return LevelDbKeyValue(path, genesis, create=False), recovery


def recover(path: Path, check: Check, *, rebuild: bool = False) -> Recovery:
    """Take the database back to the newest whole state that its logs and tables give.

    With `rebuild`, a damaged table of contents is guessed anew; `check` must then verify every value. Raises
    CorruptionError when nothing whole is found, or what `check` raises; then nothing was changed.
    """
    with os_errors_translated(), ExitStack() as stack:
        lock = DirectoryLock(path / LOCK_NAME)
        stack.callback(lock.release)
        marker = load_marker(path / MARKER_NAME)
        if not marker.is_ready:
            raise CorruptionError(f"the database at {path} was never finished")
        _undo_interrupted_swap(path)
        copy = path / COPY_NAME
        shutil.rmtree(copy, ignore_errors=True)
        stack.callback(shutil.rmtree, copy, ignore_errors=True)
        confirmed = _load_confirmed(path)
        sequence = _make_whole_copy(path, copy, confirmed, rebuild=rebuild)
        shutil.copy2(path / MARKER_NAME, copy / MARKER_NAME)
        with LevelDbKeyValue(copy, marker.genesis, create=False) as store:
            check(store)
        _swap(path, copy)
    lost = None if confirmed is None else max(0, confirmed.sequence - sequence)
    return Recovery(lost, path / DAMAGED_NAME)


def _load_confirmed(path: Path) -> Head | None:
    file = HeadFile(path / HEAD_NAME)
    try:
        return file.load()
    except CorruptionError:
        return None
    finally:
        file.close()


def _make_whole_copy(path: Path, copy: Path, confirmed: Head | None, *, rebuild: bool) -> int:
    """Make a copy that opens, with a head record that fits; return the number of its last write."""
    source, directory = path / LEVELDB_NAME, copy / LEVELDB_NAME
    if rebuild:
        _copy_leveldb(source, directory, None)
        rebuild_contents(directory)
    else:
        if confirmed is not None:
            ensure_manifest(source, confirmed.manifest)
        _copy_leveldb(source, directory, _find_whole_prefix(source, directory))
    sequence = _load_sequence(directory)
    manifest, head = ManifestWatch(directory), HeadFile(copy / HEAD_NAME)
    try:
        head.reset(Head(sequence, manifest.update()))
    finally:
        manifest.close()
        head.close()
    return sequence


def _find_whole_prefix(source: Path, directory: Path) -> int:
    """Return how many bytes of the logs, laid end to end, LevelDB accepts with every check on."""
    total = sum(log.stat().st_size for log in _list_logs(source))
    if _is_whole(source, directory, total):
        return total
    low, high = 0, total
    _copy_leveldb(source, directory, low)
    _load_sequence(directory)  # raises when the fault is not in the logs
    while low + 1 < high:
        middle = (low + high) // 2
        if _is_whole(source, directory, middle):
            low = middle
        else:
            high = middle
    return low


def _is_whole(source: Path, directory: Path, log_bytes: int) -> bool:
    _copy_leveldb(source, directory, log_bytes)
    try:
        _load_sequence(directory)
    except CorruptionError:
        return False
    return True


def _load_sequence(directory: Path) -> int:
    db = open_leveldb(directory)
    try:
        return load_sequence(db)
    finally:
        db.close()


def _copy_leveldb(source: Path, directory: Path, log_bytes: int | None) -> None:
    """Copy LevelDB's files; tables, which never change, as links; of the logs the first bytes (None: all)."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    logs = _list_logs(source)
    for file in sorted(source.iterdir()):
        if file.suffix in TABLE_SUFFIXES:
            _link(file, directory / file.name)
        elif file.is_file() and file not in logs:
            shutil.copy2(file, directory / file.name)
    for log in logs:
        data = log.read_bytes()[:log_bytes]
        (directory / log.name).write_bytes(data)
        log_bytes = None if log_bytes is None else log_bytes - len(data)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def _list_logs(directory: Path) -> list[Path]:
    """Return LevelDB's logs, oldest first."""
    return sorted(
        (file for file in directory.glob("*.log") if file.stem.isdigit()), key=lambda file: int(file.stem)
    )


def _swap(path: Path, copy: Path) -> None:
    """Put the copy in place; interrupted at any point, the next recovery or opening goes on from there."""
    for file in (copy / LEVELDB_NAME).iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    sync_directory(copy / LEVELDB_NAME)
    shutil.rmtree(path / DAMAGED_NAME, ignore_errors=True)
    (path / LEVELDB_NAME).rename(path / DAMAGED_NAME)
    (copy / LEVELDB_NAME).rename(path / LEVELDB_NAME)
    sync_directory(path)
    (copy / HEAD_NAME).replace(path / HEAD_NAME)
    sync_directory(path)


def _undo_interrupted_swap(path: Path) -> None:
    if not (path / LEVELDB_NAME).exists() and (path / DAMAGED_NAME).exists():
        (path / DAMAGED_NAME).rename(path / LEVELDB_NAME)
