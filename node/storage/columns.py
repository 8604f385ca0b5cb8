"""The key layout of a chain's database and the encoding of each record.

Responsible for bytes: which key a thing is stored under, and that what comes back is exactly what was
stored (every record carries a checksum over its key and content, headers are checked by their hash). It
must not know when things are written.

Blocks are stored under number ‖ hash: numbers only grow, so LevelDB appends tables of bodies instead of
merging them again and again, and a walk over the chain reads the disk in order.
"""

import struct
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgpack

from node.storage.kv import CorruptionError


class Column:
    """The first byte of every key."""

    BODY = b"b"
    """number ‖ hash → msgpack list of extrinsics"""
    CANONICAL = b"c"
    """number → hash of the finalized block"""
    HEADER = b"h"
    """number ‖ hash → SCALE header"""
    HISTORY = b"i"
    """escaped storage key ‖ number → value before that block; archives only"""
    JUSTIFICATION = b"j"
    """number ‖ hash → SCALE certificate"""
    MILESTONE = b"l"
    """number → hash of a final block whose header and certificate stay, wherever history begins"""
    META = b"m"
    """name → msgpack"""
    NUMBER = b"n"
    """hash → number"""
    STATE = b"s"
    """storage key → value after the last finalized block"""
    UNDO = b"u"
    """number ‖ first storage key → part of the values before that block (see undo.py)"""
    UNFINALIZED = b"w"
    """number ‖ hash → parent hash"""

    ALL = (
        BODY,
        CANONICAL,
        HEADER,
        HISTORY,
        JUSTIFICATION,
        MILESTONE,
        META,
        NUMBER,
        STATE,
        UNDO,
        UNFINALIZED,
    )


HASH_BYTES = 32
NUMBER_BYTES = 4
NUMBER_MAX = 2**32 - 1
EXTRINSICS_MAX = 1 << 20
BODY_BYTES_MAX = 64 << 20
META_BYTES_MAX = 4096

_CHECK = struct.Struct("<I")
_COMPACT_MODE_BYTES = (1, 2, 4)

META_HEAD = Column.META + b"head"
META_CHAIN = Column.META + b"chain"
META_FIRST = Column.META + b"first"
"""The lowest block from which on all are there; without this record 0, the genesis block."""
META_MARKED = Column.META + b"marked"
"""The last final block of which is known whether it is a milestone."""


class BlockRef(NamedTuple):
    """A block's number and hash."""

    number: int
    hash: bytes


class Head(NamedTuple):
    """How far the finalized chain on disk goes."""

    block: BlockRef
    oldest_state: int
    """The lowest number whose state can be read: undo records reach down to the block above it."""


class ChainFacts(NamedTuple):
    """What is fixed when a chain's database is filled for the first time."""

    genesis: bytes
    spec_name: str
    window: int
    """How many blocks below the finalized one keep their state readable; 0 = all (archive)."""


def compute_block_hash(header: bytes) -> bytes:
    """Return blake2b-256 of the SCALE header."""
    return blake2b(header, digest_size=HASH_BYTES).digest()


def parse_header_start(header: bytes) -> tuple[bytes, int]:
    """Return parent hash and number, the first two fields of a SCALE header; raises ValueError."""
    data = header[HASH_BYTES : HASH_BYTES + 5]
    mode = data[0] & 3 if data else 3
    width = _COMPACT_MODE_BYTES[mode] if mode < 3 else 5
    if len(data) < width or (mode == 3 and data[0] != 3):
        raise ValueError("not a header")
    if mode == 3:
        return header[:HASH_BYTES], int.from_bytes(data[1:5], "little")
    return header[:HASH_BYTES], int.from_bytes(data[:width], "little") >> 2


def encode_number(number: int) -> bytes:
    """Return the number so that byte order is number order."""
    return number.to_bytes(NUMBER_BYTES, "big")


def build_block_key(column: bytes, block: BlockRef) -> bytes:
    """Return the key of a record that belongs to one block."""
    return column + block.number.to_bytes(NUMBER_BYTES, "big") + block.hash


