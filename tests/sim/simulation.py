"""One run: a configuration and a seed make a world, its actors and its faults; what comes out is checked.

Before GST everything may fail and nothing may go wrong; after it the network is good, all correct nodes are
up, and all of them must decide in bounded time, whatever the faulty still do.
"""

from collections.abc import Callable
from random import Random  # noqa: TID251 - seeded
from typing import Final, NamedTuple

from node.consensus.early import MESSAGES_MAX
from node.consensus.pbft import VERDICTS_MAX, Pbft
from node.consensus.tally import STATEMENTS_MAX
from tests.sim.blocks import MakeCommittee, Schedule, make_committee
from tests.sim.byzantine import Deserter, Mutator, Silent, Slow, Spammer
from tests.sim.checker import Checker, Violation
from tests.sim.forger import Coalition, Forger
from tests.sim.nemesis import Nemesis
from tests.sim.network import Network
from tests.sim.node import INBOX_MAX, Node
from tests.sim.profiles import DESERTER, FORGER, MUTATOR, PROFILES, SILENT, SLOW, SPAMMER, TWINS, Profile
from tests.sim.signing import FakeKeys, RealKeys
from tests.sim.stage import MakeEngine, Peer, Stage
from tests.sim.world import World

RECOVERY_MAX_MS: Final = 60_000
"""From GST to the next block on all correct nodes, whatever the faulty do: views last 8 s by then, up to f
faulty leaders may follow one another, and those who were cut off must catch up."""
MEMORY_PAUSE_MS: Final = 1_000
HEARD_MAX: Final = 1_000
"""Messages that each address may hear in a second, the floods of the faulty among them."""
SET_HEIGHTS: Final = 80


class Config(NamedTuple):
    """What a seed does not say."""

    nodes: int = 4
    heights: int = 5
    profile: str = "random"
    byzantine: int | None = None
    """Faulty validators, f when None."""
    adversaries: tuple[str, ...] | None = None
    """Kinds of faulty validators, those of the profile when None."""
    twin: int | None = None
    """The one faulty validator, a twin, where it is to be a certain one."""
    outage_ms: int | None = None
    recovery_max_ms: int | None = None
    disliked_every: int = 7
    """Each node refuses one block of so many out of taste; 0 for none."""
    is_real: bool = False
    """Real signatures, and every message through the codec."""
    make_engine: MakeEngine = Pbft
    make_committee: MakeCommittee = make_committee
    node_type: type[Node] = Node


class Result(NamedTuple):
    """What a run without violation came to."""

    seed: int
    trace: str
    delivered: int
    virtual_ms: int
    heights: int
    recovery_ms: int
    """From GST to the next block on all correct nodes, 0 where the run was over before."""
    reports: int


