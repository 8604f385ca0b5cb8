"""The compiled encoders against SCALE written out by its definition, on generated types and at all limits."""

from enum import IntEnum
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.primitives import scale
from runtime.primitives.scale import (
    Compact,
    DecodeError,
    EncodeError,
    Enum,
    Length,
    Struct,
    codec,
    compile_encoder,
    u8,
    u32,
    u64,
    u128,
)
from runtime.primitives.shape import Record, shape_of
from tests.runtime.primitives.scale_cases import CASES, INTEGERS, Case, Type, native


def define(type_: Type, value: Any) -> bytes:  # noqa: C901  # one arm per kind
    """Return the bytes of a value in the neutral form, as the SCALE specification says it."""
    match type_:
        case ["bool"]:
            return b"\1" if value else b"\0"
        case ["text"]:
            return define_sequence([bytes([byte]) for byte in value.encode()])
        case ["bytes"]:
            return define_sequence([bytes([byte]) for byte in bytes.fromhex(value[2:])])
        case ["fixed", _]:
            return bytes.fromhex(value[2:])
        case ["compact", _]:
            return define_compact(int(value))
        case ["option", item]:
            return b"\0" if value is None else b"\1" + define(item, value)
        case ["vec", item]:
            return define_sequence([define(item, each) for each in value])
        case ["array", item, _]:
            return b"".join([define(item, each) for each in value])
        case ["tuple" | "struct", items]:
            return b"".join([define(item, each) for item, each in zip(items, value, strict=True)])
        case ["enum", items]:
            index, held = value
            return bytes([index]) + (b"" if items[index] is None else define(items[index], held))
        case [name]:
            sign, bits = INTEGERS[name]
            return int(value).to_bytes(bits // 8, "little", signed=sign == "i")
        case _:
            raise AssertionError(type_)


def define_compact(value: int) -> bytes:
    for mode, size in enumerate((1, 2, 4)):
        if value < 1 << (8 * size - 2):
            return (value << 2 | mode).to_bytes(size, "little")
    size = -(-value.bit_length() // 8)
    return bytes([(size - 4) << 2 | 3]) + value.to_bytes(size, "little")


def define_sequence(parts: list[bytes]) -> bytes:
    return define_compact(len(parts)) + b"".join(parts)


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(CASES)
def test_generated_types_are_encoded_as_defined(case: Case) -> None:
    kind = native(case.type)
    value = kind.make(case.value)
    encoded = codec(kind.annotation).encode(value)
    assert encoded == define(case.type, case.value)
    assert codec(kind.annotation).decode(encoded) == value


# --- limits, wherever an integer stands

BEFORE: Type = ["u32"]
AFTER: Type = ["fixed", 4]
PLACES: dict[str, Any] = {
    "alone": lambda t, v: (t, v),
    "packed": lambda t, v: (["struct", [BEFORE, t, AFTER]], ["7", v, "0x01020304"]),
    "nested": lambda t, v: (["struct", [BEFORE, ["struct", [t, t]], AFTER]], ["7", [v, v], "0x01020304"]),
    "after a text": lambda t, v: (["struct", [["text"], t]], ["x", v]),
    "in a tuple": lambda t, v: (["struct", [["tuple", [t, t]], BEFORE]], [[v, v], "7"]),
    "in an array": lambda t, v: (["struct", [["array", t, 2], BEFORE]], [[v, v], "7"]),
    "in a list": lambda t, v: (["vec", t], [v]),
    "in an option": lambda t, v: (["option", t], v),
    "in a variant": lambda t, v: (["enum", [None, ["tuple", [t, t]]]], [1, [v, v]]),
}


def find_limits(name: str) -> tuple[int, int]:
    sign, bits = INTEGERS[name]
    return (0, (1 << bits) - 1) if sign == "u" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_have_their_limits_everywhere(name: str, place: str) -> None:
    low, high = find_limits(name)
    for value in (low, low + 1, high - 1, high):
        type_, neutral = PLACES[place]([name], str(value))
        kind = native(type_)
        assert codec(kind.annotation).encode(kind.make(neutral)) == define(type_, neutral)
    for value in (low - 1, high + 1, 1 << 300, -(1 << 300)):
        type_, neutral = PLACES[place]([name], str(value))
        kind = native(type_)
        with pytest.raises(EncodeError):
            codec(kind.annotation).encode(kind.make(neutral))


class Kind(IntEnum):
    A = 3
    B = 200


class Inner(Struct):
    digest: Annotated[bytes, Length(32)]
    amount: u128


class Outer(Struct):
    count: u32
    flag: bool
    kind: Kind
    inner: Inner
    small: u8


GOOD = Outer(1, True, Kind.B, Inner(bytes(range(32)), 5), 9)


def test_a_flattened_record_has_the_bytes_of_its_fields() -> None:
    expected = b"\1\0\0\0" + b"\1" + b"\xc8" + bytes(range(32)) + b"\5" + bytes(15) + b"\t"
    assert codec(Outer).encode(GOOD) == expected
    assert codec(Outer).decode(expected) == GOOD


def make_outer(**fields: Any) -> Outer:
    held = {name: getattr(GOOD, name) for name in GOOD.__struct_fields__}
    return Outer(**(held | fields))


def make_inner(digest: Any, amount: Any) -> Inner:
    return Inner(digest, amount)


@pytest.mark.parametrize(
    "bad",
    [
        *({"count": value} for value in (None, "1", 1.0, b"1", (1,))),
        *({"small": value} for value in (None, "1", 1.0, b"1", -1, 256)),
        *({"flag": value} for value in (None, "1", 2, -1, b"\1")),
        *({"kind": value} for value in (None, "A", 0, 4, 256, b"\3")),
        *(
            {"inner": make_inner(value, 5)}
            for value in (bytes(31), bytes(33), b"", None, 32, "x" * 32, (0,) * 32)
        ),
        *({"inner": make_inner(bytes(32), value)} for value in (None, "1", 1.0, -1, 1 << 128)),
        {"inner": None},
        {"inner": Kind.A},
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_a_packed_field_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(EncodeError):
        codec(Outer).encode(make_outer(**bad))


def test_lengths_of_tuples_and_arrays_are_checked_inside_of_packed_records() -> None:
    class Holder(Struct):
        before: u64
        pair: tuple[u8, u32]
        three: Annotated[tuple[u8, ...], Length(3)]

    assert codec(Holder).encode(Holder(1, (2, 3), (4, 5, 6))).hex() == "01000000000000000203000000040506"
    pair: Any
    three: Any
    for pair, three in [((2,), (4, 5, 6)), ((2, 3, 4), (4, 5, 6)), ((2, 3), (4, 5)), ((2, 3), (4, 5, 6, 7))]:
        with pytest.raises(EncodeError):
            codec(Holder).encode(Holder(1, pair, three))


@given(st.binary(max_size=2_000))
def test_blobs_of_any_length_have_the_shortest_count(data: bytes) -> None:
    assert codec(bytes).encode(data) == define_compact(len(data)) + data
    with pytest.raises(EncodeError):
        codec(bytes).encode(data.hex())


@pytest.mark.parametrize("length", [0, 63, 64, 1023, 1024, 16_383, 16_384, 70_000])
def test_counts_at_the_edges_of_the_compact_form(length: int) -> None:
    assert codec(bytes).encode(bytes(length)) == define_compact(length) + bytes(length)
    assert codec(tuple[u8, ...]).encode((0,) * length) == define_compact(length) + bytes(length)


# --- encoders behind constant bytes, which remember nested records


class Report(Struct):
    weight: Compact[u64]
    label: str


class Done(Struct, index=1):
    report: Report
    code: u8


def done_encoder() -> scale.Encoder:
    shape = shape_of(Done)
    assert isinstance(shape, Record)
    return compile_encoder(shape, {}, b"\7\1", b"\0")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 255)), max_size=20))
