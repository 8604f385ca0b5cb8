"""From wishes to a running devnet and back to an empty desk: chain, directory, plan, supervisor, end.

Responsible for what must be undone: processes, a temporary folder, the pointer to the latest devnet. It must
not know how anything is shown.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from node.clock import Clock
from node.config import UsageError
from node.devnet.chains import AUTHORITY_NAMES, VALIDATORS_DEFAULT, NetworkChain, make_chain, read_chain
from node.devnet.control import Control
from node.devnet.manifest import Manifest
from node.devnet.planning import FirstPorts, NodeWish, list_wishes, plan_nodes
from node.devnet.ports import Ports
from node.devnet.processes import identify, is_alive
from node.devnet.readiness import READY_S, DevnetFailed
from node.devnet.records import DevnetRecord
from node.devnet.schedule import Schedule
from node.devnet.state_file import StateFile, forget, point_at
from node.devnet.supervisor import STOPPING, TURN_S, Supervisor, View

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FOLDER_PREFIX = "loam-devnet-"
ANY_PORTS = FirstPorts()

Work = Callable[[DevnetRecord], Awaitable[None]]
"""What is done with a devnet that is ready; when it is over, so is the devnet."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody wants of a devnet; with a manifest, that says which nodes there are."""

    validators: int | None = None
    full: int = 0
    chain: str | None = None
    manifest: Manifest | None = None
    base_path: Path | None = None
    first_ports: FirstPorts = ANY_PORTS
    node_arguments: tuple[str, ...] = ()
    ready_s: float = READY_S


def choose_chain(wishes: Wishes) -> tuple[NetworkChain, tuple[NodeWish, ...]]:
    """Return the chain and its nodes; UsageError where a lone authority should have full nodes."""
    if wishes.manifest is not None:
        nodes = tuple(NodeWish(node.name, node.role) for node in wishes.manifest.nodes)
        return make_chain(tuple(node.name for node in nodes if node.role == "validator")), nodes
    if wishes.chain is not None:
        chain = read_chain(wishes.chain, wishes.validators)
    else:
        chain = make_chain(AUTHORITY_NAMES[: wishes.validators or VALIDATORS_DEFAULT])
    if len(chain.authorities) == 1 and wishes.full:
        raise UsageError("a chain with one validator has no network; --full needs two validators at least")
    return chain, list_wishes(chain, wishes.full)


def run_devnet(
    chain: NetworkChain,
    nodes: tuple[NodeWish, ...],
    wishes: Wishes,
    view: View,
    clock: Clock,
    work: Work | None = None,
) -> None:
    """Run a devnet until a signal, its manifest or the end of some work with it ends it.

    StartError when a port is taken, DevnetFailed when a node fails; its folder is kept then, temporary or
    not. Work is cancelled when the devnet ends before it; what it raises ends the devnet and is raised.
    """
    with _directory(wishes.base_path) as directory:
        state = StateFile(directory)
        planned = plan_nodes(nodes, chain, directory, Ports(), wishes.first_ports, wishes.node_arguments)
        with state.locked():
            _ensure_unused(state)
            state.store(
                DevnetRecord(
                    supervisor=identify(os.getpid()),
                    base_path=str(directory),
                    is_temporary=wishes.base_path is None,
                    chain=chain.spec.name,
                    nodes=planned,
                )
            )
        try:
            point_at(directory)
        except OSError as error:
            view.tell(f"other terminals need --base-path {directory} ({error.strerror})")
        control = Control(state, clock)
        supervisor = Supervisor(state, control, clock, view, Schedule(wishes.manifest), wishes.ready_s)
        try:
            asyncio.run(_supervise(supervisor, control, view, None if work is None else Working(work, state)))
        finally:
            forget(directory)


class Working(NamedTuple):
    """Work, and where the devnet is found that it is done with."""

    work: Work
    state: StateFile

    async def run(self, supervisor: Supervisor, stop: asyncio.Event) -> None:
        """Run the devnet, and the work once it is ready, until either is over; raise what ended one of
        them."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(supervisor.run(stop))
                working = group.create_task(self._begin(supervisor.ready, stop))
                watching.add_done_callback(lambda _: working.cancel())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _begin(self, ready: asyncio.Event, stop: asyncio.Event) -> None:
        await ready.wait()
        try:
            await self.work(self.state.load())
        except Exception:
            # Where a node has died, that is the cause, and the supervisor says so within a turn.
            await asyncio.sleep(2 * TURN_S)
            raise
        stop.set()


async def _supervise(supervisor: Supervisor, control: Control, view: View, working: Working | None) -> None:
    """Run until a first signal, then end the nodes in order; a second signal ends them at once."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        if working is None:
            await supervisor.run(stop)
        else:
            await working.run(supervisor, stop)
    finally:
        stop.set()
        try:
            view.tell(STOPPING)
        finally:  # the terminal may have gone, and the nodes must not stay behind
            await asyncio.to_thread(control.end_nodes, hurry.is_set)


def _ensure_unused(state: StateFile) -> None:
    if not state.exists():
        return
    record = state.load()
    if is_alive(record.supervisor):
        raise UsageError(f"a devnet runs in {state.directory} already (pid {record.supervisor.pid})")
    for node in record.nodes:
        if node.process is not None and is_alive(node.process):
            raise UsageError(
                f"{node.name} of an earlier devnet still runs in {state.directory};"
                f" end it with: loam devnet stop --base-path {state.directory}"
            )


@contextmanager
def _directory(base_path: Path | None) -> Iterator[Path]:
    """Give the named directory, or a temporary one that goes away unless the devnet failed."""
    if base_path is not None:
        base_path.mkdir(parents=True, exist_ok=True)
        yield base_path.resolve()
        return
    directory = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX)).resolve()
    try:
        yield directory
    except DevnetFailed:
        raise
    except BaseException:
        _remove(directory)
        raise
    _remove(directory)


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
