"""SCALE codecs, compiled once per type into straight-line functions.

Responsible for turning a `Shape` into an encoder and a canonical decoder: trailing bytes, over-long
compact integers, unknown tags, booleans other than 0 and 1, invalid UTF-8 and lengths beyond a bound or
beyond the input are errors, and a length is checked before anything is allocated for it. It knows no
particular type. Format: the SCALE codec as parity-scale-codec encodes it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import CodeType
from typing import Any, Generic, NoReturn, TypeVar

from runtime.primitives.scale_encoding import COMPACT_TABLE, Encoder, Encodings, recalling
from runtime.primitives.shape import (
    Array,
    Blob,
    Bool,
    Compact,
    CompactInt,
    Custom,
    Enum,
    FixedBlob,
    Foreign,
    Int,
    Length,
    MaxLen,
    Named,
    Option,
    Path,
    PlainEnum,
    Record,
    Sequence,
    Shape,
    ShapeError,
    Struct,
    TaggedUnion,
    Text,
    Tuple,
    UnitResult,
    UnitResultMark,
    describe,
    enum_path,
    fixed_size,
    i8,
    i16,
    i32,
    i64,
    i128,
    i256,
    min_size,
    shape_of,
    u8,
    u16,
    u32,
    u64,
    u128,
    u256,
)

__all__ = [
    "ENCODE_FAULTS",
    "Codec",
    "Compact",
    "DecodeError",
    "EncodeError",
    "Encoder",
    "Enum",
    "LazyCodec",
    "Length",
    "MaxLen",
    "Path",
    "ShapeError",
    "Struct",
    "UnitResultMark",
    "codec",
    "compile_codec",
    "compile_encoder",
    "decode_compact",
    "describe",
    "encode_compact",
    "enum_path",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "i256",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "u256",
]

T = TypeVar("T")
COMPACT_BITS_MAX = 536
UNROLL_MAX = 16  # longer arrays are decoded in a loop


class DecodeError(ValueError):
    """Bytes are not the canonical encoding of a value of the wanted type."""


class EncodeError(ValueError):
    """A value does not fit its type: out of range, too long, or of another type."""


ENCODE_FAULTS = (OverflowError, TypeError, AttributeError, KeyError, IndexError, struct.error)
"""What generated code raises for a value that does not fit."""


class Codec(Generic[T]):
    """Encoder and decoder of one type."""

    __slots__ = ("_decode", "_encode", "shape")

    def __init__(self, shape: Shape, encode: Callable[[T], bytes], decode: Callable[[bytes, int, int], Any]):
        self.shape = shape
        self._encode = encode
        self._decode = decode

    def encode(self, value: T) -> bytes:
        """Return the SCALE bytes of a value; EncodeError when it does not fit the type."""
        try:
            return self._encode(value)
        except ENCODE_FAULTS as error:
            raise EncodeError(f"{value!r:.80} does not fit: {error}") from error

    def decode(self, data: bytes) -> T:
        """Return the value that exactly these bytes encode."""
        end = len(data)
        value, pos = self._decode(data, 0, end)
        if pos != end:
            raise DecodeError(f"{end - pos} trailing bytes")
        return value  # type: ignore[no-any-return]  # generated code returns T

    def decode_prefix(self, data: bytes, pos: int = 0) -> tuple[T, int]:
        """Return the value that starts at `pos` and the position after it."""
        return self._decode(data, pos, len(data))  # type: ignore[no-any-return]  # generated code returns T


class LazyCodec(Codec[T]):
    """A codec of which each half is compiled at its first use.

    For types that are complete only when a runtime is composed, and for the many of which a block needs one
    half or none.
    """

    __slots__ = ()

    def __init__(self, shape: Shape, foreign: Mapping[str, Codec[Any]]) -> None:
        def encode(value: T) -> bytes:
            self._encode = _Generator(foreign).encoder(shape)
            return self._encode(value)

        def decode(data: bytes, pos: int, end: int) -> Any:
            self._decode = _Generator(foreign).decoder(shape)
            return self._decode(data, pos, end)

        super().__init__(shape, encode, decode)


def codec(annotation: Any) -> Codec[Any]:
    """Return the codec of a type that stands alone (no type of a particular runtime in it). Cached."""
    return _cached_codec(annotation)


@cache
def _cached_codec(annotation: Any) -> Codec[Any]:
    return compile_codec(shape_of(annotation), {})


def compile_codec(shape: Shape, foreign: Mapping[str, Codec[Any]]) -> Codec[Any]:
    """Compile the codec of a shape; `foreign` gives the codecs of the runtime's own types by name."""
    generator = _Generator(foreign)
    encode = generator.encoder(shape)
    decode = generator.decoder(shape)
    return Codec(shape, encode, decode)


