"""Starting one node of a running devnet again from another terminal.

Until the node answers, its end is this terminal's affair: a restart that fails leaves the other nodes
running. It must not know the terminal.
"""

import asyncio

from node.clock import Clock
from node.config import UsageError
from node.devnet.control import Control
from node.devnet.observing import Observer
from node.devnet.processes import is_alive
from node.devnet.readiness import READY_S, DevnetFailed, wait_ready
from node.devnet.records import NodeRecord
from node.devnet.state_file import StateFile


def restart_node(state: StateFile, name: str, clock: Clock, ready_s: float = READY_S) -> NodeRecord:
    """Start a node again, wait until it answers, and return it; DevnetFailed when it does not.

    UsageError when the devnet has ended: nobody would end the node then.
    """
    if not is_alive(state.load().supervisor):
        raise UsageError(
            f"the devnet has ended; start it again with: loam devnet --base-path {state.directory}"
        )
    control = Control(state, clock)
    node = control.restart(name, wanted="starting")
    try:
        asyncio.run(_wait_up(node, clock, ready_s))
    except DevnetFailed:
        control.note(node.name, "stopped")
        raise
    control.note(node.name, "running")
    return node


async def _wait_up(node: NodeRecord, clock: Clock, ready_s: float) -> None:
    async with Observer() as observer:
        await wait_ready(lambda: (node,), observer, clock, ready_s, asyncio.Event())
