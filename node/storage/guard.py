"""What keeps a node's keys from signing twice, on disk: the signing guard's record, of the key that signed
last, and beside it the keys that another node was heard to sign with.

Responsible for durability only; the rule is node.consensus.guard's. Either is written to a temporary file
that is synced, renamed over the old one, and the directory synced, before a signature leaves.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from node.storage.failed_writes import os_errors_translated
from node.storage.kv import CorruptionError
from node.storage.marker import sync_directory

CHECK_BYTES = 4
KEY_BYTES = 32


class GuardFile:
    """The file of the last signature, by whichever key of a node it was."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> bytes | None:
        """Return the record, None when there is none; CorruptionError when the file is damaged."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        record, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
        if not record or zlib.crc32(record).to_bytes(CHECK_BYTES, "little") != check:
            raise CorruptionError(
                f"the signing guard {self._path} is damaged; restore it, or use another key"
            )
        return record

    def store(self, record: bytes) -> None:
        """Replace the record; durable on return. Raises DiskFullError or WriteFailedError."""
        _replace(self._path, record + zlib.crc32(record).to_bytes(CHECK_BYTES, "little"))


class CopiedKeys:
    """The file of the keys that another node signs with too, one a line in hex, for people to read. They sign
    nothing here until somebody removes the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[bytes, ...]:
        """Return the public keys, 32 bytes each; CorruptionError when a line is none."""
        try:
            lines = self.path.read_bytes().split()
        except FileNotFoundError:
            return ()
        try:
            publics = tuple(bytes.fromhex(line.decode().removeprefix("0x")) for line in lines)
        except ValueError:
            publics = (b"",)
        if any(len(public) != KEY_BYTES for public in publics):
            raise CorruptionError(
                f"{self.path} names keys that another node signs with, and cannot be read; mend it, or remove"
                " it when no other node has a key of this one"
            )
        return publics

    def add(self, public: bytes) -> None:
        """Name another key; durable on return. Raises CorruptionError, DiskFullError or WriteFailedError."""
        publics = dict.fromkeys((*self.load(), public))
        _replace(self.path, "".join(f"0x{each.hex()}\n" for each in publics).encode())


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".new")
    with os_errors_translated(path):
        with open(temporary, "wb", opener=_open_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
