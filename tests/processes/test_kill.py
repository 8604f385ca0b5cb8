"""Restart after kill -9 under load: nothing that was announced as final is lost, and it starts quickly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.running import Load, RunningNode

ROUNDS_SLOW = 30
RESTART_S_MAX = 5.0


def _round(base: Path, known: dict[int, tuple[str, str]], blocks: int) -> tuple[float, int]:
    """Check what is known of the past, load the node for some blocks, kill it; return start time and load."""
    with RunningNode(base) as node:
        for number, (block_hash, root) in known.items():
            assert node.rpc("chain_getBlockHash", number) == block_hash
            assert node.rpc("chain_getHeader", block_hash)["stateRoot"] == root
        if known:
            assert node.finalized()[0] >= max(known)
        with Load(node) as load:
            target = node.finalized()[0] + blocks
            number, block_hash = node.wait_finalized(target)
            known[number] = (block_hash, node.rpc("chain_getHeader", block_hash)["stateRoot"])
            node.kill()
        return node.start_s, load.accepted


@pytest.mark.net
def test_killed_node_comes_back_with_every_finalized_block(tmp_path: Path) -> None:
    known: dict[int, tuple[str, str]] = {}
    seal = [_round(tmp_path / "node", known, blocks) for blocks in (2, 1, 3)]
    assert all(accepted > 0 for _, accepted in seal)
    assert len(known) == 3


@pytest.mark.net
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thirty_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    known: dict[int, tuple[str, str]] = {}
    starts = [_round(tmp_path / "node", known, 1 + i % 3)[0] for i in range(ROUNDS_SLOW)]
    assert len(known) == ROUNDS_SLOW
    assert max(starts) <= RESTART_S_MAX
