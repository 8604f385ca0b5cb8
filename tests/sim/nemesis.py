"""What goes wrong besides the faulty validators: network, machines, disks and clocks, until all is well.

Responsible for breaking things in time, and for the moment from which everything is good, GST. All it draws
comes from the world's generator.
"""

from collections.abc import Sequence
from random import Random  # noqa: TID251 - only the type
from typing import Final

from runtime.primitives.certificate import Certificate
from tests.sim.byzantine import Deserter
from tests.sim.network import CHANGE, COMMIT, HEAVY, PREPARE, PROPOSE, ROUGH
from tests.sim.node import Node
from tests.sim.profiles import CLOCK, CRASH, DEAF, DELAY, DISK, LOSS, PARTITION, REPEATS, Profile
from tests.sim.stage import Peer, Stage
from tests.sim.world import FAULT

CUT_OFF_MS: Final = (3_000, 15_000)
SKEW_MAX_MS: Final = 60_000
DEAF_VIEWS_MAX: Final = 3


class Nemesis:
    """The faults of one run."""

    def __init__(self, stage: Stage, profile: Profile, gst_ms: int, outage_ms: int) -> None:
        self._stage = stage
        self._world = stage.world
        self._random = stage.world.random
        self._network = stage.network
        self._profile = profile
        self._nodes = [peer for peer in stage.peers if isinstance(peer, Node)]
        self._correct = [node for node in self._nodes if not node.is_byzantine]
        self._gst_ms = gst_ms
        self._outage_ms = outage_ms
        self._prepared: dict[int, bool] = {}
        self._acts = {
            LOSS: self._lose,
            DELAY: self._delay,
            REPEATS: self._repeat,
            PARTITION: self._part,
            CRASH: self._crash,
            DEAF: self._deafen,
            CLOCK: self._set_clock,
            DISK: self._slow_disk,
        }

    def start(self) -> None:
        """Begin to break things."""
        if self._profile.is_smart:
            self._network.votes = {}
            self._stage.on_prepared.append(self._on_prepared)
            self._stage.on_first.append(self._on_first_decision)
        if self._profile.has_outage:
            self._world.at(self._gst_ms - self._outage_ms, self._begin_outage)
        if self._profile.faults:
            self._act()

    def end(self) -> None:
        """Make everything good: GST."""
        self._network.heal()
        self._network.votes = None
        self._stage.on_prepared.clear()
        self._stage.on_first.clear()
        for node in self._nodes:
            node.disk_ms = 0
            node.crash_at = None
            node.clock.skew_ms = 0
            node.clock.change(self._world.now, 1000)
            node.on_clock_changed()
            if isinstance(node, Deserter):
                node.crash()
            else:
                node.boot()

    def _is_over(self) -> bool:
        return self._world.now >= self._gst_ms

    def _act(self, *_: object) -> None:
        if self._is_over():
            return
        fault = self._random.choice(self._profile.faults)
        self._world.note(FAULT, 0, 0, self._profile.faults.index(fault))
        self._acts[fault]()
        gap = int(self._random.expovariate(1 / self._profile.gap_ms))
        self._world.at(self._world.now + gap, self._act)

    # --- faults

    def _lose(self) -> None:
        self._network.loss = self._random.choice((0.0, self._random.uniform(0, 0.4)))
        self._world.tell("fault", f"loss of {self._network.loss:.0%}")

    def _delay(self) -> None:
        self._network.delays = self._random.choice((ROUGH, HEAVY))
        self._world.tell("fault", "other delays")

    def _repeat(self) -> None:
        self._network.repeats = self._random.choice((0.0, self._random.uniform(0, 0.3)))
        self._world.tell("fault", f"repeats of {self._network.repeats:.0%}")

    def _part(self) -> None:
        """Two or three groups that do not hear one another, or do in one direction."""
        count = self._random.choice((2, 2, 3))
        group = [self._random.randrange(count) for _ in self._stage.peers]
        is_one_way = self._random.random() < 0.3
        pairs = [
            (source, target)
            for source in range(len(group))
            for target in range(len(group))
            if (group[source] < group[target] if is_one_way else group[source] != group[target])
        ]
        self._network.cut_off(pairs, self._random.randint(1_000, 12_000))
        self._world.tell("fault", f"partition {group}{' one way' if is_one_way else ''}")

    def _crash(self) -> None:
        """Some nodes crash at once, or at one of their next steps, with any part of the record torn."""
        share = self._random.random()
        for node in self._nodes:
            if self._random.random() < share and node.is_up:
                down = self._random.choice((200, 1_000, 4_000, 10_000))
                if self._random.random() < 0.5:
                    node.crash(self._random.randrange(300))
                    self._world.at(self._world.now + down, node.boot)
                else:
                    node.crash_at = node.steps + self._random.randint(1, 8)
                    node.crash_cut = self._random.randrange(300)
                    node.reboot_ms = down

    def _deafen(self) -> None:
        """Some do not hear some of the others, in one phase of one view."""
        kind = self._random.choice((PROPOSE, PREPARE, PREPARE, COMMIT, COMMIT, CHANGE))
        place = (self._random.randint(0, DEAF_VIEWS_MAX), kind)
        self._network.deaf[place] = draw_deafness(self._random, len(self._stage.peers))
        self._world.tell("fault", f"deafness to kind {kind} of view {place[0]}")
        self._world.at(self._world.now + self._random.randint(2_000, 10_000), self._undeafen, place)

    def _everybody(self) -> set[tuple[int, int]]:
        count = len(self._stage.peers)
        return {(source, target) for source in range(count) for target in range(count)}

    def _undeafen(self, place: tuple[int, int], _: object) -> None:
        self._network.deaf.pop(place, None)

    def _set_clock(self) -> None:
        for node in self._nodes:
            if self._random.random() < 0.5:
                node.clock.skew_ms = self._random.randint(-SKEW_MAX_MS, SKEW_MAX_MS)
                leap = self._random.choice((0, 0, self._random.randint(0, SKEW_MAX_MS)))
                node.clock.change(self._world.now, self._random.randint(800, 1250), leap)
                node.on_clock_changed()

    def _slow_disk(self) -> None:
        for node in self._nodes:
            node.disk_ms = self._random.choice((0, 0, 5, self._random.randint(20, 500)))

    # --- the scheduler that waits for the worst moment

    def _on_first_decision(self, peer: Peer, instance: int) -> None:
        """Cut off who decides first, and lose what would tell the others, or whatever they say again."""
        if not self._is_over() and isinstance(peer, Node):
            self._single_out(peer, instance, peer.engine.view, COMMIT)

    def _on_prepared(self, peer: Peer, prepared: Certificate) -> None:
        """Often treat who prepares first in a height the same way."""
        if self._is_over() or prepared.instance in self._prepared:
            return
        self._prepared[prepared.instance] = self._random.random() < 0.5
        if self._prepared[prepared.instance]:
            self._single_out(peer, prepared.instance, prepared.view, PREPARE)

    def _single_out(self, peer: Peer, instance: int, view: int, kind: int) -> None:
        duration = self._random.randint(*CUT_OFF_MS)
        self._network.lose(instance, kind)
        self._network.isolate(peer.address, duration)
        self._world.tell("fault", f"cuts off {peer.name}")
        if self._random.random() < 0.6:
            self._network.deaf[view, kind] = self._everybody()
            self._world.at(self._world.now + duration, self._undeafen, (view, kind))

    # --- the long outage

    def _begin_outage(self, *_: object) -> None:
        """More than f down; or nobody hears anybody; or half of all; or all but one hear everything but
        proposals, so that they go through views all the time."""
        for node in self._correct:
            node.clock.change(self._world.now, self._random.randint(900, 1100))
            node.on_clock_changed()
        mode = self._random.randrange(4)
        self._world.tell("fault", f"outage of kind {mode}")
        match mode:
            case 0:
                for node in self._correct[: len(self._correct) // 2 + 1]:
                    node.crash()
            case 1:
                self._isolate(self._stage.peers)
            case 2:
                self._isolate(self._stage.peers[::2])
            case _:
                self._network.muted = PROPOSE
                self._isolate([self._random.choice(self._correct)])

    def _isolate(self, peers: Sequence[Peer]) -> None:
        for peer in peers:
            self._network.isolate(peer.address, self._outage_ms)


def draw_deafness(random: Random, count: int) -> set[tuple[int, int]]:
    """Draw who does not hear whom: any pairs, or some who hear nobody."""
    share = random.choice((0.0, 0.25, 0.5, 0.75))
    if random.random() < 0.5:
        return {
            (source, target) for source in range(count) for target in range(count) if random.random() < share
        }
    deaf = [target for target in range(count) if random.random() < share]
    return {(source, target) for source in range(count) for target in deaf if source != target}
