"""Annotations mean what the standard library says they mean, however often and wherever they are read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any, ClassVar, get_type_hints

import pytest

from pallets.core.system import System
from pallets.energy_trading.market import Market
from pallets.energy_trading.market_types import MarketParameters, Order
from pallets.oracle.oracle import Oracle
from runtime.primitives.hints import read_hints

MODULE = "hints_under_test"
HEAD = "from __future__ import annotations\nfrom typing import Annotated, ClassVar\n"


class Base:
    """A class to inherit from."""

    first: Annotated[int, "kept"]
    kind: ClassVar[str] = ""


class Derived(Base):
    """A class that says anew what one attribute is."""

    kind: ClassVar[int]  # type: ignore[assignment]  # another type than the base class's is the point
    maybe: tuple[Base, ...] | None

    def method(self, one: Base, *, two: None = None) -> Derived:
        """Take a type of this module and none."""
        raise NotImplementedError(one, two)


def make_module(body: str) -> ModuleType:
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    exec(compile(HEAD + body, "hints.py", "exec"), vars(module))
    return module


@pytest.fixture(autouse=True)
def no_module_left() -> Any:
    yield
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize(
    "thing",
    [Base, Derived, Derived.method, System, Market, Market.submit_order, MarketParameters, Order, Oracle],
)
def test_hints_are_those_of_the_standard_library(thing: type | Callable[..., Any]) -> None:
    expected = get_type_hints(thing, include_extras=True)
    assert dict(read_hints(thing)) == expected
    assert list(read_hints(thing)) == list(expected)


def test_bound_method_answers_for_its_function() -> None:
    assert read_hints(Derived().method) is read_hints(Derived.method)


def test_name_that_is_defined_in_the_class_itself_is_found() -> None:
    module = make_module("class Outer:\n    class Inner: ...\n    one: Inner\n    two: int\n")
    assert read_hints(module.Outer) == {"one": module.Outer.Inner, "two": int}


def test_unknown_name_is_an_error_until_it_is_known() -> None:
    module = make_module("class Early:\n    one: Late\n")
    with pytest.raises(NameError, match="Late"):
        read_hints(module.Early)
    exec("class Late: ...", vars(module))
    assert read_hints(module.Early) == {"one": module.Late}


def test_module_that_takes_the_place_of_another_has_its_own_types() -> None:
    body = "class Thing: ...\nclass Holder:\n    one: Thing\n"
    before, after = make_module(body), None
    assert read_hints(before.Holder) == {"one": before.Thing}
    after = make_module(body)
    assert read_hints(after.Holder) == {"one": after.Thing}
    assert after.Thing is not before.Thing


def test_function_is_read_in_the_module_of_its_own() -> None:
    module = make_module("class Thing: ...\ndef take(one: Thing) -> None: ...\n")
    del sys.modules[MODULE]
    assert read_hints(module.take) == {"one": module.Thing, "return": type(None)}
