"""What the actors of one run share: time, network, keys, sets, blocks, and who watches them.

Responsible for the actors' common interface, and for finding blocks among them. It must not know what kinds
of actors there are.
"""

from collections.abc import Callable
from typing import TypeAlias

from node.consensus.pbft import Pbft
from runtime.primitives.certificate import Certificate
from runtime.primitives.types import Hash
from tests.sim.blocks import Block, Schedule
from tests.sim.checker import Checker
from tests.sim.network import Envelope, Network
from tests.sim.signing import Check, Keys
from tests.sim.world import World

MakeEngine: TypeAlias = Callable[[], Pbft]


class Stage:
    """One run's surroundings."""

    def __init__(
        self,
        world: World,
        network: Network,
        keys: Keys,
        schedule: Schedule,
        checker: Checker,
        make_engine: MakeEngine,
    ) -> None:
        self.world = world
        self.network = network
        self.keys = keys
        self.verify: Check = keys.check
        self.schedule = schedule
        self.checker = checker
        self.make_engine = make_engine
        self.peers: list[Peer] = []
        self.nonce = 0
        self.disliked_every = 0
        """Each node refuses one block of so many out of taste, as long as no quorum has prepared it."""
        self.liked_from: int | None = None
        """Blocks made after this one are to everybody's taste."""
        self.on_first: list[Callable[[Peer, int], None]] = []
        self.on_prepared: list[Callable[[Peer, Certificate], None]] = []
        self.on_progress: Callable[[], None] = lambda: None

    def on_first_decision(self, peer: "Peer", instance: int) -> None:
        """Tell who wants to know that a height was decided for the first time."""
        for tell in self.on_first:
            tell(peer, instance)

    def is_liked(self, peer: "Peer", block: Block) -> bool:
        """Tell whether a block is to a node's taste, which is no matter of validity."""
        is_late = self.liked_from is not None and block.nonce > self.liked_from
        every = self.disliked_every
        return is_late or every == 0 or (block.nonce + peer.address) % every != 0

    def find_block(self, seeker: "Peer", block_hash: Hash) -> Block | None:
        """Return a block from a peer that has it, can be reached, and is willing."""
        network, random = self.network, self.world.random
        for peer in self.peers:
            block = peer.blocks.get(block_hash)
            if block is None or not peer.is_up or not network.is_open(seeker.address, peer.address):
                continue
            if peer.gives_block(seeker, block) and random.random() >= network.loss:
                return block
        return None


class Peer:
    """Something with an address: an honest node, or not."""

    def __init__(self, stage: Stage, address: int, identity: int, *, is_byzantine: bool) -> None:
        self.stage = stage
        self.world = stage.world
        self.address = address
        self.identity = identity
        self.is_byzantine = is_byzantine
        self.is_up = False
        self.blocks: dict[Hash, Block] = {}
        self.name = f"n{identity}" + ("'" if address != identity else "") + ("!" if is_byzantine else "")

    def boot(self, *_: object) -> None:
        """Start."""
        self.is_up = True

    def receive(self, envelope: Envelope, source: int) -> None:
        """Take a message in."""

    def gives_block(self, seeker: "Peer", block: Block) -> bool:
        """Tell whether a block is given to who asks; the faulty keep it from some."""
        return not self.is_byzantine or (block.nonce + seeker.address) % 3 != 0
