"""Converters: what each parameter type accepts, and the sentence a caller gets for anything else."""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rpc.jsonrpc import Json
from node.rpc.params import (
    MAX_ITEMS,
    MAX_TEXT,
    Account,
    BlockNumber,
    Bound,
    Decoded,
    Field,
    Hash32,
    Hex,
    Integer,
    Number,
    ParamError,
    parse_hex,
    shown,
)
from node.rpc.signatures import Signature, converter_of


@dataclasses.dataclass(frozen=True)
class Options:
    count: int
    time_ms: int | None = None
    to: BlockNumber = 7


ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
ALICE_ID = bytes.fromhex("d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d")
HASH = "0x" + "ab" * 32
Numbers: TypeAlias = BlockNumber | Annotated[list[BlockNumber], Bound(3)] | None


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (bool, True, True),
        (int, 2**64 - 1, 2**64 - 1),
        (str, "text", "text"),
        (bytes, "0x00ff", b"\x00\xff"),
        (bytes, "00FF", b"\x00\xff"),
        (bytes, "0x", b""),
        (bytes, "", b""),
        (Annotated[bytes, Hex(limit=2)], "0x00ff", b"\x00\xff"),
        (str, "x" * MAX_TEXT, "x" * MAX_TEXT),
        (Hash32, HASH, b"\xab" * 32),
        (BlockNumber, 5, 5),
        (BlockNumber, "0x1F", 31),
        (BlockNumber, "0x0000000000000005", 5),
        (Hash32 | None, None, None),
        (object, [1, {"a": None}], [1, {"a": None}]),
        (Literal["Batch", "Instant"], "Instant", "Instant"),
        (list[bytes], ["0x01", "02"], [b"\x01", b"\x02"]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Sequence[int], [1], (1,)),
        (tuple[bytes, bytes | None], ["0x01", None], (b"\x01", None)),
        (Annotated[list[int], Bound(2)], [1, 2], [1, 2]),
        (Numbers, ["0x1", 2], [1, 2]),
        (Options, {"count": 1}, Options(1)),
        (Options, {"count": 1, "timeMs": 9, "to": "0x2"}, Options(1, 9, 2)),
        (Options, {"count": 1, "time_ms": None, "to": None}, Options(1)),
        (Annotated[int, "a note"], 3, 3),
        (Account, ALICE, ALICE_ID),
    ],
)
def test_value_is_converted(annotation: object, value: Json, expected: object) -> None:
    assert converter_of(annotation).convert(value) == expected


@pytest.mark.parametrize(
    ("annotation", "value", "sentence"),
    [
        (bool, 1, "true or false"),
        (int, True, "integer"),
        (int, 1.0, "integer"),
        (int, 2.0**64, "64 bits"),
        (int, -1, "between 0 and"),
        (int, "1", "integer"),
        (int, None, "got null"),
        (str, 1, "string"),
        (str, "x" * (MAX_TEXT + 1), f"at most {MAX_TEXT}"),
        (bytes, "0x0", "odd number"),
        (bytes, "0xzz", "hex digits only"),
        (bytes, "0x00  11", "hex digits only"),
        (bytes, "0x0 0 ", "hex digits only"),
        (bytes, "0x\u0661\u0661", "hex digits only"),
        (bytes, 5, "hex string"),
        (bytes, ["0x"], "got an array of 1"),
        (Annotated[bytes, Hex(limit=1)], "0x0000", "at most 1 bytes"),
        (Hash32, "0x" + "ab" * 31, "32 bytes of hex, got 31"),
        (Annotated[int, Integer(1, 5)], 6, "between 1 and 5"),
        (BlockNumber, "5", "0x1f"),
        (BlockNumber, "0x", "0x1f"),
        (BlockNumber, "0x" + "0" * 17, "0x1f"),
        (BlockNumber, "0x1_0", "0x1f"),
        (BlockNumber, 2**32, "between 0 and 4294967295"),
        (BlockNumber, "0x100000000", "between 0 and 4294967295"),
        (Hash32 | None, 1, "must be null or string"),
        (Account, ALICE[:-1] + "Z", "checksum of the address is wrong"),
        (Account, "0x" + "00" * 32, "must be an SS58 address"),
        (Account, 5, "must be an SS58 address, got 5"),
        (Literal["Batch"], "Other", "one of Batch"),
        (list[int], 1, "must be an array"),
        (list[int], list(range(MAX_ITEMS + 1)), f"at most {MAX_ITEMS} entries"),
        (tuple[int, int], [1], "array of 2"),
        (None, 1, "must be null"),
        (Options, 1, "must be an object"),
        (Options, {}, "is missing"),
        (Options, {"count": 1, "tim": 2}, "no member 'tim'"),
    ],
)
def test_other_value_is_refused_with_a_sentence(annotation: object, value: Json, sentence: str) -> None:
    with pytest.raises(ParamError, match=sentence.replace("(", r"\(")):
        converter_of(annotation).convert(value)


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (list[bytes], ["0x", "0x", "zz"], "[2]"),
        (list[tuple[bytes, int]], [["0x", 1], ["0x", "1"]], "[1][1]"),
        (list[Options], [{"count": "x"}], "[0].count"),
    ],
)
def test_error_inside_names_the_place(annotation: object, value: Json, path: str) -> None:
    with pytest.raises(ParamError) as caught:
        converter_of(annotation).convert(value)
    assert caught.value.path == path


