"""End to end: pre-signed transfers through the RPC of a real node into finalized blocks.

`python -m benchmarks.throughput` starts one authority on a fresh database with 1 s blocks and everything
on, sends transfers (half sr25519, half ed25519) over WebSocket from this process, and counts those read
back from finalized blocks. A run in which a transfer was neither included nor refused fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.load import (
    FRAME_MAX,
    Signing,
    make_accounts,
    make_batches,
    make_spec,
    probe_health,
    send_batches,
    sign_transfers,
)
from benchmarks.measure import (
    children,
    machine_seconds,
    process_seconds,
    quantile,
    report,
    resident_mib,
)
from genesis.chain_spec import load_spec, parse_spec
from runtime.primitives.block import hash_header

SIGNED_PER_SECOND = 26_000
"""Transfers to sign for each second of sending: more than a node takes."""
DRAIN_S = 60.0


@dataclass(slots=True)
class Watch:
    """What was seen of the running node."""

    heads: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    finalized: int = 0
    finalized_at: float = 0.0
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_final(self, number: int) -> None:
        """Return when a block of this number is final."""
        while self.finalized < number:
            self.progress.clear()
            await self.progress.wait()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=100_000)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--batch", type=int, default=100, help="transfers in one message")
    options.add_argument("--window", type=int, default=0, help="unanswered messages")
    options.add_argument("--transfers", type=int, default=0, help="how many to sign")
    chosen = options.parse_args()
    accounts = make_accounts(chosen.accounts)
    raw_spec = make_spec(load_spec("dev").to_json(raw=False), accounts)
    spec = parse_spec(raw_spec)
    genesis = hash_header(spec.genesis_header(spec.genesis_state()))
    count = chosen.transfers or int(SIGNED_PER_SECOND * chosen.seconds)
    transfers = sign_transfers(accounts, count, Signing(1, 1, genesis))
    batches = make_batches(transfers, chosen.batch)
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as directory:
        path = Path(directory) / "spec.json"
        path.write_bytes(raw_spec)
        with running_node(path, Path(directory) / "node.log") as (pid, url):
            figures = asyncio.run(measure(pid, url, batches, chosen))
    report("throughput", accounts=chosen.accounts, batch=chosen.batch, **figures)


@contextmanager
def running_node(spec: Path, log: Path) -> Iterator[tuple[int, str]]:
    """Run a node of a spec on free ports; give its process id and WebSocket address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "node", "--chain", str(spec), "--alice", "--validator", "--tmp"]
    command += ["--rpc-port", str(port), "--no-prometheus", "--log", "warn"]
    command += ["--pool-limit", "400000", "--pool-kbytes", "400000", "--pool-limit-per-sender", "1000000"]
    command += ["--rpc-max-response-size", "64", "--unsafe-force-node-key-generation"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process.pid, f"ws://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)
            sys.stderr.write(log.read_text(encoding="utf-8")[-2000:])


async def measure(pid: int, url: str, batches: list[bytes], chosen: argparse.Namespace) -> dict[str, Any]:
    """Send everything for the wished time and return the figures."""
    await until_up(url)
    watch = Watch()
    idle_mib = resident_mib(pid)
    async with asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(follow(url, watch))]
        watchers.append(tasks.create_task(probe_health(url, 0.1, watch.health)))
        before = snapshot(pid)
        start = time.perf_counter()
        window = chosen.window or (20 if chosen.batch > 1 else 512)
        sent = await send_batches(url, batches, window, chosen.seconds)
        sending = time.perf_counter() - start
        head = await drained(url)
        await watch.until_final(head)
        took = watch.finalized_at - start
        after = snapshot(pid)
        for task in watchers:
            task.cancel()
    included = await count_transfers(url, head)
    assert included == sent.accepted, f"{sent.accepted} accepted, {included} in finalized blocks"
    intervals = [b - a for a, b in zip(watch.heads, watch.heads[1:], strict=False)]
    node = after[0] - before[0]
    foreign = (after[2] - before[2]) - (after[1] - before[1]) - node
    return {
        "transfers": included,
        "refused": sent.refused,
        "first_refusal": sent.first_error,
        "transfers_per_s": round(included / took),
        "sending_s": round(sending, 2),
        "final_after_s": round(took, 2),
        "cpu_us_per_transfer": round(node / included * 1e6, 1),
        "foreign_cores": round(foreign / took, 2),
        "block_time_p50_s": round(quantile(intervals, 0.5), 3),
        "block_time_p95_s": round(quantile(intervals, 0.95), 3),
        "health_p50_ms": round(quantile(watch.health, 0.5) * 1e3, 1),
        "health_p99_ms": round(quantile(watch.health, 0.99) * 1e3, 1),
        "idle_mib": idle_mib,
        "loaded_mib": resident_mib(pid),
    }


def snapshot(pid: int) -> tuple[float, float, float]:
    """Return processor seconds of the node with its workers, of this process, and of the machine."""
    node = sum(process_seconds(one) for one in (pid, *children(pid)))
    return node, process_seconds(os.getpid()), machine_seconds()


async def until_up(url: str) -> None:
    for _ in range(600):
        try:
            await call(url, "system_health")
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
        else:
            return
    raise TimeoutError("the node does not answer")


async def call(url: str, method: str, *params: Any) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=FRAME_MAX, compress=0) as socket_,
    ):
        await socket_.send_bytes(
            orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        )
        return orjson.loads((await socket_.receive()).data)["result"]


async def follow(url: str, watch: Watch) -> None:
    """Note when heads arrive and how far finality has come."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket_:
        for number, method in enumerate(("chain_subscribeNewHeads", "chain_subscribeFinalizedHeads")):
            await socket_.send_bytes(orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method}))
        async for message in socket_:
            notice = orjson.loads(message.data)
            if notice.get("method") == "chain_newHead":
                watch.heads.append(time.perf_counter())
            elif notice.get("method") == "chain_finalizedHead":
                watch.finalized = int(notice["params"]["result"]["number"], 16)
                watch.finalized_at = time.perf_counter()
                watch.progress.set()


async def drained(url: str) -> int:
    """Wait until the pool is empty; return the number of the last block with transfers."""
    end = time.perf_counter() + DRAIN_S
    while time.perf_counter() < end:
        header = await call(url, "chain_getHeader")
        number = int(header["number"], 16)
        block = await call(url, "chain_getBlock", await call(url, "chain_getBlockHash", number))
        if len(block["block"]["extrinsics"]) <= 1:
            while len(block["block"]["extrinsics"]) <= 1 and number > 0:
                number -= 1
                block = await call(url, "chain_getBlock", await call(url, "chain_getBlockHash", number))
            return number
        await asyncio.sleep(0.3)
    raise TimeoutError("the pool does not drain")


async def count_transfers(url: str, head: int) -> int:
    total = 0
    for number in range(1, head + 1):
        block = await call(url, "chain_getBlock", await call(url, "chain_getBlockHash", number))
        total += len(block["block"]["extrinsics"]) - 1
    return total


if __name__ == "__main__":
    main()
