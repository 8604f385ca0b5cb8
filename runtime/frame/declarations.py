"""How a pallet class declares itself, and what is refused before it is composed.

Responsible for reading a class's members in order, and for turning down, with a sentence that names class and
member, what would otherwise fail later, far away, or not at all. It binds nothing and knows no particular
pallet.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from runtime.frame.call import CallDeclaration
from runtime.frame.dispatch import PalletError, Weight
from runtime.frame.event import Event
from runtime.frame.storage import CountedMap, DoubleMap, Map, NMap, StorageDeclaration, Value
from runtime.primitives.hints import read_hints
from runtime.primitives.scale import EncodeError, codec
from runtime.primitives.shape import (
    Blob,
    Option,
    Sequence,
    Shape,
    ShapeError,
    Struct,
    Text,
    Unit,
    shape_of,
    walk,
)

R = TypeVar("R")
INDEX_MAX = 255
STORAGE_KINDS = (Value, Map, DoubleMap, NMap, CountedMap)


class DeclarationError(TypeError):
    """A pallet class declares what cannot work; raised at composition, never for data."""


def declared(cls: type) -> list[tuple[str, Any]]:
    """Return class attributes in declaration order, base classes first."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found.update(vars(base))
    return list(found.items())


@cache
def nested(cls: type, base: type[R]) -> tuple[type[R], ...]:
    """Return the classes of a kind that a pallet declares, in itself or in its `declared_in` modules."""
    values = [value for _, value in declared(cls)]
    for module in cls.declared_in:  # type: ignore[attr-defined]  # every pallet has it
        values += [
            value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__
        ]
    return tuple(
        value for value in values if isinstance(value, type) and issubclass(value, base) and value is not base
    )


def variant_index(cls: Any) -> int | None:
    """Return the index that an event or error declares, None when it has forgotten to."""
    if issubclass(cls, PalletError):
        found: int | None = getattr(cls, "index", None)
        return found
    index: int | None = cls.__scale_index__
    return index


def in_order(classes: Iterable[type[R]]) -> list[type[R]]:
    """Return events or errors by their indices."""
    return sorted(classes, key=lambda cls: variant_index(cls) or 0)


@cache
def check_pallet(cls: type, taken: frozenset[str]) -> None:
    """DeclarationError unless everything that a pallet class declares can work.

    `taken` are the names that mean something in the base class.
    """
    hints = _hints(cls.__name__, cls)
    members = {**dict.fromkeys(hints), **dict(declared(cls))}
    for name, value in members.items():
        place = f"{cls.__name__}.{name}"
        if _check_member(place, value, hints.get(name)) and name in taken:
            raise DeclarationError(f"{place}: the name means something else in every pallet; choose another")
    _check_variants(cls.__name__, Event, nested(cls, Event))
    _check_variants(cls.__name__, PalletError, nested(cls, PalletError))


def _check_member(place: str, value: Any, hint: Any) -> bool:
    """Check one attribute of a pallet class; tell whether it declares anything."""
    match value:
        case StorageDeclaration():
            _check_storage(place, hint, value)
        case _ if hasattr(value, "__call_declaration__"):
            _check_call(place, value, value.__call_declaration__)
        case _ if hasattr(value, "__constant_declaration__"):
            _check_constant(place, value)
        case _ if get_origin(hint) in STORAGE_KINDS:
            raise DeclarationError(f"{place} is annotated as storage: declare it with = storage(…)")
        case _:
            return isinstance(value, type) and issubclass(value, Event | PalletError)
    return True


def _check_storage(place: str, annotation: Any, declaration: StorageDeclaration) -> None:
    if annotation is None:
        raise DeclarationError(f"{place} needs an annotation: {_list_kinds()}")
    kind, args = get_origin(annotation), get_args(annotation)
    if annotation in STORAGE_KINDS:
        raise DeclarationError(f"{place} needs its types in brackets, such as {annotation.__name__}[u32, …]")
    if kind not in STORAGE_KINDS:
        raise DeclarationError(f"{place} is annotated with no storage item: {_list_kinds()}")
    keys = get_args(args[0]) if kind is NMap else args[:-1]
    if len(keys) != len(declaration.hashers):
        counted = f"{len(keys)} needed, {len(declaration.hashers)} given"
        raise DeclarationError(f"{place} takes one hasher for each key in storage(…): {counted}")
    shapes = [_shape(place, part) for part in (*keys, args[-1])]
    if not declaration.bound and declaration.raw_key is None:
        for shape in shapes:
            _check_bound(place, shape)
    _check_default(place, args[-1], shapes[-1], declaration.default)


