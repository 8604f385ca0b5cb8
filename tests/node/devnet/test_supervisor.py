"""The supervisor over fake nodes: readiness, unexpected ends, wanted ends, schedules, and commands from
elsewhere.
"""

import os
import shutil
import signal
from pathlib import Path

import pytest

from node.clock import SystemClock
from node.config import ExitCode, StartError, UsageError
from node.devnet import control, restarting
from node.devnet.control import Control, is_running, read_tail
from node.devnet.manifest import parse_manifest
from node.devnet.readiness import DevnetFailed
from node.devnet.restarting import restart_node
from node.devnet.schedule import Schedule
from node.devnet.state_file import StateFile
from tests.node.devnet.fakes import FakeDevnet, fake_devnet, make_node, spawn_fake

pytestmark = [pytest.mark.net, pytest.mark.slow]


def test_devnet_is_ready_when_every_node_answers_and_its_heights_are_shown(tmp_path: Path) -> None:
    with fake_devnet(tmp_path, make_node(tmp_path, "Alice"), make_node(tmp_path, "Bob")) as devnet:
        view = devnet.supervise()
        assert view.ready is not None
        assert [node.name for node in view.ready.nodes] == ["Alice", "Bob"]
        for shown in view.shown[0]:
            assert shown.condition == "running"
            assert shown.seen is not None
            assert (shown.seen.best, shown.seen.finalized, shown.seen.peers) == (8, 7, 3)
        processes = [devnet.node(name).process for name in ("Alice", "Bob")]
    assert not any(is_running(node) for node in devnet.state.load().nodes)
    assert None not in processes


def test_node_that_ends_while_it_starts_fails_the_devnet_with_its_log(tmp_path: Path) -> None:
    with fake_devnet(tmp_path, make_node(tmp_path, "Alice"), make_node(tmp_path, "Bob", "die")) as devnet:
        with pytest.raises(DevnetFailed, match="Bob ended unexpectedly with exit code 8") as failed:
            devnet.supervise()
        assert failed.value.lines == ("the fake node starts",)
        assert failed.value.exit_code == ExitCode.DEVNET_FAILED


@pytest.mark.slow
def test_node_that_never_answers_fails_the_devnet(tmp_path: Path) -> None:
    with (
        fake_devnet(tmp_path, make_node(tmp_path, "Alice", "mute")) as devnet,
        pytest.raises(DevnetFailed, match="Alice did not answer within 1 s"),
    ):
        devnet.supervise(ready_s=1)


def test_another_node_on_the_port_fails_the_devnet(tmp_path: Path) -> None:
    node = make_node(tmp_path, "Alice", answered_id="somebody else")
    with (
        fake_devnet(tmp_path, node) as devnet,
        pytest.raises(DevnetFailed, match=f"another node answers on port {node.rpc_port}"),
    ):
        devnet.supervise()


def test_node_that_is_killed_behind_our_back_fails_the_devnet(tmp_path: Path) -> None:
    class Murder(Schedule):
        def take_due(self, passed_s: float, height: int) -> tuple[()]:
            process = devnet.node("Alice").process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            return ()

    with (
        fake_devnet(tmp_path, make_node(tmp_path, "Alice")) as devnet,
        pytest.raises(DevnetFailed, match="Alice ended unexpectedly by signal 9"),
    ):
        devnet.supervise(Murder(), turns=20)


@pytest.mark.slow
def test_node_that_is_killed_by_wish_leaves_the_devnet_running(tmp_path: Path) -> None:
    class Wish(Schedule):
        def take_due(self, passed_s: float, height: int) -> tuple[()]:
            if is_running(devnet.node("Alice")):
                Control(devnet.state, SystemClock()).kill("alice")
            return ()

    with fake_devnet(tmp_path, make_node(tmp_path, "Alice"), make_node(tmp_path, "Bob")) as devnet:
        view = devnet.supervise(Wish(), turns=3)
        assert [shown.condition for shown in view.shown[-1]] == ["stopped", "running"]


@pytest.mark.slow
def test_schedule_kills_restarts_and_ends_when_all_agree(tmp_path: Path) -> None:
    manifest = parse_manifest(
        'nodes = [{name = "Alice"}, {name = "Bob", start_at = {seconds = 0.2}}]\n'
        "duration = {height = 7}\n"
        '[[perturbations]]\nnode = "Alice"\naction = "kill"\nat = {height = 1}\nfor = {seconds = 0.1}\n'
    )
    with fake_devnet(tmp_path, make_node(tmp_path, "Alice"), make_node(tmp_path, "Bob")) as devnet:
        view = devnet.supervise(Schedule(manifest), turns=100)
        assert view.told[:-1] == ["kill Alice", "start Bob", "restart Alice"]
        assert view.told[-1].startswith("all nodes agree on block #7 0xabab")
        assert [shown.condition for shown in view.shown[-1]] == ["running", "running"]
        assert not view.stop.is_set()


def test_schedule_that_cannot_be_kept_fails_the_devnet(tmp_path: Path) -> None:
    manifest = parse_manifest(
        'nodes = [{name = "Alice"}]\n'
        '[[perturbations]]\nnode = "Alice"\naction = "resume"\nat = {seconds = 0}\n'
    )
    with (
        fake_devnet(tmp_path, make_node(tmp_path, "Alice")) as devnet,
        pytest.raises(DevnetFailed, match="cannot resume Alice: Alice is not paused"),
    ):
        devnet.supervise(Schedule(manifest), turns=3)


