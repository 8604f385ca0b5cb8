"""Declarations of runtime APIs: functions of a runtime that clients call by name over SCALE bytes.

It knows no particular API; a composition lists them, the node answers `state_call` with them and metadata
describes them. Source: sp_api::decl_runtime_apis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runtime.primitives.scale import Codec, compile_codec
from runtime.primitives.shape import Tuple, shape_of

PAGE_MAX: Final = 100
"""Most entries of one answer of a function that lists."""


@dataclass(frozen=True, slots=True)
class ApiMethod:
    """One function: `parameters` are (name, annotation) pairs; `function` takes the decoded arguments.

    With `is_live` a node that offers it by JSON-RPC offers a subscription too, which asks it again after each
    best block; so it must be cheap, and its answer must not depend on anything but the state.
    """

    name: str
    parameters: tuple[tuple[str, Any], ...]
    result: Any
    function: Callable[..., Any]
    docs: str = ""
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class Api:
    """A named, versioned group of functions.

    `rpc` is the namespace in which a node offers them by JSON-RPC too, empty for those that only programs
    call. Namespace and method name make the name there: `oracle` and `price_of` become `oracle_priceOf`, and
    `oracle_subscribePriceOf` where it is live.
    """

    name: str
    version: int
    methods: tuple[ApiMethod, ...]
    docs: str = ""
    rpc: str = ""


class UnknownApi(LookupError):
    """No runtime API has this name."""


class RefusedQuestion(ValueError):
    """A function's arguments make no sense together; `str()` says why."""


class ApiTable:
    """Answers functions by their exported name, `{api}_{method}`."""

    def __init__(self, apis: tuple[Api, ...], foreign: Mapping[str, Codec[Any]]) -> None:
        self.apis = apis
        self._foreign = foreign
        self._methods = {f"{api.name}_{m.name}": m for api in apis for m in api.methods}
        self._codecs: dict[str, tuple[Codec[Any], Codec[Any]]] = {}

    def call(self, name: str, data: bytes) -> bytes:
        """Return the SCALE result of a function; UnknownApi, DecodeError or RefusedQuestion when name or
        arguments are wrong."""
        method = self._methods.get(name)
        if method is None:
            raise UnknownApi(name)
        if name not in self._codecs:
            arguments = Tuple(tuple(shape_of(annotation) for _, annotation in method.parameters))
            result = compile_codec(shape_of(method.result), self._foreign)
            self._codecs[name] = (compile_codec(arguments, self._foreign), result)
        decoder, encoder = self._codecs[name]
        arguments_ = decoder.decode(data)
        return encoder.encode(method.function(*arguments_) if method.parameters else method.function())

    def ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return what a function answers as a value; UnknownApi, or RefusedQuestion from the function."""
        method = self._methods.get(name)
        if method is None:
            raise UnknownApi(name)
        return method.function(*arguments)
