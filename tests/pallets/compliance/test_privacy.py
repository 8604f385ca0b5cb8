"""Consents, requests of data subjects, breaches and retention, with deadlines to the millisecond."""

from typing import Any

import pytest
from msgspec import structs

from pallets.compliance import compliance_errors
from pallets.compliance import privacy_errors as errors
from pallets.compliance import privacy_events as events
from pallets.compliance.office import Purpose, Role
from pallets.compliance.privacy import Privacy, make_consent, make_tombstone
from pallets.compliance.privacy_types import (
    ANSWER_MS,
    BREACH_MS,
    ERASURE_MS,
    NEVER,
    STATEMENT_MS,
    Breach,
    BreachState,
    Category,
    Consent,
    Fulfilled,
    Refusal,
    Refused,
    Request,
    RequestKind,
    RequestState,
    Retained,
    Retention,
    RetentionAction,
    Risk,
    Statement,
)
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, DispatchError, PalletError
from runtime.frame.permissions import Activity
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.extrinsic import EcdsaSignature, Ed25519Signature, Sr25519Signature
from runtime.primitives.types import AccountId
from tests.support.chain import FERDIE
from tests.support.supervision import (
    BASIC,
    DAY,
    LOCAL,
    OFFICER,
    PAPER,
    QUARTER,
    STRANGER,
    compliance,
    now_ms,
    told_from,
    travel,
)

METER = Purpose.MeterPublication
VAULT = Keypair.from_uri("//Vault", Scheme.ED25519)
OFFICER_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("verify_dsr", (0,)),
    ("answer_dsr", (0, Fulfilled(PAPER))),
    ("confirm_erasure", (0, PAPER, bytes(64))),
    ("report_breach", (PAPER, 0)),
    ("assess_breach", (0, Risk.High)),
    ("notify_breach", (0, PAPER)),
    ("close_breach", (0,)),
    ("set_retention", (Category.MeterData, 1, RetentionAction.Erase)),
    ("start_retention", (Category.MeterData, PAPER)),
]
SUBJECT_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("give_consent", (METER, 1, None)),
    ("withdraw_consent", (METER,)),
    ("record_consent", (BASIC, Statement(METER, 1, NEVER, 0), Ed25519Signature(bytes(64)))),
    ("file_dsr", (RequestKind.Access, PAPER)),
]


def privacy(chain: LOCAL) -> Privacy:
    return chain.pallets.supervision.privacy


def error(chain: LOCAL, cls: type[PalletError]) -> DispatchError:
    return privacy(chain).error(cls)


def request(chain: LOCAL, number: int = 0) -> Request:
    found = privacy(chain).dsr.get(number)
    assert found is not None
    return found


def breach(chain: LOCAL) -> Breach:
    found = privacy(chain).breach.get(0)
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "args"), OFFICER_CALLS)
def test_call_is_for_officers_of_privacy(chain: LOCAL, name: str, args: tuple[Any, ...]) -> None:
    others = tuple(one for one in Role if one is not Role.Privacy)
    chain.ok(ROOT, "Compliance.register_officer", FERDIE, others)
    for who in (FERDIE, STRANGER):
        chain.noop(error(chain, errors.NotOfficer), who, f"Privacy.{name}", *args)
    for origin in (ROOT, NOBODY):
        chain.noop(BadOrigin, origin, f"Privacy.{name}", *args)


@pytest.mark.parametrize(("name", "args"), SUBJECT_CALLS)
def test_call_of_a_subject_needs_a_signer(chain: LOCAL, name: str, args: tuple[Any, ...]) -> None:
    for origin in (ROOT, NOBODY):
        chain.noop(BadOrigin, origin, f"Privacy.{name}", *args)


# --- consents


