"""A crash at any step of any node, with the last record torn at any byte, contradicts nothing."""

import pytest

from tests.sim.checker import Violation
from tests.sim.crash_points import CONFIG, run_all
from tests.sim.mutants import FromZero, Volatile
from tests.sim.node import Node


@pytest.mark.slow
def test_crash_at_every_step_and_byte() -> None:
    covered = run_all()
    assert covered.views == 2
    assert (
        covered.steps >= 3 * 2 * 4 * 4
    )  # heights, views, nodes, and at least claim, PREPARE, COMMIT, decision
    assert covered.cuts > 10_000
    assert covered.runs > covered.steps


@pytest.mark.parametrize("broken", [Volatile, FromZero])
def test_broken_driver_is_found(broken: type[Node]) -> None:
    with pytest.raises(Violation, match=r"conflicting signature|amnesia"):
        run_all(CONFIG._replace(node_type=broken))
