"""`benchmark machine`: is this machine fast enough for an authority.

It measures what a node does most: hashing, checking signatures, copying memory, syncing small writes to disk.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson
from rich.console import Console
from rich.table import Table

from node.cli.options import resolve_options, setting_options
from node.clock import Clock, SystemClock
from node.config import ExitCode
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.hashing import blake2_256, blake3_256

MEASURE_S = 0.5
MIB = 1024 * 1024
SYNC_BYTES = 64 * 1024


class Score(NamedTuple):
    """One measurement beside what an authority should reach; more is better."""

    name: str
    unit: str
    value: float
    wanted: float

    @property
    def is_enough(self) -> bool:
        """Tell whether the machine reaches what is wanted."""
        return self.value >= self.wanted


@click.group("benchmark")
def benchmark() -> None:
    """Measure this machine."""


@benchmark.command("machine")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--allow-fail", is_flag=True, help="Exit code 0 even if the machine is too slow.")
@setting_options("base_path", "tmp")
def machine(*, as_json: bool, allow_fail: bool, **values: Any) -> int:
    """Measure what an authority needs.

    Hashing, signatures, memory and the disk under the base path are measured, in a few seconds.
    """
    config = resolve_options(values).config
    place = Path(tempfile.gettempdir()) if config.tmp else _find_existing(config.get_base_path())
    scores = measure_machine(SystemClock(), place, MEASURE_S)
    if as_json:
        for score in scores:
            click.echo(orjson.dumps({**score._asdict(), "is_enough": score.is_enough}))
    else:
        Console(file=sys.stdout).print(make_table(scores))
    return ExitCode.OK if allow_fail or all(score.is_enough for score in scores) else ExitCode.ERROR


def measure_machine(clock: Clock, place: Path, seconds: float) -> list[Score]:
    """Return all scores; each measurement takes about `seconds`, files are made and removed in `place`."""
    block, message = bytes(MIB), bytes(200)
    scores = [
        Score("blake2b-256", "MiB/s", count_per_second(clock, lambda: blake2_256(block), seconds), 500),
        Score("blake3", "MiB/s", count_per_second(clock, lambda: blake3_256(block), seconds), 1000),
        Score("memory copy", "MiB/s", count_per_second(clock, lambda: bytearray(block), seconds), 3000),
    ]
    for scheme, wanted in ((Scheme.SR25519, 8_000), (Scheme.ED25519, 8_000)):
        pair = Keypair.from_uri("//Alice", scheme)
        signature = pair.sign(message)
        rate = count_per_second(clock, _make_check(scheme, pair.public, signature, message), seconds)
        scores.append(Score(f"{scheme.name.lower()} verify", "1/s", rate, wanted))
    with tempfile.NamedTemporaryFile(dir=place, prefix=".loam-benchmark-") as file:
        data = os.urandom(SYNC_BYTES)

        def sync() -> None:
            os.write(file.fileno(), data)
            os.fsync(file.fileno())

        scores.append(Score("synced writes of 64 KiB", "1/s", count_per_second(clock, sync, seconds), 100))
    scores.append(Score("free disk", "GiB", shutil.disk_usage(place).free // 2**30, 20))
    return scores


def count_per_second(clock: Clock, work: Callable[[], object], seconds: float) -> float:
    """Return how often per second the work can be done, repeating it for about the given time."""
    work()
    started = clock.monotonic()
    count = 0
    while (passed := clock.monotonic() - started) < seconds:
        work()
        count += 1
    return round(count / passed, 1)


def make_table(scores: list[Score]) -> Table:
    """Return the scores as a table."""
    table = Table(box=None, header_style="bold")
    for title in ("", "measured", "wanted", "unit", ""):
        table.add_column(title, justify="right" if title in {"measured", "wanted"} else "left")
    for score in scores:
        verdict = "[green]enough[/]" if score.is_enough else "[red]too slow[/]"
        table.add_row(score.name, f"{score.value:,.0f}", f"{score.wanted:,.0f}", score.unit, verdict)
    return table


def _make_check(scheme: Scheme, public: bytes, signature: bytes, message: bytes) -> Callable[[], object]:
    return lambda: verify(scheme, public, signature, message)


def _find_existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    return next(candidate for candidate in (path, *path.absolute().parents) if candidate.exists())
