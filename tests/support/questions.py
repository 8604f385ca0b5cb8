"""Runtime APIs asked as clients ask them: by JSON-RPC, and the same question in SCALE beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from node.rpc.groups.runtime import add_runtime_methods
from node.rpc.jsonrpc import RpcError
from node.rpc.methods import Method, Methods, bind
from node.rpc.shapes import to_camel
from runtime.frame.api import Api, ApiMethod, ApiTable
from runtime.primitives.scale import compile_codec
from runtime.primitives.shape import Tuple, shape_of
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import AccountId

PREFIX = 42


def address(who: AccountId) -> str:
    """Return an account as JSON-RPC writes it."""
    return encode_address(who, PREFIX)


class Questions:
    """Some runtime APIs over the open state of a test's chain."""

    def __init__(self, *apis: Api) -> None:
        self.table = ApiTable(apis, {})
        self.properties = {"ss58Format": PREFIX}
        self.chain: Any = self
        self.api: Any = self
        self.apis = self.table
        self.methods = Methods()
        context: Any = self
        add_runtime_methods(self.methods, context)
        self._named = {f"{api.rpc}_{to_camel(one.name)}": (api, one) for api in apis for one in api.methods}

    def on_best(self, _heard: Any) -> None: ...

    @contextmanager
    def runtime(self, _at: bytes | None) -> Iterator[ApiTable]:
        yield self.table

    def answer(self, name: str, *params: Any) -> Any:
        """Return what a method answers in JSON."""
        found = self._find(name)
        return found.handler(*bind(found, list(params)))

    def ask(self, name: str, *params: Any) -> Any:
        """Return what a method answers in JSON; its result in SCALE has its type's bounds."""
        answer = self.answer(name, *params)
        values = bind(self._find(name), list(params))
        api, one = self._named[name]
        self.table.call(f"{api.name}_{one.name}", _encode(one, values[:-1]))
        return answer

    def refused(self, name: str, *params: Any) -> str:
        """Return the sentence with which a method refuses a question."""
        with pytest.raises(RpcError) as caught:
            self.ask(name, *params)
        assert caught.value.code == -32602
        return caught.value.message

    def _find(self, name: str) -> Method:
        found = self.methods.find(name)
        assert isinstance(found, Method), f"no method is named {name}"
        return found


def _encode(one: ApiMethod, values: Any) -> bytes:
    shapes = tuple(shape_of(annotation) for _, annotation in one.parameters)
    return compile_codec(Tuple(shapes), {}).encode(tuple(values))