@lru_cache(maxsize=4096)
def _code(name: str, source: str) -> CodeType:
    """Return the compiled source; runtimes composed one after another have most of their codecs in common."""
    return compile(source, f"<scale {name}>", "exec")


def compile_encoder(
    record: Record, foreign: Mapping[str, Codec[Any]], prefix: bytes, suffix: bytes
) -> Encoder:
    """Return a function that encodes a record between constant bytes, such as a variant's indices.

    It is for values made in great numbers, of which a nested record is often the very one of the value
    before, and raises ENCODE_FAULTS beside EncodeError.
    """
    return _Generator(foreign, recall=True).encoder(record, prefix, suffix)


# --- compact integers

_COMPACT_SMALL = tuple(
    (n << 2).to_bytes(1, "little") if n < 64 else (n << 2 | 1).to_bytes(2, "little")
    for n in range(COMPACT_TABLE)
)


def encode_compact(value: int) -> bytes:
    """Return the shortest compact encoding of 0 ≤ value < 2^536."""
    if 0 <= value < COMPACT_TABLE:
        return _COMPACT_SMALL[value]
    if value < 0:
        raise EncodeError(f"compact integers are unsigned, got {value}")
    if value < 1 << 14:
        return (value << 2 | 1).to_bytes(2, "little")
    if value < 1 << 30:
        return (value << 2 | 2).to_bytes(4, "little")
    length = max(4, (value.bit_length() + 7) >> 3)
    if value.bit_length() > COMPACT_BITS_MAX:
        raise EncodeError(f"compact integers have at most {COMPACT_BITS_MAX} bits")
    return ((length - 4) << 2 | 3).to_bytes(1, "little") + value.to_bytes(length, "little")


