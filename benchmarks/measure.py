"""What every benchmark reports beside its figure: machine, Python, commit, and processor time by process.

Reads /proc; knows no particular benchmark. Every line carries `foreign_cores`, the processor time that
others used meanwhile: where it is more than a fraction of a core, only processor times count.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


@cache
def describe() -> dict[str, Any]:
    """Return commit, Python, processor and core count."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "commit": commit or "unknown",
        "python": platform.python_version(),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
    }


def report(name: str, *, foreign_cores: float, **figures: Any) -> None:
    """Print one JSON line."""
    line = {"benchmark": name, **figures, "foreign_cores": max(0.0, round(foreign_cores, 2)), **describe()}
    print(json.dumps(line), flush=True)


def progress(text: str) -> None:
    """Tell on stderr what is going on."""
    print(text, file=sys.stderr, flush=True)


def measure_us(act: Callable[[], object], count: int) -> float:
    """Return microseconds of this process's processor time for each of `count` things that `act` does."""
    started = time.process_time_ns()
    act()
    return (time.process_time_ns() - started) / 1000 / count


class Reading(NamedTuple):
    """What passed since a meter was made; `watched_s` is of the watched processes with their children."""

    wall_s: float
    own_s: float
    watched_s: float
    foreign_cores: float


class Meter:
    """Processor time from now on: of this process, of watched ones and of all others.

    Children that end meanwhile and are waited for are neither watched nor foreign.
    """

    def __init__(self, *watched: int) -> None:
        self._watched = watched
        self._start = time.perf_counter()
        self._before = self._read()

    def read(self) -> Reading:
        """Return what has passed so far."""
        own, watched, ended, machine = (b - a for a, b in zip(self._before, self._read(), strict=True))
        wall = time.perf_counter() - self._start
        return Reading(wall, own, watched, (machine - own - watched - ended) / wall)

    def _read(self) -> tuple[float, float, float, float]:
        watched = sum(family_seconds(pid) for pid in self._watched)
        times = os.times()
        ended = times.children_user + times.children_system
        return process_seconds(os.getpid()), watched, ended, machine_seconds()


def process_seconds(pid: int) -> float:
    """Return processor seconds that a process has used so far, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def loop_seconds(pid: int) -> float:
    """Return processor seconds of a process's main thread, where its event loop runs, to the nanosecond."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text(encoding="utf-8").split()[0]) / 1e9


def family_seconds(pid: int) -> float:
    """Return processor seconds of a process and its living descendants."""
    return sum(process_seconds(one) for one in family(pid))


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    listed = "".join((task / "children").read_text(encoding="utf-8") for task in tasks)
    return [int(child) for child in listed.split()]


def family(pid: int) -> list[int]:
    """Return a process's id and those of its descendants."""
    return [pid, *(one for child in children(pid) for one in family(child))]


def machine_seconds() -> float:
    """Return processor seconds that the whole machine has used so far."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]
    busy = [int(fields[i]) for i in (0, 1, 2, 5, 6)]
    return sum(busy) / TICKS


def resident_mib(pid: int, *, peak: bool = False) -> int:
    """Return the resident memory of a process and its descendants in MiB, now or at each one's peak.

    Pages that processes share count for each of them.
    """
    name = "VmHWM:" if peak else "VmRSS:"
    total = 0
    for one in family(pid):
        status = Path(f"/proc/{one}/status").read_text(encoding="utf-8")
        total += int(status.split(name)[1].split()[0])
    return total // 1024


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
