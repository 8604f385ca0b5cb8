"""A devnet of real nodes: it is ready, makes blocks, obeys other terminals, and leaves nothing behind."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from node.config import ExitCode
from node.devnet.processes import is_alive
from tests.processes.devnet import Devnet, running_devnet, starting_devnet

pytestmark = [
    pytest.mark.net,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("devnet"),
]


def test_four_validators_make_blocks_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with running_devnet(tmp_path, "--full", "1") as devnet:
        assert [node["role"] for node in devnet.ready["nodes"]] == ["validator"] * 4 + ["full"]
        found = devnet.wait_for(lambda nodes: all((node["finalized"] or 0) >= 3 for node in nodes.values()))
        assert {node["peers"] for node in found.values()} == {4}
        processes = devnet.processes()
        assert len(processes) == 5
        assert devnet.base.exists()
        assert devnet.end() == ExitCode.OK
        assert not any(is_alive(process) for process in processes)
        assert not devnet.base.exists()
        assert devnet.run("status").code == ExitCode.CONFIG
        assert "Traceback" not in devnet.read_errors()


def test_another_terminal_pauses_kills_restarts_and_stops(tmp_path: Path) -> None:
    with running_devnet(tmp_path) as devnet:
        devnet.wait_for(lambda nodes: nodes["Alice"]["finalized"] >= 1)
        devnet.ok("pause", "bob")
        assert devnet.status()["Bob"]["condition"] == "paused"
        at = devnet.status()["Alice"]["finalized"]
        devnet.wait_for(lambda nodes: nodes["Alice"]["finalized"] > at + 1)
        devnet.ok("resume", "bob")
        devnet.wait_for(lambda nodes: (nodes["Bob"]["finalized"] or 0) > at + 1)

        killed = devnet.status()["Dave"]["pid"]
        devnet.ok("kill", "Dave")
        assert devnet.status()["Dave"]["condition"] == "stopped"
        assert_failed_restart_is_told(devnet)
        devnet.ok("restart", "Dave")
        found = devnet.wait_for(lambda nodes: (nodes["Dave"]["finalized"] or 0) > at + 1)
        assert found["Dave"]["pid"] != killed

        processes = devnet.processes()
        assert "has ended" in devnet.ok("stop")
        assert devnet.process.wait(20) == ExitCode.OK
        assert not any(is_alive(process) for process in processes)
        assert not devnet.base.exists()


def assert_failed_restart_is_told(devnet: Devnet) -> None:
    """Restart Dave while somebody listens on the port for his metrics; the others go on."""
    port = int(devnet.ready["nodes"][3]["metrics"].split(":")[2].split("/")[0])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        answer = devnet.run("restart", "Dave")
    assert answer.code == ExitCode.DEVNET_FAILED, answer
    assert f"Dave ended unexpectedly with exit code {int(ExitCode.PORT_IN_USE)}" in answer.err
    assert f"port {port} is in use; choose another with --prometheus-port" in answer.err
    at = devnet.status()["Alice"]["finalized"]
    devnet.wait_for(lambda nodes: nodes["Alice"]["finalized"] > at)


def test_node_that_dies_ends_the_devnet_with_its_log(tmp_path: Path) -> None:
    with running_devnet(tmp_path, "-n", "2") as devnet:
        processes = devnet.processes()
        os.kill(devnet.status()["Bob"]["pid"], signal.SIGKILL)
        assert devnet.process.wait(30) == ExitCode.DEVNET_FAILED
        errors = devnet.read_errors()
        assert "Bob ended unexpectedly by signal 9" in errors
        assert str(devnet.base / "bob.log") in errors
        assert "Traceback" not in errors
        assert not any(is_alive(process) for process in processes)
        assert (devnet.base / "bob.log").exists()  # kept, to be looked at


def test_devnet_that_was_killed_is_ended_from_elsewhere(tmp_path: Path) -> None:
    with running_devnet(tmp_path, "-n", "2") as devnet:
        processes = devnet.processes()
        devnet.end(signal.SIGKILL)
        assert all(is_alive(process) for process in processes)
        assert "has ended" in devnet.ok("status")
        assert "start it again with" in devnet.run("restart", "Bob").err
        devnet.ok("stop")
        assert not any(is_alive(process) for process in processes)
        assert not devnet.base.exists()


def test_devnet_in_a_folder_of_its_own_goes_on_where_it_was(tmp_path: Path) -> None:
    base = tmp_path / "base"
    with running_devnet(tmp_path, "-n", "2", "--base-path", str(base)) as devnet:
        devnet.wait_for(lambda nodes: nodes["Alice"]["finalized"] >= 2)
        before = devnet.status()
        assert devnet.end(signal.SIGTERM) == ExitCode.OK
    with running_devnet(tmp_path, "-n", "2", "--base-path", str(base)) as devnet:
        found = devnet.wait_for(lambda nodes: nodes["Bob"]["finalized"] > before["Bob"]["finalized"])
        assert found["Alice"]["peer_id"] == before["Alice"]["peer_id"]


def test_interrupt_while_the_nodes_start_leaves_nothing(tmp_path: Path) -> None:
    with starting_devnet(tmp_path, "-n", "2") as devnet:
        end = time.perf_counter() + 30
        while not (logs := list(tmp_path.glob("loam-devnet-*/bob.log"))) and time.perf_counter() < end:
            time.sleep(0.01)
        assert logs
        assert devnet.end() == ExitCode.OK
        assert list(tmp_path.glob("loam-devnet-*")) == []
        assert "Traceback" not in devnet.read_errors()
