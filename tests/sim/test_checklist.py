"""The page on testing agreement names tests, faults, profiles and options that there are."""

import ast
import re
from pathlib import Path

from tests.sim.mutants import MUTANTS
from tests.sim.profiles import PROFILES

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "consensus-testing.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| P(\d+) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)


def list_tests() -> set[str]:
    """Return the names of all test functions."""
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_scenario_has_its_row_and_says_what_covers_it() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 45))
    assert all(covered.strip() for _, _, covered in ROWS)


def test_tests_that_are_named_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 30
    assert named <= list_tests()


def test_faults_that_are_named_are_planted() -> None:
    named = {name for _, _, covered in ROWS for name in re.findall(r'"([^"]+)"', covered)}
    assert len(named) > 15
    assert named <= {mutant.name for mutant in MUTANTS}


def test_profiles_that_are_named_exist() -> None:
    assert set(re.findall(r"profile `(\w+)`", PAGE)) <= set(PROFILES)
