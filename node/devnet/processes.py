"""Processes of this machine by number and start, so that a number given again is never taken for the old one.

Responsible for starting, asking, signalling and reaping. On Linux a signal goes through a pidfd, which cannot
change its process between check and signal; elsewhere `ps` tells, and a moment remains. It must not know what
the processes do.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import node
from node.devnet.records import ProcessId

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STARTED_FIELD = 19
"""Of /proc/PID/stat behind the name: the 22nd of all, in clock ticks since the machine started.
proc_pid_stat(5).
"""
DEAD = frozenset("ZXx")
SETTINGS_PREFIX = "LOAM_"
LOG_MODE = 0o644


class _State(NamedTuple):
    started: str
    letter: str


def spawn(arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> ProcessId:
    """Start a node with none of the caller's settings; OSError when the system refuses."""
    command = [sys.executable, "-P", "-m", "node", *arguments]
    return spawn_command(command, log, make_environment(environ))


def spawn_command(command: Sequence[str], log: Path, environ: Mapping[str, str]) -> ProcessId:
    """Start a program in a session of its own, where the terminal's Ctrl-C does not reach it.

    Its output is appended to the log. OSError when the system refuses.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, LOG_MODE),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(command[0], list(command), environ, file_actions=actions, setsid=True)
    return identify(pid)


def make_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a node: no settings, and this very program first in the search path."""
    kept = {name: value for name, value in environ.items() if not name.startswith(SETTINGS_PREFIX)}
    root = str(Path(node.__file__).resolve().parent.parent)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environ.get("PYTHONPATH"))))
    return kept


def identify(pid: int) -> ProcessId:
    """Return the id of a process that is there: oneself, or a child that nobody has reaped."""
    state = _read_state(pid)
    assert state is not None, "the process exists"
    return ProcessId(pid, state.started)


def is_alive(process: ProcessId) -> bool:
    """Tell whether the very process still runs, or is paused."""
    state = _find(process)
    return state is not None and state.letter not in DEAD


def is_paused(process: ProcessId) -> bool:
    """Tell whether the very process is stopped by a signal."""
    state = _find(process)
    return state is not None and state.letter == "T"


def send(process: ProcessId, number: signal.Signals) -> bool:
    """Signal the very process; return False when it has ended."""
    if not hasattr(os, "pidfd_open"):
        return is_alive(process) and _kill(process.pid, number)
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(process):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def reap(process: ProcessId, *, is_ending: bool = False) -> int | None:
    """Return the exit code of a child that has ended, negative for a signal; None for any other process.

    A child that `is_ending`, no longer alive but with threads that are not gone yet, is waited for.
    """
    try:
        pid, status = os.waitpid(process.pid, 0 if is_ending and _find(process) is not None else os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if pid else None


def _find(process: ProcessId) -> _State | None:
    state = _read_state(process.pid)
    return state if state is not None and state.started == process.started else None


def _read_state(pid: int) -> _State | None:
    if not BOOT_ID.exists():
        return _ask_ps(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return _State(f"{BOOT_ID.read_text(encoding='ascii').strip()}/{fields[STARTED_FIELD]}", fields[0])


def _ask_ps(pid: int) -> _State | None:
    """Return what ps tells, which every Unix has; its times are whole seconds."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    environ = {**os.environ, "LC_ALL": "C"}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)  # noqa: S603
    letters, _, started = answer.stdout.strip().partition(" ")
    return _State(started.strip(), letters[0]) if letters else None


def _kill(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