def test_consent_is_given_and_withdrawn_by_one_call_each(chain: LOCAL) -> None:
    now = now_ms(chain)
    chain.ok(BASIC, "Privacy.give_consent", METER, 3, None)
    assert chain.events() == [events.ConsentGiven(BASIC, METER, 3)]
    assert privacy(chain).consent.get(BASIC, METER) == Consent(3, now, NEVER)
    assert privacy(chain).has_consent(BASIC, METER)
    assert not privacy(chain).has_consent(BASIC, Purpose.Research)
    travel(chain, now + 5)
    chain.ok(BASIC, "Privacy.withdraw_consent", METER)
    assert chain.events() == [events.ConsentWithdrawn(BASIC, METER)]
    assert privacy(chain).consent.get(BASIC, METER) == Consent(3, now, NEVER, now + 5)
    assert not privacy(chain).has_consent(BASIC, METER)
    chain.ok(BASIC, "Privacy.give_consent", METER, 4, None)
    assert privacy(chain).has_consent(BASIC, METER)


def test_only_a_consent_in_force_is_withdrawn(chain: LOCAL) -> None:
    missing = error(chain, errors.ConsentMissing)
    chain.noop(missing, BASIC, "Privacy.withdraw_consent", METER)
    chain.ok(BASIC, "Privacy.give_consent", METER, 1, None)
    chain.ok(BASIC, "Privacy.withdraw_consent", METER)
    chain.noop(missing, BASIC, "Privacy.withdraw_consent", METER)


def test_consent_expires_to_the_millisecond(chain: LOCAL) -> None:
    until = now_ms(chain) + 10
    chain.noop(error(chain, errors.AlreadyExpired), BASIC, "Privacy.give_consent", METER, 1, now_ms(chain))
    chain.ok(BASIC, "Privacy.give_consent", METER, 1, until)
    travel(chain, until - 1)
    assert privacy(chain).has_consent(BASIC, METER)
    travel(chain, until)
    assert not privacy(chain).has_consent(BASIC, METER)


def test_readings_are_published_with_consent_alone(chain: LOCAL) -> None:
    with pytest.raises(compliance_errors.ConsentMissing):
        compliance(chain).ensure(BASIC, Activity.PublishMeter)
    chain.ok(BASIC, "Privacy.give_consent", METER, 1, None)
    compliance(chain).ensure(BASIC, Activity.PublishMeter)
    chain.ok(BASIC, "Privacy.withdraw_consent", METER)
    with pytest.raises(compliance_errors.ConsentMissing):
        compliance(chain).ensure(BASIC, Activity.PublishMeter)


SIGNATURES = {
    Scheme.SR25519: Sr25519Signature,
    Scheme.ED25519: Ed25519Signature,
    Scheme.ECDSA: EcdsaSignature,
}


def signed_consent(
    chain: LOCAL, statement: Statement, scheme: Scheme = Scheme.SR25519, genesis: bytes | None = None
) -> tuple[AccountId, Statement, object]:
    """Return the arguments with which anybody records what //Home signed."""
    pair = Keypair.from_uri("//Home", scheme)
    subject = AccountId(pair.account_id)
    known = chain.pallets.system.block_hash.get(0) if genesis is None else genesis
    signature = SIGNATURES[scheme](pair.sign(make_consent(known, subject, statement)))
    return subject, statement, signature


@pytest.mark.parametrize("scheme", SIGNATURES)
def test_signed_consent_is_recorded_by_anybody(chain: LOCAL, scheme: Scheme) -> None:
    statement = Statement(METER, 2, NEVER, now_ms(chain))
    args = signed_consent(chain, statement, scheme)
    chain.ok(STRANGER, "Privacy.record_consent", *args)
    assert chain.events() == [events.ConsentGiven(args[0], METER, 2)]
    assert privacy(chain).consent.get(args[0], METER) == Consent(2, now_ms(chain), NEVER)


def test_forged_consent_is_refused(chain: LOCAL) -> None:
    statement = Statement(METER, 2, NEVER, now_ms(chain))
    subject, _, signature = signed_consent(chain, statement)
    forged = error(chain, errors.BadProof)
    record = "Privacy.record_consent"
    chain.noop(forged, STRANGER, record, BASIC, statement, signature)
    for change in ({"purpose": Purpose.Marketing}, {"version": 3}, {"expires_ms": NEVER - 1}):
        chain.noop(forged, STRANGER, record, subject, structs.replace(statement, **change), signature)
    chain.noop(forged, STRANGER, record, *signed_consent(chain, statement, genesis=b"\1" * 32))
    chain.noop(forged, STRANGER, record, subject, statement, Ed25519Signature(signature.field_0))  # type: ignore[attr-defined]  # one of the three


