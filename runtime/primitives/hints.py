"""Annotations read once: what a class, function or method declares, as types.

Responsible for the cost of reading them, which every composition of a runtime would pay again: each is
compiled from its text, tens of microseconds, and most texts stand in a module many times. It must not know
what the annotations mean.
"""

import sys
from collections.abc import Mapping
from functools import cache
from inspect import get_annotations
from types import FunctionType, MappingProxyType
from typing import Any, Final, get_type_hints

_meanings: Final[dict[str, tuple[Mapping[str, Any], dict[str, Any]]]] = {}
"""By module its namespace, and what texts of annotations mean in it; a module's types do not change."""


def read_hints(thing: Any) -> Mapping[str, Any]:
    """Return the annotations by name, with what `Annotated` adds; raises NameError for an unknown name.

    A bound method answers for its function, so that no object is kept alive.
    """
    return _read(getattr(thing, "__func__", thing))


@cache
def _read(thing: Any) -> Mapping[str, Any]:
    try:
        found = _read_in_modules(thing)
    except NameError:  # a name that is no module's: of the class itself, or unknown
        found = get_type_hints(thing, include_extras=True)
    return MappingProxyType(found)


def _read_in_modules(thing: Any) -> dict[str, Any]:
    """Return what `get_type_hints` does where every name is one of the module in which it is written.

    NameError where that is not so.
    """
    if isinstance(thing, type):
        found: dict[str, Any] = {}
        for base in reversed(thing.__mro__):
            found |= _read_class(base)
        return found
    if isinstance(thing, FunctionType):
        while isinstance(inner := getattr(thing, "__wrapped__", None), FunctionType):
            thing = inner
        return _read_texts(thing.__module__, thing.__globals__, thing.__annotations__)
    return get_type_hints(thing, include_extras=True)


@cache
def _read_class(cls: type) -> dict[str, Any]:
    """Return what a class itself declares, without its bases."""
    module = sys.modules.get(cls.__module__)
    return _read_texts(cls.__module__, {} if module is None else vars(module), get_annotations(cls))


def _read_texts(module: str, namespace: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return annotations as types, of which the module has met most before."""
    known = _meanings.get(module)
    if known is None or known[0] is not namespace:
        known = _meanings[module] = (namespace, {})
    meanings = known[1]
    fresh = {one: one for one in annotations.values() if isinstance(one, str) and one not in meanings}
    if fresh:
        stand_in = type("Annotated", (), {"__annotations__": fresh})
        meanings |= get_type_hints(stand_in, dict(namespace), {}, include_extras=True)
    return {
        name: meanings[text] if isinstance(text, str) else _plain(text) for name, text in annotations.items()
    }


def _plain(annotation: Any) -> Any:
    return type(None) if annotation is None else annotation
