"""A whole devnet as processes: `loam devnet up --json` and the commands of another terminal."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from node.devnet.ports import Ports
from node.devnet.records import ProcessId
from node.devnet.state_file import StateFile
from tests.processes.running import ROOT

READY_S = 90.0  # generous: a busy machine shall not fail a test
COMMAND_S = 60.0
FIRST_PORT = 12_000
PORTS_APART = 40
SLICES = 150


class Answer(NamedTuple):
    code: int
    out: str
    err: str


class Devnet:
    """A running devnet, and a user whose data lies in a folder of its own."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._environ = {**os.environ, "XDG_DATA_HOME": str(home / "data"), "TMPDIR": str(home)}
        self._errors = (home / "errors").open("w+")
        command = [sys.executable, "-m", "node", "devnet", "--json", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self._environ, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self.ready: dict[str, Any] = {}

    def wait_ready(self) -> None:
        """Read the one object that a ready devnet writes."""
        assert self.process.stdout is not None
        timer = threading.Timer(READY_S, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        assert line, self.read_errors()
        self.ready = json.loads(line)

    @property
    def base(self) -> Path:
        return Path(self.ready["base_path"])

    def run(self, *arguments: str) -> Answer:
        """Run a command as another terminal does."""
        command = [sys.executable, "-m", "node", "devnet", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str) -> str:
        """Run a command that must succeed; return its output."""
        answer = self.run(*arguments)
        assert answer.code == 0, answer
        return answer.out

    def status(self) -> dict[str, Any]:
        """Return the nodes by name."""
        return {node["name"]: node for node in json.loads(self.ok("status", "--json"))["nodes"]}

    def wait_for(self, is_right: Callable[[dict[str, Any]], bool], timeout_s: float = 60.0) -> dict[str, Any]:
        """Return the status as soon as it is right."""
        end = time.perf_counter() + timeout_s
        while not is_right(found := self.status()):
            assert time.perf_counter() < end, found
            time.sleep(0.2)
        return found

    def processes(self) -> list[ProcessId]:
        """Return the processes of the nodes, of those too that have ended."""
        return [node.process for node in StateFile(self.base).load().nodes if node.process is not None]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal the supervisor and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(COMMAND_S)

    def read_errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.end()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()


@contextlib.contextmanager
def running_devnet(home: Path, *arguments: str) -> Iterator[Devnet]:
    """Give a devnet whose nodes all answer."""
    with starting_devnet(home, *arguments) as devnet:
        devnet.wait_ready()
        yield devnet


@contextlib.contextmanager
def starting_devnet(home: Path, *arguments: str) -> Iterator[Devnet]:
    """Give a devnet that has just been started, on ports that no other test's devnet looks at."""
    devnet = Devnet(home, *choose_ports(), *arguments)
    try:
        yield devnet
    finally:
        devnet.close()


def choose_ports() -> tuple[str, ...]:
    """Return flags for free ports where no other process's tests are likely to look at this moment."""
    ports = Ports()
    start = FIRST_PORT + os.getpid() % SLICES * 3 * PORTS_APART
    flags: list[str] = []
    for number, flag in enumerate(("--port", "--rpc-port", "--prometheus-port")):
        flags += [flag, str(ports.find(start + number * PORTS_APART))]
    return tuple(flags)
