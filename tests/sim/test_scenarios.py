"""Single situations that every implementation of this protocol meets, with what must be observed.

The ids (P1 …) are those of the checklist in `docs/consensus-testing.md`.
"""

from itertools import pairwise

import pytest

from node.consensus.pbft import Times
from tests.sim.network import COMMIT
from tests.sim.node import GUARD, PERIOD_MS, Node
from tests.sim.profiles import SILENT, SLOW
from tests.sim.simulation import Config, Simulation

CALM = Config(profile="calm", byzantine=0, disliked_every=0, heights=6)
LONG_MS = 600_000


def make(config: Config = CALM, seed: int = 1) -> Simulation:
    simulation = Simulation(seed, config)
    simulation.gst_ms = LONG_MS
    return simulation


def views(simulation: Simulation) -> list[int]:
    """Return in which view each height was decided by the first node."""
    return [final.certificate.view for final in simulation.correct[0].chain]


def gaps(simulation: Simulation) -> list[int]:
    """Return the milliseconds between the timestamps of successive blocks."""
    times = [final.block.timestamp_ms for final in simulation.correct[0].chain]
    return [later - earlier for earlier, later in pairwise(times)]


def lose_chain(node: Node) -> None:
    """Lose all blocks, but not the guard."""
    node.crash()
    node.chain.clear()
    node.blocks.clear()
    node.stage.checker.heights.pop(node.identity, None)


def leap(node: Node, _: object) -> None:
    """Have the monotonic clock of a node leap a minute ahead."""
    node.clock.change(node.world.now, 1000, 60_000)
    node.on_clock_changed()


def test_blocks_come_once_a_period_in_view_0() -> None:
    """P18, P23: no view change while nothing is wrong, with empty blocks too."""
    simulation = make()
    simulation.run()
    assert views(simulation) == [0] * 6
    assert all(PERIOD_MS <= gap <= PERIOD_MS + 200 for gap in gaps(simulation))


def test_dead_leader_costs_one_timeout() -> None:
    simulation = make(CALM._replace(byzantine=1, adversaries=(SILENT,), heights=9))
    simulation.run()
    assert set(views(simulation)) == {0, 1}
    assert max(gaps(simulation)) <= PERIOD_MS + Times().view + 1_000


def test_slow_leader_costs_less_than_a_dead_one() -> None:
    """P43: who proposes just before the timeout delays its own turn only."""
    simulation = make(CALM._replace(byzantine=1, adversaries=(SLOW,), heights=9))
    simulation.run()
    assert max(gaps(simulation)) <= PERIOD_MS + Times().view + 1_000
    assert sum(gap > PERIOD_MS + 200 for gap in gaps(simulation)) <= 4


def test_block_that_one_node_decided_is_decided_by_all_after_a_view_change() -> None:
    """P1: only one node hears the COMMITs of view 0, and is cut off when it has decided."""
    simulation = make(CALM._replace(heights=2))
    network = simulation.stage.network
    alone, *others = (node.address for node in simulation.correct)
    network.deaf[0, COMMIT] = {(source, target) for source in (alone, *others) for target in others}
    simulation.stage.on_first.append(lambda peer, _: network.isolate(peer.address, 10_000))
    simulation.run()
    finals = [node.chain[0] for node in simulation.correct]
    assert len({final.certificate.block_hash for final in finals}) == 1
    assert finals[0].certificate.view == 0
    assert [final.certificate.view for final in finals[1:]] == [1, 1, 1]


def test_block_prepared_twice_is_decided_in_the_third_view_under_one_hash() -> None:
    """P6: nobody hears the COMMITs of two views."""
    simulation = make(CALM._replace(heights=1))
    everybody = [
        (source.address, target.address) for source in simulation.correct for target in simulation.correct
    ]
    network = simulation.stage.network
    network.deaf[0, COMMIT] = network.deaf[1, COMMIT] = set(everybody)
    prepared: dict[int, set[bytes]] = {}
    simulation.stage.on_prepared.append(
        lambda _, seen: prepared.setdefault(seen.view, set()).add(seen.block_hash)
    )
    simulation.run()
    (final,) = simulation.correct[0].chain[:1]
    assert final.certificate.view == 2
    assert prepared == {view: {final.certificate.block_hash} for view in (0, 1, 2)}