def decode_compact(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Return the compact integer at `pos` and the position after it; only the shortest form is accepted."""
    if pos >= end:
        _short()
    first = data[pos]
    mode = first & 3
    if mode == 0:
        return first >> 2, pos + 1
    if mode == 1:
        stop = pos + 2
        if stop > end:
            _short()
        value, floor = first >> 2 | data[pos + 1] << 6, 1 << 6
    else:
        stop = pos + (4 if mode == 2 else (first >> 2) + 5)
        if stop > end:
            _short()
        if mode == 2:
            value, floor = int.from_bytes(data[pos:stop], "little") >> 2, 1 << 14
        else:
            value = int.from_bytes(data[pos + 1 : stop], "little")
            floor = 1 << max(30, (stop - pos - 2) << 3)
    if value < floor:
        raise DecodeError(f"compact integer {value} in a longer form than needed")
    return value, stop


# --- leaves that generated code calls


def _short() -> NoReturn:
    raise DecodeError("input ends early")


def _over(value: int, limit: int) -> NoReturn:
    raise DecodeError(f"{value} exceeds the limit {limit}")


def _tag(value: int, what: str) -> NoReturn:
    raise DecodeError(f"{value} is no valid {what}")


def _bool(byte: int) -> bool:
    if byte > 1:
        _tag(byte, "boolean")
    return byte == 1


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("text is not UTF-8") from error


def _length(data: bytes, pos: int, end: int, limit: int) -> tuple[int, int]:
    count, pos = decode_compact(data, pos, end)
    if count > limit:
        _over(count, limit)
    return count, pos


def _misfit(value: Any, length: int) -> NoReturn:
    raise EncodeError(f"length {len(value)} where {length} is needed")


def _compact_of(value: int, maximum: int) -> bytes:
    if value > maximum:
        raise EncodeError(f"{value} exceeds {maximum}")
    return encode_compact(value)


def _blob(value: bytes, limit: int | None) -> bytes:
    if limit is not None and len(value) > limit:
        raise EncodeError(f"{len(value)} bytes exceed the limit {limit}")
    return encode_compact(len(value)) + value


def _joined(parts: list[bytes], limit: int | None) -> bytes:
    if limit is not None and len(parts) > limit:
        raise EncodeError(f"{len(parts)} items exceed the limit {limit}")
    return encode_compact(len(parts)) + b"".join(parts)


def _plain_decoder(shape: PlainEnum) -> Callable[[int], Any]:
    members = {int(member): member for member in shape.cls}

    def decode(byte: int) -> Any:
        member = members.get(byte)
        if member is None:
            _tag(byte, shape.cls.__name__)
        return member

    return decode


class _Generator:
    """Writes the source of one codec; constants and nested enums become names in its namespace."""

    def __init__(self, foreign: Mapping[str, Codec[Any]], *, recall: bool = False) -> None:
        self.foreign = foreign
        self.encodings = Encodings(self, recall=recall)
        self.count = 0
        self.enums: dict[TaggedUnion, tuple[str, str]] = {}
        self.names: dict[str, Any] = {
            "int_from": int.from_bytes,
            "compact": encode_compact,
            "decompact": decode_compact,
            "short": _short,
            "over": _over,
            "tag": _tag,
            "as_bool": _bool,
            "as_text": _text,
            "length": _length,
            "misfit": _misfit,
            "compact_of": _compact_of,
            "blob": _blob,
            "joined": _joined,
            "BOOLS": {False: b"\0", True: b"\1"},
            "SMALL": _COMPACT_SMALL,
            "JOIN": b"".join,
        }

    def name(self, value: Any, prefix: str = "k") -> str:
        """Bind a constant in the generated namespace and return its name."""
        name = self.fresh(prefix)
        self.names[name] = value
        return name

    def fresh(self, prefix: str = "v") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def function(self, name: str, source: str) -> Any:
        exec(_code(name, source), self.names)  # our own source, never input
        return self.names[name]

    def encoder(self, shape: Shape, prefix: bytes = b"", suffix: bytes = b"") -> Encoder:
        name = self.fresh("encode")
        body = self.encodings.encoding(shape, "v", prefix, suffix)
        return self.function(name, f"def {name}(v):\n    return {body}\n")  # type: ignore[no-any-return]  # exec

    def function_of(self, shape: Record | TaggedUnion | Foreign) -> str:
        match shape:
            case Record():
                return self.name(recalling(self.encoder(shape)))
            case TaggedUnion():
                return self.enum(shape)[0]
            case Foreign(name):
                return self.name(self.bound(name).encode)

    def bound(self, name: str) -> Codec[Any]:
        if name not in self.foreign:
            raise ShapeError(f"{name} belongs to a runtime; its codec must be given")
        return self.foreign[name]

    # --- decoding: lines that leave the value in a variable and `pos` after it

    def decoder(self, shape: Shape) -> Callable[[bytes, int, int], Any]:
        lines: list[str] = []
        result = self.decoding(shape, lines, "    ")
        name = self.fresh("decode")
        body = "\n".join(lines)
        return self.function(name, f"def {name}(data, pos, end):\n{body}\n    return {result}, pos\n")  # type: ignore[no-any-return]  # exec

    def decoding(self, shape: Shape, lines: list[str], pad: str) -> str:
        size = fixed_size(shape)
        if size is not None and not _has_long_array(shape):
            return self.decoding_fixed([shape], lines, pad)[0]
        out = self.fresh()
        match shape:
            case CompactInt(width):
                self.decoding_compact(width, out, lines, pad)
            case Text(limit) | Blob(limit):
                raw = self.slice_of(limit, lines, pad)
                lines.append(
                    f"{pad}{out} = as_text({raw})" if isinstance(shape, Text) else f"{pad}{out} = {raw}"
                )
            case Sequence(item, limit):
                self.decoding_sequence(item, limit, out, lines, pad)
            case Array(item, length):
                self.decoding_loop(item, str(length), out, lines, pad)
            case Tuple(items):
                parts = self.decoding_run(items, lines, pad)
                lines.append(f"{pad}{out} = ({', '.join(parts)},)")
            case Record():
                parts = self.decoding_run(tuple(field for _, field in shape.fields), lines, pad)
                lines.append(f"{pad}{out} = {self.name(shape.cls)}({', '.join(parts)})")
            case Option(item) | UnitResult(item):
                self.decoding_option(item, out, lines, pad)
            case Named(_, inner):
                return self.decoding(inner, lines, pad)
            case _:
                lines.append(f"{pad}{out}, pos = {self.decode_call(shape)}")
        return out

    def decode_call(self, shape: Shape) -> str:
        """Return the call that decodes a shape with a function of its own."""
        match shape:
            case TaggedUnion():
                return f"{self.enum(shape)[1]}(data, pos, end)"
            case Foreign(name):
                return f"{self.name(self.bound(name).decode_prefix)}(data, pos)"
            case Custom():
                return f"{self.name(shape.decode)}(data, pos)"
            case _:
                raise ShapeError(f"{shape!r} cannot be decoded")

    def decoding_run(self, items: tuple[Shape, ...], lines: list[str], pad: str) -> list[str]:
        """Decode shapes one after another; neighbours of fixed size share one length check."""
        parts: list[str] = []
        run: list[Shape] = []
        for item in items:
            if fixed_size(item) is not None and not _has_long_array(item):
                run.append(item)
                continue
            parts += self.decoding_fixed(run, lines, pad)
            run = []
            parts.append(self.decoding(item, lines, pad))
        return parts + self.decoding_fixed(run, lines, pad)

    def decoding_fixed(self, run: list[Shape], lines: list[str], pad: str) -> list[str]:
        total = sum(fixed_size(shape) or 0 for shape in run)
        names: list[str] = []
        if total:
            lines.append(f"{pad}if pos + {total} > end: short()")
        offset = 0
        for shape in run:
            names.append(self.fresh())
            lines.append(f"{pad}{names[-1]} = {self.fixed_expression(shape, offset)}")
            offset += fixed_size(shape) or 0
        if total:
            lines.append(f"{pad}pos += {total}")
        return names

    def fixed_expression(self, shape: Shape, at: int) -> str:  # noqa: PLR0911  # one arm per shape
        match shape:
            case Int(1, False):
                return f"data[pos + {at}]"
            case Int(width, signed):
                sign = ", signed=True" if signed else ""
                return f"int_from(data[pos + {at}:pos + {at + width}], 'little'{sign})"
            case Bool():
                return f"as_bool(data[pos + {at}])"
            case PlainEnum():
                return f"{self.name(_plain_decoder(shape))}(data[pos + {at}])"
            case FixedBlob(length):
                return f"data[pos + {at}:pos + {at + length}]"
            case Array(item, length):
                return self.fixed_group((item,) * length, at, "")
            case Tuple(items):
                return self.fixed_group(items, at, "")
            case Record():
                return self.fixed_group(tuple(f for _, f in shape.fields), at, self.name(shape.cls))
            case Named(_, inner):
                return self.fixed_expression(inner, at)
            case _:
                return "None"

    def fixed_group(self, items: tuple[Shape, ...], at: int, constructor: str) -> str:
        parts: list[str] = []
        for item in items:
            parts.append(self.fixed_expression(item, at))
            at += fixed_size(item) or 0
        joined = ", ".join(parts)
        return f"{constructor}({joined})" if constructor else f"({joined}{',' if parts else ''})"

    def decoding_compact(self, width: int, out: str, lines: list[str], pad: str) -> None:
        lines += [
            f"{pad}if pos < end and not data[pos] & 3:",
            f"{pad}    {out} = data[pos] >> 2; pos += 1",
            f"{pad}else:",
            f"{pad}    {out}, pos = decompact(data, pos, end)",
            f"{pad}    if {out} > {(1 << (8 * width)) - 1}: over({out}, {(1 << (8 * width)) - 1})",
        ]

    def slice_of(self, limit: int | None, lines: list[str], pad: str) -> str:
        count, stop = self.fresh("n"), self.fresh("n")
        bound = "end" if limit is None else str(limit)
        lines += [
            f"{pad}{count}, pos = length(data, pos, end, {bound})",
            f"{pad}{stop} = pos + {count}",
            f"{pad}if {stop} > end: short()",
        ]
        raw = self.fresh()
        lines += [f"{pad}{raw} = data[pos:{stop}]", f"{pad}pos = {stop}"]
        return raw

    def decoding_sequence(self, item: Shape, limit: int | None, out: str, lines: list[str], pad: str) -> None:
        least = min_size(item)
        if least == 0 and limit is None:
            raise ShapeError("a sequence of items without bytes needs a bound")
        count = self.fresh("n")
        bound = "end" if limit is None else str(limit)
        lines.append(f"{pad}{count}, pos = length(data, pos, end, {bound})")
        if least:
            lines.append(f"{pad}if {count} * {least} > end - pos: short()")
        self.decoding_loop(item, count, out, lines, pad)

    def decoding_loop(self, item: Shape, count: str, out: str, lines: list[str], pad: str) -> None:
        items, turn = self.fresh("items"), self.fresh("i")
        lines += [f"{pad}{items} = []", f"{pad}for {turn} in range({count}):"]
        value = self.decoding(item, lines, pad + "    ")
        lines += [f"{pad}    {items}.append({value})", f"{pad}{out} = tuple({items})"]

    def decoding_option(self, item: Shape, out: str, lines: list[str], pad: str) -> None:
        flag = self.fresh("t")
        lines += [
            f"{pad}if pos >= end: short()",
            f"{pad}{flag} = data[pos]; pos += 1",
            f"{pad}if {flag} == 1:",
        ]
        value = self.decoding(item, lines, pad + "    ")
        lines += [
            f"{pad}    {out} = {value}",
            f"{pad}elif {flag}: tag({flag}, 'option or result')",
            f"{pad}else: {out} = None",
        ]

    def enum(self, shape: TaggedUnion) -> tuple[str, str]:
        """Return the names of the functions that encode and decode an enum, writing them on first use."""
        if shape in self.enums:
            return self.enums[shape]
        encoders: dict[type, Encoder] = {}
        decoders: list[Callable[[bytes, int, int], Any] | None] = [None] * 256
        self.enums[shape] = (self.fresh("enum"), self.fresh("enum"))
        for variant in shape.variants:
            encoders[variant.record.cls] = self.encoder(variant.record, bytes([variant.index]))
            decoders[variant.index] = self.decoder(variant.record)
        label = shape.path or "variant"

        def encode(value: Any) -> bytes:
            return encoders[type(value)](value)

        def decode(data: bytes, pos: int, end: int) -> Any:
            if pos >= end:
                _short()
            decoder = decoders[data[pos]]
            if decoder is None:
                _tag(data[pos], label)
            return decoder(data, pos + 1, end)

        self.names[self.enums[shape][0]] = encode
        self.names[self.enums[shape][1]] = decode
        return self.enums[shape]


def _has_long_array(shape: Shape) -> bool:
    match shape:
        case Array(item, length):
            return length > UNROLL_MAX or _has_long_array(item)
        case Tuple(items):
            return any(_has_long_array(item) for item in items)
        case Record():
            return any(_has_long_array(field) for _, field in shape.fields)
        case Named(_, inner):
            return _has_long_array(inner)
        case _:
            return False
