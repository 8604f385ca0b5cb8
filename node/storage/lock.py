"""The lock file of a data directory: one process, and in it one object, uses a database at a time.

Responsible for exclusion by `flock` before LevelDB is touched: LevelDB's own lock is dropped when the same
process tries a second open. It must not know what is in the directory.
"""

import fcntl
import os
import weakref
from pathlib import Path

from node.storage.kv import LockedError

PID_BYTES_MAX = 20


class DirectoryLock:
    """Exclusive use of a directory until `release`; the file names the holder's pid."""

    def __init__(self, path: Path) -> None:
        """Take the lock file at the path, creating it, or raise LockedError with the holder's pid."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            pid = _read_pid(self._file)
            self._close_file()
            raise LockedError(str(path.parent), pid) from error
        except OSError:  # a full disk, or a file system without locks
            self._close_file()
            raise
        _drop_in_forked_children(self)

    def release(self) -> None:
        """Give the directory free; releasing twice is allowed."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            self._close_file()

    def _close_file(self) -> None:
        os.close(self._file)
        self._file = -1

    def drop_inherited(self) -> None:
        """Close a forked child's copy of the file, so that the child does not hold the parent's lock."""
        if self._file >= 0:
            self._close_file()


def _read_pid(file: int) -> int | None:
    text = os.pread(file, PID_BYTES_MAX, 0).strip()
    return int(text) if text.isdigit() else None


def _drop_in_forked_children(lock: DirectoryLock) -> None:
    reference = weakref.ref(lock)

    def drop() -> None:
        held = reference()
        if held is not None:
            held.drop_inherited()

    os.register_at_fork(after_in_child=drop)
