"""The engine of one validator among four, input by input."""

from collections.abc import Iterable
from itertools import product

import pytest

from node.consensus.checks import check_message
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
    Resume,
    SetTimer,
    Sign,
    Signed,
    TimerFired,
)
from node.consensus.messages import Proposal, Status, ViewChange
from node.consensus.pbft import VERDICTS_MAX, Pbft, Times
from runtime.primitives.certificate import STEP_COMMIT, Certificate
from runtime.primitives.evidence import OffenceKind, judge_evidence
from runtime.primitives.statements import STEP_PROPOSE, Claim, Statement, Value, Vote
from runtime.primitives.types import Hash
from tests.support.consensus import (
    INSTANCE,
    QUORUM,
    A,
    B,
    certificate,
    change,
    claim,
    claimed,
    commit,
    committee,
    leader,
    prepare,
    proposal,
    vote,
)

DUE = 1_000
OTHERS = (0, 2, 3)
"""Everybody but authority 1, who leads view 0 of instance 5."""
ME = 3
"""Leads view 2."""


SEEN = (None, certificate(A, 0), certificate(B, 1))
"""What a validator may have seen prepared before view 2."""


class Seat:
    """An engine with a signer that refuses nothing unless told, and a clock."""

    def __init__(self, authority: int | None = ME, resume: Resume | None = None, *, members: int = 4) -> None:
        self.engine = Pbft()
        self.now = 0
        self.timer = 0
        self.refuses = False
        self.signed: list[Statement] = []
        self.members = committee(members)
        assert self.engine.start(0) == []
        self.first = self.give(Begun(INSTANCE, self.members, authority, DUE, resume))

    def give(self, event: PbftInput) -> list[PbftEffect]:
        """Hand an input in, sign what is to be signed, and return all other effects but timers."""
        shown: list[PbftEffect] = []
        pending = self.engine.handle(event, self.now)
        while pending:
            effect = pending.pop(0)
            match effect:
                case SetTimer(at_ms):
                    self.timer = at_ms
                case Sign(statement):
                    self.signed.append(statement)
                    answer = Signed(None if self.refuses else statement)
                    pending = self.engine.handle(answer, self.now) + pending
                case _:
                    shown.append(effect)
        return shown

    def hear(self, *messages: Vote | ViewChange | Proposal) -> list[PbftEffect]:
        return [effect for message in messages for effect in self.give(Received(message))]

    def wait(self, until: int) -> list[PbftEffect]:
        """Let time pass, firing the timer as often as it asks."""
        shown: list[PbftEffect] = []
        while 0 <= self.timer <= until:
            self.now = max(self.now, self.timer)
            self.timer = -1
            shown += self.give(TimerFired())
        self.now = until
        return shown

    def accept(self, message: Proposal) -> list[PbftEffect]:
        return self.hear(message) + self.give(Judged(message.vote.value, is_valid=True))


def said(effects: Iterable[PbftEffect]) -> list[Vote | ViewChange | Proposal]:
    """Return what was broadcast, but for status, with no signatures looked at."""
    sent = [effect.message for effect in effects if isinstance(effect, Broadcast)]
    return [message for message in sent if not isinstance(message, Status)]


def steps(effects: Iterable[PbftEffect]) -> list[tuple[int, Value]]:
    return [(each.step, each.value) for each in said(effects) if isinstance(each, Vote)]


def test_leader_builds_when_the_block_is_due_and_not_before() -> None:
    seat = Seat(authority=1)
    assert seat.first == []
    assert seat.wait(DUE - 1) == []
    assert seat.wait(DUE)[:1] == [Build(0)]
    effects = seat.give(Built(0, A))
    assert [type(message) for message in said(effects)] == [Proposal, Vote]
    assert steps(effects) == [(2, A)]
    assert seat.give(Built(0, A)) == []


