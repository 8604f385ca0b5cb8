"""Plain transfers through anvil, sent as our node gets them: batches over WebSocket, 1 s blocks.

`python -m benchmarks.anvil.compare [--ours RATE]` installs anvil from its lock file, sends pre-signed
transfers, counts those in blocks and prints anvil's transfers a second, its processor time for each, and the
ratio of our rate to it. Without Node.js or the keccak wheel it says so in one line and ends well. The caveats
of the comparison are in docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from benchmarks.load import FRAME_MAX, send_batches
from benchmarks.measure import Meter, progress, report, resident_mib
from benchmarks.throughput import free_port

if TYPE_CHECKING:
    from benchmarks.anvil.ethereum import Account

HERE = Path(__file__).parent
VERSION = "1.7.1"
ENDOWMENT = 10**24
WINDOW = 20
START_S = 30.0
DRAIN_S = 120.0
INSTALL_S = 300
FLAGS = (
    *("--block-time", "1", "--accounts", "1", "--gas-limit", "1000000000000", "--order", "fifo"),
    *("--block-base-fee-per-gas", "0", "--no-request-size-limit", "--quiet"),
)


class Missing(Exception):
    """Something that the comparison needs is not on this machine; the message says what."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=1_000)
    options.add_argument("--transfers", type=int, default=160_000)
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--ours", type=float, default=0.0, help="our transfers a second in the same run")
    chosen = options.parse_args()
    try:
        binary = find_anvil()
    except Missing as missing:
        progress(f"anvil: no comparison: {missing}")
        report("anvil", skipped=str(missing), foreign_cores=0.0)
        return
    progress(f"anvil: signing {chosen.transfers} transfers")
    accounts, batches = sign_all(chosen.accounts, chosen.transfers, chosen.batch)
    with running_anvil(binary) as (pid, url):
        figures = asyncio.run(measure(pid, url, accounts, batches))
    rate = figures["transfers_per_s"]
    ratio = {"ours_per_s": chosen.ours, "ratio": round(chosen.ours / rate, 2)} if chosen.ours else {}
    report("anvil", version=VERSION, accounts=chosen.accounts, batch=chosen.batch, **figures, **ratio)


def find_anvil() -> Path:
    """Return the program, installed on demand as the lock file says; Missing when that cannot be."""
    if importlib.util.find_spec("Crypto") is None:
        raise Missing("pip install --require-hashes -r requirements-bench.lock gives the keccak wheel")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@foundry-rs/anvil-{platform.system().lower()}-{machine}"
    binary = HERE / "node_modules" / package / "bin" / "anvil"
    if binary.exists():
        return binary
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("Node.js with npm is not installed")
    # `npm ci` refuses a lock that lists the packages of one platform alone.
    command = [npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise Missing(f"npm did not install anvil {VERSION} within {INSTALL_S} s") from late
    if done.returncode != 0 or not binary.exists():
        raise Missing(f"npm could not install anvil {VERSION}: {done.stderr.strip()[-300:]}")
    return binary


def sign_all(accounts: int, count: int, size: int) -> tuple[list[Account], list[bytes]]:
    """Return the accounts and their transfers in JSON-RPC batches: senders in turn, as for our node."""
    from benchmarks.anvil.ethereum import make_ethereum_accounts, sign_transfer  # noqa: PLC0415  # optional

    pairs = make_ethereum_accounts(accounts)
    calls = []
    for i in range(count):
        to = pairs[(i * 7919 + 1) % accounts].address
        raw = sign_transfer(pairs[i % accounts], i // accounts, to, 1_000 + i)
        calls.append(make_call(i, "eth_sendRawTransaction", "0x" + raw.hex()))
    return pairs, [orjson.dumps(calls[i : i + size]) for i in range(0, count, size)]


def make_call(number: int, method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


@contextmanager
def running_anvil(binary: Path) -> Iterator[tuple[int, str]]:
    """Run anvil on a free port with 1 s blocks; give its process id and WebSocket address."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        command = [str(binary), "--port", str(port), *FLAGS]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process.pid, f"ws://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


async def measure(pid: int, url: str, accounts: list[Account], batches: list[bytes]) -> dict[str, Any]:
    """Endow the accounts, send everything, wait for the last block and return the figures."""
    await until_up(url)
    endow = [
        make_call(i, "anvil_setBalance", "0x" + account.address.hex(), hex(ENDOWMENT))
        for i, account in enumerate(accounts)
    ]
    endowed = await send_batches(url, [orjson.dumps(endow)], 1, START_S)
    assert endowed.accepted == len(accounts), endowed.first_error
    first = int(await ask(url, "eth_blockNumber"), 16) + 1
    progress("anvil: sending")
    meter, start = Meter(pid), time.perf_counter()
    sent = await send_batches(url, batches, WINDOW, DRAIN_S)
    included = await drained(url, first, sent.accepted)
    used = meter.read()
    took = used.wall_s
    assert included == sent.accepted, f"{sent.accepted} accepted, {included} in blocks"
    assert time.perf_counter() - start < 2 * DRAIN_S
    return {
        "transfers": included,
        "refused": sent.refused,
        "first_refusal": sent.first_error,
        "transfers_per_s": round(included / took),
        "included_after_s": round(took, 2),
        "cpu_us_per_transfer": round(used.watched_s / included * 1e6, 1),
        "client_us_per_transfer": round(used.own_s / included * 1e6, 1),
        "loaded_mib": resident_mib(pid),
        "foreign_cores": used.foreign_cores,
    }


async def until_up(url: str) -> None:
    end = time.perf_counter() + START_S
    while time.perf_counter() < end:
        try:
            await ask(url, "eth_blockNumber")
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError("anvil does not answer")


async def ask(url: str, method: str, *params: Any) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=FRAME_MAX, compress=0) as socket,
    ):
        await socket.send_bytes(orjson.dumps(make_call(1, method, *params)))
        return orjson.loads((await socket.receive()).data)["result"]


async def drained(url: str, first: int, wanted: int) -> int:
    """Wait until so many transfers are in blocks; return how many there are."""
    counted, number, end = 0, first, time.perf_counter() + DRAIN_S
    while counted < wanted and time.perf_counter() < end:
        head = int(await ask(url, "eth_blockNumber"), 16)
        while number <= head:
            counted += int(await ask(url, "eth_getBlockTransactionCountByNumber", hex(number)), 16)
            number += 1
        await asyncio.sleep(0.05)
    return counted


if __name__ == "__main__":
    main()
