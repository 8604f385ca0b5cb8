"""A pallet class that cannot work is refused when it is composed, in a sentence that names the member."""

from __future__ import annotations

import sys
import textwrap
from types import ModuleType
from typing import Any

import pytest

from pallets.core.transaction_payment import TransactionPayment
from pallets.core.utility import Utility
from runtime.frame.declarations import DeclarationError
from runtime.frame.pallet import TAKEN, Pallet
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.state import MemoryBackend, State
from tests.support.chain import consortium_chain

HEAD = '''
from __future__ import annotations
from typing import Annotated
from runtime.frame.call import call
from runtime.frame.dispatch import NO_WEIGHT, Origin, PalletError
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, CountedMap, Map, NMap, Value, storage
from runtime.primitives.scale import MaxLen, u32, u128

class Names(Pallet[None]):
    """Names."""

'''
MODULE = "pallets.names_under_test"


def compose(body: str) -> Pallet[Any]:
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module  # annotations are looked up in the class's module
    try:
        exec(compile(HEAD + textwrap.indent(textwrap.dedent(body), "    "), "names.py", "exec"), vars(module))
        return build().add(module.Names, index=3, name="Names", config=None)
    finally:
        del sys.modules[MODULE]


def build() -> RuntimeBuilder:
    return RuntimeBuilder(State(MemoryBackend()))


def a_call(arguments: str, docs: str = "'Do it.'", options: str = "weight=NO_WEIGHT") -> str:
    return f"@call(0, {options})\ndef do({arguments}) -> None:\n    {docs}\n"


