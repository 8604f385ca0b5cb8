"""The network between simulated nodes: it loses, delays, repeats, reorders, and cuts off.

Directions count: each pair of addresses may be cut one way, and deaf to one kind of message of one view,
which is what finds the bugs of view changes. An envelope carries a message with what is worth knowing once
instead of once for each receiver: its kind, and whether it is right.
"""

from collections.abc import Callable, Iterable
from heapq import heappush
from random import Random  # noqa: TID251 - seeded
from typing import Final, TypeAlias
from zlib import crc32

from node.consensus.checks import Rejected, check_message
from node.consensus.messages import Decided, Proposal, Status, ViewChange, decode_message, encode_message
from runtime.primitives.certificate import InvalidCertificate, verify_certificate
from runtime.primitives.committee import Committee
from runtime.primitives.statements import STEP_PREPARE, Vote
from tests.sim.signing import Check
from tests.sim.world import World

PROPOSE: Final = 1
PREPARE: Final = 2
COMMIT: Final = 3
CHANGE: Final = 4
STATUS: Final = 5
DECIDED: Final = 6
KINDS: Final = {
    PROPOSE: "PROPOSAL",
    PREPARE: "PREPARE",
    COMMIT: "COMMIT",
    CHANGE: "VIEW-CHANGE",
    STATUS: "STATUS",
    DECIDED: "DECIDED",
}
CODEC_SAMPLE: Final = 64
"""Of so many messages with fake signatures, one goes through the codec."""

AnyMessage: TypeAlias = Vote | ViewChange | Proposal | Status | Decided


def _make_delays(mean_ms: int, slow_share: float) -> tuple[int, ...]:
    random = Random(mean_ms)
    return tuple(
        random.randint(300, 3_000)
        if random.random() < slow_share
        else min(5 + int(random.expovariate(1 / mean_ms)), 3_000)
        for _ in range(1024)
    )


CALM: Final = _make_delays(20, 0)
ROUGH: Final = _make_delays(60, 0.02)
HEAVY: Final = _make_delays(250, 0.1)


class Envelope:
    """A message on its way to one or many."""

    __slots__ = (
        "_checked_for",
        "_is_right",
        "_origin",
        "digest",
        "instance",
        "is_lost",
        "kind",
        "message",
        "view",
    )

    def __init__(self, message: AnyMessage, origin: "Envelope | None" = None) -> None:
        self.message = message
        self.is_lost = False
        self._origin = origin
        self._checked_for: Committee | None = None
        self._is_right = False
        match message:
            case Vote():
                self.kind = PREPARE if message.step == STEP_PREPARE else COMMIT
                self.instance, self.view = message.instance, message.view
                self.digest = crc32(message.signature)
            case ViewChange(claim=claim, certificate=certificate):
                self.kind, self.instance, self.view = CHANGE, claim.instance, claim.view
                self.digest = crc32(claim.signature) + (0 if certificate is None else len(certificate.votes))
            case Proposal(vote=vote, claims=claims):
                self.kind, self.instance, self.view = PROPOSE, vote.instance, vote.view
                self.digest = crc32(vote.signature) + len(claims)
            case Status():
                self.kind, self.instance, self.view = STATUS, message.instance, message.view
                self.digest = self.instance * 1009 + self.view
            case Decided(certificate=certificate):
                self.kind, self.instance, self.view = DECIDED, certificate.instance, certificate.view
                self.digest = crc32(certificate.block_hash) + self.view
        self.digest &= 0xFFFFFFFF

    def recode(self) -> "Envelope":
        """Return the same message as it comes out of the codec."""
        message = decode_message(encode_message(self.message))
        assert message == self.message, f"the codec changed {self.message!r}"
        return Envelope(message, self)

    def is_right(self, committee: Committee, verify: Check) -> bool:
        """Tell what `checks` and the signatures say, which is found out once for each committee."""
        if self._origin is not None:
            return self._origin.is_right(committee, verify)
        if self._checked_for is not committee:
            self._checked_for = committee
            self._is_right = self._check(committee, verify)
        return self._is_right

    def _check(self, committee: Committee, verify: Check) -> bool:
        message = self.message
        try:
            match message:
                case Status():
                    return True
                case Decided(certificate=certificate):
                    verify_certificate(
                        certificate, committee.genesis, committee.set_id, committee.authorities, verify
                    )
                    return True
                case _:
                    checks = check_message(message, self.instance, committee)
        except (Rejected, InvalidCertificate):
            return False
        return all(verify(*check) for check in checks)

    def __str__(self) -> str:
        text = f"{KINDS[self.kind]} h{self.instance} v{self.view}"
        match self.message:
            case Vote(block_hash=block_hash):
                text = f"{text} {block_hash.hex()[:8]}"
            case ViewChange(claim=claim):
                if claim.prepared is not None:
                    text = f"{text} prepared v{claim.prepared.view} {claim.prepared.block_hash.hex()[:8]}"
            case Proposal(vote=vote, claims=claims):
                text = f"{text} {vote.block_hash.hex()[:8]} by {len(claims)} claims"
            case Decided(certificate=certificate):
                text = f"{text} {certificate.block_hash.hex()[:8]}"
            case Status():
                pass
        return text


