"""Privacy: consents, requests of data subjects, breaches and retention periods, with their legal deadlines.

Responsible for what is in force, for when an answer is due, and for saying so when it is not given. Personal
data never come here: a commitment stands for each text, and whoever keeps the text keeps the salt. The pallet
knows no vault but the key that it signs with.

To give a consent and to withdraw it are one call each, of the subject alone. Somebody without a balance can
sign a statement that anybody records for them; it names this chain and its own time, and holds only if it is
younger than what the account last said, so no old consent comes back after it was withdrawn.

A deadline is an exact time, by which lateness is judged; that it has passed is told with the first block
after its quarter of an hour. An overdue request is still owed its answer.

Invariant (checked by `try_state`): requests that wait for an answer are listed under their subjects and the
reverse, states agree with what is recorded, what is to fall due is queued as `due` says.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar, Final

from msgspec import structs

from pallets.compliance import privacy_errors as errors
from pallets.compliance import privacy_events as events
from pallets.compliance import weights
from pallets.compliance.due import NOTHING_DUE, DueQueue, Number, Quarter, QueueState
from pallets.compliance.office import DAY_MS, Commitment, Purpose, Role
from pallets.compliance.privacy_types import (
    ANSWER_MS,
    BREACH_MS,
    ERASURE_MS,
    NEVER,
    STATEMENT_MS,
    Answer,
    Breach,
    BreachDue,
    BreachId,
    BreachState,
    Category,
    Consent,
    Due,
    Fulfilled,
    PrivacyConfig,
    RecordDue,
    Refusal,
    Refused,
    Request,
    RequestDue,
    RequestId,
    RequestKind,
    RequestState,
    Retained,
    Retention,
    RetentionAction,
    Risk,
    Statement,
    VaultKey,
    VaultSignature,
)
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, Weight, ensure_root, ensure_signed
from runtime.frame.event import Event
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.arithmetic import U32_MAX, checked_add
from runtime.primitives.crypto import Scheme, verify
from runtime.primitives.extrinsic import EcdsaSignature, Ed25519Signature, MultiSignature, Sr25519Signature
from runtime.primitives.scale import codec, u16, u64
from runtime.primitives.types import AccountId

CONSENT: Final = b"loam-consent"
ERASURE: Final = b"loam-erasure"
SCHEMES: Final = {
    Ed25519Signature: Scheme.ED25519,
    Sr25519Signature: Scheme.SR25519,
    EcdsaSignature: Scheme.ECDSA,
}
OWED: Final = (RequestState.Filed, RequestState.Verified, RequestState.Overdue)
"""The states of a request that waits for its answer."""


def make_consent(genesis_hash: bytes, subject: AccountId, statement: Statement) -> bytes:
    """Return the bytes that a subject signs to consent on the chain of a genesis."""
    return CONSENT + genesis_hash + subject + codec(Statement).encode(statement)


def make_tombstone(genesis_hash: bytes, request: int, tombstone: bytes) -> bytes:
    """Return the bytes that the vault signs when it has erased what a request asks for."""
    return ERASURE + genesis_hash + request.to_bytes(4, "little") + tombstone


class Privacy(Pallet[PrivacyConfig]):
    """Consents, requests of data subjects, breaches, retention."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)

    consent: DoubleMap[AccountId, Purpose, Consent | None] = storage(
        BLAKE2_128_CONCAT, TWOX_64_CONCAT, docs="The last consent of an account for a purpose."
    )
    dsr: Map[RequestId, Request | None] = storage(TWOX_64_CONCAT, docs="Requests of data subjects by id.")
    open_dsr: DoubleMap[AccountId, RequestKind, RequestId | None] = storage(
        BLAKE2_128_CONCAT, TWOX_64_CONCAT, docs="Requests that wait for an answer, one of each kind."
    )
    next_dsr: Value[RequestId] = storage(default=0, docs="The id of the next request.")
    breach: Map[BreachId, Breach | None] = storage(TWOX_64_CONCAT, docs="Breaches by id.")
    next_breach: Value[BreachId] = storage(default=0, docs="The id of the next breach.")
    retention: Map[Category, Retention | None] = storage(
        TWOX_64_CONCAT, docs="How long records are kept, by category."
    )
    retained: Map[Commitment, Retained | None] = storage(
        BLAKE2_128_CONCAT, docs="Records whose period is running, by their commitment."
    )
    vault_key: Value[VaultKey | None] = storage(docs="The ed25519 key that the vault proves erasure with.")
    due: DoubleMap[Quarter, Number, Due | None] = storage(
        TWOX_64_CONCAT,
        TWOX_64_CONCAT,
        docs="Deadlines, by the quarter of an hour (since 1970) in which they come up.",
    )
    due_state: Value[QueueState] = storage(default=NOTHING_DUE, docs="How far the queue of `Due` has come.")

    def __init__(self, binding: Binding, config: PrivacyConfig) -> None:
        super().__init__(binding, config)
        self.queue: DueQueue[RequestDue | BreachDue | RecordDue] = DueQueue(self.due, self.due_state)

    @constant
    def answer_period_ms(self) -> u64:
        """Within how many milliseconds a request is answered."""
        return ANSWER_MS

    @constant
    def erasure_period_ms(self) -> u64:
        """Within how many milliseconds a request for erasure is answered."""
        return ERASURE_MS

    @constant
    def breach_period_ms(self) -> u64:
        """Within how many milliseconds of its detection a breach is notified."""
        return BREACH_MS

    @constant
    def statement_period_ms(self) -> u64:
        """How many milliseconds old a signed consent may be when it is recorded."""
        return STATEMENT_MS

    def genesis(self, periods: tuple[tuple[Category, Retention], ...]) -> None:
        """Set the retention periods that the chain starts with."""
        for category, period in periods:
            assert period.days > 0, f"{category.name} is not kept at all"
            self.retention.put(category, period)

    def on_initialize(self, number: int) -> Weight:
        """Tell which deadlines have passed; nothing here depends on the block's number."""
        del number
        taken = self.queue.take_due(self.config.clock.now_ms())
        for due in taken.entries:
            self._pass_deadline(due)
        walked = weights.PRIVACY_DUE_PER_QUARTER.times(taken.looked)
        return weights.PRIVACY_DUE.plus(walked).plus(weights.PRIVACY_DUE_PER_ENTRY.times(len(taken.entries)))

    # --- calls: consents

    @call(0, weight=weights.PRIVACY_GIVE_CONSENT)
    def give_consent(self, origin: Origin, purpose: Purpose, version: u16, expires_ms: u64 | None) -> None:
        """Consent to a version of the text for a purpose, until a time in milliseconds since 1970 or until
        you withdraw it."""
        who = ensure_signed(origin)
        self._consent(who, purpose, version, NEVER if expires_ms is None else expires_ms)

    @call(1, weight=weights.PRIVACY_WITHDRAW_CONSENT)
    def withdraw_consent(self, origin: Origin, purpose: Purpose) -> None:
        """Withdraw your consent for a purpose, at once and without a reason."""
        who = ensure_signed(origin)
        found = self.consent.get(who, purpose)
        if found is None or not self.has_consent(who, purpose):
            raise self.error(errors.ConsentMissing)
        self.consent.put(who, purpose, structs.replace(found, withdrawn_ms=self.config.clock.now_ms()))
        self._tell(events.ConsentWithdrawn(who, purpose))

    @call(2, weight=weights.PRIVACY_RECORD_CONSENT)
    def record_consent(
        self, origin: Origin, subject: AccountId, statement: Statement, signature: MultiSignature
    ) -> None:
        """Record a consent that an account has signed without a transaction of its own; anybody may.

        What is signed: `loam-consent`, the genesis hash, the account and the statement. An expiry of the
        largest number means none.
        """
        ensure_signed(origin)
        now = self.config.clock.now_ms()
        if statement.signed_ms > now:
            raise self.error(errors.NotInThePast)
        if statement.signed_ms + STATEMENT_MS <= now or statement.signed_ms <= self._last_said(
            subject, statement.purpose
        ):
            raise self.error(errors.StatementTooOld)
        message = make_consent(self.config.blocks.block_hash.get(0), subject, statement)
        if not verify(SCHEMES[type(signature)], subject, signature.field_0, message):
            raise self.error(errors.BadProof)
        self._consent(subject, statement.purpose, statement.version, statement.expires_ms)

    # --- calls: requests of data subjects

    @call(3, weight=weights.PRIVACY_FILE_DSR)
    def file_dsr(self, origin: Origin, kind: RequestKind, text: Commitment) -> None:
        """Ask for your data, or for what is to be done with them; the text is kept off the chain, here is a
        commitment to it. The answer is due within 30 days, erasure within 90."""
        who = ensure_signed(origin)
        if self.open_dsr.contains(who, kind):
            raise self.error(errors.AlreadyFiled)
        now = self.config.clock.now_ms()
        due_ms = now + (ERASURE_MS if kind is RequestKind.Erase else ANSWER_MS)
        request = self.next_dsr.get()
        self.next_dsr.put(checked_add(request, 1, U32_MAX))
        self.dsr.put(request, Request(who, kind, text, now, due_ms))
        self.open_dsr.put(who, kind, request)
        self.queue.add(now, due_ms, RequestDue(request))
        self._tell(events.DsrFiled(request, kind, due_ms))

    @call(4, weight=weights.PRIVACY_VERIFY_DSR)
    def verify_dsr(self, origin: Origin, request: RequestId) -> None:
        """Record that a request is the subject's own. Only for officers of privacy."""
        found = self._owed_request(origin, request)
        if found.is_verified:
            raise self.error(errors.AlreadyAnswered)
        state = RequestState.Verified if found.state is RequestState.Filed else found.state
        self.dsr.put(request, structs.replace(found, state=state, is_verified=True))
        self._tell(events.DsrVerified(request))

    @call(5, weight=weights.PRIVACY_ANSWER_DSR)
    def answer_dsr(self, origin: Origin, request: RequestId, answer: Answer) -> None:
        """Answer a verified request, or refuse it with the reason. Only for officers of privacy.

        One whose subject cannot be identified is refused unverified; erasure is confirmed, not answered.
        """
        found = self._owed_request(origin, request)
        match answer:
            case Fulfilled(field_0=text):
                if found.kind is RequestKind.Erase:
                    raise self.error(errors.ErasureUnproven)
                self._ensure_verified(found)
                self._answer(request, found, RequestState.Fulfilled, text, None)
            case Refused(field_0=reason):
                if reason is not Refusal.NotIdentified:
                    self._ensure_verified(found)
                self._answer(request, found, RequestState.Refused, None, reason)

    @call(6, weight=weights.PRIVACY_CONFIRM_ERASURE)
    def confirm_erasure(
        self, origin: Origin, request: RequestId, tombstone: Commitment, signature: VaultSignature
    ) -> None:
        """Answer a verified request for erasure with the vault's signature that the subject's key and salt
        are destroyed. Only for officers of privacy.

        What is signed: `loam-erasure`, the genesis hash, the request's id and the tombstone, a commitment to
        what the vault keeps of the erasure itself.
        """
        found = self._owed_request(origin, request)
        if found.kind is not RequestKind.Erase:
            raise self.error(errors.NotErasure)
        self._ensure_verified(found)
        message = make_tombstone(self.config.blocks.block_hash.get(0), request, tombstone)
        key = self.vault_key.get()
        if key is None or not verify(Scheme.ED25519, key, signature, message):
            raise self.error(errors.BadProof)
        self._answer(request, found, RequestState.Fulfilled, tombstone, None)
        self._tell(events.ErasureConfirmed(request, tombstone))

    # --- calls: breaches

    @call(7, weight=weights.PRIVACY_REPORT_BREACH)
    def report_breach(self, origin: Origin, record: Commitment, detected_ms: u64) -> None:
        """Record a breach of personal data found at a time in milliseconds since 1970; notice is due within
        72 hours of it. Only for officers of privacy."""
        self._ensure_officer(origin)
        now = self.config.clock.now_ms()
        if detected_ms > now:
            raise self.error(errors.NotInThePast)
        breach, due_ms = self.next_breach.get(), detected_ms + BREACH_MS
        self.next_breach.put(checked_add(breach, 1, U32_MAX))
        self.breach.put(breach, Breach(record, detected_ms, due_ms))
        self.queue.add(now, due_ms, BreachDue(breach))
        self._tell(events.BreachReported(breach, due_ms))

    @call(8, weight=weights.PRIVACY_ASSESS_BREACH)
    def assess_breach(self, origin: Origin, breach: BreachId, risk: Risk) -> None:
        """Record what a breach means for the people concerned. Only for officers of privacy."""
        found = self._pending_breach(origin, breach)
        self.breach.put(breach, structs.replace(found, state=BreachState.Assessed, risk=risk))
        self._tell(events.BreachAssessed(breach, risk))

    @call(9, weight=weights.PRIVACY_NOTIFY_BREACH)
    def notify_breach(self, origin: Origin, breach: BreachId, notice: Commitment) -> None:
        """Record that an assessed breach was notified to those who must know. Only for officers of
        privacy."""
        found = self._pending_breach(origin, breach)
        if found.state is BreachState.Detected:
            raise self.error(errors.TooEarly)
        now = self.config.clock.now_ms()
        notified = structs.replace(found, state=BreachState.Notified, notified_ms=now, notice=notice)
        self.breach.put(breach, notified)
        self._tell(events.BreachNotified(breach))

    @call(10, weight=weights.PRIVACY_CLOSE_BREACH)
    def close_breach(self, origin: Origin, breach: BreachId) -> None:
        """Close an assessed breach that is unlikely to harm anybody. Only for officers of privacy."""
        found = self._pending_breach(origin, breach)
        if found.state is BreachState.Detected:
            raise self.error(errors.TooEarly)
        if found.risk is not Risk.Unlikely:
            raise self.error(errors.MustNotify)
        self.breach.put(breach, structs.replace(found, state=BreachState.Closed))
        self._tell(events.BreachClosed(breach))

    # --- calls: retention and the vault

    @call(11, weight=weights.PRIVACY_SET_RETENTION)
    def set_retention(self, origin: Origin, category: Category, days: u16, action: RetentionAction) -> None:
        """Set how many days records of a category are kept from now on, and what is done then. Only for
        officers of privacy. Periods that are running stay as they are."""
        self._ensure_officer(origin)
        if days == 0:
            raise self.error(errors.BadPeriod)
        self.retention.put(category, Retention(days, action))
        self._tell(events.RetentionSet(category, days, action))

    @call(12, weight=weights.PRIVACY_START_RETENTION)
    def start_retention(self, origin: Origin, category: Category, record: Commitment) -> None:
        """Begin the period of a record, such as when a relation has ended. Only for officers of privacy."""
        self._ensure_officer(origin)
        period = self.retention.get(category)
        if period is None:
            raise self.error(errors.UnknownCategory)
        if self.retained.contains(record):
            raise self.error(errors.AlreadyRetained)
        now = self.config.clock.now_ms()
        due_ms = now + period.days * DAY_MS
        self.retained.put(record, Retained(category, due_ms))
        self.queue.add(now, due_ms, RecordDue(record))
        self._tell(events.RetentionStarted(record, category, due_ms))

    @call(13, weight=weights.PRIVACY_SET_VAULT_KEY)
    def set_vault_key(self, origin: Origin, key: VaultKey) -> None:
        """Set the ed25519 key that the vault proves erasure with. Only for Root."""
        ensure_root(origin)
        self.vault_key.put(key)
        self._tell(events.VaultKeySet(key))

    # --- what other pallets and the composition ask for

    def has_consent(self, who: AccountId, purpose: Purpose) -> bool:
        """Tell whether an account's consent for a purpose is in force now."""
        found = self.consent.get(who, purpose)
        if found is None or found.withdrawn_ms is not None:
            return False
        return found.expires_ms > self.config.clock.now_ms()

    def try_state(self) -> None:
        """AssertionError unless requests, breaches and the queue are consistent."""
        for request, found in self.dsr.items():
            assert found is not None
            assert request < self.next_dsr.get(), f"request {request} has an id that is still to come"
            is_owed = found.state in OWED
            assert is_owed == (found.answered_ms is None), f"request {request}: answer and state"
            is_listed = self.open_dsr.get(found.subject, found.kind) == request
            assert is_owed == is_listed, f"request {request}: state and list"
        for (subject, kind), listed in self.open_dsr.items():
            named = None if listed is None else self.dsr.get(listed)
            assert named is not None, f"request {listed} is listed and unknown"
            assert (named.subject, named.kind) == (subject, kind), f"request {listed} is another's"
        for breach, event in self.breach.items():
            assert event is not None
            assert breach < self.next_breach.get(), f"breach {breach} has an id that is still to come"
            is_noticed = event.state is BreachState.Notified
            assert is_noticed == (event.notice is not None), f"breach {breach}: notice and state"
        self.queue.check()

    # --- leaves of the above

    def _tell(self, event: Event) -> None:
        self.config.audit().note(self.index, event)
        self.deposit(event)

    def _ensure_officer(self, origin: Origin) -> None:
        if not self.config.officers.is_officer(ensure_signed(origin), Role.Privacy):
            raise self.error(errors.NotOfficer)

    def _last_said(self, who: AccountId, purpose: Purpose) -> int:
        """Return when an account last gave or withdrew a consent, 0 where it never did."""
        found = self.consent.get(who, purpose)
        if found is None:
            return 0
        return found.given_ms if found.withdrawn_ms is None else found.withdrawn_ms

    def _consent(self, who: AccountId, purpose: Purpose, version: int, expires_ms: int) -> None:
        now = self.config.clock.now_ms()
        if expires_ms <= now:
            raise self.error(errors.AlreadyExpired)
        self.consent.put(who, purpose, Consent(version, now, expires_ms))
        self._tell(events.ConsentGiven(who, purpose, version))

    def _owed_request(self, origin: Origin, request: RequestId) -> Request:
        self._ensure_officer(origin)
        found = self.dsr.get(request)
        if found is None:
            raise self.error(errors.UnknownRequest)
        if found.state not in OWED:
            raise self.error(errors.AlreadyAnswered)
        return found

    def _ensure_verified(self, found: Request) -> None:
        if not found.is_verified:
            raise self.error(errors.TooEarly)

    def _answer(
        self,
        request: RequestId,
        found: Request,
        state: RequestState,
        answer: Commitment | None,
        refusal: Refusal | None,
    ) -> None:
        now = self.config.clock.now_ms()
        answered = structs.replace(found, state=state, answered_ms=now, answer=answer, refusal=refusal)
        self.dsr.put(request, answered)
        self.open_dsr.remove(found.subject, found.kind)
        self._tell(events.DsrAnswered(request))

    def _pending_breach(self, origin: Origin, breach: BreachId) -> Breach:
        self._ensure_officer(origin)
        found = self.breach.get(breach)
        if found is None:
            raise self.error(errors.UnknownBreach)
        if found.state in {BreachState.Notified, BreachState.Closed}:
            raise self.error(errors.AlreadyAnswered)
        return found

    def _pass_deadline(self, due: RequestDue | BreachDue | RecordDue) -> None:
        match due:
            case RequestDue(field_0=request):
                found = self.dsr.get(request)
                if found is not None and found.state in OWED:
                    self.dsr.put(request, structs.replace(found, state=RequestState.Overdue))
                    self._tell(events.DsrOverdue(request))
            case BreachDue(field_0=breach):
                event = self.breach.get(breach)
                if event is not None and event.state in {BreachState.Detected, BreachState.Assessed}:
                    self._tell(events.BreachOverdue(breach))
            case RecordDue(field_0=record):
                self._end_retention(record)

    def _end_retention(self, record: Commitment) -> None:
        kept = self.retained.take(record)
        period = None if kept is None else self.retention.get(kept.category)
        if kept is not None and period is not None:
            self._tell(events.RetentionDue(record, kept.category, period.action))
