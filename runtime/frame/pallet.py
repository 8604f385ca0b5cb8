"""The base of every pallet: binding of its declared storage, calls, events, errors and constants to one
instance.

Responsible for turning the annotations of a pallet class into live storage items and bound errors when a
composition creates an instance. Two instances of one class share nothing. It knows no particular pallet.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from types import ModuleType
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args, get_origin

from runtime.frame.call import Call, CallTable
from runtime.frame.declarations import check_pallet, declared, in_order, nested
from runtime.frame.dispatch import NO_WEIGHT, PalletError, PalletOrigin, Weight
from runtime.frame.dispatcher import Dispatcher
from runtime.frame.event import ApplyExtrinsic, Event, EventRecord, EventTable, event_union
from runtime.frame.state import State
from runtime.frame.storage import (
    CountedMap,
    DoubleMap,
    Hasher,
    Item,
    Keyed,
    Map,
    StorageDeclaration,
    Value,
)
from runtime.frame.validity import ValidTransaction
from runtime.primitives.hashing import twox128
from runtime.primitives.hints import read_hints
from runtime.primitives.scale import Codec, LazyCodec, codec, compile_codec, u32
from runtime.primitives.shape import Option, Shape, TaggedUnion, shape_of

C = TypeVar("C")
R = TypeVar("R")


class ConstantDeclaration(NamedTuple):
    """What `@constant` says: the constant's name in metadata."""

    name: str | None


def constant(method: Callable[[Any], R]) -> Callable[[Any], R]:
    """Declare a method without arguments as a constant of the pallet; its return annotation is the SCALE
    type."""
    method.__constant_declaration__ = ConstantDeclaration(None)  # type: ignore[attr-defined]  # read by `constants`
    return method


def named_constant(name: str) -> Callable[[Callable[[Any], R]], Callable[[Any], R]]:
    """Declare a constant whose name in metadata is not the method's in CamelCase."""

    def declare(method: Callable[[Any], R]) -> Callable[[Any], R]:
        method.__constant_declaration__ = ConstantDeclaration(name)  # type: ignore[attr-defined]  # read by `constants`
        return method

    return declare


class Constant(NamedTuple):
    """A bound constant: name in metadata, SCALE shape, value, docs."""

    name: str
    shape: Shape
    value: Any
    docs: str


class BoundItem(NamedTuple):
    """A bound storage item with what metadata says of it."""

    item: Item[Any]
    value_shape: Shape
    key_shapes: tuple[Shape, ...]
    hashers: tuple[Hasher, ...]
    optional: bool
    docs: str
    hidden: bool


class Phases:
    """Where in the block the runtime is; every pallet instance deposits its events under this phase."""

    __slots__ = ("current",)

    def __init__(self) -> None:
        self.current: Any = ApplyExtrinsic(0)


@dataclass(frozen=True, slots=True)
class Binding:
    """What a composition gives a pallet instance."""

    state: State
    phases: Phases
    name: str
    index: int
    foreign: dict[str, Codec[Any]]
    calls: CallTable
    events: EventTable
    dispatcher: Dispatcher


