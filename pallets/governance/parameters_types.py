"""Registered parameters: what a composition lets governance set, and the types that this makes.

Responsible for `Parameter`, for the enums of keys and values that a composition's parameters make together,
and for what the pallet asks of a composition. It knows no particular parameter.

Layouts as frame_support::dynamic_params of polkadot-stable2503 makes them: an outer enum with a variant for
each group, an inner one with a variant for each parameter; a setting has the parameter's mark, which has no
bytes, and the value, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import new_class
from typing import Annotated, Any, Generic, Protocol, TypeVar, Union

from runtime.frame.dispatch import Origin
from runtime.frame.runtime import RuntimeBuilder
from runtime.primitives.scale import Enum, Struct

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T]):
    """A value that governance sets: its group and name in CamelCase with their indices, which are never used
    again for something else, its SCALE type, what it is unless set, and which values are allowed."""

    group: str
    group_index: int
    name: str
    index: int
    annotation: Any = field(compare=False)
    default: T = field(compare=False)
    is_allowed: Callable[[T], bool] = field(compare=False)


class Named(Protocol):
    """A variant of the outer enums: the group."""

    @property
    def field_0(self) -> Any:
        """The variant of the inner enum: the parameter."""
        ...


class Registry:
    """The parameters of a composition, at least one, and their types."""

    def __init__(self, parameters: tuple[Parameter[Any], ...]) -> None:
        groups: dict[tuple[str, int], list[Parameter[Any]]] = {}
        for parameter in parameters:
            assert parameter.is_allowed(parameter.default), f"{parameter.name}: the default is not allowed"
            groups.setdefault((parameter.group, parameter.group_index), []).append(parameter)
        for part in (0, 1):
            assert len({group[part] for group in groups}) == len(groups), "a group's name or index is taken"
        self._by_setting: dict[type[Any], Parameter[Any]] = {}
        self._keys: dict[Parameter[Any], Named] = {}
        self._values: dict[Parameter[Any], tuple[type[Any], type[Any]]] = {}
        self._settings: dict[Parameter[Any], tuple[type[Any], type[Any]]] = {}
        outer: tuple[list[type[Any]], list[type[Any]], list[type[Any]]] = ([], [], [])
        for (group, index), members in groups.items():
            for made, one in zip(outer, self._add_group(group, index, members), strict=True):
                made.append(one)
        self.setting = _enum("RuntimeParameters", outer[0])
        """The enum of a parameter with its new value, or none."""
        self.key = _enum("RuntimeParametersKey", outer[1])
        """The enum of the parameters."""
        self.value = _enum("RuntimeParametersValue", outer[2])
        """The enum of a parameter's value."""

    def define(self, build: RuntimeBuilder) -> None:
        """Settle the types that the pallet leaves to the composition; before the pallet is added."""
        build.define("RuntimeParameters", self.setting)
        build.define("RuntimeParametersKey", self.key)
        build.define("RuntimeParametersValue", self.value)

    def parameter_of(self, setting: Named) -> Parameter[Any]:
        """Return which parameter a setting, a key or a value is of."""
        return self._by_setting[type(setting.field_0)]

    def key_of(self, parameter: Parameter[Any]) -> Named:
        """Return a parameter's key; KeyError where it is not registered."""
        return self._keys[parameter]

    def value_of(self, parameter: Parameter[T], value: T) -> Named:
        """Return a value of a parameter as the enum has it."""
        outer, inner = self._values[parameter]
        made: Named = outer(inner(value))
        return made

    def setting_of(self, parameter: Parameter[T], value: T | None) -> Named:
        """Return the setting of a parameter to a value, or back to its default."""
        key = self._keys[parameter]
        outer, inner = self._settings[parameter]
        made: Named = outer(inner(key.field_0.field_0, value))
        return made

    def _add_group(
        self, group: str, index: int, members: list[Parameter[Any]]
    ) -> tuple[type[Any], type[Any], type[Any]]:
        for part in ("name", "index"):
            assert len({getattr(one, part) for one in members}) == len(members), (
                f"a {part} in {group} is taken"
            )
        path = f"loam_runtime::dynamic_params::{group}"
        inner: list[tuple[type[Any], type[Any], type[Any]]] = []
        for one in members:
            mark = _mark(f"{path}::{one.name}", one.name)
            inner.append(
                (
                    _variant(one.name, one.index, mark, one.annotation | None),
                    _variant(one.name, one.index, mark),
                    _variant(one.name, one.index, one.annotation),
                )
            )
        names = ("Parameters", "ParametersKey", "ParametersValue")
        enums = [
            _enum(f"{path}::{name}", list(made))
            for name, made in zip(names, zip(*inner, strict=True), strict=True)
        ]
        outer = (
            _variant(group, index, enums[0]),
            _variant(group, index, enums[1]),
            _variant(group, index, enums[2]),
        )
        for one, (setting, key, value) in zip(members, inner, strict=True):
            self._by_setting |= dict.fromkeys((setting, key, value), one)
            self._keys[one] = outer[1](key(key.__annotations__["field_0"]()))
            self._values[one] = (outer[2], value)
            self._settings[one] = (outer[0], setting)
        return outer


def _mark(path: str, name: str) -> type[Any]:
    return new_class(name, (Struct,), {"path": path})


def _variant(name: str, index: int, *fields: Any) -> type[Any]:
    annotations = {f"field_{place}": annotation for place, annotation in enumerate(fields)}
    return new_class(
        name,
        (Struct,),
        {"index": index, "variant": name},
        lambda body: body.update(__annotations__=annotations),
    )


def _enum(path: str, members: list[type[Any]]) -> Any:
    return Annotated[Union[tuple(members)], Enum(path)]  # noqa: UP007  # the members are known only here


class ParameterAdmins(Protocol):
    """Who sets which parameter."""

    def ensure_admin(self, origin: Origin, parameter: Parameter[Any]) -> None:
        """BadOrigin unless the origin may set it."""
        ...


@dataclass(frozen=True, slots=True)
class ParametersConfig:
    """What is registered, and who sets it."""

    registry: Registry
    admins: ParameterAdmins
