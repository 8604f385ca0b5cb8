"""Many seeds one after the other, or side by side in processes, and what they came to together.

The trace of a series is the sum of the traces of its seeds, so it does not depend on who ran which.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import starmap
from typing import Final, NamedTuple

from tests.sim.checker import Violation
from tests.sim.deafness import run_sample
from tests.sim.simulation import Config, Result, run

CHUNK: Final = 20
TRACE_BITS: Final = 128


class Summary(NamedTuple):
    """What a number of seeds came to."""

    seeds: int = 0
    delivered: int = 0
    virtual_ms: int = 0
    heights: int = 0
    reports: int = 0
    recovery_max_ms: int = 0
    trace: int = 0
    failures: tuple[tuple[int, str], ...] = ()

    def plus(self, other: "Summary") -> "Summary":
        """Return both together."""
        return Summary(
            self.seeds + other.seeds,
            self.delivered + other.delivered,
            self.virtual_ms + other.virtual_ms,
            self.heights + other.heights,
            self.reports + other.reports,
            max(self.recovery_max_ms, other.recovery_max_ms),
            (self.trace + other.trace) % (1 << TRACE_BITS),
            self.failures + other.failures,
        )


RunSeed = Callable[[int], Result]


class MixedProfiles:
    """Runs each seed under the next of some profiles."""

    def __init__(self, config: Config, profiles: tuple[str, ...]) -> None:
        self._config = config
        self._profiles = profiles

    def config(self, seed: int) -> Config:
        """Return the configuration of a seed."""
        return self._config._replace(profile=self._profiles[seed % len(self._profiles)])

    def __call__(self, seed: int) -> Result:
        """Run a seed."""
        return run(seed, self.config(seed))


class Deafness:
    """Runs each seed as a sample of deafness."""

    def __init__(self, config: Config, views: int) -> None:
        self._config = config
        self._views = views

    def __call__(self, seed: int) -> Result:
        """Run a sample."""
        return run_sample(seed, self._views, self._config)


def run_seeds(run_seed: RunSeed, first: int, count: int) -> Summary:
    """Run seeds one after the other; violations are failures in the summary."""
    summary = Summary()
    for seed in range(first, first + count):
        try:
            result = run_seed(seed)
        except Violation as violation:
            summary = summary.plus(Summary(seeds=1, failures=((seed, str(violation)),)))
            continue
        summary = summary.plus(
            Summary(
                1,
                result.delivered,
                result.virtual_ms,
                result.heights,
                result.reports,
                result.recovery_ms,
                int(result.trace, 16),
            )
        )
    return summary


def run_series(run_seed: RunSeed, first: int, count: int, jobs: int = 1) -> Iterator[Summary]:
    """Run seeds in so many processes; yield what they came to so far, again and again."""
    chunks = [(start, min(CHUNK, first + count - start)) for start in range(first, first + count, CHUNK)]
    summary = Summary()
    if jobs == 1:
        for part in starmap(partial(run_seeds, run_seed), chunks):
            summary = summary.plus(part)
            yield summary
        return
    with ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(partial(run_seeds, run_seed), *zip(*chunks, strict=True)):
            summary = summary.plus(part)
            yield summary


def run_all(run_seed: RunSeed, first: int, count: int, jobs: int = 1) -> Summary:
    """Run seeds and return what all of them came to."""
    summary = Summary()
    for so_far in run_series(run_seed, first, count, jobs):
        summary = so_far
    return summary
