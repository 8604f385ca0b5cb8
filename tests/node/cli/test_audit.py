"""`loam audit`: each way in which a check ends has its exit code and its sentence."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from node.chain.chain import Chain
from node.config import ExitCode
from tests.apps.audit.scene import DAY, Lie, hash_at, honest, make_chain, served
from tests.node.cli.running import Loam, Outcome

pytestmark = pytest.mark.slow

Ask = Callable[..., Coroutine[Any, Any, Outcome]]


@asynccontextmanager
async def asking(loam: Loam, chain: Chain, lie: Lie = honest) -> AsyncIterator[Ask]:
    """Serve a chain, and run commands that ask its node."""
    async with served(chain, lie) as server:

        async def ask(*arguments: str | Path) -> Outcome:
            return await asyncio.to_thread(loam, "audit", *arguments, "--url", server.url, "--no-progress")

        yield ask


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


async def test_a_day_that_is_right(loam: Loam, tmp_path: Path) -> None:
    async with asking(loam, await make_chain()) as ask:
        proofs = tmp_path / "proofs"
        done = await ask("day", "2025-01-01", "--chain", "dev", "--proofs", proofs)
    assert done.code == 0, done
    assert done.out.startswith(f"Day {DAY} is right: 4 leaves of blocks 1 to 5, root 0x")
    assert "certificates of the chain's authorities since genesis" in done.err
    root = done.out.split()[-1]
    shown = loam.ok("audit", "verify", proofs, "--root", root, "--rows", "4")
    assert shown == f"4 of the 4 rows of root {root} are proven\n"


async def test_without_a_specification_what_is_not_checked_is_said(loam: Loam) -> None:
    async with asking(loam, await make_chain()) as ask:
        done = await ask("day", str(DAY))
    assert done.code == 0
    assert "the node's word for which blocks are final: give --chain or --trusted-block" in done.err


async def test_a_named_block_takes_the_place_of_a_specification(loam: Loam) -> None:
    chain = await make_chain()
    async with asking(loam, chain) as ask:
        right = f"7:0x{hash_at(chain, 7).hex()}"
        assert (await ask("day", str(DAY), "--trusted-block", right)).code == 0
        wrong = await ask("day", str(DAY), "--trusted-block", f"7:0x{hash_at(chain, 6).hex()}")
        assert (wrong.code, wrong.err.startswith("Differs: the node's block 7 is not")) == (1, True)
        for text in ("7", "x:0x00", "7:0x12", f"-7:{'00' * 32}"):
            refused = await ask("day", str(DAY), "--trusted-block", text)
            assert refused.code == 2
            assert "--trusted-block: expected NUMBER:HASH" in refused.err


async def test_a_node_that_lies_about_an_event_is_told_by_exit_code_1(loam: Loam) -> None:
    chain = await make_chain()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "state_getStorage" and params[1:] == ["0x" + hash_at(chain, 4).hex()]:
            return "0x00"
        return result

    async with asking(loam, chain, lie) as ask:
        done = await ask("day", str(DAY), "--chain", "dev")
    assert done.code == 1
    assert done.err.startswith(f"Differs: day {DAY}: the chain's log has 4 leaves, its blocks have 3")
    assert "the first row that differs is event 0 of block 4" in done.err


async def test_a_history_that_was_pruned_is_told_by_exit_code_2(loam: Loam) -> None:
    async with asking(loam, await make_chain(window=2)) as ask:
        done = await ask("day", str(DAY))
        rows = await ask("rows", "--kind", "regulated")
    for one in (done, rows):
        assert one.code == 2
        assert one.err.startswith("Not checked: block")
        assert "ask a node that runs with --state-pruning archive" in one.err


async def test_what_cannot_be_asked_is_told_by_exit_code_2(loam: Loam) -> None:
    async with asking(loam, await make_chain()) as ask:
        for day, reason in (("2025-01-03", "is not over"), ("2024-12-31", "no block is of day")):
            done = await ask("day", day)
            assert done.code == 2
            assert reason in done.err
        assert (await ask("day", "yesterday")).code == 2
        assert (await ask("report", "sec", "2025-Q1")).err.startswith("Not checked: the period is not over")
        assert (await ask("rows", "--kind", "orders", "--from", "9")).err == (
            "Not checked: the last final block is 7\n"
        )


async def test_rows_go_to_a_file_with_a_proof_of_each(loam: Loam, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    async with asking(loam, await make_chain()) as ask:
        done = await ask(
            *(
                "rows",
                "--kind",
                "regulated",
                "--format",
                "csv",
                "--output",
                path,
                "--proofs",
                "--chain",
                "dev",
            )
        )
    assert done.code == 0, done
    assert done.err.startswith("6 rows of blocks 1 to 7, root 0x")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["block"] for row in rows] == ["2", "2", "2", "4", "5", "6"]
    assert names_in(tmp_path) == ["rows.csv", "rows.csv.proofs"]
    proofs = tmp_path / "rows.csv.proofs"
    shown = loam("audit", "verify", proofs)
    assert (shown.code, shown.out[:13]) == (0, "6 of the 6 ro")
    assert "the file's own word" in shown.err


async def test_rows_go_to_standard_output_as_lines_of_json(loam: Loam) -> None:
    async with asking(loam, await make_chain()) as ask:
        done = await ask("rows", "--kind", "regulated", "--from", "5", "--to", "6", "--unproven")
    assert [json.loads(line)["name"] for line in done.out.splitlines()] == ["ConsentWithdrawn", "CaseOpened"]
    assert "Events are the node's word." in done.err


async def test_an_interrupted_export_goes_on(loam: Loam, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    chain = await make_chain()

    def fail_once(method: str, params: list[Any], result: Any) -> Any:
        if method == "state_getReadProof" and params[1] == "0x" + hash_at(chain, 6).hex() and not failed:
            failed.append(6)
            return {"proof": []}
        return result

    failed: list[int] = []
    async with asking(loam, chain, fail_once) as ask:
        first = await ask("rows", "--kind", "regulated", "--output", path)
        assert (first.code, path.exists()) == (2, False)
        second = await ask("rows", "--kind", "regulated", "--output", path)
    assert second.code == 0, second
    assert len(path.read_text().splitlines()) == 6
    assert names_in(tmp_path) == [path.name]


async def test_a_report_is_compared_with_a_document_row_by_row(loam: Loam, tmp_path: Path) -> None:
    path = tmp_path / "ropa.json"
    async with asking(loam, await make_chain(ends=True)) as ask:
        made = await ask("report", "pdpa", "2025", "--output", path)
        assert made.code == 0, made
        assert made.err.startswith("pdpa 2025: 3 events of 3 kinds; 3 rows of blocks 1 to 7, root 0x")
        table = await ask("report", "pdpa", "2025", "--format", "csv", "--against", path)
        assert (table.code, table.out.splitlines()[0]) == (0, "row,event,detail,count")
        text = path.read_text()
        path.write_text(text.replace('"count":1', '"count":7', 1))
        wrong = await ask("report", "pdpa", "2025", "--against", path)
        assert (wrong.code, wrong.err.splitlines()[-1]) == (
            1,
            "Differs: row 0 differs: count: 7 instead of 1",
        )
        missing = await ask("report", "pdpa", "2025", "--check")
        assert missing.code == 2
        assert "the chain has no report of this kind and period yet" in missing.err


@pytest.mark.parametrize(
    ("forge", "code", "sentence"),
    [
        (lambda one: {**one, "place": one["place"] + 1}, 1, "Differs: line 1: row 1 is not at that place"),
        (lambda one: {**one, "leaf": one["leaf"] + "00"}, 1, "Differs: line 1: row 0 is not at that place"),
        (lambda one: {**one, "root": "0x" + "00" * 32}, 1, "Differs: line 1: row 0 is not at that place"),
        (lambda one: {**one, "siblings": one["siblings"][1:]}, 1, "Differs: line 1"),
        (lambda one: {**one, "format": "other"}, 2, "Not checked: this is no proof"),
    ],
)
async def test_a_forged_proof_is_found_offline(
    loam: Loam, tmp_path: Path, forge: Callable[[dict[str, Any]], dict[str, Any]], code: int, sentence: str
) -> None:
    proofs = tmp_path / "proofs"
    async with asking(loam, await make_chain()) as ask:
        assert (await ask("day", str(DAY), "--proofs", proofs)).code == 0
    lines = proofs.read_text().splitlines()
    proofs.write_text("\n".join([json.dumps(forge(json.loads(lines[0]))), *lines[1:]]))
    done = loam("audit", "verify", proofs)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(sentence)


async def test_proofs_are_for_the_root_and_the_number_of_rows_that_are_trusted(
    loam: Loam, tmp_path: Path
) -> None:
    proofs = tmp_path / "proofs"
    async with asking(loam, await make_chain()) as ask:
        assert (await ask("day", str(DAY), "--proofs", proofs)).code == 0
    other = loam("audit", "verify", proofs, "--root", "00" * 32)
    assert (other.code, other.err.startswith("Differs: line 1: row 0: the proof is for the root")) == (
        1,
        True,
    )
    more = loam("audit", "verify", proofs, "--rows", "5")
    assert (more.code, more.err) == (1, "Differs: line 1: the proof is for a list of 4 rows, not 5\n")
    assert "expected 32 bytes" in loam.fail(2, "audit", "verify", proofs, "--root", "0x12")
    for text in ("", "x" * 3_000_000, "\n", "\xff"):
        proofs.write_text(text)
        assert loam("audit", "verify", proofs).code == 2


@pytest.mark.slow
def test_a_node_that_is_not_there_is_told_by_exit_code_2(loam: Loam) -> None:
    done = loam("audit", "day", "2025-01-01", "--url", "ws://127.0.0.1:1", "--no-progress")
    assert (done.code, done.err) == (2, "Not checked: no node answers at ws://127.0.0.1:1\n")


def test_options_that_do_not_fit_are_refused_before_anything_is_asked(
    loam: Loam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = ("--url", "ws://127.0.0.1:1")
    assert "--proofs" in loam.fail(2, "audit", "rows", "--kind", "orders", "--proofs", *url)
    assert "--to" in loam.fail(2, "audit", "rows", "--kind", "orders", "--from", "5", "--to", "4", *url)
    assert "secret" in loam.fail(2, "audit", "report", "sec", "2025-Q1", "--submit", *url)
    monkeypatch.setenv("LOAM_AUDIT_SECRET", "hidden hidden hidden")
    refused = loam.fail(2, "audit", "report", "sec", "2025-Q1", "--submit", *url)
    assert "hidden" not in refused
    open_to_others = tmp_path / "secret"
    open_to_others.write_text("//Alice\n")
    open_to_others.chmod(0o640)
    submit = ("audit", "report", "sec", "2025-Q1", "--submit", "--secret-file", open_to_others, *url)
    assert str(open_to_others) in loam.fail(ExitCode.KEY_MISSING, *submit)
    assert loam("audit", "report", "sec", "2025-07", *url).code == 2
    assert loam("audit", "rows", "--kind", "everything", *url).code == 2
    assert "no directory" in loam.fail(
        2, "audit", "rows", "--kind", "orders", "--output", tmp_path / "no" / "rows", *url
    )
