"""Four validators as processes: they agree over real sockets and survive a kill; a wiped one only watches."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from node.network.identity import compute_peer_id
from runtime.primitives.crypto import Keypair, Scheme
from tests.processes.running import Load, RunningNode, free_port

NAMES = ("alice", "bob", "charlie", "dave")
PATIENCE_S = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.net]


class Validators:
    """The nodes of the local preset, each on a base path and a port of its own."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._stack = ExitStack()
        self._keys = [f"{place:064x}" for place in range(1, 5)]
        self._ports = [free_port() for _ in NAMES]
        first = Keypair.from_seed(bytes.fromhex(self._keys[0]), Scheme.ED25519)
        self._boot = f"/ip4/127.0.0.1/tcp/{self._ports[0]}/ws/p2p/{compute_peer_id(first.public)}"
        self.nodes: dict[str, RunningNode] = {}

    def start(self, name: str) -> RunningNode:
        """Start a node that does not run."""
        place = NAMES.index(name)
        chain = ("--chain", "local", "--validator", f"--{name}")
        flags = ["--node-key", self._keys[place], "--port", str(self._ports[place]), "--workers", "0"]
        if place:
            flags += ["--bootnodes", self._boot]
        self.nodes[name] = RunningNode(self._base / name, *flags, chain=chain)
        self._stack.callback(self.nodes[name].stop)
        return self.nodes[name]

    def wipe(self, name: str) -> None:
        """Remove all that a stopped node has on disk."""
        shutil.rmtree(self._base / name)

    def close(self) -> None:
        """Stop all nodes."""
        self._stack.close()


@contextmanager
def validators(base: Path) -> Iterator[Validators]:
    found = Validators(base)
    try:
        for name in NAMES:
            found.start(name)
        yield found
    finally:
        found.close()


def final(node: RunningNode) -> int:
    """Return the number of the last final block."""
    header = node.rpc("chain_getHeader", node.rpc("chain_getFinalizedHead"))
    return int(header["number"], 16)


def wait(condition: Callable[[], bool]) -> None:
    end = time.perf_counter() + PATIENCE_S
    while not condition():
        assert time.perf_counter() < end, "it takes too long"
        time.sleep(0.2)


def reach(number: int, *nodes: RunningNode) -> None:
    wait(lambda: all(final(node) >= number for node in nodes))


def hashes(node: RunningNode, upto: int) -> list[str]:
    return [node.rpc("chain_getBlockHash", number) for number in range(upto + 1)]


def test_validators_agree_and_a_killed_one_comes_back(tmp_path: Path) -> None:
    with validators(tmp_path) as network:
        alice, bob, charlie, dave = (network.nodes[name] for name in NAMES)
        reach(3, alice, bob, charlie, dave)
        assert alice.rpc("system_health") == {"peers": 3, "isSyncing": False, "shouldHavePeers": True}
        charlie.kill()
        announced = hashes(alice, 3)
        reach(final(alice) + 4, alice, bob, dave)
        charlie = network.start("charlie")
        goal = final(alice) + 3
        reach(goal, alice, bob, charlie, dave)
        assert hashes(charlie, goal) == hashes(alice, goal)
        assert hashes(charlie, 3) == announced
        blocks = [alice.rpc("chain_getBlock", block_hash) for block_hash in hashes(alice, goal)[1:]]
        assert all(block["justifications"] for block in blocks)
        assert "authority_misbehaved" not in alice.log.read_text() + bob.log.read_text()


def test_validator_whose_disk_is_gone_watches_since_it_may_have_signed(tmp_path: Path) -> None:
    with validators(tmp_path) as network:
        others = [network.nodes[name] for name in ("alice", "bob", "charlie")]
        reach(12, network.nodes["dave"], *others)  # dave, who came last, has signed some of them
        network.nodes["dave"].kill()
        network.wipe("dave")
        dave = network.start("dave")
        reach(final(others[0]) + 3, dave, *others)
        assert "guard_missing" in dave.log.read_text()
        assert hashes(dave, 4) == hashes(others[0], 4)


def test_full_node_follows_and_its_transactions_reach_the_validators(tmp_path: Path) -> None:
    with validators(tmp_path) as network:
        alice = network.nodes["alice"]
        reach(2, alice)
        boot = alice.rpc("system_localListenAddresses")[0].replace("0.0.0.0", "127.0.0.1")
        flags = ("--port", str(free_port()), "--workers", "0", "--bootnodes", boot)
        with RunningNode(tmp_path / "observer", *flags, chain=("--chain", "local")) as observer:
            reach(final(alice) + 2, observer)
            with Load(observer, ("Eve", "Ferdie")) as load:
                wait(lambda: load.accepted >= 100)
            wait(lambda: not alice.rpc("author_pendingExtrinsics"))
            goal = final(alice) + 2
            reach(goal, alice, observer)
            blocks = [alice.rpc("chain_getBlock", each)["block"] for each in hashes(alice, goal)[1:]]
            assert sum(len(block["extrinsics"]) - 1 for block in blocks) == load.accepted
            assert hashes(observer, goal) == hashes(alice, goal)
