"""Offences: what is proven is recorded once, and acted on where the genesis says so; the rest is refused."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from genesis.config import SpecError
from genesis.consortium import ON_OFFENCE, Consortium, parse_genesis
from pallets.core.members import MemberClass, Members
from pallets.core.offences import (
    REPORTS_PER_OFFENDER_MAX,
    OffenceDetails,
    Offences,
    OffencesConfig,
    OnOffence,
    Reported,
)
from pallets.core.session import SessionConfig, SessionKeys
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, DispatchClass, PalletError
from runtime.frame.extension import Extrinsic
from runtime.frame.validity import PRIORITY_MAX, InvalidReason, InvalidTransaction, TransactionError
from runtime.primitives.certificate import STEP_COMMIT
from runtime.primitives.committee import rotate
from runtime.primitives.evidence import Evidence, OffenceKind
from runtime.primitives.extrinsic import make_unsigned
from runtime.primitives.possession import possession_message
from runtime.primitives.scale import DecodeError, codec
from runtime.primitives.statements import STEP_PREPARE, STEP_PROPOSE, Claim, Vote
from runtime.primitives.types import Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, Chain
from tests.support.offenders import Offender, consortium, pair

LOCAL = Chain[Consortium]
FIVE = (ALICE, BOB, CHARLIE, DAVE, EVE)
BAD_BOB = Offender(pair(1), 1)
"""Leads view 0 of instance 1, so it cannot be out of turn there; others can."""
BAD_DAVE = Offender(pair(3), 3)
EQUIVOCATION = BAD_BOB.evidence(OffenceKind.Equivocation)


@pytest.fixture
def five() -> Iterator[LOCAL]:
    made = consortium(FIVE)
    yield made
    made.close_block()


@pytest.fixture
def recording() -> Iterator[LOCAL]:
    """A chain that does nothing to offenders but record what they did."""
    made = consortium(FIVE, OnOffence.Record)
    yield made
    made.close_block()


def pallet(chain: LOCAL) -> Offences:
    return chain.pallets.offences


def unsigned(chain: LOCAL, evidence: Evidence) -> Extrinsic:
    call = chain.call("Offences.report_offence_unsigned", evidence)
    return chain.api.decode_extrinsic(make_unsigned(call.encoded()))


def refusal(chain: LOCAL, evidence: Evidence) -> InvalidReason:
    """Return why an unsigned report does not come in; a block refuses it for the same reason."""
    found = []
    for attempt in (chain.api.validate, chain.api.apply):
        with pytest.raises(InvalidTransaction) as caught:
            attempt(unsigned(chain, evidence))
        found.append(caught.value.reason)
    assert found[0] is found[1]
    return found[0]


def ensure_refused(chain: LOCAL, error: type[PalletError], reason: InvalidReason, evidence: Evidence) -> None:
    """AssertionError unless every way to report evidence is refused."""
    chain.noop(error, FERDIE, "Offences.report_offence", evidence)
    chain.noop(error, NOBODY, "Offences.report_offence_unsigned", evidence)
    assert refusal(chain, evidence) is reason
    assert pallet(chain).make_report(evidence) is None


# --- what is proven


@pytest.mark.parametrize("kind", OffenceKind)
def test_proven_offence_is_recorded_with_its_reporter(recording: LOCAL, kind: OffenceKind) -> None:
    recording.ok(FERDIE, "Offences.report_offence", BAD_DAVE.evidence(kind))
    assert recording.events() == [Offences.Offence(kind, 0, 1, DAVE, FERDIE)]
    offences = pallet(recording)
    assert offences.reports.get(0) == OffenceDetails(DAVE, kind, 0, 1, 1, FERDIE)
    assert offences.report_count.get() == 1
    assert offences.reported.get(0, DAVE) == (Reported(kind, 1),)
    recording.next_block(3)
    assert len(recording.pallets.session.validators.get()) == 5


def test_unsigned_report_is_taken_without_a_fee_before_anything_else(five: LOCAL) -> None:
    extrinsic = unsigned(five, EQUIVOCATION)
    validity = five.api.validate(extrinsic)
    assert (validity.priority, validity.requires, validity.propagate) == (PRIORITY_MAX, (), True)
    assert extrinsic.info.class_ is DispatchClass.Operational
    assert five.apply(extrinsic).error is None
    assert Offences.Offence(OffenceKind.Equivocation, 0, 1, BOB, None) in five.events()


def test_next_report_of_an_offender_in_a_set_has_one_tag_whatever_it_says(five: LOCAL) -> None:
    """Else one key could fill every pool with reports, which go before all that users send."""
    five.next_block(3)
    turned = Evidence(EQUIVOCATION.second, EQUIVOCATION.first)
    later = BAD_BOB._replace(instance=3).evidence(OffenceKind.Equivocation)
    same = [EQUIVOCATION, turned, later, BAD_BOB.evidence(OffenceKind.Amnesia)]
    assert len({tag_of(five, each) for each in same}) == 1
    tags = [tag_of(five, EQUIVOCATION), tag_of(five, BAD_DAVE.evidence(OffenceKind.Equivocation))]
    assert five.apply(unsigned(five, EQUIVOCATION)).error is None
    tags.append(tag_of(five, later))
    change_set(five, 60)
    tags.append(tag_of(five, BAD_BOB._replace(set_id=1, instance=4).evidence(OffenceKind.Equivocation)))
    assert len(dict.fromkeys(tags)) == 4, "another offender, the report after a recorded one, another set"


def tag_of(chain: LOCAL, evidence: Evidence) -> tuple[bytes, ...]:
    """Return what the pool knows an unsigned report by."""
    return chain.api.validate(unsigned(chain, evidence)).provides


def test_what_is_on_record_is_refused_before_any_signature_is_checked(recording: LOCAL) -> None:
    """What is told again and again costs a node next to nothing, and counts against no peer."""
    recording.next_block(REPORTS_PER_OFFENDER_MAX)
    unsigned_pair = (
        structs.replace(EQUIVOCATION.first, signature=bytes(64)),
        structs.replace(EQUIVOCATION.second, signature=bytes(64)),
    )
    recording.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    assert refusal(recording, Evidence(*unsigned_pair)) is InvalidReason.Stale
    for n in range(1, REPORTS_PER_OFFENDER_MAX):
        more = BAD_BOB._replace(instance=n + 1).evidence(OffenceKind.Equivocation)
        recording.ok(FERDIE, "Offences.report_offence", more)
    amnesia = BAD_BOB.evidence(OffenceKind.Amnesia)
    forged = Evidence(amnesia.first, structs.replace(amnesia.second, signature=bytes(64)))
    assert refusal(recording, forged) is InvalidReason.Stale


def test_signed_report_that_is_proven_costs_nothing(five: LOCAL) -> None:
    call = five.call("Offences.report_offence", EQUIVOCATION)
    before = five.pallets.system.get_account(EVE).data
    assert five.submit("//Eve", call).error is None
    assert five.pallets.system.get_account(EVE).data == before
    assert five.submit("//Eve", call).error is not None
    assert five.pallets.system.get_account(EVE).data != before


def test_made_report_is_the_unsigned_extrinsic_of_the_next_block(five: LOCAL) -> None:
    five.close_block()
    ahead = Offender(pair(1), 1, instance=2).evidence(OffenceKind.Equivocation)
    made = pallet(five).make_report(ahead)
    assert made == unsigned(five, ahead).data
    answer = five.api.call("OffencesApi_make_report", codec(Evidence).encode(ahead))
    assert answer == codec(bytes | None).encode(made)
    five.open_block()
    assert made is not None
    assert five.apply(five.api.decode_extrinsic(made)).error is None
    assert pallet(five).make_report(ahead) is None


# --- what is refused


def test_offence_is_recorded_once(five: LOCAL) -> None:
    five.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    for again in (
        EQUIVOCATION,
        Evidence(EQUIVOCATION.second, EQUIVOCATION.first),
        Evidence(BAD_BOB.vote(STEP_PREPARE, 0, 2), BAD_BOB.vote(STEP_PREPARE, 1, 2)),
    ):
        ensure_refused(five, pallet(five).DuplicateOffenceReport, InvalidReason.Stale, again)
    five.ok(FERDIE, "Offences.report_offence", BAD_BOB.evidence(OffenceKind.Amnesia))
    five.ok(FERDIE, "Offences.report_offence", BAD_DAVE.evidence(OffenceKind.Equivocation))


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(BAD_BOB.vote(STEP_PREPARE), BAD_BOB.vote(STEP_PREPARE)),
        Evidence(BAD_BOB.vote(STEP_PREPARE), BAD_BOB.vote(STEP_COMMIT, 1)),
        Evidence(BAD_BOB.vote(STEP_PREPARE), BAD_DAVE.vote(STEP_PREPARE, 1)),
        Evidence(EQUIVOCATION.first, structs.replace(EQUIVOCATION.second, signature=bytes(64))),
        Evidence(structs.replace(EQUIVOCATION.first, signature=bytes(64)), EQUIVOCATION.second),
        Evidence(EQUIVOCATION.first, BAD_BOB._replace(set_id=1).vote(STEP_PREPARE, 1)),
        Evidence(EQUIVOCATION.first, BAD_BOB._replace(instance=0).vote(STEP_PREPARE, 1)),
        BAD_BOB._replace(genesis=Hash(bytes(32))).evidence(OffenceKind.Equivocation),
        BAD_BOB._replace(place=2).evidence(OffenceKind.Equivocation),
        BAD_BOB._replace(place=5).evidence(OffenceKind.Equivocation),
        BAD_BOB._replace(place=65_535).evidence(OffenceKind.Equivocation),
        BAD_BOB.evidence(OffenceKind.OutOfTurn),
        Evidence(BAD_BOB.vote(STEP_COMMIT), BAD_BOB.claim(1, 0)),
        Evidence(BAD_BOB.claim(1), BAD_BOB.vote(STEP_COMMIT)),
    ],
    ids=[
        *("same", "other step", "other author", "second unsigned", "first unsigned", "other set"),
        *("other instance", "other chain", "other key", "index too high", "index at limit", "in turn"),
        *("remembered", "wrong way round"),
    ],
)
def test_what_proves_nothing_is_refused(five: LOCAL, evidence: Evidence) -> None:
    ensure_refused(five, pallet(five).InvalidOffenceProof, InvalidReason.BadProof, evidence)


def test_instance_must_have_begun(five: LOCAL) -> None:
    soon = BAD_BOB._replace(instance=five.number + 1).evidence(OffenceKind.Equivocation)
    five.noop(pallet(five).FutureInstance, FERDIE, "Offences.report_offence", soon)
    assert refusal(five, soon) is InvalidReason.Future
    five.next_block()
    five.ok(FERDIE, "Offences.report_offence", soon)
    later = BAD_BOB._replace(instance=five.number + 2).evidence(OffenceKind.Equivocation)
    ensure_refused(five, pallet(five).FutureInstance, InvalidReason.Future, later)


def test_one_offender_fills_no_more_than_its_share(recording: LOCAL) -> None:
    recording.next_block(REPORTS_PER_OFFENDER_MAX + 1)
    pieces = [
        BAD_BOB._replace(instance=n + 1).evidence(OffenceKind.Equivocation)
        for n in range(REPORTS_PER_OFFENDER_MAX + 1)
    ]
    for evidence in pieces[:-1]:
        recording.ok(FERDIE, "Offences.report_offence", evidence)
    ensure_refused(recording, pallet(recording).TooManyReports, InvalidReason.Stale, pieces[-1])
    recording.ok(FERDIE, "Offences.report_offence", BAD_DAVE.evidence(OffenceKind.Equivocation))


def test_calls_are_for_whom_they_say(five: LOCAL) -> None:
    for origin in (ROOT, NOBODY):
        five.noop(BadOrigin, origin, "Offences.report_offence", EQUIVOCATION)
    for signed in (ROOT, FERDIE):
        five.noop(BadOrigin, signed, "Offences.report_offence_unsigned", EQUIVOCATION)


def test_signed_report_does_not_come_unsigned(five: LOCAL) -> None:
    call = five.call("Offences.report_offence", EQUIVOCATION)
    with pytest.raises(TransactionError, match="NoUnsignedValidator"):
        five.api.validate(five.api.decode_extrinsic(make_unsigned(call.encoded())))


# --- sets come and go


def change_set(chain: LOCAL, n: int) -> None:
    """Let Eve vote with another key, and the next block begin."""
    keys, proof = SessionKeys(pair(n).public), pair(n).sign(possession_message(EVE))
    chain.ok(EVE, "Session.set_keys", keys, proof)
    chain.next_block()


def test_offender_does_not_hide_behind_a_change_of_the_set(five: LOCAL) -> None:
    keys, proof = SessionKeys(pair(60).public), pair(60).sign(possession_message(BOB))
    five.ok(BOB, "Session.set_keys", keys, proof)
    five.next_block()
    five.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    assert Offences.Offence(OffenceKind.Equivocation, 0, 1, BOB, FERDIE) in five.events()
    five.next_block(2)
    assert BOB not in five.pallets.session.validators.get()


def test_set_is_judged_as_long_as_it_is_remembered(recording: LOCAL) -> None:
    session, offences = recording.pallets.session, pallet(recording)
    config = session.config
    session.config = SessionConfig(config.system, config.holders, config.notes, sets_kept=3)
    recording.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    for n in range(3):
        change_set(recording, 60 + n)
    amnesia = BAD_BOB.evidence(OffenceKind.Amnesia)
    recording.ok(FERDIE, "Offences.report_offence", amnesia)
    assert len(offences.reported.get(0, BOB)) == 2
    change_set(recording, 70)
    for old in (EQUIVOCATION, amnesia):
        ensure_refused(recording, offences.UnknownSet, InvalidReason.Stale, old)
    assert offences.reported.get(0, BOB) == ()
    assert offences.report_count.get() == 2


def test_turns_are_judged_by_the_rule_that_the_nodes_lead_by(recording: LOCAL) -> None:
    session = recording.pallets.session
    session.config = replace(session.config, leader=lambda *_: 3)
    assert session.leader(1, 0, 5) == 3
    in_turn = BAD_DAVE.evidence(OffenceKind.OutOfTurn)
    ensure_refused(recording, pallet(recording).InvalidOffenceProof, InvalidReason.BadProof, in_turn)
    recording.ok(FERDIE, "Offences.report_offence", BAD_BOB.evidence(OffenceKind.OutOfTurn))


def test_set_to_come_is_unknown(five: LOCAL) -> None:
    early = BAD_BOB._replace(set_id=1).evidence(OffenceKind.Equivocation)
    ensure_refused(five, pallet(five).UnknownSet, InvalidReason.Stale, early)


def test_latest_records_are_kept_and_older_ones_go(recording: LOCAL) -> None:
    offences = pallet(recording)
    config = offences.config
    offences.config = OffencesConfig(config.session, config.system, config.handler, reports_kept=2)
    kinds = list(OffenceKind)
    for kind in kinds:
        recording.ok(FERDIE, "Offences.report_offence", BAD_DAVE.evidence(kind))
    assert [number for number, _ in offences.reports.items()] != [0, 1]
    assert offences.reports.get(0) is None
    assert [report.kind for n in (1, 2) if (report := offences.reports.get(n))] == kinds[1:]
    assert offences.report_count.get() == 3
    ensure_refused(
        recording, offences.DuplicateOffenceReport, InvalidReason.Stale, BAD_DAVE.evidence(kinds[0])
    )


# --- what becomes of the offender


def test_offender_is_removed_where_the_genesis_says_so(five: LOCAL) -> None:
    five.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    assert five.events()[-1] == Offences.OffenderPunished(BOB)
    five.next_block()
    assert Members.MemberRemoved(BOB) in five.block_events()
    five.next_block()
    assert five.pallets.session.validators.get() == (ALICE, CHARLIE, DAVE, EVE)
    assert pallet(five).reports.get(0) is not None


def test_offender_that_cannot_be_removed_is_recorded() -> None:
    four = consortium(FIVE[:4])
    four.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    assert four.events() == [
        Offences.Offence(OffenceKind.Equivocation, 0, 1, BOB, FERDIE),
        Offences.OffenderSpared(BOB),
    ]
    four.next_block(2)
    assert BOB in four.pallets.session.validators.get()
    assert pallet(four).report_count.get() == 1
    four.close_block()


def test_member_that_came_back_is_not_removed_for_what_is_recorded(five: LOCAL) -> None:
    five.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    five.next_block(2)
    five.ok(ROOT, "Members.add_member", BOB, MemberClass.Trader, pair(1).public)
    five.next_block()
    ensure_refused(five, pallet(five).DuplicateOffenceReport, InvalidReason.Stale, EQUIVOCATION)


def test_offender_that_has_left_is_recorded_all_the_same() -> None:
    six = consortium((*FIVE, FERDIE))
    six.ok(BOB, "Session.purge_keys")
    six.next_block()
    six.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    assert six.events()[-1] == Offences.OffenderPunished(BOB)
    six.next_block()
    assert len(six.pallets.session.validators.get()) == 5
    six.close_block()


def test_offender_may_report_itself(five: LOCAL) -> None:
    five.ok(BOB, "Offences.report_offence", EQUIVOCATION)
    assert pallet(five).reports.get(0) == OffenceDetails(BOB, OffenceKind.Equivocation, 0, 1, 1, BOB)


# --- the genesis


@pytest.mark.parametrize(("text", "expected"), ON_OFFENCE.items())
def test_genesis_says_what_becomes_of_offenders(text: str, expected: OnOffence) -> None:
    assert parse_genesis({"offences": {"onOffence": text}}, "genesis").on_offence is expected
    assert parse_genesis({}, "genesis").on_offence is OnOffence.Record
    chain = consortium(FIVE, expected)
    assert pallet(chain).on_offence.get() is expected


@pytest.mark.parametrize("wrong", ["slash", "", "Record", None, 1, ["record"]])
def test_genesis_says_it_in_words_that_are_known(wrong: object) -> None:
    with pytest.raises(SpecError, match="onOffence: expected one of record, remove"):
        parse_genesis({"offences": {"onOffence": wrong}}, "genesis")


# --- who kept to the protocol


def test_nothing_that_an_honest_validator_signs_convicts_it_or_another() -> None:
    """Two sets, in which it has another key and place; views that it left, with and without a prepared block;
    a block that was prepared again. Any two of its statements, under any place and set, prove nothing."""
    chain = consortium(FIVE)
    chain.ok(ROOT, "Members.remove_member", ALICE)
    chain.next_block()
    chain.ok(BOB, "Session.set_keys", SessionKeys(pair(60).public), pair(60).sign(possession_message(BOB)))
    chain.next_block(4)
    first, second = Offender(pair(1), 1), Offender(pair(60), 0, set_id=2, instance=3)
    said: list[Vote | Claim] = []
    for seat, view in ((first, 0), (first._replace(instance=2, set_id=1, place=0), 3), (second, 1)):
        leads = rotate(seat.instance, view, 5 if seat.set_id == 0 else 4) == seat.place
        said += [seat.vote(STEP_PROPOSE, view=view)] if leads else []
        said += [seat.vote(STEP_PREPARE, view=view), seat.claim(view + 1)]
        said += [seat.vote(step, view=view + 1) for step in (STEP_PREPARE, STEP_COMMIT)]
        said += [seat.claim(view + 2, view + 1), seat.vote(STEP_PREPARE, view=view + 2)]
        said += [seat.vote(STEP_COMMIT, view=view + 2), seat.claim(view + 3, view + 2)]
    assert any(isinstance(one, Vote) and one.step == STEP_PROPOSE for one in said)
    offences = pallet(chain)
    for one in said:
        for other in said:
            assert offences.make_report(Evidence(one, other)) is None
            for place in range(5):
                moved = structs.replace(one, index=place), structs.replace(other, index=place)
                assert offences.make_report(Evidence(*moved)) is None


# --- any bytes


@settings(max_examples=200)
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_evidence_or_a_decode_error(raw: bytes) -> None:
    try:
        evidence = codec(Evidence).decode(raw)
    except DecodeError:
        return
    assert codec(Evidence).encode(evidence) == raw


@settings(max_examples=200)
@given(data=st.data())
def test_spoiled_evidence_never_convicts(data: st.DataObject) -> None:
    chain = _standing()
    kind = data.draw(st.sampled_from(OffenceKind))
    raw = bytearray(codec(Evidence).encode(BAD_DAVE.evidence(kind)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        evidence = codec(Evidence).decode(bytes(raw))
    except DecodeError:
        return
    assert pallet(chain).make_report(evidence) is None
    with pytest.raises(InvalidTransaction):
        chain.api.validate(unsigned(chain, evidence))


_CHAINS: list[LOCAL] = []


def _standing() -> LOCAL:
    """One chain for all examples: none of them changes it."""
    if not _CHAINS:
        _CHAINS.append(consortium(FIVE))
    return _CHAINS[0]


# --- consistency


@pytest.mark.parametrize("damage", ["gap", "old", "set", "stranger", "twice"])
def test_inconsistent_records_are_found(damage: str) -> None:
    chain = consortium(FIVE)
    offences = pallet(chain)
    chain.ok(FERDIE, "Offences.report_offence", EQUIVOCATION)
    offences.try_state()
    noted = offences.reported.get(0, BOB)
    match damage:
        case "gap":
            offences.reports.remove(0)
        case "old":
            offences.report_count.put(5)
        case "set":
            offences.reported.put(7, BOB, noted)
        case "stranger":
            offences.reported.put(0, FERDIE, noted)
        case _:
            offences.reported.put(0, BOB, noted * 2)
    with pytest.raises(AssertionError):
        offences.try_state()
