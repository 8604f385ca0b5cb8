"""How the nodes of a devnet stand: their processes, and their own accounts of themselves.

It must not know how any of it is shown, nor change anything.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from node.devnet.control import is_running
from node.devnet.observing import Observer, Seen
from node.devnet.processes import is_paused
from node.devnet.records import NodeRecord

Condition = Literal["running", "paused", "stopped", "starting", "silent"]
"""`silent` is a process that runs and does not answer, `starting` one that was started again and does not
yet.
"""


class NodeView(NamedTuple):
    """A node as it is shown: how it stands, and its own account where it gives one."""

    node: NodeRecord
    condition: Condition
    seen: Seen | None


async def look(nodes: Sequence[NodeRecord], observer: Observer) -> tuple[NodeView, ...]:
    """Return how the nodes stand, in their order; paused ones are not asked."""
    conditions: dict[str, Condition] = {node.name: describe_process(node) for node in nodes}
    seen = await observer.observe(node for node in nodes if conditions[node.name] == "running")
    return tuple(_make_view(node, conditions[node.name], seen) for node in nodes)


def describe_process(node: NodeRecord) -> Condition:
    """Return how a node's process stands, without asking it anything."""
    if node.process is None or not is_running(node):
        return "stopped"
    return "paused" if is_paused(node.process) else "running"


def _make_view(node: NodeRecord, condition: Condition, seen: Mapping[str, Seen]) -> NodeView:
    account = seen.get(node.name)
    if condition == "running" and account is None:
        condition = "starting" if node.wanted == "starting" else "silent"
    return NodeView(node, condition, account)
