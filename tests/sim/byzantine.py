"""Validators that break the protocol while running the real engine, or nothing at all.

Twins are two of `Node` with one identity. Here are those that say other things than their engine wants, or
say them late, or talk nonsense; `forger` has the one that plans.
"""

from typing import Final, TypeVar

from msgspec.structs import replace

from node.consensus.messages import Decided, Proposal, Status, ViewChange, decode_message, encode_message
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote
from runtime.primitives.scale import DecodeError
from runtime.primitives.statements import (
    STEP_PREPARE,
    STEP_PROPOSE,
    UNSIGNED,
    Claim,
    Value,
    Vote,
    signed_bytes,
)
from runtime.primitives.types import Hash
from tests.sim.blocks import GENESIS
from tests.sim.network import AnyMessage, Envelope
from tests.sim.node import Node
from tests.sim.signing import Keys
from tests.sim.stage import Peer, Stage

MUTATED_SHARE: Final = 0.35
SPAM_PAUSE_MS: Final = 500
FLOOD: Final = 120
"""Votes of one burst: more than a tally keeps of one author."""
RECALLED_MAX: Final = 64

Signable = TypeVar("Signable", Vote, Claim)


def seal(keys: Keys, identity: int, statement: Signable) -> Signable:
    """Return a statement signed by an identity, without any guard."""
    return replace(statement, signature=keys.sign(identity, signed_bytes(GENESIS, statement)))


class Silent(Peer):
    """Never says a word."""


class Deserter(Node):
    """Follows the protocol until the network is good, and is silent from then on (`Nemesis.end`)."""


class Slow(Node):
    """Sends its proposals just before their view ends, everything else a little late."""

    def send_out(self, message: Vote | ViewChange | Proposal | Status) -> None:
        delay = 200
        if isinstance(message, Proposal):
            delay = min(2_000 << min(message.vote.view, 2), 8_000) - 150
        self.stage.network.broadcast(self.address, message, delay)


class Mutator(Node):
    """Runs the engine, and tells some of the others something else than it said."""

    def __init__(self, stage: Stage, address: int, identity: int) -> None:
        super().__init__(stage, address, identity, is_byzantine=True)
        self._old: list[Value] = []

    def send_out(self, message: Vote | ViewChange | Proposal | Status) -> None:
        if isinstance(message, Vote) and message.value not in self._old:
            self._old = [*self._old[-7:], message.value]
        random = self.world.random
        for target in range(len(self.stage.peers)):
            if target != self.address:
                is_mutated = random.random() < MUTATED_SHARE
                self.stage.network.send(
                    self.address, target, self._mutate(message) if is_mutated else message
                )

    def _mutate(self, message: Vote | ViewChange | Proposal | Status) -> AnyMessage:
        match message:
            case Vote():
                return self._mutate_vote(message)
            case ViewChange(claim=claim, certificate=certificate):
                return self._mutate_change(claim, certificate)
            case Proposal(vote=vote, claims=claims, certificate=certificate):
                vote = self._mutate_vote(vote)
                return Proposal(vote, claims[1:] if vote.view % 2 else claims, certificate)
            case Status():
                return Status(max(message.instance + self.world.random.randint(-2, 2), 0), message.view)

    def _mutate_vote(self, vote: Vote) -> Vote:
        random = self.world.random
        match random.randrange(3):
            case 0:
                vote = replace(vote, view=max(vote.view + random.choice((-1, 1)), 0))
            case 1 if self._old:
                value = random.choice(self._old)
                vote = replace(vote, number=value.number, block_hash=value.hash)
            case _:
                vote = replace(vote, block_hash=Hash(random.randbytes(32)))
        return seal(self.stage.keys, self.identity, vote)

    def _mutate_change(self, claim: Claim, certificate: Certificate | None) -> ViewChange:
        random = self.world.random
        match random.randrange(3):
            case 0:
                claim = replace(claim, view=max(claim.view + random.choice((-1, 1)), 1))
            case 1:
                claim, certificate = replace(claim, prepared=None), None
            case _:
                if claim.prepared is not None:
                    claim = replace(claim, prepared=replace(claim.prepared, view=claim.view))
        return ViewChange(seal(self.stage.keys, self.identity, claim), certificate)


class Spammer(Peer):
    """Floods with what is wrong, out of turn, out of range, contradictory, or not even a message."""

    def __init__(self, stage: Stage, address: int, identity: int) -> None:
        super().__init__(stage, address, identity, is_byzantine=True)
        self._recalled: list[Envelope] = []
        self._height = 1

    def boot(self, *_: object) -> None:
        if not self.is_up:
            super().boot()
            self._act()

    def receive(self, envelope: Envelope, source: int) -> None:
        self._recalled = [*self._recalled[1 - RECALLED_MAX :], envelope]
        if envelope.instance < self._height + 100:
            self._height = max(self._height, envelope.instance)

    def _act(self, *_: object) -> None:
        random = self.world.random
        schedule = self.stage.schedule
        set_id = schedule.set_id(self._height)
        place = schedule.place(set_id, self.identity)
        if place is not None:
            if random.random() < 0.2:
                self._flood(set_id, place)
            for _each in range(4):
                self.stage.network.broadcast(self.address, self._make(set_id, place))
        self._send_broken()
        self.world.at(self.world.now + SPAM_PAUSE_MS, self._act)

    def _flood(self, set_id: int, place: int) -> None:
        random = self.world.random
        target = random.randrange(len(self.stage.peers))
        top = random.choice((FLOOD, 1 << 40))
        for view in range(top - FLOOD, top):
            step = random.choice((STEP_PREPARE, STEP_COMMIT))
            vote = self._vote(set_id, place, view, step, Hash(random.randbytes(32)))
            if target != self.address:
                self.stage.network.send(self.address, target, vote)

    def _make(self, set_id: int, place: int) -> AnyMessage:
        random = self.world.random
        view = random.choice((0, 0, 1, 2, 1 << 33))
        block_hash = Hash(random.randbytes(32))
        prepare = self._vote(set_id, place, view, STEP_PREPARE, block_hash)
        match random.randrange(6):
            case 0:
                return self._vote(set_id, place, view, random.choice((STEP_PREPARE, STEP_COMMIT)), block_hash)
            case 1:
                return Proposal(self._vote(set_id, place, 0, STEP_PROPOSE, block_hash), (), None)
            case 2:
                return replace(prepare, index=random.choice((len(self.stage.peers), 0xFFFF)))
            case 3:
                return Status(random.choice((0, self._height, 1 << 50)), view)
            case 4:
                votes = (IndexedVote(place, prepare.signature),) * 3
                return Decided(Certificate(set_id, self._height, self._height, 0, block_hash, votes))
            case _:
                return replace(prepare, set_id=set_id + 1)

    def _vote(self, set_id: int, place: int, view: int, step: int, block_hash: Hash) -> Vote:
        vote = Vote(set_id, self._height, self._height, view, block_hash, step, place, UNSIGNED)
        return seal(self.stage.keys, self.identity, vote)

    def _send_broken(self) -> None:
        """Repeat somebody's message with one byte changed, where that is a message still."""
        if not self._recalled:
            return
        random = self.world.random
        data = bytearray(encode_message(random.choice(self._recalled).message))
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        try:
            message = decode_message(bytes(data))
        except DecodeError:
            return
        self.stage.network.broadcast(self.address, message)