def test_a_remembered_record_never_stands_for_another(choices: list[tuple[int, int]]) -> None:
    encode = done_encoder()
    reports = [Report(0, ""), Report(1 << 40, "x"), Report(1 << 40, "y")]
    for which, code in choices:
        expected = b"\7\1" + codec(Report).encode(reports[which]) + bytes([code]) + b"\0"
        assert encode(Done(reports[which], code)) == expected


def test_a_record_that_could_not_be_encoded_is_not_remembered() -> None:
    encode = done_encoder()
    bad, good = Report(1 << 64, "x"), Report(1, "x")
    encode(Done(good, 0))
    for _ in range(2):
        with pytest.raises(EncodeError):
            encode(Done(bad, 0))
    assert encode(Done(good, 2)) == b"\7\1\4\4x\2\0"
    with pytest.raises(scale.ENCODE_FAULTS):
        encode(Done(good, 256))


def test_variants_are_encoded_behind_their_index_and_refused_when_foreign() -> None:
    class One(Struct, index=4):
        value: u32
        other: u8

    class Two(Struct, index=9):
        pass

    union: Any = Annotated[One | Two, Enum("toy::Union")]
    assert codec(union).encode(One(1, 2)) == b"\4\1\0\0\0\2"
    assert codec(union).encode(Two()) == b"\t"
    for stranger in (Inner(bytes(32), 1), 4, None):
        with pytest.raises(EncodeError):
            codec(union).encode(stranger)
    with pytest.raises(DecodeError):
        codec(union).decode(b"\5")
