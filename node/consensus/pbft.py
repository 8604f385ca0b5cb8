"""Practical Byzantine fault tolerance, one instance at a time: block consensus, or a finality vote.

System model: n known authorities of total weight T, of which less than a third may do anything; messages may
be lost, delayed, repeated and reordered until some unknown moment, and arrive within a bound from then on.
What is decided on, whether it is valid, and who leads are the driver's and the committee's: the engine knows
a value as number and hash.

An instance goes through views. In each, its leader proposes a value; whoever finds it valid sends PREPARE;
with a quorum of PREPAREs a validator has the value *prepared*, makes that durable and sends COMMIT; a quorum
of COMMITs for one value in one view, whichever view, decides. A validator whose timer expires claims the next
view and says what it has prepared. The leader of a higher view justifies its proposal by a quorum of claims.

Safety. Say H is decided in view w: a quorum committed, so that more than f honest validators have H prepared
in w for good, and claim a view of at least w with every view change after it. By induction over the views
above w, each justification holds a claim of one of them (quorums intersect in an honest validator), and the
highest view claimed is proven by a quorum of PREPAREs; in w itself only H can have one, since an honest
validator prepares once a view, and above w only what was justified, which is H. So nothing but H is prepared,
or decided, later. It rests on three things outside this module: the guard, so that no statement is
contradicted by a later one after a crash; `Persist`, so that what was prepared is not forgotten; and
`checks`, which lets no unproven claim in.

Liveness. Whoever has claimed a view waits there, its timer stopped, until a quorum is as far: with timers
that are bounded, and only just a quorum alive, a validator that is a view ahead would stay ahead for ever.
The lowest honest one never waits, since all are as far as it is; so all keep moving. Whoever is behind joins
the highest view that more than f have reached, and nobody honest is more than a view above that. So after the
network calms down they come to be in one view with an honest leader for longer than a proposal and two votes
take, provided that the bound on the timer exceeds that. Nobody refuses a justified re-proposal for reasons of
taste, and the leader fetches what it must re-propose. Latest messages are repeated every second, since any of
them may have been lost.

Source: Castro & Liskov, OSDI '99 (with a window of one, every decision is a stable checkpoint; the timer that
waits is of §4.5.2); Moniz, arXiv 2002.03613 (the same protocol by block height).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from node.consensus.checks import get_highest
from node.consensus.effects import (
    Begun,
    Broadcast,
    Build,
    Built,
    Certified,
    Decide,
    Judge,
    Judged,
    PbftEffect,
    PbftInput,
    Persist,
    Received,
    Report,
    SetTimer,
    Sign,
    Signed,
    TimerFired,
)
from node.consensus.messages import Proposal, Status, ViewChange
from node.consensus.tally import Tally
from runtime.primitives.certificate import STEP_COMMIT, Certificate
from runtime.primitives.committee import Committee
from runtime.primitives.evidence import Evidence
from runtime.primitives.statements import (
    STEP_PREPARE,
    STEP_PROPOSE,
    UNSIGNED,
    Claim,
    Prepared,
    Statement,
    Value,
    Vote,
)

VERDICTS_MAX: Final = 64
"""Blocks of one instance whose verdict is remembered; the oldest are judged again."""

Effects: TypeAlias = list[PbftEffect]


class Times(NamedTuple):
    """Milliseconds: how long view 0 may take, how long any view may, how often messages are repeated.

    The longest view must exceed the worst real time of a proposal and two votes; only liveness needs that.
    """

    view: int = 2_000
    view_max: int = 8_000
    repeat: int = 1_000


class _Draft(NamedTuple):
    """A proposal that waits for its signature."""

    value: Value
    claims: tuple[Claim, ...]
    certificate: Certificate | None


@dataclass(slots=True)
class _Round:
    """The instance that is being decided."""

    begun: Begun
    tally: Tally
    view: int
    view_ends_ms: int | None
    """When to leave the view; None until a quorum is as far."""
    repeat_at_ms: int
    prepared: Certificate | None
    verdicts: dict[Value, bool] = field(default_factory=dict)
    judging: dict[Value, bool] = field(default_factory=dict)
    accepted: Proposal | None = None
    building: int | None = None
    built: Value | None = None
    led: int | None = None
    draft: _Draft | None = None
    own: dict[str, Vote | ViewChange | Proposal] = field(default_factory=dict)
    is_decided: bool = False

    @property
    def committee(self) -> Committee:
        return self.begun.committee

    @property
    def instance(self) -> int:
        return self.begun.instance

    @property
    def is_leader(self) -> bool:
        return self.committee.leader(self.instance, self.view) == self.begun.authority


class Pbft:
    """The engine; see the module."""

    def __init__(self, times: Times | None = None) -> None:
        self._times = times or Times()
        self._round: _Round | None = None
        self._timer_ms: int | None = None

    def start(self, now: int) -> Effects:
        """Begin; nothing happens before the first instance is begun."""
        del now
        return []

    def handle(self, event: PbftInput, now: int) -> Effects:
        """Take an input in; return the effects in order."""
        if isinstance(event, Begun):
            effects = self._begin(event, now)
        elif self._round is None or self._round.is_decided:
            return []
        else:
            effects = self._handle(self._round, event, now)
        return effects + self._set_timer(isinstance(event, TimerFired))

    @property
    def instance(self) -> int | None:
        """What is being decided, None before the first and between two."""
        return None if self._round is None or self._round.is_decided else self._round.instance

    @property
    def view(self) -> int:
        """The present view, 0 when nothing is being decided."""
        return 0 if self._round is None else self._round.view

    # --- inputs

    def _begin(self, begun: Begun, now: int) -> Effects:
        resume = begun.resume
        view = 0 if resume is None else resume.view
        self._round = here = _Round(
            begun=begun,
            tally=Tally(begun.committee, begun.instance),
            view=view,
            view_ends_ms=max(now, begun.due_ms) + self._timeout(view),
            repeat_at_ms=now + self._times.repeat,
            prepared=None if resume is None else resume.prepared,
        )
        if here.prepared is not None and here.prepared.view == view:
            return self._commit_again(here, here.prepared)
        if view > 0:
            return self._claim(here)
        return self._lead_on_time(here, now)

    def _commit_again(self, here: _Round, prepared: Certificate) -> Effects:
        """Repeat the COMMIT of the view that was resumed; everything below it has been said."""
        here.led = here.building = here.view
        if here.begun.authority is None:
            return []
        return [Sign(self._ballot(here, STEP_COMMIT, Value(prepared.number, prepared.block_hash)))]

    def _handle(self, here: _Round, event: PbftInput, now: int) -> Effects:
        effects: Effects = []
        match event:
            case Received(message):
                effects = self._receive(here, message, now)
                self._stop_waiting(here, now)
            case Built(view, value):
                _remember(here, value, is_valid=True)
                if view == here.view:
                    here.built = value
                effects = self._lead(here, now)
            case Judged(value, is_valid):
                effects = self._on_judged(here, value, now, is_valid=is_valid)
            case Signed(statement):
                effects = self._on_signed(here, statement, now)
            case Certified(certificate):
                effects = self._decide(here, certificate)
            case TimerFired():
                effects = self._on_timer(here, now)
            case Begun():
                raise AssertionError("begun elsewhere")
        return effects

    def _receive(self, here: _Round, message: Vote | ViewChange | Proposal, now: int) -> Effects:
        match message:
            case Vote():
                return self._on_vote(here, message, now)
            case ViewChange():
                return self._on_change(here, message, now)
            case Proposal():
                return self._on_proposal(here, message, now)

    def _on_timer(self, here: _Round, now: int) -> Effects:
        effects: Effects = []
        if here.view_ends_ms is not None and now >= here.view_ends_ms:
            effects += self._enter(here, here.view + 1, now)
        effects += self._lead_on_time(here, now)
        if now >= here.repeat_at_ms:
            here.repeat_at_ms = now + self._times.repeat
            effects += [Broadcast(message) for message in here.own.values()]
            effects.append(Broadcast(Status(here.instance, here.view)))
        return effects

    def _on_vote(self, here: _Round, vote: Vote, now: int) -> Effects:
        effects = _report(here.tally.add_vote(vote))
        if vote.step == STEP_COMMIT and here.tally.has_quorum(vote.view, STEP_COMMIT, vote.value):
            certificate = here.tally.certificate(vote.view, STEP_COMMIT, vote.value)
            return effects + self._decide(here, certificate)
        return effects + self._advance(here) + self._join(here, now)

    def _on_change(self, here: _Round, change: ViewChange, now: int) -> Effects:
        effects = _report(here.tally.add_change(change))
        return effects + self._join(here, now) + self._lead(here, now)

    def _on_proposal(self, here: _Round, proposal: Proposal, now: int) -> Effects:
        vote = proposal.vote
        if here.committee.leader(here.instance, vote.view) != vote.index:
            return _report(here.tally.add_offence(Evidence(vote, vote)))
        effects = _report(here.tally.add_vote(vote))
        for claim in proposal.claims:
            effects += _report(here.tally.add_claim(claim))
        if vote.view > here.view:
            self._move(here, vote.view, now)
        if vote.view == here.view and here.accepted is None:
            here.accepted = proposal
            effects += self._judge(here, vote.value, is_binding=proposal.certificate is not None)
            effects += self._prepare(here)
        return effects + self._advance(here) + self._join(here, now)

    def _on_judged(self, here: _Round, value: Value, now: int, *, is_valid: bool) -> Effects:
        here.judging.pop(value, None)
        _remember(here, value, is_valid=is_valid)
        return self._prepare(here) + self._advance(here) + self._lead(here, now)

    def _on_signed(self, here: _Round, statement: Statement | None, now: int) -> Effects:
        match statement:
            case Vote(step=step) as vote if step == STEP_PROPOSE:
                return self._propose(here, vote, now)
            case Vote(step=step) as vote:
                here.own["commit" if step == STEP_COMMIT else "prepare"] = vote
                return [Broadcast(vote), *self._on_vote(here, vote, now)]
            case Claim() as claim:
                change = ViewChange(claim, here.prepared)
                here.own["change"] = change
                here.view_ends_ms = None
                effects: Effects = [Broadcast(change), *self._on_change(here, change, now)]
                self._stop_waiting(here, now)
                return effects
            case None:
                if here.draft is not None:  # the leader has proposed before a restart
                    here.draft = None
                    here.led = here.view
                return []

    # --- views

    def _join(self, here: _Round, now: int) -> Effects:
        """Move to the highest view that an honest validator has surely reached."""
        joint = here.tally.joint_view()
        return self._enter(here, joint, now) if joint > here.view else []

    def _enter(self, here: _Round, view: int, now: int) -> Effects:
        self._move(here, view, now)
        return self._claim(here) + self._lead(here, now)

    def _move(self, here: _Round, view: int, now: int) -> None:
        here.view = view
        here.view_ends_ms = now + self._timeout(view)
        here.accepted = None
        here.draft = None
        here.built = None
        here.own = {kind: message for kind, message in here.own.items() if kind == "commit"}

    def _stop_waiting(self, here: _Round, now: int) -> None:
        """Let the timer of a claimed view run once a quorum has reached it."""
        if here.view_ends_ms is None and here.tally.quorum_view() >= here.view:
            here.view_ends_ms = now + self._timeout(here.view)

    def _claim(self, here: _Round) -> Effects:
        if here.begun.authority is None:
            return []
        seen = here.prepared
        prepared = None if seen is None else Prepared(seen.view, seen.number, seen.block_hash)
        claim = Claim(
            here.committee.set_id, here.instance, here.view, prepared, here.begun.authority, UNSIGNED
        )
        return [Sign(claim)]

    def _timeout(self, view: int) -> int:
        return min(self._times.view << min(view, 16), self._times.view_max)

    # --- leading

    def _lead_on_time(self, here: _Round, now: int) -> Effects:
        return self._lead(here, now) if here.view == 0 and now >= here.begun.due_ms else []

    def _lead(self, here: _Round, now: int) -> Effects:
        """Propose in the present view once there is something to propose that is justified."""
        if not here.is_leader or here.led == here.view or here.draft is not None:
            return []
        if here.view == 0:
            return self._offer(here, (), None) if now >= here.begun.due_ms else []
        if not here.tally.has_change_quorum(here.view):
            return []
        changes = here.tally.changes_to(here.view)
        claims = tuple(change.claim for change in changes)
        highest = get_highest(claims)
        if highest is None:
            return self._offer(here, claims, None)
        value = Value(highest.number, highest.block_hash)
        certificate = next(each.certificate for each in changes if each.claim.prepared == highest)
        if here.verdicts.get(value):
            return self._draft(here, _Draft(value, claims, certificate))
        return self._judge(here, value, is_binding=True)

    def _offer(self, here: _Round, claims: tuple[Claim, ...], certificate: Certificate | None) -> Effects:
        """Propose a block of one's own, building it first."""
        if here.built is not None:
            return self._draft(here, _Draft(here.built, claims, certificate))
        if here.building == here.view:
            return []
        here.building = here.view
        return [Build(here.view)]

    def _draft(self, here: _Round, draft: _Draft) -> Effects:
        here.draft = draft
        return [Sign(self._ballot(here, STEP_PROPOSE, draft.value))]

    def _propose(self, here: _Round, vote: Vote, now: int) -> Effects:
        draft = here.draft
        if draft is None or draft.value != vote.value or vote.view != here.view:
            return []
        here.draft = None
        here.led = here.view
        proposal = Proposal(vote, draft.claims, draft.certificate)
        here.own["proposal"] = proposal
        return [Broadcast(proposal), *self._on_proposal(here, proposal, now)]

    # --- voting

    def _judge(self, here: _Round, value: Value, *, is_binding: bool) -> Effects:
        """Ask for a verdict unless there is one, or it is on its way by rules at least as lenient."""
        if here.verdicts.get(value) or (value in here.verdicts and not is_binding):
            return []
        if here.judging.get(value, False) or (value in here.judging and not is_binding):
            return []
        here.judging[value] = is_binding
        return [Judge(value, is_binding)]

    def _prepare(self, here: _Round) -> Effects:
        accepted = here.accepted
        if accepted is None or here.begun.authority is None or "prepare" in here.own:
            return []
        if not here.verdicts.get(accepted.vote.value):
            return []
        return [Sign(self._ballot(here, STEP_PREPARE, accepted.vote.value))]

    def _advance(self, here: _Round) -> Effects:
        """Commit to the accepted block once a quorum has prepared it."""
        accepted = here.accepted
        if accepted is None or here.begun.authority is None:
            return []
        value = accepted.vote.value
        if here.prepared is not None and here.prepared.view >= here.view:
            return []
        if not here.verdicts.get(value) or not here.tally.has_quorum(here.view, STEP_PREPARE, value):
            return []
        here.prepared = here.tally.certificate(here.view, STEP_PREPARE, value)
        return [Persist(here.prepared), Sign(self._ballot(here, STEP_COMMIT, value))]

    def _decide(self, here: _Round, certificate: Certificate) -> Effects:
        here.is_decided = True
        return [Decide(certificate)]

    def _ballot(self, here: _Round, step: int, value: Value) -> Vote:
        assert here.begun.authority is not None, "only an authority votes"
        return Vote(
            here.committee.set_id,
            here.instance,
            value.number,
            here.view,
            value.hash,
            step,
            here.begun.authority,
            UNSIGNED,
        )

    # --- the one timer

    def _set_timer(self, has_fired: bool) -> Effects:  # noqa: FBT001  # private
        here = self._round
        if here is None or here.is_decided:
            return []
        times = [here.repeat_at_ms]
        if here.view_ends_ms is not None:
            times.append(here.view_ends_ms)
        if here.view == 0 and here.is_leader and here.building is None:
            times.append(here.begun.due_ms)
        at_ms = min(times)
        if at_ms == self._timer_ms and not has_fired:
            return []
        self._timer_ms = at_ms
        return [SetTimer(at_ms)]


def _remember(here: _Round, value: Value, *, is_valid: bool) -> None:
    """Keep a verdict; a block once found valid stays so."""
    is_valid = is_valid or here.verdicts.pop(value, False)
    while len(here.verdicts) >= VERDICTS_MAX:
        del here.verdicts[next(iter(here.verdicts))]
    here.verdicts[value] = is_valid


def _report(evidence: Evidence | None) -> Effects:
    return [] if evidence is None else [Report(evidence)]