def _check_default(place: str, annotation: Any, shape: Shape, default: Any) -> None:
    if isinstance(shape, Option):
        if default is not None:
            raise DeclarationError(f"{place}: an optional item answers None when absent and has no default")
        return
    if default is None:
        if shape != Unit():
            raise DeclarationError(
                f"{place} needs a default, storage(…, default=…), or a type that ends in | None"
            )
        return
    if isinstance(default, list | dict | set | bytearray):
        raise DeclarationError(f"{place}: a default is shared and so never mutable; take a tuple")
    try:
        codec(annotation).encode(default)
    except EncodeError as error:
        raise DeclarationError(
            f"{place}: the default {default!r:.40} is no value of its type: {error}"
        ) from error
    except ShapeError:
        return  # only the composition knows the type


def _check_bound(place: str, shape: Shape) -> None:
    for part in walk(shape):
        if isinstance(part, Blob | Text | Sequence) and part.limit is None:
            raise DeclarationError(
                f"{place} stores data of any length: give its type a limit, such as"
                " Annotated[bytes, MaxLen(32)]"
            )


def _check_call(place: str, method: Callable[..., Any], declaration: CallDeclaration) -> None:
    _check_index(place, declaration.index)
    _check_docs(place, method.__doc__)
    if not isinstance(declaration.weight, Weight) and not callable(declaration.weight):
        raise DeclarationError(f"{place}: weight= is a Weight, or a function of the call's arguments")
    hints = _hints(place, method)
    parameters = list(inspect.signature(method).parameters.values())
    if [one.name for one in parameters[:2]] != ["self", "origin"]:
        raise DeclarationError(f"{place} takes self and origin: Origin before its own arguments")
    for one in parameters[2:]:
        if one.name not in hints:
            raise DeclarationError(
                f"{place}: the argument {one.name} needs an annotation, which gives its SCALE type"
            )
        if one.default is not one.empty:
            raise DeclarationError(
                f"{place}: the argument {one.name} has a default, which no extrinsic could leave out"
            )
        _shape(f"{place}, argument {one.name}", hints[one.name])


def _check_constant(place: str, method: Callable[..., Any]) -> None:
    _check_docs(place, method.__doc__)
    hints = _hints(place, method)
    if "return" not in hints:
        raise DeclarationError(f"{place} needs a return annotation, which gives the constant's SCALE type")
    _shape(place, hints["return"])


def _check_variants(pallet: str, base: type[Any], classes: Iterable[type[Any]]) -> None:
    seen: dict[int, str] = {}
    for cls in classes:
        place, index = f"{pallet}.{cls.__name__}", variant_index(cls)
        if index is None:
            raise DeclarationError(
                f"{place} needs an index, such as class {cls.__name__}({base.__name__}, index=0)"
            )
        _check_index(place, index)
        if index in seen:
            raise DeclarationError(f"{place} and {pallet}.{seen[index]} have the same index {index}")
        seen[index] = cls.__name__
        _check_docs(place, vars(cls).get("__doc__"))
        if issubclass(cls, Struct):
            for name, hint in _hints(place, cls).items():
                if name in cls.__struct_fields__:
                    _shape(f"{place}.{name}", hint)


def _check_index(place: str, index: int) -> None:
    if not 0 <= index <= INDEX_MAX:
        raise DeclarationError(f"{place}: an index is one byte, 0 to {INDEX_MAX}, got {index}")


def _check_docs(place: str, docs: str | None) -> None:
    if not (docs or "").strip():
        raise DeclarationError(f"{place} needs a docstring: wallets show it to their users")


def _hints(place: str, thing: Any) -> Mapping[str, Any]:
    try:
        return read_hints(thing)
    except NameError as error:
        raise DeclarationError(
            f"{place}: {error}; annotations are read at run time, so import what they name"
        ) from error


def _shape(place: str, annotation: Any) -> Shape:
    try:
        return shape_of(annotation)
    except ShapeError as error:
        raise DeclarationError(f"{place}: {error}") from error


def _list_kinds() -> str:
    return "Value[V], Map[K, V], DoubleMap[K1, K2, V], NMap[tuple[…], V] or CountedMap[K, V]"
