"""Time from start to the first answer after kill -9 under load, on the same database again and again.

`python -m benchmarks.restart [ROUNDS]`; each round also checks that every block seen final is still there
with the same state root, and the run fails when one is not.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Meter, report
from tests.processes.running import kill_round

ROUNDS = 30


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    known: dict[int, tuple[str, str]] = {}
    meter = Meter()
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as directory:
        starts = [kill_round(Path(directory) / "node", known, 1 + i % 3).start_s for i in range(rounds)]
    assert len(known) == rounds
    report(
        "restart",
        rounds=rounds,
        median_s=round(statistics.median(starts), 2),
        max_s=round(max(starts), 2),
        foreign_cores=meter.read().foreign_cores,
    )


if __name__ == "__main__":
    main()