def test_all_crash_with_their_commits_unheard_and_go_on_where_they_were() -> None:
    """P16, P29: what they committed to is decided in the same view."""
    simulation = make(CALM._replace(heights=1))
    network = simulation.stage.network
    everybody = [node.address for node in simulation.correct]
    network.deaf[0, COMMIT] = {(source, target) for source in everybody for target in everybody}
    for node in simulation.correct:
        simulation.world.at(900, lambda crashing, _: crashing.crash(), node)
        simulation.world.at(1_100, node.boot)
    simulation.world.at(1_050, lambda *_: network.deaf.clear())
    simulation.run()
    assert views(simulation)[0] == 0
    assert simulation.world.now <= 1_500


def test_half_of_the_validators_come_back_with_empty_disks() -> None:
    """P22: they fetch what they lost, sign nothing twice, and the chain goes on."""
    simulation = make(CALM._replace(heights=8))
    for node in simulation.correct[:2]:
        simulation.world.at(3_500, lambda lost, _: lose_chain(lost), node)
        simulation.world.at(5_000, node.boot)
    simulation.run()
    assert all(len(node.chain) >= 8 for node in simulation.correct)


@pytest.mark.parametrize("down_ms", [500, 5_000])
def test_validator_whose_guard_is_lost_signs_nothing(down_ms: int) -> None:
    """P29: it watches, and the others go on."""
    simulation = make(CALM._replace(heights=8))
    (lost, *_) = simulation.correct

    def lose_guard(*_: object) -> None:
        lost.crash()
        lost.disk.wipe(GUARD)

    simulation.world.at(2_500, lose_guard)
    simulation.world.at(2_500 + down_ms, lost.boot)
    simulation.run()
    assert lost.guard is None
    assert len(lost.chain) >= 8
    for final in lost.chain[4:]:
        assert 0 not in [vote.index for vote in final.certificate.votes]


def test_nodes_spread_over_many_views_come_together() -> None:
    """P20, P44: without a common start each is in another view; what others say brings them together."""
    simulation = make(CALM._replace(heights=1))
    network = simulation.stage.network
    for node in simulation.correct:
        network.isolate(node.address, 30_000 + 7_000 * node.address)
        node.clock.change(0, 800 + 100 * node.address)
    simulation.run()
    assert simulation.world.now <= 30_000 + 7_000 * 3 + 10_000


def test_clocks_a_minute_apart_delay_nothing_for_long() -> None:
    """P41: the wall clocks are a minute apart, and one of them leaps."""
    simulation = make(CALM._replace(heights=6))
    for node, skew_ms in zip(simulation.correct, (-60_000, 60_000, 0, 30_000), strict=True):
        node.clock.skew_ms = skew_ms
    leaping = simulation.correct[2]
    simulation.world.at(3_000, leap, leaping)
    simulation.run()
    assert simulation.world.now <= 60_000


def test_block_that_all_refuse_costs_one_view() -> None:
    """P17: nobody likes the proposals of view 0, and view 1 decides."""
    simulation = make(CALM._replace(disliked_every=1, heights=1))
    simulation.world.at(2_500, lambda *_: setattr(simulation.stage, "disliked_every", 0))
    simulation.run()
    assert views(simulation)[0] >= 1


def test_decision_without_the_block_waits_for_the_block() -> None:
    """P19: a node that hears the COMMITs and cannot get the block decides once it can."""
    simulation = make(CALM._replace(heights=3))
    blind = simulation.correct[3]
    given: list[int] = []

    def gives_block(seeker: object, block: object) -> bool:
        given.append(simulation.world.now)
        return seeker is not blind or simulation.world.now > 9_000

    for node in simulation.correct:
        node.gives_block = gives_block  # type: ignore[method-assign]  # what this test makes up
    simulation.run()
    assert given
    assert len(blind.chain) >= 3
    assert simulation.world.now > 9_000
    assert len(simulation.correct[0].chain) > 3
