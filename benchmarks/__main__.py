"""Every benchmark in order, cheapest layers first: `python -m benchmarks [--quick] [--only NAME]…`.

JSON lines go to stdout, progress to stderr. Each benchmark runs in processes of its own and within a time
limit; one that fails does not stop the next, but the exit code tells. `--quick` checks that they work, in
two minutes and at sizes that say nothing about speed.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from benchmarks.measure import progress


class Benchmark(NamedTuple):
    """A module with its arguments for a full run and for a quick one, and the seconds that it may take.

    Without arguments for a quick run it is left out of one: small, it would be one of the others again."""

    name: str
    module: str
    full: tuple[str, ...]
    quick: tuple[str, ...] | None
    limit_s: int = 600


MILLION: Final = ("--accounts", "1000000", "--seconds", "60")
SINGLE: Final = ("--accounts", "10000", "--seconds", "20", "--batch", "1")
QUICK_LOAD: Final = ("--accounts", "200", "--seconds", "2", "--transfers", "1000")
ANVIL_QUICK: Final = ("--accounts", "50", "--transfers", "1000")
QUICK_ORDERS: Final = ("--accounts", "100", "--seconds", "1", "--quick")
QUICK_NETWORK: Final = ("--validators", "2", "--seconds", "3", "--transactions", "1")
BENCHMARKS: Final = (
    Benchmark("codec", "codec", (), ("500",)),
    Benchmark("storage", "storage", (), ("1000",), 1_800),
    Benchmark("tree", "tree", (), ("1000",)),
    Benchmark("market", "market", (), ("100",)),
    Benchmark("settlement", "settlement", (), ("100",)),
    Benchmark("elections", "elections", (), ("200",)),
    Benchmark("queries", "queries", (), ("100",)),
    Benchmark("signatures", "signatures", (), ("1000",)),
    Benchmark("pool", "pool", (), ("1",)),
    Benchmark("dispatch", "dispatch", (), ("500",)),
    Benchmark("blocks", "blocks", (), ("500", "500")),
    Benchmark("rpc", "rpc", (), ("800",)),
    Benchmark("node", "node", (), ("800", "1")),
    Benchmark("restart", "restart", ("10",), ("2",)),
    Benchmark("network", "network", (), QUICK_NETWORK),
    Benchmark("network7", "network", ("--validators", "7", "--transactions", "0"), None),
    Benchmark("network21", "network", ("--validators", "21", "--transactions", "0"), None),
    Benchmark("throughput", "throughput", (), QUICK_LOAD),
    Benchmark("orders", "orders", (), QUICK_ORDERS),
    Benchmark("orders4", "orders", ("--validators", "4", "--seconds", "10"), QUICK_ORDERS),
    Benchmark("anvil", "anvil.compare", (), ANVIL_QUICK),
    Benchmark("single", "throughput", SINGLE, (*QUICK_LOAD, "--batch", "1")),
    Benchmark("million", "throughput", MILLION, None, 1_800),
)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("--quick", action="store_true", help="small sizes: does everything work?")
    names = [benchmark.name for benchmark in BENCHMARKS]
    options.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    chosen = options.parse_args()
    failed = []
    ours: float | None = None
    for benchmark in BENCHMARKS:
        if chosen.only and benchmark.name not in chosen.only:
            continue
        wanted = benchmark.quick if chosen.quick else benchmark.full
        if wanted is None:
            continue
        arguments = list(wanted)
        if benchmark.name == "anvil" and ours is not None:
            arguments += ["--ours", str(ours)]
        started = time.perf_counter()
        progress(f"== {benchmark.name} {' '.join(arguments)}")
        code, lines = run(benchmark, arguments)
        progress(f"== {benchmark.name}: {time.perf_counter() - started:.1f} s")
        if code != 0 or not lines:
            failed.append(benchmark.name)
            progress(f"== {benchmark.name} FAILED with exit code {code}")
        elif benchmark.name == "throughput":
            ours = float(lines[-1]["transfers_per_s"])
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(benchmark: Benchmark, arguments: Sequence[str]) -> tuple[int, list[dict[str, Any]]]:
    """Run one benchmark, passing its lines on; return its exit code and the lines."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark.module}", *arguments]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        alarm = threading.Timer(benchmark.limit_s, process.terminate)
        alarm.start()
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(json.loads(line))
        alarm.cancel()
    return process.returncode, lines


if __name__ == "__main__":
    main()
