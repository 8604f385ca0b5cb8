"""The signing guard's file: one record for each key, replaced atomically and synced before a signature
leaves.

Responsible for durability only; the rule is node.consensus.guard's. A record is written to a temporary file
that is synced, renamed over the old one, and the directory synced.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from node.storage.kv import CorruptionError
from node.storage.marker import sync_directory

CHECK_BYTES = 4


class GuardFile:
    """The file of one key's last signature."""

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
        """Replace the record; durable on return."""
        temporary = self._path.with_suffix(".new")
        check = zlib.crc32(record).to_bytes(CHECK_BYTES, "little")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, record + check)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(self._path)
        sync_directory(self._path.parent)
