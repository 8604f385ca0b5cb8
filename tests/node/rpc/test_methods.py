"""Declarations: names and aliases, what the table refuses, `rpc_methods` and the OpenRPC document."""

import json

import pytest

from node.rpc.jsonrpc import RawJson, RpcError, encode
from node.rpc.methods import (
    Method,
    Methods,
    Subscription,
    Unsubscription,
    batch_of,
    bind,
    build_method,
    method,
    subscription,
)
from node.rpc.openrpc import Introspection, document
from node.rpc.subscriptions import Sink
from tests.node.rpc.demo import Demo


def described() -> dict[str, dict[str, object]]:
    text = json.dumps(document(Methods(Demo()), "demo", "1.2.3"))
    return {item["name"]: item for item in json.loads(text)["methods"]}


def test_method_is_found_by_name_and_alias() -> None:
    methods = Methods(Demo())
    assert isinstance(methods.find("chain_getBlockHash"), Method)
    assert methods.find("chain_getHead") is methods.find("chain_getBlockHash")
    assert isinstance(methods.find("subscribe_newHead"), Subscription)
    assert isinstance(methods.find("chain_unsubscribeNewHead"), Unsubscription)
    assert methods.find("chain_getHeads") is None


def test_two_methods_of_one_name_are_refused() -> None:
    class Again:
        @method("other", aliases=["system_health"])
        def other(self) -> None:
            """Nothing."""

    methods = Methods(Demo())
    with pytest.raises(ValueError, match="two methods are named system_health"):
        methods.add(Again())


def test_batch_handler_without_its_method_is_refused() -> None:
    class Lonely:
        @batch_of("author_submit")
        def many(self, calls: object) -> list[object]:
            return []

    with pytest.raises(ValueError, match="author_submit"):
        Methods(Lonely())


def test_batch_handler_of_a_method_without_parameters_is_refused() -> None:
    class Idle:
        @method("m")
        def m(self) -> None:
            """Nothing."""

        @batch_of("m")
        def many(self) -> list[object]:
            return []

    with pytest.raises(TypeError, match="without parameters"):
        Methods(Idle())


def test_required_parameter_after_an_optional_one_is_refused() -> None:
    class Keyword:
        @method("m")
        def m(self, a: int = 1, *, b: int) -> None:
            """Nothing."""

    with pytest.raises(TypeError, match="required"):
        Methods(Keyword())


def test_tables_of_two_objects_are_independent() -> None:
    first, second = Demo(), Demo()
    one, two = Methods(first), Methods(second)
    entry = one.find("author_submitExtrinsic")
    assert isinstance(entry, Method)
    entry.handler(b"\x01")
    assert (first.submitted, second.submitted) == ([b"\x01"], [])
    assert len(one) == len(two)


def test_method_known_only_at_run_time_is_declared_by_its_annotations() -> None:
    def orders(market: int, side: str = "bid") -> list[object]:
        """Open orders."""
        return [market, side]

    methods = Methods()
    methods.include(build_method("energy_orders", orders))
    entry = methods.find("energy_orders")
    assert isinstance(entry, Method)
    assert bind(entry, [7]) == [7, "bid"]
    assert entry.description == "Open orders."


def test_wrong_parameters_are_an_invalid_params_error_naming_method_and_parameter() -> None:
    entry = Methods(Demo()).find("state_getKeysPagedAt")
    assert entry is not None
    with pytest.raises(RpcError) as caught:
        bind(entry, ["0x", "many"])
    assert caught.value.code == -32602
    assert caught.value.message.startswith("Invalid params: parameter 'count' of state_getKeysPaged must be")


def test_rpc_methods_lists_names_aliases_and_unsubscribes_sorted_but_nothing_unlisted() -> None:
    methods = Methods(Demo())
    introspection = Introspection(methods, title="demo", version="1")
    methods.add(introspection)
    answer = introspection.rpc_methods()
    names = json.loads(encode(answer))["methods"]
    assert names == sorted(names)
    assert {"rpc_methods", "chain_getHead", "subscribe_newHead", "chain_unsubscribeNewHeads"} <= set(names)
    assert "rpc.discover" not in names
    assert introspection.rpc_methods() is answer


def test_openrpc_document_has_the_members_the_meta_schema_requires() -> None:
    methods = Methods(Demo())
    introspection = Introspection(methods, title="demo", version="1.2.3")
    methods.add(introspection)
    answer = introspection.discover()
    assert isinstance(answer, RawJson)
    whole = json.loads(encode(answer))
    assert set(whole) == {"openrpc", "info", "methods"}
    assert whole["openrpc"].startswith("1.3")
    assert whole["info"] == {"title": "demo", "version": "1.2.3"}
    names = [item["name"] for item in whole["methods"]]
    assert len(names) == len(set(names))
    assert set(names) == {*methods.names(), "rpc.discover"}
    for item in whole["methods"]:
        assert set(item) <= {"name", "summary", "description", "tags", "paramStructure", "params", "result"}
        assert item["paramStructure"] in ("by-name", "by-position", "either")
        assert item["summary"]
        for parameter in [*item["params"], item["result"]]:
            assert {"name", "schema"} <= set(parameter) <= {"name", "schema", "required"}
            assert isinstance(parameter["schema"], dict)
        required = [parameter["required"] for parameter in item["params"]]
        assert required == sorted(required, reverse=True), "required parameters come first"
        parameter_names = [parameter["name"] for parameter in item["params"]]
        assert len(parameter_names) == len(set(parameter_names))


def test_openrpc_document_says_parameters_results_tags_and_aliases() -> None:
    items = described()
    params = items["state_getKeysPaged"]["params"]
    assert isinstance(params, list)
    assert [(one["name"], one["required"]) for one in params[:3]] == [
        ("prefix", True),
        ("count", True),
        ("startKey", False),
    ]
    assert params[0]["schema"] == {"type": "string", "pattern": "^(0x)?[0-9a-fA-F]*$"}
    assert params[1]["schema"] == {"type": "integer", "minimum": 0, "maximum": 2**64 - 1}
    assert params[2]["schema"] == {"oneOf": [params[0]["schema"], {"type": "null"}]}
    assert items["chain_getHeader"]["result"] == {
        "name": "result",
        "schema": {"oneOf": [{"type": "string"}, {"type": "null"}]},
    }
    assert items["dev_newBlock"]["tags"] == [{"name": "unsafe"}]
    assert items["chain_subscribeNewHeads"]["tags"] == [{"name": "subscription"}]
    assert str(items["chain_getHead"]["description"]).startswith("Alias of chain_getBlockHash. ")


def test_subscription_handler_takes_the_sink_before_its_parameters() -> None:
    class Feeds:
        @subscription("feed", unsubscribe=["unfeed"], notification="fed")
        def feed(self, sink: Sink, rate: int = 3) -> None:
            """A feed."""

    entry = Methods(Feeds()).find("feed")
    assert isinstance(entry, Subscription)
    assert bind(entry, None) == [3]
