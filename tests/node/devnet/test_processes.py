"""Processes are known by number and start: a number given again is never signalled."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from node.clock import SystemClock
from node.devnet import processes
from node.devnet.processes import (
    identify,
    is_alive,
    is_paused,
    make_environment,
    reap,
    send,
    spawn_command,
)
from node.devnet.records import ProcessId

WAIT_S = 20.0
WAYS = ("pidfd and proc", *(("kill and ps",) if shutil.which("ps") else ()))


def start(directory: Path, code: str = "import time; time.sleep(600)") -> ProcessId:
    return spawn_command([sys.executable, "-S", "-c", code], directory / "log", dict(os.environ))


def wait_exit(process: ProcessId) -> int:
    clock = SystemClock()
    end = clock.monotonic() + WAIT_S
    while clock.monotonic() < end:
        code = reap(process)
        if code is not None:
            return code
    raise AssertionError("the process does not end")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both ways to ask and to signal: Linux has the better one, every Unix the other."""
    if request.param == "kill and ps":
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.setattr(processes, "BOOT_ID", tmp_path / "missing")


@pytest.mark.usefixtures("way")
def test_process_is_paused_resumed_and_killed(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert is_alive(process)
    assert not is_paused(process)
    assert send(process, signal.SIGSTOP)
    clock = SystemClock()
    end = clock.monotonic() + WAIT_S
    while not is_paused(process) and clock.monotonic() < end:
        pass
    assert is_paused(process)
    assert is_alive(process)
    assert send(process, signal.SIGCONT)
    assert send(process, signal.SIGKILL)
    assert wait_exit(process) == -signal.SIGKILL
    assert not is_alive(process)
    assert not send(process, signal.SIGKILL)


@pytest.mark.usefixtures("way")
def test_number_given_again_is_another_process_and_gets_no_signal(tmp_path: Path) -> None:
    process = start(tmp_path)
    earlier = ProcessId(process.pid, "an earlier start")
    assert not is_alive(earlier)
    assert not is_paused(earlier)
    assert not send(earlier, signal.SIGKILL)
    assert is_alive(process)
    assert send(process, signal.SIGKILL)
    assert wait_exit(process) == -signal.SIGKILL


@pytest.mark.usefixtures("way")
def test_child_that_ended_and_was_not_reaped_is_dead(tmp_path: Path) -> None:
    process = start(tmp_path, "")
    clock = SystemClock()
    end = clock.monotonic() + WAIT_S
    while is_alive(process) and clock.monotonic() < end:
        pass
    assert not is_alive(process)
    assert wait_exit(process) == 0


def test_process_of_somebody_else_is_not_reaped() -> None:
    assert reap(identify(os.getppid())) is None


def test_program_runs_in_a_session_of_its_own_with_its_output_in_the_log(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getsid(0) == os.getpid()); print('x', file=sys.stderr); sys.exit(7)"
    (tmp_path / "log").write_text("before\n")
    assert wait_exit(start(tmp_path, code)) == 7
    assert sorted((tmp_path / "log").read_text().splitlines()) == ["True", "before", "x"]


def test_node_gets_none_of_the_callers_settings_and_this_very_program() -> None:
    environ = make_environment({"LOAM_RPC_PORT": "1", "HOME": "/home", "PYTHONPATH": "/other"})
    root = str(Path(__file__).resolve().parents[3])
    assert environ == {"HOME": "/home", "PYTHONPATH": f"{root}{os.pathsep}/other"}
    assert make_environment({})["PYTHONPATH"] == root
