"""SCALE, rule by rule: only canonical bytes decode, and lengths are checked before anything is allocated."""

import tracemalloc
from enum import IntEnum
from typing import Annotated, Any, Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.primitives.scale import (
    Compact,
    DecodeError,
    EncodeError,
    Enum,
    Length,
    MaxLen,
    ShapeError,
    Struct,
    codec,
    decode_compact,
    encode_compact,
    i8,
    u8,
    u16,
    u32,
    u64,
    u128,
    u256,
)


class Colour(IntEnum):
    RED = 0
    BLUE = 7


class Leaf(Struct, index=0):
    value: u16


class Pair(Struct, index=5):
    left: u8
    right: bool


Node = Annotated[Leaf | Pair, Enum("toy::Node")]


MAYBE: Any = Optional[u16]  # noqa: UP045  # `|` is unknown to one of the type checkers here


class Record(Struct):
    small: u8
    text: str
    maybe: u16 | None
    node: Node


BAD: list[tuple[Any, str, str]] = [
    (u32, "", "ends early"),
    (u32, "000000", "ends early"),
    (u32, "0000000000", "trailing"),
    (bool, "02", "boolean"),
    (bool, "ff", "boolean"),
    (Colour, "01", "Colour"),
    (MAYBE, "020000", "option"),
    (MAYBE, "01", "ends early"),
    (Node, "01", "no valid"),
    (Node, "", "ends early"),
    (Node, "0502", "ends early"),
    (Node, "050002", "boolean"),
    (str, "04ff", "UTF-8"),
    (str, "0ceda080", "UTF-8"),
    (str, "08c080", "UTF-8"),
    (bytes, "04", "ends early"),
    (bytes, "0100", "longer form"),
    (bytes, "fefffffff0", "exceeds|early"),
    (tuple[u8, ...], "0c0102", "ends early"),
    (tuple[u8, ...], "feffffff", "exceeds|early"),
    (Annotated[bytes, Length(3)], "0102", "ends early"),
    (Annotated[bytes, Length(3)], "01020304", "trailing"),
    (Annotated[bytes, MaxLen(2)], "0c010203", "exceeds"),
    (Annotated[str, MaxLen(2)], "0c616161", "exceeds"),
    (Annotated[tuple[u8, ...], MaxLen(2)], "0c010203", "exceeds"),
    (Compact[u8], "0104", "exceeds"),
    (Compact[u32], "0700000000 01".replace(" ", ""), "exceeds"),
    (Compact[u32], "", "ends early"),
    (Record, "01", "ends early"),
]


@pytest.mark.parametrize(("kind", "data", "reason"), BAD)
def test_bytes_that_are_not_canonical_are_refused(kind: Any, data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        codec(kind).decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    ["0100", "fd00", "02000000", "feff0000", "0300000000", "03ffffff3f", "070000000000", "0bffffffff00 00"],
)
def test_compact_in_a_longer_form_is_refused(data: str) -> None:
    raw = bytes.fromhex(data)
    with pytest.raises(DecodeError):
        decode_compact(raw, 0, len(raw))


@given(st.integers(0, (1 << 536) - 1) | st.sampled_from([2**6, 2**14, 2**30, 2**32, 2**64]))
@example((1 << 536) - 1)
def test_compact_is_the_shortest_form(value: int) -> None:
    raw = encode_compact(value)
    assert decode_compact(raw, 0, len(raw)) == (value, len(raw))
    for end in range(len(raw)):
        with pytest.raises(DecodeError):
            decode_compact(raw, 0, end)


@pytest.mark.parametrize("value", [-1, 1 << 536])
def test_compact_beyond_its_range_is_refused(value: int) -> None:
    with pytest.raises(EncodeError):
        encode_compact(value)


@pytest.mark.parametrize("kind", [bytes, str, tuple[u8, ...], tuple[u256, ...], tuple[bool | None, ...]])
def test_length_is_checked_before_anything_is_allocated(kind: Any) -> None:
    claim = encode_compact(1 << 40) + bytes(100)
    decoder = codec(kind)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decoder.decode(claim)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_sequence_of_items_without_bytes_needs_a_bound() -> None:
    with pytest.raises(ShapeError):
        codec(tuple[None, ...])


@given(st.binary(max_size=60))
def test_whatever_decodes_encodes_to_the_same_bytes(data: bytes) -> None:
    for kind in (Record, Node, Compact[u64], tuple[Compact[u128], ...], tuple[str, ...], MAYBE):
        try:
            value = codec(kind).decode(data)
        except DecodeError:
            continue
        assert codec(kind).encode(value) == data


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (u8, 256),
        (u8, -1),
        (i8, 128),
        (u128, 1 << 128),
        (u8, "1"),
        (u8, None),
        (Compact[u8], 256),
        (Compact[u32], -1),
        (Annotated[bytes, Length(3)], b"12"),
        (Annotated[bytes, MaxLen(2)], b"123"),
        (Annotated[tuple[u8, ...], MaxLen(2)], (1, 2, 3)),
        (tuple[u8, u8], (1,)),
        (bool, 2),
        (Node, Record(1, "", None, Leaf(1))),
        (Record, Leaf(1)),
    ],
)
def test_value_that_does_not_fit_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(EncodeError):
        codec(kind).encode(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Compact[u8], 255),
        (Compact[u32], (1 << 32) - 1),
        (Annotated[bytes, MaxLen(2)], b"12"),
        (Annotated[str, MaxLen(2)], "12"),
        (Annotated[tuple[u8, ...], MaxLen(2)], (1, 2)),
        (Annotated[tuple[str, ...], MaxLen(2)], ("1", "2")),
    ],
)
def test_value_exactly_at_its_limit_is_taken(kind: Any, value: object) -> None:
    assert codec(kind).decode(codec(kind).encode(value)) == value
