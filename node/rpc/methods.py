"""Declaration of RPC methods: names, aliases, typed parameters, safety; and the table that finds them.

A class of methods marks its functions with `@method`, `@subscription` and `@batch_of`; `Methods.add` binds
those of an instance. From the same declarations come the parameter checks, `rpc_methods` and the OpenRPC
document. Knows nothing of transports, and holds no state outside the table.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from node.rpc.jsonrpc import INVALID_PARAMS, Json, RpcError
from node.rpc.params import Field, ParamError
from node.rpc.signatures import Signature, converter_of
from runtime.primitives.hints import read_hints

Handler: TypeAlias = Callable[..., object]
F = TypeVar("F", bound=Handler)

_MARK: Final = "__rpc_declaration__"


@dataclass(frozen=True, slots=True)
class MethodMark:
    """What `@method` says about a function."""

    name: str
    aliases: tuple[str, ...]
    unsafe: bool
    listed: bool
    dev: bool


@dataclass(frozen=True, slots=True)
class SubscriptionMark:
    """What `@subscription` says about a function."""

    name: str
    aliases: tuple[str, ...]
    unsubscribe: tuple[str, ...]
    notification: str
    unsafe: bool


@dataclass(frozen=True, slots=True)
class BatchMark:
    """What `@batch_of` says about a function."""

    name: str


def method(
    name: str,
    *,
    aliases: Sequence[str] = (),
    unsafe: bool = False,
    listed: bool = True,
    dev: bool = False,
) -> Callable[[F], F]:
    """Declare a method: its annotations are the parameters, its docstring the description.

    The handler may be `async`; what it returns is the result, an RpcError it raises the error answer. Unsafe
    methods are refused to the public; unlisted ones stay out of `rpc_methods`; those marked `dev` are unsafe
    and for development chains only.
    """
    return _marking(MethodMark(name, tuple(aliases), unsafe or dev, listed, dev))


def subscription(
    name: str,
    *,
    unsubscribe: Sequence[str],
    notification: str,
    aliases: Sequence[str] = (),
    unsafe: bool = False,
) -> Callable[[F], F]:
    """Declare a subscription: the handler takes the Sink first, then the parameters, and returns nothing.

    `unsubscribe` are the names that end it; `notification` is the method name of its notices.
    """
    return _marking(SubscriptionMark(name, tuple(aliases), tuple(unsubscribe), notification, unsafe))


def batch_of(name: str) -> Callable[[F], F]:
    """Declare a handler of many calls of method `name` at once: a list for each parameter in, results out.

    A result that is an RpcError becomes the error answer of its call. The handler may be `async`.
    """
    return _marking(BatchMark(name))


@dataclass(frozen=True, slots=True)
class Method:
    """One callable method, bound to its handler."""

    name: str
    handler: Handler
    params: Signature = field(default_factory=Signature)
    aliases: tuple[str, ...] = ()
    unsafe: bool = False
    listed: bool = True
    is_async: bool = False
    description: str = ""
    result: object = object
    batch: Handler | None = None
    batch_is_async: bool = False
    dev: bool = False
    schema: Mapping[str, object] | None = None
    """The JSON schema of the result, where `result` does not tell it."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription method, bound to its handler."""

    name: str
    handler: Handler
    unsubscribe: tuple[str, ...]
    notification: str
    params: Signature = field(default_factory=Signature)
    aliases: tuple[str, ...] = ()
    unsafe: bool = False
    is_async: bool = False
    description: str = ""
    listed: bool = True
    is_costly: bool = False
    """Whether something is worked out for it at every block; a connection has fewer of these."""
    schema: Mapping[str, object] | None = None
    """The JSON schema of what its notices bring, where it is known."""


def _subscription_id() -> Signature:
    return Signature([Field("subscription", converter_of(int | str), required=True)])


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """A method that ends subscriptions of one kind."""

    name: str
    subscription: str
    params: Signature = field(default_factory=_subscription_id)
    unsafe: bool = False
    listed: bool = True


Entry: TypeAlias = Method | Subscription | Unsubscription


def bind(entry: Entry, params: Json) -> Sequence[object]:
    """Return the arguments of a call in order; raises RpcError with a sentence naming the parameter."""
    try:
        return entry.params.bind(params)
    except ParamError as error:
        raise RpcError(INVALID_PARAMS, f"Invalid params: {_sentence(entry.name, error)}") from error


