"""Evidence proves what it says, and nothing that an honest authority may do."""

import pytest
from msgspec import structs

from node.consensus.tally import STATEMENTS_MAX, Tally
from runtime.primitives.certificate import STEP_COMMIT
from runtime.primitives.evidence import Evidence, InvalidEvidence, OffenceKind, judge_evidence
from runtime.primitives.scale import codec
from runtime.primitives.statements import STEP_PROPOSE, Statement, Value, Vote
from runtime.primitives.types import Hash
from tests.support.consensus import (
    INSTANCE,
    A,
    B,
    certificate,
    change,
    claim,
    claimed,
    commit,
    committee,
    prepare,
    vote,
)

PROOFS: dict[OffenceKind, Evidence] = {
    OffenceKind.Equivocation: Evidence(prepare(2, A, 4), prepare(2, B, 4)),
    OffenceKind.Amnesia: Evidence(commit(2, A, 1), claim(2, 2)),
    OffenceKind.OutOfTurn: Evidence(vote(STEP_PROPOSE, 2), vote(STEP_PROPOSE, 2)),
}


@pytest.mark.parametrize("offence", PROOFS)
def test_proof_is_accepted_and_survives_the_chain(offence: OffenceKind) -> None:
    evidence = PROOFS[offence]
    assert judge_evidence(evidence, committee()) is offence
    assert codec(Evidence).decode(codec(Evidence).encode(evidence)) == evidence


@pytest.mark.parametrize("offence", PROOFS)
def test_forged_or_foreign_proof_is_refused(offence: OffenceKind) -> None:
    evidence = PROOFS[offence]
    forged = structs.replace(evidence, second=structs.replace(evidence.second, signature=bytes(64)))
    for wrong in (forged, Evidence(forged.second, forged.second)):
        with pytest.raises(InvalidEvidence):
            judge_evidence(wrong, committee())
    with pytest.raises(InvalidEvidence, match="signature"):
        judge_evidence(evidence, committee(genesis=Hash(bytes(32))))
    with pytest.raises(InvalidEvidence, match="set 3, not of 4"):
        judge_evidence(evidence, committee(set_id=4))
    with pytest.raises(InvalidEvidence, match="no authority 2"):
        judge_evidence(evidence, committee(2))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (prepare(0), prepare(0)),
        (prepare(0, A), prepare(1, B)),
        (prepare(0, A), commit(0, B)),
        (prepare(0, A, 0), prepare(0, B, 1)),
        (claim(0, 1), claim(0, 2)),
        (claim(0, 2), claim(0, 2)),
        (commit(0, A, 2), claim(0, 2)),
        (commit(0, A, 1), claim(0, 2, claimed(certificate(B, 1)))),
        (prepare(0, A, 1), claim(0, 2)),
        (claim(0, 2), commit(0, A, 1)),
        (vote(STEP_PROPOSE, 1), vote(STEP_PROPOSE, 1)),
    ],
)
def test_what_an_honest_authority_may_sign_proves_nothing(first: Statement, second: Statement) -> None:
    with pytest.raises(InvalidEvidence):
        judge_evidence(Evidence(first, second), committee())


def test_statements_about_different_instances_prove_nothing() -> None:
    other = structs.replace(prepare(0, B), instance=INSTANCE + 1)
    with pytest.raises(InvalidEvidence, match="instances"):
        judge_evidence(Evidence(prepare(0, A), other), committee())


def _numbered(view: int) -> Vote:
    value = Value(INSTANCE, Hash(view.to_bytes(32, "big")))
    return structs.replace(prepare(0), view=view, block_hash=value.hash)


def test_tally_keeps_a_bounded_number_of_statements_and_the_highest_commit() -> None:
    tally = Tally(committee(), INSTANCE)
    tally.add_vote(commit(0, A, 3))
    for view in range(10, 10 + 3 * STATEMENTS_MAX):
        tally.add_vote(_numbered(view))
    kept = [view for view in range(400) if 0 in tally.voters(view, 2, _numbered(view).value)]
    assert kept == list(range(10 + 2 * STATEMENTS_MAX + 1, 10 + 3 * STATEMENTS_MAX))
    assert list(tally.voters(3, STEP_COMMIT, A)) == [0]


def test_old_statements_of_a_full_tally_are_not_taken_in_place_of_newer_ones() -> None:
    tally = Tally(committee(), INSTANCE)
    for view in range(1_000, 1_000 + STATEMENTS_MAX):
        tally.add_vote(_numbered(view))
    tally.add_vote(_numbered(5))
    tally.add_change(change(0, 6))
    assert list(tally.voters(5, 2, _numbered(5).value)) == []
    assert tally.changes_to(6) == []
    assert list(tally.voters(1_000, 2, _numbered(1_000).value)) == [0]


def test_joint_view_is_one_that_an_honest_member_has_reached() -> None:
    tally = Tally(committee(7), INSTANCE)
    for index, view in enumerate((9, 8, 7, 3)):
        tally.add_change(change(index, view))
    assert tally.joint_view() == 7
    assert Tally(committee(7), INSTANCE).joint_view() == 0


def test_quorum_view_is_one_that_so_many_have_reached() -> None:
    tally = Tally(committee(7), INSTANCE)
    for index, view in enumerate((9, 8, 7, 3, 5)):
        assert tally.quorum_view() == 0
        tally.add_change(change(index, view))
    assert tally.quorum_view() == 3
    tally.add_vote(_numbered(2))
    tally.add_change(change(3, 6))
    assert tally.quorum_view() == 5
