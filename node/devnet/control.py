"""What is done to the nodes of a devnet, from its own process or from another terminal: start, end, pause,
resume.

Each change is noted in the state file before it is made, so that the supervisor knows whether an end was
wanted. It must not know the RPC nor the terminal.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from node.clock import Clock
from node.config import ExitCode, StartError, UsageError
from node.devnet.processes import is_alive, is_paused, reap, send, spawn
from node.devnet.records import DevnetRecord, NodeRecord, ProcessId, Wanted
from node.devnet.state_file import StateFile, forget

STOP_S: Final = 10.0
"""Time that a node has to end in order; a node needs less than one second."""
SUPERVISOR_STOP_S: Final = 2 * STOP_S
POLL_S: Final = 0.02

Spawn = Callable[[Sequence[str], Path, Mapping[str, str]], ProcessId]
"""Starts a node from its arguments, its log and the environment."""


class Control:
    """Changes the nodes of one devnet."""

    def __init__(self, state: StateFile, clock: Clock, spawn: Spawn = spawn) -> None:
        self._state = state
        self._clock = clock
        self._spawn = spawn

    def start(self, name: str, wanted: Wanted = "running") -> NodeRecord:
        """Start a node that does not run, with its own command line; UsageError when it runs already."""
        with self._state.locked():
            record = self._state.load()
            node = record.get_node(name)
            if is_running(node):
                raise UsageError(f"{node.name} runs already")
            process = self._spawn(node.arguments, Path(node.log), os.environ)
            node = replace(node, wanted=wanted, process=process)
            self._state.store(record.with_node(node))
        return node

    def kill(self, name: str) -> NodeRecord:
        """End a node as a crash would, and return it; UsageError when it does not run."""
        return self._end(name, signal.SIGKILL)

    def stop(self, name: str) -> NodeRecord:
        """End a node in order, or by force after STOP_S, and return it; UsageError when it does not run."""
        return self._end(name, signal.SIGINT)

    def restart(self, name: str, wanted: Wanted = "running") -> NodeRecord:
        """Start a node again, ending it in order before that where it runs."""
        if is_running(self._state.load().get_node(name)):
            self.stop(name)
        return self.start(name, wanted)

    def note(self, name: str, wanted: Wanted) -> None:
        """Note what is wanted of a node."""
        with self._state.locked():
            record = self._state.load()
            self._state.store(record.with_node(replace(record.get_node(name), wanted=wanted)))

    def pause(self, name: str) -> NodeRecord:
        """Let a node stand still until it is resumed, and return it.

        UsageError when it does not run, or stands already.
        """
        node = self._get_running(name)
        if node.process is not None and is_paused(node.process):
            raise UsageError(f"{node.name} is paused already")
        return self._signal(node, signal.SIGSTOP, is_paused)

    def resume(self, name: str) -> NodeRecord:
        """Let a paused node go on, and return it; UsageError when it is not paused."""
        node = self._get_running(name)
        if node.process is None or not is_paused(node.process):
            raise UsageError(f"{node.name} is not paused")
        return self._signal(node, signal.SIGCONT, lambda process: not is_paused(process))

    def stop_all(self) -> DevnetRecord:
        """End a devnet: by its supervisor, or directly where that has gone; return what it was."""
        record = self._state.load()
        if send(record.supervisor, signal.SIGTERM):
            if not self.wait_end([record.supervisor], SUPERVISOR_STOP_S):
                raise StartError(f"the devnet (pid {record.supervisor.pid}) does not end", ExitCode.ERROR)
            return record
        self.end_nodes(lambda: False)
        remove_traces(record)
        return record

    def end_nodes(self, is_hurried: Callable[[], bool]) -> None:
        """End every node in order, by force after STOP_S or as soon as somebody is in a hurry."""
        try:
            nodes = self._give_up_all()
        except (StartError, OSError):  # somebody has removed the folder, or broken what is in it
            nodes = () if self._state.last is None else self._state.last.nodes
        processes = [node.process for node in nodes if node.process is not None]
        for process in processes:
            _send_through_pause(process, signal.SIGINT)
        if not self.wait_end(processes, STOP_S, is_hurried):
            for process in processes:
                send(process, signal.SIGKILL)
            self.wait_end(processes, STOP_S)

    def wait_end(
        self, processes: Iterable[ProcessId], timeout_s: float, is_hurried: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until the processes have ended; return False when the time is over, or somebody hurries."""
        waited = list(processes)
        end = self._clock.monotonic() + timeout_s
        while True:
            for process in waited:
                reap(process)
            waited = [process for process in waited if is_alive(process)]
            if not waited:
                return True
            if self._clock.monotonic() >= end or is_hurried():
                return False
            time.sleep(POLL_S)

    def _end(self, name: str, number: signal.Signals) -> NodeRecord:
        node = self._get_running(name)
        self.note(name, "stopped")
        assert node.process is not None, "it runs"
        _send_through_pause(node.process, number)
        if not self.wait_end([node.process], STOP_S):
            send(node.process, signal.SIGKILL)
            self.wait_end([node.process], STOP_S)
        return node

    def _give_up_all(self) -> tuple[NodeRecord, ...]:
        with self._state.locked():
            record = self._state.load()
            nodes = tuple(replace(node, wanted="stopped") for node in record.nodes)
            self._state.store(replace(record, nodes=nodes))
        return nodes

    def _get_running(self, name: str) -> NodeRecord:
        node = self._state.load().get_node(name)
        if not is_running(node):
            raise UsageError(f"{node.name} does not run")
        return node

    def _signal(
        self, node: NodeRecord, number: signal.Signals, is_done: Callable[[ProcessId], bool]
    ) -> NodeRecord:
        """Signal a node and wait until it shows; the system takes its time."""
        if node.process is None or not send(node.process, number):
            raise UsageError(f"{node.name} does not run")
        end = self._clock.monotonic() + STOP_S
        while not is_done(node.process) and is_alive(node.process) and self._clock.monotonic() < end:
            time.sleep(POLL_S)
        return node


def is_running(node: NodeRecord) -> bool:
    """Tell whether a node's process is there, paused or not."""
    return node.process is not None and is_alive(node.process)


def remove_traces(record: DevnetRecord) -> None:
    """Remove the folder of a devnet that was temporary, and the pointer to it."""
    forget(record.get_path())
    if record.is_temporary and record.get_path().exists():
        shutil.rmtree(record.base_path)


def read_tail(path: Path, lines: int, bytes_max: int = 64 * 1024) -> list[str]:
    """Return the last lines of a log, nothing where it does not exist."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - bytes_max))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:] if lines else []


def _send_through_pause(process: ProcessId, number: signal.Signals) -> None:
    """Signal a process that may be paused, where only SIGKILL would arrive."""
    send(process, number)
    send(process, signal.SIGCONT)