def test_block_goes_through_prepare_and_commit_to_its_certificate() -> None:
    seat = Seat()
    assert seat.hear(proposal()) == [Judge(A, is_binding=False)]
    assert steps(seat.give(Judged(A, is_valid=True))) == [(2, A)]
    assert seat.hear(prepare(0)) == []
    effects = seat.hear(prepare(1))
    assert [type(effect) for effect in effects] == [Persist, Broadcast]
    assert isinstance(effects[0], Persist)
    assert [each.index for each in effects[0].prepared.votes] == [0, 1, 3]
    assert steps(effects) == [(STEP_COMMIT, A)]
    assert seat.hear(commit(0)) == []
    (decision,) = seat.hear(commit(1))
    assert isinstance(decision, Decide)
    assert [each.index for each in decision.certificate.votes] == [0, 1, 3]
    assert seat.hear(commit(2)) == []


def test_prepares_that_come_before_the_proposal_count() -> None:
    seat = Seat()
    assert seat.hear(prepare(0), prepare(1), prepare(2)) == []
    assert steps(seat.accept(proposal())) == [(2, A), (STEP_COMMIT, A)]


def test_same_vote_twice_counts_once() -> None:
    seat = Seat()
    seat.accept(proposal())
    assert seat.hear(prepare(0), prepare(0), prepare(0)) == []
    assert seat.hear(commit(0), commit(0), commit(0), commit(1)) == []


def test_prepares_of_different_views_do_not_add_up() -> None:
    seat = Seat()
    seat.accept(proposal())
    assert seat.hear(prepare(0, A, 1), prepare(1)) == []


def test_votes_for_different_blocks_do_not_add_up() -> None:
    seat = Seat()
    seat.accept(proposal())
    assert seat.hear(prepare(0, B), prepare(1)) == []
    assert seat.hear(commit(0, B), commit(1, A), commit(2, A)) == []


def test_nothing_is_prepared_without_a_verdict() -> None:
    seat = Seat()
    seat.hear(proposal())
    assert steps(seat.hear(prepare(0), prepare(1), prepare(2))) == []
    assert steps(seat.give(Judged(A, is_valid=False))) == []
    assert seat.engine.view == 0


@pytest.mark.parametrize("view", [0, 7])
def test_commits_of_any_view_decide(view: int) -> None:
    seat = Seat()
    seat.hear(change(0, 2), change(1, 2))
    assert seat.engine.view == 2
    effects = seat.hear(commit(0, B, view), commit(1, B, view), commit(2, B, view))
    (decision,) = [effect for effect in effects if isinstance(effect, Decide)]
    assert (decision.certificate.view, decision.certificate.block_hash) == (view, B.hash)


def test_certificate_from_elsewhere_decides() -> None:
    seat = Seat()
    found = certificate(A, 3, STEP_COMMIT)
    assert seat.give(Certified(found)) == [Decide(found)]
    assert seat.engine.instance is None
    assert seat.wait(60_000) == []


def test_expired_timer_claims_the_next_view_and_says_what_was_prepared() -> None:
    seat = Seat()
    seat.accept(proposal())
    seat.hear(prepare(0), prepare(1))
    effects = seat.wait(DUE + 2_000)
    (moved,) = [each for each in said(effects) if isinstance(each, ViewChange)]
    assert (moved.claim.view, moved.claim.prepared) == (1, claimed(certificate(A, 0)))
    assert moved.certificate is not None
    assert [each.index for each in moved.certificate.votes] == [0, 1, 3]


def test_views_last_twice_as_long_each_up_to_a_bound() -> None:
    seat = Seat()
    ends = []
    for _ in range(5):
        view = seat.engine.view
        while seat.engine.view == view:
            seat.wait(seat.now + 100)
        ends.append(seat.now)
        seat.hear(change(0, seat.engine.view), change(1, seat.engine.view))
    assert ends == [DUE + end for end in (2_000, 6_000, 14_000, 22_000, 30_000)]


