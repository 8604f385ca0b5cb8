"""The vector program: all files pass, every damaged verdict is noticed, unusable files are named."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.__main__ import main
from tests.vectors.case import MalformedFile, run_plan
from tests.vectors.formats import FORMATS, load_plan
from tests.vectors.wire import NOT_RUN, NOT_RUN_ENTRIES, NOTES, SECTIONS, WHOLE, plan_wire

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.glob("*.json"))
WIRE: dict[str, Any] = json.loads((DATA / "wire.json").read_bytes())


def run(path: Path) -> tuple[int, list[str]]:
    outcomes = list(run_plan(load_plan(path)))
    return outcomes.count(None), [str(failure) for failure in outcomes if failure is not None]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_case_of_every_file_passes(path: Path) -> None:
    passed, failures = run(path)
    assert failures == []
    assert passed > 0


def test_every_format_has_its_file() -> None:
    assert {path.name.partition(".")[0] for path in FILES} == set(FORMATS)


def test_every_file_has_its_source_written_down() -> None:
    sources = (DATA / "SOURCES.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in sources for path in FILES)


@pytest.mark.parametrize(("name", "count"), [("cctv", 585), ("speccheck", 8), ("wycheproof", 97)])
def test_ed25519_files_have_all_their_cases(name: str, count: int) -> None:
    assert run(DATA / f"ed25519_{name}.json") == (count, [])


def test_suri_file_has_accepted_and_refused_uris_that_can_fail() -> None:
    document = json.loads((DATA / "suri.json").read_bytes())
    kinds = ["refused" in entry for entry in document["cases"]]
    assert sum(kinds) > 60
    assert len(kinds) - sum(kinds) > 90
    for entry in document["cases"]:
        if entry.pop("refused", None) is None:
            entry["polkadot_js"] = damage_text(entry["polkadot_js"])
    assert None not in list(run_plan(FORMATS["suri"](document)))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("double_sign_guard", 9),
        ("bft_quorum", 33),
        ("ecvrf_edwards25519", 83),
        ("h2c_edwards25519_ell2_nu", 3),
    ],
)
def test_consensus_files_have_all_their_cases(name: str, count: int) -> None:
    assert run(DATA / f"{name}.json") == (count, [])


def test_every_value_of_a_verifiable_random_function_is_compared() -> None:
    document = json.loads((DATA / "ecvrf_edwards25519.json").read_bytes())
    document["cases"] = [one for one in document["cases"] if one["kind"] == "prove+verify"]
    document["count"] = len(document["cases"])
    for key in ("verify_strict", "H", "pi", "beta"):
        changed = copy.deepcopy(document)
        for entry in changed["cases"]:
            entry[key] = not entry[key] if key == "verify_strict" else damage_text(entry[key])
        assert None not in list(run_plan(FORMATS["ecvrf_edwards25519"](changed)))


def test_every_answer_of_the_guard_is_compared() -> None:
    document = json.loads((DATA / "double_sign_guard.json").read_bytes())
    answers = {"sign", "refuse", "resend stored signature"}
    for case in document["cases"]:
        for request in case["requests"]:
            right = request["expect"]
            for wrong in answers - {right}:
                request["expect"] = wrong
                failures = [
                    failure for failure in run_plan(FORMATS["double_sign_guard"](document)) if failure
                ]
                assert [failure.name for failure in failures] == [case["name"]]
            request["expect"] = right


@pytest.mark.parametrize("key", ["n", "quorum", "pbft_2f_plus_1", "two_f_plus_1_is_safe"])
def test_every_number_of_a_quorum_is_compared(key: str) -> None:
    document = json.loads((DATA / "bft_quorum.json").read_bytes())
    for entry in document["cases"]:
        step = (
            entry["n"] if key == "pbft_2f_plus_1" else 3
        )  # one vote more or less may still be on the same side
        entry[key] = not entry[key] if isinstance(entry[key], bool) else entry[key] + step
        if key == "pbft_2f_plus_1" and entry["two_f_plus_1_is_safe"]:
            entry[key] = 0
    outcomes = list(run_plan(FORMATS["bft_quorum"](document)))
    assert None not in outcomes


class TestWire:
    def test_every_section_is_run_or_explained_once(self) -> None:
        tables = [set(NOTES), set(SECTIONS), set(WHOLE), set(NOT_RUN)]
        assert set.union(*tables) == set(WIRE)
        assert sum(map(len, tables)) == len(WIRE)
        assert all(NOT_RUN.values())

    @pytest.mark.slow
    @pytest.mark.parametrize("section", sorted(SECTIONS))
    def test_every_entry_is_a_case_and_damage_to_it_is_noticed(self, section: str) -> None:
        entries = WIRE[section]
        plan = plan_wire({section: entries})
        assert len(plan.cases) + len(plan.skipped) == len(entries)
        for index, entry in enumerate(entries):
            if f"{section}[{index}]" in plan.skipped:
                continue
            damaged = list(entries)
            damaged[index] = damage(entry)
            failures = [failure for failure in run_plan(plan_wire({section: damaged})) if failure is not None]
            assert [failure.name for failure in failures] == [f"{section}[{index}]"]

    @pytest.mark.slow
    @pytest.mark.parametrize("key", sorted(WIRE["signing"][0].keys() - {"name", "signature_deterministic"}))
    def test_every_field_of_a_signed_extrinsic_is_compared(self, key: str) -> None:
        for entry in WIRE["signing"]:
            outcomes = list(run_plan(plan_wire({"signing": [{**entry, key: damage_value(entry[key])}]})))
            assert None not in outcomes

    def test_only_the_entries_written_down_are_passed_over(self) -> None:
        assert set(plan_wire(WIRE).skipped) == {*NOT_RUN, *NOT_RUN_ENTRIES}
        for name, (entry, reason) in NOT_RUN_ENTRIES.items():
            section, _, index = name.rstrip("]").partition("[")
            assert WIRE[section][int(index)] == entry
            assert reason

    @pytest.mark.parametrize("section", sorted(WHOLE))
    def test_damage_to_a_single_section_is_noticed(self, section: str) -> None:
        (failure,) = run_plan(plan_wire({section: damage(WIRE[section])}))
        assert failure is not None
        assert failure.name == section

    def test_entry_without_its_keys_is_a_failure_and_not_a_crash(self) -> None:
        for section in SECTIONS:
            (failure,) = run_plan(plan_wire({section: [{}]}))
            assert failure is not None

    def test_unknown_section_is_refused(self) -> None:
        with pytest.raises(MalformedFile, match="'more' is unknown"):
            plan_wire({**WIRE, "more": []})

    @pytest.mark.parametrize("content", [[], {}, "text", None, [1], [{}, None]])
    def test_section_that_is_no_list_of_objects_is_refused(self, content: object) -> None:
        with pytest.raises(MalformedFile, match="'hash' is not a list"):
            plan_wire({"hash": content})

    @pytest.mark.parametrize("document", [{}, {"_about": "nothing else"}, {"metadata": {}}])
    def test_file_without_a_case_is_refused(self, document: dict[str, Any]) -> None:
        with pytest.raises(MalformedFile, match="no section"):
            plan_wire(document)


ANSWERS = (
    *(
        "accepted",
        "ok",
        "valid",
        "expected_node_behaviour",
        "variant",
        "hex",
        "key",
        "prefix",
        "address",
        "id",
    ),
    *("public", "blake2b_256", ":code", "hash", "extrinsic_hash", "System"),
)
"""The fields of entries that a program answers; the first that an entry has is damaged."""


def damage(entry: Any) -> Any:
    """Return a copy of an entry with one wrong answer in it."""
    if not isinstance(entry, dict):
        return damage_value(entry)
    key = next(key for key in ANSWERS if key in entry and not isinstance(entry[key], list))
    return {**entry, key: damage_value(entry[key])}


def damage_value(value: Any) -> Any:
    """Return another value of the same kind: hex stays hex, base58 stays base58."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return damage_text(value)
        case [first, *rest]:
            return [damage_value(first), *rest]
        case _:
            raise AssertionError(f"no way to damage {value}")


