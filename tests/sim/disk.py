"""A disk that forgets what was not synced, or tears it at any byte.

A record is written behind the one before it and replaces it only when it is whole: length, checksum,
payload. What a crash leaves of the last one is found out by the checksum, and cut off.
"""

from typing import Final
from zlib import crc32

_HEADER_BYTES: Final = 8


class Disk:
    """Named records, of each of which the last whole one counts."""

    def __init__(self) -> None:
        self._durable: dict[str, bytes] = {}
        self._pending: dict[str, bytes] = {}

    def write(self, name: str, payload: bytes) -> None:
        """Write a record behind the earlier ones; it is durable after `sync`."""
        header = len(payload).to_bytes(4, "little") + crc32(payload).to_bytes(4, "little")
        self._pending[name] = self._pending.get(name, b"") + header + payload

    def sync(self, name: str) -> None:
        """Make durable what was written to a name."""
        records = _split(self._durable.get(name, b"") + self._pending.pop(name, b""))
        self._durable[name] = records[-1] if records else b""

    def load(self, name: str) -> bytes | None:
        """Return the payload of the last whole record."""
        records = _split(self._durable.get(name, b"") + self._pending.get(name, b""))
        return records[-1][_HEADER_BYTES:] if records else None

    def crash(self, cut: int) -> None:
        """Keep the first `cut` bytes of what was not synced to each name, all of it where it is shorter."""
        for name, tail in self._pending.items():
            records = _split(self._durable.get(name, b"") + tail[:cut])
            self._durable[name] = records[-1] if records else b""
        self._pending.clear()

    def load_after_crash(self, cut: int) -> tuple[tuple[str, bytes], ...]:
        """Return what would be read, name by name, after a crash that keeps so many unsynced bytes."""
        names = sorted({*self._durable, *self._pending})
        found = (
            (name, _split(self._durable.get(name, b"") + self._pending.get(name, b"")[:cut]))
            for name in names
        )
        return tuple((name, records[-1]) for name, records in found if records)

    def unsynced_bytes(self) -> int:
        """Return the length of the longest tail that a crash may tear."""
        return max((len(tail) for tail in self._pending.values()), default=0)

    def wipe(self, name: str) -> None:
        """Lose a name altogether."""
        self._durable.pop(name, None)
        self._pending.pop(name, None)


def _split(data: bytes) -> list[bytes]:
    """Return the whole records at the beginning of a file, up to the first one that is torn."""
    records: list[bytes] = []
    start = 0
    while start + _HEADER_BYTES <= len(data):
        end = start + _HEADER_BYTES + int.from_bytes(data[start : start + 4], "little")
        payload = data[start + _HEADER_BYTES : end]
        checksum = int.from_bytes(data[start + 4 : start + 8], "little")
        if end > len(data) or crc32(payload) != checksum:
            break
        records.append(data[start:end])
        start = end
    return records
