"""The pallets' vector file covers all of our items, and its checks can fail."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.case import run_plan
from tests.vectors.pallets import DIFFERENCES, OURS, describe_all, get_name, plan_pallets

DOCUMENT = json.loads((Path(__file__).parent / "data" / "pallets.json").read_bytes())
CASES: list[dict[str, Any]] = DOCUMENT["cases"]
PALLETS = {entry["pallet"] for entry in CASES}


def failures(entry: dict[str, Any]) -> list[object]:
    return [f for f in run_plan(plan_pallets({"count": 1, "cases": [entry]})) if f is not None]


def test_file_covers_the_pallets_that_wallets_know() -> None:
    shared = {"System", "Timestamp", "Balances", "Assets", "TransactionPayment", "Session"}
    assert shared | {"Utility", "Multisig", "Proxy", "Sudo"} == PALLETS


def test_every_item_of_these_pallets_is_in_the_file_or_explained() -> None:
    named = {get_name(entry) for entry in CASES}
    assert len(named) == len(CASES)
    ours = {name for name, item in describe_all().items() if item["pallet"] in PALLETS}
    assert ours - named == set(OURS)
    assert named >= set(DIFFERENCES)
    assert all((*DIFFERENCES.values(), *OURS.values()))


@pytest.mark.parametrize("key", ["index", "fields", "modifier", "hashers", "key", "value", "default", "type"])
def test_damage_to_any_part_of_an_item_is_noticed(key: str) -> None:
    damaged = [entry for entry in CASES if entry.get(key) and get_name(entry) not in DIFFERENCES]
    assert damaged
    assert all(failures({**entry, key: [] if key in {"fields", "hashers"} else "x"}) for entry in damaged)


@pytest.mark.parametrize("name", sorted(DIFFERENCES))
def test_difference_that_is_gone_is_noticed(name: str) -> None:
    entry = next(entry for entry in CASES if get_name(entry) == name)
    assert not failures(entry)
    assert failures(dict(describe_all()[name]))


def test_item_that_we_lack_is_a_failure_and_not_a_crash() -> None:
    assert failures({"pallet": "Balances", "kind": "call", "name": "mint", "index": 99, "fields": []})
