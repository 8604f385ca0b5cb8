"""Origins have one SCALE form each: those of every chain under index 0, a pallet's own under its index."""

from enum import IntEnum
from typing import Any, ClassVar

import pytest

from runtime.frame.dispatch import NOBODY, ROOT, Origin, PalletOrigin, Signed, with_filter
from runtime.frame.metadata import encode_metadata
from runtime.frame.origins import OriginCaller, origin_codec, without_filters
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import Runtime, RuntimeBuilder
from runtime.frame.state import MemoryBackend, State
from runtime.frame.storage import Value, storage
from runtime.primitives.metadata import MetadataV14
from runtime.primitives.scale import DecodeError, EncodeError, codec, enum_path
from runtime.primitives.types import AccountId
from tests.support.toy import VERSION, Ledger

WHO = AccountId(bytes(range(32)))


@enum_path("pallet_offices::Office")
class Office(IntEnum):
    """Offices of a toy pallet."""

    Clerk = 0
    Judge = 1


class Offices(Pallet[None]):
    """Declares origins, and keeps one."""

    origins: ClassVar[Any] = Office
    kept: Value[OriginCaller | None] = storage()


def compose() -> tuple[Runtime, Offices]:
    build = RuntimeBuilder(State(MemoryBackend()))
    ledger = build.add(Ledger, index=0, name="Ledger", config=None)
    offices = build.add(Offices, index=7, name="Offices", config=None)
    return build.build(VERSION, ledger, ()), offices


JUDGE = PalletOrigin(7, b"\x01")


@pytest.mark.parametrize(
    ("origin", "encoded"),
    [
        (ROOT, b"\0\0"),
        (Signed(WHO), b"\0\1" + WHO),
        (NOBODY, b"\0\2"),
        (PalletOrigin(7, b"\0"), b"\7\0"),
        (JUDGE, b"\7\1"),
    ],
)
def test_origin_has_one_form_under_the_index_of_its_pallet(origin: Origin, encoded: bytes) -> None:
    runtime, _ = compose()
    origins = runtime.foreign["OriginCaller"]
    assert origins.encode(origin) == encoded
    assert origins.decode(encoded) == origin


@pytest.mark.parametrize(
    "encoded", [b"", b"\0", b"\0\3", b"\0\1" + bytes(31), b"\7", b"\7\2", b"\1\0", b"\7\1\0"]
)
def test_bytes_of_no_origin_are_refused(encoded: bytes) -> None:
    runtime, _ = compose()
    with pytest.raises(DecodeError):
        runtime.foreign["OriginCaller"].decode(encoded)


def test_origin_of_a_pallet_without_origins_has_no_form() -> None:
    runtime, _ = compose()
    with pytest.raises(EncodeError):
        runtime.foreign["OriginCaller"].encode(PalletOrigin(8, b"\0"))


def test_pallet_makes_and_stores_its_own_origin() -> None:
    _, offices = compose()
    assert offices.own_origin(Office.Judge) == JUDGE
    offices.kept.put(JUDGE)
    assert offices.kept.get() == JUDGE


def test_filters_are_no_part_of_the_form() -> None:
    runtime, _ = compose()
    for origin in (ROOT, Signed(WHO), NOBODY, JUDGE):
        narrow = with_filter(origin, lambda _: False)
        assert without_filters(narrow) == origin
        assert runtime.foreign["OriginCaller"].encode(narrow) == runtime.foreign["OriginCaller"].encode(
            origin
        )


def test_index_of_every_chains_origins_is_taken() -> None:
    with pytest.raises(AssertionError):
        origin_codec({0: codec(Office)})


def test_metadata_lists_the_origins_of_every_pallet_that_has_some() -> None:
    raw = encode_metadata(compose()[0], (), 14)
    types = codec(MetadataV14).decode(raw[5:]).types
    found = [t.type for t in types if t.type.path == ("loam_runtime", "OriginCaller")]
    assert len(found) == 1
    variants = found[0].definition.variants
    assert [(v.name, v.index) for v in variants] == [("system", 0), ("Offices", 7)]
    inner = [types[v.fields[0].type].type.path for v in variants]
    assert inner == [("frame_support", "dispatch", "RawOrigin"), ("pallet_offices", "Office")]
