"""Generated SCALE types with values, in a neutral form that other programs read as JSON.

A type is a list: ["u32"], ["compact", "u64"], ["bool"], ["text"], ["bytes"], ["fixed", n], ["option", t],
["vec", t], ["array", t, n], ["tuple", [t…]], ["struct", [t…]], ["enum", [t or null…]]. Integers travel as
decimal strings and bytes as 0x-hex. `native` turns types and values into those of runtime.primitives.scale.
"""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any, NamedTuple

from hypothesis import strategies as st

from runtime.primitives import scale
from runtime.primitives.shape import CompactMark

Type = list[Any]
Values = st.SearchStrategy[Any]


class Case(NamedTuple):
    """A value of a type; `place` and `byte` say where and how its encoding will be damaged."""

    type: Type
    value: Any
    place: int
    byte: int


INTEGERS = {f"{sign}{bits}": (sign, bits) for sign in "ui" for bits in (8, 16, 32, 64, 128, 256)}
COMPACTS = ("u8", "u16", "u32", "u64", "u128")
FIXED = (4, 20, 32)
LEAVES: list[Type] = [
    ["bool"],
    ["text"],
    ["bytes"],
    *(["fixed", length] for length in FIXED),
    *([name] for name in INTEGERS),
    *(["compact", name] for name in COMPACTS),
]


def _hex(length_min: int, length_max: int) -> Values:
    return st.binary(min_size=length_min, max_size=length_max).map(lambda raw: "0x" + raw.hex())


SIMPLE: dict[str, Values] = {
    "bool": st.booleans(),
    # JavaScript's decoder drops a byte order mark at the start of a text.
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=40),
    "bytes": _hex(0, 80),
}


def _integer(name: str) -> Values:
    sign, bits = INTEGERS[name]
    low, high = (0, (1 << bits) - 1) if sign == "u" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    powers = [sign * (1 << width) for width in (0, 6, 8, 14, 16, 30, 32, 64, 128, 256) for sign in (1, -1)]
    edges = {low, high, *(power + step for power in powers for step in (-1, 0, 1))}
    inside = sorted(edge for edge in edges if low <= edge <= high)
    return st.one_of(st.sampled_from(inside), st.integers(low, high)).map(str)


def _values(type_: Type) -> Values:
    match type_:
        case ["fixed", length]:
            return _hex(length, length)
        case ["option", item]:
            return st.none() | _values(item)
        case ["vec", item]:
            return st.lists(_values(item), max_size=5)
        case ["array", item, length]:
            return st.lists(_values(item), min_size=length, max_size=length)
        case ["tuple" | "struct", items]:
            return st.tuples(*(_values(item) for item in items)).map(list)
        case ["enum", items]:
            return st.one_of([_variant(index, item) for index, item in enumerate(items)])
        case _:
            return SIMPLE[type_[0]] if type_[0] in SIMPLE else _integer(type_[-1])


def _variant(index: int, item: Type | None) -> Values:
    return st.tuples(st.just(index), st.none() if item is None else _values(item)).map(list)


def _composed(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    items = inner.filter(lambda item: item != ["u8"])
    """Sequences of u8 are bytes and have a kind of their own."""
    return st.one_of(
        # An option of an option has no form of its own in Python, where both absences are None.
        inner.filter(lambda item: item[0] != "option").map(lambda item: ["option", item]),
        items.map(lambda item: ["vec", item]),
        st.tuples(items, st.integers(1, 4)).map(lambda two: ["array", *two]),
        st.lists(inner, min_size=2, max_size=4).map(lambda several: ["tuple", several]),
        st.lists(inner, min_size=1, max_size=4).map(lambda several: ["struct", several]),
        st.lists(st.none() | inner, min_size=1, max_size=4).map(lambda several: ["enum", several]),
    )


def _case(type_: Type) -> st.SearchStrategy[Case]:
    return st.builds(Case, st.just(type_), _values(type_), st.integers(0, 1 << 16), st.integers(0, 255))


CASES = st.recursive(st.sampled_from(LEAVES), _composed, max_leaves=8).flatmap(_case)


class Native(NamedTuple):
    """The annotation of a type, and how a neutral value becomes a value of it."""

    annotation: Any
    make: Callable[[Any], Any]


def native(type_: Type) -> Native:
    """Turn a type into its annotation; every call makes structs and enums of its own."""
    match type_:
        case ["option", item]:
            some = native(item)
            return Native(some.annotation | None, lambda value: None if value is None else some.make(value))
        case ["vec" | "array" as kind, item, *length]:
            each = native(item)
            series: Any = tuple.__class_getitem__((each.annotation, ...))
            series = Annotated[series, scale.Length(*length)] if kind == "array" else series
            return Native(series, lambda values: tuple(map(each.make, values)))
        case ["tuple", items]:
            parts = [native(item) for item in items]
            several = tuple.__class_getitem__(tuple(part.annotation for part in parts))
            return Native(several, lambda values: _made(parts, values))
        case ["struct", items]:
            fields = [native(item) for item in items]
            struct = _struct("Generated", fields)
            return Native(struct, lambda values: struct(*_made(fields, values)))
        case ["enum", items]:
            return _enum(items)
        case _:
            return _simple(type_)


def _simple(type_: Type) -> Native:
    match type_:
        case ["bool"]:
            return Native(bool, bool)
        case ["text"]:
            return Native(str, str)
        case ["bytes"]:
            return Native(bytes, _bytes)
        case ["fixed", length]:
            return Native(Annotated[bytes, scale.Length(length)], _bytes)
        case ["compact", name]:
            return Native(Annotated[getattr(scale, name), CompactMark()], int)
        case _:
            return Native(getattr(scale, type_[0]), int)


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def _made(parts: list[Native], values: list[Any]) -> tuple[Any, ...]:
    return tuple(part.make(value) for part, value in zip(parts, values, strict=True))


def _struct(name: str, fields: list[Native], index: int | None = None) -> Any:
    hints = {f"field{number}": field.annotation for number, field in enumerate(fields)}
    make: Any = type(scale.Struct)
    return make(name, (scale.Struct,), {"__annotations__": hints}, index=index)


def _enum(items: list[Type | None]) -> Native:
    fields = [[] if item is None else [native(item)] for item in items]
    variants = [_struct(f"Variant{index}", held, index) for index, held in enumerate(fields)]

    def make(value: Any) -> Any:
        index, held = value
        return variants[index](*_made(fields[index], [] if items[index] is None else [held]))

    return Native(Annotated[reduce(or_, variants), scale.Enum("generated::Enum")], make)
