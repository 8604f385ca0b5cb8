"""The order of effects, and that driver and simulator know each of them."""

import ast
import inspect
from typing import get_args

import pytest

import node.driver.agreement
import tests.sim.node
from node.consensus.agenda import Agenda
from node.consensus.effects import Build, Decide, PbftEffect, SetTimer
from runtime.primitives.certificate import STEP_COMMIT
from tests.support.consensus import A, certificate

DECIDE = Decide(certificate(A, 0, STEP_COMMIT))


def drain(agenda: Agenda) -> list[PbftEffect]:
    taken: list[PbftEffect] = []
    while agenda:
        taken.append(agenda.take())
    return taken


def test_effects_are_taken_in_the_order_of_inputs() -> None:
    agenda = Agenda([Build(0), Build(1)])
    agenda.add([Build(2)])
    assert (len(agenda), drain(agenda)) == (3, [Build(0), Build(1), Build(2)])


def test_what_follows_from_a_signature_comes_before_what_was_to_follow_it() -> None:
    agenda = Agenda([Build(0), Build(1)])
    assert agenda.take() == Build(0)
    agenda.answer([Build(2), Build(3)])
    agenda.add([Build(4)])
    assert drain(agenda) == [Build(2), Build(3), Build(1), Build(4)]


def test_nothing_of_an_instance_is_done_after_its_decision() -> None:
    agenda = Agenda([SetTimer(1), DECIDE, Build(1), SetTimer(2)])
    agenda.add([Build(3)])
    assert drain(agenda) == [SetTimer(1), DECIDE]
    agenda.add([Build(4)])
    assert drain(agenda) == [Build(4)], "what the next instance asks for is done"


@pytest.mark.parametrize(
    ("module", "function"),
    [(node.driver.agreement, "_perform"), (tests.sim.node, "_do")],
    ids=["driver", "simulator"],
)
def test_every_effect_is_performed_by_driver_and_simulator(module: object, function: str) -> None:
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]  # it is a module
    (performer,) = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == function
    ]
    known = {
        case.pattern.cls.id
        for each in ast.walk(performer)
        if isinstance(each, ast.Match)
        for case in each.cases
        if isinstance(case.pattern, ast.MatchClass) and isinstance(case.pattern.cls, ast.Name)
    }
    assert known == {effect.__name__ for effect in get_args(PbftEffect)}
