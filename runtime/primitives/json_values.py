"""SCALE values as JSON, read as @polkadot/api reads them and written as its `toJSON` does.

Responsible for turning JSON into the Python value of a shape, with an error that names the place, and for the
other direction as far as outcomes need it. It knows no pallet and no bytes; what a value encodes to, and its
last limits, are the codec's.

Integers are JSON integers or strings, decimal or hex; accounts SS58 addresses or hex; bytes hex or text. A
member that is missing from an object has its declared default, else zero, none or nothing, whichever its type
has. Types that only a composed runtime knows are hex of their SCALE bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache
from typing import Any, Final

from msgspec import NODEFAULT
from msgspec.structs import fields as struct_fields

from runtime.primitives.scale import Codec, DecodeError
from runtime.primitives.shape import (
    Array,
    Blob,
    Bool,
    CompactInt,
    CompactUnit,
    Custom,
    EnumVariant,
    FixedBlob,
    Foreign,
    Int,
    Named,
    Option,
    PlainEnum,
    Record,
    Sequence,
    Shape,
    TaggedUnion,
    Text,
    Tuple,
    Unit,
    UnitResult,
    shape_of,
)
from runtime.primitives.ss58 import decode_address
from runtime.primitives.type_info import field_name
from runtime.primitives.types import AccountId

DIGITS_MAX: Final = 80
"""Characters of an integer; u256 has 78 digits."""
SHOWN_MAX: Final = 40
_ACCOUNT: Final = shape_of(AccountId)


class JsonValueError(ValueError):
    """A JSON value that a type cannot take; `path` leads into it from the outside."""

    def __init__(self, sentence: str, path: str = "") -> None:
        super().__init__(f"{path.removeprefix('.')} {sentence}" if path else sentence)
        self.sentence = sentence
        self.path = path

    def inside(self, step: str) -> JsonValueError:
        """Return the same error seen from the enclosing value."""
        return JsonValueError(self.sentence, step + self.path)


class JsonReader:
    """Reads JSON for one runtime: `defined` are the shapes and `foreign` the codecs of its own types."""

    def __init__(self, defined: Mapping[str, Shape], foreign: Mapping[str, Codec[Any]]) -> None:
        self._defined = defined
        self._foreign = foreign

    def read(self, shape: Shape, value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  # one arm per shape
        """Return the Python value of a shape; JsonValueError when JSON holds none."""
        match shape:
            case Int(width, signed):
                return _integer(value, width, signed=signed)
            case CompactInt(width):
                return _integer(value, width, signed=False)
            case Bool():
                return _of_type(value, bool, "true or false")
            case Unit() | CompactUnit():
                return _of_type(value, type(None), "null")
            case Text():
                return _of_type(value, str, "text")
            case Blob():
                return _bytes(_of_type(value, str, "hex or text"))
            case FixedBlob(length):
                return _exactly(_hex(value), length)
            case Named() if shape == _ACCOUNT:
                return _account(value)
            case Named(_, inner):
                return self.read(inner, value)
            case Option(item):
                return None if value is None else self.read(item, value)
            case Sequence(item):
                return self._read_all([item] * len(_list(value, None)), value)
            case Array(item, length):
                return self._read_all([item] * length, value)
            case Tuple(items):
                return self._read_all(list(items), value)
            case Record():
                return self._read_record(shape, value)
            case PlainEnum(cls):
                return _find(value, {member.name: member for member in cls})
            case TaggedUnion(_, variants):
                return self._read_variant(variants, value)
            case UnitResult(error):
                name, inner = _tagged(value)
                is_ok = _find(name, {"Ok": True, "Err": False})
                return _of_type(inner, type(None), "null") if is_ok else self.read(error, inner)
            case Foreign(name) if name in self._defined:
                return self.read(self._defined[name], value)
            case Foreign(name):
                return _decoded(value, self._foreign[name].decode)
            case Custom(_, _, decode):
                return _decoded(value, lambda data: _whole(data, *decode(data, 0)))

    def _read_all(self, shapes: list[Shape], value: Any) -> tuple[Any, ...]:
        entries = _list(value, len(shapes))
        return tuple(
            self._read_member(shape, entry, f"[{position}]")
            for position, (shape, entry) in enumerate(zip(shapes, entries, strict=True))
        )

    def _read_record(self, shape: Record, value: Any) -> Any:
        names = [field_name(name) for name, _ in shape.fields]
        if None in names:
            inner = [field for _, field in shape.fields]
            read = (self.read(inner[0], value),) if len(inner) == 1 else self._read_all(inner, value)
            return shape.cls(*read)
        if not isinstance(value, dict):
            raise JsonValueError(f"must be an object, got {_shown(value)}")
        given = {_plain(name): name for name in value}
        arguments: list[Any] = []
        for (_, field), name, default in zip(shape.fields, names, _defaults_of(shape.cls), strict=True):
            assert name is not None
            key = given.pop(_plain(name), None)
            if key is not None:
                arguments.append(self._read_member(field, value[key], f".{key[:SHOWN_MAX]}"))
            elif default is not NODEFAULT:
                arguments.append(default)
            else:
                arguments.append(_zero_of_member(field, name))
        for unknown in given.values():
            raise JsonValueError(
                f"has no member {_shown(unknown)}; the members are {', '.join(map(str, names))}"
            )
        return shape.cls(*arguments)

    def _read_member(self, shape: Shape, value: Any, step: str) -> Any:
        try:
            return self.read(shape, value)
        except JsonValueError as error:
            raise error.inside(step) from error

    def _read_variant(self, variants: tuple[EnumVariant, ...], value: Any) -> Any:
        name, inner = _tagged(value)
        variant = _find(name, {variant.name: variant for variant in variants})
        if not variant.record.fields:
            _of_type(inner, type(None), f"null inside of {name}")
            return variant.record.cls()
        return self._read_member(variant.record, inner, f".{name}")


def zero_of(shape: Shape) -> Any:  # noqa: C901, PLR0911, PLR0912  # one arm per kind of shape
    """Return what stands for a member that is not given; JsonValueError where the type has no such value."""
    match shape:
        case Int() | CompactInt():
            return 0
        case Bool():
            return False
        case Unit() | CompactUnit() | Option() | UnitResult():
            return None
        case Text():
            return ""
        case Blob():
            return b""
        case FixedBlob(length):
            return bytes(length)
        case Sequence():
            return ()
        case Array(item, length):
            return (zero_of(item),) * length
        case Tuple(items):
            return tuple(map(zero_of, items))
        case Named(_, inner):
            return zero_of(inner)
        case Record(cls, _, inner_fields):
            return cls(*(zero_of(field) for _, field in inner_fields))
        case PlainEnum(cls):
            return next(iter(cls))
        case TaggedUnion(_, variants):
            return zero_of(variants[0].record)
        case Foreign() | Custom():
            raise JsonValueError("must be given")


@cache
def _defaults_of(cls: type) -> tuple[Any, ...]:
    """Return the declared default of each member, kept because a type resolves its annotations when asked."""
    return tuple(info.default for info in struct_fields(cls))


def _zero_of_member(shape: Shape, name: str) -> Any:
    try:
        return zero_of(shape)
    except JsonValueError as error:
        raise error.inside(f".{name}") from error


def write_json(shape: Shape, value: Any) -> Any:  # noqa: C901, PLR0911  # one arm per kind of shape
    """Return the JSON of a value of plain shapes; ValueError for types that only a runtime knows."""
    match shape:
        case Int() | CompactInt() | Bool() | Text():
            return value
        case Unit() | CompactUnit():
            return None
        case Blob() | FixedBlob():
            return "0x" + value.hex()
        case Named(_, inner):
            return write_json(inner, value)
        case Option(item):
            return None if value is None else write_json(item, value)
        case UnitResult(error):
            return {"ok": None} if value is None else {"err": write_json(error, value)}
        case Sequence(item) | Array(item):
            return [write_json(item, one) for one in value]
        case Tuple(items):
            return [write_json(item, one) for item, one in zip(items, value, strict=True)]
        case PlainEnum():
            return value.name
        case Record():
            return _write_record(shape, value)
        case TaggedUnion(_, variants):
            found = next(variant for variant in variants if isinstance(value, variant.record.cls))
            held = _write_record(found.record, value) if found.record.fields else None
            return {found.name[:1].lower() + found.name[1:]: held}
        case Foreign() | Custom():
            raise ValueError("this type has no JSON of its own")


def _write_record(shape: Record, value: Any) -> Any:
    written = {name: write_json(field, getattr(value, name)) for name, field in shape.fields}
    if any(field_name(name) is None for name in written):
        listed = list(written.values())
        return listed[0] if len(listed) == 1 else listed
    return {_camel(name): one for name, one in written.items()}


def _integer(value: Any, width: int, *, signed: bool) -> int:
    low, high = (-(1 << 8 * width - 1), (1 << 8 * width - 1) - 1) if signed else (0, (1 << 8 * width) - 1)
    number = value
    if isinstance(value, str) and len(value) <= DIGITS_MAX and value.isascii():
        digits = value.removeprefix("-")
        if digits.isdecimal():
            number = int(value)
        elif value.startswith("0x") and value[2:].isalnum():
            number = _hex_number(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise JsonValueError(f"must be an integer, or a string of one, got {_shown(value)}")
    if not low <= number <= high:
        raise JsonValueError(f"must be from {low} to {high}, got {_shown(value)}")
    return number


def _hex_number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError as error:
        raise JsonValueError(f"must be hex digits, got {_shown(text)}") from error


def _of_type(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise JsonValueError(f"must be {what}, got {_shown(value)}")
    return value


def _hex(value: Any) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            pass
    raise JsonValueError(f"must be hex digits after 0x, got {_shown(value)}")


def _bytes(text: str) -> bytes:
    return _hex(text) if text.startswith("0x") else text.encode()


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise JsonValueError(f"must be {length} bytes of hex, got {len(data)}")
    return data


def _account(value: Any) -> bytes:
    if not isinstance(value, str) or value.startswith("0x"):
        return _exactly(_hex(value), 32)
    try:
        return decode_address(value[:128]).account_id
    except ValueError as error:
        raise JsonValueError(f"must be an SS58 address or hex, got {_shown(value)}") from error


def _list(value: Any, length: int | None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        what = "an array" if length is None else f"an array of {length}"
        raise JsonValueError(f"must be {what}, got {_shown(value)}")
    return value


def _tagged(value: Any) -> tuple[str, Any]:
    """Return the name of a variant and what it holds: `"Name"` or `{"Name": …}`."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and len(value) == 1:
        ((name, inner),) = value.items()
        return name, inner
    raise JsonValueError(f"must be a variant's name, or an object of it alone, got {_shown(value)}")


def _find(name: Any, choices: Mapping[str, Any]) -> Any:
    for one, found in choices.items():
        if isinstance(name, str) and _plain(one) == _plain(name):
            return found
    raise JsonValueError(f"must be one of {', '.join(choices)}, got {_shown(name)}")


def _decoded(value: Any, decode: Callable[[bytes], Any]) -> Any:
    try:
        return decode(_hex(value))
    except DecodeError as error:
        raise JsonValueError(f"must be hex of SCALE bytes: {error}") from error


def _whole(data: bytes, found: Any, end: int) -> Any:
    if end != len(data):
        raise DecodeError(f"{len(data) - end} bytes are left over")
    return found


def _plain(name: str) -> str:
    """Return a name without what snake case, camel case and Pascal case differ in."""
    return name.replace("_", "").lower()


def _camel(name: str) -> str:
    head, *tail = name.rstrip("_").split("_")
    return head + "".join(word.capitalize() for word in tail)


def _shown(value: Any) -> str:
    match value:
        case list():
            return f"an array of {len(value)}"
        case dict():
            return f"an object of {len(value)}"
        case IntEnum():
            return value.name
        case _:
            text = repr(value)
            return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"