def test_signed_consent_is_young_and_not_of_the_future(chain: LOCAL) -> None:
    now, record = now_ms(chain), "Privacy.record_consent"
    future = signed_consent(chain, Statement(METER, 2, NEVER, now + 1))
    chain.noop(error(chain, errors.NotInThePast), STRANGER, record, *future)
    old = signed_consent(chain, Statement(METER, 2, NEVER, now - STATEMENT_MS))
    chain.noop(error(chain, errors.StatementTooOld), STRANGER, record, *old)
    expired = signed_consent(chain, Statement(METER, 2, now, now))
    chain.noop(error(chain, errors.AlreadyExpired), STRANGER, record, *expired)
    chain.ok(STRANGER, record, *signed_consent(chain, Statement(METER, 2, NEVER, now - STATEMENT_MS + 1)))


def test_old_consent_does_not_come_back_after_it_was_withdrawn(chain: LOCAL) -> None:
    started, record = now_ms(chain), "Privacy.record_consent"
    args = signed_consent(chain, Statement(METER, 2, NEVER, started))
    chain.ok(STRANGER, record, *args)
    too_old = error(chain, errors.StatementTooOld)
    chain.noop(too_old, STRANGER, record, *args)
    travel(chain, started + 10)
    chain.ok(args[0], "Privacy.withdraw_consent", METER)
    chain.noop(too_old, STRANGER, record, *args)
    chain.noop(too_old, STRANGER, record, *signed_consent(chain, Statement(METER, 3, NEVER, started + 10)))
    travel(chain, started + 11)
    chain.ok(STRANGER, record, *signed_consent(chain, Statement(METER, 3, NEVER, started + 11)))


# --- requests


@pytest.mark.parametrize("kind", RequestKind)
def test_request_has_the_deadline_of_the_law(chain: LOCAL, kind: RequestKind) -> None:
    now = now_ms(chain)
    due = now + (90 if kind is RequestKind.Erase else 30) * DAY
    chain.ok(STRANGER, "Privacy.file_dsr", kind, PAPER)
    assert chain.events() == [events.DsrFiled(0, kind, due)]
    assert request(chain) == Request(STRANGER, kind, PAPER, now, due)
    assert privacy(chain).open_dsr.get(STRANGER, kind) == 0


def test_account_has_one_open_request_of_each_kind(chain: LOCAL) -> None:
    for kind in RequestKind:
        chain.ok(STRANGER, "Privacy.file_dsr", kind, PAPER)
        chain.noop(error(chain, errors.AlreadyFiled), STRANGER, "Privacy.file_dsr", kind, PAPER)
    chain.ok(OFFICER, "Privacy.answer_dsr", 0, Refused(Refusal.NotIdentified))
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Access, PAPER)


def test_request_is_verified_and_fulfilled(chain: LOCAL) -> None:
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Access, PAPER)
    answer = ("Privacy.answer_dsr", 0, Fulfilled(b"\4" * 32))
    chain.noop(error(chain, errors.TooEarly), OFFICER, *answer)
    chain.ok(OFFICER, "Privacy.verify_dsr", 0)
    assert chain.events() == [events.DsrVerified(0)]
    assert request(chain).state is RequestState.Verified
    chain.noop(error(chain, errors.AlreadyAnswered), OFFICER, "Privacy.verify_dsr", 0)
    chain.ok(OFFICER, *answer)
    assert chain.events() == [events.DsrAnswered(0)]
    found = request(chain)
    assert (found.state, found.answer, found.answered_ms) == (
        RequestState.Fulfilled,
        b"\4" * 32,
        now_ms(chain),
    )
    chain.noop(error(chain, errors.AlreadyAnswered), OFFICER, *answer)
    chain.noop(error(chain, errors.AlreadyAnswered), OFFICER, "Privacy.verify_dsr", 0)


