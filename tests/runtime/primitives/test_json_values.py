"""JSON of SCALE values: what clients write is read, what no type holds is refused with its place."""

from enum import IntEnum
from typing import Annotated, Any

import pytest

from runtime.primitives.json_values import JsonReader, JsonValueError, write_json, zero_of
from runtime.primitives.scale import (
    Compact,
    Enum,
    Length,
    MaxLen,
    Struct,
    UnitResultMark,
    codec,
    compile_codec,
    i8,
    u8,
    u32,
    u128,
)
from runtime.primitives.shape import Custom, Foreign, shape_of
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import AccountId, Hash

WHO = AccountId(bytes(range(32)))


class Colour(IntEnum):
    Red = 0
    DarkBlue = 3


class Inner(Struct):
    free: u128
    misc_frozen: u128 = 7


class Outer(Struct):
    nonce: u32
    data: Inner
    who: AccountId | None
    names: tuple[Annotated[bytes, MaxLen(8)], ...]
    colour: Colour


class Pair(Struct):
    field_0: u8
    field_1: bool


class Single(Struct):
    field_0: u8


class Nothing(Struct, index=0):
    pass


class One(Struct, index=2):
    field_0: u32


class Many(Struct, index=5):
    size: u8
    by: Colour


Choice = Annotated[Nothing | One | Many, Enum("Choice")]
Result = Annotated[Colour | None, UnitResultMark()]
READER = JsonReader({"Known": shape_of(Colour)}, {"Opaque": codec(u32)})


def read(annotation: Any, value: Any) -> Any:
    return READER.read(shape_of(annotation), value)


@pytest.mark.parametrize(
    ("annotation", "value", "found"),
    [
        (u8, 255, 255),
        (u8, "255", 255),
        (u8, "0xff", 255),
        (i8, -128, -128),
        (i8, "-128", -128),
        (u128, str((1 << 128) - 1), (1 << 128) - 1),
        (Compact[u32], "7", 7),
        (bool, True, True),
        (None, None, None),
        (str, "ä", "ä"),
        (bytes, "0x00ff", b"\x00\xff"),
        (bytes, "text", b"text"),
        (Annotated[bytes, Length(2)], "0x0102", b"\1\2"),
        (Hash, "0x" + "11" * 32, b"\x11" * 32),
        (AccountId, "0x" + WHO.hex(), WHO),
        (AccountId, encode_address(WHO, 42), WHO),
        (AccountId | None, None, None),
        (AccountId | None, encode_address(WHO, 0), WHO),
        (tuple[u8, ...], [1, "2"], (1, 2)),
        (tuple[u8, ...], [], ()),
        (Annotated[tuple[u8, ...], Length(2)], [1, 2], (1, 2)),
        (tuple[u8, bool], [1, False], (1, False)),
        (Colour, "DarkBlue", Colour.DarkBlue),
        (Colour, "darkBlue", Colour.DarkBlue),
        (Single, 4, Single(4)),
        (Pair, [4, True], Pair(4, True)),
        (Inner, {"free": 1}, Inner(1, 7)),
        (Inner, {"miscFrozen": 2}, Inner(0, 2)),
        (Inner, {"misc_frozen": 2}, Inner(0, 2)),
        (Outer, {}, Outer(0, Inner(0, 0), None, (), Colour.Red)),
        (Outer, {"data": {"free": 5}, "names": ["a"]}, Outer(0, Inner(5, 7), None, (b"a",), Colour.Red)),
        (Choice, "Nothing", Nothing()),
        (Choice, {"nothing": None}, Nothing()),
        (Choice, {"One": 9}, One(9)),
        (Choice, {"many": {"size": 1, "by": "Red"}}, Many(1, Colour.Red)),
        (Result, {"Ok": None}, None),
        (Result, {"err": "DarkBlue"}, Colour.DarkBlue),
        (Annotated[Any, Foreign("Known")], "Red", Colour.Red),
        (Annotated[Any, Foreign("Opaque")], "0x01000000", 1),
    ],
)
def test_json_of_clients_is_read(annotation: Any, value: Any, found: Any) -> None:
    assert read(annotation, value) == found


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        (u8, 256, "must be from 0 to 255, got 256"),
        (u8, -1, "must be from 0 to 255"),
        (u8, "-1", "must be from 0 to 255"),
        (i8, -129, "must be from -128 to 127"),
        (u8, 1.0, "must be an integer"),
        (u8, True, "must be an integer"),
        (u8, None, "must be an integer"),
        (u8, "", "must be an integer"),
        (u8, "1_0", "must be an integer"),
        (u8, "٣", "must be an integer"),
        (u8, "0x", "must be an integer"),
        (u8, "0xg", "must be hex digits"),
        (u8, "9" * 81, "must be an integer"),
        (u8, [1], "got an array of 1"),
        (bool, 1, "must be true or false"),
        (None, 0, "must be null"),
        (str, 5, "must be text"),
        (bytes, [1, 2], "must be hex or text"),
        (bytes, "0x0", "must be hex digits after 0x"),
        (Hash, "11" * 32, "must be hex digits after 0x"),
        (Hash, "0x11", "must be 32 bytes of hex, got 1"),
        (AccountId, "0x11", "must be 32 bytes of hex, got 1"),
        (AccountId, "5Grw", "must be an SS58 address"),
        (AccountId, 5, "must be hex digits"),
        (tuple[u8, ...], {}, "must be an array, got an object of 0"),
        (tuple[u8, ...], [1, 300], "[1] must be from 0 to 255"),
        (Annotated[tuple[u8, ...], Length(2)], [1], "must be an array of 2"),
        (tuple[u8, bool], [1, False, 2], "must be an array of 2"),
        (Colour, "Green", "must be one of Red, DarkBlue, got 'Green'"),
        (Colour, 0, "must be one of"),
        (Pair, {"a": 1}, "must be an array of 2"),
        (Inner, [], "must be an object"),
        (Inner, {"fee": 1}, "has no member 'fee'; the members are free, misc_frozen"),
        (Outer, {"data": {"free": "x"}}, "data.free must be an integer"),
        (Outer, {"names": ["a", 5]}, "names[1] must be hex or text"),
        (Choice, "One", "One must be an integer"),
        (Choice, {"One": 1, "Many": 2}, "must be a variant's name"),
        (Choice, {"Nothing": 1}, "must be null inside of Nothing"),
        (Choice, {"Other": None}, "must be one of Nothing, One, Many"),
        (Choice, {"Many": {"by": "Green"}}, "Many.by must be one of"),
        (Choice, 7, "must be a variant's name"),
        (Result, {"Ok": 1}, "must be null"),
        (Result, {"Maybe": 1}, "must be one of Ok, Err"),
        (Annotated[Any, Foreign("Known")], "Green", "must be one of"),
        (Annotated[Any, Foreign("Opaque")], 1, "must be hex digits"),
        (Annotated[Any, Foreign("Opaque")], "0x01", "must be hex of SCALE bytes"),
    ],
)
def test_json_that_no_type_holds_is_refused_with_its_place(annotation: Any, value: Any, told: str) -> None:
    with pytest.raises(JsonValueError) as refused:
        read(annotation, value)
    assert told in str(refused.value)


