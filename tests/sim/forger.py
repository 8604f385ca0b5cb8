"""Faulty validators that conspire: they see every message at once, share their keys, and forge.

What they try: two blocks in one view; proposals without a justification, with too few claims, one claim many
times, claims of another view; hiding what was prepared, or choosing the lowest; claims of blocks that nobody
prepared, with certificates that are missing, too small, doubled or mixed of several views; different claims
to different receivers; votes for everything, COMMITs for long past views, and votes in the name of others.
They sign with their own keys only.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from node.consensus.messages import Proposal, ViewChange
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote
from runtime.primitives.statements import STEP_PREPARE, STEP_PROPOSE, UNSIGNED, Claim, Prepared, Value, Vote
from tests.sim.blocks import GENESIS, Block
from tests.sim.byzantine import seal
from tests.sim.network import AnyMessage, Envelope
from tests.sim.stage import Peer, Stage

PAUSE_MS: Final = (100, 700)
HEIGHTS_KEPT: Final = 3
PROPOSALS_MAX: Final = 3
"""Attempts in each view that one of them leads."""
VOTED_MAX: Final = 12
"""Blocks of one height that they vote for."""


class Known:
    """What was said about one height."""

    def __init__(self) -> None:
        self.view = 0
        self.values: dict[tuple[int, Value], None] = {}
        self.prepares: dict[tuple[int, Value], dict[int, Vote]] = defaultdict(dict)
        self.changes: dict[int, dict[int, ViewChange]] = defaultdict(dict)
        self.proposed: dict[int, int] = defaultdict(int)
        self.favoured: int | None = None
        """The only one who gets their votes, so that it decides alone; None where everybody gets them."""
        self.is_struck = False
        """Whether they let one decide alone, hold back their votes, and then claim another block prepared."""
        self.struck: Block | None = None


class Coalition:
    """What the forgers of one run know together."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.members: list[Forger] = []
        self.heights: dict[int, Known] = {}
        self.top = 1
        stage.network.taps.append(self.on_sent)

    def known(self, height: int) -> Known:
        """Return what is known of a height; of old ones nothing is kept."""
        known = self.heights.get(height)
        if known is None:
            known = self.heights[height] = Known()
            random = self.stage.world.random
            if random.random() < 0.5:
                known.favoured = random.randrange(len(self.stage.peers))
                known.is_struck = random.random() < 0.5
            for old in [each for each in self.heights if each <= height - HEIGHTS_KEPT]:
                del self.heights[old]
        return known

    def on_sent(self, envelope: Envelope) -> None:
        """See a message of whomever, as it is sent."""
        height, view = envelope.instance, envelope.view
        if height > self.top + 1 or height < self.top - 1 or view > 1 << 20:
            return
        match envelope.message:
            case Vote() as vote if vote.step == STEP_PREPARE:
                self.known(height).prepares[view, vote.value].setdefault(vote.index, vote)
            case ViewChange() as change:
                self.known(height).changes[view].setdefault(change.claim.index, change)
            case Proposal(vote=vote):
                self.known(height).values.setdefault((view, vote.value), None)
            case _:
                return
        known = self.known(height)
        known.view = max(known.view, min(view, known.view + 2))
        if height > self.top and height - 1 in self.stage.checker.decided:
            self.top = height

    def places(self, set_id: int) -> list[tuple[int, int]]:
        """Return place and identity of the members of a set among them."""
        found = [(self.stage.schedule.place(set_id, each.identity), each.identity) for each in self.members]
        return [(place, identity) for place, identity in found if place is not None]


