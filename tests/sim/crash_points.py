"""One node crashes at one of its steps, for each node, each step, and each byte of a record half written.

Three heights of two views: in view 0 everybody prepares and nobody hears a COMMIT, so that view 1 must decide
what view 0 prepared. Bytes that a restart reads the same are the same run, so it is made once; that they are
is found out on the disk, for every byte.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.sim.network import COMMIT
from tests.sim.node import Node
from tests.sim.simulation import Config, Simulation

CONFIG: Final = Config(nodes=4, heights=3, profile="calm", byzantine=0, disliked_every=0)
REBOOT_MS: Final = 700
NEVER_GOOD_MS: Final = 300_000


class CrashPoint(NamedTuple):
    """A node, its step, and the bytes at which the record was torn."""

    node: int
    step: int
    cuts: tuple[int, ...]


class Covered(NamedTuple):
    """How much was tried."""

    steps: int
    cuts: int
    runs: int
    views: int
    """The highest view in which a height was decided, plus one."""


class Probe(Node):
    """A node that notes what its disk would give back after the crash, for each cut."""

    readings: dict[tuple[tuple[str, bytes], ...], list[int]]

    def crash(self, cut: int = 0) -> None:
        self.readings = {}
        for each in range(self.disk.unsynced_bytes() + 1):
            self.readings.setdefault(self.disk.load_after_crash(each), []).append(each)
        super().crash(cut)


def run_all(config: Config = CONFIG, seed: int = 1) -> Covered:
    """Crash everywhere; Violation at the first rule broken."""
    config = config._replace(node_type=Probe) if config.node_type is Node else config
    baseline = _prepare(config, seed)
    baseline.run()
    views = 1 + max(final.certificate.view for node in baseline.correct for final in node.chain)
    steps = cuts = runs = 0
    for point in _points(config, seed, [node.steps for node in baseline.correct]):
        steps += 1
        cuts += sum(point.cuts)
        runs += len(point.cuts)
    return Covered(steps, cuts, runs, views)


def _points(config: Config, seed: int, steps: list[int]) -> Iterator[CrashPoint]:
    """Run every crash point; yield it with how many cuts each of its runs stands for."""
    for address, count in enumerate(steps):
        for step in range(1, count + 1):
            readings = _run(config, seed, address, step, cut=0)
            for same in list(readings.values())[1:]:
                _run(config, seed, address, step, cut=same[0])
            yield CrashPoint(address, step, tuple(len(same) for same in readings.values()))


def _run(
    config: Config, seed: int, address: int, step: int, *, cut: int
) -> dict[tuple[tuple[str, bytes], ...], list[int]]:
    simulation = _prepare(config, seed)
    victim = simulation.correct[address]
    victim.crash_at, victim.crash_cut, victim.reboot_ms = step, cut, REBOOT_MS
    simulation.run()
    return victim.readings if isinstance(victim, Probe) else {}


def _prepare(config: Config, seed: int) -> Simulation:
    simulation = Simulation(seed, config)
    simulation.gst_ms = NEVER_GOOD_MS
    everybody = range(len(simulation.stage.peers))
    simulation.stage.network.deaf[0, COMMIT] = {
        (source, target) for source in everybody for target in everybody
    }
    return simulation