@pytest.mark.parametrize("reason", Refusal)
def test_request_is_refused_with_a_reason_that_is_recorded(chain: LOCAL, reason: Refusal) -> None:
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Erase, PAPER)
    refuse = ("Privacy.answer_dsr", 0, Refused(reason))
    if reason is not Refusal.NotIdentified:
        chain.noop(error(chain, errors.TooEarly), OFFICER, *refuse)
        chain.ok(OFFICER, "Privacy.verify_dsr", 0)
    chain.ok(OFFICER, *refuse)
    assert (request(chain).state, request(chain).refusal) == (RequestState.Refused, reason)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("verify_dsr", (0,)),
        ("answer_dsr", (0, Fulfilled(PAPER))),
        ("confirm_erasure", (0, PAPER, bytes(64))),
    ],
)
def test_request_must_exist(chain: LOCAL, name: str, args: tuple[Any, ...]) -> None:
    chain.noop(error(chain, errors.UnknownRequest), OFFICER, f"Privacy.{name}", *args)


@pytest.mark.parametrize(
    ("kind", "period"), [(RequestKind.Access, ANSWER_MS), (RequestKind.Erase, ERASURE_MS)]
)
def test_unanswered_request_is_overdue_after_its_deadline_and_not_before(
    chain: LOCAL, kind: RequestKind, period: int
) -> None:
    chain.ok(STRANGER, "Privacy.file_dsr", kind, PAPER)
    due = request(chain).due_ms
    assert due == now_ms(chain) + period
    assert told_from(chain, due - 10_000 - period % DAY) == []
    assert request(chain).state is RequestState.Filed
    assert told_from(chain, due + QUARTER) == [events.DsrOverdue(0)]
    assert request(chain).state is RequestState.Overdue


def test_answered_request_is_never_overdue(chain: LOCAL) -> None:
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Access, PAPER)
    due = request(chain).due_ms
    chain.ok(OFFICER, "Privacy.answer_dsr", 0, Refused(Refusal.NotIdentified))
    assert told_from(chain, due + QUARTER) == []


def test_overdue_request_is_still_owed_its_answer(chain: LOCAL) -> None:
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Access, PAPER)
    told_from(chain, request(chain).due_ms + QUARTER)
    fulfil = ("Privacy.answer_dsr", 0, Fulfilled(PAPER))
    chain.noop(error(chain, errors.TooEarly), OFFICER, *fulfil)
    chain.ok(OFFICER, "Privacy.verify_dsr", 0)
    assert request(chain).state is RequestState.Overdue
    chain.ok(OFFICER, *fulfil)
    found = request(chain)
    assert found.state is RequestState.Fulfilled
    assert found.answered_ms is not None
    assert found.answered_ms > found.due_ms


# --- erasure


@pytest.fixture
def erasing(chain: LOCAL) -> LOCAL:
    """A chain with a verified request for erasure."""
    chain.ok(ROOT, "Privacy.set_vault_key", VAULT.public)
    assert chain.events() == [events.VaultKeySet(VAULT.public)]
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Erase, PAPER)
    chain.ok(OFFICER, "Privacy.verify_dsr", 0)
    return chain


def proof(chain: LOCAL, number: int = 0, tombstone: bytes = PAPER, pair: Keypair = VAULT) -> bytes:
    genesis = chain.pallets.system.block_hash.get(0)
    return pair.sign(make_tombstone(genesis, number, tombstone))


def test_erasure_is_confirmed_by_the_vaults_signature(erasing: LOCAL) -> None:
    erasing.ok(OFFICER, "Privacy.confirm_erasure", 0, PAPER, proof(erasing))
    assert erasing.events() == [events.DsrAnswered(0), events.ErasureConfirmed(0, PAPER)]
    assert (request(erasing).state, request(erasing).answer) == (RequestState.Fulfilled, PAPER)
    again = error(erasing, errors.AlreadyAnswered)
    erasing.noop(again, OFFICER, "Privacy.confirm_erasure", 0, PAPER, proof(erasing))


