"""How values of each kind of type are written and read; `dynamic.py` has the table of what they look like.

Responsible for canonical decoding, bounds before allocation, and errors that say what does not fit. It knows
no metadata: codecs are made from the codecs of their parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from runtime.primitives.scale import DecodeError, EncodeError, decode_compact, encode_compact
from runtime.primitives.ss58 import Ss58Error, decode_address
from runtime.primitives.type_info import Primitive
from runtime.primitives.type_info import Variant as VariantRecord

Value: TypeAlias = Any
"""A value of a type that only metadata knows; the table above says which Python type it has."""

EMPTY_ITEMS_MAX: Final = 1024
"""Items of a sequence that take no bytes, which the input's length does not bound."""
LEAST_MAX: Final = 1 << 32
WIDTHS: Final = {
    Primitive.U8: 1,
    Primitive.U16: 2,
    Primitive.U32: 4,
    Primitive.U64: 8,
    Primitive.U128: 16,
    Primitive.U256: 32,
}
_SIGNED_WIDTHS: Final = {
    Primitive.I8: 1,
    Primitive.I16: 2,
    Primitive.I32: 4,
    Primitive.I64: 8,
    Primitive.I128: 16,
    Primitive.I256: 32,
}


class Variant(NamedTuple):
    """One case of an enum and what it holds."""

    name: str
    value: Value = None


class Encoded(NamedTuple):
    """A value of an enum, such as a call, whose bytes are known."""

    type_id: int
    data: bytes


class Cursor:
    """A place in bytes that are being decoded."""

    __slots__ = ("data", "depth", "end", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data)
        self.depth = 0

    def take(self, length: int) -> bytes:
        """Return the next bytes; DecodeError when there are fewer."""
        start = self.pos
        if length > self.end - start:
            raise DecodeError("input ends early")
        self.pos = start + length
        return self.data[start : self.pos]

    def compact(self) -> int:
        """Return the next compact integer."""
        value, self.pos = decode_compact(self.data, self.pos, self.end)
        return value

    def count(self, least: int) -> int:
        """Return the next length of a sequence whose items take at least so many bytes each."""
        count = self.compact()
        if count * least > self.end - self.pos:
            raise DecodeError("input ends early")
        if not least and count > EMPTY_ITEMS_MAX:
            raise DecodeError(f"{count} items without bytes, at most {EMPTY_ITEMS_MAX}")
        return count


Encode: TypeAlias = Callable[[Value], bytes]
Decode: TypeAlias = Callable[[Cursor], Value]


class TypeCodec(NamedTuple):
    """Encoder and decoder of one type; `least` bytes at least, `nullable` when None is one of its values."""

    encode: Encode
    decode: Decode
    least: int
    nullable: bool = False


_EMPTY: Final[tuple[Value, ...]] = ((), [], {}, None)


def _misfit(value: Value, wanted: str) -> EncodeError:
    return EncodeError(f"{wanted} is needed, got {value!r:.60}")


def _encode_unit(value: Value) -> bytes:
    if value not in _EMPTY:
        raise _misfit(value, "nothing")
    return b""


UNIT: Final = TypeCodec(_encode_unit, lambda _: None, 0, nullable=True)


def unit_or(made: TypeCodec) -> TypeCodec:
    """Return the codec of nothing for what takes no bytes, however it is put together."""
    return made if made.least else UNIT


def primitive_codec(primitive: Primitive) -> TypeCodec:
    """Return the codec of a primitive type."""
    match primitive:
        case Primitive.Bool:
            return _BOOL
        case Primitive.Char:
            return _CHAR
        case Primitive.Str:
            return _TEXT
        case _ if primitive in WIDTHS:
            return _integer(WIDTHS[primitive], signed=False)
        case _:
            return _integer(_SIGNED_WIDTHS[primitive], signed=True)


def _integer(width: int, *, signed: bool) -> TypeCodec:
    def encode(value: Value) -> bytes:
        if type(value) is bool or not isinstance(value, int):
            raise _misfit(value, "an integer")
        try:
            return value.to_bytes(width, "little", signed=signed)
        except OverflowError as error:
            raise EncodeError(f"{value} has no place in {8 * width} bits") from error

    return TypeCodec(
        encode, lambda cursor: int.from_bytes(cursor.take(width), "little", signed=signed), width
    )


