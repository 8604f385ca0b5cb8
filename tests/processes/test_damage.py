"""A flipped bit in any file of a chain's folder: the node tells of it, or serves what it always served."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any, NamedTuple

import pytest

from node.config import ExitCode
from tests.processes.running import DidNotStart, Ended, Load, RunningNode, run_loam

pytestmark = [pytest.mark.net, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("damage")]

REFUSED = ("db/marker.json", "db/leveldb/CURRENT", "db/leveldb/MANIFEST-*", "guard")
"""Without these nothing is known for sure."""
NAMED = {"db/leveldb/MANIFEST-*": "leveldb"}
"""What the error names instead of the file: LevelDB does not tell which one it is."""
SPARE = ("db/head", "genesis")
"""Of these there is a second copy, or they are computed anew."""
PARTLY = ("db/leveldb/*.ldb", "db/leveldb/*.log")
"""What is whole in these may be served."""
FLIPS = 4
"""Files of contents are damaged so many times, all others once; where, the seeds say."""
ENTRIES_MAX = 1000


class Served(NamedTuple):
    """What a node answered about the blocks up to the one that was final, and about that one's state."""

    blocks: list[Any]
    state: dict[str, str]


class Whole(NamedTuple):
    """A stopped node's folder, its chain specification, and what the node served."""

    base: Path
    spec: Path
    served: Served


def read_state(node: RunningNode, block_hash: str) -> dict[str, str]:
    """Return the whole state after a block."""
    state: dict[str, str] = {}
    last: str | None = None
    while keys := node.rpc("state_getKeysPaged", "0x", ENTRIES_MAX, last, block_hash):
        ((_, changes),) = [
            (one["block"], one["changes"]) for one in node.rpc("state_queryStorageAt", keys, block_hash)
        ]
        state.update(changes)
        last = keys[-1]
    return state


def read_all(node: RunningNode, number: int) -> Served:
    """Return what the node serves of the blocks up to a number."""
    hashes = node.rpc("chain_getBlockHash", list(range(number + 1)))
    return Served([node.rpc("chain_getBlock", one) for one in hashes], read_state(node, hashes[-1]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A chain with blocks both in tables and in the log."""
    folder = tmp_path_factory.mktemp("whole")
    base, spec = folder / "node", folder / "spec.json"
    spec.write_text("\n".join(run_loam("build-spec", "--chain", "dev").lines))
    for number in (2, 4):
        with RunningNode(base, "--chain", str(spec)) as node:
            with Load(node, ("Alice",)):
                node.wait_finalized(number)
            assert node.stop() == ExitCode.OK
        assert run_loam("db", "compact", "--chain", spec, "-d", base).code == ExitCode.OK
    with RunningNode(base, "--chain", str(spec)) as node:
        number, _ = node.wait_finalized(6)
        served = read_all(node, number)
        node.kill()
    whole = Whole(base, spec, served)
    for table in sorted((base / "chains" / "dev").glob("db/leveldb/*.ldb")):
        if verify_without(whole, table.relative_to(base), folder / "without").code == ExitCode.OK:
            table.unlink()  # a compaction that the kill interrupted; a flip in it damages nothing
    return whole


def verify_without(whole: Whole, file: Path, place: Path) -> Ended:
    """Return what `db verify` says of a copy that lacks a file."""
    shutil.copytree(whole.base, place)
    (place / file).unlink()
    verified = run_loam("db", "verify", "--no-progress", "--chain", whole.spec, "-d", place)
    shutil.rmtree(place)
    return verified


def flip(folder: Path, pattern: str, chance: Random) -> None:
    file = chance.choice(sorted(one for one in folder.glob(pattern) if one.stat().st_size))
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def start_damaged(whole: Whole, place: Path, pattern: str, number: int) -> tuple[Ended, RunningNode | Ended]:
    """Flip a bit in a copy; return what `db verify` says, and the node, or how its start ended."""
    base = place / f"node{number}"
    shutil.copytree(whole.base, base)
    flip(base / "chains" / "dev", pattern, Random(f"{pattern} {number}"))
    verified = run_loam("db", "verify", "--no-progress", "--chain", whole.spec, "-d", base)
    assert verified.code in {ExitCode.OK, ExitCode.DATABASE_CORRUPT}
    try:
        return verified, RunningNode(base, "--chain", str(whole.spec))
    except DidNotStart as error:
        return verified, error.ended


def ensure_told(ended: Ended) -> None:
    assert ended.code == ExitCode.DATABASE_CORRUPT
    assert len(ended.errors) == 1


def read_what_is_served(node: RunningNode, whole: Whole) -> int:
    """Compare what the node answers with what was served before; return the block that it stands on."""
    final = node.finalized()[0]
    known = whole.served.blocks[: final + 1]
    for number, block in enumerate(known):
        assert node.rpc("chain_getBlock", node.rpc("chain_getBlockHash", number)) == block
    if len(known) == len(whole.served.blocks):
        assert read_state(node, node.rpc("chain_getBlockHash", len(known) - 1)) == whole.served.state
    return final


@pytest.mark.parametrize("pattern", REFUSED)
def test_node_does_not_start_without_what_everything_stands_on(
    pattern: str, whole: Whole, tmp_path: Path
) -> None:
    verified, started = start_damaged(whole, tmp_path, pattern, 0)
    assert isinstance(started, Ended)
    ensure_told(started)
    assert NAMED.get(pattern, pattern.rpartition("/")[2]) in started.errors[0]
    assert (verified.code == ExitCode.OK) == (pattern == "guard")


@pytest.mark.parametrize("pattern", SPARE)
def test_node_serves_all_where_a_record_is_not_the_only_one(
    pattern: str, whole: Whole, tmp_path: Path
) -> None:
    verified, started = start_damaged(whole, tmp_path, pattern, 0)
    assert verified.code == ExitCode.OK
    assert isinstance(started, RunningNode)
    with started as node:
        assert read_what_is_served(node, whole) >= len(whole.served.blocks) - 1


@pytest.mark.parametrize("pattern", PARTLY)
def test_damaged_contents_are_refused_or_cut_away(pattern: str, whole: Whole, tmp_path: Path) -> None:
    told = 0
    for number in range(FLIPS):
        verified, started = start_damaged(whole, tmp_path, pattern, number)
        if isinstance(started, Ended):
            ensure_told(started)
            told += 1
            continue
        with started as node:
            final = read_what_is_served(node, whole)
        log = node.log.read_text(encoding="utf-8")
        is_told = "database_recovered" in log or "chain_cut_back" in log
        assert (final >= len(whole.served.blocks) - 1) or is_told, log
        told += is_told or verified.code != ExitCode.OK
        if verified.code == ExitCode.OK:
            assert final >= len(whole.served.blocks) - 1
    assert told > 0