def test_erasure_is_not_answered_without_its_proof(erasing: LOCAL) -> None:
    unproven = error(erasing, errors.ErasureUnproven)
    erasing.noop(unproven, OFFICER, "Privacy.answer_dsr", 0, Fulfilled(PAPER))
    bad, confirm = error(erasing, errors.BadProof), "Privacy.confirm_erasure"
    erasing.noop(bad, OFFICER, confirm, 0, PAPER, bytes(64))
    erasing.noop(bad, OFFICER, confirm, 0, PAPER, proof(erasing, 1))
    erasing.noop(bad, OFFICER, confirm, 0, PAPER, proof(erasing, tombstone=bytes(32)))
    stranger = Keypair.from_uri("//Thief", Scheme.ED25519)
    erasing.noop(bad, OFFICER, confirm, 0, PAPER, proof(erasing, pair=stranger))
    privacy(erasing).vault_key.kill()
    erasing.noop(bad, OFFICER, confirm, 0, PAPER, proof(erasing))


def test_erasure_is_of_a_verified_request_for_it(chain: LOCAL) -> None:
    chain.ok(ROOT, "Privacy.set_vault_key", VAULT.public)
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Erase, PAPER)
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Access, PAPER)
    confirm = "Privacy.confirm_erasure"
    chain.noop(error(chain, errors.TooEarly), OFFICER, confirm, 0, PAPER, proof(chain))
    chain.ok(OFFICER, "Privacy.verify_dsr", 1)
    chain.noop(error(chain, errors.NotErasure), OFFICER, confirm, 1, PAPER, proof(chain, 1))


@pytest.mark.parametrize("origin", [OFFICER, NOBODY])
def test_vaults_key_is_set_by_root_alone(chain: LOCAL, origin: Any) -> None:
    chain.noop(BadOrigin, origin, "Privacy.set_vault_key", VAULT.public)


# --- breaches


def test_breach_is_detected_assessed_and_notified(chain: LOCAL) -> None:
    detected = now_ms(chain) - 5
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, detected)
    assert chain.events() == [events.BreachReported(0, detected + 72 * 3_600_000)]
    chain.noop(error(chain, errors.TooEarly), OFFICER, "Privacy.notify_breach", 0, PAPER)
    chain.noop(error(chain, errors.TooEarly), OFFICER, "Privacy.close_breach", 0)
    chain.ok(OFFICER, "Privacy.assess_breach", 0, Risk.Likely)
    assert chain.events() == [events.BreachAssessed(0, Risk.Likely)]
    chain.ok(OFFICER, "Privacy.assess_breach", 0, Risk.High)
    chain.noop(error(chain, errors.MustNotify), OFFICER, "Privacy.close_breach", 0)
    chain.ok(OFFICER, "Privacy.notify_breach", 0, b"\4" * 32)
    assert chain.events() == [events.BreachNotified(0)]
    assert breach(chain) == Breach(
        PAPER,
        detected,
        detected + BREACH_MS,
        BreachState.Notified,
        Risk.High,
        now_ms(chain),
        b"\4" * 32,
    )


def test_breach_that_harms_nobody_is_closed(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, now_ms(chain))
    chain.ok(OFFICER, "Privacy.assess_breach", 0, Risk.Unlikely)
    chain.ok(OFFICER, "Privacy.close_breach", 0)
    assert chain.events() == [events.BreachClosed(0)]
    assert breach(chain).state is BreachState.Closed


@pytest.mark.parametrize("state", [BreachState.Notified, BreachState.Closed])
def test_breach_that_is_dealt_with_stays_so(chain: LOCAL, state: BreachState) -> None:
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, now_ms(chain))
    notice = PAPER if state is BreachState.Notified else None
    privacy(chain).breach.put(
        0, structs.replace(breach(chain), state=state, risk=Risk.Unlikely, notice=notice)
    )
    done = error(chain, errors.AlreadyAnswered)
    chain.noop(done, OFFICER, "Privacy.assess_breach", 0, Risk.High)
    chain.noop(done, OFFICER, "Privacy.notify_breach", 0, PAPER)
    chain.noop(done, OFFICER, "Privacy.close_breach", 0)