def decode_block_key(key: bytes) -> BlockRef:
    """Invert `build_block_key`; raises CorruptionError."""
    if len(key) != 1 + NUMBER_BYTES + HASH_BYTES:
        raise CorruptionError(f"{key.hex()} is not the key of a block")
    return BlockRef(int.from_bytes(key[1 : 1 + NUMBER_BYTES], "big"), key[1 + NUMBER_BYTES :])


def seal(key: bytes, payload: bytes) -> bytes:
    """Return the payload with a checksum that also binds it to its key."""
    return payload + _CHECK.pack(zlib.crc32(payload, zlib.crc32(key)))


def unseal(key: bytes, record: bytes) -> bytes:
    """Invert `seal`; raises CorruptionError."""
    payload = record[: -_CHECK.size]
    if len(record) < _CHECK.size or seal(key, payload) != record:
        raise CorruptionError(f"the record under {key[:48].hex()} is damaged")
    return payload


def encode_body(key: bytes, body: Sequence[bytes]) -> bytes:
    """Return the record of a block's extrinsics."""
    assert len(body) <= EXTRINSICS_MAX
    payload: bytes = msgpack.packb(body)
    assert len(payload) <= BODY_BYTES_MAX
    return seal(key, payload)


def decode_body(key: bytes, record: bytes) -> tuple[bytes, ...]:
    """Return a block's extrinsics; raises CorruptionError."""
    payload = unseal(key, record)
    try:
        body = msgpack.unpackb(
            payload, use_list=False, max_array_len=EXTRINSICS_MAX, max_bin_len=BODY_BYTES_MAX
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise CorruptionError(f"the body under {key.hex()} is damaged") from error
    if not isinstance(body, tuple) or not all(type(extrinsic) is bytes for extrinsic in body):
        raise CorruptionError(f"the body under {key.hex()} is not a list of extrinsics")
    return body


def ensure_header(block: BlockRef, header: bytes) -> bytes:
    """Return the header after checking that it hashes to the block's hash; raises CorruptionError."""
    if compute_block_hash(header) != block.hash:
        raise CorruptionError(f"the header of block {block.number} (0x{block.hash.hex()}) is damaged")
    return header


def encode_head(head: Head) -> bytes:
    """Return the record of the finalized chain's end."""
    return seal(META_HEAD, msgpack.packb((*head.block, head.oldest_state)))


def decode_head(record: bytes) -> Head:
    """Invert `encode_head`; raises CorruptionError."""
    match _unpack_meta(META_HEAD, record):
        case [int(number), bytes(block_hash), int(oldest)] if 0 <= oldest <= number <= NUMBER_MAX:
            return Head(BlockRef(number, block_hash), oldest)
        case _:
            raise CorruptionError("the record of the finalized block is damaged")


def encode_chain_facts(facts: ChainFacts) -> bytes:
    """Return the record of the chain's fixed facts."""
    return seal(META_CHAIN, msgpack.packb(tuple(facts)))


def decode_chain_facts(record: bytes) -> ChainFacts:
    """Invert `encode_chain_facts`; raises CorruptionError."""
    match _unpack_meta(META_CHAIN, record):
        case [bytes(genesis), str(spec_name), int(window)] if len(genesis) == HASH_BYTES and window >= 0:
            return ChainFacts(genesis, spec_name, window)
        case _:
            raise CorruptionError("the record of the chain's facts is damaged")


def encode_meta_number(key: bytes, number: int) -> bytes:
    """Return the record of one block number under a name."""
    return seal(key, msgpack.packb(number))


def decode_meta_number(key: bytes, record: bytes | None) -> int:
    """Invert `encode_meta_number`, 0 where there is no record; raises CorruptionError."""
    number = 0 if record is None else _unpack_meta(key, record)
    if not isinstance(number, int) or not 0 <= number <= NUMBER_MAX:
        raise CorruptionError(f"the record {key!r} is damaged")
    return number


def _unpack_meta(key: bytes, record: bytes) -> object:
    payload = unseal(key, record)
    if len(payload) > META_BYTES_MAX:
        raise CorruptionError(f"the record {key!r} is too long")
    try:
        value: object = msgpack.unpackb(payload)
    except (ValueError, msgpack.UnpackException) as error:
        raise CorruptionError(f"the record {key!r} is damaged") from error
    return value
