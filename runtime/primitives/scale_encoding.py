"""The expressions that encode the shapes, as text for the codec compiler.

Responsible for joining the bytes of a value in as few steps as Python allows: a record is flattened, and
neighbours of fixed size, whatever records they belong to, are packed by one call of a `struct.Struct`. It
knows nothing of decoding and compiles nothing; what the expressions call by name is bound in scale.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct as Packer
from typing import Any, NamedTuple, Protocol

from runtime.primitives.shape import (
    Array,
    Blob,
    Bool,
    CompactInt,
    CompactUnit,
    Custom,
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
    fixed_size,
)

Encoder = Callable[[Any], bytes]
_SIGNED_FORMAT = {1: "b", 2: "h", 4: "i", 8: "q"}
_SOME = b"\1"
COMPACT_TABLE = 1024
"""Integers below have their compact form in a table."""


class Names(Protocol):
    """The namespace of the generated code."""

    def name(self, value: Any, prefix: str = "k") -> str:
        """Bind a value and return its name."""
        ...

    def fresh(self, prefix: str = "v") -> str:
        """Return a name that nothing else has."""
        ...

    def function_of(self, shape: Record | TaggedUnion | Foreign) -> str:
        """Return the name of a function that encodes a shape."""
        ...


class Piece(NamedTuple):
    """Some bytes of an encoding.

    `alone` is an expression for them. Where their number is fixed, `format` is the one by which `struct`
    packs them from the value of the expression `packed`.
    """

    alone: str
    format: str = ""
    packed: str = ""


class Encodings:
    """Writes expressions over the text of a value.

    With `recall`, nested records of varying size are encoded by functions that remember their last value.
    """

    def __init__(self, names: Names, *, recall: bool = False) -> None:
        self._names = names
        self._recall = recall

    def encoding(self, shape: Shape, v: str, prefix: bytes = b"", suffix: bytes = b"") -> str:
        """Return an expression for the bytes of the value `v` between constant bytes."""
        return self._join([*_constant(prefix), *self._pieces(shape, v), *_constant(suffix)])

    def _pieces(self, shape: Shape, v: str) -> list[Piece]:  # noqa: PLR0911  # one arm per kind
        match shape:
            case Unit() | CompactUnit():
                return []
            case Named(_, inner):
                return self._pieces(inner, v)
            case Record():
                return self._fields(shape, v)
            case Int(width, signed):
                alone = f"{v}.to_bytes({width}, 'little'{', signed=True' if signed else ''})"
                letter = _SIGNED_FORMAT.get(width)
                if letter is None:
                    return [_fixed(alone, width)]
                return [Piece(alone, letter if signed else letter.upper(), v)]
            case Bool():
                return [_fixed(f"BOOLS[{v}]", 1)]
            case PlainEnum(cls):
                members = {member: bytes([member]) for member in cls}
                return [_fixed(f"{self._names.name(members)}[{v}]", 1)]
            case FixedBlob(length):
                return [_fixed(f"({v} if len({v}) == {length} else misfit({v}, {length}))", length)]
            case Array() | Tuple():
                size, counted = fixed_size(shape), self._counted(shape, v)
                return [Piece(counted) if size is None else _fixed(counted, size)]
            case _:
                return [Piece(self._varying(shape, v))]

    def _fields(self, record: Record, v: str) -> list[Piece]:
        pieces: list[Piece] = []
        for name, field in record.fields:
            if self._recall and isinstance(field, Record) and fixed_size(field) is None:
                pieces.append(Piece(f"{self._names.function_of(field)}({v}.{name})"))
            else:
                pieces += self._pieces(field, f"{v}.{name}")
        return pieces

    def _counted(self, shape: Array | Tuple, v: str) -> str:
        """Return the expression for values whose number is part of the type."""
        if isinstance(shape, Array):
            count, inner = shape.length, f"JOIN({self._each(shape.item, v)})"
        else:
            pieces = [p for i, item in enumerate(shape.items) for p in self._pieces(item, f"{v}[{i}]")]
            count, inner = len(shape.items), self._join(pieces)
        return f"({inner} if len({v}) == {count} else misfit({v}, {count}))"

    def _each(self, item: Shape, v: str) -> str:
        x = self._names.fresh("x")
        return f"[{self.encoding(item, x)} for {x} in {v}]"

    def _varying(self, shape: Shape, v: str) -> str:  # noqa: PLR0911  # one arm per kind
        """Return the expression for a shape of no fixed size."""
        match shape:
            case CompactInt(width):
                return f"compact_of({v}, {(1 << (8 * width)) - 1})"
            case Text(limit):
                return f"blob({v}.encode(), {limit})"
            case Blob(limit):
                call = f"blob({v}, {limit})"
                if limit is not None and limit < COMPACT_TABLE:
                    return call
                return f"(SMALL[len({v})] + {v} if len({v}) < {COMPACT_TABLE} else {call})"
            case Sequence(item, limit):
                return f"joined({self._each(item, v)}, {limit})"
            case Option(item) | UnitResult(item):
                return f"(b'\\0' if {v} is None else {self.encoding(item, v, _SOME)})"
            case TaggedUnion() | Foreign():
                return f"{self._names.function_of(shape)}({v})"
            case Custom():
                return f"{self._names.name(shape.encode)}({v})"
            case _:
                raise AssertionError(f"{shape!r} has a fixed size")

    def _join(self, pieces: list[Piece]) -> str:
        """Return the expression for pieces one after another; neighbours of fixed size are packed."""
        parts: list[str] = []
        run: list[Piece] = []
        for piece in pieces:
            if piece.format:
                run.append(piece)
                continue
            parts += self._pack(run)
            run = []
            parts.append(piece.alone)
        parts += self._pack(run)
        if len(parts) > 3:
            return f"JOIN(({', '.join(parts)}))"
        return f"({' + '.join(parts)})" if parts else "b''"

    def _pack(self, run: list[Piece]) -> list[str]:
        if len(run) < 2:
            return [piece.alone for piece in run]
        pack = Packer("<" + "".join(piece.format for piece in run)).pack
        return [f"{self._names.name(pack)}({', '.join(piece.packed for piece in run)})"]


def recalling(encode: Encoder) -> Encoder:
    """Return an encoder that remembers its last value, for immutable ones that come again and again."""
    memory: tuple[Any, bytes] = (object(), b"")

    def recall(value: Any) -> bytes:
        nonlocal memory
        last, encoded = memory
        if value is not last:
            encoded = encode(value)
            memory = (value, encoded)
        return encoded

    return recall


def _constant(data: bytes) -> list[Piece]:
    return [_fixed(repr(data), len(data))] if data else []


def _fixed(expression: str, size: int) -> Piece:
    return Piece(expression, f"{size}s", expression)
