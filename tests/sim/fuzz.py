"""Any inputs at all: the engine takes whatever `checks` lets through, in any order, and never raises.

Signatures are not looked at, so here everybody forges for everybody; agreement is not expected, only that
nothing escapes the handler, that effects are of the engine's own instance, and that memory is bounded.
"""

from collections import Counter
from random import Random  # noqa: TID251 - seeded
from typing import Final

from node.consensus.checks import Rejected, check_message
from node.consensus.effects import (
    Begun,
    Broadcast,
    Built,
    Certified,
    Decide,
    Judged,
    PbftEffect,
    PbftInput,
    Received,
    Resume,
    Sign,
    Signed,
    TimerFired,
)
from node.consensus.messages import Proposal, Status, ViewChange, decode_message, encode_message
from node.consensus.pbft import VERDICTS_MAX, Pbft
from node.consensus.tally import STATEMENTS_MAX
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote
from runtime.primitives.committee import Committee
from runtime.primitives.scale import DecodeError
from runtime.primitives.statements import STEP_PREPARE, STEP_PROPOSE, UNSIGNED, Claim, Prepared, Value, Vote
from runtime.primitives.types import Hash
from tests.sim.blocks import GENESIS, make_committee
from tests.sim.checker import Violation
from tests.sim.signing import FakeKeys

VALUES: Final = 5
FAR_VIEW: Final = 1 << 40
MEMORY_EVERY: Final = 200