def bind_many(entry: Entry, calls: Sequence[Json]) -> tuple[Sequence[Sequence[object]], dict[int, RpcError]]:
    """Return the arguments of many calls, a list for each parameter, and the errors of those left out."""
    columns = entry.params.bind_columns(calls)
    if columns is not None:
        return columns, {}
    rows: list[Sequence[object]] = []
    refused: dict[int, RpcError] = {}
    for position, params in enumerate(calls):
        try:
            rows.append(bind(entry, params))
        except RpcError as error:
            refused[position] = error
    return list(zip(*rows, strict=True)), refused


class Methods:
    """The table of all methods one server offers, by name and alias."""

    def __init__(self, *groups: object) -> None:
        self._entries: dict[str, Entry] = {}
        for group in groups:
            self.add(group)

    def add(self, group: object) -> None:
        """Take in all declared methods of an object; ValueError when a name is taken."""
        batches = dict(_marked(group, BatchMark))
        for mark, handler in _marked(group, MethodMark):
            batch = next((many for of, many in batches.items() if of.name == mark.name), None)
            self.include(_method(mark, handler, batch))
        for declared, handler in _marked(group, SubscriptionMark):
            self.include(_subscription(declared, handler))
        for of in batches:
            if of.name not in self._entries:
                raise ValueError(f"batch handler for {of.name}, which the same object does not declare")

    def include(self, entry: Entry) -> None:
        """Take in one method built by hand, its name known only at run time; ValueError if it is taken."""
        aliases = () if isinstance(entry, Unsubscription) else entry.aliases
        for name in (entry.name, *aliases):
            if name in self._entries:
                raise ValueError(f"two methods are named {name}")
            self._entries[name] = entry
        if isinstance(entry, Subscription):
            for name in entry.unsubscribe:
                self.include(Unsubscription(name, entry.name, unsafe=entry.unsafe))

    def find(self, name: str) -> Entry | None:
        """Return the method of a name or alias."""
        return self._entries.get(name)

    def names(self) -> list[str]:
        """Return all listed names, aliases included, sorted."""
        return sorted(name for name, entry in self._entries.items() if entry.listed)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for name, entry in sorted(self._entries.items()) if name == entry.name)

    def __len__(self) -> int:
        return len(self._entries)


def build_method(name: str, handler: Handler, *, unsafe: bool = False, listed: bool = True) -> Method:
    """Return a method from a function known only at run time; its annotations are its parameters."""
    return _method(MethodMark(name, (), unsafe, listed, dev=False), handler, None)


def _method(mark: MethodMark, handler: Handler, batch: Handler | None) -> Method:
    params = _parameters(handler, skip=0)
    if batch is not None and not params.fields:
        raise TypeError(f"{batch}: calls without parameters have no columns to handle together")
    return Method(
        name=mark.name,
        handler=handler,
        params=params,
        aliases=mark.aliases,
        unsafe=mark.unsafe,
        listed=mark.listed,
        is_async=inspect.iscoroutinefunction(handler),
        description=inspect.getdoc(handler) or "",
        result=read_hints(handler).get("return", object),
        batch=batch,
        batch_is_async=inspect.iscoroutinefunction(batch),
        dev=mark.dev,
    )


def _subscription(mark: SubscriptionMark, handler: Handler) -> Subscription:
    return Subscription(
        name=mark.name,
        handler=handler,
        unsubscribe=mark.unsubscribe,
        notification=mark.notification,
        params=_parameters(handler, skip=1),
        aliases=mark.aliases,
        unsafe=mark.unsafe,
        is_async=inspect.iscoroutinefunction(handler),
        description=inspect.getdoc(handler) or "",
    )


def _parameters(handler: Handler, *, skip: int) -> Signature:
    hints = read_hints(handler)
    fields: list[Field] = []
    for parameter in list(inspect.signature(handler).parameters.values())[skip:]:
        required = parameter.default is inspect.Parameter.empty
        if required and any(not earlier.required for earlier in fields):
            raise TypeError(f"{handler}: a required parameter follows an optional one")
        converter = converter_of(hints[parameter.name])
        fields.append(Field(parameter.name, converter, required, None if required else parameter.default))
    return Signature(fields)


def _sentence(name: str, error: ParamError) -> str:
    if not error.path:
        return f"{name} {error.sentence}"
    return f"parameter '{error.path.removeprefix('.')}' of {name} {error.sentence}"


def _marking(mark: MethodMark | SubscriptionMark | BatchMark) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        vars(function)[_MARK] = mark
        return function

    return decorate


M = TypeVar("M", MethodMark, SubscriptionMark, BatchMark)


def _marked(group: object, kind: type[M]) -> list[tuple[M, Handler]]:
    found: list[tuple[M, Handler]] = []
    for name, function in inspect.getmembers(type(group), inspect.isfunction):
        mark: object = vars(function).get(_MARK)
        if isinstance(mark, kind):
            found.append((mark, getattr(group, name)))
    return found
