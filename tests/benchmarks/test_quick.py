"""Every benchmark runs at smoke size, asserts its own results and reports where it was measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.measure import Meter, describe, family

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.net
@pytest.mark.timeout(600)
def test_every_benchmark_runs_and_its_lines_say_where() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) >= sum(one.quick is not None for one in BENCHMARKS)
    for line in lines:
        assert line["foreign_cores"] >= 0
        assert {name: line[name] for name in describe()} == describe()
    throughput = [line for line in lines if line["benchmark"] == "throughput"]
    assert [line["transfers"] for line in throughput] == [1_000, 1_000]


def test_unknown_benchmark_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "weather"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "invalid choice: 'weather'" in done.stderr


def test_meter_counts_own_watched_and_foreign_time_apart() -> None:
    work = "x = 0\nwhile True: x += 1"
    with subprocess.Popen([sys.executable, "-c", work]) as process:
        try:
            meter = Meter(process.pid)
            while meter.read().watched_s < 0.1:
                pass
            used = meter.read()
        finally:
            process.kill()
    assert used.own_s > 0
    assert used.watched_s >= 0.1
    assert used.wall_s > 0.1


def test_family_has_the_children_of_every_thread() -> None:
    work = """
import subprocess, sys, threading
def start():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(flush=True)
    threading.Event().wait(60)
thread = threading.Thread(target=start, daemon=True)
thread.start()
thread.join(60)
"""
    with subprocess.Popen([sys.executable, "-c", work], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = family(process.pid)
        for one in found:
            subprocess.run(["kill", "-9", str(one)], check=True)
    assert len(found) == 2
