"""Calls: how a pallet declares them, and their form inside an extrinsic.

Responsible for `@call`, for the bound `CallSpec` of each call of a composed runtime, and for the codec of the
runtime's outer call enum. It knows no particular pallet.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

from runtime.frame.dispatch import DispatchClass, DispatchInfo, Pays, PostDispatchInfo, Weight
from runtime.primitives.hints import read_hints
from runtime.primitives.scale import Codec, DecodeError, EncodeError, compile_codec
from runtime.primitives.shape import Foreign, Shape, ShapeError, Tuple, shape_of

F = TypeVar("F", bound=Callable[..., PostDispatchInfo | None])
WeightOf: TypeAlias = Weight | Callable[..., Weight]
"""A constant weight, or a function of the call's arguments (the pallet instance first)."""

ClassOf: TypeAlias = DispatchClass | Callable[..., DispatchClass]
"""A constant dispatch class, or a function of the call's arguments (the pallet instance first)."""

CALL_DEPTH_MAX = 32
"""How deep calls may nest (batch in proxy in multisig …) before decoding refuses them."""

CALLS_MAX = 16_384
"""How many calls one call may consist of, itself included; bounds the work of decoding a batch of tiny
calls."""


@dataclass(frozen=True, slots=True)
class CallDeclaration:
    """What `@call` says about a pallet method."""

    index: int
    weight: WeightOf
    dispatch_class: ClassOf
    pays: Pays


def call(
    index: int,
    *,
    weight: WeightOf,
    dispatch_class: ClassOf = DispatchClass.Normal,
    pays: Pays = Pays.Yes,
) -> Callable[[F], F]:
    """Declare a pallet method as a call; the method's docstring is shown by wallets.

    The method takes the origin and then the call's arguments, whose annotations give their SCALE types. It
    may return a PostDispatchInfo when it used less weight than declared.
    """

    def declare(method: F) -> F:
        method.__call_declaration__ = CallDeclaration(index, weight, dispatch_class, pays)  # type: ignore[attr-defined]  # read by `call_specs`
        return method

    return declare


class CallSpec:
    """One call of one pallet instance: how to decode, weigh and dispatch it."""

    __slots__ = (
        "classify",
        "codec",
        "constant_info",
        "declaration",
        "docs",
        "foreign",
        "function",
        "name",
        "pallet",
        "pallet_index",
        "parameters",
        "prefix",
        "shape",
        "weigh",
    )

    def __init__(
        self,
        pallet: Any,
        method: Callable[..., Any],
        declaration: CallDeclaration,
        foreign: Mapping[str, Codec[Any]],
    ) -> None:
        self.parameters, self.docs = _read_method(method)
        self.pallet: str = pallet.name
        self.pallet_index: int = pallet.index
        self.name: str = method.__name__.rstrip("_")
        self.declaration = declaration
        self.prefix = bytes([pallet.index, declaration.index])
        self.function: Callable[..., PostDispatchInfo | None] = method.__get__(pallet)
        self.shape = Tuple(tuple(shape for _, shape in self.parameters))
        self.codec: Codec[tuple[Any, ...]] | None = None
        self.foreign = foreign
        weight, class_ = declaration.weight, declaration.dispatch_class
        self.weigh: Callable[..., Weight] = (
            (lambda *_args: weight) if isinstance(weight, Weight) else weight.__get__(pallet)
        )
        self.classify: Callable[..., DispatchClass] = (
            (lambda *_args: class_) if isinstance(class_, DispatchClass) else class_.__get__(pallet)
        )

        self.constant_info: DispatchInfo | None = None
        if isinstance(weight, Weight) and isinstance(class_, DispatchClass):
            self.constant_info = DispatchInfo(weight, class_, declaration.pays)

    def add_weight(self, extra: Weight) -> None:
        """Let every call of this kind weigh so much more."""
        weigh = self.weigh
        self.weigh = lambda *args: weigh(*args).plus(extra)
        if self.constant_info is not None:
            info = self.constant_info
            self.constant_info = DispatchInfo(info.weight.plus(extra), info.class_, info.pays_fee)

    def bind(self) -> Codec[tuple[Any, ...]]:
        """Compile and keep the codec of the arguments, once every foreign type of the composition is
        known."""
        self.codec = compile_codec(self.shape, self.foreign)
        return self.codec


@cache
def _read_method(method: Callable[..., Any]) -> tuple[tuple[tuple[str, Shape], ...], str]:
    """Return the arguments and the text of a call, the same in every composition."""
    hints = read_hints(method)
    names = [name for name in inspect.signature(method).parameters if name not in {"self", "origin"}]
    return tuple((name, shape_of(hints[name])) for name in names), inspect.getdoc(method) or ""


class Source(NamedTuple):
    """Where a call was decoded from: the bytes that hold it, and its place among them."""

    data: bytes
    start: int
    stop: int


