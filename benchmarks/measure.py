"""What every benchmark reports beside its figure: machine, Python, commit, and processor time by process.

Reads /proc; knows no particular benchmark.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


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


def report(name: str, **figures: Any) -> None:
    """Print one JSON line."""
    print(json.dumps({"benchmark": name, **figures, **describe()}), flush=True)


def process_seconds(pid: int) -> float:
    """Return processor seconds that a process has used so far, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in listed.split()]


def machine_seconds() -> float:
    """Return processor seconds that the whole machine has used so far."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]
    busy = [int(fields[i]) for i in (0, 1, 2, 5, 6)]
    return sum(busy) / TICKS


def resident_mib(pid: int) -> int:
    """Return the resident memory of a process and its children in MiB."""
    total = 0
    for one in (pid, *children(pid)):
        status = Path(f"/proc/{one}/status").read_text(encoding="utf-8")
        total += int(status.split("VmRSS:")[1].split()[0])
    return total // 1024


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
