"""Files that only their owner may read: checked before reading, written whole or not at all.

It must not know what is in them. OSError of a full or failing disk passes through: the caller ends the
program.
"""

import os
import secrets
import stat
from pathlib import Path

from node.keystore.errors import KeystoreError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
SECRET_BYTES_MAX = 16 * 1024
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def ensure_private_directory(path: Path, *, may_be_open: bool = False) -> None:
    """Create the directory for its owner alone, or check that an existing one is so.

    `may_be_open` lets pass one that others can read.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise KeystoreError(f"{path} is not a directory")
    _ensure_owned(path, status, "directory", None if may_be_open else DIRECTORY_MODE)


def read_private_file(path: Path, *, may_be_open: bool = False) -> bytes:
    """Return the bytes of a regular file of at most 16 KiB that only its owner can read; no link is
    followed.

    `may_be_open` lets pass one that others can read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise KeystoreError(f"{path} does not exist") from error
    except OSError as error:
        raise KeystoreError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeystoreError(f"{path} is not a regular file")
        _ensure_owned(path, status, "file", None if may_be_open else FILE_MODE)
        data = os.read(descriptor, SECRET_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(data) > SECRET_BYTES_MAX:
        raise KeystoreError(f"{path} is larger than {SECRET_BYTES_MAX} bytes, which no key is")
    return data


def read_private_text(path: Path) -> str:
    """Return the text of a file that only its owner can read, without white space around it."""
    try:
        return read_private_file(path).decode().strip()
    except UnicodeDecodeError as error:
        raise KeystoreError(f"{path} is not UTF-8 text") from error


def write_private_file(path: Path, data: bytes) -> None:
    """Write the file for its owner alone, synced, and in one step: a crash leaves the old file or the new
    one.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, FILE_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def is_open_to_others(path: Path) -> bool:
    """Tell whether a file or directory is there and others than its owner may use it."""
    return path.exists() and path.stat().st_mode & OTHERS != 0


def _ensure_owned(path: Path, status: os.stat_result, kind: str, mode: int | None) -> None:
    """Raise KeystoreError unless the node's user alone can change it, and read it where a mode is wanted."""
    if status.st_mode & stat.S_ISVTX or path.absolute().parent == path.absolute():
        raise KeystoreError(f"{kind} {path} is shared with others; name one of the node's own")
    others = OTHERS if mode is not None else stat.S_IWGRP | stat.S_IWOTH
    if status.st_mode & others:
        mode = mode if mode is not None else status.st_mode & ~others & 0o777
        seen = stat.S_IMODE(status.st_mode)
        raise KeystoreError(f"{kind} {path} is open to others (mode {seen:04o}); run: chmod {mode:o} {path}")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeystoreError(f"{kind} {path} belongs to another user (uid {status.st_uid})")
