"""The simulator on the command line; `docs/consensus-testing.md` says how to use it.

Every command ends with one line of figures, and with exit code 1 where a rule was broken or a fault was not
found.
"""

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from signal import SIG_DFL, SIGPIPE, signal
from time import perf_counter
from typing import Final

from tests.sim import crash_points
from tests.sim.checker import Violation
from tests.sim.fuzz import Fuzz
from tests.sim.mutants import MUTANTS, SEEDS_MAX, kill
from tests.sim.profiles import ADVERSARIES, PROFILES
from tests.sim.series import Deafness, MixedProfiles, RunSeed, Summary, run_series
from tests.sim.simulation import Config, run

PROGRESS_S: Final = 10
FAILURES_SHOWN_MAX: Final = 10
FUZZ_INPUTS: Final = 10_000
"""Inputs to one engine."""


def main() -> int:
    """Do what the command line says; return the exit code."""
    arguments = _parse()
    config = Config(
        nodes=arguments.nodes,
        heights=arguments.heights,
        byzantine=arguments.byzantine,
        adversaries=tuple(arguments.adversaries) if arguments.adversaries else None,
        outage_ms=None if arguments.outage is None else arguments.outage * 1_000,
        recovery_max_ms=None if arguments.recovery_max is None else arguments.recovery_max * 1_000,
        is_real=arguments.real_signatures,
    )
    if arguments.mutants:
        return _kill_mutants(arguments.seeds or SEEDS_MAX)
    if arguments.crash_points:
        return _crash_everywhere(arguments.seeds or 1)
    if arguments.fuzz:
        return _feed_anything(arguments.fuzz, arguments.from_seed)
    mixed = MixedProfiles(config, tuple(arguments.profile))
    if arguments.replay is not None:
        return _replay(arguments.replay, mixed.config(arguments.replay))
    if arguments.hash_seeds:
        return _compare_hash_seeds(arguments.hash_seeds)
    if arguments.deafness:
        deafness = Deafness(config, arguments.views)
        return _run(deafness, arguments.from_seed, arguments.deafness, arguments.jobs)
    return _run(mixed, arguments.from_seed, arguments.seeds or 100, arguments.jobs)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulate the agreement engine.")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--seeds", type=int, help="how many; 100, or what the command needs")
    parser.add_argument("--from-seed", type=int, default=1)
    parser.add_argument("--byzantine", type=int, help="faulty validators; f when left out")
    parser.add_argument("--adversaries", type=_names(ADVERSARIES), help="their kinds, with commas")
    parser.add_argument(
        "--profile", type=_names(tuple(PROFILES)), default=["random"], help="with commas: in turn"
    )
    parser.add_argument("--heights", type=int, default=5)
    parser.add_argument("--real-signatures", action="store_true", help="ed25519, and every message encoded")
    parser.add_argument("--outage", type=int, help="seconds, for the profile of that name")
    parser.add_argument("--recovery-max", type=int, help="seconds from the good network to the next block")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and tell every event")
    parser.add_argument("--mutants", action="store_true", help="look for planted faults")
    parser.add_argument("--crash-points", action="store_true", help="crash at every step and byte")
    parser.add_argument(
        "--deafness", type=int, metavar="SAMPLES", help="directed deafness, four nodes and a twin"
    )
    parser.add_argument("--views", type=int, choices=(1, 2, 3), default=2, help="with deafness")
    parser.add_argument(
        "--fuzz", type=int, metavar="INPUTS", help="feed one engine anything that checks let by"
    )
    parser.add_argument(
        "--hash-seeds", type=lambda text: text.split(","), help="compare the traces of processes with these"
    )
    arguments = parser.parse_args()
    if arguments.byzantine is not None and not 0 <= arguments.byzantine < arguments.nodes:
        parser.error("at least one node must be correct")
    return arguments


def _names(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if not set(names) <= set(known):
            raise argparse.ArgumentTypeError(f"choose from {', '.join(known)}")
        return names

    return parse


def _run(run_seed: RunSeed, first: int, count: int, jobs: int) -> int:
    started = told = perf_counter()
    summary = Summary()
    for summary in run_series(run_seed, first, count, jobs):
        if perf_counter() - told > PROGRESS_S:
            told = perf_counter()
            _show(summary, told - started)
    for seed, text in summary.failures[:FAILURES_SHOWN_MAX]:
        _write(f"seed {seed}: {text}")
    _show(summary, perf_counter() - started)
    return bool(summary.failures)


def _show(summary: Summary, took_s: float) -> None:
    _write(
        f"{summary.seeds} seeds, {len(summary.failures)} violations, {summary.delivered} messages delivered,"
        f" {summary.virtual_ms // 1000} virtual seconds, {summary.heights} heights decided,"
        f" {summary.reports} reports, slowest recovery {summary.recovery_max_ms / 1000:.1f} s,"
        f" {summary.delivered / took_s:.0f} messages/s, trace {summary.trace:032x}"
    )


def _replay(seed: int, config: Config) -> int:
    try:
        result = run(seed, config, _write)
    except Violation as violation:
        _write(f"{type(violation).__name__}: {violation}")
        return 1
    _write(str(result))
    return 0


def _kill_mutants(seeds_max: int) -> int:
    survivors = 0
    for mutant in MUTANTS:
        found = kill(mutant, seeds_max)
        survivors += found is None
        how = f"not found in {seeds_max} seeds"
        if found is not None:
            how = f"found by {found.rule} at seed {found.seeds} ({found.profile})"
        _write(f"{mutant.name:<55} {how}")
    _write(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} faults found")
    return bool(survivors)


def _crash_everywhere(seeds: int) -> int:
    for seed in range(1, seeds + 1):
        covered = crash_points.run_all(seed=seed)
        _write(f"seed {seed}: {covered.steps} steps, {covered.cuts} cuts, {covered.runs} runs, no violation")
    return 0


def _feed_anything(inputs: int, first_seed: int) -> int:
    counts: Counter[str] = Counter()
    for seed in range(first_seed, first_seed + max(inputs // FUZZ_INPUTS, 1)):
        try:
            counts += Fuzz(seed).run(min(inputs, FUZZ_INPUTS))
        except Violation as violation:
            _write(f"seed {seed}: {violation}")
            return 1
    _write(", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    return 0


def _compare_hash_seeds(hash_seeds: list[str]) -> int:
    """Run the same command under each hash seed; tell whether all traces are the same."""
    arguments = [each for each in sys.argv[1:] if not each.startswith("--hash-seeds")]
    arguments = [each for each in arguments if each != ",".join(hash_seeds)]
    traces = []
    for hash_seed in hash_seeds:
        made = subprocess.run(
            [sys.executable, "-m", "tests.sim", *arguments],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        )
        traces.append(made.stdout.strip().rpartition(" ")[2])
        _write(f"PYTHONHASHSEED={hash_seed} trace {traces[-1]}")
    return len(set(traces)) != 1


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal(SIGPIPE, SIG_DFL)  # `--replay 1 | head` is no fault
    sys.exit(main())
