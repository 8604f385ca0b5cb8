"""What a runtime declares for JSON-RPC is offered with its names, types and texts, at any kept block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from node.chain.events import NewBest
from node.rpc.groups.runtime import add_runtime_methods
from node.rpc.jsonrpc import Json, RpcError
from node.rpc.methods import Method, Methods, bind
from node.rpc.openrpc import document
from runtime.frame.api import Api, ApiMethod, ApiTable, RefusedQuestion
from runtime.primitives.scale import u32, u64
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE

OLD = "0x" + "11" * 32
ALICE_TEXT = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


def make_table(energy_wh: int, *, is_old: bool = False) -> ApiTable:
    """Return the functions of a runtime; an old one lacks some."""

    def position(who: AccountId, slot: int) -> tuple[int, bool]:
        if slot > 100:
            raise RefusedQuestion(f"slot {slot} is not open yet")
        return energy_wh + slot, who == ALICE

    shown = ApiMethod(
        "bought_energy", (("who", AccountId), ("slot_id", u32)), tuple[u64, bool], position, "Wh."
    )
    hidden = ApiMethod("make", (), u32, lambda: 1)
    inner = Api("InnerApi", 1, (hidden,))
    return ApiTable((inner,) if is_old else (inner, Api("EnergyApi", 1, (shown,), rpc="energy")), {})


class FakeContext:
    """A chain whose best block has another state than an old one, before which there was no such API."""

    def __init__(self) -> None:
        self.properties = {"ss58Format": 42}
        self.chain: Any = self
        self.api: Any = self
        self.apis = make_table(1_000)

    def on_best(self, heard: Callable[[NewBest], None]) -> None:
        self.heard = heard

    @contextmanager
    def runtime(self, at: bytes | None) -> Iterator[ApiTable]:
        match at:
            case None:
                yield self.apis
            case b if b == bytes.fromhex(OLD[2:]):
                yield make_table(5)
            case _:
                yield make_table(0, is_old=True)


@pytest.fixture
def methods() -> Methods:
    made = Methods()
    context: Any = FakeContext()
    add_runtime_methods(made, context)
    return made


def ask(methods: Methods, params: Json) -> object:
    found = methods.find("energy_boughtEnergy")
    assert isinstance(found, Method)
    return found.handler(*bind(found, params))


def test_function_is_asked_at_the_best_block_or_an_older_one(methods: Methods) -> None:
    assert methods.names() == ["energy_boughtEnergy"]
    assert ask(methods, [ALICE_TEXT, 7]) == ["1007", True]
    assert ask(methods, [ALICE_TEXT, 7, None]) == ["1007", True]
    assert ask(methods, [ALICE_TEXT, 7, OLD]) == ["12", True]
    assert ask(methods, {"who": ALICE_TEXT, "slotId": 7, "at": OLD}) == ["12", True]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ([ALICE_TEXT], "slotId"),
        ([ALICE_TEXT, -1], "slotId"),
        ([ALICE_TEXT, 7, "0x11"], "at"),
        (["nobody", 7], "who"),
        ([ALICE_TEXT, 7, None, 1], "at most 3 parameters"),
        ([ALICE_TEXT, 101], "slot 101 is not open yet"),
        ([ALICE_TEXT, 7, "0x" + "22" * 32], "the runtime of that block has no EnergyApi_bought_energy"),
    ],
)
def test_wrong_question_is_answered_with_what_is_wrong(methods: Methods, params: Json, sentence: str) -> None:
    with pytest.raises(RpcError) as caught:
        ask(methods, params)
    assert caught.value.code == -32602
    assert sentence in caught.value.message


def test_document_describes_parameters_and_result(methods: Methods) -> None:
    described: Any = document(methods, "", "")["methods"]
    assert described[0]["summary"] == "Wh."
    assert [field["name"] for field in described[0]["params"]] == ["who", "slotId", "at"]
    assert [field["required"] for field in described[0]["params"]] == [True, True, False]
    digits, flag = described[0]["result"]["schema"]["items"]
    assert (digits["type"], flag["type"]) == ("string", "boolean")
