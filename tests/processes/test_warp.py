"""A full node fetches the state of a recent block, goes on from there, and serves it to others in turn."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from node.chain.opening import holds_chain
from node.config import Config
from node.service import open_chain
from node.storage.columns import Column
from node.storage.leveldb import LevelDbKeyValue
from tests.processes.running import ROOT, RunningNode, build_command, free_port, run_loam
from tests.processes.validators import NAMES, Validators, final, reach
from tests.support.warping import grow_changing, list_set_changes

BLOCKS = 70
TAKEN = 64
PATIENCE_S = 60.0
LOCAL = ("--chain", "local")
CHAIN = Path("chains") / "local_testnet" / "db"

pytestmark = [pytest.mark.slow, pytest.mark.net]


async def make_chain(base: Path, blocks: int = BLOCKS, changes: tuple[int, ...] = (10, 30)) -> None:
    """Fill a node's database with final blocks, among them some that change the set of authorities."""
    with open_chain(Config(chain="local", base_path=str(base))) as (_, chain):
        await grow_changing(chain, blocks, changes)
        assert tuple(list_set_changes(chain)) == changes


class Nodes:
    """Full nodes of one network."""

    def __init__(self, stack: ExitStack, base: Path) -> None:
        self._stack = stack
        self._base = base

    def start(
        self, name: str, *known: RunningNode, sync: str = "full", flags: Sequence[str] = ()
    ) -> RunningNode:
        """Start a node that dials others."""
        node = RunningNode(self._base / name, *self.flags(*known, sync=sync), *flags, chain=LOCAL)
        self._stack.callback(node.stop)
        return node

    def flags(self, *known: RunningNode, sync: str) -> list[str]:
        flags = ["--port", str(free_port()), "--workers", "0", "--sync", sync]
        for one in known:
            flags += ["--bootnodes", address_of(one)]
        return flags


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    with ExitStack() as stack:
        yield Nodes(stack, tmp_path)


def address_of(node: RunningNode) -> str:
    (address,) = node.rpc("system_localListenAddresses")
    found: str = address.replace("0.0.0.0", "127.0.0.1")
    return found


def wait(condition: Callable[[], Any]) -> None:
    end = time.perf_counter() + PATIENCE_S
    while not condition():
        assert time.perf_counter() < end, "it takes too long"
        time.sleep(0.1)


def state_root(node: RunningNode, number: int) -> str:
    root: str = node.rpc("chain_getHeader", node.rpc("chain_getBlockHash", number))["stateRoot"]
    return root


def test_new_node_begins_with_a_recent_state_and_serves_it_in_turn(tmp_path: Path, nodes: Nodes) -> None:
    asyncio.run(make_chain(tmp_path / "old"))
    info = json.loads("".join(run_loam("chain-info", *LOCAL, "--base-path", str(tmp_path / "old")).lines))
    assert (info["first_block"], info["trusted_block"].partition(":")[0]) == (0, "30")
    old = nodes.start("old")
    new = nodes.start("new", old, sync="warp", flags=("--trusted-block", info["trusted_block"]))
    wait(lambda: new.finalized() == old.finalized())
    assert new.finalized()[0] == BLOCKS
    numbers = [0, 1, TAKEN - 1, TAKEN, BLOCKS]
    kept = [old.rpc("chain_getBlockHash", number) for number in numbers]
    assert new.rpc("chain_getBlockHash", numbers) == [kept[0], None, None, *kept[3:]]
    assert state_root(new, BLOCKS) == state_root(old, BLOCKS)
    assert new.rpc("chain_getBlock", kept[3]) == old.rpc("chain_getBlock", kept[3])
    assert new.rpc("state_getKeysPaged", "0x", 1000) == old.rpc("state_getKeysPaged", "0x", 1000)
    log = new.log.read_text()
    assert f"state_downloaded number={TAKEN}" in log
    assert f"history_begins number={TAKEN}" in log

    new.kill()
    new = nodes.start("new", sync="fast")  # and it needs nobody any more
    assert new.finalized() == old.finalized()
    assert "sync_mode_unused" in new.log.read_text()
    old.stop()

    third = nodes.start("third", new, sync="fast")
    wait(lambda: third.finalized() == new.finalized())
    assert state_root(third, BLOCKS) == state_root(new, BLOCKS)
    fourth = nodes.start("fourth", new)  # wants every block, which nobody here has
    wait(lambda: len(fourth.rpc("system_peers")) == 2)
    time.sleep(3)
    assert fourth.finalized()[0] == 0
    assert len(fourth.rpc("system_peers")) == 2, "nobody is penalised for what was never there"
    third.stop()
    new.stop()
    check_offline(tmp_path / "third")