class Pallet(Generic[C]):
    """Base of a pallet; subclasses declare storage, events, errors, constants and calls, and override hooks.

    `crate` names the pallet in type paths (`pallet_{crate}::pallet::Call`), by default the class name in
    lower case. `declared_in` lists modules whose events and errors are the pallet's too, for pallets that
    would grow too long; such errors are raised as `self.error(cls)`. `origins` is the SCALE type of the
    origins that the pallet defines, such as an IntEnum of offices; see `own_origin`.
    """

    crate: str = ""
    declared_in: ClassVar[tuple[ModuleType, ...]] = ()
    hold_reasons: ClassVar[type[IntEnum] | None] = None
    freeze_reasons: ClassVar[type[IntEnum] | None] = None
    origins: ClassVar[Any] = None

    def __init__(self, binding: Binding, config: C) -> None:
        kind: type = type(self)
        check_pallet(kind, TAKEN)
        self.config = config
        self.name = binding.name
        self.index = binding.index
        self.state = binding.state
        self.phases = binding.phases
        self.calls = binding.calls
        self.dispatcher = binding.dispatcher
        self.items: dict[str, BoundItem] = {}
        self.event_classes = in_order(nested(kind, Event))
        self.error_classes = in_order(nested(kind, PalletError))
        self._errors: dict[type[PalletError], type[PalletError]] = {}
        self._bind_storage(binding)
        self._bind_errors()

    # --- hooks, all optional

    def on_initialize(self, number: int) -> Weight:  # noqa: ARG002  # a hook that does nothing
        """Run before the block's extrinsics; return the weight used."""
        return NO_WEIGHT

    def on_finalize(self, number: int) -> None:
        """Run after the block's extrinsics; its weight is part of what on_initialize returned."""

    def on_idle(self, number: int, remaining: Weight) -> Weight:  # noqa: ARG002  # a hook that does nothing
        """Run with what weight is left after the extrinsics; return the weight used."""
        return NO_WEIGHT

    def on_runtime_upgrade(self, from_version: int) -> Weight:  # noqa: ARG002  # a hook that does nothing
        """Migrate this pallet's storage in the first block of a new runtime version; return the weight
        used."""
        return NO_WEIGHT

    def create_inherent(self, data: dict[bytes, bytes]) -> Call | None:  # noqa: ARG002  # a hook that does nothing
        """Return the inherent that the author of a block includes for this pallet, from the inherent data."""
        return None

    def is_inherent(self, call: Call) -> bool:  # noqa: ARG002  # a hook that does nothing
        """Tell whether a call is this pallet's inherent."""
        return False

    def validate_unsigned(self, call: Call) -> ValidTransaction | None:  # noqa: ARG002  # a hook that does nothing
        """Return how an unsigned extrinsic with this call enters the pool and a block, None when it is no
        call of this pallet that may; InvalidTransaction when it is one, and wrong. Reads the state only."""
        return None

    def try_state(self) -> None:
        """AssertionError unless the stored data of the pallet is consistent."""

    # --- what subclasses call

    def deposit(self, event: Event, topics: tuple[Any, ...] = ()) -> None:
        """Deposit an event of this pallet under the current phase."""
        self.state.events.append(EventRecord(self.phases.current, self.index, event, topics))

    def error(self, cls: type[PalletError]) -> PalletError:
        """Return an error of this pallet bound to this instance; for errors declared outside of its class."""
        return self._errors[cls]()

    def own_origin(self, value: Any) -> PalletOrigin:
        """Return the origin that a value of the pallet's `origins` stands for."""
        assert self.origins is not None, f"{self.name} declares no origins"
        encoded: bytes = codec(self.origins).encode(value)
        return PalletOrigin(self.index, encoded)

    def extrinsic_index(self) -> int:
        """Return the index of the extrinsic that runs, 0 outside of extrinsics."""
        phase = self.phases.current
        return phase.field_0 if isinstance(phase, ApplyExtrinsic) else 0

    def bound_call(self, name: str, *args: Any) -> Call:
        """Return a call of this instance by method name, for inherents and scheduled work."""
        return self.calls.make(self.name, name, *args)

    # --- what the composition reads

    @property
    def crate_name(self) -> str:
        """Name of the pallet in type paths, such as `balances`."""
        return self.crate or type(self).__name__.lower()

    def event_shape(self) -> TaggedUnion | None:
        """Return the SCALE enum of the pallet's events, None when it has none."""
        return event_union(self.crate_name, self.event_classes) if self.event_classes else None

    def constants(self) -> list[Constant]:
        """Return the bound constants in declaration order."""
        found: list[Constant] = []
        for attribute, method in declared(type(self)):
            declaration = getattr(method, "__constant_declaration__", None)
            if declaration is not None:
                hints = read_hints(method)
                name = declaration.name or _camel(attribute)
                docs = inspect.getdoc(method) or ""
                found.append(Constant(name, shape_of(hints["return"]), method(self), docs))
        return found

    def _bind_errors(self) -> None:
        for cls in self.error_classes:
            kind: type = cls
            bound = _bind_error(kind, self.index)
            self._errors[cls] = bound
            setattr(self, cls.__name__, bound)

    def _bind_storage(self, binding: Binding) -> None:
        hints = read_hints(type(self))
        for attribute, declaration in declared(type(self)):
            if isinstance(declaration, StorageDeclaration):
                bound = _bind_item(binding, attribute, declaration, hints[attribute])
                self.items[attribute] = bound
                setattr(self, attribute, bound.item)


TAKEN = frozenset(vars(Pallet)) | {
    "calls",
    "config",
    "dispatcher",
    "error_classes",
    "event_classes",
    "index",
    "items",
    "name",
    "phases",
    "state",
}
"""What a pallet cannot name a declaration, since it is the base class's."""


@cache
def _bind_error(cls: type[PalletError], index: int) -> type[PalletError]:
    """Return the error of the instance with an index; compositions share it, which nothing can change."""
    return type(cls.__name__, (cls,), {"module_index": index, "__doc__": cls.__doc__})


def _camel(attribute: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in attribute.split("_"))


def _bind_item(
    binding: Binding, attribute: str, declaration: StorageDeclaration, annotation: Any
) -> BoundItem:
    kind, args = get_origin(annotation), get_args(annotation)
    name = declaration.name or _camel(attribute)
    prefix = declaration.raw_key or twox128(binding.name.encode()) + twox128(name.encode())
    shape = shape_of(args[-1])
    optional = isinstance(shape, Option)
    value_shape = shape.item if isinstance(shape, Option) else shape
    keys = _key_shapes(kind, args)
    place = (binding.name, name)
    value_codec: Codec[Any] = LazyCodec(value_shape, binding.foreign)
    if kind is Value:
        item: Item[Any] = Value(binding.state, place, prefix, value_codec, declaration.default)
    else:
        parts = tuple(
            (h, compile_codec(k, binding.foreign)) for h, k in zip(declaration.hashers, keys, strict=True)
        )
        keyed: type[Keyed[Any]] = kind
        item = keyed(binding.state, place, prefix, value_codec, declaration.default, parts)
    if isinstance(item, CountedMap):
        item.counter = _bind_counter(binding, name)
    hidden = declaration.raw_key is not None
    return BoundItem(item, value_shape, keys, declaration.hashers, optional, declaration.docs, hidden)


def _bind_counter(binding: Binding, name: str) -> Value[int]:
    counter = f"CounterFor{name}"
    prefix = twox128(binding.name.encode()) + twox128(counter.encode())
    return Value(binding.state, (binding.name, counter), prefix, compile_codec(shape_of(u32), {}), 0)


def _key_shapes(kind: Any, args: tuple[Any, ...]) -> tuple[Shape, ...]:
    if kind is Value:
        return ()
    if kind is Map or kind is CountedMap:
        return (shape_of(args[0]),)
    if kind is DoubleMap:
        return (shape_of(args[0]), shape_of(args[1]))
    return tuple(shape_of(key) for key in get_args(args[0]))
