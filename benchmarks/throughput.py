"""End to end: pre-signed transfers through the RPC of a real node into finalized blocks.

`python -m benchmarks.throughput` starts one authority, or with `--validators` several that agree by PBFT over
loopback, on fresh databases with 1 s blocks and everything on. It sends transfers (half sr25519, half
ed25519) over WebSocket from this process to one of them, and counts those read back from finalized blocks. A
run in which a transfer was neither included nor refused fails, and so does one in which an included transfer
did not succeed. The rate is that of included transfers from the first message to the moment when the last of
them was seen final, draining included; `slowest_10s_per_s` is the worst stretch of ten seconds while sending.
Processor time and memory are those of all nodes together.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
from benchmarks.measure import Meter, Reading, progress, quantile, report, resident_mib
from benchmarks.transfers import Machine
from genesis.chain_spec import load_spec, parse_spec
from node.network.identity import compute_peer_id
from pallets.core.system import System
from runtime.primitives.block import hash_header
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import twox128
from runtime.primitives.keys import DEV_NAMES

SIGNED_PER_SECOND = 20_000
"""Transfers to sign for each second of sending: more than a node takes."""
START_S = 600.0
"""A genesis of a million accounts takes a node a minute or two."""
DRAIN_S = 120.0
STRETCH_S = 10.0
EVENTS_KEY = "0x" + (twox128(b"System") + twox128(b"Events")).hex()


@dataclass(slots=True)
class Watch:
    """What was seen of the running node."""

    pids: tuple[int, ...]
    heads: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    finalized: int = 0
    finalized_at: dict[int, float] = field(default_factory=dict)
    loaded_mib: int = 0
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
    options.add_argument("--validators", type=int, default=1, choices=(1, 4), help="who agree on blocks")
    chosen = options.parse_args()
    progress(f"throughput: {chosen.accounts} accounts")
    accounts = make_accounts(chosen.accounts)
    preset = "dev" if chosen.validators == 1 else "local"
    raw_spec = make_spec(load_spec(preset).to_json(raw=False), accounts)
    spec = parse_spec(raw_spec)
    genesis = hash_header(spec.genesis_header(spec.genesis_state()))
    del spec
    count = chosen.transfers or int(SIGNED_PER_SECOND * chosen.seconds)
    progress(f"throughput: signing {count} transfers")
    batches = make_batches(sign_transfers(accounts, count, Signing(1, 1, genesis)), chosen.batch)
    del accounts
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as directory:
        path = Path(directory) / "spec.json"
        path.write_bytes(raw_spec)
        with running_nodes(path, Path(directory), chosen.validators) as (pids, url):
            figures = asyncio.run(measure(pids, url, batches, chosen))
    report(
        "throughput",
        accounts=chosen.accounts,
        batch=chosen.batch,
        validators=chosen.validators,
        **figures,
    )


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_nodes(spec: Path, directory: Path, count: int) -> Iterator[tuple[tuple[int, ...], str]]:
    """Run the validators of a spec on free ports; give their process ids and the first one's WebSocket
    address."""
    with ExitStack() as stack:
        port = free_port()
        peers: list[str] = []
        pids: list[int] = []
        for place, name in enumerate(DEV_NAMES[:count]):
            command = [sys.executable, "-m", "node", "--chain", str(spec), f"--{name.lower()}", "--validator"]
            command += ["--tmp", "--no-prometheus", "--log", "warn"]
            command += ["--rpc-port", str(port if place == 0 else free_port())]
            command += ["--pool-limit", "400000", "--pool-kbytes", "400000"]
            command += ["--pool-limit-per-sender", "1000000", "--rpc-max-response-size", "64"]
            key, peer_port = f"{place + 1:064x}", free_port()
            command += ["--node-key", key, "--port", str(peer_port)]
            if count > 1:
                command += ["--workers", "1"]
            if peers:
                command += ["--bootnodes", peers[0]]
            public = Keypair.from_seed(bytes.fromhex(key), Scheme.ED25519).public
            peers.append(f"/ip4/127.0.0.1/tcp/{peer_port}/ws/p2p/{compute_peer_id(public)}")
            pids.append(stack.enter_context(_running(command, directory / f"{name}.log")))
        yield tuple(pids), f"ws://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[int]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)
            sys.stderr.write(log.read_text(encoding="utf-8")[-2000:])


async def measure(
    pids: tuple[int, ...], url: str, batches: list[bytes], chosen: argparse.Namespace
) -> dict[str, Any]:
    """Send everything for the wished time and return the figures."""
    progress("throughput: starting the node")
    started = time.perf_counter()
    await until_up(url)
    watch = Watch(pids)
    figures: dict[str, Any] = {
        "start_s": round(time.perf_counter() - started, 1),
        "idle_mib": sum(map(resident_mib, pids)),
    }
    progress("throughput: sending")
    async with asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(follow(url, watch))]
        watchers.append(tasks.create_task(probe_health(url, 0.1, watch.health)))
        meter = Meter(*pids)
        start = time.perf_counter()
        window = chosen.window or (20 if chosen.batch > 1 else 512)
        sent = await send_batches(url, batches, window, chosen.seconds)
        sending = time.perf_counter() - start
        figures["all_sent"] = sent.accepted + sent.refused == len(batches) * chosen.batch
        await watch.until_final(await drained(url, watch))
        used = meter.read()
        for task in watchers:
            task.cancel()
    progress("throughput: reading the blocks back")
    blocks = await count_transfers(url, watch.finalized)
    included = sum(blocks.values())
    assert included == sent.accepted, f"{sent.accepted} accepted, {included} in finalized blocks"
    last = max(number for number, count in blocks.items() if count)
    took = watch.finalized_at[last] - start
    return (
        figures
        | summarize(watch, included, took, used)
        | {
            "refused": sent.refused,
            "first_refusal": sent.first_error,
            "sending_s": round(sending, 2),
            "slowest_10s_per_s": slowest_stretch(watch, blocks, start, start + sending),
            "largest_block": max(blocks.values()),
        }
    )


def summarize(watch: Watch, included: int, took: float, used: Reading) -> dict[str, Any]:
    """Return the figures that the aims are about."""
    intervals = [b - a for a, b in zip(watch.heads, watch.heads[1:], strict=False)]
    return {
        "transfers": included,
        "transfers_per_s": round(included / took),
        "final_after_s": round(took, 2),
        "cpu_us_per_transfer": round(used.watched_s / included * 1e6, 1),
        "client_us_per_transfer": round(used.own_s / included * 1e6, 1),
        "foreign_cores": used.foreign_cores,
        "block_time_p50_s": round(quantile(intervals, 0.5), 3),
        "block_time_p95_s": round(quantile(intervals, 0.95), 3),
        "health_p50_ms": round(quantile(watch.health, 0.5) * 1e3, 1),
        "health_p99_ms": round(quantile(watch.health, 0.99) * 1e3, 1),
        "loaded_mib": watch.loaded_mib,
    }


def slowest_stretch(watch: Watch, blocks: dict[int, int], start: float, end: float) -> int | None:
    """Return the least rate of finalized transfers over ten seconds of sending; None for shorter runs."""
    times = [(at, blocks.get(number, 0)) for number, at in watch.finalized_at.items() if start <= at <= end]
    rates = []
    for position, (since, _) in enumerate(times):
        counted = 0
        for at, count in times[position + 1 :]:
            counted += count
            if at - since >= STRETCH_S:
                rates.append(counted / (at - since))
                break
    return round(min(rates)) if rates else None


async def until_up(url: str) -> None:
    end = time.perf_counter() + START_S
    while time.perf_counter() < end:
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
                watch.loaded_mib = max(watch.loaded_mib, sum(map(resident_mib, watch.pids)))
            elif notice.get("method") == "chain_finalizedHead":
                watch.finalized = int(notice["params"]["result"]["number"], 16)
                watch.finalized_at[watch.finalized] = time.perf_counter()
                watch.progress.set()


async def drained(url: str, watch: Watch) -> int:
    """Wait until the pool is empty; return the number of a block after the last transfer's."""
    end = time.perf_counter() + DRAIN_S
    while time.perf_counter() < end:
        number = watch.finalized + 1
        await watch.until_final(number)
        block = await call(url, "chain_getBlock", await call(url, "chain_getBlockHash", number))
        if len(block["block"]["extrinsics"]) <= 1 and not await call(url, "author_pendingExtrinsics"):
            return number
    raise TimeoutError("the pool does not drain")


async def count_transfers(url: str, head: int) -> dict[int, int]:
    """Return the transfers in each block up to one; asserts that every one succeeded."""
    events = Machine(()).api.runtime.events.codec
    counts: dict[int, int] = {}
    for number in range(1, head + 1):
        block_hash = await call(url, "chain_getBlockHash", number)
        block = await call(url, "chain_getBlock", block_hash)
        counts[number] = len(block["block"]["extrinsics"]) - 1
        stored = await call(url, "state_getStorage", EVENTS_KEY, block_hash)
        for record in events.decode(bytes.fromhex(stored[2:])):
            assert not isinstance(record.event, System.ExtrinsicFailed), (
                f"a transfer failed in block {number}"
            )
    return counts


if __name__ == "__main__":
    main()
