"""Methods that a chain's runtime declares: `oracle_feed`, `energy_slot` and what else its pallets show.

Responsible for offering every function of the runtime APIs that name a JSON-RPC namespace, with its
parameters and the block to ask at. It knows no pallet: names, types and texts come from the runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from node.rpc.groups.context import ChainContext
from node.rpc.jsonrpc import INVALID_PARAMS, RpcError
from node.rpc.methods import Method, Methods
from node.rpc.params import Field, Hex, Nothing, OneOf
from node.rpc.shapes import make_converter, make_form, to_camel
from node.rpc.signatures import Signature
from runtime.frame.api import Api, ApiMethod, RefusedQuestion, UnknownApi
from runtime.primitives.shape import shape_of

AT = Field(
    "at", OneOf({"string": Hex(exactly=32), "null": Nothing()}, (Hex(exactly=32), Nothing())), required=False
)
"""The block whose state is asked, the best one where it is absent."""


def add_runtime_methods(methods: Methods, context: ChainContext) -> None:
    """Offer what the head's runtime has to say by JSON-RPC."""
    prefix = context.properties.get("ss58Format")
    for api in context.chain.api.apis.apis:
        for one in api.methods if api.rpc else ():
            methods.include(_make_method(api, one, context, prefix if isinstance(prefix, int) else 42))


def _make_method(api: Api, one: ApiMethod, context: ChainContext, ss58_prefix: int) -> Method:
    name = f"{api.rpc}_{to_camel(one.name)}"
    fields = [
        Field(parameter, make_converter(shape_of(annotation)), required=True)
        for parameter, annotation in one.parameters
    ]
    form = make_form(shape_of(one.result), ss58_prefix)
    return Method(
        name,
        _make_handler(f"{api.name}_{one.name}", form.to_json, context),
        Signature([*fields, AT]),
        description=one.docs,
        schema=form.schema,
    )


def _make_handler(
    function: str, to_json: Callable[[Any], object], context: ChainContext
) -> Callable[..., object]:
    def handle(*values: object) -> object:
        *arguments, at = values
        assert at is None or isinstance(at, bytes)
        try:
            with context.runtime(at) as api:
                return to_json(api.ask(function, tuple(arguments)))
        except UnknownApi as error:
            raise RpcError(INVALID_PARAMS, f"the runtime of that block has no {function}") from error
        except RefusedQuestion as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error

    return handle