Receive: TypeAlias = Callable[[Envelope, int], None]


class Network:
    """Between addresses 0 … count - 1."""

    def __init__(self, world: World, count: int, *, is_coded: bool) -> None:
        self._world = world
        self._random = world.random.random
        self._is_coded = is_coded
        self._sent = 0
        self.receivers: list[Receive] = []
        self.taps: list[Callable[[Envelope], None]] = []
        self.cut = [[0] * count for _ in range(count)]
        self.loss = 0.0
        self.repeats = 0.0
        self.delays = CALM
        self.deaf: dict[tuple[int, int], set[tuple[int, int]]] = {}
        self.muted: int | None = None
        """A kind of message that nobody hears."""
        self.votes: dict[tuple[int, int], list[Envelope]] | None = None
        """Votes by instance and kind, where some are to be lost on their way."""
        self.generation = 0
        """How often everything was healed."""

    def broadcast(self, source: int, message: AnyMessage, delay_ms: int = 0) -> None:
        """Send a message to all but its source."""
        self.multicast(source, range(len(self.receivers)), message, delay_ms)

    def multicast(self, source: int, targets: Iterable[int], message: AnyMessage, delay_ms: int = 0) -> None:
        """Send a message to some, but not to its source."""
        envelope = self._wrap(message)
        for target in targets:
            if target != source:
                self._send(source, target, envelope, delay_ms)

    def send(self, source: int, target: int, message: AnyMessage, delay_ms: int = 0) -> None:
        """Send a message to one."""
        self._send(source, target, self._wrap(message), delay_ms)

    def _wrap(self, message: AnyMessage) -> Envelope:
        envelope = Envelope(message)
        self._sent += 1
        if self._is_coded or self._sent % CODEC_SAMPLE == 0:
            envelope = envelope.recode()
        for tap in self.taps:
            tap(envelope)
        if self.votes is not None and envelope.kind in {PREPARE, COMMIT}:
            self.votes.setdefault((envelope.instance, envelope.kind), []).append(envelope)
        return envelope

    def _send(self, source: int, target: int, envelope: Envelope, delay_ms: int) -> None:
        random = self._random
        if self.cut[source][target] or (self.loss and random() < self.loss):
            return
        if envelope.kind == self.muted:
            return
        if self.deaf and (source, target) in self.deaf.get((envelope.view, envelope.kind), ()):
            return
        world = self._world
        while True:
            world.order += 1
            when = world.now + delay_ms + self.delays[int(random() * 1024)]
            heappush(world.queue, (when, world.order, self.receivers[target], envelope, source))
            if not self.repeats or random() >= self.repeats:
                return

    # --- faults

    def is_open(self, source: int, target: int) -> bool:
        """Tell whether two can talk to each other both ways."""
        return not self.cut[source][target] and not self.cut[target][source]

    def cut_off(self, pairs: list[tuple[int, int]], duration_ms: int) -> None:
        """Lose everything from the first to the second of each pair, for some time."""
        for source, target in pairs:
            self.cut[source][target] += 1
        self._world.at(self._world.now + duration_ms, self._mend, pairs, self.generation)

    def isolate(self, address: int, duration_ms: int) -> None:
        """Cut an address off from all others, both ways."""
        others = [each for each in range(len(self.receivers)) if each != address]
        pairs = [(address, other) for other in others] + [(other, address) for other in others]
        self.cut_off(pairs, duration_ms)

    def lose(self, instance: int, kind: int) -> None:
        """Lose the votes of a kind for an instance that are on their way."""
        if self.votes is not None:
            for envelope in self.votes.pop((instance, kind), []):
                envelope.is_lost = True

    def heal(self) -> None:
        """Be a good network from now on."""
        self.generation += 1
        for row in self.cut:
            row[:] = [0] * len(row)
        self.loss = self.repeats = 0.0
        self.delays = CALM
        self.muted = None
        self.deaf.clear()

    def _mend(self, pairs: list[tuple[int, int]], generation: int) -> None:
        if generation == self.generation:
            for source, target in pairs:
                self.cut[source][target] -= 1
