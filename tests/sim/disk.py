"""A disk that forgets what was not synced, or tears it at any byte.

A record is written behind the one before it and replaces it only when it is whole: length, checksum,
payload. What a crash leaves of the last one is found out by the checksum, and cut off.
"""

from collections.abc import Iterator
from typing import Final
from zlib import crc32

_HEADER_BYTES: Final = 8


class Disk:
    """Named records, of each of which the last whole one counts."""

    def __init__(self) -> None:
        self._durable: dict[str, bytes] = {}
        self._pending: dict[str, list[bytes]] = {}

    def write(self, name: str, payload: bytes) -> None:
        """Write a record behind the earlier ones; it is durable after `sync`."""
        header = len(payload).to_bytes(4, "little") + crc32(payload).to_bytes(4, "little")
        self._pending.setdefault(name, []).append(header + payload)

    def sync(self, name: str) -> None:
        """Make durable what was written to a name."""
        pending = self._pending.pop(name, None)
        if pending:
            self._durable[name] = pending[-1]

    def load(self, name: str) -> bytes | None:
        """Return the payload of the last whole record."""
        record = self._find(name, self.unsynced_bytes())
        return None if record is None else record[_HEADER_BYTES:]

    def crash(self, cut: int) -> None:
        """Keep the first `cut` bytes of what was not synced to each name, all of it where it is shorter."""
        self._durable = dict(self._find_all(cut))
        self._pending.clear()

    def load_after_crash(self, cut: int) -> tuple[tuple[str, bytes], ...]:
        """Return what would be read, name by name, after a crash that keeps so many unsynced bytes."""
        return tuple(self._find_all(cut))

    def unsynced_bytes(self) -> int:
        """Return the length of the longest tail that a crash may tear."""
        return max((sum(map(len, tail)) for tail in self._pending.values()), default=0)

    def wipe(self, name: str) -> None:
        """Lose a name altogether."""
        self._durable.pop(name, None)
        self._pending.pop(name, None)

    def _find_all(self, cut: int) -> Iterator[tuple[str, bytes]]:
        for name in sorted({*self._durable, *self._pending}):
            record = self._find(name, cut)
            if record is not None:
                yield name, record

    def _find(self, name: str, cut: int) -> bytes | None:
        """Return the last whole record when so many unsynced bytes are there."""
        tail = b"".join(self._pending.get(name, ()))
        records = _split(self._durable.get(name, b"") + tail[:cut])
        return records[-1] if records else None


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