def test_claimed_view_does_not_end_before_a_quorum_is_as_far() -> None:
    seat = Seat()
    (moved,) = [each for each in said(seat.wait(DUE + 2_000)) if isinstance(each, ViewChange)]
    seat.hear(change(0, 1))
    assert set(said(seat.wait(600_000))) == {moved}
    assert seat.engine.view == 1
    seat.hear(prepare(1, A, 1))
    assert seat.wait(603_999) != []
    assert seat.engine.view == 1
    seat.wait(604_000)
    assert seat.engine.view == 2


def test_view_that_was_joined_does_not_end_before_a_quorum_is_as_far() -> None:
    seat = Seat(members=7)
    seat.hear(*(change(index, 5) for index in (0, 1, 2)))
    seat.wait(100_000)
    assert seat.engine.view == 5
    seat.hear(change(4, 9))
    seat.wait(108_000)
    assert seat.engine.view == 6


def test_view_whose_claim_the_guard_refused_ends_in_time() -> None:
    seat = Seat()
    seat.refuses = True
    seat.wait(DUE + 6_000)
    assert seat.engine.view == 2


def test_view_that_a_proposal_justifies_ends_in_time() -> None:
    seat = Seat()
    seat.hear(proposal(A, 1, [claim(index) for index in QUORUM]))
    assert seat.engine.view == 1
    seat.wait(4_000)
    assert seat.engine.view == 2


def test_observer_waits_for_nobody() -> None:
    seat = Seat(authority=None)
    seat.wait(DUE + 6_000)
    assert seat.engine.view == 2


def test_more_than_f_ahead_are_joined_in_the_highest_view_that_so_many_have_reached() -> None:
    seat = Seat()
    assert seat.hear(change(0, 9)) == []
    assert seat.engine.view == 0
    (moved,) = said(seat.hear(change(1, 6)))
    assert isinstance(moved, ViewChange)
    assert moved.claim.view == seat.engine.view == 6


def test_one_validator_far_ahead_moves_nobody() -> None:
    seat = Seat()
    for view in range(1, 300):
        assert seat.hear(change(0, view), prepare(0, A, view)) == []
    assert seat.engine.view == 0


def test_leader_of_a_later_view_builds_when_nobody_claims_a_block() -> None:
    seat = Seat()
    effects = seat.hear(change(0, 2), change(1, 2))
    assert Build(2) in effects
    (proposed, _) = said(seat.give(Built(2, B)))
    assert isinstance(proposed, Proposal)
    assert [each.index for each in proposed.claims] == [0, 1, 3]
    assert proposed.certificate is None
    assert proposed.vote.value == B


def test_leader_proposes_the_block_of_the_highest_claim_and_no_other() -> None:
    seat = Seat()
    low, high = certificate(B, 0), certificate(A, 1)
    effects = seat.hear(change(0, 2, low), change(1, 2, high))
    assert Judge(A, is_binding=True) in effects
    assert not any(isinstance(effect, Build) for effect in effects)
    assert seat.give(Judged(B, is_valid=True)) == []
    (proposed, _) = said(seat.give(Judged(A, is_valid=True)))
    assert isinstance(proposed, Proposal)
    assert (proposed.vote.value, proposed.certificate) == (A, high)


def test_leader_who_cannot_get_the_prepared_block_proposes_nothing() -> None:
    seat = Seat()
    seat.hear(change(0, 2, certificate(A, 1)), change(1, 2))
    assert said(seat.give(Judged(A, is_valid=False))) == []
    assert said(seat.hear(change(2, 2))) == []


def test_claims_for_other_views_justify_nothing() -> None:
    seat = Seat()
    effects = seat.hear(change(0, 2), change(1, 3), change(2, 4))
    assert not any(isinstance(effect, Build) for effect in effects)


def test_justified_proposal_of_a_later_view_moves_there_at_once() -> None:
    seat = Seat(authority=0)
    seen = certificate(A, 1)
    claims = [claim(1, 2), claim(2, 2, claimed(seen)), claim(3, 2)]
    effects = seat.hear(proposal(A, 2, claims, seen))
    assert effects == [Judge(A, is_binding=True)]
    assert seat.engine.view == 2
    assert steps(seat.give(Judged(A, is_valid=True))) == [(2, A)]