class Fuzz:
    """One engine and a generator of inputs."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._keys = FakeKeys()
        self._engine = Pbft()
        self._now = 0
        self._instance = 0
        self.counts: Counter[str] = Counter()
        self._perform(self._engine.start(0))
        self._begin()

    def run(self, inputs: int) -> Counter[str]:
        """Feed so many inputs; return how many there were of each kind, and what came of them."""
        for number in range(inputs):
            self._feed(self._draw())
            if number % MEMORY_EVERY == 0:
                self._check_memory()
        return self.counts

    def _begin(self) -> None:
        random = self._random
        self._instance += 1
        members = random.choice((1, 4, 5, 7))
        keys = [(self._keys.public(each), random.choice((1, 1, 1, 3))) for each in range(members)]
        self._committee: Committee = make_committee(GENESIS, random.randrange(2), keys)
        self._values = [Value(self._instance, Hash(random.randbytes(32))) for _ in range(VALUES)]
        resume = None
        if random.random() < 0.3:
            view = random.randrange(4)
            seen = (
                self._certificate(random.randrange(view), self._value(), is_whole=True) if view > 0 else None
            )
            resume = Resume(view, seen)
        authority = random.choice((None, *range(members)))
        due = self._now + random.randrange(2_000)
        self._feed(Begun(self._instance, self._committee, authority, due, resume))

    def _feed(self, event: PbftInput) -> None:
        self.counts[type(event).__name__] += 1
        self._perform(self._engine.handle(event, self._now))

    def _perform(self, effects: list[PbftEffect]) -> None:
        """Perform effects, as long as they are for the present instance."""
        instance = self._instance
        for effect in effects:
            if self._instance != instance:
                return
            self.counts[type(effect).__name__] += 1
            match effect:
                case Sign(statement):
                    if statement.instance != self._instance:
                        raise Violation("order", f"a statement for {statement.instance} at {self._instance}")
                    self._feed(Signed(statement if self._random.random() < 0.9 else None))
                case Broadcast(message):
                    self._check_own(message)
                case Decide():
                    self._begin()
                case _:
                    pass

    def _check_own(self, message: Vote | ViewChange | Proposal | Status) -> None:
        """Check that what the engine says is what checks let through."""
        if isinstance(message, Status):
            return
        try:
            check_message(message, self._instance, self._committee)
        except Rejected as error:
            raise Violation("hygiene", f"{error}: {message!r:.300}") from error

    # --- inputs

    def _draw(self) -> PbftInput:
        random = self._random
        match random.randrange(12):
            case 0:
                self._now += random.choice((0, 1, 300, 2_000, 8_000))
                return TimerFired()
            case 1 | 2:
                return Judged(self._value(), random.random() < 0.7)
            case 3:
                return Built(random.randrange(4), self._value())
            case 4 if random.random() < 0.02:
                return Certified(self._certificate(self._view(), self._value()))
            case _:
                message = self._draw_message()
                return TimerFired() if message is None else Received(message)

    def _draw_message(self) -> Vote | ViewChange | Proposal | None:
        """Return a message that passes the checks, None where the one drawn does not."""
        random = self._random
        message: Vote | ViewChange | Proposal
        match random.randrange(8):
            case 0 | 1 | 2 | 3 | 4:
                message = self._vote(random.choice((STEP_PREPARE, STEP_COMMIT)), self._view())
            case 5:
                message = self._change(self._view() + 1)
            case _:
                message = self._proposal(self._view())
        if random.random() < 0.05:
            damaged = self._damage(message)
            if damaged is None:
                return None
            message = damaged
        try:
            check_message(message, self._instance, self._committee)
        except Rejected:
            self.counts["rejected"] += 1
            return None
        return message

    def _damage(self, message: Vote | ViewChange | Proposal) -> Vote | ViewChange | Proposal | None:
        data = bytearray(encode_message(message))
        data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        try:
            damaged = decode_message(bytes(data))
        except DecodeError:
            self.counts["undecodable"] += 1
            return None
        return damaged if isinstance(damaged, Vote | ViewChange | Proposal) else None

    def _value(self) -> Value:
        return self._values[0] if self._random.random() < 0.6 else self._random.choice(self._values)

    def _view(self) -> int:
        random = self._random
        if random.random() < 0.01:
            return random.randrange(FAR_VIEW)
        return self._engine.view + random.choice((-1, 0, 0, 0, 0, 0, 0, 1))

    def _index(self) -> int:
        return self._random.randrange(len(self._committee))

    def _vote(self, step: int, view: int, index: int | None = None, value: Value | None = None) -> Vote:
        value = self._value() if value is None else value
        index = self._index() if index is None else index
        set_id = self._committee.set_id
        return Vote(set_id, self._instance, value.number, max(view, 0), value.hash, step, index, UNSIGNED)

    def _certificate(self, view: int, value: Value, *, is_whole: bool = False) -> Certificate:
        """Return a certificate by everybody, or by all but one; for which step, only signatures would say."""
        count = len(self._committee)
        out = count if is_whole else self._random.randrange(2 * count)
        votes = tuple(IndexedVote(index, UNSIGNED) for index in range(count) if index != out)
        set_id = self._committee.set_id
        return Certificate(set_id, self._instance, value.number, max(view, 0), value.hash, votes)

    def _claim(self, index: int, view: int) -> tuple[Claim, Certificate | None]:
        random = self._random
        prepared, certificate = None, None
        if view > 0 and random.random() < 0.5:
            certificate = self._certificate(random.randrange(min(view, 4)), self._value())
            prepared = Prepared(certificate.view, certificate.number, certificate.block_hash)
        claim = Claim(self._committee.set_id, self._instance, view, prepared, index, UNSIGNED)
        return claim, certificate

    def _change(self, view: int) -> ViewChange:
        return ViewChange(*self._claim(self._index(), max(view, 0)))

    def _proposal(self, view: int) -> Proposal:
        view = max(view, 0)
        leader = (
            self._committee.leader(self._instance, view) if self._random.random() < 0.8 else self._index()
        )
        if view == 0:
            return Proposal(self._vote(STEP_PROPOSE, 0, leader), (), None)
        claims = [self._claim(index, view) for index in range(len(self._committee))]
        seen = [each for _, each in claims if each is not None]
        highest = max(seen, key=lambda each: each.view, default=None)
        value = None if highest is None else Value(highest.number, highest.block_hash)
        vote = self._vote(STEP_PROPOSE, view, leader, value)
        return Proposal(vote, tuple(claim for claim, _ in claims), highest)

    def _check_memory(self) -> None:
        here = self._engine._round
        assert here is not None, "an instance has begun"
        said = max(len(each) for each in here.tally._said)
        if said > STATEMENTS_MAX or len(here.verdicts) > VERDICTS_MAX or len(here.judging) > VALUES:
            raise Violation("memory", f"{said} statements, {len(here.verdicts)} verdicts")
