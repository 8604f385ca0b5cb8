"""Shapes: what an annotation means in SCALE, before any code is generated from it.

Responsible for the vocabulary with which types are declared (`u32`, `Compact[u128]`, `Struct`, `Enum`, …)
and for turning an annotation into a `Shape`, the small tree that both the codec compiler and the type
registry walk. It knows nothing of bytes, pallets or metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

import msgspec

from runtime.primitives.hints import read_hints

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)


class ShapeError(TypeError):
    """An annotation has no SCALE meaning; raised when a codec is built, never for data."""


# --- shapes


@dataclass(frozen=True, slots=True)
class Int:
    """Fixed-width little-endian integer of `width` bytes."""

    width: int
    signed: bool = False


@dataclass(frozen=True, slots=True)
class CompactInt:
    """Compact form of an unsigned integer of `width` bytes."""

    width: int


@dataclass(frozen=True, slots=True)
class Bool:
    pass


@dataclass(frozen=True, slots=True)
class Unit:
    pass


@dataclass(frozen=True, slots=True)
class CompactUnit:
    """`Compact<()>`, which takes no bytes; the account index of chains without an index pallet."""


@dataclass(frozen=True, slots=True)
class Text:
    """UTF-8 string of at most `limit` bytes; None means bounded by the input alone."""

    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """`Vec<u8>` of at most `limit` bytes."""

    limit: int | None = None


@dataclass(frozen=True, slots=True)
class FixedBlob:
    """`[u8; length]`."""

    length: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """`Vec<item>` of at most `limit` items."""

    item: Shape
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Array:
    """`[item; length]`."""

    item: Shape
    length: int


@dataclass(frozen=True, slots=True)
class Tuple:
    items: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Option:
    item: Shape


@dataclass(frozen=True, slots=True)
class UnitResult:
    """`Result<(), error>`: None is `Ok(())`, any other value is `Err(value)`."""

    error: Shape


@dataclass(frozen=True, slots=True)
class Record:
    """A `Struct`: its fields one after another."""

    cls: type[Struct]
    path: str
    fields: tuple[tuple[str, Shape], ...]
    params: tuple[tuple[str, Shape | None], ...] = ()


@dataclass(frozen=True, slots=True)
class EnumVariant:
    name: str
    index: int
    record: Record


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """A SCALE enum whose variants are Structs."""

    path: str
    variants: tuple[EnumVariant, ...]
    params: tuple[tuple[str, Shape | None], ...] = ()


@dataclass(frozen=True, slots=True)
class PlainEnum:
    """A SCALE enum without fields, as an IntEnum; the member's value is the index byte."""

    cls: type[IntEnum]
    path: str


@dataclass(frozen=True, slots=True)
class Named:
    """A transparent wrapper with a type path: one unnamed field in metadata, the inner bytes on the wire."""

    path: str
    inner: Shape


@dataclass(frozen=True, slots=True)
class Foreign:
    """A type that only a composed runtime knows, such as its outer call; bound when the codec is built."""

    name: str


@dataclass(frozen=True, slots=True)
class Custom:
    """A type with hand-written coding, such as the era; `described` is its shape in metadata."""

    path: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, int], tuple[Any, int]]
    variants: tuple[tuple[str, int, tuple[Shape, ...]], ...]
    params: tuple[tuple[str, Shape | None], ...] = ()


Shape = (
    Int
    | CompactInt
    | Bool
    | Unit
    | CompactUnit
    | Text
    | Blob
    | FixedBlob
    | Sequence
    | Array
    | Tuple
    | Option
    | UnitResult
    | Record
    | TaggedUnion
    | PlainEnum
    | Named
    | Foreign
    | Custom
)


# --- vocabulary


@dataclass(frozen=True, slots=True)
class MaxLen:
    """Bound of a text or bytes (in bytes) or of a sequence (in items)."""

    limit: int


@dataclass(frozen=True, slots=True)
class Length:
    """Exact length of bytes or of an array."""

    length: int


@dataclass(frozen=True, slots=True)
class CompactMark:
    pass


@dataclass(frozen=True, slots=True)
class UnitResultMark:
    """Marks `E | None` as `Result<(), E>` instead of `Option<E>`."""


@dataclass(frozen=True, slots=True)
class Enum:
    """Marks a union of Structs with `index=` as a SCALE enum; `params` are its type parameters."""

    path: str = ""
    params: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """Gives a type path to an annotation that would otherwise be structural."""

    path: str


