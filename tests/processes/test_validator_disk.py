"""The disk of one of four validators fills, fails or rots: it ends with its code and says what to do; the
others go on, and nobody ever serves another block than they.

One network for all tests: each leaves Dave as it found him, with the others.
"""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import pytest

from node.cli.outcome import ADVICE
from node.config import ExitCode
from tests.processes.running import DidNotStart, Ended, Load, RunningNode
from tests.processes.validators import Validators, final, hashes, reach, validators
from tests.support import refused_syncs

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(300), pytest.mark.xdist_group("devnet")]

LAUNCHER = (refused_syncs.MODULE, "node")
LOG_ROOM_BYTES = 64 << 10
FLIPS = 40


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    """Four validators; the kernel can be told to refuse Dave's syncs."""
    with validators(tmp_path_factory.mktemp("disks"), {"dave": LAUNCHER}) as found:
        reach(2, *found.nodes.values())
        yield found


def ensure_others_go_on(network: Validators) -> None:
    others = [network.nodes[name] for name in ("alice", "bob", "charlie")]
    goal = max(map(final, others)) + 2
    reach(goal, *others)
    assert len({tuple(hashes(node, goal)) for node in others}) == 1


def ensure_told(ended: Ended, code: ExitCode) -> None:
    assert ended.code == code, ended.lines[-20:]
    assert ended.lines[-2:] == [ended.errors[-1], ADVICE[code]]
    assert "Traceback" not in "".join(ended.lines)


def ensure_back(network: Validators) -> None:
    """Start Dave again: he takes part with the blocks that the others have."""
    network.start("dave", LAUNCHER)
    ensure_with_others(network)


def ensure_with_others(network: Validators) -> None:
    dave, alice = network.nodes["dave"], network.nodes["alice"]
    goal = final(alice) + 2
    reach(goal, dave, alice)
    assert hashes(dave, goal) == hashes(alice, goal)


def begin_anew(network: Validators) -> None:
    """Remove Dave's database, as he was told to, and let him fetch the chain; his guard stays."""
    shutil.rmtree(find_database(network.nodes["dave"]).parent)
    ensure_back(network)


def find_database(node: RunningNode) -> Path:
    return node.base / "chains" / "local_testnet" / "db" / "leveldb"


def test_full_disk_ends_one_validator_and_no_other(network: Validators) -> None:
    dave = network.nodes["dave"]
    with Load(network.nodes["alice"], ("Eve", "Ferdie")):
        (log,) = find_database(dave).glob("*.log")
        limit = log.stat().st_size + LOG_ROOM_BYTES
        resource.prlimit(dave.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        ensure_told(dave.wait_end(60), ExitCode.DISK_FULL)
        ensure_others_go_on(network)
    ensure_back(network)


@pytest.mark.parametrize(("call", "file"), [("fdatasync", r"/leveldb/\d+\.log"), ("fsync", None)])
def test_refused_sync_ends_one_validator_and_no_other(
    network: Validators, call: str, file: str | None
) -> None:
    dave = network.nodes["dave"]
    refused_syncs.refuse_syncs(dave.process, call, file)
    ensure_told(dave.wait_end(60), ExitCode.DISK_FAILING)
    ensure_others_go_on(network)
    ensure_back(network)


def rot(folder: Path, chance: Random) -> None:
    """Flip bits all over the database."""
    files = [one for one in sorted(folder.iterdir()) if one.suffix in {".log", ".ldb"} and one.stat().st_size]
    for file in files:
        data = bytearray(file.read_bytes())
        for _ in range(FLIPS):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)


def test_rotten_database_ends_one_validator_or_serves_nothing_wrong(network: Validators) -> None:
    dave = network.nodes["dave"]
    reach(8, *network.nodes.values())
    dave.kill()
    rot(find_database(dave), Random(1))
    try:
        network.start("dave", LAUNCHER)
    except DidNotStart as error:
        ensure_told(error.ended, ExitCode.DATABASE_CORRUPT)
        ensure_others_go_on(network)
        begin_anew(network)
    else:  # what was whole in it was enough to begin with
        ensure_with_others(network)


def test_database_without_its_manifest_ends_one_validator_and_no_other(network: Validators) -> None:
    dave = network.nodes["dave"]
    dave.kill()
    for manifest in find_database(dave).glob("MANIFEST-*"):
        manifest.write_bytes(manifest.read_bytes()[:7])
    with pytest.raises(DidNotStart) as failed:
        network.start("dave", LAUNCHER)
    ensure_told(failed.value.ended, ExitCode.DATABASE_CORRUPT)
    ensure_others_go_on(network)
    begin_anew(network)