@pytest.mark.parametrize("annotation", [float, dict[str, int], bytearray, int | BlockNumber, str | bytes])
def test_annotation_without_a_clear_meaning_is_refused_at_declaration(annotation: object) -> None:
    with pytest.raises(TypeError):
        converter_of(annotation)


def test_decoded_text_reports_why_the_decoder_refused() -> None:
    def decode(text: str) -> bytes:
        raise ValueError("the checksum is wrong")

    with pytest.raises(ParamError, match="must be an address, got 'abc': the checksum is wrong"):
        Decoded(decode, "an address").convert("abc")
    with pytest.raises(ParamError, match="got 'abc': the checksum"):
        Decoded(decode, "an address", limit=3).convert("abc")
    with pytest.raises(ParamError, match=r"must be an address, got 'abcd'$"):
        Decoded(decode, "an address", limit=3).convert("abcd")


def test_value_in_a_sentence_is_short() -> None:
    assert len(shown("x" * 10_000)) < 60
    assert shown(["x" * 10_000]) == "an array of 1"


@given(st.binary(max_size=64))
def test_hex_round_trips(data: bytes) -> None:
    assert parse_hex("0x" + data.hex()) == data
    assert parse_hex(data.hex().upper()) == data


@given(st.text(max_size=20))
def test_any_text_is_hex_or_a_param_error(text: str) -> None:
    try:
        data = parse_hex(text)
    except ParamError:
        return
    assert data.hex() == text.removeprefix("0x").lower()


SIGNATURE = Signature(
    [
        Field("key", converter_of(bytes), required=True),
        Field("start_key", converter_of(bytes), required=False, default=b"?"),
        Field("hash", converter_of(Hash32 | None), required=False, default=None),
    ]
)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (["0x01"], [b"\x01", b"?", None]),
        (["0x01", None], [b"\x01", b"?", None]),
        (["0x01", "0x02", HASH], [b"\x01", b"\x02", b"\xab" * 32]),
        (["0x01", None, None, None, None], [b"\x01", b"?", None]),
        ({"key": "0x01", "hash": HASH}, [b"\x01", b"?", b"\xab" * 32]),
        ({"key": "0x01", "startKey": "0x02"}, [b"\x01", b"\x02", None]),
        ({"key": "0x01", "start_key": None}, [b"\x01", b"?", None]),
    ],
)
def test_parameters_are_taken_by_position_and_by_name(params: Json, expected: list[object]) -> None:
    assert SIGNATURE.bind(params) == expected


@pytest.mark.parametrize(
    ("params", "path", "sentence"),
    [
        (None, ".key", "is missing"),
        ([], ".key", "is missing"),
        ({}, ".key", "is missing"),
        ([None], ".key", "got null"),
        (["0x", "zz", None], ".startKey", "hex digits"),
        (["0x", None, None, 1], "", "at most 3 parameters (key, startKey, hash), got 4"),
        ({"key": "0x", "block": 1}, "", "no member 'block'"),
        ({"key": 1}, ".key", "hex string"),
        ("0x", "", "an array or an object"),
        (5, "", "an array or an object"),
    ],
)
def test_wrong_parameters_are_named(params: Json, path: str, sentence: str) -> None:
    with pytest.raises(ParamError) as caught:
        SIGNATURE.bind(params)
    assert caught.value.path == path
    assert sentence in caught.value.sentence


def test_columns_are_the_arguments_of_many_calls() -> None:
    signature = Signature(
        [Field("key", converter_of(bytes), required=True), Field("at", Number(), required=False, default=9)]
    )
    assert signature.bind_columns([["0x01", 5], ["02", None]]) == [[b"\x01", b"\x02"], [5, 9]]
    for calls in (
        [["0x01"], ["0x02"]],
        [["0x01", 5, 6], ["0x02", 5]],
        [["0x01", 5], ["0x0", 5]],
        [["0x01", 5], {"key": "0x01"}],
        [None, None],
    ):
        assert signature.bind_columns(typing.cast(list[Json], calls)) is None


@pytest.mark.parametrize("text", [" 01", "0 1", "01 ", "0x 01", "0X01", "0x0x01", "0xé1", "+1", "0x0\n"])
def test_hex_is_digits_only(text: str) -> None:
    with pytest.raises(ParamError):
        Hex().convert(text)
    with pytest.raises(ParamError):
        parse_hex(text)
