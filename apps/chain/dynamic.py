"""Values of types that are known only from metadata: to bytes and back, by closures made once for each type.

Responsible for what a registry's types look like in Python, and for bounds on how they hold one another. It
knows no pallet and no connection.

| type | read as | written from, besides |
|---|---|---|
| integers, compact ones, booleans, text, characters | int, bool, str | |
| sequences and arrays of u8 | bytes | hex text after `0x` |
| other sequences and arrays, tuples, bit sequences (of booleans) | tuple | list |
| composites with field names | dict | |
| composites of one field without a name | the field's value | |
| composites of several | tuple | list |
| account ids | bytes | SS58 address, hex text |
| options | None or the value; as a variant where the value itself may be None | `Variant` |
| other enums | `Variant(name, value)`, the value as of a composite | `{name: value}`; the name alone |
| `MultiAddress` | `Variant` | what an account id is written from |
| types without bytes | None | empty tuple, list or dict |

A value that has been encoded already is given as `Encoded`.
"""

from __future__ import annotations

from typing import Final

from apps.chain.errors import MetadataError
from apps.chain.values import (
    UNIT,
    WIDTHS,
    Cursor,
    TypeCodec,
    Value,
    account,
    address,
    array,
    bit_sequence,
    byte_sequence,
    compact,
    enum,
    fixed_bytes,
    option,
    primitive_codec,
    record,
    sequence,
    tuple_of,
    unit_or,
)
from runtime.primitives.scale import DecodeError, EncodeError
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
    VariantDef,
)
from runtime.primitives.type_info import Variant as VariantRecord

NEST_MAX: Final = 64
"""Types within types, each another one, before metadata is refused."""
DEPTH_MAX: Final = 24
"""Times that a value may hold a value of its own type, such as a call in a call."""


class TypeCodecs:
    """The codecs of one registry, each made at its first use."""

    def __init__(self, types: tuple[Type, ...]) -> None:
        self._types = types
        self._made: dict[int, TypeCodec] = {}
        self._open: set[int] = set()

    def encode(self, type_id: int, value: Value) -> bytes:
        """Return the bytes of a value; EncodeError when it does not fit the type."""
        encode = self.codec(type_id).encode
        try:
            return encode(value)
        except RecursionError as error:
            raise EncodeError("the value is nested too deeply") from error

    def decode(self, type_id: int, data: bytes) -> Value:
        """Return the value that exactly these bytes encode; DecodeError on any others."""
        value, pos = self.decode_prefix(type_id, data)
        if pos != len(data):
            raise DecodeError(f"{len(data) - pos} trailing bytes")
        return value

    def decode_prefix(self, type_id: int, data: bytes, pos: int = 0) -> tuple[Value, int]:
        """Return the value that starts at `pos` and the position after it."""
        decode = self.codec(type_id).decode
        cursor = Cursor(data, pos)
        try:
            return decode(cursor), cursor.pos
        except RecursionError as error:
            raise DecodeError("the value is nested too deeply") from error

    def codec(self, type_id: int) -> TypeCodec:
        """Return the codec of a type; MetadataError when the type makes no sense."""
        known = self._made.get(type_id)
        if known is not None:
            return known
        if type_id in self._open:
            return self._later(type_id)
        if len(self._open) >= NEST_MAX:
            raise MetadataError(f"types are nested more than {NEST_MAX} deep")
        self._open.add(type_id)
        try:
            made = self._make(type_id, self._types[type_id])
        finally:
            self._open.discard(type_id)
        self._made[type_id] = made
        return made

    def _later(self, type_id: int) -> TypeCodec:
        """Return a codec of a type that is being made. What holds itself ends only by a choice, so it takes a
        byte."""

        def encode(value: Value) -> bytes:
            return self._made[type_id].encode(value)

        def decode(cursor: Cursor) -> Value:
            if cursor.depth >= DEPTH_MAX:
                raise DecodeError("the value is nested too deeply")
            cursor.depth += 1
            value = self._made[type_id].decode(cursor)
            cursor.depth -= 1
            return value

        return TypeCodec(encode, decode, 1, self._types[type_id].path == ("Option",))

    def _make(self, type_id: int, of: Type) -> TypeCodec:  # noqa: PLR0911  # one arm per definition
        match of.definition:
            case PrimitiveDef(primitive=primitive):
                return primitive_codec(primitive)
            case CompactDef(type=inner):
                return self._compact(inner)
            case Composite(fields=fields):
                made = self.fields(fields)
                return account(made) if of.path[-1:] == ("AccountId32",) else made
            case TupleDef(types=items):
                return unit_or(tuple_of(tuple(map(self.codec, items))))
            case SequenceDef(type=item):
                return byte_sequence() if self._is_byte(item) else sequence(self.codec(item))
            case ArrayDef(length=length, type=item):
                return fixed_bytes(length) if self._is_byte(item) else array(self.codec(item), length)
            case BitSequenceDef(store=store, order=order):
                return self._bits(store, order)
            case VariantDef(variants=variants):
                return self._enum(type_id, of, variants)

    def fields(self, fields: tuple[Field, ...]) -> TypeCodec:
        """Return the codec of the fields of a composite, a variant or a call."""
        codecs = tuple(self.codec(field.type) for field in fields)
        names = [field.name for field in fields if field.name is not None]
        if fields and len(names) == len(fields):
            if len(set(names)) != len(names):
                raise MetadataError(f"two fields have the same name: {', '.join(names)}")
            return unit_or(record(tuple(zip(names, codecs, strict=True))))
        return unit_or(codecs[0] if len(codecs) == 1 else tuple_of(codecs))

    def _is_byte(self, type_id: int) -> bool:
        definition = self._types[type_id].definition
        return isinstance(definition, PrimitiveDef) and definition.primitive is Primitive.U8

    def _compact(self, type_id: int) -> TypeCodec:
        """Follow the one field of wrappers down to an integer, or to nothing, as parity-scale-codec does."""
        for _ in range(NEST_MAX):
            match self._types[type_id].definition:
                case PrimitiveDef(primitive=primitive) if primitive in WIDTHS:
                    return compact(8 * WIDTHS[primitive])
                case Composite(fields=(field,)):
                    type_id = field.type
                case Composite(fields=()) | TupleDef(types=()):
                    return UNIT
                case TupleDef(types=(inner,)):
                    type_id = inner
                case _:
                    break
        raise MetadataError("only unsigned integers have a compact form")

    def _bits(self, store: int, order: int) -> TypeCodec:
        definition = self._types[store].definition
        width = WIDTHS.get(definition.primitive) if isinstance(definition, PrimitiveDef) else None
        name = self._types[order].path[-1:]
        if width is None or width > 8 or name not in {("Lsb0",), ("Msb0",)}:
            raise MetadataError("a bit sequence is kept in u8 to u64, in the order Lsb0 or Msb0")
        return bit_sequence(width, most_first=name == ("Msb0",))

    def _enum(self, type_id: int, of: Type, variants: tuple[VariantRecord, ...]) -> TypeCodec:
        cases = tuple((variant, self.fields(variant.fields)) for variant in variants)
        if of.path == ("Option",) and [(v.name, v.index) for v in variants] == [("None", 0), ("Some", 1)]:
            inner = cases[1][1]
            if len(variants[1].fields) == 1 and not inner.nullable:
                return option(inner)
        made = enum(type_id, cases)
        return address(made) if of.path[-1:] == ("MultiAddress",) else made