def damage_text(text: str) -> str:
    """Return the text with another last character, or another first one where it is a word."""
    if text.isdecimal() or text.startswith("0x") or len(text) > 45:
        return text[:-1] + ("1" if text[-1] != "1" else "2")
    return "x" + text


class TestProgram:
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[str, str], str]:
        def write(name: str, content: str) -> str:
            path = tmp_path / name
            path.write_text(content, encoding="utf-8")
            return str(path)

        return write

    def test_files_that_pass_give_one_line_of_totals(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(DATA / "ed25519_speccheck.json"), str(DATA / "ed25519_wycheproof.json")]) == 0
        assert capsys.readouterr().out == "105 passed, 0 failed\n"

    def test_sections_not_run_are_printed_with_their_reason(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(DATA / "wire.json")]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if "metadata: " in line]
        assert len(lines) == len(NOT_RUN) + len(NOT_RUN_ENTRIES) + 1
        assert lines[-1].endswith(" passed, 0 failed")

    def test_failing_case_is_printed_and_ends_with_1(
        self, make: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        document = json.loads((DATA / "ed25519_speccheck.json").read_text(encoding="utf-8"))
        document["cases"][2]["verdicts"]["strict"] = False
        path = make("ed25519_speccheck.damaged.json", json.dumps(document))
        assert main([path]) == 1
        out = capsys.readouterr().out.splitlines()
        assert out == [f"FAILED {path}: index 3: verdict is True, expected False", "7 passed, 1 failed"]

    def test_name_counts_up_to_the_first_dot(self, make: Callable[[str, str], str]) -> None:
        content = (DATA / "ed25519_speccheck.json").read_text(encoding="utf-8")
        assert main([make("ed25519_speccheck.v2.copy", content)]) == 0
        assert main([make("ed25519_speccheck", content)]) == 0

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            (
                "unheard.json",
                "{}",
                "no vector format is named 'unheard'; known are aml_rules, arithmetic, bft_quorum",
            ),
            (".json", "{}", "no vector format is named ''"),
            ("WIRE.json", "{}", "no vector format is named 'WIRE'"),
            ("wire.json", "", "is not JSON"),
            ("wire.json", "{", "is not JSON"),
            ("wire.json", "[" * 100_000, "is not JSON"),
            ("wire.json", "[]", "is not a JSON object"),
            ("wire.json", "{}", "holds no section"),
            ("ed25519_cctv.json", "{}", "'cases' is not a list"),
            ("ed25519_cctv.json", '{"count": 2, "cases": [{"number": 1}]}', "'count' is 2"),
            ("ed25519_cctv.json", '{"count": 1, "cases": [{"pk": ""}]}', "none of the keys"),
        ],
    )
    def test_unusable_file_is_explained_and_ends_with_2(
        self,
        make: Callable[[str, str], str],
        capsys: pytest.CaptureFixture[str],
        name: str,
        content: str,
        reason: str,
    ) -> None:
        path = make(name, content)
        good = str(DATA / "ed25519_speccheck.json")
        assert main([path, good]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith(f"ERROR {path}: ")
        assert reason in captured.err
        assert captured.out == "8 passed, 0 failed\n"

    def test_missing_file_and_folder_are_explained(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "wire").mkdir()
        assert main([str(tmp_path / "wire.json"), str(tmp_path / "wire")]) == 2
        assert capsys.readouterr().err.count("cannot be read") == 2

    def test_bytes_that_are_no_text_are_explained(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "wire.json"
        path.write_bytes(b'{"a": "\xff"}')
        assert main([str(path)]) == 2
        assert "is not JSON" in capsys.readouterr().err

    def test_no_file_is_a_usage_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 2
        assert "usage: python -m tests.vectors FILE" in capsys.readouterr().err
        assert main(["--help"]) == 0
