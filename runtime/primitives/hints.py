"""Annotations read once: what a class, function or method declares, as types.

Responsible for the cost of reading them (each is compiled from its text, tens of microseconds), which every
composition of a runtime would pay again. It must not know what the annotations mean.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_type_hints


def read_hints(thing: Any) -> Mapping[str, Any]:
    """Return the annotations by name, with what `Annotated` adds; raises NameError for an unknown name.

    A bound method answers for its function, so that no object is kept alive.
    """
    return _read(getattr(thing, "__func__", thing))


@cache
def _read(thing: Any) -> Mapping[str, Any]:
    return MappingProxyType(get_type_hints(thing, include_extras=True))
