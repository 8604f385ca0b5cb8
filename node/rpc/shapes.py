"""SCALE types in JSON: how the parameters and results of a runtime's functions are written for people.

Responsible for one JSON form of each shape, by type and never by value: integers up to 32 bits are numbers,
wider ones decimal strings, since a JavaScript number holds 53 bits; accounts are SS58 addresses, other bytes
hex, enums the names of their members, structs objects in camel case. It knows no function and no chain.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from node.rpc.jsonrpc import Json
from node.rpc.params import (
    MAX_HEX_BYTES,
    MAX_ITEMS,
    MAX_TEXT,
    Choice,
    Converter,
    Decoded,
    Field,
    Fixed,
    Flag,
    Hex,
    Integer,
    Items,
    Nothing,
    OneOf,
    ParamError,
    Record,
    Schema,
    Text,
    shown,
)
from runtime.primitives import shape as scale
from runtime.primitives.shape import Shape, shape_of
from runtime.primitives.ss58 import decode_address, encode_address
from runtime.primitives.types import AccountId

NUMBER_BYTES_MAX: Final = 4
"""Integers of up to so many bytes are JSON numbers."""
DIGITS_MAX: Final = 78
"""Decimal digits of the widest integer, u256."""
_ACCOUNT: Final = shape_of(AccountId)

ToJson: TypeAlias = Callable[[Any], object]


class Form(NamedTuple):
    """How values of a type are shown, and the JSON schema of that."""

    to_json: ToJson
    schema: Schema


def _show_bytes(value: bytes) -> str:
    return "0x" + value.hex()


_NUMBER: Final = Form(int, {"type": "integer"})
_DIGITS: Final = Form(str, {"type": "string", "pattern": "^-?[0-9]+$"})
_BYTES: Final = Form(_show_bytes, {"type": "string", "pattern": "^0x[0-9a-f]*$"})
_PLAIN: Final[dict[type, Form]] = {
    scale.Bool: Form(bool, {"type": "boolean"}),
    scale.Unit: Form(lambda _: None, {"type": "null"}),
    scale.Text: Form(str, {"type": "string"}),
    scale.Blob: _BYTES,
    scale.FixedBlob: _BYTES,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Wide:
    """An integer of more bits than a JSON number holds: decimal digits in a string, or a number."""

    low: int
    high: int
    kinds: frozenset[str] = frozenset({"string", "number"})

    @property
    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^-?[0-9]+$"}

    def convert(self, value: Json) -> int:
        """Return the integer; ParamError for other texts, floats and what is out of range."""
        if isinstance(value, str):
            digits = value.removeprefix("-")
            if not (digits.isascii() and digits.isdecimal() and len(digits) <= DIGITS_MAX):
                raise ParamError(f"must be a string of decimal digits, got {shown(value)}")
            number = int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            raise ParamError(f"must be a string of decimal digits, got {shown(value)}")
        if not self.low <= number <= self.high:
            raise ParamError(f"must be between {self.low} and {self.high}, got {shown(value)}")
        return number


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A member of an IntEnum by its name."""

    names: Choice
    members: dict[str, Any]

    @property
    def kinds(self) -> frozenset[str]:
        """Names are strings."""
        return self.names.kinds

    @property
    def schema(self) -> Schema:
        return self.names.schema

    def convert(self, value: Json) -> object:
        """Return the member; ParamError for other names."""
        return self.members[self.names.convert(value)]


def make_converter(shape: Shape) -> Converter:
    """Return what turns JSON into a value of a shape; TypeError for one that no function takes from JSON."""
    found: Converter
    match shape:
        case scale.Int(width=width, signed=signed):
            found = _integer(width, signed=signed)
        case scale.CompactInt(width=width):
            found = _integer(width, signed=False)
        case scale.Bool():
            found = Flag()
        case scale.Text(limit=limit):
            found = Text(MAX_TEXT if limit is None else limit)
        case scale.Blob(limit=limit):
            found = Hex(limit=MAX_HEX_BYTES if limit is None else limit)
        case scale.FixedBlob(length=length):
            found = Hex(exactly=length)
        case scale.PlainEnum(cls=cls):
            members = {member.name: member for member in cls}
            found = Member(Choice(tuple(members)), members)
        case _:
            found = _make_composed(shape)
    return found


