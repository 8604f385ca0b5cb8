"""One height of four validators and a twin, with deafness drawn for each phase of the first views.

The scenarios of Twins (Bano et al. 2020), but with directed loss in each (view, phase) instead of partitions
of a view: symmetric ones never show a view change that forgets what was prepared. A sample is a seed; one
after the other they go through all identities of the twin.
"""

from typing import Final

from tests.sim.nemesis import draw_deafness
from tests.sim.network import CHANGE, COMMIT, PREPARE, PROPOSE
from tests.sim.simulation import Config, Result, Simulation

NODES: Final = 4
HEAL_MS: Final = (6_000, 12_000, 20_000)
"""When deafness ends for one, two and three views: after the timers of all of them."""


def run_sample(sample: int, views: int, config: Config | None = None) -> Result:
    """Run one sample; Violation when a rule was broken."""
    config = (config or Config())._replace(
        nodes=NODES, heights=2, profile="calm", byzantine=0, twin=sample % NODES
    )
    simulation = Simulation(sample, config)
    simulation.gst_ms = HEAL_MS[views - 1]
    _deafen(simulation, views)
    return simulation.run()


def _deafen(simulation: Simulation, views: int) -> None:
    """Draw who does not hear whom, of each kind of message in each view of the first height."""
    random = simulation.world.random
    count = len(simulation.stage.peers)
    for view in range(views):
        for kind in (PROPOSE, PREPARE, COMMIT, CHANGE):
            place = (view + (kind == CHANGE), kind)
            simulation.stage.network.deaf[place] = draw_deafness(random, count)
