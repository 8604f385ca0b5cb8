"""A check of LevelDB's table files that LevelDB leaves out: their footers.

Everything in a table carries a checksum except the footer, which says where the index lies. LevelDB
believes a damaged size there, asks for that much memory, and the process aborts; so footers are checked
before an open.

Responsible for that check alone; the format is LevelDB's doc/table_format.md: two block handles (offset and
size as varint64), padding, an eight-byte magic number. It must not know what the tables hold.
"""

import os
from pathlib import Path

from node.storage.kv import CorruptionError

FOOTER_BYTES = 48
FOOTER_MAGIC = bytes.fromhex("57fb808b247547db")
BLOCK_TRAILER_BYTES = 5
TABLE_SUFFIXES = (".ldb", ".sst")
_VARINT_BYTES_MAX = 10


def ensure_footers(directory: Path) -> None:
    """Raise CorruptionError when a table's footer points outside of its file; some 10 µs per table."""
    for path in sorted(directory.iterdir()):
        if path.suffix in TABLE_SUFFIXES:
            _ensure_footer(path)


def _ensure_footer(path: Path) -> None:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - FOOTER_BYTES))
        footer = file.read(FOOTER_BYTES)
    if len(footer) < FOOTER_BYTES or not footer.endswith(FOOTER_MAGIC):
        return  # left unfinished by an interrupted compaction; LevelDB itself refuses it where it is in use
    position = 0
    for _ in ("meta index", "index"):
        offset, position = _decode_varint(footer, position)
        length, position = _decode_varint(footer, position)
        if offset + length + BLOCK_TRAILER_BYTES > size - FOOTER_BYTES:
            raise CorruptionError(f"{path} has a damaged table footer")


def _decode_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the number and the position after it; a number without an end counts as beyond any file."""
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        byte = data[start + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, start + index + 1
    return 1 << 64, start
