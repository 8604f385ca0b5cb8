"""From a handler's annotations to converters: which parameters a method takes, in which order.

Responsible for choosing a converter for an annotation and for matching given parameters, positional or named,
with declared ones. What a single converter does is `params`' affair. Knows nothing of methods or state.
"""

import dataclasses
import types
import typing
from collections.abc import Sequence
from typing import Annotated

from node.rpc.jsonrpc import Json
from node.rpc.params import (
    MAX_ITEMS,
    Anything,
    Bound,
    Choice,
    Converter,
    Field,
    Fixed,
    Flag,
    Hex,
    Integer,
    Items,
    Nothing,
    OneOf,
    ParamError,
    Record,
    Text,
    shown,
    take,
)
from runtime.primitives.hints import read_hints


class Signature:
    """The parameters of one method, by position or by name."""

    def __init__(self, fields: Sequence[Field] = ()) -> None:
        self.fields = tuple(fields)
        self._converts = tuple(
            field.convert if field.optional else field.converter.convert for field in fields
        )
        self._only = self._converts[0] if len(self._converts) == 1 else None

    def bind(self, params: Json) -> Sequence[object]:
        """Return the arguments in order; ParamError with a sentence that names the parameter."""
        if isinstance(params, list):
            if len(params) == len(self._converts):
                try:
                    if self._only is not None:
                        return (self._only(params[0]),)
                    return [convert(value) for convert, value in zip(self._converts, params, strict=True)]
                except ParamError:
                    pass  # found again below, where its position is known
            return self._positional(params)
        if isinstance(params, dict):
            return take(self.fields, params)
        if params is None:
            return self._positional([])
        raise ParamError(f"takes an array or an object of parameters, got {shown(params)}")

    def bind_columns(self, calls: Sequence[Json]) -> Sequence[Sequence[object]] | None:
        """Return the arguments of many calls, a list for each parameter.

        None unless every call gives all parameters by position and every one is right.
        """
        if set(map(type, calls)) != {list}:
            return None
        try:
            columns = list(zip(*typing.cast(Sequence[list[Json]], calls), strict=True))
            return [list(map(c, v)) for c, v in zip(self._converts, columns, strict=True)]
        except (ParamError, ValueError):
            return None

    def _positional(self, params: Sequence[Json]) -> Sequence[object]:
        fields = self.fields
        if any(value is not None for value in params[len(fields) :]):
            names = ", ".join(field.wire_name for field in fields) or "none"
            raise ParamError(f"takes at most {len(fields)} parameters ({names}), got {len(params)}")
        values: list[object] = []
        for position, field in enumerate(fields):
            if position >= len(params):
                if field.required:
                    raise ParamError("is missing", f".{field.wire_name}")
                values.append(field.default)
                continue
            try:
                values.append(field.convert(params[position]))
            except ParamError as error:
                raise error.inside(f".{field.wire_name}") from error
        return values


def converter_of(annotation: object) -> Converter:
    """Return the converter of a parameter's annotation; TypeError when the annotation has none."""
    plain: dict[object, Converter] = {
        None: Nothing(),
        types.NoneType: Nothing(),
        bool: Flag(),
        int: Integer(),
        str: Text(),
        bytes: Hex(),
        object: Anything(),
    }
    if isinstance(annotation, type | None) and annotation in plain:
        return plain[annotation]
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return _record(annotation)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is Annotated:
        converter = _annotated(annotation)
    elif origin in (typing.Union, types.UnionType):
        converter = _one_of([converter_of(member) for member in arguments])
    elif origin is typing.Literal:
        converter = Choice(arguments)
    elif origin in (list, tuple, Sequence):
        converter = _array(annotation, MAX_ITEMS)
    else:
        raise TypeError(f"no converter for a parameter of type {annotation!r}")
    return converter


def _annotated(annotation: object) -> Converter:
    base, *marks = typing.get_args(annotation)
    for mark in marks:
        if isinstance(mark, Bound):
            return _array(base, mark.limit)
        if hasattr(mark, "convert"):
            return typing.cast(Converter, mark)
    return converter_of(base)


def _array(annotation: object, limit: int) -> Converter:
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return Fixed(tuple(converter_of(argument) for argument in arguments))
    return Items(converter_of(arguments[0]), limit, list if origin is list else tuple)


def _record(cls: type) -> Converter:
    hints = read_hints(cls)
    fields: list[Field] = []
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING
        fields.append(
            Field(field.name, converter_of(hints[field.name]), required, None if required else field.default)
        )
    return Record(cls, tuple(fields))


def _one_of(choices: list[Converter]) -> Converter:
    by_kind: dict[str, Converter] = {}
    for choice in choices:
        for kind in choice.kinds:
            if kind in by_kind:
                raise TypeError(f"two types of a union are both a JSON {kind}")
            by_kind[kind] = choice
    return OneOf(by_kind, tuple(choices))