def test_declarations_that_can_work_are_composed() -> None:
    compose(
        """
        one: Value[u32] = storage(default=7)
        maybe: Value[u128 | None] = storage()
        some: Map[u32, Annotated[tuple[u32, ...], MaxLen(4)]] = storage(TWOX_64_CONCAT, default=())
        many: NMap[tuple[u32, u32], bool] = storage(TWOX_64_CONCAT, BLAKE2_128_CONCAT, default=False)
        known: Value[bytes] = storage(default=b"", bound="what genesis writes")
        class Done(Event, index=4):
            "It is done."
            by: u32
        class Wrong(PalletError, index=0):
            "It is wrong."
        @constant
        def most(self) -> u32:
            "The most there is."
            return 3
        @call(0, weight=NO_WEIGHT)
        def do(self, origin: Origin, x: u32) -> None:
            "Do it."
        """
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("x = storage(default=0)", "Names.x needs an annotation: Value[V], Map[K, V]"),
        ("x: Value[u32]", "Names.x is annotated as storage: declare it with = storage(…)"),
        ("x: Value[u32] = 3", "Names.x is annotated as storage: declare it with = storage(…)"),
        ("x: Map = storage(TWOX_64_CONCAT)", "Names.x needs its types in brackets, such as Map[u32, …]"),
        ("x: dict[u32, u32] = storage(default={})", "Names.x is annotated with no storage item"),
        ("x: Map[u32, u32 | None] = storage()", "one hasher for each key in storage(…): 1 needed, 0 given"),
        ("x: Value[u32] = storage(TWOX_64_CONCAT, default=0)", "0 needed, 1 given"),
        ("x: Map[int, u32 | None] = storage(TWOX_64_CONCAT)", "Names.x: int has no SCALE form"),
        ("x: Value[float] = storage(default=0)", "Names.x: float has no SCALE form"),
        ("x: Value[u32] = storage()", "Names.x needs a default, storage(…, default=…), or a type that"),
        ("x: Value[u32 | None] = storage(default=1)", "an optional item answers None when absent"),
        ("x: Value[u32] = storage(default=2**32)", "the default 4294967296 is no value of its type"),
        ("x: Value[u32] = storage(default='a')", "the default 'a' is no value of its type"),
        (
            "x: Value[Annotated[tuple[u32, ...], MaxLen(2)]] = storage(default=[])",
            "Names.x: a default is shared and so never mutable",
        ),
        (
            "x: Value[bytes] = storage(default=b'')",
            "Names.x stores data of any length: give its type a limit",
        ),
        ("x: Value[tuple[u32, ...] | None] = storage()", "Names.x stores data of any length"),
        ("x: Map[str, u32 | None] = storage(BLAKE2_128_CONCAT)", "Names.x stores data of any length"),
        ("config: Value[u32] = storage(default=0)", "Names.config: the name means something else"),
        (
            a_call("self, origin: Origin").replace("do(", "deposit("),
            "Names.deposit: the name means something",
        ),
        ("class error(PalletError, index=0):\n    'x'", "Names.error: the name means something else"),
        (a_call("self, origin: Origin, x"), "Names.do: the argument x needs an annotation"),
        (a_call("self, origin: Origin, x: u32 = 4"), "Names.do: the argument x has a default"),
        (a_call("self, origin: Origin, x: list[u32]"), "Names.do, argument x: list"),
        (a_call("self, origin: Origin, x: Unknown"), "Names.do: name 'Unknown' is not defined"),
        (a_call("self, x: u32"), "Names.do takes self and origin: Origin before its own arguments"),
        (a_call("self, origin: Origin", "pass"), "Names.do needs a docstring: wallets show it"),
        (a_call("self, origin: Origin", options="weight=5"), "weight= is a Weight, or a function"),
        (a_call("self, origin: Origin").replace("(0,", "(256,"), "an index is one byte, 0 to 255, got 256"),
        ("class E(Event):\n    'x'", "Names.E needs an index, such as class E(Event, index=0)"),
        ("class E(Event, index=-1):\n    'x'", "Names.E: an index is one byte"),
        ("class E(Event, index=0):\n    a: u32", "Names.E needs a docstring"),
        ("class E(Event, index=0):\n    'x'\n    a: int", "Names.E.a: int has no SCALE form"),
        (
            "class E(Event, index=1):\n    'x'\nclass F(Event, index=1):\n    'x'",
            "Names.F and Names.E have the same index 1",
        ),
        ("class E(PalletError):\n    'x'", "Names.E needs an index, such as class E(PalletError, index=0)"),
        ("class E(PalletError, index=0):\n    pass", "Names.E needs a docstring"),
        (
            "class E(PalletError, index=0):\n    'x'\nclass F(PalletError, index=0):\n    'x'",
            "Names.F and Names.E have the same index 0",
        ),
        ("@constant\ndef c(self):\n    'x'\n    return 1", "Names.c needs a return annotation"),
        ("@constant\ndef c(self) -> int:\n    'x'\n    return 1", "Names.c: int has no SCALE form"),
        ("@constant\ndef c(self) -> u32:\n    return 1", "Names.c needs a docstring"),
    ],
)
def test_declaration_that_cannot_work_is_refused(body: str, sentence: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        compose(body)
    assert sentence in str(caught.value)


def test_taken_names_are_those_of_the_base_class() -> None:
    bare: Pallet[Any] = build().add(
        type("Bare", (Pallet,), {"__doc__": "Bare."}), index=0, name="Bare", config=None
    )
    assert {name for name in vars(bare) if not name.startswith("_")} <= TAKEN


@pytest.mark.parametrize(
    ("index", "name", "sentence"),
    [
        (3, "Other", "Other cannot have index 3, which is Utility's"),
        (4, "Utility", "two pallets with the name Utility"),
        (256, "Other", "Other: an index is one byte, 0 to 255, got 256"),
    ],
)
def test_pallets_have_indices_and_names_of_their_own(index: int, name: str, sentence: str) -> None:
    builder = build()
    builder.add(Utility, index=3, name="Utility", config=None)
    with pytest.raises(AssertionError, match=sentence):
        builder.add(Utility, index=index, name=name, config=None)


@pytest.mark.parametrize("hook", ["on_initialize", "on_idle"])
def test_hook_that_returns_no_weight_is_named(monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    monkeypatch.setattr(TransactionPayment, hook, lambda *_: None)
    with pytest.raises(AssertionError, match=f"TransactionPayment.{hook} returned None, not the Weight"):
        consortium_chain().next_block()
