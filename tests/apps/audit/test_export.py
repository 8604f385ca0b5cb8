"""An export has every row of its range once, goes on after an interruption, and notices another chain."""

import json
from pathlib import Path
from typing import Any

import pytest

from apps.audit.errors import Differs, Unchecked
from apps.audit.export import (
    STATE,
    Progress,
    Range,
    collect,
    find_last,
    load_progress,
    render,
    save_progress,
    write_lines,
)
from apps.audit.plain import Record
from apps.audit.row_proof import decode_proof, encode_row, ensure_proven
from apps.audit.rows import Kind
from apps.audit.witness import Witness
from runtime.primitives.row_tree import compute_root
from runtime.primitives.types import ZERO_HASH, Hash
from tests.apps.audit.scene import hash_at, ignore, make_chain, watched

pytestmark = pytest.mark.slow

GENESIS = Hash(b"\1" * 32)
WANTED = Range(GENESIS, Kind.REGULATED, 1, 9, is_proven=True)


def range_of(witness: Witness, first: int, last: int, kind: Kind = Kind.REGULATED) -> Range:
    return Range(witness.chain.genesis, kind, first, last, is_proven=True)


def make_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


async def rows_of(witness: Witness, wanted: Range, folder: Path) -> tuple[list[Record | bytes], Hash]:
    async with collect(witness, wanted, folder, ignore) as spool:
        return list(spool.rows()), spool.root


async def test_every_regulated_event_is_a_row_with_its_leaf_and_its_proof(tmp_path: Path) -> None:
    async with watched(await make_chain()) as witness:
        done: list[int] = []
        async with collect(witness, range_of(witness, 1, 7), tmp_path, done.append) as spool:
            rows = list(spool.rows())
            proofs = [decode_proof(line) for line in spool.proofs()]
            lines = list(render(spool, Kind.REGULATED, witness.chain.runtime.metadata, is_csv=False))
            table = list(render(spool, Kind.REGULATED, witness.chain.runtime.metadata, is_csv=True))
            root = spool.root
    assert done[-1] == 7
    names = [row["name"] for row in rows if isinstance(row, dict)]
    consents = ["ConsentGiven", "CaseOpened", "ConsentGiven"]
    assert names == [*consents, "CaseReviewed", "ConsentWithdrawn", "CaseOpened"]
    assert [json.loads(line) for line in lines] == rows
    assert len(table) == len(rows) + 1
    assert root == compute_root([encode_row(row) for row in rows])
    for proof, row in zip(proofs, rows, strict=True):
        assert proof.row == row
        ensure_proven(proof, root)


async def test_a_part_of_the_range_has_a_part_of_the_rows(tmp_path: Path) -> None:
    async with watched(await make_chain()) as witness:
        whole, _ = await rows_of(witness, range_of(witness, 1, 7), make_folder(tmp_path, "whole"))
        first, _ = await rows_of(witness, range_of(witness, 1, 4), make_folder(tmp_path, "first"))
        second, _ = await rows_of(witness, range_of(witness, 5, 7), make_folder(tmp_path, "second"))
        none, root = await rows_of(witness, range_of(witness, 3, 3), make_folder(tmp_path, "none"))
    assert first + second == whole
    assert (none, root) == ([], compute_root([]))


async def test_the_node_walks_back_to_old_blocks_in_steps(tmp_path: Path) -> None:
    chain = await make_chain()
    steps = ["0x" + hash_at(chain, number).hex() for number in (5, 3, 2, 3)]
    asked: list[str] = []

    def listen(method: str, params: list[Any], result: Any) -> Any:
        if method == "state_getReadProof":
            asked.append(params[1])
        return result

    async with watched(chain, listen, walk_blocks=2) as witness:
        await rows_of(witness, range_of(witness, 2, 3), tmp_path)
    assert asked == steps


async def test_an_interrupted_export_goes_on_where_it_was(tmp_path: Path) -> None:
    chain = await make_chain()
    async with watched(chain) as witness:
        whole, root = await rows_of(witness, range_of(witness, 1, 7), make_folder(tmp_path, "whole"))
        folder, wanted = make_folder(tmp_path, "part"), range_of(witness, 1, 7)
        async with collect(witness, range_of(witness, 1, 4), folder, ignore) as spool:
            state = Progress(5, hash_at(chain, 4), spool.length, spool.size)
            spool.append({"half": "a page that was not counted any more"})
        save_progress(folder, wanted, state)
        asked: list[int] = []
        async with collect(witness, wanted, folder, asked.append) as spool:
            assert (list(spool.rows()), spool.root) == (whole, root)
        assert asked[0] == 4
        async with collect(witness, wanted, folder, ignore) as spool:  # which is finished by now
            assert spool.root == root


async def test_a_chain_that_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    async with watched(await make_chain()) as witness:
        wanted = range_of(witness, 1, 7)
        save_progress(tmp_path, wanted, Progress(5, Hash(b"\1" * 32), 0, 0))
        with pytest.raises(Differs, match="block 4 is not the one that was exported"):
            async with collect(witness, wanted, tmp_path, ignore):
                pass


def test_progress_is_found_again_and_belongs_to_one_export(tmp_path: Path) -> None:
    assert load_progress(tmp_path, WANTED) == Progress(1, ZERO_HASH, 0, 0)
    assert find_last(tmp_path) is None
    saved = Progress(5, Hash(b"\2" * 32), 3, 99)
    save_progress(tmp_path, WANTED, saved)
    assert load_progress(tmp_path, WANTED) == saved
    assert find_last(tmp_path) == 9
    others = (
        WANTED._replace(last=8),
        WANTED._replace(kind=Kind.TRADES),
        WANTED._replace(is_proven=False),
        WANTED._replace(genesis=ZERO_HASH),
    )
    for other in others:
        with pytest.raises(Unchecked, match="another export"):
            load_progress(tmp_path, other)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"range":[]}', '{"following":1,"before":"zz"}'])
def test_a_damaged_note_is_not_gone_on_with(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE).write_text(text)
    with pytest.raises(Unchecked, match="damaged"):
        load_progress(tmp_path, WANTED)
    with pytest.raises(Unchecked, match="damaged"):
        find_last(tmp_path)


async def test_rows_that_were_lost_are_not_gone_on_with(tmp_path: Path) -> None:
    chain = await make_chain()
    async with watched(chain) as witness:
        wanted = range_of(witness, 1, 7)
        save_progress(tmp_path, wanted, Progress(5, hash_at(chain, 4), 1, 10))
        with pytest.raises(Unchecked, match="lost what was collected"):
            async with collect(witness, wanted, tmp_path, ignore):
                pass


def test_a_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"

    def failing() -> Any:
        yield "a\n"
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_lines(path, failing())
    assert list(tmp_path.iterdir()) == []
    write_lines(path, iter(["a\n", "b\n"]))
    assert path.read_text() == "a\nb\n"