def test_types_with_hand_written_coding_are_hex_of_all_their_bytes() -> None:
    shape = Custom("Byte", lambda value: bytes([value]), lambda data, pos: (data[pos], pos + 1), ())
    assert READER.read(shape, "0x05") == 5
    with pytest.raises(JsonValueError, match="left over"):
        READER.read(shape, "0x0506")


@pytest.mark.parametrize("annotation", [u8, bool, str, bytes, Hash, Inner, Outer, Choice, Result, Pair, None])
def test_zero_of_a_type_is_a_value_of_it(annotation: Any) -> None:
    shape = shape_of(annotation)
    zero = zero_of(shape)
    assert compile_codec(shape, {}).decode(compile_codec(shape, {}).encode(zero)) == zero


def test_member_of_a_type_without_a_zero_must_be_given() -> None:
    with pytest.raises(JsonValueError, match="must be given"):
        zero_of(Foreign("Opaque"))


@pytest.mark.parametrize(
    ("annotation", "value", "written"),
    [
        (u128, 1 << 100, 1 << 100),
        (bytes, b"\0\1", "0x0001"),
        (AccountId, WHO, "0x" + WHO.hex()),
        (u8 | None, None, None),
        (tuple[u8, ...], (1, 2), [1, 2]),
        (tuple[u8, bool], (1, True), [1, True]),
        (Colour, Colour.DarkBlue, "DarkBlue"),
        (Inner, Inner(1, 2), {"free": 1, "miscFrozen": 2}),
        (Pair, Pair(1, False), [1, False]),
        (Choice, Nothing(), {"nothing": None}),
        (Choice, One(4), {"one": 4}),
        (Choice, Many(1, Colour.Red), {"many": {"size": 1, "by": "Red"}}),
        (Result, None, {"ok": None}),
        (Result, Colour.Red, {"err": "Red"}),
    ],
)
def test_values_are_written_as_clients_write_them(annotation: Any, value: Any, written: Any) -> None:
    assert write_json(shape_of(annotation), value) == written


def test_types_that_only_a_runtime_knows_are_not_written() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        write_json(Foreign("Opaque"), 1)
