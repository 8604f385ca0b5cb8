"""SCALE types in JSON: one form of each type, whatever the value, and nothing else is taken."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rpc.params import ParamError
from node.rpc.shapes import make_converter, make_form, to_camel
from runtime.primitives.scale import Compact, Enum, Length, MaxLen, Struct, u8, u32, u64, u128
from runtime.primitives.shape import CompactUnit, Foreign, i128, shape_of, u256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE

ALICE_TEXT = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


class Colour(IntEnum):
    Red = 0
    Green = 7


class Order(Struct):
    who: AccountId
    limit_ticks: u32
    energy_wh: u64


class Maybe(Struct):
    slot: u32 | None
    energy_wh: u64 | None


class Paid(Struct, index=0):
    amount: u128


class Waiting(Struct, index=1):
    """Without a field."""


State = Annotated[Paid | Waiting, Enum("State")]
ORDER = {"who": ALICE_TEXT, "limitTicks": 45_000, "energyWh": "1000"}

BOTH_WAYS: list[tuple[Any, Any, Any]] = [
    (u8, 255, 255),
    (u32, 2**32 - 1, 2**32 - 1),
    (Compact[u32], 5, 5),
    (u64, 5, "5"),
    (u128, 2**128 - 1, "340282366920938463463374607431768211455"),
    (Compact[u128], 0, "0"),
    (i128, -(2**127), "-170141183460469231731687303715884105728"),
    (bool, True, True),
    (str, "ครัวเรือน", "ครัวเรือน"),
    (bytes, b"\x00\xff", "0x00ff"),
    (Annotated[bytes, Length(2)], b"\x01\x02", "0x0102"),
    (Hash, bytes(32), "0x" + "00" * 32),
    (AccountId, ALICE, ALICE_TEXT),
    (Colour, Colour.Green, "Green"),
    (Annotated[tuple[u64, ...], MaxLen(3)], (1, 2, 3), ["1", "2", "3"]),
    (tuple[u8, bool], (1, False), [1, False]),
    (Maybe, Maybe(None, 0), {"slot": None, "energyWh": "0"}),
    (Maybe, Maybe(7, None), {"slot": 7, "energyWh": None}),
    (Order, Order(ALICE, 45_000, 1_000), ORDER),
    (tuple[Order, ...], (Order(ALICE, 45_000, 1_000),), [ORDER]),
]


@pytest.mark.parametrize(("annotation", "value", "shown"), BOTH_WAYS)
def test_value_is_shown_and_read_in_its_types_form(annotation: Any, value: Any, shown: Any) -> None:
    shape = shape_of(annotation)
    assert make_form(shape, 42).to_json(value) == shown
    assert make_converter(shape).convert(shown) == value


@given(st.integers(0, 2**64 - 1))
def test_wide_integers_are_strings_whether_they_are_large_or_small(number: int) -> None:
    shape = shape_of(u64)
    text = make_form(shape, 42).to_json(number)
    assert isinstance(text, str)
    assert make_converter(shape).convert(text) == number
    assert make_converter(shape).convert(number) == number


@pytest.mark.parametrize(
    ("annotation", "wrong"),
    [
        (u8, 256),
        (u8, -1),
        (u8, "1"),
        (u8, True),
        (u64, "18446744073709551616"),
        (u64, "-1"),
        (u64, "1.0"),
        (u64, 1.5),
        (u64, True),
        (u64, ""),
        (u64, "-"),
        (u64, "٣"),
        (u64, None),
        (u256, "9" * 79),
        (u256, "1" * 5_000),
        (Annotated[bytes, Length(2)], "0x010203"),
        (Annotated[bytes, MaxLen(2)], "0x010203"),
        (Annotated[str, MaxLen(2)], "abc"),
        (AccountId, "0x" + "00" * 32),
        (AccountId, ALICE_TEXT[:-1]),
        (Colour, "green"),
        (Colour, 7),
        (Annotated[tuple[u64, ...], MaxLen(3)], ["1"] * 4),
        (tuple[u8, bool], [1]),
        (Order, {**ORDER, "more": 1}),
        (Order, {"who": ALICE_TEXT}),
    ],
)
def test_what_is_not_of_the_type_is_refused(annotation: Any, wrong: Any) -> None:
    with pytest.raises(ParamError):
        make_converter(shape_of(annotation)).convert(wrong)


def test_variant_of_an_enum_is_an_object_named_after_it() -> None:
    form = make_form(shape_of(State), 42)
    assert form.to_json(Paid(7)) == {"Paid": {"amount": "7"}}
    assert form.to_json(Waiting()) == {"Waiting": {}}


def test_accounts_are_shown_with_the_chains_prefix() -> None:
    assert (
        make_form(shape_of(AccountId), 0).to_json(ALICE) == "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5"
    )


@pytest.mark.parametrize(
    "annotation", [Annotated[int, Foreign("RuntimeCall")], Annotated[None, CompactUnit()]]
)
def test_types_without_a_form_are_named_when_the_method_is_made(annotation: Any) -> None:
    for make in (make_converter, lambda shape: make_form(shape, 42)):
        with pytest.raises(TypeError, match="has no JSON form"):
            make(shape_of(annotation))


def test_names_are_in_camel_case() -> None:
    assert [to_camel(name) for name in ("feed", "order_book", "stats_of_zone_")] == [
        "feed",
        "orderBook",
        "statsOfZone",
    ]