def test_new_node_joins_validators_at_work_and_follows_them(tmp_path: Path) -> None:
    """The chain was made beforehand: its last block lets a fifth one in, so that in the new set nobody has
    signed yet, and keys of which there is no record may sign after they have watched."""
    asyncio.run(make_chain(tmp_path / NAMES[0], 40, (40,)))
    for name in NAMES[1:]:
        shutil.copytree(tmp_path / NAMES[0], tmp_path / name)
    with ExitStack() as stack:
        made = Validators(tmp_path)
        stack.callback(made.close)
        for name in NAMES:
            made.start(name)
        late = Nodes(stack, tmp_path).start("late", made.nodes["alice"], sync="warp")
        assert late.finalized()[0] >= 32
        reach(45, *made.nodes.values(), late)
        reach(final(made.nodes["bob"]) + 3, late)
        number = final(late)
        for node in made.nodes.values():
            reach(number, node)
            assert state_root(node, number) == state_root(late, number)
        assert late.rpc("chain_getBlockHash", 31) is None


def check_offline(base: Path) -> None:
    """Commands say where history begins."""
    options = (*LOCAL, "--base-path", str(base))
    assert f"Blocks 0 and {TAKEN} to {BLOCKS} " in run_loam("db", "verify", *options).lines[0]
    exported = run_loam("export-blocks", str(base / "blocks"), *options)
    assert exported.code == 1
    assert f"has the blocks from {TAKEN} on" in exported.lines[-1]
    assert run_loam("export-blocks", str(base / "blocks"), "--from", str(TAKEN), *options).code == 0
    assert run_loam("check-block", str(TAKEN + 1), *options).code == 0
    for block in ("5", str(TAKEN)):
        assert run_loam("check-block", block, *options).code in {1, 2}
    reverted = run_loam("revert", str(BLOCKS - TAKEN + 1), "--finalized", *options)
    assert (reverted.code, f"back to block {TAKEN}" in reverted.lines[-1]) == (1, True)
    assert run_loam("revert", str(BLOCKS - TAKEN), "--finalized", *options).code == 0


@contextmanager
def alone(base: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a node that does not answer before it has found peers, and wait until it looks for them."""
    command = build_command(base, free_port(), "--no-prometheus", *flags, chain=LOCAL)
    path = base.with_suffix(".log")
    with (
        path.open("ab") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            wait(lambda: "network_listening" in path.read_text())
            yield process
        finally:
            process.kill()


def test_node_killed_while_it_fetches_begins_anew(tmp_path: Path, nodes: Nodes) -> None:
    base = tmp_path / "new"
    with alone(base, *nodes.flags(sync="warp")):
        pass
    assert (base / CHAIN).is_dir()
    assert not holds_chain(base / CHAIN)
    with LevelDbKeyValue(base / CHAIN, None, create=False) as kv:  # as if it had come so far
        kv.write([(Column.STATE + b"half", b"done")], sync=True)
    assert "holds no chain yet" in run_loam("chain-info", *LOCAL, "--base-path", str(base)).lines[-1]
    asyncio.run(make_chain(tmp_path / "old"))
    old = nodes.start("old")
    new = nodes.start("new", old, sync="warp")
    wait(lambda: new.finalized() == old.finalized())
    assert state_root(new, BLOCKS) == state_root(old, BLOCKS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_node_that_fetches_is_stopped_by_a_signal(tmp_path: Path, nodes: Nodes, number: int) -> None:
    base = tmp_path / "new"
    with alone(base, *nodes.flags(sync="warp")) as process:
        process.send_signal(number)
        assert process.wait(15) == 0
    assert "node_stopped" in base.with_suffix(".log").read_text()
    assert not holds_chain(base / CHAIN)


def test_short_chain_is_executed(tmp_path: Path, nodes: Nodes) -> None:
    asyncio.run(make_chain(tmp_path / "old", 20, ()))
    old = nodes.start("old")
    new = nodes.start("new", old, sync="warp")
    wait(lambda: new.finalized() == old.finalized())
    assert None not in new.rpc("chain_getBlockHash", list(range(21)))
    assert 'state_not_downloaded reason="the chain has fewer than 32 blocks"' in new.log.read_text()


def test_port_in_use_is_told_as_ever(tmp_path: Path, nodes: Nodes) -> None:
    old = nodes.start("old")
    port = address_of(old).split("/")[4]
    flags = ("--no-prometheus", "--port", port, "--sync", "warp")
    ended = run_loam(*build_command(tmp_path / "new", free_port(), *flags, chain=LOCAL)[3:])
    assert ended.code == 8
    assert "port for peers is in use" in ended.lines[-1]
