"""Seeds under every kind of fault break no rule, every run is a function of its seed, and with one faulty
validator too many the checks do find a fork.

`make sim-full` runs more of them. A seed that once found a fault is in `FOUND`.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from node.consensus.effects import PbftEffect, PbftInput
from node.consensus.pbft import Pbft
from tests.sim.checker import Violation
from tests.sim.deafness import run_sample
from tests.sim.mutants import Restless
from tests.sim.profiles import ADVERSARIES, DESERTER, FORGER, PROFILES, SILENT, TWINS
from tests.sim.series import Deafness, MixedProfiles, Summary, run_all
from tests.sim.simulation import Config, run

ROOT = Path(__file__).resolve().parent.parent.parent
MIXED = ("random", "smart", "deaf")
FOUND = (
    # The timer of a claimed view ran at once, so that the last quorum alive stayed a view apart for ever.
    (16, Config(profile="random", adversaries=(SILENT,))),
    (10, Config(profile="deaf", adversaries=(SILENT,))),
    (1, Config(profile="sets", nodes=5, adversaries=(SILENT,))),
    (6, Config(profile="smart", nodes=7, adversaries=(SILENT, DESERTER))),
)


def run_mixed(first: int, count: int, config: Config, profiles: tuple[str, ...] = MIXED) -> Summary:
    summary = run_all(MixedProfiles(config, profiles), first, count)
    assert summary.failures == ()
    assert summary.seeds == count
    assert summary.heights >= config.heights * count
    return summary


def find_rule(seed: int, config: Config) -> str | None:
    """Return which rule a seed breaks."""
    try:
        run(seed, config)
    except Violation as violation:
        return violation.rule
    return None


@pytest.mark.slow
def test_fifty_seeds_of_four_nodes() -> None:
    summary = run_mixed(1, 50, Config(), (*MIXED, "sets"))
    assert summary.delivered > 10_000
    assert summary.reports > 50


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_with_seven_nodes(profile: str) -> None:
    run_mixed(1, 2, Config(nodes=7), (profile,))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ADVERSARIES)
def test_each_kind_of_adversary(kind: str) -> None:
    run_mixed(1, 6, Config(nodes=5, adversaries=(kind,)))


@pytest.mark.parametrize(("seed", "config"), FOUND)
def test_seed_that_once_found_a_fault_finds_it_where_it_is_and_only_there(seed: int, config: Config) -> None:
    assert run(seed, config).heights >= config.heights
    assert find_rule(seed, config._replace(make_engine=Restless)) == "recovery"


def test_directed_deafness_of_each_twin() -> None:
    for views in (1, 2, 3):
        assert run_all(Deafness(Config(), views), 0, 8).failures == ()


def test_real_signatures_and_encoded_messages() -> None:
    run_mixed(1, 3, Config(is_real=True))


def test_real_and_fake_signatures_make_the_same_run() -> None:
    fake, real = (run(5, Config(profile="calm", byzantine=0, is_real=is_real)) for is_real in (False, True))
    assert (fake.delivered, fake.virtual_ms) == (real.delivered, real.virtual_ms)
    assert fake.trace != real.trace


def test_dead_network_is_a_violation() -> None:
    with pytest.raises(Violation, match="recovery") as raised:
        run(1, Config(profile="calm", byzantine=2, adversaries=(SILENT,)))
    assert "seed 1" in str(raised.value.__notes__)


def test_exception_of_the_engine_is_a_violation() -> None:
    class Broken(Pbft):
        def handle(self, event: PbftInput, now: int) -> list[PbftEffect]:
            raise KeyError(now)

    with pytest.raises(Violation, match="no exception"):
        run(1, Config(make_engine=Broken))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [TWINS, FORGER])
def test_one_faulty_validator_too_many_forks_the_chain(kind: str) -> None:
    config = Config(profile="smart", byzantine=2, adversaries=(kind,))
    assert any(find_rule(seed, config) == "agreement" for seed in range(10, 60))


def test_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    for profile in ("random", "sets"):
        config = Config(profile=profile)
        assert run(3, config) == run(3, config)
        assert run(3, config).trace != run(4, config).trace
    assert run_sample(3, 2) == run_sample(3, 2)


def test_readable_log_changes_nothing() -> None:
    lines: list[str] = []
    assert run(2, Config(), lines.append) == run(2, Config())
    assert any("DECIDES h1" in line for line in lines)
    assert any("<- n" in line and "PREPARE h1 v0" in line for line in lines)


def simulate(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.sim", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
def test_trace_does_not_depend_on_the_hash_seed() -> None:
    made = simulate("--seeds", "5", "--profile", "random,smart,sets", "--hash-seeds", "1,4711")
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    assert len(lines) == 2
    assert len({line.rpartition(" ")[2] for line in lines}) == 1
    here = run_all(MixedProfiles(Config(), ("random", "smart", "sets")), 1, 5)
    assert lines[0].endswith(f"{here.trace:032x}")


@pytest.mark.slow
def test_command_line_runs_replays_and_says_what_went_wrong() -> None:
    made = simulate("--seeds", "21", "--jobs", "2", "--profile", "random")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("21 seeds, 0 violations")
    failed = simulate("--seeds", "2", "--byzantine", "2", "--adversaries", "silent", "--profile", "calm")
    assert failed.returncode == 1
    assert failed.stdout.startswith("seed 1: recovery")
    replayed = simulate("--replay", "1", "--byzantine", "2", "--adversaries", "silent", "--profile", "calm")
    assert replayed.returncode == 1
    assert "Violation: recovery" in replayed.stdout
    assert replayed.stdout.count("\n") > 20
    refused = simulate("--profile", "rough")
    assert refused.returncode == 2
    assert "choose from calm" in refused.stderr
    assert simulate("--byzantine", "4").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_thousand_seeds_of_four_nodes(part: int) -> None:
    run_mixed(1_000 + 200 * part, 200, Config(), (*MIXED, "random", "smart"))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_two_hundred_seeds_of_seven_nodes(part: int) -> None:
    run_mixed(2_000 + 50 * part, 50, Config(nodes=7), (*MIXED, "sets"))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_twenty_seeds_of_twenty_one_nodes(part: int) -> None:
    run_mixed(3_000 + 10 * part, 10, Config(nodes=21), ("random", "smart"))


@pytest.mark.slow
@pytest.mark.parametrize("views", [2, 3])
def test_samples_of_directed_deafness(views: int) -> None:
    assert run_all(Deafness(Config(), views), 1_000, 300).failures == ()


@pytest.mark.slow
def test_twenty_seeds_with_real_signatures() -> None:
    run_mixed(4_000, 20, Config(is_real=True))


@pytest.mark.slow
@pytest.mark.parametrize("adversaries", [None, (DESERTER,)])
def test_chain_goes_on_within_half_a_minute_of_an_hour_without_a_quorum(
    adversaries: tuple[str, ...] | None,
) -> None:
    config = Config(outage_ms=3_600_000, recovery_max_ms=30_000, adversaries=adversaries)
    run_seed = partial(run, config=config._replace(profile="outage"))
    summary = run_all(run_seed, 1, 3)
    assert summary.failures == ()
    assert 0 < summary.recovery_max_ms <= 30_000
