"""Header, digest and block in Substrate's SCALE layout, and the hash that names a block.

It knows the bytes only: what a digest item means is its engine's business. The fields of digest items, the
engine and its bytes, have no names, as wallets expect. Source: sp_runtime::generic.
"""

from typing import Annotated, Final, TypeAlias

from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import Compact, Enum, Length, Struct, codec, u32
from runtime.primitives.types import Hash

EngineId: TypeAlias = Annotated[bytes, Length(4)]

DIGEST_ITEMS_MAX: Final = 16
"""Items in a header's digest; a block of ours has at most six: author, time, lottery proof, set change,
upgrade, seal."""
DIGEST_BYTES_MAX: Final = 64 * 1024
"""Bytes of all items together; the longest, a change to a thousand authorities, takes 40 kB."""


class Other(Struct, index=0):
    field_0: bytes


class Consensus(Struct, index=4):
    field_0: EngineId
    field_1: bytes


class Seal(Struct, index=5):
    field_0: EngineId
    field_1: bytes


class PreRuntime(Struct, index=6):
    field_0: EngineId
    field_1: bytes


class RuntimeEnvironmentUpdated(Struct, index=8):
    pass


DigestItem: TypeAlias = Annotated[
    Other | Consensus | Seal | PreRuntime | RuntimeEnvironmentUpdated,
    Enum("sp_runtime::generic::digest::DigestItem"),
]


class Digest(Struct, path="sp_runtime::generic::digest::Digest"):
    logs: tuple[DigestItem, ...]


class Header(Struct, path="sp_runtime::generic::header::Header"):
    """Substrate's five fields; hashing its SCALE bytes with blake2b-256 gives the block hash."""

    parent_hash: Hash
    number: Compact[u32]
    state_root: Hash
    extrinsics_root: Hash
    digest: Digest


class Block(Struct):
    """A header and the block's extrinsics, each as full bytes without a further length prefix."""

    header: Header
    extrinsics: tuple[bytes, ...]


_HEADER = codec(Header)
_DIGEST_ITEM = codec(DigestItem)
_BODY = codec(tuple[bytes, ...])


def encode_header(header: Header) -> bytes:
    """Return the SCALE bytes of a header."""
    return _HEADER.encode(header)


def decode_header(data: bytes) -> Header:
    """Return the header that exactly these bytes encode; DecodeError otherwise."""
    header: Header = _HEADER.decode(data)
    return header


def hash_header(header: Header) -> Hash:
    """Return the block hash: blake2b-256 of the header's SCALE bytes."""
    return Hash(blake2_256(_HEADER.encode(header)))


def is_digest_bounded(digest: Digest) -> bool:
    """Tell whether a digest keeps to the limits that every header must keep to; O(items)."""
    if len(digest.logs) > DIGEST_ITEMS_MAX:
        return False
    return sum(map(_digest_item_bytes, digest.logs)) <= DIGEST_BYTES_MAX


def encode_digest_item(item: DigestItem) -> bytes:
    """Return the SCALE bytes of one digest item, as JSON-RPC shows it in hex."""
    return _DIGEST_ITEM.encode(item)


def decode_digest_item(data: bytes) -> DigestItem:
    """Return the digest item that exactly these bytes encode; DecodeError otherwise."""
    item: DigestItem = _DIGEST_ITEM.decode(data)
    return item


def compute_extrinsics_root(extrinsics: tuple[bytes, ...]) -> Hash:
    """Return blake2b-256 of the SCALE vector of extrinsics; it commits to their bytes and order."""
    return Hash(blake2_256(_BODY.encode(extrinsics)))


def _digest_item_bytes(item: DigestItem) -> int:
    match item:
        case Other(data) | Consensus(_, data) | Seal(_, data) | PreRuntime(_, data):
            return len(data)
        case RuntimeEnvironmentUpdated():
            return 0
