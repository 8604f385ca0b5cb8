"""What is known of a devnet, as its state file holds it: nodes, their endpoints, their processes.

Responsible for the shape alone. It must not know files, processes or the RPC.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from node.config import UsageError

NODES_MAX = 64

Role = Literal["validator", "full"]
Wanted = Literal["running", "starting", "stopped"]
"""What somebody wants of a node: while another terminal starts it, its end is that terminal's affair."""


class ProcessId(Struct, frozen=True, forbid_unknown_fields=True):
    """A process for ever: a number that the system may give again, and when that process began."""

    pid: Annotated[int, Meta(ge=1)]
    started: str


class NodeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node of the devnet; `wanted` tells whether its end would be a surprise."""

    name: str
    role: Role
    peer_id: str
    port: int
    rpc_port: int
    metrics_port: int
    log: str
    arguments: tuple[str, ...]
    wanted: Wanted = "stopped"
    process: ProcessId | None = None

    @property
    def rpc_url(self) -> str:
        """The WebSocket endpoint."""
        return f"ws://127.0.0.1:{self.rpc_port}"

    @property
    def metrics_url(self) -> str:
        """The page of the Prometheus exporter."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"


class DevnetRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A devnet: its supervisor's process, where its data lies, its nodes in order.

    Another version of the file is refused, not guessed at.
    """

    version: Literal[1] = 1
    supervisor: ProcessId
    base_path: str
    is_temporary: bool
    chain: str
    nodes: Annotated[tuple[NodeRecord, ...], Meta(max_length=NODES_MAX)]

    def get_node(self, name: str) -> NodeRecord:
        """Return the node of a name in upper or lower case; UsageError when there is none."""
        for node in self.nodes:
            if node.name.lower() == name.lower():
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise UsageError(f"no node is called {name[:40]!r}; the nodes are {known}")

    def with_node(self, changed: NodeRecord) -> DevnetRecord:
        """Return the devnet with one node's record changed."""
        nodes = tuple(changed if node.name == changed.name else node for node in self.nodes)
        return msgspec.structs.replace(self, nodes=nodes)

    def get_path(self) -> Path:
        """Return the directory of all data."""
        return Path(self.base_path)
