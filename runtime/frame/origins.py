"""Origins as values: what a call is dispatched as, in arguments and in storage.

Responsible for `OriginCaller`, the outer enum of a composed runtime: under index 0 the origins that every
chain has, under a pallet's index those that the pallet declares in `origins`. It knows no particular pallet.
What narrows an origin, its filters, is not part of the value. Source: frame_support::construct_runtime
(OriginCaller), frame_support::dispatch::RawOrigin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from runtime.frame.dispatch import NOBODY, ROOT, NoOrigin, Origin, PalletOrigin, RootOrigin, Signed
from runtime.primitives.scale import Codec, DecodeError, EncodeError, Enum, Struct, codec
from runtime.primitives.shape import Foreign
from runtime.primitives.types import AccountId

SYSTEM_INDEX = 0
"""Index of the origins that no pallet declares, in the outer enum."""


class RawRoot(Struct, index=0, variant="Root"):
    pass


class RawSigned(Struct, index=1, variant="Signed"):
    field_0: AccountId


class RawNone(Struct, index=2, variant="None"):
    pass


RawOrigin: TypeAlias = Annotated[
    RawRoot | RawSigned | RawNone,
    Enum("frame_support::dispatch::RawOrigin", params=(("AccountId", AccountId),)),
]

OriginCaller: TypeAlias = Annotated[Origin, Foreign("OriginCaller")]
"""An origin as an argument of a call or a value in storage."""


def without_filters(origin: Origin) -> Origin:
    """Return the origin as its value tells it: the same caller, not narrowed."""
    match origin:
        case Signed(who=who):
            return Signed(who)
        case PalletOrigin(pallet=pallet, value=value):
            return PalletOrigin(pallet, value)
        case RootOrigin() | NoOrigin():
            return origin


def origin_codec(known: Mapping[int, Codec[Any]]) -> Codec[Origin]:
    """Return the codec of a runtime's origins, given the codecs of what pallets declare, by pallet index."""
    assert SYSTEM_INDEX not in known, "index 0 has the origins that no pallet declares"

    def encode(origin: Origin) -> bytes:
        if not isinstance(origin, PalletOrigin):
            return bytes([SYSTEM_INDEX]) + _RAW.encode(_as_raw(origin))
        if origin.pallet not in known:
            raise EncodeError(f"pallet {origin.pallet} declares no origins")
        return bytes([origin.pallet]) + origin.value

    def decode(data: bytes, pos: int, end: int) -> tuple[Origin, int]:
        if pos >= end:
            raise DecodeError("input ends early")
        index, start = data[pos], pos + 1
        if index == SYSTEM_INDEX:
            raw, stop = _RAW.decode_prefix(data, start)
            return _as_origin(raw), stop
        if index not in known:
            raise DecodeError(f"pallet {index} declares no origins")
        _, stop = known[index].decode_prefix(data, start)
        return PalletOrigin(index, data[start:stop]), stop

    return Codec(Foreign("OriginCaller"), encode, decode)


_RAW: Codec[RawRoot | RawSigned | RawNone] = codec(RawOrigin)


def _as_raw(origin: RootOrigin | Signed | NoOrigin) -> RawRoot | RawSigned | RawNone:
    match origin:
        case RootOrigin():
            return RawRoot()
        case Signed(who=who):
            return RawSigned(who)
        case NoOrigin():
            return RawNone()


def _as_origin(raw: RawRoot | RawSigned | RawNone) -> Origin:
    match raw:
        case RawRoot():
            return ROOT
        case RawSigned(field_0=who):
            return Signed(who)
        case RawNone():
            return NOBODY
