"""What makes a consensus message right by itself, and that each rule is looked at."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from node.consensus.checks import Rejected, check_message
from node.consensus.messages import Proposal, Status, ViewChange, decode_message, encode_message
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote
from runtime.primitives.committee import Committee, rotate
from runtime.primitives.scale import DecodeError
from runtime.primitives.statements import (
    STEP_PREPARE,
    STEP_PROPOSE,
    STEP_VIEW_CHANGE,
    Prepared,
    Statement,
    Vote,
    position_of,
)
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
    is_right,
    prepare,
    proposal,
    vote,
)

SEEN = certificate(A, view=1)
OLDER = certificate(B, view=0)
FRESH = proposal(B, view=2, claims=[claim(each, 2) for each in QUORUM])
BOUND = proposal(
    A,
    view=2,
    claims=[claim(0, 2, claimed(OLDER)), claim(1, 2, claimed(SEEN)), claim(2, 2)],
    seen=SEEN,
)
RIGHT = [prepare(0), commit(3, B, 7), change(0), change(1, 2, SEEN), proposal(), FRESH, BOUND]


@pytest.mark.parametrize("message", RIGHT)
def test_right_messages_pass_and_survive_the_wire(message: Vote | ViewChange | Proposal) -> None:
    assert is_right(message)
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize("message", RIGHT)
def test_message_of_another_chain_set_or_instance_is_no_message(
    message: Vote | ViewChange | Proposal,
) -> None:
    assert not is_right(message, committee(genesis=Hash(bytes(32))))
    with pytest.raises(Rejected, match="set 3 instead of 4"):
        is_right(message, committee(set_id=4))
    with pytest.raises(Rejected, match="instance"):
        check_message(message, INSTANCE + 1, committee())


@pytest.mark.parametrize("message", RIGHT)
@given(data=st.data())
def test_damaged_message_is_refused_or_unsigned(
    message: Vote | ViewChange | Proposal, data: st.DataObject
) -> None:
    raw = bytearray(encode_message(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        damaged = decode_message(bytes(raw))
    except DecodeError:
        return
    if isinstance(damaged, Vote | ViewChange | Proposal):
        try:
            assert not is_right(damaged)
        except Rejected:
            return


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_an_error(raw: bytes) -> None:
    try:
        assert encode_message(decode_message(raw)) == raw
    except DecodeError:
        return


def _with(seen: Certificate, **changes: object) -> ViewChange:
    return ViewChange(claim(1, 2, claimed(SEEN)), structs.replace(seen, **changes))


def _votes(*indices: int) -> tuple[IndexedVote, ...]:
    return tuple(IndexedVote(each, prepare(each, A, 1).signature) for each in indices)


WRONG: dict[str, Callable[[], Vote | ViewChange | Proposal]] = {
    "a vote at step 1": lambda: vote(STEP_PROPOSE, 1),
    "a vote at step 4": lambda: vote(STEP_VIEW_CHANGE, 1),
    "there is no authority 4": lambda: prepare(4),
    "a view change to view 0": lambda: change(0, 0),
    "prepared in view 1, which is not below 1": lambda: change(0, 1, SEEN),
    "prepared in view 2, which is not below 1": lambda: change(0, 1, certificate(A, 2)),
    "a prepared block without its certificate": lambda: ViewChange(claim(0, 2, claimed(SEEN)), None),
    "a certificate for a claim of nothing": lambda: ViewChange(claim(0, 2), SEEN),
    "not for what is claimed": lambda: _with(OLDER),
    "certificate is not for what": lambda: _with(SEEN, instance=INSTANCE + 1),
    "is not for what is claimed": lambda: _with(SEEN, set_id=4),
    "PREPAREs are not in ascending order": lambda: _with(SEEN, votes=_votes(0, 2, 1)),
    "not in ascending order of auth": lambda: _with(SEEN, votes=_votes(0, 1, 1)),
    "the PREPAREs are no quorum": lambda: _with(SEEN, votes=_votes(0, 1)),
    "there is no authority 9": lambda: _with(SEEN, votes=_votes(0, 1, 9)),
    "a proposal with a vote at step 2": lambda: Proposal(prepare(1), (), None),
    "a justification in view 0": lambda: proposal(claims=[claim(0)]),
    "justification in view 0": lambda: proposal(seen=OLDER),
    "a claim for view 1 in a proposal for view 2": lambda: proposal(
        B, 2, [claim(0, 2), claim(1, 2), claim(2, 1)]
    ),
    "claims are not in ascending order": lambda: proposal(B, 2, [claim(each, 2) for each in (0, 2, 1)]),
    "claims are not in ascending": lambda: proposal(B, 2, [claim(each, 2) for each in (0, 1, 1)]),
    "the claims are no quorum": lambda: proposal(B, 2, [claim(0, 2), claim(1, 2)]),
    "claims are no quorum": lambda: proposal(B, 2),
    "a certificate that no claim names": lambda: proposal(B, 2, FRESH.claims, SEEN),
    "not the block that was prepared": lambda: structs.replace(BOUND, vote=vote(STEP_PROPOSE, 3, B, 2)),
    "a prepared block without": lambda: structs.replace(BOUND, certificate=None),
    "the certificate is not for what": lambda: structs.replace(BOUND, certificate=OLDER),
    "which is not below 2": lambda: proposal(
        A, 2, [claim(0, 2, Prepared(2, A.number, A.hash)), claim(1, 2), claim(2, 2)], certificate(A, 2)
    ),
}


@pytest.mark.parametrize("reason", WRONG)
def test_each_rule_refuses_what_breaks_it(reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        check_message(WRONG[reason](), INSTANCE, committee())


def test_certificate_of_commits_proves_no_claim() -> None:
    commits = certificate(A, 1, step=STEP_COMMIT)
    assert not is_right(ViewChange(claim(1, 2, claimed(SEEN)), commits))


def test_every_signature_of_a_justification_is_checked() -> None:
    for place in range(len(BOUND.claims)):
        claims = list(BOUND.claims)
        claims[place] = structs.replace(claims[place], signature=bytes(64))
        assert not is_right(structs.replace(BOUND, claims=tuple(claims)))
    for place in range(len(SEEN.votes)):
        votes = list(SEEN.votes)
        votes[place] = structs.replace(votes[place], signature=bytes(64))
        assert not is_right(structs.replace(BOUND, certificate=structs.replace(SEEN, votes=tuple(votes))))


def test_statements_of_one_view_stand_in_the_order_they_may_be_signed_in() -> None:
    in_order: list[Statement] = [
        vote(STEP_PROPOSE, 0, A, 4),
        prepare(0, A, 4),
        commit(0, A, 4),
        claim(0, 5),
        prepare(0, A, 5),
    ]
    positions = [position_of(each) for each in in_order]
    assert positions == sorted(positions)
    assert len(dict.fromkeys(positions)) == len(positions)


def test_status_and_decision_survive_the_wire() -> None:
    assert decode_message(encode_message(Status(7, 2))) == Status(7, 2)


@pytest.mark.parametrize("count", range(1, 22))
def test_two_quorums_share_an_honest_member_and_faulty_ones_are_no_weak_group(count: int) -> None:
    members = Committee(Hash(bytes(32)), 0, [(bytes(32), 1)] * count, rotate)
    assert 2 * members.quorum - members.total > members.faulty
    assert members.total - members.faulty >= members.quorum
    assert not members.is_weak(members.faulty)
    assert members.is_weak(members.faulty + 1)
    assert members.is_quorum(members.quorum)
    assert not members.is_quorum(members.quorum - 1)


def test_weights_count_not_heads() -> None:
    members = Committee(Hash(bytes(32)), 0, [(bytes(32), 5), (bytes(32), 1), (bytes(32), 1)], rotate)
    assert members.is_quorum(members.weigh([0]))
    assert not members.is_quorum(members.weigh([1, 2]))


def test_leaders_take_turns_by_height_and_view() -> None:
    assert [committee().leader(8, view) for view in range(5)] == [0, 1, 2, 3, 0]
    assert committee().leader(9, 0) == 1
    assert STEP_PREPARE == 2