def test_block_refused_as_a_matter_of_taste_is_judged_again_when_it_binds() -> None:
    seat = Seat(authority=0)
    seat.hear(proposal())
    assert steps(seat.give(Judged(A, is_valid=False))) == []
    seen = certificate(A, 0)
    effects = seat.hear(proposal(A, 2, [claim(1, 2, claimed(seen)), claim(2, 2), claim(3, 2)], seen))
    assert effects == [Judge(A, is_binding=True)]
    assert steps(seat.give(Judged(A, is_valid=True))) == [(2, A)]


def test_proposal_of_an_earlier_view_is_not_voted_for() -> None:
    seat = Seat()
    seat.hear(change(0, 2), change(1, 2))
    assert steps(seat.accept(proposal())) == []


def test_verdict_that_comes_after_the_view_has_changed_votes_for_nothing() -> None:
    seat = Seat()
    seat.hear(proposal(), change(0, 2), change(1, 2))
    assert steps(seat.give(Judged(A, is_valid=True))) == []


def test_second_proposal_of_a_view_is_evidence_and_is_not_voted_for() -> None:
    seat = Seat()
    seat.accept(proposal(A))
    (report,) = seat.hear(proposal(B))
    assert isinstance(report, Report)
    assert judge_evidence(report.evidence, seat.members) is OffenceKind.Equivocation
    assert steps(seat.give(Judged(B, is_valid=True))) == []


def test_proposal_out_of_turn_is_evidence() -> None:
    seat = Seat()
    stolen = Proposal(vote(STEP_PROPOSE, 0), (), None)
    (report,) = seat.hear(stolen)
    assert isinstance(report, Report)
    assert judge_evidence(report.evidence, seat.members) is OffenceKind.OutOfTurn
    assert seat.give(Judged(A, is_valid=True)) == []
    assert seat.hear(stolen, Proposal(vote(STEP_PROPOSE, 0, B), (), None)) == []
    (another,) = seat.hear(Proposal(vote(STEP_PROPOSE, 2), (), None))
    assert isinstance(another, Report)


@pytest.mark.parametrize(
    ("messages", "offence"),
    [
        ((prepare(0, A), prepare(0, B)), OffenceKind.Equivocation),
        ((commit(0, A), commit(0, B)), OffenceKind.Equivocation),
        ((change(0, 2), change(0, 2, certificate(A, 0))), OffenceKind.Equivocation),
        ((commit(0, A, 1), change(0, 3)), OffenceKind.Amnesia),
        ((commit(0, A, 1), change(0, 3, certificate(A, 0))), OffenceKind.Amnesia),
        ((change(0, 3, certificate(A, 0)), commit(0, A, 1)), OffenceKind.Amnesia),
        ((commit(2, A, 1), proposal(B, 2, [claim(each, 2) for each in (0, 1, 2)])), OffenceKind.Amnesia),
    ],
)
def test_contradictions_are_reported_once(
    messages: tuple[Vote | ViewChange | Proposal, ...], offence: OffenceKind
) -> None:
    seat = Seat()
    reports = [effect for effect in seat.hear(*messages, *messages) if isinstance(effect, Report)]
    (report,) = reports
    assert judge_evidence(report.evidence, seat.members) is offence


@pytest.mark.parametrize(
    "messages",
    [
        (prepare(0, A), commit(0, A), prepare(0, B, 1), commit(0, B, 1)),
        (commit(0, A, 1), change(0, 3, certificate(A, 1))),
        (commit(0, A, 1), change(0, 3, certificate(B, 2))),
        (change(0, 1), commit(0, A, 1)),
        (change(0, 2), change(0, 3, certificate(A, 2))),
    ],
)
def test_what_an_honest_validator_may_say_is_not_reported(
    messages: tuple[Vote | ViewChange, ...],
) -> None:
    assert not any(isinstance(effect, Report) for effect in Seat().hear(*messages, *messages))


