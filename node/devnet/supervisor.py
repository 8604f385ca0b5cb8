"""The supervisor of a devnet: starts its nodes, waits until they answer, watches them, and ends them.

Each turn it reads the state file, since other terminals may have killed or restarted nodes, asks the nodes
for their heights, shows them, and does what the schedule has for this moment. A node that ends although
nobody wanted it ends the devnet. It must not know how anything is shown.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from node.clock import Clock
from node.config import UsageError
from node.devnet.control import Control
from node.devnet.load import Load
from node.devnet.observing import Observer
from node.devnet.processes import reap
from node.devnet.readiness import DevnetFailed, ensure_alive, ensure_own, wait, wait_ready
from node.devnet.records import DevnetRecord, NodeRecord
from node.devnet.schedule import Action, Schedule, Verb
from node.devnet.state_file import StateFile
from node.devnet.views import NodeView, look

TURN_S: Final = 0.5
STOPPING: Final = "stopping"
"""The last event that a view is told."""


class View(Protocol):
    """Where a devnet is shown."""

    def show_ready(self, record: DevnetRecord, took_s: float) -> None:
        """Show the endpoints; all nodes answer."""
        ...

    def show_nodes(self, nodes: tuple[NodeView, ...], passed_s: float) -> None:
        """Show how the nodes stand; called every turn."""
        ...

    def tell(self, text: str) -> None:
        """Tell of an event."""
        ...


class Supervisor:
    """Runs one devnet from start to end."""

    def __init__(
        self,
        state: StateFile,
        control: Control,
        clock: Clock,
        view: View,
        schedule: Schedule,
        ready_s: float,
    ) -> None:
        self._state = state
        self._control = control
        self._clock = clock
        self._view = view
        self._schedule = schedule
        self._ready_s = ready_s
        self._height = 0
        self.ready = asyncio.Event()
        """Set once all nodes have answered."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run the devnet until it is told to stop or its schedule is over; DevnetFailed as soon as it fails.

        The nodes still run afterwards.
        """
        started = self._clock.monotonic()
        async with Observer() as observer:
            for node in self._state.load().nodes:
                if not self._schedule.is_late(node.name):
                    self._control.start(node.name)
            if not await wait_ready(self._list_wanted, observer, self._clock, self._ready_s, stop):
                return
            ready = self._clock.monotonic()
            self._view.show_ready(self._state.load(), ready - started)
            self.ready.set()
            per_second = self._schedule.transfers_per_second
            load = None if per_second is None else Load(per_second, observer)
            while not stop.is_set():
                is_over = await self._turn(observer, self._clock.monotonic() - ready, load)
                if is_over:
                    break
                await wait(stop, TURN_S)
            if load is not None:
                self._view.tell(f"load: {load.accepted} transfers taken, {load.refused} refused")

    def _list_wanted(self) -> list[NodeRecord]:
        return [node for node in self._state.load().nodes if node.wanted == "running"]

    async def _turn(self, observer: Observer, passed_s: float, load: Load | None) -> bool:
        """Look, show and act once; return whether the schedule is over."""
        record = self._state.load()
        self._ensure_alive(record)
        views = await look(record.nodes, observer)
        seen = {view.node.name: view.seen for view in views if view.seen is not None}
        ensure_own(record.nodes, seen)
        self._view.show_nodes(views, passed_s)
        if load is not None:
            await load.send_due(passed_s, [view.node for view in views if view.seen is not None])
        self._height = max([self._height, *(account.finalized for account in seen.values())])
        actions = self._schedule.take_due(passed_s, self._height)
        for action in actions:
            await self._perform(action)
        if actions:
            return False
        return await self._is_over(observer, views, passed_s)

    async def _perform(self, action: Action) -> None:
        self._view.tell(f"{action.verb} {action.node}")
        perform: dict[Verb, Callable[[str], object]] = {
            "start": self._control.start,
            "restart": self._control.restart,
            "kill": self._control.kill,
            "stop": self._control.stop,
            "pause": self._control.pause,
            "resume": self._control.resume,
        }
        try:
            await asyncio.to_thread(perform[action.verb], action.node)
        except UsageError as error:
            raise DevnetFailed(f"cannot {action.verb} {action.node}: {error}") from error

    async def _is_over(self, observer: Observer, views: tuple[NodeView, ...], passed_s: float) -> bool:
        """Tell whether the schedule is over; DevnetFailed when it should be, or the nodes do not agree."""
        heights = {
            view.node.name: -1 if view.seen is None else view.seen.finalized
            for view in views
            if view.condition not in {"paused", "stopped"}
        }
        if self._schedule.is_over(passed_s, heights):
            nodes = [view.node for view in views if view.node.name in heights]
            await self._ensure_agreed(observer, nodes, min(heights.values()))
            return True
        if self._schedule.is_late_to_end(passed_s):
            shown = ", ".join(f"{name} #{height}" for name, height in heights.items())
            raise DevnetFailed(f"the network did not come to its end in time; finalized: {shown}")
        return False

    def _ensure_alive(self, record: DevnetRecord) -> None:
        """Raise DevnetFailed when a node has ended that nobody has ended."""
        for node in record.nodes:
            if node.wanted == "running":
                try:
                    ensure_alive(node)
                except DevnetFailed:
                    now = self._state.load().get_node(node.name)
                    if now.process == node.process and now.wanted == "running":
                        raise
            elif node.process is not None:
                reap(node.process)

    async def _ensure_agreed(self, observer: Observer, nodes: list[NodeRecord], number: int) -> None:
        """Raise DevnetFailed unless the nodes have the same block of a number that all of them have final."""
        hashes = {node.name: await observer.get_block_hash(node, number) for node in nodes}
        if len(set(hashes.values())) != 1 or None in hashes.values():
            shown = ", ".join(f"{name} {block_hash}" for name, block_hash in hashes.items())
            raise DevnetFailed(f"the nodes disagree about block #{number}: {shown}")
        self._view.tell(f"all nodes agree on block #{number} {hashes[nodes[0].name]}")
