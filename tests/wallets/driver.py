"""Starts the node and the scenario programs of the wallet clients, and asks the programs for scenarios.

A program serves many scenarios over one connection. It is restarted after one that it did not answer in time.
"""

import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.wallets.environments import ROOT, Client

NODE_START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
REQUEST_TIMEOUT_S = 2
SCENARIO_TIMEOUT_S = 60
LOG_TAIL_CHARS = 3000


class Outcome(NamedTuple):
    ok: bool
    detail: object
    took_s: float


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Program:
    """One client's scenario program; its standard error goes to a file whose tail explains failures."""

    def __init__(self, client: Client, endpoint: str, account: str | None = None) -> None:
        self.client = client
        self.command = [*client.script("main"), endpoint, account or client.account]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the program
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NODE_NO_WARNINGS": "1"}
        process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._answers = queue.SimpleQueue()
        assert process.stdout is not None
        threading.Thread(target=_pump, args=(process.stdout, self._answers), daemon=True).start()
        return process

    def run(self, scenario: str, timeout_s: float = SCENARIO_TIMEOUT_S) -> Outcome:
        """Ask for a scenario; no answer in time, or the program's end, is a failed outcome."""
        started = time.perf_counter()
        if self._process is not None and self._process.poll() is not None:
            self.close_process()
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(scenario + "\n")
            self._process.stdin.flush()
            answer = self._answers.get(timeout=timeout_s)
        except (OSError, queue.Empty) as fault:
            self.close_process()
            answer = json.dumps({"ok": False, "detail": f"no answer within {timeout_s} s ({fault!r})"})
        took_s = time.perf_counter() - started
        if not answer:
            answer = json.dumps({"ok": False, "detail": "the scenario program ended"})
        told = json.loads(answer)
        detail = (
            told["detail"] if told["ok"] else f"{told['detail']}\n--- printed by the client:\n{self._tail()}"
        )
        return Outcome(told["ok"], detail, took_s)

    def _tail(self) -> str:
        self._log.flush()
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LOG_TAIL_CHARS))
        return self._log.read()

    def close_process(self) -> None:
        if self._process is not None:
            _stop(self._process)
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    assert stream is not None
                    stream.close()
            self._process = None

    def close(self) -> None:
        self.close_process()
        self._log.close()


def _pump(stream: IO[str], answers: "queue.SimpleQueue[str]") -> None:
    with suppress(ValueError):
        for line in stream:
            answers.put(line)
    answers.put("")


@contextmanager
def running(client: Client, endpoint: str, account: str | None = None) -> Iterator[Program]:
    """A scenario program that ends with the block."""
    program = Program(client, endpoint, account)
    try:
        yield program
    finally:
        program.close()


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(endpoint: str, method: str) -> Any:
    """The result of a JSON-RPC method without parameters; OSError when nothing answers."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).encode()
    url = endpoint.replace("ws:", "http:")
    with urllib.request.urlopen(
        urllib.request.Request(url, body, {"content-type": "application/json"}), timeout=REQUEST_TIMEOUT_S
    ) as answer:
        return json.load(answer)["result"]


def _is_answering(endpoint: str) -> bool:
    try:
        return bool(ask(endpoint, "system_health"))
    except OSError:
        return False


@contextmanager
def dev_node(folder: Path) -> Iterator[str]:
    """A node on the development chain with blocks of one second; yields its WebSocket endpoint."""
    port = free_port()
    endpoint = f"ws://127.0.0.1:{port}"
    log_path = folder / "node.log"
    command = [sys.executable, "-m", "node", "--dev", "--tmp", "--rpc-port", str(port), "--no-prometheus"]
    with log_path.open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.perf_counter() + NODE_START_TIMEOUT_S
            while not _is_answering(endpoint):
                if process.poll() is not None or time.perf_counter() > deadline:
                    raise AssertionError(
                        f"the node does not answer:\n{log_path.read_text()[-LOG_TAIL_CHARS:]}"
                    )
                time.sleep(0.1)
            yield endpoint
        finally:
            _stop(process)
