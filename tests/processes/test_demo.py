"""`loam demo energy-week` as a process: three hours with a node, a stop in the middle, a killed node."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.config import ExitCode
from tests.processes.devnet import choose_ports
from tests.processes.running import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(240)]

WAIT_S = 90.0
PICTURE_NAMES = ("prices", "volumes", "flows", "savings")
"""And the weather, where every hour has an answer: on a busy machine one may come too late."""


class Demo:
    """A run whose steps are read as they are printed."""

    def __init__(self, home: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "node", "demo", "energy-week", "--nodes", "1", *arguments]
        environ = {**os.environ, "XDG_DATA_HOME": str(home / "data"), "TMPDIR": str(home)}
        self.process = subprocess.Popen(
            [*command, *choose_ports()],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def wait_line(self, is_wanted: Callable[[str], bool]) -> str:
        """Return the next line of a kind."""
        assert self.process.stdout is not None
        timer = threading.Timer(WAIT_S, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line.rstrip())
                if is_wanted(line):
                    return line.rstrip()
        finally:
            timer.cancel()
        raise AssertionError("\n".join(self.lines))

    def end(self) -> int:
        """Return the exit code, all lines read."""
        out, _ = self.process.communicate(timeout=WAIT_S)
        self.lines += out.splitlines()
        return self.process.returncode


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not list(tmp_path.glob("loam-devnet-*/*.pid"))


def test_three_hours_come_to_the_rules_computed_alone(home: Path) -> None:
    output = home / "out"
    demo = Demo(home, "--hours", "3", "--first", "37", "--speed", "1800", "--json", "--output", str(output))
    code = demo.end()
    assert code == ExitCode.OK, "\n".join(demo.lines)
    result = json.loads(demo.lines[-1])
    assert result["is_exact"] is True
    assert result["hours"] == 3
    assert result["traded_wh"] > 0
    assert result["netted_wh"] > 0
    assert Path(result["page"]) == output / "index.html"
    assert all((output / f"{name}.png").stat().st_size for name in PICTURE_NAMES)
    operator = json.loads((output / "operator.json").read_text(encoding="utf-8"))
    assert operator["netted_days"], "the last payments were made"
    regulator = json.loads((output / "regulator.json").read_text(encoding="utf-8"))
    assert regulator["supervision"]["Compliance.KycAttested"] == 15
    assert len(regulator["roots"]["trades"]) == 3
    assert list(home.glob("loam-devnet-*")) == [], "the chain was temporary"


def test_a_stop_in_the_middle_leaves_no_node_and_writes_nothing(home: Path) -> None:
    output = home / "out"
    demo = Demo(home, "--hours", "3", "--no-plots", "--output", str(output))
    demo.wait_line(lambda line: "officers attest" in line)
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == ExitCode.ERROR
    assert demo.lines[-1] == "Stopped before the end; nothing was written."
    assert "Traceback" not in "\n".join(demo.lines)
    assert list(output.iterdir()) == []
    assert list(home.glob("loam-devnet-*")) == []


def test_a_node_that_ends_is_named(home: Path) -> None:
    keep = home / "chain"
    demo = Demo(home, "--hours", "3", "--no-plots", "--keep", str(keep), "--output", str(home / "out"))
    demo.wait_line(lambda line: "officers attest" in line)
    record = json.loads((keep / "devnet.json").read_text(encoding="utf-8"))
    os.kill(record["nodes"][0]["process"]["pid"], signal.SIGKILL)
    started = time.monotonic()  # noqa: TID251  # how long a process takes is what is measured
    assert demo.end() == ExitCode.DEVNET_FAILED
    assert time.monotonic() - started < WAIT_S  # noqa: TID251
    assert "Alice ended unexpectedly by signal 9" in "\n".join(demo.lines)