def _make_composed(shape: Shape) -> Converter:
    match shape:
        case scale.Named():
            return Decoded(_account, "an SS58 address") if shape == _ACCOUNT else make_converter(shape.inner)
        case scale.Sequence(item=item, limit=limit):
            return Items(make_converter(item), MAX_ITEMS if limit is None else limit)
        case scale.Tuple(items=items):
            return Fixed(tuple(make_converter(item) for item in items))
        case scale.Option(item=item):
            inner = make_converter(item)
            return OneOf({**dict.fromkeys(inner.kinds, inner), "null": Nothing()}, (inner, Nothing()))
        case scale.Record(cls=cls, fields=fields):
            return Record(
                cls, tuple(Field(name, make_converter(each), required=True) for name, each in fields)
            )
        case _:
            raise TypeError(f"a parameter of shape {shape} has no JSON form")


def make_form(shape: Shape, ss58_prefix: int) -> Form:
    """Return how values of a shape are shown; TypeError for a shape that has no JSON form."""
    match shape:
        case scale.Int(width=width) | scale.CompactInt(width=width):
            return _DIGITS if width > NUMBER_BYTES_MAX else _NUMBER
        case scale.PlainEnum(cls=cls):
            return Form(lambda value: cls(value).name, {"enum": [member.name for member in cls]})
        case scale.Named() if shape == _ACCOUNT:
            return Form(lambda value: encode_address(value, ss58_prefix), {"type": "string"})
        case scale.Named(inner=inner):
            return make_form(inner, ss58_prefix)
        case _:
            plain = _PLAIN.get(type(shape))
            return _make_composed_form(shape, ss58_prefix) if plain is None else plain


def _make_composed_form(shape: Shape, ss58_prefix: int) -> Form:
    match shape:
        case scale.Sequence(item=item) | scale.Array(item=item):
            inner = make_form(item, ss58_prefix)
            return Form(
                lambda values: list(map(inner.to_json, values)), {"type": "array", "items": inner.schema}
            )
        case scale.Tuple(items=items):
            return _tuple_form([make_form(item, ss58_prefix) for item in items])
        case scale.Option(item=item):
            inner = make_form(item, ss58_prefix)
            show = inner.to_json
            return Form(
                lambda value: None if value is None else show(value),
                {"oneOf": [inner.schema, {"type": "null"}]},
            )
        case scale.Record(fields=fields):
            return _record_form(fields, ss58_prefix)
        case scale.TaggedUnion(variants=variants):
            return _union_form(variants, ss58_prefix)
        case _:
            raise TypeError(f"a result of shape {shape} has no JSON form")


def _tuple_form(parts: list[Form]) -> Form:
    def to_json(values: tuple[Any, ...]) -> object:
        return [part.to_json(value) for part, value in zip(parts, values, strict=True)]

    return Form(to_json, {"type": "array", "items": [part.schema for part in parts]})


def _record_form(fields: tuple[tuple[str, Shape], ...], ss58_prefix: int) -> Form:
    parts = [(name, to_camel(name), make_form(each, ss58_prefix)) for name, each in fields]

    def to_json(value: Any) -> object:
        return {wire: part.to_json(getattr(value, name)) for name, wire, part in parts}

    return Form(to_json, {"type": "object", "properties": {wire: part.schema for _, wire, part in parts}})


def _union_form(variants: tuple[scale.EnumVariant, ...], ss58_prefix: int) -> Form:
    """Return the form of an enum with fields: an object whose one member is named after the variant."""
    forms = {v.record.cls: (v.name, make_form(v.record, ss58_prefix)) for v in variants}

    def to_json(value: Any) -> object:
        name, form = forms[type(value)]
        return {name: form.to_json(value)}

    schemas = [{"type": "object", "properties": {name: form.schema}} for name, form in forms.values()]
    return Form(to_json, {"oneOf": schemas})


def to_camel(name: str) -> str:
    """Return a snake-case name in camel case, as clients write it."""
    return Field(name, Nothing(), required=True).wire_name


def _integer(width: int, *, signed: bool) -> Converter:
    bits = 8 * width
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return Integer(low, high) if width <= NUMBER_BYTES_MAX else Wide(low, high)


def _account(text: str) -> AccountId:
    return decode_address(text).account_id