class Simulation:
    """A run that is set up and not started."""

    def __init__(self, seed: int, config: Config, log: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.config = config
        self.world = World(seed, log)
        self.profile: Profile = PROFILES[config.profile]
        random = self.world.random
        keys = RealKeys() if config.is_real else FakeKeys()
        sets, starts = _draw_sets(random, config.nodes, has_sets=self.profile.has_sets)
        count = max(max(members) for members in sets) + 1
        weights = [random.randint(1, 3) if self.profile.has_sets else 1 for _ in range(count)]
        self.schedule = Schedule(keys, sets, starts, weights, config.make_committee)
        byzantine = _draw_byzantine(random, self.schedule, config.byzantine)
        kinds = config.adversaries or self.profile.adversaries
        self.kinds = {identity: random.choice(kinds) for identity in byzantine}
        if config.twin is not None:
            byzantine, self.kinds = [config.twin], {config.twin: TWINS}
        self.checker = Checker(self.schedule, keys, byzantine)
        twins = sum(kind == TWINS for kind in self.kinds.values())
        network = Network(self.world, count + twins, is_coded=config.is_real)
        self.stage = Stage(self.world, network, keys, self.schedule, self.checker, config.make_engine)
        self.stage.disliked_every = config.disliked_every
        self._populate(count)
        self.correct = [peer for peer in self.stage.peers if isinstance(peer, Node) and not peer.is_byzantine]
        self.outage_ms = 0
        self.gst_ms = random.randint(*self.profile.gst_ms)
        if self.profile.has_outage:
            self.outage_ms = config.outage_ms or random.randint(30_000, 180_000)
            self.gst_ms = random.randint(2_000, 6_000) + self.outage_ms
        self.nemesis = Nemesis(self.stage, self.profile, self.gst_ms, self.outage_ms)
        self.target = config.heights
        self.recovery_ms = 0
        self._recovered_at = 0
        self._heard = 0

    def _populate(self, count: int) -> None:
        """Make the actors, a twin's double behind all others."""
        coalition = Coalition(self.stage) if FORGER in self.kinds.values() else None
        for identity in range(count):
            self.stage.peers.append(self._make(identity, coalition))
        for identity, kind in self.kinds.items():
            if kind == TWINS:
                address = len(self.stage.peers)
                self.stage.peers.append(Node(self.stage, address, identity, is_byzantine=True))
        self.stage.network.receivers = [peer.receive for peer in self.stage.peers]

    def _make(self, identity: int, coalition: Coalition | None) -> Peer:
        stage, kind = self.stage, self.kinds.get(identity)
        if kind is None:
            return self.config.node_type(stage, identity, identity)
        if coalition is not None and kind == FORGER:
            return Forger(stage, identity, identity, coalition)
        makers: dict[str, Callable[[], Peer]] = {
            TWINS: lambda: Node(stage, identity, identity, is_byzantine=True),
            MUTATOR: lambda: Mutator(stage, identity, identity),
            SILENT: lambda: Silent(stage, identity, identity, is_byzantine=True),
            SLOW: lambda: Slow(stage, identity, identity, is_byzantine=True),
            SPAMMER: lambda: Spammer(stage, identity, identity),
            DESERTER: lambda: Deserter(stage, identity, identity, is_byzantine=True),
        }
        return makers[kind]()

    def run(self) -> Result:
        """Run to the end; Violation when a rule was broken, whatever raised."""
        try:
            self._run()
        except Violation as violation:
            violation.add_note(f"seed {self.seed} of {self.config} at {self.world.now} ms")
            raise
        except Exception as error:  # whatever an engine raises is the finding
            raise Violation("no exception", f"{error!r} at {self.world.now} ms") from error
        return Result(
            self.seed,
            self.world.trace_hash(),
            self.world.delivered,
            self.world.now,
            max(self.checker.decided, default=0),
            self.recovery_ms,
            self.checker.reports,
        )

    def _run(self) -> None:
        world = self.world
        for peer in self.stage.peers:
            world.at(world.random.randint(0, 200), peer.boot)
        world.at(MEMORY_PAUSE_MS, self._check_memory)
        world.at(self.gst_ms, self._on_gst)
        self.stage.on_progress = self._on_progress
        self.nemesis.start()
        world.run(self.gst_ms)
        if not world.is_over:
            world.run(self.gst_ms + self._bound_ms())
        if not world.is_over:
            heights = {node.name: (len(node.chain), node.engine.view) for node in self.correct}
            raise Violation("liveness", f"height {self.target} not reached after GST: {heights}")

    def _bound_ms(self) -> int:
        """Return the time within which all must reach the target once the network is good."""
        limit = self.config.recovery_max_ms or RECOVERY_MAX_MS
        faulty = len(self.kinds)
        height_ms = 2_000 + sum(min(2_000 << view, 8_000) for view in range(faulty + 1))
        return limit + height_ms * self.target

    def _on_gst(self, *_: object) -> None:
        self.world.tell("world", "all is well from now on")
        self.nemesis.end()
        self.stage.liked_from = self.stage.nonce
        top = max(len(node.chain) for node in self.correct)
        self.target = max(self.target, top + 2)
        self._recovered_at = top + 1
        self.world.at(self.world.now + (self.config.recovery_max_ms or RECOVERY_MAX_MS), self._check_recovery)

    def _check_recovery(self, *_: object) -> None:
        if self.recovery_ms == 0:
            heights = {node.name: (len(node.chain), node.engine.view) for node in self.correct}
            raise Violation("recovery", f"no block on all correct nodes in time: {heights}")

    def _on_progress(self) -> None:
        lowest = min(len(node.chain) for node in self.correct)
        if self._recovered_at and not self.recovery_ms and lowest >= self._recovered_at:
            self.recovery_ms = self.world.now - self.gst_ms
        if lowest >= self.target and (self._recovered_at or not self.profile.has_outage):
            self.world.is_over = True

    def _check_memory(self, *_: object) -> None:
        """Check that what nodes keep, and say, is bounded, whoever floods them."""
        heard, self._heard = self.world.delivered - self._heard, self.world.delivered
        if heard > HEARD_MAX * len(self.stage.peers):
            raise Violation("storm", f"{heard} messages delivered in a second")
        for node in self.correct:
            if node.is_up:
                _check_memory(node)
        self.world.at(self.world.now + MEMORY_PAUSE_MS, self._check_memory)


def run(seed: int, config: Config, log: Callable[[str], None] | None = None) -> Result:
    """Set a run up and run it; Violation when a rule was broken."""
    return Simulation(seed, config, log).run()


def _check_memory(node: Node) -> None:
    """Look into engine and buffers: what they keep is the subject."""
    early = sum(len(kept) for kept in node.early._kept.values())
    if len(node.inbox) > INBOX_MAX + 8 or early > MESSAGES_MAX * len(node.stage.peers):
        raise Violation("memory", f"{node.name} keeps too many messages")
    here = node.engine._round
    if here is None:
        return
    tally = here.tally
    for said in tally._said:
        if len(said) > STATEMENTS_MAX:
            raise Violation("memory", f"{node.name} keeps {len(said)} statements of one author")
    kept = sum(len(group) for group in tally._groups.values())
    if kept > STATEMENTS_MAX * len(tally._said) or len(here.verdicts) > VERDICTS_MAX:
        raise Violation("memory", f"{node.name} keeps {kept} votes and {len(here.verdicts)} verdicts")


def _draw_sets(random: Random, nodes: int, *, has_sets: bool) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return the sets and the heights from which they decide: one for all, or others every few heights."""
    if not has_sets:
        return [tuple(range(nodes))], [1]
    pool = list(range(2 * nodes))
    members = random.sample(pool, nodes)
    sets, starts = [tuple(members)], [1]
    while starts[-1] < SET_HEIGHTS:
        size = random.randint(max(4, nodes - 2), nodes)
        if random.random() < 0.25:
            members = random.sample([each for each in pool if each not in members], size)
        else:
            members = random.sample(pool, size)
        sets.append(tuple(members))
        starts.append(starts[-1] + random.randint(1, 5))
    return sets, starts


def _draw_byzantine(random: Random, schedule: Schedule, wanted: int | None) -> list[int]:
    """Return the faulty: so many, or as many as have not more than f of the weight of any set."""
    pool = sorted({identity for members in schedule.sets for identity in members})
    drawn = random.sample(pool, len(pool) if wanted is None else wanted)
    if wanted is not None:
        return sorted(drawn)
    faulty: list[int] = []
    for identity in drawn:
        if schedule.is_bearable([*faulty, identity]):
            faulty.append(identity)
    return sorted(faulty)
