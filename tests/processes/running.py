"""A node as a process: start it, ask it, load it, kill it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.extrinsic import seal_envelope, signed_message
from runtime.primitives.scale import encode_compact
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import AccountId

TRANSFER_KEEP_ALIVE = bytes([10, 3])
START_S = 60.0  # generous: a busy machine shall not fail a test
ROOT = Path(__file__).parents[2]
DEV = ("--chain", "dev", "--alice")
GONE = (OSError, RuntimeError, HTTPException)
"""What a call may raise when its node ends meanwhile."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Ended(NamedTuple):
    """How a node ended by itself: its exit code, and the lines that it wrote."""

    code: int
    lines: list[str]

    @property
    def errors(self) -> list[str]:
        """The lines that tell of an error."""
        return [line for line in self.lines if "Error" in line or "Traceback" in line]


class DidNotStart(AssertionError):
    """The node ended before it answered, or never answered."""

    def __init__(self, ended: Ended) -> None:
        super().__init__("\n".join(["the node did not start:", *ended.lines[-40:]]))
        self.ended = ended


def run_loam(*arguments: str | Path) -> Ended:
    """Run a command until its end."""
    command = [sys.executable, "-m", "node", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=START_S)
    return Ended(done.returncode, (done.stdout + done.stderr).splitlines())


def build_command(
    base: Path, port: int, *flags: str, module: Sequence[str] = ("node",), chain: Sequence[str] = DEV
) -> list[str]:
    """Return the command line of a node on the base path, as a rule with Alice's keys."""
    command = [sys.executable, "-m", *module, *chain, "--base-path", str(base)]
    command += ["--rpc-port", str(port), "--keystore-plain", "--unsafe-force-node-key-generation"]
    return [*command, *flags]


def run_to_end(base: Path) -> Ended:
    """Start a node that cannot stay up; return how it ended."""
    return run_loam(*build_command(base, free_port(), "--no-prometheus")[3:])


class RunningNode:
    """One node on a base path; use it as a context manager."""

    def __init__(
        self,
        base: Path,
        *flags: str,
        metrics_port: int | None = None,
        module: Sequence[str] = ("node",),
        chain: Sequence[str] = DEV,
        port: int | None = None,
    ) -> None:
        """Start the node and wait until it answers; `module` may name another that runs it."""
        self.port = free_port() if port is None else port
        self.base = base
        metrics = ["--no-prometheus"] if metrics_port is None else ["--prometheus-port", str(metrics_port)]
        command = build_command(base, self.port, *metrics, *flags, module=module, chain=chain)
        self.log = base.parent / f"{base.name}.log"
        self._output = self.log.open("ab")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=self._output, stderr=subprocess.STDOUT
        )
        with ExitStack() as stack:
            stack.callback(self.stop)
            self._wait_up()
            stack.pop_all()
        self.start_s = time.perf_counter() - started

    def __enter__(self) -> RunningNode:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of a call; RuntimeError with the answer when it is an error."""
        answer = self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        if "error" in answer:
            raise RuntimeError(json.dumps(answer["error"]))
        return answer["result"]

    def send(self, message: Any) -> Any:
        """Return the answer to any JSON message."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}",
            json.dumps(message).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())

    def finalized(self) -> tuple[int, str]:
        """Return number and hash of the last finalized block."""
        block_hash: str = self.rpc("chain_getFinalizedHead")
        return int(self.rpc("chain_getHeader", block_hash)["number"], 16), block_hash

    def wait_finalized(self, number: int, timeout_s: float = 30.0) -> tuple[int, str]:
        """Return the last finalized block once its number is at least this."""
        end = time.perf_counter() + timeout_s
        while (found := self.finalized())[0] < number:
            assert time.perf_counter() < end, f"block {number} was not finalized in {timeout_s} s"
            time.sleep(0.05)
        return found

    def wait_end(self, timeout_s: float = 30.0) -> Ended:
        """Return how the node ended by itself."""
        code = self.process.wait(timeout_s)
        return Ended(code, self.log.read_text(encoding="utf-8").splitlines())

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """End the process politely; return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(15)
        self._output.close()
        if self.process.stdin is not None:
            self.process.stdin.close()
        return code

    def _wait_up(self) -> None:
        end = time.perf_counter() + START_S
        while time.perf_counter() < end:
            if self.process.poll() is not None:
                break
            try:
                self.rpc("system_health")
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.process.kill()
        raise DidNotStart(self.wait_end())


class Load:
    """Transfers from the named accounts, sent in batches by a thread until it is stopped."""

    def __init__(self, node: RunningNode, names: Sequence[str] = ("Alice", "Bob", "Charlie", "Dave")) -> None:
        self._node = node
        self._stop = threading.Event()
        self._senders = [Keypair.from_uri(f"//{name}", Scheme.SR25519) for name in names]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.accepted = 0

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(15)

    def _run(self) -> None:
        try:
            genesis = bytes.fromhex(self._node.rpc("chain_getBlockHash", 0)[2:])
            version = self._node.rpc("state_getRuntimeVersion")
            tail = version["specVersion"].to_bytes(4, "little")
            tail += version["transactionVersion"].to_bytes(4, "little") + genesis * 2
            while not self._stop.is_set():
                for sender in self._senders:
                    self._send(sender, tail)
        except GONE:
            return  # the node was killed, as it should be

    def _send(self, sender: Keypair, tail: bytes) -> None:
        nonce = self._node.rpc("system_accountNextIndex", encode_address(sender.account_id, 42))
        calls = []
        for i in range(25):
            call = TRANSFER_KEEP_ALIVE + b"\0" + os.urandom(32) + encode_compact(10**10)
            extra = b"\0" + encode_compact(nonce + i) + b"\0"
            signature = sender.sign(signed_message(call + extra + tail))
            raw = seal_envelope(AccountId(sender.account_id), sender.scheme, signature, extra, call)
            calls.append(
                {"jsonrpc": "2.0", "id": i, "method": "author_submitExtrinsic", "params": ["0x" + raw.hex()]}
            )
        self.accepted += sum("result" in answer for answer in self._node.send(calls))


KILL_BLOCK_MS = 400
"""How often a node that is to be killed makes a block, so that many kills take less time."""


class Round(NamedTuple):
    """One life of a node: seconds from start to the first answer, transfers that it accepted."""

    start_s: float
    accepted: int


def kill_round(base: Path, known: dict[int, tuple[str, str]], blocks: int) -> Round:
    """Start a node, check the finalized blocks known of its past, load it for some blocks, kill it.

    `known` maps numbers to (hash, state root) and grows by the last block seen final.
    """
    with RunningNode(base, "--seal", f"interval:{KILL_BLOCK_MS}") as node:
        for number, (block_hash, root) in known.items():
            assert node.rpc("chain_getBlockHash", number) == block_hash
            assert node.rpc("chain_getHeader", block_hash)["stateRoot"] == root
        assert node.finalized()[0] >= max(known, default=0)
        with Load(node) as load:
            while not load.accepted:
                time.sleep(0.01)
            number, block_hash = node.wait_finalized(node.finalized()[0] + blocks)
            known[number] = (block_hash, node.rpc("chain_getHeader", block_hash)["stateRoot"])
            node.kill()
        return Round(node.start_s, load.accepted)
