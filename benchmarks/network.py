"""How fast a network of validators on this machine agrees, with nothing to do and with single transactions.

`python -m benchmarks.network [--validators 4] [--seconds 60] [--transactions 20]`: time from one final block
to the next, from the first sight of a block to its finality, and from sending a transaction until its sender
hears that it is final. All nodes share the machine's cores: with many validators it is the machine that is
measured.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.measure import Meter, progress, quantile, report
from node.devnet.load import make_transfers
from node.devnet.observing import Observer
from node.devnet.records import NodeRecord
from node.devnet.state_file import StateFile
from runtime.primitives.crypto import Keypair, Scheme
from tests.networks.heads import Heads, list_intervals, merge_earliest
from tests.processes.devnet import running_devnet

BEGIN_S = 120.0
PAUSE_S = 1.37
"""Between two transactions: no multiple of the block time, so that they come at every moment of a slot."""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.network", description=__doc__)
    options.add_argument("--validators", type=int, default=4)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--transactions", type=int, default=20)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as folder:
        base = Path(folder) / "network"
        with running_devnet(Path(folder), "-n", str(given.validators), "--base-path", str(base)) as devnet:
            assert devnet.process.poll() is None, devnet.read_errors()
            progress(f"{given.validators} validators answer")
            record = StateFile(base).load()
            pids = [node.process.pid for node in record.nodes if node.process is not None]
            figures = asyncio.run(measure(record.nodes, pids, given.seconds, given.transactions))
    report("network", validators=given.validators, seconds=given.seconds, **figures)


async def measure(
    nodes: tuple[NodeRecord, ...], pids: list[int], seconds: float, transactions: int
) -> dict[str, Any]:
    """Watch the idle network for some time, then send transactions one after another; return the figures."""
    heads = [Heads(node.name, node.rpc_port) for node in nodes]
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        watching = [group.create_task(one.run(session)) for one in heads]
        async with asyncio.timeout(BEGIN_S):
            while not all(one.final >= 2 for one in heads):  # noqa: ASYNC110  # heads tell of no condition
                await asyncio.sleep(0.1)
        meter, first = Meter(*pids), max(one.final for one in heads)
        await asyncio.sleep(seconds)
        idle = meter.read()
        final_at = merge_earliest([one.final_at for one in heads])
        sealed_at = merge_earliest([one.sealed_at for one in heads])
        counted = {number: at for number, at in final_at.items() if number > first}
        waits = [await send_one(session, nodes[0], number) for number in range(transactions)]
        for task in watching:
            task.cancel()
    intervals = list_intervals(counted)
    to_final = [at - sealed_at[number] for number, at in counted.items() if number in sealed_at]
    return {
        "blocks": len(counted),
        "interval_p50_s": round(quantile(intervals, 0.5), 3),
        "interval_p99_s": round(quantile(intervals, 0.99), 3),
        "seal_to_final_p50_s": round(quantile(to_final, 0.5), 3),
        "seal_to_final_p99_s": round(quantile(to_final, 0.99), 3),
        "transactions": transactions,
        "transaction_to_final_p50_s": round(quantile(waits, 0.5), 3),
        "transaction_to_final_max_s": round(max(waits, default=0.0), 3),
        "node_cores": round(idle.watched_s / idle.wall_s / len(nodes), 3),
        "foreign_cores": idle.foreign_cores,
    }


async def send_one(session: aiohttp.ClientSession, node: NodeRecord, number: int) -> float:
    """Return the seconds from sending a transfer until its sender hears that it is final."""
    await asyncio.sleep(PAUSE_S)
    sender = Keypair.from_uri("//Eve", Scheme.SR25519)
    async with Observer() as observer:
        tail = await observer.get_signed_tail(node)
    assert tail is not None, "the node answers"
    (raw,) = await asyncio.to_thread(make_transfers, sender, number, 1, tail)
    async with session.ws_connect(f"http://127.0.0.1:{node.rpc_port}") as socket:
        started = time.perf_counter()
        call = {"jsonrpc": "2.0", "id": 1, "method": "author_submitAndWatchExtrinsic"}
        await socket.send_str(orjson.dumps({**call, "params": [f"0x{raw.hex()}"]}).decode())
        async for message in socket:
            told = orjson.loads(message.data)
            assert "error" not in told, told
            status = told.get("params", {}).get("result")
            if isinstance(status, dict) and "finalized" in status:
                return time.perf_counter() - started
    raise AssertionError("the node ended the watch")


if __name__ == "__main__":
    main()
