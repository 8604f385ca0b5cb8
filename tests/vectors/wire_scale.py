"""Sections `compact` and `scale` of `wire.json`: values and their bytes, checked in both directions."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from runtime.primitives.scale import (
    Compact,
    Enum,
    Length,
    Struct,
    codec,
    decode_compact,
    encode_compact,
    i8,
    i16,
    i32,
    i64,
    i128,
    u8,
    u16,
    u32,
    u64,
    u128,
    u256,
)
from tests.vectors.case import Entry, ensure_equal, from_hex


class Ok(Struct, index=0):
    value: u8


class Err(Struct, index=1):
    error: str


ResultOfU8: TypeAlias = Annotated[Ok | Err, Enum("Result")]
OptionOfU32: TypeAlias = u32 | None

TYPES: Mapping[str, Any] = {
    "bool": bool,
    "u8": u8,
    "u16": u16,
    "u32": u32,
    "u64": u64,
    "u128": u128,
    "u256": u256,
    "i8": i8,
    "i16": i16,
    "i32": i32,
    "i64": i64,
    "i128": i128,
    "Text": str,
    "Bytes": bytes,
    "[u8; 4]": Annotated[bytes, Length(4)],
    "H256": Annotated[bytes, Length(32)],
    "Vec<u8>": bytes,
    "Vec<u16>": tuple[u16, ...],
    "Vec<Option<u16>>": tuple[u16 | None, ...],
    "Vec<Compact<u32>>": tuple[Compact[u32], ...],
    "Option<u32>": OptionOfU32,
    "Option<bool>": bool | None,
    "Option<Vec<u8>>": bytes | None,
    "(u8, u32, bool)": tuple[u8, u32, bool],
    "BTreeMap<Text, u32>": tuple[tuple[str, u32], ...],
    "BTreeSet<u32>": tuple[u32, ...],
    "Result<u8, Text>": ResultOfU8,
    "Perbill": u32,
}


def check_compact(entry: Entry) -> None:
    value, encoded = int(entry["value"]), from_hex(entry["hex"])
    ensure_equal(encode_compact(value), encoded, "encoding")
    ensure_equal(decode_compact(encoded, 0, len(encoded)), (value, len(encoded)), "decoded value")


def check_scale(entry: Entry) -> None:
    encoded = from_hex(entry["hex"])
    kind, value = entry["type"], entry["value"]
    of_type = codec(TYPES[kind])
    expected = _to_python(kind, value)
    ensure_equal(of_type.encode(expected), encoded, "encoding")
    ensure_equal(of_type.decode(encoded), expected, "decoded value")


def _to_python(kind: str, value: Any) -> Any:
    match value:
        case {"Ok": number}:
            return Ok(number)
        case {"Err": text}:
            return Err(text)
        case dict():
            return tuple(sorted(value.items()))
        case list():
            return tuple(sorted(value) if kind.startswith("BTree") else value)
        case str() if kind[0] in "ui":
            return int(value)
        case str() if kind != "Text":
            return from_hex(value)
        case _:
            return value
