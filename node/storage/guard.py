"""The signing guard's file: one record, of the key that signed last, replaced atomically and synced before a
signature leaves.

Responsible for durability only; the rule is node.consensus.guard's. A record is written to a temporary file
that is synced, renamed over the old one, and the directory synced.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from node.storage.failed_writes import os_errors_translated
from node.storage.kv import CorruptionError
from node.storage.marker import sync_directory

CHECK_BYTES = 4


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
        temporary = self._path.with_suffix(".new")
        check = zlib.crc32(record).to_bytes(CHECK_BYTES, "little")
        with os_errors_translated(self._path):
            with open(temporary, "wb", opener=_open_private) as file:
                file.write(record + check)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            sync_directory(self._path.parent)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
