"""Reading the state of a finalized block, the last one or an older one.

Responsible for finding the value a key had: old values are looked up in what later blocks replaced (undo
records, or in an archive the history), and only then in the flat state of the last finalized block. It must
not know how blocks are written. A view reads a snapshot, so the chain may go on under it.
"""

import heapq
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from node.storage.columns import (
    META_HEAD,
    NUMBER_BYTES,
    Column,
    Head,
    decode_head,
    encode_number,
)
from node.storage.kv import (
    Change,
    CorruptionError,
    Entry,
    KeyValue,
    Reader,
    Snapshot,
    StorageError,
    compute_prefix_stop,
)
from node.storage.undo import find_old_value, iterate_undo

_ZERO, _ESCAPED_ZERO = b"\x00", b"\x00\xff"
_KEY_END, _AFTER_KEY_END = b"\x00\x01", b"\x00\x02"
_WAS_ABSENT, _WAS_PRESENT = b"\x00", b"\x01"


class StateDiscarded(StorageError):
    """The state asked for is older than what the node keeps, or not final yet."""

    def __init__(self, number: int, oldest: int, newest: int) -> None:
        super().__init__(
            f"the state of block {number} is not kept: this node has the states of blocks {oldest} to "
            f"{newest} (see --state-pruning)"
        )
        self.number = number
        self.oldest = oldest
        self.newest = newest


def load_head(reader: Reader) -> Head | None:
    """Return the end of the finalized chain, or None in a database that was never filled."""
    record = reader.get(META_HEAD)
    return None if record is None else decode_head(record)


class StateAt:
    """The state after one finalized block; close it soon, it holds a snapshot."""

    def __init__(self, kv: KeyValue, number: int, *, is_archive: bool) -> None:
        """Open the view; raises StateDiscarded."""
        self._snapshot: Snapshot = kv.snapshot()
        head = load_head(self._snapshot)
        oldest, newest = (0, -1) if head is None else (head.oldest_state, head.block.number)
        if not oldest <= number <= newest:
            self._snapshot.close()
            raise StateDiscarded(number, oldest, newest)
        self.number = number
        self._newest = newest
        self._is_archive = is_archive

    def get(self, key: bytes) -> bytes | None:
        """Return the value of the storage key, or None; cost grows with the depth, except in an archive."""
        if self.number < self._newest:
            if self._is_archive:
                is_changed, value = find_in_history(self._snapshot, self.number, key)
                if is_changed:
                    return value
            else:
                for number in range(self.number + 1, self._newest + 1):
                    is_changed, value = find_old_value(self._snapshot, number, key)
                    if is_changed:
                        return value
        return self._snapshot.get(Column.STATE + key)

    def iterate(self, prefix: bytes = b"", start_after: bytes | None = None) -> Iterator[Entry]:
        """Yield (storage key, value) of the keys with the prefix above `start_after`, in key order."""
        start = prefix if start_after is None else max(prefix, start_after + b"\0")
        flat = iterate_flat(self._snapshot, prefix, start)
        if self.number == self._newest:
            return flat
        return self._merge(flat, prefix, start)

    def close(self) -> None:
        """Let go of the snapshot."""
        self._snapshot.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _merge(self, flat: Iterator[Entry], prefix: bytes, start: bytes) -> Iterator[Entry]:
        """Merge what later blocks replaced with the flat state; of equal keys the earliest block counts."""
        later = range(self.number + 1, self._newest + 1)
        if self._is_archive:
            sources = [_tag(self.number + 1, iterate_history(self._snapshot, self.number, prefix, start))]
        else:
            sources = [_tag(n, _take_prefix(iterate_undo(self._snapshot, n, start), prefix)) for n in later]
        last: bytes | None = None
        for key, _, value in heapq.merge(*sources, _tag(self._newest + 1, flat)):
            if key != last and value is not None:
                yield key, value
            last = key


def iterate_flat(reader: Reader, prefix: bytes, start: bytes) -> Iterator[Entry]:
    """Yield (storage key, value) of the last finalized block from `start` to the end of the prefix."""
    entries = reader.iterate(Column.STATE + start, compute_prefix_stop(Column.STATE + prefix))
    return ((key[1:], value) for key, value in entries)


def encode_history(number: int, old_values: Mapping[bytes, bytes | None]) -> Iterator[Entry]:
    """Yield the history records of a block: what each key it changed held before."""
    suffix = _KEY_END + encode_number(number)
    for key, value in old_values.items():
        record = _WAS_ABSENT if value is None else _WAS_PRESENT + value
        yield Column.HISTORY + key.replace(_ZERO, _ESCAPED_ZERO) + suffix, record


def find_in_history(reader: Reader, number: int, key: bytes) -> tuple[bool, bytes | None]:
    """Return (whether a block after `number` changed the key, the value it had at `number`)."""
    stem = _build_history_stem(key)
    entry = next(reader.iterate(stem + _KEY_END + encode_number(number + 1), stem + _AFTER_KEY_END), None)
    return (False, None) if entry is None else (True, _decode_history_value(entry))


def iterate_history(reader: Reader, number: int, prefix: bytes, start: bytes) -> Iterator[Change]:
    """Yield (key, value at `number`) of the keys from `start` on that a later block changed, in key order."""
    position = _build_history_stem(start)
    stop = compute_prefix_stop(_build_history_stem(prefix))
    while (found := next(reader.keys(position, stop), None)) is not None:
        key, changed_at = _decode_history_key(found)
        stem = _build_history_stem(key)
        if changed_at <= number:
            position = stem + _KEY_END + encode_number(number + 1)
            continue
        entry = next(reader.iterate(found, stop))
        yield key, _decode_history_value(entry)
        position = stem + _AFTER_KEY_END


def _build_history_stem(key: bytes) -> bytes:
    """Return an order-keeping history key; with its end it is no prefix of another key's."""
    return Column.HISTORY + key.replace(_ZERO, _ESCAPED_ZERO)


def _decode_history_key(found: bytes) -> tuple[bytes, int]:
    escaped, end, number = found[1 : -NUMBER_BYTES - 2], found[-NUMBER_BYTES - 2 : -NUMBER_BYTES], found[-4:]
    if end != _KEY_END:
        raise CorruptionError(f"the history key {found.hex()} is damaged")
    return escaped.replace(_ESCAPED_ZERO, _ZERO), int.from_bytes(number, "big")


def _decode_history_value(entry: Entry) -> bytes | None:
    key, record = entry
    if record[:1] == _WAS_PRESENT:
        return record[1:]
    if record != _WAS_ABSENT:
        raise CorruptionError(f"the history record under {key.hex()} is damaged")
    return None


def _tag(
    number: int, entries: Iterator[Change] | Iterator[Entry]
) -> Iterator[tuple[bytes, int, bytes | None]]:
    return ((key, number, value) for key, value in entries)


def _take_prefix(entries: Iterator[Change], prefix: bytes) -> Iterator[Change]:
    for key, value in entries:
        if not key.startswith(prefix):
            return
        yield key, value
