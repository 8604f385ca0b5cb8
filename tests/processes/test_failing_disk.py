"""A disk that is full or refuses to sync ends the node with its code and one line; nothing final is lost."""

from __future__ import annotations

import os
import re
import resource
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from node.cli.outcome import ADVICE as CLI_ADVICE
from node.config import ExitCode
from tests.processes.running import GONE, Ended, Load, RunningNode, run_to_end
from tests.support import refused_syncs
from tests.support.small_disk import fill, small_disk

pytestmark = [pytest.mark.net, pytest.mark.slow]

DISK_BYTES = 16 << 20
LOG_ROOM_BYTES = 64 << 10
ADVICE = "Free some space and start again; nothing that was final is lost."
LAUNCHER = (refused_syncs.MODULE, "node")


class Refusal(NamedTuple):
    """A system call that fails, on one of the node's open files or on all, and whom the message names."""

    call: str
    file: str | None
    named: str


REFUSALS = [
    Refusal("fdatasync", r"/leveldb/\d+\.log", r"/leveldb/\d+\.log"),
    Refusal("fdatasync", r"/head", r"/head"),
    Refusal("fsync", None, r"/guard"),
]


class Announced:
    """The final blocks that a node told of until it ended."""

    def __init__(self, node: RunningNode) -> None:
        self._node = node
        self.blocks: dict[int, str] = {}
        self.note()

    def note(self) -> None:
        number, block_hash = self._node.finalized()
        self.blocks[number] = block_hash

    def follow(self) -> Ended:
        """Take note of every final block until the node ends; return how it did."""
        end = time.perf_counter() + 30
        while self._node.process.poll() is None:
            assert time.perf_counter() < end, "the node goes on as if nothing had happened"
            try:
                self.note()
            except GONE:
                continue
            time.sleep(0.02)
        return self._node.wait_end()

    def ensure_kept(self, base: Path) -> None:
        """Start the node again: it has all of these, and goes on."""
        with RunningNode(base) as node:
            for number, block_hash in self.blocks.items():
                assert node.rpc("chain_getBlockHash", number) == block_hash
            number = max(self.blocks)
            assert node.finalized()[0] >= number
            assert node.wait_finalized(number + 2)[0] >= number + 2
            assert node.stop() == ExitCode.OK


def find_log(base: Path) -> Path:
    (log,) = (base / "chains" / "dev" / "db" / "leveldb").glob("*.log")
    return log


@pytest.mark.parametrize("refusal", REFUSALS, ids=["log", "head", "guard"])
def test_refused_sync_ends_the_node_before_anything_stands_on_it(refusal: Refusal, tmp_path: Path) -> None:
    base = tmp_path / "node"
    with RunningNode(base, module=LAUNCHER) as node, Load(node):
        node.wait_finalized(2)
        announced = Announced(node)
        refused_syncs.refuse_syncs(node.process, refusal.call, refusal.file)
        synced_bytes = find_log(base).stat().st_size
        ended = announced.follow()
    assert ended.code == ExitCode.DISK_FAILING
    (error,) = ended.errors
    assert ended.lines[-1] == CLI_ADVICE[ExitCode.DISK_FAILING]
    assert re.fullmatch(rf"Error: .*{refusal.named}: Input/output error", error)
    if refusal is REFUSALS[0]:  # the power fails too: what was not synced is gone
        os.truncate(find_log(base), synced_bytes)
    announced.ensure_kept(base)


def ensure_full(ended: Ended) -> None:
    assert ended.code == ExitCode.DISK_FULL
    (error,) = ended.errors
    assert re.fullmatch(r"Error: .*/chains/dev/.*: (File too large|No space left on device)", error)
    assert ended.lines[-2:] == [error, ADVICE]


def test_file_that_may_not_grow_ends_the_node_as_a_full_disk(tmp_path: Path) -> None:
    base = tmp_path / "node"
    with RunningNode(base) as node, Load(node) as load:
        node.wait_finalized(2)
        announced = Announced(node)
        limit = find_log(base).stat().st_size + LOG_ROOM_BYTES
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        ensure_full(announced.follow())
    assert load.accepted > 0
    announced.ensure_kept(base)


def test_full_disk_ends_the_node_until_there_is_room(tmp_path: Path) -> None:
    base = tmp_path / "node"
    with small_disk(base, DISK_BYTES):
        with RunningNode(base) as node:
            node.wait_finalized(2)
            announced = Announced(node)
            filler = fill(base)
            ensure_full(announced.follow())
        ensure_full(run_to_end(base))
        filler.unlink()
        announced.ensure_kept(base)