def compact(bits: int) -> TypeCodec:
    """Return the codec of a compact integer of at most so many bits."""

    def encode(value: Value) -> bytes:
        if type(value) is bool or not isinstance(value, int) or not 0 <= value < 1 << bits:
            raise _misfit(value, f"an unsigned integer of {bits} bits")
        return encode_compact(value)

    def decode(cursor: Cursor) -> Value:
        value = cursor.compact()
        if value >> bits:
            raise DecodeError(f"{value} has no place in {bits} bits")
        return value

    return TypeCodec(encode, decode, 1)


def _encode_bool(value: Value) -> bytes:
    if not isinstance(value, bool):
        raise _misfit(value, "true or false")
    return b"\1" if value else b"\0"


def _decode_bool(cursor: Cursor) -> Value:
    byte = cursor.take(1)[0]
    if byte > 1:
        raise DecodeError(f"{byte} is no valid boolean")
    return byte == 1


_BOOL: Final = TypeCodec(_encode_bool, _decode_bool, 1)


def _encode_text(value: Value) -> bytes:
    if not isinstance(value, str):
        raise _misfit(value, "text")
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise _misfit(value, "valid Unicode") from error
    return encode_compact(len(data)) + data


def _decode_text(cursor: Cursor) -> Value:
    data = cursor.take(cursor.count(1))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("text is not UTF-8") from error


_TEXT: Final = TypeCodec(_encode_text, _decode_text, 1)


def _is_character(code: int) -> bool:
    return code < 0x11_0000 and not 0xD800 <= code < 0xE000


def _encode_char(value: Value) -> bytes:
    if not isinstance(value, str) or len(value) != 1 or not _is_character(ord(value)):
        raise _misfit(value, "one character")
    return ord(value).to_bytes(4, "little")


def _decode_char(cursor: Cursor) -> Value:
    code = int.from_bytes(cursor.take(4), "little")
    if not _is_character(code):
        raise DecodeError(f"{code:#x} is no character")
    return chr(code)


_CHAR: Final = TypeCodec(_encode_char, _decode_char, 4)


def _bytes_of(value: Value) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError as error:
            raise _misfit(value, "hex digits after 0x") from error
    if not isinstance(value, bytes):
        raise _misfit(value, "bytes or hex text")
    return value


def byte_sequence() -> TypeCodec:
    """Return the codec of bytes with their length before them."""

    def encode(value: Value) -> bytes:
        data = _bytes_of(value)
        return encode_compact(len(data)) + data

    return TypeCodec(encode, lambda cursor: cursor.take(cursor.count(1)), 1)


def fixed_bytes(length: int) -> TypeCodec:
    """Return the codec of bytes of one length."""

    def encode(value: Value) -> bytes:
        data = _bytes_of(value)
        if len(data) != length:
            raise EncodeError(f"{length} bytes are needed, got {len(data)}")
        return data

    return TypeCodec(encode, lambda cursor: cursor.take(length), length) if length else UNIT


def _items(value: Value, count: int | None) -> list[Value] | tuple[Value, ...]:
    if not isinstance(value, list | tuple) or (count is not None and len(value) != count):
        raise _misfit(value, "a sequence" if count is None else f"a sequence of {count}")
    return value


def sequence(item: TypeCodec) -> TypeCodec:
    """Return the codec of items with their number before them."""

    def encode(value: Value) -> bytes:
        items = _items(value, None)
        return encode_compact(len(items)) + b"".join(map(item.encode, items))

    def decode(cursor: Cursor) -> Value:
        return tuple(item.decode(cursor) for _ in range(cursor.count(item.least)))

    return TypeCodec(encode, decode, 1)


def array(item: TypeCodec, length: int) -> TypeCodec:
    """Return the codec of a fixed number of items."""
    total = item.least * length

    def encode(value: Value) -> bytes:
        return b"".join(map(item.encode, _items(value, length)))

    def decode(cursor: Cursor) -> Value:
        if total > cursor.end - cursor.pos:
            raise DecodeError("input ends early")
        return tuple(item.decode(cursor) for _ in range(length))

    return unit_or(TypeCodec(encode, decode, min(total, LEAST_MAX)))


def tuple_of(parts: tuple[TypeCodec, ...]) -> TypeCodec:
    """Return the codec of parts without names."""

    def encode(value: Value) -> bytes:
        items = _items(value, len(parts))
        return b"".join(part.encode(one) for part, one in zip(parts, items, strict=True))

    def decode(cursor: Cursor) -> Value:
        return tuple(part.decode(cursor) for part in parts)

    return TypeCodec(encode, decode, min(sum(part.least for part in parts), LEAST_MAX))


