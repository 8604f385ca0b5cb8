"""Devnets of fake nodes: the supervisor and its commands under small processes instead of whole nodes."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from node.clock import SystemClock
from node.devnet.control import Control
from node.devnet.processes import identify, spawn_command
from node.devnet.records import DevnetRecord, NodeRecord, ProcessId
from node.devnet.schedule import Schedule
from node.devnet.state_file import StateFile
from node.devnet.supervisor import Supervisor
from node.devnet.views import NodeView
from tests.node.devnet.fake_node import STARTS
from tests.processes.running import free_port

PROGRAM = Path(__file__).with_name("fake_node.py")


def spawn_fake(arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> ProcessId:
    """Start a fake node; return when it hears signals."""
    before = count_starts(log)
    process = spawn_command([sys.executable, "-S", str(PROGRAM), *arguments], log, environ)
    while count_starts(log) == before:
        time.sleep(0.005)
    return process


def count_starts(log: Path) -> int:
    return log.read_text(encoding="utf-8").count(STARTS) if log.exists() else 0


def make_node(
    directory: Path, name: str, behaviour: str = "answer", answered_id: str | None = None
) -> NodeRecord:
    port = free_port()
    return NodeRecord(
        name=name,
        role="validator",
        peer_id=f"peer of {name}",
        port=1,
        rpc_port=port,
        metrics_port=2,
        log=str(directory / f"{name}.log"),
        arguments=(str(port), answered_id or f"peer of {name}", behaviour),
    )


class Noted:
    """A view that remembers; it asks to stop after some turns."""

    def __init__(self, turns: int) -> None:
        self.stop = asyncio.Event()
        self.ready: DevnetRecord | None = None
        self.shown: list[tuple[NodeView, ...]] = []
        self.told: list[str] = []
        self._turns = turns

    def show_ready(self, record: DevnetRecord, took_s: float) -> None:
        assert took_s > 0
        self.ready = record

    def show_nodes(self, nodes: tuple[NodeView, ...], passed_s: float) -> None:
        assert passed_s >= 0
        self.shown.append(nodes)
        if len(self.shown) == self._turns:
            self.stop.set()

    def tell(self, text: str) -> None:
        self.told.append(text)


class FakeDevnet:
    """A state file and a control over fake nodes; this process is their supervisor."""

    def __init__(self, directory: Path, *nodes: NodeRecord, is_temporary: bool = False) -> None:
        self.state = StateFile(directory)
        self.state.store(
            DevnetRecord(
                supervisor=identify(os.getpid()),
                base_path=str(directory),
                is_temporary=is_temporary,
                chain="Test",
                nodes=nodes,
            )
        )
        self.control = Control(self.state, SystemClock(), spawn_fake)

    def node(self, name: str) -> NodeRecord:
        return self.state.load().get_node(name)

    def supervise(self, schedule: Schedule | None = None, *, turns: int = 1, ready_s: float = 30) -> Noted:
        """Run the supervisor for some turns; the nodes run on."""
        view = Noted(turns)
        supervisor = Supervisor(
            self.state, self.control, SystemClock(), view, schedule or Schedule(), ready_s
        )
        asyncio.run(supervisor.run(view.stop))
        return view


@contextlib.contextmanager
def fake_devnet(directory: Path, *nodes: NodeRecord) -> Iterator[FakeDevnet]:
    """Give a devnet whose nodes are gone afterwards."""
    devnet = FakeDevnet(directory, *nodes)
    try:
        yield devnet
    finally:
        devnet.control.end_nodes(lambda: True)
