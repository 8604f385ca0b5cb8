"""What stands beside LevelDB in a database directory: the marker, and the head record.

The *marker* says that the directory is a database of ours, of which chain and schema, and whether its
creation was finished; without it nothing is opened, and LevelDB is never asked to create. The *head record*
repeats outside LevelDB how far its confirmed writes go and what its table of contents (the MANIFEST) looked
like, so that a database that opens but has silently become an older state of itself is recognised.

It must not know the keys inside LevelDB, nor open it.
"""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from node.storage.kv import CorruptionError, MissingError, SchemaError

SCHEMA_VERSION = 1
MARKER_FORMAT = "loam-database"
MARKER_BYTES_MAX = 4096
GENESIS_BYTES = 32

HEAD_MAGIC = b"LMHD"
_HEAD_FIELDS = struct.Struct("<4sQQQI")
_HEAD_CHECK = struct.Struct("<I")
HEAD_SLOT_BYTES = 512
"""One disk sector for each of the two slots, so that a torn write damages one of them at most."""
HEAD_SLOTS = 2

MANIFEST_READ_BYTES = 1 << 20
MANIFEST_NAME_BYTES_MAX = 64


class Marker(NamedTuple):
    """The facts about a database that are fixed when it is created."""

    schema: int
    genesis: bytes
    is_ready: bool
    """False while the database is being created; nothing in it counts yet."""


class Manifest(NamedTuple):
    """A prefix of LevelDB's table of contents, which only grows: file number, length, crc32."""

    number: int
    size: int
    checksum: int


class Head(NamedTuple):
    """How far the confirmed writes go, and the table of contents at that moment."""

    sequence: int
    manifest: Manifest


