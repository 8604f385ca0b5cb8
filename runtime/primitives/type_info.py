"""The portable type registry of metadata, made from shapes.

Responsible for numbering types, for Substrate's naming conventions (fields called `field_0` are unnamed, a
trailing underscore is dropped) and for the registry's SCALE form. It knows no pallet. Source:
scale_info::PortableRegistry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Annotated, Any, TypeAlias

from runtime.primitives.scale import Compact, Enum, Struct, u8, u32
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
)

TypeId: TypeAlias = Compact[u32]


class Field(Struct):
    name: str | None
    type: TypeId
    type_name: str | None
    docs: tuple[str, ...] = ()


class Variant(Struct):
    name: str
    fields: tuple[Field, ...]
    index: u8
    docs: tuple[str, ...] = ()


class TypeParameter(Struct):
    name: str
    type: TypeId | None


class Composite(Struct, index=0):
    fields: tuple[Field, ...]


class VariantDef(Struct, index=1, variant="Variant"):
    variants: tuple[Variant, ...]


class SequenceDef(Struct, index=2, variant="Sequence"):
    type: TypeId


class ArrayDef(Struct, index=3, variant="Array"):
    length: u32
    type: TypeId


class TupleDef(Struct, index=4, variant="Tuple"):
    types: tuple[TypeId, ...]


class Primitive(IntEnum):
    """Primitive types; the value is the variant index."""

    Bool = 0
    Char = 1
    Str = 2
    U8 = 3
    U16 = 4
    U32 = 5
    U64 = 6
    U128 = 7
    U256 = 8
    I8 = 9
    I16 = 10
    I32 = 11
    I64 = 12
    I128 = 13
    I256 = 14


class PrimitiveDef(Struct, index=5, variant="Primitive"):
    primitive: Primitive


class CompactDef(Struct, index=6, variant="Compact"):
    type: TypeId


class BitSequenceDef(Struct, index=7, variant="BitSequence"):
    """Bits, which no type of this program's own is made of; other chains have them."""

    store: TypeId
    order: TypeId


TypeDef: TypeAlias = Annotated[
    Composite | VariantDef | SequenceDef | ArrayDef | TupleDef | PrimitiveDef | CompactDef | BitSequenceDef,
    Enum(),
]


class Type(Struct):
    path: tuple[str, ...]
    params: tuple[TypeParameter, ...]
    definition: TypeDef
    docs: tuple[str, ...] = ()


class PortableType(Struct):
    id: TypeId
    type: Type


_UNSIGNED = {
    1: Primitive.U8,
    2: Primitive.U16,
    4: Primitive.U32,
    8: Primitive.U64,
    16: Primitive.U128,
    32: Primitive.U256,
}
_SIGNED = {
    1: Primitive.I8,
    2: Primitive.I16,
    4: Primitive.I32,
    8: Primitive.I64,
    16: Primitive.I128,
    32: Primitive.I256,
}