class Call:
    """A decoded call: its spec and its arguments in order. Immutable by convention; equal by encoding.

    What a call within calls costs is asked for at every level above it, so the answer is kept: the work of
    weighing grows with the number of calls, not with their number times the depth.
    """

    __slots__ = ("_info", "_source", "args", "spec")

    def __init__(self, spec: CallSpec, args: tuple[Any, ...], source: Source | None = None) -> None:
        self.spec = spec
        self.args = args
        self._info = spec.constant_info
        self._source = source

    def info(self) -> DispatchInfo:
        """Return the declared weight and class for these arguments, and whether the call pays."""
        found = self._info
        if found is None:
            spec, args = self.spec, self.args
            found = DispatchInfo(spec.weigh(*args), spec.classify(*args), spec.declaration.pays)
            self._info = found
        return found

    def weight(self) -> Weight:
        """Return the declared weight for these arguments."""
        return self.info().weight

    def encoded(self) -> bytes:
        """Return the SCALE bytes, index bytes included."""
        data, start, stop = self._source or self._encode()
        return data[start:stop]

    def encoded_length(self) -> int:
        """Return the number of SCALE bytes, in constant time for a call that was decoded."""
        _, start, stop = self._source or self._encode()
        return stop - start

    def _encode(self) -> Source:
        spec = self.spec
        codec = spec.codec or spec.bind()
        try:
            data = spec.prefix + codec.encode(self.args)
        except EncodeError as error:
            raise EncodeError(f"{spec.pallet}.{spec.name}: {error}") from error
        self._source = Source(data, 0, len(data))
        return self._source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self.spec is other.spec and self.args == other.args

    def __hash__(self) -> int:
        return hash((self.spec.prefix, self.args))

    def __repr__(self) -> str:
        names = ", ".join(f"{n}={a!r}" for (n, _), a in zip(self.spec.parameters, self.args, strict=True))
        return f"{self.spec.pallet}.{self.spec.name}({names})"


def inner_class(_pallet: Any, *args: Any) -> DispatchClass:
    """Return the class of a call that makes another, which is among its arguments: that of the other."""
    return _inner(args).info().class_


def around(base: Weight) -> Callable[..., Weight]:
    """Return the weight function of a call that makes another: a base plus the weight of the other."""
    return lambda _pallet, *args: base.plus(_inner(args).weight())


def _inner(args: tuple[Any, ...]) -> Call:
    return next(arg for arg in args if isinstance(arg, Call))


RuntimeCall: TypeAlias = Annotated[Call, Foreign("RuntimeCall")]
"""The outer call of whatever runtime the pallet is composed into, for arguments and storage."""


class CallTable:
    """Every call of a runtime by its two index bytes, and the codec of the outer call enum."""

    def __init__(self) -> None:
        self.specs: dict[bytes, CallSpec] = {}
        self.codec: Codec[Call] = Codec(Foreign("RuntimeCall"), Call.encoded, self._decode)
        self.foreign: Mapping[str, Codec[Any]] = {}
        self._depth = 0
        self._count = 0

    def add(self, pallet: Any) -> list[CallSpec]:
        """Register the calls of a pallet instance and return their specs in index order."""
        found: list[CallSpec] = []
        members = {name: value for cls in reversed(type(pallet).__mro__) for name, value in vars(cls).items()}
        for method in members.values():
            declaration = getattr(method, "__call_declaration__", None)
            if declaration is not None:
                found.append(CallSpec(pallet, method, declaration, self.foreign))
        found.sort(key=lambda spec: spec.declaration.index)
        for spec in found:
            if spec.prefix in self.specs:
                raise ShapeError(f"{spec.pallet}: two calls have index {spec.declaration.index}")
            self.specs[spec.prefix] = spec
        return found

    def make(self, pallet: str, name: str, *args: Any) -> Call:
        """Return a call by names, for inherents, genesis and tests; KeyError when there is none."""
        for spec in self.specs.values():
            if spec.pallet == pallet and spec.name == name:
                assert len(args) == len(spec.parameters), (
                    f"{pallet}.{name} takes {len(spec.parameters)} arguments"
                )
                return Call(spec, args)
        raise KeyError(f"{pallet}.{name}")

    def _decode(self, data: bytes, pos: int, end: int) -> tuple[Call, int]:
        spec = self.specs.get(data[pos : pos + 2])
        if spec is None or pos + 2 > end:
            raise DecodeError(f"no call has the index {data[pos : pos + 2].hex() or 'of an empty call'}")
        if self._depth == 0:
            self._count = 0
        self._count += 1
        if self._depth >= CALL_DEPTH_MAX:
            raise DecodeError(f"calls nest deeper than {CALL_DEPTH_MAX}")
        if self._count > CALLS_MAX:
            raise DecodeError(f"more than {CALLS_MAX} calls in one")
        codec = spec.codec or spec.bind()
        self._depth += 1
        try:
            args, stop = codec.decode_prefix(data, pos + 2)
        finally:
            self._depth -= 1
        return Call(spec, args if spec.parameters else (), Source(data, pos, stop)), stop
