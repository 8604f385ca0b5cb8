"""The consortium's runtime, what the library makes of its metadata, and values of any type of a registry."""

from functools import cache
from random import Random  # noqa: TID251  # only the type; the generator comes from outside
from typing import Any

from apps.chain.dynamic import TypeCodecs
from apps.chain.metadata import Metadata, decode_metadata
from apps.chain.values import WIDTHS, Value, Variant
from genesis.consortium import Consortium
from runtime.frame.metadata import encode_metadata
from runtime.primitives.type_info import (
    ArrayDef,
    BitSequenceDef,
    CompactDef,
    Composite,
    Field,
    Primitive,
    PrimitiveDef,
    SequenceDef,
    TupleDef,
    Type,
    TypeDef,
    VariantDef,
)
from tests.support.chain import Chain, consortium_chain

DEPTH_MAX = 12
TEXTS = ("", "a", "grid ⚡", "\0")


@cache
def consortium() -> Chain[Consortium]:
    return consortium_chain()


@cache
def raw_metadata(version: int) -> bytes:
    api = consortium().api
    return encode_metadata(consortium().runtime, api.apis.apis, version)


@cache
def described(version: int = 15) -> Metadata:
    return decode_metadata(raw_metadata(version))


def types_of(*definitions: TypeDef, paths: dict[int, tuple[str, ...]] | None = None) -> tuple[Type, ...]:
    """Return a registry of these definitions in order."""
    return tuple(Type((paths or {}).get(n, ()), (), one) for n, one in enumerate(definitions))


def codecs_of(*definitions: TypeDef, paths: dict[int, tuple[str, ...]] | None = None) -> TypeCodecs:
    return TypeCodecs(types_of(*definitions, paths=paths))


def field(type_id: int, name: str | None = None) -> Field:
    return Field(name, type_id, None)


class AnyValue:
    """Draws values as the library reads them, of few items and little depth."""

    def __init__(self, types: tuple[Type, ...], rng: Random) -> None:
        self.types = types
        self.rng = rng
        self.depth = 0
        self.without: dict[str, str] = {}
        """The variant of an enum, by the last name of its path, that is not drawn."""

    def draw(self, type_id: int) -> Value:
        """Draw a value of a type."""
        self.depth += 1
        try:
            return self._draw(self.types[type_id])
        finally:
            self.depth -= 1

    def has_values(self, type_id: int) -> bool:
        """Tell whether a type has a value at all: an enum that no pallet fills has none."""
        match self.types[type_id].definition:
            case VariantDef(variants=variants):
                return bool(variants)
            case Composite(fields=fields):
                return all(self.has_values(one.type) for one in fields)
            case _:
                return True

    def _draw(self, of: Type) -> Value:
        rng = self.rng
        match of.definition:
            case PrimitiveDef(primitive=primitive):
                return self._primitive(primitive)
            case CompactDef(type=inner):
                return self._compact(self.types[inner])
            case SequenceDef(type=item):
                count = 0 if self.depth > DEPTH_MAX or not self.has_values(item) else rng.randrange(4)
                return rng.randbytes(count * 9) if self._is_byte(item) else self._all([item] * count)
            case ArrayDef(length=length, type=item):
                return rng.randbytes(length) if self._is_byte(item) else self._all([item] * length)
            case TupleDef(types=items):
                return self._all(list(items)) or None
            case Composite(fields=fields):
                return self._fields(fields)
            case VariantDef(variants=variants) if of.path == ("Option",):
                return (
                    None if self.depth > DEPTH_MAX or rng.random() < 0.5 else self._fields(variants[1].fields)
                )
            case VariantDef(variants=variants):
                narrow = [one for one in variants if not one.fields] if self.depth > DEPTH_MAX else []
                unwanted = self.without.get(of.path[-1])
                variant = rng.choice([one for one in narrow or variants if one.name != unwanted])
                return Variant(variant.name, self._fields(variant.fields))
            case BitSequenceDef():
                return tuple(rng.random() < 0.5 for _ in range(rng.randrange(70)))

    def _primitive(self, primitive: Primitive) -> Value:
        match primitive:
            case Primitive.Bool:
                return self.rng.random() < 0.5
            case Primitive.Char:
                return self.rng.choice("aß⚡")
            case Primitive.Str:
                return self.rng.choice(TEXTS)
            case _ if primitive in WIDTHS:
                return self._number(8 * WIDTHS[primitive])
            case _:
                width = int(primitive.name[1:])
                return self._number(width) - (1 << width - 1)

    def _number(self, bits: int) -> int:
        return self.rng.choice((0, 1, (1 << bits) - 1, self.rng.getrandbits(bits), self.rng.getrandbits(6)))

    def _compact(self, of: Type) -> Value:
        match of.definition:
            case PrimitiveDef(primitive=primitive):
                return self._number(8 * WIDTHS[primitive])
            case Composite(fields=(only,)):
                return self._compact(self.types[only.type])
            case _:
                return None

    def _fields(self, fields: tuple[Field, ...]) -> Value:
        values = self._all([one.type for one in fields])
        if not fields:
            return None
        if all(one.name is not None for one in fields):
            return {one.name: value for one, value in zip(fields, values, strict=True)}
        return values[0] if len(values) == 1 else values

    def _is_byte(self, type_id: int) -> bool:
        return self.types[type_id].definition == PrimitiveDef(Primitive.U8)

    def _all(self, type_ids: list[int]) -> tuple[Any, ...]:
        return tuple(self.draw(one) for one in type_ids)