class TypeRegistry:
    """Numbers every type once, in order of first use."""

    def __init__(self, foreign: Mapping[str, Callable[[TypeRegistry], int]]) -> None:
        self._foreign = foreign
        self._ids: dict[Any, int] = {}
        self._types: list[Type | None] = []

    def types(self) -> tuple[PortableType, ...]:
        """Return the registry in id order; every reserved type must have been defined."""
        assert all(found is not None for found in self._types)
        return tuple(PortableType(i, found) for i, found in enumerate(self._types) if found is not None)

    def define(self, key: Any, make: Callable[[], Type]) -> int:
        """Return the id under a key, making the type at first use; the id exists before `make` runs."""
        known = self._ids.get(key)
        if known is not None:
            return known
        number = len(self._types)
        self._ids[key] = number
        self._types.append(None)
        self._types[number] = make()
        return number

    def add(self, shape: Shape) -> int:
        """Return the type id of a shape."""
        match shape:
            case Foreign(name):
                return self._foreign[name](self)
            case Text():
                return self.add_primitive(Primitive.Str)
            case Blob():
                return self.add(Sequence(Int(1)))
            case Sequence(item):
                return self.define(("sequence", item), lambda: _plain(SequenceDef(self.add(item))))
            case _:
                return self.define(shape, lambda: self._make(shape))

    def add_primitive(self, primitive: Primitive) -> int:
        """Return the type id of a primitive."""
        return self.define(primitive, lambda: _plain(PrimitiveDef(primitive)))

    def add_variants(
        self, key: Any, path: str, variants: tuple[Variant, ...], params: tuple[TypeParameter, ...] = ()
    ) -> int:
        """Return the type id of an enum that is described rather than shaped, such as a pallet's calls."""
        return self.define(key, lambda: Type(split_path(path), params, VariantDef(variants)))

    def fields(self, fields: tuple[tuple[str, Shape], ...]) -> tuple[Field, ...]:
        """Return field descriptions by Substrate's naming conventions."""
        return tuple(Field(field_name(name), self.add(shape), rust_name(shape)) for name, shape in fields)

    def _make(self, shape: Shape) -> Type:  # noqa: C901, PLR0911, PLR0912  # one arm per shape
        match shape:
            case Int(width, signed):
                return _plain(PrimitiveDef((_SIGNED if signed else _UNSIGNED)[width]))
            case Bool():
                return _plain(PrimitiveDef(Primitive.Bool))
            case CompactInt(width):
                return _plain(CompactDef(self.add(Int(width))))
            case CompactUnit():
                return _plain(CompactDef(self.add(Unit())))
            case Unit():
                return _plain(TupleDef(()))
            case FixedBlob(length):
                return _plain(ArrayDef(length, self.add(Int(1))))
            case Array(item, length):
                return _plain(ArrayDef(length, self.add(item)))
            case Tuple(items):
                return _plain(TupleDef(tuple(self.add(item) for item in items)))
            case Option(item):
                inner = self.add(item)
                some = Variant("Some", (Field(None, inner, None),), 1)
                return Type(
                    ("Option",), (TypeParameter("T", inner),), VariantDef((Variant("None", (), 0), some))
                )
            case UnitResult(error):
                ok, err = self.add(Unit()), self.add(error)
                variants = (
                    Variant("Ok", (Field(None, ok, None),), 0),
                    Variant("Err", (Field(None, err, None),), 1),
                )
                both = (TypeParameter("T", ok), TypeParameter("E", err))
                return Type(("Result",), both, VariantDef(variants))
            case Record(_, path, fields):
                return Type(split_path(path), self._params(shape.params), Composite(self.fields(fields)))
            case TaggedUnion(path, variants_):
                made = tuple(Variant(v.name, self.fields(v.record.fields), v.index) for v in variants_)
                return Type(split_path(path), self._params(shape.params), VariantDef(made))
            case PlainEnum(cls, path):
                plain = tuple(Variant(member.name, (), int(member)) for member in cls)
                return Type(split_path(path), (), VariantDef(plain))
            case Named(path, inner_shape):
                inner_field = Field(None, self.add(inner_shape), rust_name(inner_shape))
                return Type(split_path(path), (), Composite((inner_field,)))
            case Custom(path, _, _, described, params):
                listed = tuple(
                    Variant(name, tuple(Field(None, self.add(f), rust_name(f)) for f in inner), index)
                    for name, index, inner in described
                )
                return Type(split_path(path), self._params(params), VariantDef(listed))
            case _:
                raise AssertionError(f"{shape!r} is added elsewhere")

    def _params(self, params: tuple[tuple[str, Shape | None], ...]) -> tuple[TypeParameter, ...]:
        return tuple(TypeParameter(name, self.add(Unit() if p is None else p)) for name, p in params)


def field_name(name: str) -> str | None:
    """Return the name of a field in metadata: None for `field_0`, no trailing underscore (`from_`)."""
    return None if name.startswith("field_") and name[6:].isdigit() else name.rstrip("_")


def split_path(path: str) -> tuple[str, ...]:
    """Return the segments of a type path."""
    return tuple(path.split("::")) if path else ()


def rust_name(shape: Shape) -> str:  # noqa: C901, PLR0911, PLR0912  # one arm per shape
    """Return how Rust would write the type, which some clients show."""
    match shape:
        case Int(width, signed):
            return f"{'i' if signed else 'u'}{width * 8}"
        case CompactInt(width):
            return f"Compact<u{width * 8}>"
        case Bool():
            return "bool"
        case Text():
            return "String"
        case Blob():
            return "Vec<u8>"
        case FixedBlob(length):
            return f"[u8; {length}]"
        case Sequence(item):
            return f"Vec<{rust_name(item)}>"
        case Array(item, length):
            return f"[{rust_name(item)}; {length}]"
        case Tuple(items):
            return f"({', '.join(rust_name(item) for item in items)})"
        case Option(item):
            return f"Option<{rust_name(item)}>"
        case UnitResult(error):
            return f"Result<(), {rust_name(error)}>"
        case Record() | TaggedUnion() | PlainEnum() | Named() | Custom():
            return shape.path.split("::")[-1] or "()"
        case Foreign(name):
            return name
        case _:
            return "()"


def _plain(definition: TypeDef) -> Type:
    return Type((), (), definition)
