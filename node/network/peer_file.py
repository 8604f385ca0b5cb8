"""The file of the peer store: replaced atomically; where it is damaged the node starts without memories.

Responsible for durability only. Losing it costs a few dials, so no error of it stops the node.
"""

import os
import zlib
from pathlib import Path
from typing import Final

import structlog

from node.network.peer_store import PeerStore, PeerStoreError, decode_peer_store
from node.storage.marker import sync_directory

CHECK_BYTES: Final = 4
FILE_MAX: Final = 8 * 1024 * 1024

log = structlog.get_logger("p2p")


class PeerFile:
    """The file at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> PeerStore:
        """Return what was stored; an empty store where there is nothing, or nothing whole."""
        try:
            with self._path.open("rb") as file:
                data = file.read(FILE_MAX + 1)
            return _decode(data)
        except FileNotFoundError:
            return PeerStore()
        except (OSError, PeerStoreError) as error:
            log.warning("peer_store_damaged", path=str(self._path), reason=str(error))
            return PeerStore()

    def store(self, encoded: bytes) -> bool:
        """Replace the file by an encoded store; durable on return. False, with a warning, on an OSError."""
        try:
            self._replace(encoded + zlib.crc32(encoded).to_bytes(CHECK_BYTES, "little"))
        except OSError as error:
            log.warning("peer_store_not_written", path=str(self._path), reason=str(error))
            return False
        return True

    def _replace(self, data: bytes) -> None:
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        sync_directory(self._path.parent)


def _decode(data: bytes) -> PeerStore:
    if len(data) > FILE_MAX:
        raise PeerStoreError(f"more than {FILE_MAX} bytes")
    encoded, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    if zlib.crc32(encoded).to_bytes(CHECK_BYTES, "little") != check:
        raise PeerStoreError("the check sum is wrong")
    return decode_peer_store(encoded)