u8 = Annotated[int, Int(1)]
u16 = Annotated[int, Int(2)]
u32 = Annotated[int, Int(4)]
u64 = Annotated[int, Int(8)]
u128 = Annotated[int, Int(16)]
u256 = Annotated[int, Int(32)]
i8 = Annotated[int, Int(1, signed=True)]
i16 = Annotated[int, Int(2, signed=True)]
i32 = Annotated[int, Int(4, signed=True)]
i64 = Annotated[int, Int(8, signed=True)]
i128 = Annotated[int, Int(16, signed=True)]
i256 = Annotated[int, Int(32, signed=True)]
Compact = Annotated[T, CompactMark()]


@dataclass_transform(frozen_default=True)
class StructMeta(msgspec.StructMeta):
    """Adds the SCALE keywords `path`, `index`, `variant` and `params` to msgspec's frozen structs."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        path: str = "",
        index: int | None = None,
        variant: str = "",
        params: tuple[tuple[str, Any], ...] = (),
        **keywords: Any,
    ) -> Any:
        """Create the class; values are immutable and, having no cycles, invisible to the cyclic collector."""
        keywords.setdefault("frozen", True)
        keywords.setdefault("gc", False)
        cls: Any = super().__new__(mcls, name, bases, namespace, **keywords)
        cls.__scale_path__ = path
        cls.__scale_index__ = index
        cls.__scale_variant__ = variant or name
        cls.__scale_params__ = params
        return cls


class Struct(msgspec.Struct, metaclass=StructMeta):
    """Base of every record on chain or on the wire: immutable, fields in declaration order.

    Class keywords: `path` the type path in metadata, `index` the variant index when the class is a
    variant of an enum, `variant` its name there when it differs from the class name.
    """

    __scale_path__: ClassVar[str] = ""
    __scale_index__: ClassVar[int | None] = None
    __scale_variant__: ClassVar[str] = ""
    __scale_params__: ClassVar[tuple[tuple[str, Any], ...]] = ()


def enum_path(path: str) -> Callable[[type[E]], type[E]]:
    """Give an IntEnum its type path in metadata."""

    def attach(cls: type[E]) -> type[E]:
        cls.__scale_path__ = path  # type: ignore[attr-defined]  # read by `_class`
        return cls

    return attach


def describe(identity: Any, annotation: Any) -> None:
    """Attach the SCALE meaning `annotation` to a NewType, which by itself only names its supertype."""
    identity.__scale__ = annotation


# --- from annotation to shape


def shape_of(annotation: Any) -> Shape:
    """Return the shape of an annotation, cached; ShapeError when it has none."""
    try:
        return _cached_shape(annotation)
    except TypeError as error:
        if isinstance(error, ShapeError):
            raise
        return _shape(annotation)


@cache
def _cached_shape(annotation: Any) -> Shape:
    return _shape(annotation)


def _shape(annotation: Any) -> Shape:
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        return _annotated(base, tuple(marks))
    if origin is tuple:
        return _tuple(get_args(annotation))
    if origin is Union or origin is UnionType:
        return _optional(annotation)
    if hasattr(annotation, "__scale__"):
        return shape_of(annotation.__scale__)
    if isinstance(annotation, type):
        return _class(annotation)
    if annotation is None:
        return Unit()
    raise ShapeError(f"{annotation!r} has no SCALE form")


def _class(cls: type) -> Shape:
    if issubclass(cls, Struct):
        return _record(cls)
    if issubclass(cls, IntEnum):
        return PlainEnum(cls, getattr(cls, "__scale_path__", ""))
    simple: dict[type, Shape] = {bool: Bool(), str: Text(), bytes: Blob(), NoneType: Unit()}
    if cls in simple:
        return simple[cls]
    raise ShapeError(f"{cls.__qualname__} has no SCALE form; integers need a width such as u32")


def _record(cls: type[Struct]) -> Record:
    hints = read_hints(cls)
    fields = tuple((name, shape_of(hints[name])) for name in cls.__struct_fields__)
    params = tuple((name, None if p is None else shape_of(p)) for name, p in cls.__scale_params__)
    return Record(cls, cls.__scale_path__, fields, params)


def _tuple(args: tuple[Any, ...]) -> Shape:
    if len(args) == 2 and args[1] is Ellipsis:
        return Sequence(shape_of(args[0]))
    return Tuple(tuple(shape_of(a) for a in args)) if args else Unit()


def _optional(annotation: Any) -> Shape:
    args = [a for a in get_args(annotation) if a is not NoneType]
    if len(args) == 1 and len(get_args(annotation)) == 2:
        return Option(shape_of(args[0]))
    raise ShapeError(f"{annotation!r}: a union of structs needs Annotated[…, Enum(path)]")


def _annotated(base: Any, marks: tuple[Any, ...]) -> Shape:
    shape: Shape | None = None
    for mark in marks:
        match mark:
            case Int() | Foreign() | Custom() | Blob() | FixedBlob() | CompactUnit():
                shape = mark
            case Enum(path, params):
                shape = _tagged_union(base, path, params)
            case UnitResultMark():
                inner = shape_of(base)
                assert isinstance(inner, Option)
                shape = UnitResult(inner.item)
            case _:
                shape = _marked(shape_of(base) if shape is None else shape, mark)
    return shape_of(base) if shape is None else shape


def _marked(shape: Shape, mark: Any) -> Shape:  # noqa: PLR0911  # one arm per mark
    match mark, shape:
        case CompactMark(), Int(width, signed) if not signed:
            return CompactInt(width)
        case MaxLen(limit), Text():
            return Text(limit)
        case MaxLen(limit), Blob():
            return Blob(limit)
        case MaxLen(limit), Sequence(item):
            return Sequence(item, limit)
        case Length(length), Blob():
            return FixedBlob(length)
        case Length(length), Sequence(item):
            return Array(item, length)
        case Path(path), _:
            return Named(path, shape)
        case _:
            raise ShapeError(f"{mark!r} does not apply to {shape!r}")


def _tagged_union(base: Any, path: str, params: tuple[tuple[str, Any], ...]) -> TaggedUnion:
    members = get_args(base) if get_origin(base) in {Union, UnionType} else (base,)
    variants: list[EnumVariant] = []
    for member in members:
        if not (isinstance(member, type) and issubclass(member, Struct)) or member.__scale_index__ is None:
            raise ShapeError(f"{member!r} is no variant: a Struct with index= is needed")
        variants.append(EnumVariant(member.__scale_variant__, member.__scale_index__, _record(member)))
    variants.sort(key=lambda variant: variant.index)
    indices = [variant.index for variant in variants]
    if any(not 0 <= i <= 255 for i in indices) or any(a == b for a, b in pairwise(indices)):
        raise ShapeError(f"variant indices of {path or base!r} must be distinct bytes")
    shaped = tuple((name, None if p is None else shape_of(p)) for name, p in params)
    return TaggedUnion(path, tuple(variants), shaped)


# --- inside


def walk(shape: Shape) -> Iterator[Shape]:
    """Yield a shape and every shape within it, outermost first."""
    yield shape
    inner: tuple[Shape, ...] = ()
    match shape:
        case Sequence(item) | Array(item) | Option(item) | UnitResult(item) | Named(_, item):
            inner = (item,)
        case Tuple(items):
            inner = items
        case Record():
            inner = tuple(field for _, field in shape.fields)
        case TaggedUnion():
            inner = tuple(variant.record for variant in shape.variants)
        case _:
            return
    for part in inner:
        yield from walk(part)


# --- sizes


def fixed_size(shape: Shape) -> int | None:  # noqa: PLR0911  # one arm per shape
    """Number of bytes that every value of the shape takes, or None when values differ in size."""
    match shape:
        case Int(width):
            return width
        case Bool() | PlainEnum():
            return 1
        case Unit() | CompactUnit():
            return 0
        case FixedBlob(length):
            return length
        case Array(item, length):
            size = fixed_size(item)
            return None if size is None else size * length
        case Tuple(items):
            return _sum_fixed(items)
        case Record():
            return _sum_fixed(tuple(field for _, field in shape.fields))
        case Named(_, inner):
            return fixed_size(inner)
        case _:
            return None


def min_size(shape: Shape) -> int:
    """Least number of bytes a value of the shape takes; bounds how many items an input can hold."""
    fixed = fixed_size(shape)
    if fixed is not None:
        return fixed
    match shape:
        case Array(item, length):
            return min_size(item) * length
        case Tuple(items):
            return sum(min_size(item) for item in items)
        case Record():
            return sum(min_size(field) for _, field in shape.fields)
        case Named(_, inner):
            return min_size(inner)
        case _:
            return 1


def _sum_fixed(items: tuple[Shape, ...]) -> int | None:
    total = 0
    for item in items:
        size = fixed_size(item)
        if size is None:
            return None
        total += size
    return total
