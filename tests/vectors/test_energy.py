"""Every answer of the energy market's vector files is compared: damage to any of them is noticed."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.case import MalformedFile, run_plan
from tests.vectors.formats import FORMATS

DATA = Path(__file__).parent / "data"
COUNTS = {
    "aml_rules": 12,
    "arithmetic": 40,
    "certificates": 7,
    "clearing_cda": 12,
    "clearing_uniform": 85,
    "clearing_zonal": 22,
    "gov_tally": 30,
    "oracle_freshness": 6,
    "oracle_median": 30,
    "pdpa_commitment": 5,
    "peer_mechanisms": 29,
    "pool": 8,
    "settlement": 19,
    "tariff": 9,
}
ANSWERS = {
    "aml_rules": ("flags",),
    "arithmetic": ("value", "fee", "value_thb", "fee_thb"),
    "certificates": ("issued", "total_wh", "minted", "remainder_wh"),
    "oracle_freshness": ("fresh", "permille", "meets_95pct"),
    "pdpa_commitment": ("commitment",),
    "peer_mechanisms": ("welfare_max", "uniform"),
    "tariff": ("energy", "ft_amount", "subtotal", "vat", "total_exact", "total_2dp"),
    "clearing_zonal": ("max_welfare_tick_wh", "isolated_welfare_tick_wh", "max_volume_at_optimum"),
}
"""The keys under which a case has its answers; `expect` where none is told."""
WEEK = json.loads((DATA / "replay_homes15_week.json").read_bytes())
WEEK_ANSWERS = sorted(WEEK.keys() - {"params"})
CASES_DAMAGED = 2
LEAVES_MAX = 60


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((DATA / f"{name}.json").read_bytes())
    return document


def find_leaves(value: Any, keys: tuple[str, ...], *, is_answer: bool) -> Iterator[tuple[Any, Any]]:
    """The containers and keys of all scalars under one of the keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        inside = is_answer or key in keys
        if isinstance(inner, dict | list):
            yield from find_leaves(inner, keys, is_answer=inside)
        elif inside:
            yield value, key


def damage(value: Any) -> Any:
    match value:
        case None:
            return 1
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value.startswith("R"):
            return f"R{int(value[1]) % 3 + 1}_other"
        case str() if value[-1].isdigit():
            return value[:-1] + str((int(value[-1]) + 1) % 10)
        case _:
            return f"{value}x"


def fails(name: str, document: dict[str, Any]) -> bool:
    return any(run_plan(FORMATS[name](document)))


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_every_case_is_run(name: str) -> None:
    assert list(run_plan(FORMATS[name](load(name)))) == [None] * COUNTS[name]


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_damage_to_any_answer_is_noticed(name: str) -> None:
    entries = sorted(load(name)["cases"], key=lambda entry: -len(json.dumps(entry)))
    chosen = entries[len(entries) // 2 :][:CASES_DAMAGED]
    damaged = 0
    for entry in chosen:
        keys = ANSWERS.get(name, ("expect",))
        for container, key in list(find_leaves(entry, keys, is_answer=False))[:LEAVES_MAX]:
            right = container[key]
            container[key] = damage(right)
            assert fails(name, {"cases": [entry]}), (key, right)
            container[key] = right
            damaged += 1
        assert not fails(name, {"cases": [entry]})
    assert damaged >= CASES_DAMAGED


def test_flow_outside_the_range_of_all_optima_is_noticed() -> None:
    entry = load("clearing_zonal")["cases"][0]
    entry["expect"]["flow_range_at_optimum"] = [[301, 400]]
    assert fails("clearing_zonal", {"cases": [entry]})


@pytest.mark.parametrize("key", WEEK_ANSWERS)
def test_damage_to_the_week_is_noticed(key: str) -> None:
    document = copy.deepcopy(WEEK)
    *_, (container, place) = find_leaves(document, (key,), is_answer=False)
    container[place] = damage(container[place])
    assert fails("replay_homes15_week", document)


@pytest.mark.parametrize("name", sorted(COUNTS))
@pytest.mark.parametrize("document", [{}, {"cases": []}, {"cases": 5}, {"cases": [1]}])
def test_file_without_cases_is_refused(name: str, document: dict[str, Any]) -> None:
    with pytest.raises(MalformedFile):
        FORMATS[name](document)


def test_week_without_balances_is_refused() -> None:
    with pytest.raises(MalformedFile):
        FORMATS["replay_homes15_week"]({"params": {}})
