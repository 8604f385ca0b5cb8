"""Four validators of the local preset as processes, each to be started, ended and asked by itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from node.network.identity import compute_peer_id
from runtime.primitives.crypto import Keypair, Scheme
from tests.processes.running import RunningNode, free_port

NAMES = ("alice", "bob", "charlie", "dave")
PATIENCE_S = 60.0


class Validators:
    """The nodes of the local preset, each on a base path and a port of its own."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._stack = ExitStack()
        self._keys = [f"{place:064x}" for place in range(1, 5)]
        self.ports = [free_port() for _ in NAMES]
        first = Keypair.from_seed(bytes.fromhex(self._keys[0]), Scheme.ED25519)
        self._boot = f"/ip4/127.0.0.1/tcp/{self.ports[0]}/ws/p2p/{compute_peer_id(first.public)}"
        self.nodes: dict[str, RunningNode] = {}

    def start(self, name: str, module: Sequence[str] = ("node",)) -> RunningNode:
        """Start a node that does not run; `module` may name another that runs it."""
        place = NAMES.index(name)
        chain = ("--chain", "local", "--validator", f"--{name}")
        flags = ["--node-key", self._keys[place], "--port", str(self.ports[place]), "--workers", "0"]
        if place:
            flags += ["--bootnodes", self._boot]
        self.nodes[name] = RunningNode(self._base / name, *flags, module=module, chain=chain)
        self._stack.callback(self.nodes[name].stop)
        return self.nodes[name]

    def wipe(self, name: str) -> None:
        """Remove all that a stopped node has on disk."""
        shutil.rmtree(self._base / name)

    def close(self) -> None:
        """Stop all nodes."""
        self._stack.close()


@contextmanager
def validators(base: Path, modules: Mapping[str, Sequence[str]] | None = None) -> Iterator[Validators]:
    """Give four validators that all answer; `modules` names the module that runs some of them."""
    found = Validators(base)
    try:
        for name in NAMES:
            found.start(name, (modules or {}).get(name, ("node",)))
        yield found
    finally:
        found.close()


def final(node: RunningNode) -> int:
    """Return the number of the last final block."""
    header = node.rpc("chain_getHeader", node.rpc("chain_getFinalizedHead"))
    return int(header["number"], 16)


def wait(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.perf_counter() + PATIENCE_S
    while not condition():
        assert time.perf_counter() < end, "it takes too long"
        time.sleep(0.2)


def reach(number: int, *nodes: RunningNode) -> None:
    """Wait until nodes have a block final."""
    wait(lambda: all(final(node) >= number for node in nodes))


def hashes(node: RunningNode, upto: int) -> list[str]:
    """Return the hashes of a node's blocks from the genesis on."""
    return [node.rpc("chain_getBlockHash", number) for number in range(upto + 1)]
