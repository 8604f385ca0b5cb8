"""The envelope of an extrinsic: length, version byte, address and signature, around opaque extras and call.

Responsible for extrinsic format 4 (signed and unsigned) and the bare form of format 5. What the extras and
the call mean belongs to a runtime. Source: sp_runtime::generic::UncheckedExtrinsic, MultiAddress,
MultiSignature.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from runtime.primitives.crypto import Scheme
from runtime.primitives.era import EraError, decode_era, encode_era
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError, Enum, Length, Struct, codec, decode_compact
from runtime.primitives.scale import encode_compact as compact
from runtime.primitives.shape import CompactUnit, Custom, Int
from runtime.primitives.types import AccountId

SIGNED_V4 = 0x84
UNSIGNED_V4 = 0x04
BARE_V5 = 0x05
EXTRINSIC_VERSION = 4
PLAIN_PAYLOAD_MAX = 256
"""A signing payload longer than this is hashed before it is signed."""


class AddressId(Struct, index=0, variant="Id"):
    field_0: AccountId


class AddressIndex(Struct, index=1, variant="Index"):
    field_0: Annotated[None, CompactUnit()]


class AddressRaw(Struct, index=2, variant="Raw"):
    field_0: bytes


class Address32(Struct, index=3):
    field_0: Annotated[bytes, Length(32)]


class Address20(Struct, index=4):
    field_0: Annotated[bytes, Length(20)]


MultiAddress: TypeAlias = Annotated[
    AddressId | AddressIndex | AddressRaw | Address32 | Address20,
    Enum("sp_runtime::multiaddress::MultiAddress", params=(("AccountId", AccountId), ("AccountIndex", None))),
]
"""How a transaction names an account; only `Id` (and, by lookup, nothing else) resolves on our chains."""


class Ed25519Signature(Struct, index=0, variant="Ed25519"):
    field_0: Annotated[bytes, Length(64)]


class Sr25519Signature(Struct, index=1, variant="Sr25519"):
    field_0: Annotated[bytes, Length(64)]


class EcdsaSignature(Struct, index=2, variant="Ecdsa"):
    field_0: Annotated[bytes, Length(65)]


MultiSignature: TypeAlias = Annotated[
    Ed25519Signature | Sr25519Signature | EcdsaSignature, Enum("sp_runtime::MultiSignature")
]


def _decode_era(data: bytes, pos: int) -> tuple[object, int]:
    try:
        return decode_era(data, pos)
    except EraError as error:
        raise DecodeError(str(error)) from error


EraShape = Custom(
    "sp_runtime::generic::era::Era",
    encode_era,
    _decode_era,
    (("Immortal", 0, ()), *((f"Mortal{i}", i, (Int(1),)) for i in range(1, 256))),
)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What surrounds the extras and the call; `body` is the position of the extras (or of an unsigned
    call)."""

    address: MultiAddress | None
    scheme: Scheme
    signature: bytes
    body: int


_ADDRESS = codec(MultiAddress)
_SIGNATURE_LENGTHS = {0: 64, 1: 64, 2: 65}
_SCHEMES = {0: Scheme.ED25519, 1: Scheme.SR25519, 2: Scheme.ECDSA}


def open_envelope(data: bytes) -> Envelope:
    """Split the full bytes of an extrinsic; DecodeError unless length, version, address and signature are
    right."""
    end = len(data)
    length, pos = decode_compact(data, 0, end)
    if pos + length != end:
        raise DecodeError(f"length prefix says {length} bytes, {end - pos} follow")
    if length == 0:
        raise DecodeError("an extrinsic has at least a version byte")
    version = data[pos]
    if version in {UNSIGNED_V4, BARE_V5}:
        return Envelope(None, Scheme.ED25519, b"", pos + 1)
    if version != SIGNED_V4:
        raise DecodeError(f"extrinsic version byte {version:#04x} is not supported")
    address: MultiAddress
    if data[pos + 1 : pos + 2] == b"\0" and pos + 34 <= end:  # what every client sends
        address = AddressId(AccountId(data[pos + 2 : pos + 34]))
        pos += 34
    else:
        address, pos = _ADDRESS.decode_prefix(data, pos + 1)
    if pos >= end or data[pos] not in _SIGNATURE_LENGTHS:
        raise DecodeError("no such signature scheme" if pos < end else "input ends early")
    start = pos + 1
    pos = start + _SIGNATURE_LENGTHS[data[pos]]
    if pos > end:
        raise DecodeError("input ends early")
    return Envelope(address, _SCHEMES[data[start - 1]], data[start:pos], pos)


def seal_envelope(account: AccountId, scheme: Scheme, signature: bytes, extra: bytes, call: bytes) -> bytes:
    """Return the full bytes of a signed extrinsic."""
    address = _ADDRESS.encode(AddressId(account))
    body = b"".join((b"\x84", address, bytes([scheme]), signature, extra, call))
    return compact(len(body)) + body


def make_unsigned(call: bytes) -> bytes:
    """Return the full bytes of an unsigned extrinsic, the form of inherents."""
    return compact(len(call) + 1) + b"\x04" + call


def signed_message(payload: bytes) -> bytes:
    """Return what is signed for a payload: itself, or its blake2b-256 hash when longer than 256 bytes."""
    return payload if len(payload) <= PLAIN_PAYLOAD_MAX else blake2_256(payload)


class SignatureJob(NamedTuple):
    """One signature to verify: the arguments of `crypto.verify` in order."""

    scheme: int
    public: bytes
    signature: bytes
    message: bytes
