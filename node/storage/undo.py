"""Undo records: the values a finalized block replaced, stored so that one is found without reading all.

Responsible for the bytes of these records. It must not know how many are kept, nor what the values mean.

The pairs of a block are sorted by storage key and cut into chunks of `CHUNK_ENTRIES`. A chunk lies under
column ‖ number ‖ its first key, except that the first chunk of a block lies under an empty key: so the
greatest database key ≤ column ‖ number ‖ wanted key is the one chunk that can hold the wanted key, and the
search never leaves the block. Each chunk names the first key of the next one, so a chunk that went missing
is noticed and not read as "unchanged". A block that changed nothing has one empty chunk.

Chunk: count u16 ‖ length u32 of the next chunk's first key, or 0 for the last ‖ key ends u32 per pair ‖ value
ends u32 per pair ‖ presence byte per pair ‖ next chunk's first key ‖ keys ‖ values ‖ checksum.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from operator import lt

from node.storage.columns import NUMBER_BYTES, Column, encode_number, seal, unseal
from node.storage.kv import Change, CorruptionError, Entry, Reader

CHUNK_ENTRIES = 128
"""Tuned with benchmarks/storage.py: larger chunks are quicker to write, smaller ones to read."""

_CHUNK_HEAD = struct.Struct("<HI")
_KEY_START = 1 + NUMBER_BYTES


class UndoChunk:
    """A decoded chunk: sorted keys with the values they had before the block (None: absent)."""

    __slots__ = ("keys", "upper", "values")

    def __init__(self, key: bytes, record: bytes) -> None:
        """Decode the record strictly; raises CorruptionError."""
        lower, payload = key[_KEY_START:], unseal(key, record)
        try:
            count, upper_bytes = _CHUNK_HEAD.unpack_from(payload)
            ends = struct.unpack_from(f"<{2 * count}I", payload, _CHUNK_HEAD.size)
        except struct.error as error:
            raise CorruptionError(f"the undo record under {key.hex()} is damaged") from error
        flags_start = _CHUNK_HEAD.size + 8 * count
        upper_start = flags_start + count
        keys_start = upper_start + upper_bytes
        flags = payload[flags_start:upper_start]
        self.upper = payload[upper_start:keys_start]
        key_ends = [keys_start, *(keys_start + end for end in ends[:count])]
        value_ends = [key_ends[-1], *(key_ends[-1] + end for end in ends[count:])]
        self.keys = [payload[low:high] for low, high in pairwise(key_ends)]
        self.values: list[bytes | None] = [
            payload[low:high] if flag else None
            for flag, (low, high) in zip(flags, pairwise(value_ends), strict=False)
        ]
        bounds = [*self.keys, self.upper] if self.upper else self.keys
        is_sorted = all(map(lt, bounds, bounds[1:])) and (not bounds or lower <= bounds[0])
        if value_ends[-1] != len(payload) or len(self.values) != count or not is_sorted:
            raise CorruptionError(f"the undo record under {key.hex()} is damaged")

    def entries(self, start: int = 0) -> Iterator[Change]:
        """Yield (key, old value) in order from the position on."""
        return zip(self.keys[start:], self.values[start:], strict=True)


def encode_undo(number: int, old_values: Mapping[bytes, bytes | None]) -> list[Entry]:
    """Return the records of a block's undo information."""
    prefix = Column.UNDO + encode_number(number)
    keys = sorted(old_values)
    records: list[Entry] = []
    for start in range(0, len(keys) or 1, CHUNK_ENTRIES):
        part = keys[start : start + CHUNK_ENTRIES]
        upper = keys[start + CHUNK_ENTRIES] if start + CHUNK_ENTRIES < len(keys) else b""
        key = prefix + part[0] if start else prefix
        records.append((key, seal(key, _encode_chunk(part, [old_values[k] for k in part], upper))))
    return records


def undo_range(number: int) -> tuple[bytes, bytes]:
    """Return start and stop of the keys of a block's undo records; the start key itself exists."""
    return Column.UNDO + encode_number(number), Column.UNDO + encode_number(number + 1)


def find_old_value(reader: Reader, number: int, key: bytes) -> tuple[bool, bytes | None]:
    """Return (whether the block changed the key, the value before; None is absent)."""
    chunk = _load_chunk(reader, number, key)
    position = bisect_left(chunk.keys, key)
    if position < len(chunk.keys) and chunk.keys[position] == key:
        return True, chunk.values[position]
    return False, None


def iterate_undo(reader: Reader, number: int, start: bytes = b"") -> Iterator[Change]:
    """Yield (key, old value) of a block in key order, from the first key ≥ start on."""
    chunk = _load_chunk(reader, number, start)
    yield from chunk.entries(bisect_left(chunk.keys, start))
    while chunk.upper:
        chunk = _load_chunk(reader, number, chunk.upper)
        yield from chunk.entries()


def has_undo(reader: Reader, number: int) -> bool:
    """Tell whether the undo information of the block is kept."""
    return reader.get(undo_range(number)[0]) is not None


def _load_chunk(reader: Reader, number: int, key: bytes) -> UndoChunk:
    start = undo_range(number)[0]
    record_key, record = next(reader.iterate(start, start + key + b"\0", reverse=True), (b"", b""))
    if not record_key:
        raise CorruptionError(f"the undo record of block {number} is missing")
    chunk = UndoChunk(record_key, record)
    if chunk.upper and key >= chunk.upper:
        raise CorruptionError(f"a part of the undo record of block {number} is missing")
    return chunk


def _encode_chunk(keys: list[bytes], values: list[bytes | None], upper: bytes) -> bytes:
    count = len(keys)
    flags = bytes([value is not None for value in values])
    present = [value or b"" for value in values]
    ends = struct.pack(
        f"<HI{2 * count}I", count, len(upper), *accumulate(map(len, keys)), *accumulate(map(len, present))
    )
    return b"".join([ends, flags, upper, *keys, *present])
