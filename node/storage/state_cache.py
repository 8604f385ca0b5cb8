"""Values of the flat state kept in memory: what is read first is read from here.

Responsible for never answering with another value than the database has, and for its bound. Only the writer
thread changes it once it was filled, so a reader needs no lock: one operation of a dict is atomic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from node.storage.kv import Entry

VALUE_MAX: Final = 256
"""Longer values stay in the database alone; an account record has 80 bytes."""
ENTRY_BYTES: Final = 384
"""What an entry takes with its key and its place, as measured for accounts, and some more."""


class StateCache:
    """Storage keys and values of the last finalized block, as many as there is room for."""

    def __init__(self, bytes_max: int) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._entries_max = bytes_max // ENTRY_BYTES

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a storage key, None where the database has to be asked."""
        return self._entries.get(key)

    def fill(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Pass entries on; keep them while there is room."""
        kept = self._entries
        for key, value in entries:
            if len(kept) < self._entries_max and len(value) <= VALUE_MAX:
                kept[key] = value
            yield key, value

    def update(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Take in what a written block changed; the oldest entries go when there are too many."""
        if not self._entries_max:
            return
        entries = self._entries
        short = {
            key: value for key, value in changes.items() if value is not None and len(value) <= VALUE_MAX
        }
        if len(short) < len(changes):
            for key in changes.keys() - short.keys():
                entries.pop(key, None)
        entries.update(short)
        excess = len(entries) - self._entries_max
        if excess > 0:
            for key in list(islice(entries, excess)):
                del entries[key]

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
