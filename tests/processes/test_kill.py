"""Restart after kill -9 under load: nothing that was announced as final is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.running import kill_round

ROUNDS_SLOW = 30


@pytest.mark.slow
@pytest.mark.net
def test_killed_node_comes_back_with_every_finalized_block(tmp_path: Path) -> None:
    known: dict[int, tuple[str, str]] = {}
    for blocks in (2, 1, 3):
        assert kill_round(tmp_path / "node", known, blocks).accepted > 0
    assert len(known) == 3


@pytest.mark.net
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thirty_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    known: dict[int, tuple[str, str]] = {}
    for i in range(ROUNDS_SLOW):
        assert kill_round(tmp_path / "node", known, 1 + i % 3).accepted > 0
    assert len(known) == ROUNDS_SLOW