@pytest.mark.parametrize(
    ("name", "args"),
    [("assess_breach", (0, Risk.High)), ("notify_breach", (0, PAPER)), ("close_breach", (0,))],
)
def test_breach_must_exist(chain: LOCAL, name: str, args: tuple[Any, ...]) -> None:
    chain.noop(error(chain, errors.UnknownBreach), OFFICER, f"Privacy.{name}", *args)


def test_breach_was_found_in_the_past(chain: LOCAL) -> None:
    future = error(chain, errors.NotInThePast)
    chain.noop(future, OFFICER, "Privacy.report_breach", PAPER, now_ms(chain) + 1)


@pytest.mark.parametrize("risk", [None, Risk.Unlikely, Risk.High])
def test_breach_is_overdue_72_hours_after_it_was_found(chain: LOCAL, risk: Risk | None) -> None:
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, now_ms(chain))
    if risk is not None:
        chain.ok(OFFICER, "Privacy.assess_breach", 0, risk)
    due = breach(chain).due_ms
    assert told_from(chain, due - 10_000) == []
    assert told_from(chain, due + QUARTER) == [events.BreachOverdue(0)]


def test_breach_found_long_ago_is_overdue_at_once(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, 0)
    chain.next_block()
    assert events.BreachOverdue(0) in chain.block_events()


def test_breach_that_was_notified_is_not_overdue(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, now_ms(chain))
    chain.ok(OFFICER, "Privacy.assess_breach", 0, Risk.High)
    chain.ok(OFFICER, "Privacy.notify_breach", 0, PAPER)
    assert told_from(chain, breach(chain).due_ms + QUARTER) == []


# --- retention


def test_chain_starts_with_the_periods_of_the_law(chain: LOCAL) -> None:
    days = {category: period.days for category, period in privacy(chain).retention.items() if period}
    assert days == {
        Category.AuditTrail: 2_555,
        Category.MoneyLaundering: 1_826,
        Category.Identity: 1_826,
        Category.PersonalData: 365,
        Category.MeterData: 365,
    }


def test_record_is_due_when_its_period_is_over(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Privacy.set_retention", Category.MeterData, 3, RetentionAction.Anonymise)
    assert chain.events() == [events.RetentionSet(Category.MeterData, 3, RetentionAction.Anonymise)]
    due = now_ms(chain) + 3 * DAY
    chain.ok(OFFICER, "Privacy.start_retention", Category.MeterData, PAPER)
    assert chain.events() == [events.RetentionStarted(PAPER, Category.MeterData, due)]
    assert privacy(chain).retained.get(PAPER) == Retained(Category.MeterData, due)
    again = error(chain, errors.AlreadyRetained)
    chain.noop(again, OFFICER, "Privacy.start_retention", Category.AuditTrail, PAPER)
    assert told_from(chain, due - 10_000) == []
    told = told_from(chain, due + QUARTER)
    assert told == [events.RetentionDue(PAPER, Category.MeterData, RetentionAction.Anonymise)]
    assert not privacy(chain).retained.contains(PAPER)


def test_period_is_at_least_a_day_and_of_a_category_that_has_one(chain: LOCAL) -> None:
    bad = error(chain, errors.BadPeriod)
    chain.noop(bad, OFFICER, "Privacy.set_retention", Category.MeterData, 0, RetentionAction.Erase)
    privacy(chain).retention.remove(Category.MeterData)
    unknown = error(chain, errors.UnknownCategory)
    chain.noop(unknown, OFFICER, "Privacy.start_retention", Category.MeterData, PAPER)
    chain.ok(OFFICER, "Privacy.set_retention", Category.MeterData, 1, RetentionAction.Erase)
    assert privacy(chain).retention.get(Category.MeterData) == Retention(1, RetentionAction.Erase)