def test_latest_messages_are_repeated_every_second() -> None:
    seat = Seat()
    seat.accept(proposal())
    seat.hear(prepare(0), prepare(1))
    effects = seat.wait(DUE)
    assert steps(effects) == [(2, A), (STEP_COMMIT, A)]
    assert effects[-1] == Broadcast(Status(INSTANCE, 0))
    again = seat.wait(DUE + 2_000)
    assert [each.claim.view for each in said(again) if isinstance(each, ViewChange)] == [1]
    later = seat.wait(DUE + 3_000)
    assert [type(each) for each in said(later)] == [Vote, ViewChange]
    assert steps(later) == [(STEP_COMMIT, A)]


def test_restarted_validator_goes_on_in_its_view_with_what_it_had_prepared() -> None:
    seen = certificate(A, 1)
    seat = Seat(resume=Resume(3, seen))
    (moved,) = said(seat.first)
    assert isinstance(moved, ViewChange)
    assert (moved.claim.view, moved.claim.prepared, moved.certificate) == (3, claimed(seen), seen)
    assert steps(seat.accept(proposal())) == []


@pytest.mark.parametrize("view", [0, 1, 2])
def test_restarted_validator_repeats_its_commit_and_says_nothing_else_of_that_view(view: int) -> None:
    seat = Seat(resume=Resume(view, certificate(A, view)))
    assert steps(seat.first) == [(STEP_COMMIT, A)]
    assert [type(each) for each in seat.signed] == [Vote]
    assert steps(seat.wait(1_000)) == [(STEP_COMMIT, A)]
    assert seat.hear(change(0, view), change(1, view)) == [] if view else True
    (decision,) = seat.hear(commit(0, A, view), commit(1, A, view))
    assert isinstance(decision, Decide)


def test_leader_who_committed_before_a_restart_builds_nothing_in_that_view() -> None:
    seat = Seat(authority=1, resume=Resume(0, certificate(A, 0)))
    assert Build(0) not in [*seat.first, *seat.wait(DUE + 1_999)]
    (moved,) = [each for each in said(seat.wait(DUE + 2_000)) if isinstance(each, ViewChange)]
    assert moved.claim.prepared == claimed(certificate(A, 0))


def test_observer_that_resumes_signs_nothing() -> None:
    assert Seat(authority=None, resume=Resume(1, certificate(A, 1))).signed == []


def test_refused_signature_silences_without_another_try() -> None:
    seat = Seat(authority=1)
    seat.refuses = True
    seat.wait(DUE)
    assert said(seat.give(Built(0, A))) == []
    count = len(seat.signed)
    seat.hear(change(0, 1), prepare(2), prepare(3))
    seat.wait(DUE + 1_500)
    assert len(seat.signed) == count


def test_observer_decides_and_signs_nothing() -> None:
    seat = Seat(authority=None)
    seat.accept(proposal())
    seat.hear(prepare(0), prepare(1), prepare(2))
    seat.wait(20_000)
    effects = seat.hear(commit(0), commit(1), commit(2))
    assert isinstance(effects[-1], Decide)
    assert seat.signed == []
    assert said(effects) == []


def test_next_instance_starts_from_nothing() -> None:
    seat = Seat()
    seat.accept(proposal())
    seat.hear(prepare(0), prepare(1))
    seat.give(Certified(certificate(A, 0, STEP_COMMIT)))
    assert seat.give(Begun(INSTANCE + 1, seat.members, ME, DUE + 1_000)) == []
    assert (seat.engine.instance, seat.engine.view) == (INSTANCE + 1, 0)
    assert said(seat.wait(DUE + 1_999)) == []


