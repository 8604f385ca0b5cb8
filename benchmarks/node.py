"""A development node as a user meets it: start-up, idle memory, account reads over keep-alive HTTP.

`python -m benchmarks.node [READS [STARTS]]` prints one JSON line for start-up (seconds from the start of the
process to the first answer over RPC and to block 1) and one for reads (accounts a second over CONNECTIONS
keep-alive connections, each answer compared with the account's record).
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.load import Signing, make_batches, send_batches, sign_transfers
from benchmarks.measure import Meter, family, progress, quantile, report, resident_mib
from benchmarks.rpc import ANSWER, RESULT, post
from benchmarks.throughput import free_port
from genesis.chain_spec import load_spec
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_128_concat, twox128

READS: Final = 20_000
STARTS: Final = 5
CONNECTIONS: Final = 8
START_S: Final = 60.0
IDLE_S: Final = 5.0
WARMING: Final = 2_000
"""Some frames for each verification worker."""
PREFIX: Final = twox128(b"System") + twox128(b"Account")


@contextmanager
def dev_node() -> Iterator[tuple[int, int, float]]:
    """Run `--dev`; give process id, port and the moment of its start."""
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as directory:
        port = free_port()
        command = [sys.executable, "-m", "node", "--dev", "--tmp", "--rpc-port", str(port)]
        command += ["--prometheus-port", str(free_port())]
        log = Path(directory) / "node.log"
        with log.open("wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            try:
                yield process.pid, port, started
            finally:
                process.terminate()
                process.wait(30)


def ask(port: int, method: str, *params: Any) -> Any:
    """Return the result of a call; OSError while the node does not answer."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())["result"]


def wait_for_rpc(port: int) -> None:
    end = time.perf_counter() + START_S
    while time.perf_counter() < end:
        try:
            ask(port, "system_health")
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise TimeoutError("the node does not answer")


def wait_for_block(port: int) -> None:
    end = time.perf_counter() + START_S
    while int(ask(port, "chain_getHeader")["number"], 16) < 1:
        assert time.perf_counter() < end, "the node makes no block"
        time.sleep(0.01)


def submit_transfers(port: int) -> None:
    """Give every worker something to do, so that none is left to be started."""
    alice, bob = (Keypair.from_uri(uri, Scheme.SR25519) for uri in ("//Alice", "//Bob"))
    genesis = bytes.fromhex(ask(port, "chain_getBlockHash", 0)[2:])
    batches = make_batches(sign_transfers([alice, bob], WARMING, Signing(1, 1, genesis)), 100)
    sent = asyncio.run(send_batches(f"ws://127.0.0.1:{port}", batches, len(batches), START_S))
    assert sent.accepted, sent.first_error  # others exceed what the pool holds of one sender
    assert sent.accepted + sent.refused == WARMING


def measure_starts(starts: int) -> None:
    """Report start-up, the median and the worst of several starts, and memory when idle with all workers."""
    meter = Meter()
    answers, blocks, idle, processes = [], [], 0, 0
    for turn in range(starts):
        progress(f"node: start {turn + 1} of {starts}")
        with dev_node() as (pid, port, started):
            wait_for_rpc(port)
            answers.append(time.perf_counter() - started)
            wait_for_block(port)
            blocks.append(time.perf_counter() - started)
            if turn == 0:
                submit_transfers(port)
                time.sleep(IDLE_S)
                idle, processes = resident_mib(pid), len(family(pid))
    report(
        "start",
        starts=starts,
        rpc_up_s={"p50": round(quantile(answers, 0.5), 2), "max": round(max(answers), 2)},
        first_block_s={"p50": round(quantile(blocks, 0.5), 2), "max": round(max(blocks), 2)},
        idle_mib=idle,
        idle_processes=processes,
        foreign_cores=meter.read().foreign_cores,
    )


async def read_accounts(port: int, bodies: list[bytes], expected: dict[int, bytes]) -> int:
    """Ask one after another over one connection; return how many answers were right."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    right = 0
    for number, body in enumerate(bodies):
        writer.write(body)
        answer = await reader.readuntil(b"}")
        assert ANSWER in answer, answer[-200:]
        assert RESULT in answer, answer[-200:]
        right += expected[number % len(expected)] in answer
    writer.close()
    await writer.wait_closed()
    return right


def prepare_reads(port: int, each: int) -> tuple[list[bytes], dict[int, bytes]]:
    """Return one connection's requests, and the answer to each modulo the number of answers."""
    accounts = [account.account_id for account in load_spec("dev").dev_accounts()]
    keys = ["0x" + (PREFIX + blake2_128_concat(account)).hex() for account in accounts]
    bodies = [
        post(
            json.dumps(
                {"jsonrpc": "2.0", "id": n, "method": "state_getStorage", "params": [keys[n % len(keys)]]}
            ).encode()
        )
        for n in range(each)
    ]
    expected = {n: ask(port, "state_getStorage", key).encode() for n, key in enumerate(keys)}
    return bodies, expected


async def read_all(port: int, bodies: list[bytes], expected: dict[int, bytes]) -> int:
    """Read over all connections at once; return how many answers were right."""
    turns = (read_accounts(port, bodies, expected) for _ in range(CONNECTIONS))
    return sum(await asyncio.gather(*turns))


def measure_reads(reads: int) -> None:
    """Report account reads over keep-alive HTTP."""
    progress(f"node: {reads} account reads")
    each = reads // CONNECTIONS
    with dev_node() as (pid, port, _):
        wait_for_rpc(port)
        wait_for_block(port)
        prepared = prepare_reads(port, each)
        meter = Meter(pid)
        right = asyncio.run(read_all(port, *prepared))
        used = meter.read()
    assert right == each * CONNECTIONS
    report(
        "read_account",
        connections=CONNECTIONS,
        reads=right,
        reads_per_s=round(right / used.wall_s),
        node_us_per_read=round(used.watched_s / right * 1e6, 1),
        client_us_per_read=round(used.own_s / right * 1e6, 1),
        foreign_cores=used.foreign_cores,
    )


def main() -> None:
    given = [int(argument) for argument in sys.argv[1:]]
    reads, starts = (*given, *(READS, STARTS)[len(given) :])
    measure_starts(starts)
    measure_reads(reads)


if __name__ == "__main__":
    main()