def record(parts: tuple[tuple[str, TypeCodec], ...]) -> TypeCodec:
    """Return the codec of parts with names."""
    names = frozenset(name for name, _ in parts)

    def encode(value: Value) -> bytes:
        if not isinstance(value, dict) or value.keys() != names:
            raise _misfit(value, f"a dict of {', '.join(name for name, _ in parts)}")
        return b"".join(_named(name, part, value[name]) for name, part in parts)

    def decode(cursor: Cursor) -> Value:
        return {name: part.decode(cursor) for name, part in parts}

    return TypeCodec(encode, decode, min(sum(part.least for _, part in parts), LEAST_MAX))


def _named(name: str, part: TypeCodec, value: Value) -> bytes:
    try:
        return part.encode(value)
    except EncodeError as error:
        raise EncodeError(f"{name}: {error}") from error


def bit_sequence(width: int, *, most_first: bool) -> TypeCodec:
    """Return the codec of bits kept in words of `width` bytes, as bitvec fills them."""
    bits = 8 * width

    def place(index: int) -> int:
        inside = index % bits
        return index - inside + (bits - 1 - inside if most_first else inside)

    def encode(value: Value) -> bytes:
        items = _items(value, None)
        number = 0
        for index, one in enumerate(items):
            if not isinstance(one, bool):
                raise _misfit(one, "true or false")
            number |= one << place(index)
        return encode_compact(len(items)) + number.to_bytes(-(-len(items) // bits) * width, "little")

    def decode(cursor: Cursor) -> Value:
        count = cursor.compact()
        number = int.from_bytes(cursor.take(-(-count // bits) * width), "little")
        found = tuple(bool(number >> place(index) & 1) for index in range(count))
        if number.bit_count() != sum(found):
            raise DecodeError("bits beyond the end are set")
        return found

    return TypeCodec(encode, decode, 1)


def option(inner: TypeCodec) -> TypeCodec:
    """Return the codec of a value that may be missing; None must not be one of its own."""

    def encode(value: Value) -> bytes:
        if isinstance(value, Variant):
            if value == ("None", None):
                return b"\0"
            if value.name == "Some":
                return b"\1" + inner.encode(value.value)
        return b"\0" if value is None else b"\1" + inner.encode(value)

    def decode(cursor: Cursor) -> Value:
        flag = cursor.take(1)[0]
        if flag > 1:
            raise DecodeError(f"{flag} is no valid option")
        return inner.decode(cursor) if flag else None

    return TypeCodec(encode, decode, 1, nullable=True)


def enum(type_id: int, cases: tuple[tuple[VariantRecord, TypeCodec], ...]) -> TypeCodec:
    """Return the codec of an enum."""
    by_name = {variant.name: (bytes([variant.index]), made) for variant, made in cases}
    by_index = {variant.index: (variant.name, made.decode) for variant, made in cases}

    def encode(value: Value) -> bytes:
        if isinstance(value, Encoded):
            if value.type_id != type_id:
                raise EncodeError("the encoded value is of another type")
            return value.data
        name, inner = _case(value)
        if name not in by_name:
            raise _misfit(name, f"one of {', '.join(by_name)}")
        index, made = by_name[name]
        return index + _named(name, made, inner)

    def decode(cursor: Cursor) -> Value:
        index = cursor.take(1)[0]
        if index not in by_index:
            raise DecodeError(f"{index} is no valid variant")
        name, inner = by_index[index]
        return Variant(name, inner(cursor))

    return TypeCodec(encode, decode, 1)


def _case(value: Value) -> Variant:
    match value:
        case Variant():
            return value
        case str():
            return Variant(value)
        case dict() if len(value) == 1:
            ((name, inner),) = value.items()
            return Variant(name, inner)
        case _:
            raise _misfit(value, "a variant, its name, or a dict of its name")


def account(inner: TypeCodec) -> TypeCodec:
    """Let an account id be written as its SS58 address."""

    def encode(value: Value) -> bytes:
        if isinstance(value, str) and not value.startswith("0x"):
            try:
                return decode_address(value).account_id
            except Ss58Error as error:
                raise _misfit(value, "an account id or its address") from error
        return inner.encode(value)

    return inner._replace(encode=encode)


def address(inner: TypeCodec) -> TypeCodec:
    """Let an address be written from the account alone."""

    def encode(value: Value) -> bytes:
        if isinstance(value, bytes | str):
            return inner.encode(Variant("Id", value))
        return inner.encode(value)

    return inner._replace(encode=encode)
