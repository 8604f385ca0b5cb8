"""Weights: every call has one, measured on a case that works, and the check tells what is missing."""

import pytest

from benchmarks import weights
from benchmarks.weight_scene import Act, Case, Cases, Scene
from benchmarks.weights import Costs, Figures, check, measure_case, render
from tests.support.chain import ALICE

COSTS = Costs(read_ps=7, write_ps=11, remark_ps=0, proof_bytes=100)
CASES = [case for cases in weights.FILES.values() for case in cases.listed]


def test_every_call_has_its_weight_and_every_weight_its_call() -> None:
    assert check() == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_works_and_gives_its_constants(case: Case) -> None:
    found = measure_case(case, COSTS, 1)
    assert tuple(found) == case.constants()
    base = found[case.name]
    assert isinstance(base, Figures)
    assert base.ref_time > 0


def without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fewer = Cases()
    fewer.listed = [case for case in weights.FILES["token"].listed if case.name != name]
    monkeypatch.setitem(weights.FILES, "token", fewer)


def test_check_names_a_call_that_nobody_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "BALANCES_BURN")
    assert check() == [
        "pallets/token/weights.py has BALANCES_BURN for no case",
        "Balances.burn has no measured weight (BALANCES_BURN)",
    ]


def test_check_names_a_constant_that_was_not_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Cases()
    more.listed = list(weights.FILES["token"].listed)
    more.add("BALANCES_NEW", BYTE=1)(lambda _scene, _size: lambda: None)
    monkeypatch.setitem(weights.FILES, "token", more)
    assert check() == [
        "pallets/token/weights.py lacks BALANCES_NEW",
        "pallets/token/weights.py lacks BALANCES_NEW_PER_BYTE",
    ]


def test_nothing_is_written_that_would_leave_a_pallet_without_its_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [fault for name in weights.FILES for fault in weights.unmeasured(name)] == []
    without(monkeypatch, "BALANCES_BURN")
    monkeypatch.setattr("sys.argv", ["weights", "token"])
    monkeypatch.setattr(weights, "measure_general", lambda: pytest.fail("nothing is measured"))
    with pytest.raises(SystemExit, match=r"balances\.py uses weights\.BALANCES_BURN, which no case gives"):
        weights.main()


def transfer(scene: Scene) -> Act:
    return scene.act(ALICE, "Balances.transfer_keep_alive", bytes([1] * 32), 10**12)


def test_keys_read_and_entries_written_count() -> None:
    case = Case("X", transfer, (), ())
    plain = weights.sample(case, (), 1, COSTS)
    # Both accounts are read and written; their values are 80 bytes, one of them absent.
    assert (plain.reads, plain.writes, plain.proof) == (2, 2, 2 * 100 + 80)
    assert weights.total(plain._replace(time_ps=1_000), COSTS) == Figures(1_000 + 2 * 7 + 2 * 11, 280)


def test_case_that_fails_is_noticed() -> None:
    def poor(scene: Scene) -> Act:
        return scene.act(ALICE, "Balances.transfer_keep_alive", bytes([1] * 32), 10**30)

    with pytest.raises(AssertionError, match="FundsUnavailable"):
        measure_case(Case("X", poor, (), ()), COSTS, 1)


def test_generated_module_names_machine_date_python_and_commit() -> None:
    text = render("core", {"A": Figures(1_000, 2), "DB_READ": 5})
    assert "A: Final = Weight(1_000, 2)\nDB_READ: Final = 5\n" in text
    for word in ("Machine: ", "Date: ", "Python ", "Commit: ", "do not edit"):
        assert word in text
