"""Whether nodes have come up: each answers as the node it should be, or has ended, or the time is over.

It must not know who started them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from node.clock import Clock
from node.config import ExitCode, StartError
from node.devnet.control import is_running, read_tail
from node.devnet.observing import Observer, Seen
from node.devnet.processes import reap
from node.devnet.records import NodeRecord

READY_S: Final = 60.0
"""Generous: a busy machine shall not fail a start."""
POLL_S: Final = 0.1
TAIL_LINES: Final = 20


class DevnetFailed(StartError):
    """A node ended unexpectedly or never answered, or the nodes disagree; `lines` are the end of its log."""

    def __init__(self, message: str, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message, ExitCode.DEVNET_FAILED)
        self.lines = lines


async def wait_ready(
    list_nodes: Callable[[], Iterable[NodeRecord]],
    observer: Observer,
    clock: Clock,
    timeout_s: float,
    stop: asyncio.Event,
) -> bool:
    """Wait until every node answers; return False when told to stop before. DevnetFailed when one cannot."""
    end = clock.monotonic() + timeout_s
    while not stop.is_set():
        nodes = tuple(list_nodes())
        for node in nodes:
            ensure_alive(node)
        seen = await observer.observe(nodes)
        ensure_own(nodes, seen)
        missing = [node for node in nodes if node.name not in seen]
        if not missing:
            return True
        if clock.monotonic() >= end:
            raise fail(missing[0], f"{missing[0].name} did not answer within {timeout_s:.0f} s")
        await wait(stop, POLL_S)
    return False


def ensure_alive(node: NodeRecord) -> None:
    """Raise DevnetFailed when a node's process has ended."""
    if not is_running(node):
        code = None if node.process is None else reap(node.process, is_ending=True)
        how = "" if code is None else f" {describe_exit(code)}"
        raise fail(node, f"{node.name} ended unexpectedly{how}")


def ensure_own(nodes: Iterable[NodeRecord], seen: Mapping[str, Seen]) -> None:
    """Raise DevnetFailed when another program answers on a node's port."""
    for node in nodes:
        account = seen.get(node.name)
        if account is not None and account.peer_id != node.peer_id:
            raise fail(node, f"another node answers on port {node.rpc_port}, which {node.name} was to have")


def describe_exit(code: int) -> str:
    """Return an exit code in words, the signal's number where it was one."""
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def fail(node: NodeRecord, message: str) -> DevnetFailed:
    """Return the failure of a node with the end of its log."""
    return DevnetFailed(f"{message}; its log is {node.log}", tuple(read_tail(Path(node.log), TAIL_LINES)))


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some time, or until told to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