class Forger(Peer):
    """One of a coalition."""

    def __init__(self, stage: Stage, address: int, identity: int, coalition: Coalition) -> None:
        super().__init__(stage, address, identity, is_byzantine=True)
        self._all = coalition
        coalition.members.append(self)

    def boot(self, *_: object) -> None:
        if not self.is_up:
            super().boot()
            self.world.at(self.world.now + self.world.random.randint(*PAUSE_MS), self._act)

    def _act(self, *_: object) -> None:
        random = self.world.random
        self.world.at(self.world.now + random.randint(*PAUSE_MS), self._act)
        height = self._all.top - (random.random() < 0.1)
        if height < 1 or (height > 1 and height - 1 not in self.stage.checker.decided):
            return
        self._set_id = self.stage.schedule.set_id(height)
        self._committee = self.stage.schedule.committee(self._set_id)
        place = self.stage.schedule.place(self._set_id, self.identity)
        if place is None:
            return
        self._height, self._place = height, place
        self._known = self._all.known(height)
        for view in range(max(self._known.view - 1, 0), self._known.view + 2):
            if self._committee.leader(height, view) == place:
                self._propose(view)
        match random.randrange(6):
            case 0 | 1:
                self._vote_for_all()
            case 2 | 3 | 4:
                self._claim(self._known.view + random.randint(0, 1))
            case _:
                self._vote_for_others()

    # --- proposals

    def _propose(self, view: int) -> None:
        random = self.world.random
        is_early = view > 0 and len(self._known.changes[view]) < self._quorum - 1
        if self._known.proposed[view] >= PROPOSALS_MAX or (is_early and random.random() < 0.9):
            return
        self._known.proposed[view] += 1
        groups = self._split()
        for group in groups:
            proposal = self._forge(view) if view > 0 else self._plain(0, self._make_block().value, (), None)
            self._send(group, proposal)
            if random.random() < 0.7:
                self._vote(group, view, proposal.vote.value)

    def _forge(self, view: int) -> Proposal:
        """Return a proposal whose justification looks like one."""
        if self._known.is_struck:
            return self._propose_false(view, self._strike().value)
        random = self.world.random
        changes = self._known.changes[view]
        honest = [changes[index].claim for index in sorted(changes)]
        fresh = self._make_block().value
        match random.randrange(9):
            case 0:
                return self._plain(view, fresh, (), None)
            case 1:
                return self._plain(view, fresh, honest[: self._quorum - 1], None)
            case 2:
                own = self._sealed_claim(view, None, self.identity, self._place)
                return self._plain(view, fresh, [own] * self._quorum, None)
            case 3:
                return self._plain(view, fresh, honest, None)
            case 4:
                other = self._known.changes[view - 1]
                return self._plain(view, fresh, [other[index].claim for index in sorted(other)], None)
            case 5:
                return self._propose_lowest(view, fresh)
            case 6 | 7:
                return self._propose_false(view, fresh)
            case _:
                return self._hide(view, fresh)

    def _hide(self, view: int, fresh: Value) -> Proposal:
        """Justify by those claims of a quorum that say least, with their own that say nothing."""
        claims = {index: change.claim for index, change in self._known.changes[view].items()}
        for place, identity in self._all.places(self._set_id):
            claims[place] = self._sealed_claim(view, None, identity, place)
        least = sorted(claims.values(), key=lambda each: -1 if each.prepared is None else each.prepared.view)
        return self._justify(view, least[: self._quorum], fresh)

    def _propose_lowest(self, view: int, fresh: Value) -> Proposal:
        changes = self._known.changes[view]
        found = [changes[index] for index in sorted(changes)]
        claimed = [each for each in found if each.claim.prepared is not None]
        if not claimed:
            return self._justify(view, [each.claim for each in found], fresh)
        lowest = min(claimed, key=lambda each: each.claim.prepared.view if each.claim.prepared else 0)
        prepared = lowest.claim.prepared
        assert prepared is not None, "chosen for that"
        value = Value(prepared.number, prepared.block_hash)
        return self._plain(view, value, [each.claim for each in found], lowest.certificate)

    def _propose_false(self, view: int, fresh: Value) -> Proposal:
        """Justify by claims among which their own name a block that nobody prepared."""
        claims = {index: change.claim for index, change in self._known.changes[view].items()}
        prepared = Prepared(view - 1, fresh.number, fresh.hash)
        for place, identity in self._all.places(self._set_id):
            claims[place] = self._sealed_claim(view, prepared, identity, place)
        certificate = self._fake_certificate(prepared)
        return self._plain(view, fresh, [claims[index] for index in sorted(claims)], certificate)

    def _justify(self, view: int, claims: list[Claim], fresh: Value) -> Proposal:
        """Return what these claims allow, rightly."""
        claims = sorted(claims, key=lambda each: each.index)
        seen = [each.prepared for each in claims if each.prepared is not None]
        if not seen:
            return self._plain(view, fresh, claims, None)
        highest = max(seen, key=lambda each: each.view)
        for change in self._known.changes[view].values():
            if change.claim.prepared == highest:
                value = Value(highest.number, highest.block_hash)
                return self._plain(view, value, claims, change.certificate)
        return self._plain(view, fresh, claims, None)

    def _plain(
        self, view: int, value: Value, claims: Iterable[Claim], certificate: Certificate | None
    ) -> Proposal:
        vote = self._sealed_vote(view, value, STEP_PROPOSE, self.identity, self._place)
        return Proposal(vote, tuple(claims), certificate)

    def _make_block(self, *, is_valid: bool = False) -> Block:
        """Make a block, which is invalid now and then."""
        random = self.world.random
        self.stage.nonce += 1
        parent = GENESIS if self._height == 1 else self.stage.checker.decided[self._height - 1]
        is_valid = is_valid or random.random() > 0.15
        next_set = self.stage.schedule.set_id(self._height + 1) + (not is_valid and random.random() < 0.5)
        block = Block(
            *(self._height, parent, self.address, self.stage.nonce, self.world.now, next_set),
            is_valid or random.random() < 0.5,
        )
        self.blocks[block.hash] = block
        return block

    def _strike(self) -> Block:
        """Return the one block of a height that they want in place of what was decided."""
        if self._known.struck is None:
            self._known.struck = self._make_block(is_valid=True)
        return self._known.struck

    def gives_block(self, seeker: Peer, block: Block) -> bool:
        is_struck = any(known.struck == block for known in self._all.heights.values())
        return is_struck or super().gives_block(seeker, block)

    # --- claims

    def _claim(self, view: int) -> None:
        if view == 0:
            return
        for group in self._split():
            for place, identity in self._all.places(self._set_id):
                self._send(group, self._forge_change(view, place, identity))

    def _forge_change(self, view: int, place: int, identity: int) -> ViewChange:
        random = self.world.random
        if self._known.is_struck:
            prepared = Prepared(view - 1, self._height, self._strike().hash)
            claim = self._sealed_claim(view, prepared, identity, place)
            return ViewChange(claim, self._fake_certificate(prepared))
        known = [each for each in self._known.changes[view].values() if each.certificate is not None]
        values = list(self._known.values)
        match random.randrange(5):
            case 0:
                return ViewChange(self._sealed_claim(view, None, identity, place), None)
            case 1 if known:
                change = random.choice(known)
                claim = self._sealed_claim(view, change.claim.prepared, identity, place)
                return ViewChange(claim, change.certificate)
            case 2 if values:
                seen, value = random.choice(values)
            case _:
                seen, value = max(view - 1, 0), self._make_block().value
        prepared = Prepared(random.choice((seen, view - 1, view, view + 1)), value.number, value.hash)
        claim = self._sealed_claim(view, prepared, identity, place)
        return ViewChange(claim, self._fake_certificate(prepared))

    def _fake_certificate(self, prepared: Prepared) -> Certificate | None:
        random = self.world.random
        value = Value(prepared.number, prepared.block_hash)
        own = [
            IndexedVote(
                place, self._sealed_vote(prepared.view, value, STEP_PREPARE, identity, place).signature
            )
            for place, identity in self._all.places(self._set_id)
        ]
        found = {vote.index: vote for vote in own}
        match random.randrange(4):
            case 0:
                return None
            case 1:
                votes = own * self._quorum
            case 2:
                for (_, voted), prepares in self._known.prepares.items():
                    if voted == value:
                        found.update(
                            {index: IndexedVote(index, vote.signature) for index, vote in prepares.items()}
                        )
                votes = [found[index] for index in sorted(found)]
            case _:
                prepares = self._known.prepares.get((prepared.view, value), {})
                found.update({index: IndexedVote(index, vote.signature) for index, vote in prepares.items()})
                votes = [found[index] for index in sorted(found)]
        return Certificate(
            self._set_id, self._height, prepared.number, prepared.view, prepared.block_hash, tuple(votes)
        )

    # --- votes

    def _vote_for_all(self) -> None:
        """Vote at both steps for everything proposed, of whichever view."""
        struck = self._known.struck
        for view, value in list(self._known.values)[-VOTED_MAX:]:
            is_wanted = view == 0 or (struck is not None and struck.value == value)
            if is_wanted or not self._known.is_struck:
                self._vote(range(len(self.stage.peers)), view, value)

    def _vote(self, group: Iterable[int], view: int, value: Value) -> None:
        favoured = self._known.favoured
        for place, identity in self._all.places(self._set_id):
            self._send(group, self._sealed_vote(view, value, STEP_PREPARE, identity, place))
            commit = self._sealed_vote(view, value, STEP_COMMIT, identity, place)
            self._send(group if favoured is None or view > 0 else [favoured], commit)

    def _vote_for_others(self) -> None:
        """Vote in the name of all, which nobody must believe."""
        for view, value in list(self._known.values)[-2:]:
            for place in range(len(self._committee)):
                vote = self._sealed_vote(view, value, STEP_COMMIT, self.identity, place)
                self._send(range(len(self.stage.peers)), vote)

    # --- means

    @property
    def _quorum(self) -> int:
        return len(self._committee) - (len(self._committee) - 1) // 3

    def _split(self) -> list[list[int]]:
        """Return all others, mostly in two groups."""
        random = self.world.random
        others = [each for each in range(len(self.stage.peers)) if each != self.address]
        random.shuffle(others)
        middle = random.choice((0, len(others) // 2, len(others) // 3))
        return [others[:middle], others[middle:]]

    def _send(self, group: Iterable[int], message: AnyMessage) -> None:
        self.stage.network.multicast(self.address, group, message)

    def _sealed_vote(self, view: int, value: Value, step: int, identity: int, place: int) -> Vote:
        vote = Vote(self._set_id, self._height, value.number, view, value.hash, step, place, UNSIGNED)
        return seal(self.stage.keys, identity, vote)

    def _sealed_claim(self, view: int, prepared: Prepared | None, identity: int, place: int) -> Claim:
        claim = Claim(self._set_id, self._height, view, prepared, place, UNSIGNED)
        return seal(self.stage.keys, identity, claim)