def load_marker(path: Path) -> Marker:
    """Read the marker file; raises MissingError, CorruptionError or SchemaError."""
    try:
        with path.open("rb") as file:
            data = file.read(MARKER_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise MissingError(f"there is no database at {path.parent}") from error
    try:
        body = json.loads(data)
        check = body.pop("check")
        schema, genesis = body["schema"], bytes.fromhex(body["genesis"])
        is_ready = body["state"] == "ready"
        is_whole = body["format"] == MARKER_FORMAT and check == _compute_check(body)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptionError(f"{path} is damaged") from error
    if not is_whole or len(genesis) != GENESIS_BYTES or data != _encode_marker(body):
        raise CorruptionError(f"{path} is damaged")
    if schema != SCHEMA_VERSION:
        raise SchemaError(schema, SCHEMA_VERSION)
    return Marker(schema, genesis, is_ready)


def store_marker(path: Path, marker: Marker) -> None:
    """Write the marker file durably and atomically."""
    body = {
        "format": MARKER_FORMAT,
        "genesis": marker.genesis.hex(),
        "schema": marker.schema,
        "state": "ready" if marker.is_ready else "creating",
    }
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(_encode_marker(body))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make created, renamed and removed names in the directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class HeadFile:
    """The head record on disk: two slots written in turn, the valid one with the higher sequence counts."""

    def __init__(self, path: Path) -> None:
        """Open the file at the path, creating it when absent."""
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._slot = 0

    def load(self) -> Head:
        """Return the newest record; raises CorruptionError when no slot is whole."""
        found: list[tuple[Head, int]] = []
        for slot in range(HEAD_SLOTS):
            head = _decode_head(os.pread(self._file, HEAD_SLOT_BYTES, slot * HEAD_SLOT_BYTES))
            if head is not None:
                found.append((head, slot))
        if not found:
            raise CorruptionError(f"{self._path} is damaged")
        head, self._slot = max(found)
        return head

    def store(self, head: Head) -> None:
        """Write the record durably over the older slot; raises OSError."""
        slot = (self._slot + 1) % HEAD_SLOTS
        os.pwrite(self._file, _encode_head(head), slot * HEAD_SLOT_BYTES)
        os.fdatasync(self._file)
        self._slot = slot

    def reset(self, head: Head) -> None:
        """Write the record over both slots: what was confirmed beyond it is given up."""
        self.store(head)
        self.store(head)

    def close(self) -> None:
        """Release the file; closing twice is allowed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class ManifestWatch:
    """Follows the growing MANIFEST of an open LevelDB, reading each byte once."""

    def __init__(self, directory: Path) -> None:
        """Attach to the MANIFEST that CURRENT names; it is not replaced while the database is open."""
        name = load_current_name(directory)
        self._file = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
        self._state = Manifest(_parse_manifest_number(name), 0, 0)

    def update(self) -> Manifest:
        """Return the present length and checksum, made durable first; raises OSError."""
        number, size, checksum = self._state
        if os.fstat(self._file).st_size == size:
            return self._state
        while data := os.pread(self._file, MANIFEST_READ_BYTES, size):
            size += len(data)
            checksum = zlib.crc32(data, checksum)
        os.fdatasync(self._file)
        self._state = Manifest(number, size, checksum)
        return self._state

    def close(self) -> None:
        """Release the file; closing twice is allowed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def ensure_manifest(directory: Path, recorded: Manifest) -> None:
    """Raise CorruptionError unless the MANIFEST in use is the recorded one or its continuation.

    A newer file number is accepted: LevelDB writes a new MANIFEST at each open, and a crash may have come
    between that and our next record.
    """
    name = load_current_name(directory)
    number = _parse_manifest_number(name)
    if number > recorded.number:
        return
    path = directory / name
    if number < recorded.number:
        raise CorruptionError(f"{path} is an old table of contents: {recorded.number} was in use")
    remaining, checksum = recorded.size, 0
    with path.open("rb") as file:
        while remaining and (data := file.read(min(remaining, MANIFEST_READ_BYTES))):
            remaining -= len(data)
            checksum = zlib.crc32(data, checksum)
    if remaining:
        raise CorruptionError(f"{path} is {remaining} bytes shorter than it was")
    if checksum != recorded.checksum:
        raise CorruptionError(f"{path} is damaged")


def load_current_name(directory: Path) -> str:
    """Return the name of the MANIFEST in use; raises CorruptionError when CURRENT is absent or damaged."""
    path = directory / "CURRENT"
    try:
        with path.open("rb") as file:
            data = file.read(MANIFEST_NAME_BYTES_MAX)
    except FileNotFoundError as error:
        raise CorruptionError(f"{path} is missing") from error
    name = data[:-1].decode("latin-1")
    if data[-1:] != b"\n" or not _is_manifest_name(name) or not (directory / name).is_file():
        raise CorruptionError(f"{path} is damaged")
    return name


def _is_manifest_name(name: str) -> bool:
    stem, _, digits = name.partition("-")
    return stem == "MANIFEST" and digits.isascii() and digits.isdigit()


def _parse_manifest_number(name: str) -> int:
    return int(name.partition("-")[2])


def _compute_check(body: dict[str, object]) -> str:
    return f"{zlib.crc32(json.dumps(body, sort_keys=True).encode()):08x}"


def _encode_marker(body: dict[str, object]) -> bytes:
    return json.dumps({**body, "check": _compute_check(body)}, sort_keys=True, indent=2).encode() + b"\n"


def _encode_head(head: Head) -> bytes:
    fields = _HEAD_FIELDS.pack(HEAD_MAGIC, head.sequence, *head.manifest)
    return (fields + _HEAD_CHECK.pack(zlib.crc32(fields))).ljust(HEAD_SLOT_BYTES, b"\0")


def _decode_head(slot: bytes) -> Head | None:
    if len(slot) != HEAD_SLOT_BYTES:
        return None
    magic, sequence, number, size, checksum = _HEAD_FIELDS.unpack_from(slot)
    head = Head(sequence, Manifest(number, size, checksum))
    return head if magic == HEAD_MAGIC and slot == _encode_head(head) else None
