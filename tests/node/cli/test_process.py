"""The command as a process: it announces itself, stops on a signal, and ends with the right exit code."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.clock import SystemClock
from node.config import ExitCode
from node.service import FORCED, STOP_SIGNALS, _handle_signals

pytestmark = pytest.mark.net

CLOCK = SystemClock()
START_S = 60.0  # generous: a busy machine shall not fail a test
STOP_S = 5.0
SIGNALS = [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]


class Loam:
    """One running `python -m node`, its output in a file."""

    def __init__(self, log: Path, *flags: str) -> None:
        self._log = log
        with log.open("wb") as output:
            command = [sys.executable, "-m", "node", *flags]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str) -> str:
        """Return the first line with the words."""
        deadline = CLOCK.monotonic() + START_S
        while CLOCK.monotonic() < deadline:
            for line in self.output().splitlines():
                if words in line:
                    return line
            assert self.process.poll() is None, self.output()
            time.sleep(0.05)
        raise AssertionError(f"{words!r} did not come: {self.output()}")

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(START_S)


@contextmanager
def running(log: Path, *flags: str) -> Iterator[Loam]:
    loam = Loam(log, *flags)
    try:
        yield loam
    finally:
        loam.process.kill()
        loam.process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_dev_node_announces_itself_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path / "log", "--dev", "--rpc-port", "0", "--prometheus-port", "0") as loam:
        database = Path(loam.wait_for("Database").split()[-1])
        metrics = loam.wait_for("Prometheus exporter").split()[-1]
        loam.wait_for("Everybody knows these keys")
        loam.wait_for("Imported #1 ")
        assert database.exists()
        with urllib.request.urlopen(metrics, timeout=START_S) as page:
            text = page.read().decode()
        assert 'substrate_node_roles{chain="dev"} 4.0' in text
        started = CLOCK.monotonic()
        assert loam.stop(number) == ExitCode.OK
        assert CLOCK.monotonic() - started < STOP_S
        assert "Traceback" not in loam.output()
        assert not database.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_signal_while_the_node_starts_stops_it_in_peace(number: signal.Signals) -> None:
    code = (
        "import os, sys, node.cli.start; from node.cli import main;"
        f"node.cli.start.run = lambda *_: os.kill(os.getpid(), {int(number)});"
        "sys.argv = ['loam', '--dev']; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=START_S
    )
    assert (result.returncode, result.stdout, result.stderr) == (ExitCode.OK, "", "")


def test_interrupt_while_the_program_loads_is_no_traceback() -> None:
    code = (
        "import os, signal, sys; from node.cli import main;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # background jobs of a shell ignore it
        "sys.meta_path.insert(0, type('Loads', (), {'find_spec':"
        "lambda *_: os.kill(os.getpid(), signal.SIGINT)})()); main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=START_S
    )
    assert result.stderr == ""
    assert result.returncode in {ExitCode.ERROR, -signal.SIGINT}


async def test_second_signal_ends_a_node_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr("node.service.os._exit", ends.append)
    stop = asyncio.Event()
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        _handle_signals(stop)
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        assert ends == []
        os.kill(os.getpid(), signal.SIGINT)  # the loop does not turn before the next line
        assert ends == [FORCED]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.slow
def test_validator_whose_key_is_not_the_authority_says_so(tmp_path: Path) -> None:
    with running(tmp_path / "log", "--dev", "--bob", "--rpc-port", "0", "--no-prometheus") as loam:
        assert "this one makes no block" in loam.wait_for("key_is_no_authority")
        assert loam.wait_for("Role").split()[-1] == "FULL"


@pytest.mark.slow
def test_logs_may_be_json_from_the_first_line(tmp_path: Path) -> None:
    flags = ("--dev", "--rpc-port", "0", "--no-prometheus", "--log-format", "json", "--seal", "manual")
    with running(tmp_path / "log", *flags) as loam:
        loam.wait_for("node_started")
        assert loam.stop(signal.SIGINT) == ExitCode.OK
        records = [json.loads(line) for line in loam.output().splitlines()]
    assert {"ts", "level", "target", "event"} <= set(records[0])
    (started,) = (record for record in records if record["event"] == "node_started")
    assert started["local_node_identity_is"].startswith("12D3KooW")


@pytest.mark.slow
def test_second_node_on_the_same_base_path_has_its_exit_code(tmp_path: Path) -> None:
    flags = ("--dev", "--base-path", str(tmp_path / "base"), "--rpc-port", "0", "--no-prometheus")
    with running(tmp_path / "first", *flags) as first:
        first.wait_for("Imported #1 ")
        with running(tmp_path / "second", *flags) as second:
            assert second.process.wait(START_S) == ExitCode.DATABASE_LOCKED
            assert f"in use by pid {first.process.pid}" in second.output()
            assert "Traceback" not in second.output()
        assert first.stop(signal.SIGTERM) == ExitCode.OK


@pytest.mark.slow
def test_taken_port_has_its_exit_code(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with running(tmp_path / "log", "--dev", "--rpc-port", "0", "--prometheus-port", port) as loam:
            assert loam.process.wait(START_S) == ExitCode.PORT_IN_USE
            assert "Traceback" not in loam.output()
            assert f"port {port} is in use; choose another with --prometheus-port" in loam.output()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--validator"], "needs a stable network key"),
        pytest.param(["--validator", "--node-key", "ab" * 32], "vote key", marks=pytest.mark.slow),
        pytest.param(
            ["--validator", "--node-key-file", "/nonexistent/key"],
            "needs a stable network key",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_missing_key_has_its_exit_code(tmp_path: Path, flags: list[str], words: str) -> None:
    base = ("--chain", "local", "--base-path", str(tmp_path / "base"), "--rpc-port", "0", "--no-prometheus")
    with running(tmp_path / "log", *base, *flags) as loam:
        assert loam.process.wait(START_S) == ExitCode.KEY_MISSING, loam.output()
        assert words in loam.output()
        assert "Traceback" not in loam.output()
