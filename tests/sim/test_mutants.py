"""The simulator finds planted faults: those that it finds at once, here; all of them with `--mutants`."""

import pytest

from tests.sim.mutants import MUTANTS, Mutant, kill
from tests.sim.simulation import Config, run

SOON = 100
"""Seeds within which most faults are found; the others take hundreds, and `make sim-full` looks for them."""
LATE = (
    "prepared claim accepted without its certificate",
    "claims of a proposal not checked",
    "taste counts against a prepared block",
    "any block is valid",
)


def test_there_are_many_and_each_has_its_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 15
    assert set(LATE) < {mutant.name for mutant in MUTANTS}


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant", [each for each in MUTANTS if each.name not in LATE], ids=lambda each: each.name
)
def test_fault_is_found(mutant: Mutant) -> None:
    found = kill(mutant, SOON)
    assert found is not None
    assert found.rule != "no exception"


def test_no_fault_is_found_where_there_is_none() -> None:
    assert kill(Mutant("none"), 5) is None


def test_faults_leave_nothing_behind() -> None:
    before = run(1, Config())
    for mutant in MUTANTS:
        with mutant.fault():
            pass
    assert run(1, Config()) == before