def test_input_before_the_first_instance_does_nothing() -> None:
    engine = Pbft(Times())
    for event in (TimerFired(), Received(prepare(0)), Judged(A, is_valid=True), Signed(None)):
        assert engine.handle(event, 5) == []


def test_flood_of_one_validator_keeps_memory_and_other_counts() -> None:
    seat = Seat()
    seat.accept(proposal())
    seat.hear(commit(0), prepare(0))
    for view in range(1, 400):
        seat.hear(prepare(0, Value(INSTANCE, Hash(view.to_bytes(32, "big"))), view), change(0, view))
    assert steps(seat.hear(prepare(1), prepare(2))) == [(STEP_COMMIT, A)]
    (decision,) = seat.hear(commit(1))
    assert isinstance(decision, Decide)


def test_verdicts_are_kept_in_bounded_number_the_latest_ones() -> None:
    seat = Seat()
    seat.accept(proposal())
    here = seat.engine._round
    assert here is not None
    blocks = [Value(INSTANCE, Hash(number.to_bytes(32, "big"))) for number in range(2 * VERDICTS_MAX)]
    for number, block in enumerate(blocks):
        if number % 2:
            seat.give(Built(4 * number, block))
        else:
            seat.give(Judged(block, is_valid=True))
        if number == VERDICTS_MAX // 2:
            seat.give(Judged(A, is_valid=False))
            assert here.verdicts[A]
    assert list(here.verdicts) == blocks[-VERDICTS_MAX:]
    assert all(here.verdicts.values())


def test_block_built_for_a_view_that_has_passed_is_not_proposed() -> None:
    seat = Seat(authority=leader(2))
    assert Build(2) in seat.hear(change(0, 2), change(1, 2))
    seat.hear(change(0, 6), change(1, 6))
    assert seat.engine.view == 6
    assert not any(isinstance(each, Proposal) for each in said(seat.give(Built(2, B))))
    (proposed, *_) = said(seat.give(Built(6, A)))
    assert isinstance(proposed, Proposal)
    assert (proposed.vote.view, proposed.vote.value) == (6, A)


def test_claims_without_blocks_from_all_make_each_leader_lead_its_view() -> None:
    for view in range(1, 9):
        seat = Seat(authority=leader(view))
        others = [each for each in range(4) if each != leader(view)]
        effects = seat.hear(*(change(each, view) for each in others))
        assert [effect for effect in effects if isinstance(effect, Build)] == [Build(view)]


@pytest.mark.parametrize("claimed_by_each", tuple(product(SEEN, repeat=3)))
@pytest.mark.parametrize("heard", [(0, 1), (0, 2), (1, 2)])
def test_every_quorum_of_view_changes_gives_its_leader_something_to_propose(
    heard: tuple[int, ...], claimed_by_each: tuple[Certificate | None, ...]
) -> None:
    own, *others = claimed_by_each
    seat = Seat(resume=Resume(2, own))
    effects = seat.hear(*(change(each, 2, seen) for each, seen in zip(heard, others, strict=True)))
    views = [seen.view for seen in claimed_by_each if seen is not None]
    value = B if not views or max(views) == 1 else A
    asked = [effect for effect in effects if isinstance(effect, Build | Judge)]
    assert asked == [Judge(value, is_binding=True) if views else Build(2)]
    (proposed, *_) = said(seat.give(Judged(value, is_valid=True) if views else Built(2, value)))
    assert isinstance(proposed, Proposal)
    assert proposed.vote.value == value
    check_message(proposed, INSTANCE, seat.members)


def test_what_was_prepared_once_is_claimed_with_every_view_change() -> None:
    seat = Seat()
    seat.accept(proposal())
    seat.hear(prepare(0), prepare(1))
    for view in range(1, 6):
        seat.hear(change(0, view), change(1, view))
        seat.wait(seat.now + 8_000)
    claims = [each for each in seat.signed if isinstance(each, Claim)]
    assert len(claims) > 3
    assert all(each.prepared == claimed(certificate(A, 0)) for each in claims)