def test_end_that_does_not_come_in_time_fails_the_devnet(tmp_path: Path) -> None:
    manifest = parse_manifest('nodes = [{name = "Alice"}]\ntimeout_seconds = 0.1\nduration = {height = 8}\n')
    with (
        fake_devnet(tmp_path, make_node(tmp_path, "Alice")) as devnet,
        pytest.raises(DevnetFailed, match="did not come to its end in time; finalized: Alice #7"),
    ):
        devnet.supervise(Schedule(manifest), turns=100)


def test_nodes_that_disagree_fail_the_devnet(tmp_path: Path) -> None:
    manifest = parse_manifest('nodes = [{name = "Alice"}, {name = "Bob"}]\nduration = {height = 7}\n')
    with (
        fake_devnet(tmp_path, make_node(tmp_path, "Alice"), make_node(tmp_path, "Bob", "disagree")) as devnet,
        pytest.raises(DevnetFailed, match="the nodes disagree about block #7: Alice 0xab"),
    ):
        devnet.supervise(Schedule(manifest), turns=100)


def test_commands_refuse_what_makes_no_sense_and_change_nothing(tmp_path: Path) -> None:
    with fake_devnet(tmp_path, make_node(tmp_path, "Alice")) as devnet:
        control = devnet.control
        for command in (control.kill, control.stop, control.pause, control.resume):
            with pytest.raises(UsageError, match="Alice does not run"):
                command("Alice")
        with pytest.raises(UsageError, match="no node is called 'Eve'; the nodes are Alice"):
            control.start("Eve")
        control.start("Alice")
        with pytest.raises(UsageError, match="runs already"):
            control.start("alice")
        with pytest.raises(UsageError, match="is not paused"):
            control.resume("Alice")
        before = devnet.node("Alice")
        control.pause("Alice")
        with pytest.raises(UsageError, match="is paused already"):
            control.pause("Alice")
        control.resume("Alice")
        assert devnet.node("Alice") == before


def test_paused_node_can_be_stopped(tmp_path: Path) -> None:
    with fake_devnet(tmp_path, make_node(tmp_path, "Alice")) as devnet:
        devnet.supervise()
        devnet.control.pause("Alice")
        assert devnet.control.stop("Alice").name == "Alice"
        assert not is_running(devnet.node("Alice"))
        assert devnet.node("Alice").wanted == "stopped"


def test_restarted_node_is_another_process_with_the_same_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarting, "Control", lambda state, clock: Control(state, clock, spawn_fake))
    with fake_devnet(tmp_path, make_node(tmp_path, "Alice")) as devnet:
        before = devnet.control.start("Alice")
        assert restart_node(devnet.state, "alice", SystemClock(), 30).name == "Alice"
        after = devnet.node("Alice")
        assert after.process != before.process
        assert (after.arguments, after.wanted) == (before.arguments, "running")
        assert is_running(after)


def test_restart_that_fails_is_told_and_is_no_surprise_to_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarting, "Control", lambda state, clock: Control(state, clock, spawn_fake))
    with fake_devnet(tmp_path, make_node(tmp_path, "Alice", "die")) as devnet:
        with pytest.raises(DevnetFailed, match="Alice ended unexpectedly with exit code 8"):
            restart_node(devnet.state, "Alice", SystemClock(), 30)
        assert devnet.node("Alice").wanted == "stopped"


def test_node_of_a_devnet_that_has_ended_is_not_restarted(tmp_path: Path) -> None:
    devnet = end_supervisor(FakeDevnet(tmp_path, make_node(tmp_path, "Alice")))
    with pytest.raises(UsageError, match="the devnet has ended; start it again with"):
        restart_node(devnet.state, "Alice", SystemClock())
    assert not is_running(devnet.node("Alice"))


def test_stop_ends_the_nodes_of_a_devnet_whose_supervisor_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    base = tmp_path / "base"
    base.mkdir()
    devnet = FakeDevnet(base, make_node(base, "Alice"), make_node(base, "Bob"), is_temporary=True)
    nodes = [devnet.control.start(name) for name in ("Alice", "Bob")]
    end_supervisor(devnet)
    assert all(is_running(node) for node in nodes)
    Control(StateFile(base), SystemClock()).stop_all()
    assert not any(is_running(node) for node in nodes)
    assert not base.exists()


def test_nodes_end_though_somebody_has_removed_the_folder(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    devnet = FakeDevnet(base, make_node(tmp_path, "Alice"))
    node = devnet.control.start("Alice")
    shutil.rmtree(base)
    with pytest.raises(StartError, match="holds no devnet"):
        devnet.state.load()
    devnet.control.end_nodes(lambda: False)
    assert not is_running(node)


def test_node_that_does_not_end_in_order_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "STOP_S", 0.2)
    nodes = (make_node(tmp_path, "Alice", "deaf"), make_node(tmp_path, "Bob", "deaf"))
    with fake_devnet(tmp_path, *nodes) as devnet:
        devnet.supervise()
        devnet.control.stop("Alice")
        assert not is_running(devnet.node("Alice"))
        assert is_running(devnet.node("Bob"))
    assert not is_running(devnet.node("Bob"))


def end_supervisor(devnet: FakeDevnet) -> FakeDevnet:
    """Write a supervisor into the state that is no process any more."""
    text = (devnet.state.directory / "devnet.json").read_text()
    started = devnet.state.load().supervisor.started
    (devnet.state.directory / "devnet.json").write_text(text.replace(started, "long ago", 1))
    return devnet


def test_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert read_tail(log, 3) == []
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(10)) + b"\xff half")
    assert read_tail(log, 2) == ["line 9", "\N{REPLACEMENT CHARACTER} half"]
    assert read_tail(log, 0) == []
    assert read_tail(log, 100, bytes_max=8) == ["9", "\N{REPLACEMENT CHARACTER} half"]
