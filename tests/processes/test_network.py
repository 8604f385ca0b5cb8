"""Four validators as processes: they agree over real sockets and survive a kill; a wiped one only watches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.processes.running import Load, RunningNode, free_port, run_loam
from tests.processes.validators import NAMES, final, hashes, reach, validators, wait

pytestmark = [pytest.mark.slow, pytest.mark.net]


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


def test_chain_that_all_validators_take_back_goes_on_from_there(tmp_path: Path) -> None:
    with validators(tmp_path) as network:
        reach(5, *network.nodes.values())
        kept = hashes(network.nodes["alice"], 3)
        for name in NAMES:
            network.nodes[name].stop()
        for name in NAMES:
            chain = ("--chain", "local", "--base-path", tmp_path / name)
            best = json.loads("\n".join(run_loam("chain-info", *chain).lines))["best_number"]
            taken = run_loam("revert", str(best - 3), "--finalized", *chain)
            assert taken.code == 0
            assert "3 other authorities" in "\n".join(taken.lines)
        nodes = [network.start(name) for name in NAMES]
        reach(6, *nodes)
        assert hashes(nodes[0], 6) == hashes(nodes[3], 6)
        assert hashes(nodes[0], 3) == kept
        assert not any("guard_missing" in node.log.read_text() for node in nodes)


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
            lags = sorted(final(alice) - final(observer) for _ in range(21))
            assert lags[10] <= 1, "as a rule it is as far as the validators"
