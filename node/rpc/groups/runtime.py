"""Methods that a chain's runtime declares: `oracle_feed`, `energy_slot` and what else its pallets show.

Responsible for offering every function of the runtime APIs that name a JSON-RPC namespace, with its
parameters and the block to ask at, and a subscription to each one that is live: `oracle_subscribeFeed` sends
what `oracle_feed` answers now, and again after each best block that has changed it. It knows no pallet:
names, types and texts come from the runtime.
"""

from __future__ import annotations

from typing import Any

from node.rpc.groups.context import ChainContext
from node.rpc.groups.live import LiveQuestions
from node.rpc.jsonrpc import INVALID_PARAMS, RpcError
from node.rpc.methods import Method, Methods, Subscription
from node.rpc.params import Field, Hex, Nothing, OneOf
from node.rpc.shapes import make_converter, make_form, to_camel
from node.rpc.signatures import Signature
from node.rpc.subscriptions import Sink
from runtime.frame.api import Api, ApiMethod, RefusedQuestion, UnknownApi
from runtime.primitives.shape import shape_of
from runtime.primitives.types import Hash

AT = Field(
    "at", OneOf({"string": Hex(exactly=32), "null": Nothing()}, (Hex(exactly=32), Nothing())), required=False
)
"""The block whose state is asked, the best one where it is absent."""


def add_runtime_methods(methods: Methods, context: ChainContext, live: LiveQuestions | None = None) -> None:
    """Offer what the head's runtime has to say by JSON-RPC."""
    live = LiveQuestions() if live is None else live
    prefix = context.properties.get("ss58Format")
    for api in context.chain.api.apis.apis:
        for one in api.methods if api.rpc else ():
            question = _Question(api, one, context, prefix if isinstance(prefix, int) else 42)
            methods.include(question.method())
            if one.is_live:
                methods.include(question.subscription(live))
    context.chain.on_best(live.on_best)


class _Question:
    """A function of the runtime as JSON-RPC asks it."""

    def __init__(self, api: Api, one: ApiMethod, context: ChainContext, ss58_prefix: int) -> None:
        self._context = context
        self._function = f"{api.name}_{one.name}"
        self._form = make_form(shape_of(one.result), ss58_prefix)
        self._docs = one.docs
        self._namespace = api.rpc
        self._name = to_camel(one.name)
        self._fields = [
            Field(parameter, make_converter(shape_of(annotation)), required=True)
            for parameter, annotation in one.parameters
        ]

    def method(self) -> Method:
        """Return the method that asks at any block."""
        return Method(
            f"{self._namespace}_{self._name}",
            self._answer,
            Signature([*self._fields, AT]),
            description=self._docs,
            schema=self._form.schema,
        )

    def subscription(self, live: LiveQuestions) -> Subscription:
        """Return the subscription that asks again at every best block."""

        def handle(sink: Sink, *arguments: object) -> None:
            live.watch(sink, (self._function, arguments), lambda at: self._ask(arguments, at))

        name = self._name[0].upper() + self._name[1:]
        return Subscription(
            f"{self._namespace}_subscribe{name}",
            handle,
            (f"{self._namespace}_unsubscribe{name}",),
            f"{self._namespace}_{self._name}",
            Signature(self._fields),
            description=f"{self._docs}\n\nNow, and again after each best block that has changed it.",
            is_costly=True,
            schema=self._form.schema,
        )

    def _answer(self, *values: object) -> object:
        *arguments, at = values
        assert at is None or isinstance(at, bytes)
        return self._ask(tuple(arguments), None if at is None else Hash(at))

    def _ask(self, arguments: tuple[Any, ...], at: Hash | None) -> object:
        try:
            with self._context.runtime(at) as api:
                return self._form.to_json(api.ask(self._function, arguments))
        except UnknownApi as error:
            text = f"the runtime of that block has no {self._function}"
            raise RpcError(INVALID_PARAMS, text) from error
        except RefusedQuestion as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
