"""The endurance run in small: each kind of perturbation once, under some load.

How fast blocks come is measured by the long run; a busy machine shall not fail this one.
"""

from pathlib import Path

import pytest

from tests.networks.endurance import BACK_MAX_S, Plan, list_broken, run_plan

SMALL = Plan(seconds=20, rate=20, pause_s=4, gap_s=1)
FIGURES = {"forks": 0, "lost_final": 0, "back_max_s": 1, "import_max_s": 1, "interval_p50_s": 1}
FIGURES |= {"interval_p99_s": 1}


@pytest.mark.net
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("devnet")
def test_validators_that_are_paused_killed_and_restarted_come_back(tmp_path: Path) -> None:
    figures = run_plan(SMALL, tmp_path)
    assert (figures["forks"], figures["lost_final"], figures["misbehaviour"]) == (0, 0, []), figures
    assert figures["perturbations"] >= 2, figures
    assert figures["back_max_s"] <= BACK_MAX_S, figures
    assert figures["announced"] > 20, figures
    assert figures["final"] > 0, figures


@pytest.mark.parametrize(
    ("plan", "changed", "told"),
    [
        (Plan(), {}, []),
        (Plan(), {"forks": 1}, ["forks 1 > 0"]),
        (Plan(kills=1), {"lost_final": 2}, ["lost_final 2 > 0"]),
        (Plan(), {"back_max_s": 20.1}, ["back_max_s 20.1 > 20.0"]),
        (Plan(), {"import_max_s": 6}, []),
        (Plan(kills=1), {"import_max_s": 6}, ["import_max_s 6 > 5.0"]),
        (Plan(), {"interval_p50_s": 1.3}, ["interval_p50_s 1.3 > 1.2"]),
        (Plan(), {"misbehaviour": ["authority_misbehaved"]}, ["log: authority_misbehaved"]),
    ],
)
def test_broken_limits_are_named(plan: Plan, changed: dict[str, object], told: list[str]) -> None:
    assert list_broken({**FIGURES, "misbehaviour": [], **changed}, plan) == told
