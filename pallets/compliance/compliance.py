"""Compliance: who is known how well, who holds which licence, who is frozen; and so, who may do what.

Responsible for officers, identities, licences and freezes, and for the answer whether an account may do
something, which it gives for the account that acts and for the moment that it is asked. It knows no market:
what an activity takes is configuration, which call is which activity the composition says. Nothing here says
who somebody is; commitments stand for evidence that is kept elsewhere.

Two officers freeze and thaw. The first one proposes a hash, which tells nobody whom it is about, so nobody is
warned; the second one names account and salt, and thereby the first one's hash.

Expiry is exact wherever it is asked for. That it is also told, by an event and a status, comes with the first
block after its quarter of an hour.

Invariant (checked by `try_state`): licences are listed under their holders and the reverse, roles are in
order, and what is to fall due is queued as `due` says.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar, Final

from msgspec import structs

from pallets.compliance import compliance_errors as errors
from pallets.compliance import compliance_events as events
from pallets.compliance import weights
from pallets.compliance.compliance_types import (
    LICENCES_PER_HOLDER_MAX,
    NEVER,
    OFFICERS_MAX,
    PROPOSAL_MS,
    ComplianceConfig,
    Country,
    Due,
    Freeze,
    GenesisCompliance,
    Kyc,
    KycDue,
    KycStatus,
    Licence,
    LicenceDue,
    LicenceId,
    LicenceIds,
    LicenceKind,
    LicenceStatus,
    Proposal,
    ProposalDue,
    Roles,
    Salt,
    SentToday,
    Tier,
    Withdrawal,
)
from pallets.compliance.due import NOTHING_DUE, DueQueue, Number, Quarter, QueueState
from pallets.compliance.office import Commitment, Role, day_of
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, Weight, ensure_root, ensure_signed
from runtime.frame.event import Event
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.permissions import Activity
from runtime.frame.storage import (
    BLAKE2_128_CONCAT,
    TWOX_64_CONCAT,
    CountedMap,
    DoubleMap,
    Map,
    Value,
    storage,
)
from runtime.primitives.arithmetic import U32_MAX, checked_add
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import u32, u64, u128
from runtime.primitives.types import AccountId

FREEZE: Final = b"loam-freeze"
THAW: Final = b"loam-thaw"
NO_EVIDENCE: Final = bytes(32)
"""The commitment of what a genesis attests."""
NOWHERE: Final = b"--"
"""The country of accounts that a genesis attests."""


def make_order(purpose: bytes, salt: bytes, who: AccountId) -> bytes:
    """Return the hash that a first officer proposes: of `FREEZE` or `THAW`, a 32-byte salt and an account."""
    return blake2_256(purpose + salt + who)


class Compliance(Pallet[ComplianceConfig]):
    """Identities, licences and freezes."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)

    officer: CountedMap[AccountId, Roles | None] = storage(
        BLAKE2_128_CONCAT, docs="The roles of each officer."
    )
    kyc: Map[AccountId, Kyc | None] = storage(BLAKE2_128_CONCAT, docs="What was attested of an account.")
    licence: Map[LicenceId, Licence | None] = storage(BLAKE2_128_CONCAT, docs="Licences by id.")
    licences_of: Map[AccountId, LicenceIds] = storage(
        BLAKE2_128_CONCAT, default=(), docs="The licences of an account, without old ones that made room."
    )
    next_licence: Value[LicenceId] = storage(default=0, docs="The id of the next licence.")
    frozen: Map[AccountId, Freeze | None] = storage(BLAKE2_128_CONCAT, docs="Accounts that are frozen.")
    proposal: Map[Commitment, Proposal | None] = storage(
        BLAKE2_128_CONCAT, docs="Freezes and thaws that wait for a second officer, by their hash."
    )
    sent_today: Map[AccountId, SentToday | None] = storage(
        BLAKE2_128_CONCAT, docs="E-money that accounts with a daily limit sent on their last day of sending."
    )
    due: DoubleMap[Quarter, Number, Due | None] = storage(
        TWOX_64_CONCAT,
        TWOX_64_CONCAT,
        docs="What expires, by the quarter of an hour (since 1970) in which it comes up.",
    )
    due_state: Value[QueueState] = storage(default=NOTHING_DUE, docs="How far the queue of `Due` has come.")

    def __init__(self, binding: Binding, config: ComplianceConfig) -> None:
        super().__init__(binding, config)
        self.queue: DueQueue[KycDue | LicenceDue | ProposalDue] = DueQueue(self.due, self.due_state)

    @constant
    def licences_per_holder(self) -> u32:
        """The most licences of one account that stand or may stand again."""
        return LICENCES_PER_HOLDER_MAX

    @constant
    def officers_max(self) -> u32:
        """The most officers of the chain."""
        return OFFICERS_MAX

    @constant
    def proposal_period_ms(self) -> u64:
        """How long a proposal to freeze or thaw waits for a second officer, in milliseconds."""
        return PROPOSAL_MS

    def genesis(self, start: GenesisCompliance) -> None:
        """Set the officers, identities and licences that the chain starts with."""
        assert len(start.officers) <= OFFICERS_MAX
        for who, roles in start.officers:
            assert _is_ordered(roles), f"roles of {who.hex()} are not in order"
            self.officer.put(who, roles)
        for who, tier, kinds in start.attested:
            assert tier > Tier.Unknown, f"{who.hex()} is attested nothing"
            self.kyc.put(who, Kyc(tier, KycStatus.Verified, NEVER, NO_EVIDENCE, NOWHERE, None))
            for kind in kinds:
                self._issue(Licence(kind, who, LicenceStatus.Active, NEVER, NO_EVIDENCE))

    def on_initialize(self, number: int) -> Weight:
        """Tell what has expired; nothing here depends on the block's number."""
        del number
        taken = self.queue.take_due(self.config.clock.now_ms())
        for due in taken.entries:
            self._expire(due)
        walked = weights.COMPLIANCE_DUE_PER_QUARTER.times(taken.looked)
        return weights.COMPLIANCE_DUE.plus(walked).plus(
            weights.COMPLIANCE_DUE_PER_ENTRY.times(len(taken.entries))
        )

    # --- calls: officers and identities

    @call(0, weight=weights.COMPLIANCE_REGISTER_OFFICER)
    def register_officer(self, origin: Origin, who: AccountId, roles: Roles) -> None:
        """Give an account these roles and no others, or with none end its office. Only for Root."""
        ensure_root(origin)
        if not _is_ordered(roles):
            raise self.error(errors.BadRoles)
        if not roles:
            self.officer.remove(who)
        elif not self.officer.contains(who) and self.officer.count() >= OFFICERS_MAX:
            raise self.error(errors.TooManyOfficers)
        else:
            self.officer.put(who, roles)
        self._tell(events.OfficerRegistered(who, roles))

    @call(1, weight=weights.COMPLIANCE_FILE_KYC)
    def file_kyc(self, origin: Origin, who: AccountId, evidence: Commitment, country: Country) -> None:
        """Open the file of an account that has none, or whose file was rejected or has expired.

        Only for officers of identity. `country` is its two-letter code.
        """
        self._ensure_officer(origin, Role.Identity)
        found = self.kyc.get(who)
        if found is not None and found.status not in {KycStatus.Expired, KycStatus.Rejected}:
            raise self.error(errors.WrongStatus)
        self.kyc.put(who, Kyc(Tier.Unknown, KycStatus.Pending, 0, evidence, country, None))
        self._tell(events.KycFiled(who))

    @call(2, weight=weights.COMPLIANCE_ATTEST_KYC)
    def attest_kyc(
        self,
        origin: Origin,
        who: AccountId,
        tier: Tier,
        expires_ms: u64,
        daily_limit: u128 | None,
    ) -> None:
        """Attest who a filed account belongs to, up to a tier and a time in milliseconds since 1970.

        Only for officers of identity; also to change, prolong or restore what was attested. `daily_limit`
        is the e-money that the account may send in a day; none: its tier's.
        """
        self._ensure_officer(origin, Role.Identity)
        found = self._identity(who)
        if found.status is KycStatus.Rejected:
            raise self.error(errors.WrongStatus)
        if tier is Tier.Unknown:
            raise self.error(errors.TierTooLow)
        self._queue_expiry(expires_ms, KycDue(who))
        attested = structs.replace(
            found, tier=tier, status=KycStatus.Verified, expires_ms=expires_ms, daily_limit=daily_limit
        )
        self.kyc.put(who, attested)
        self._tell(events.KycAttested(who, tier, expires_ms))
        if tier < found.tier:
            self._lose_standing(who)

    @call(3, weight=weights.COMPLIANCE_REVOKE_KYC)
    def revoke_kyc(self, origin: Origin, who: AccountId, how: Withdrawal) -> None:
        """Suspend what was attested of an account, or reject it: then its file must be opened anew.

        Only for officers of identity. A pending file can only be rejected.
        """
        self._ensure_officer(origin, Role.Identity)
        found = self._identity(who)
        allowed = {
            Withdrawal.Suspend: (KycStatus.Verified,),
            Withdrawal.Reject: (KycStatus.Pending, KycStatus.Verified, KycStatus.Suspended),
        }[how]
        if found.status not in allowed:
            raise self.error(errors.WrongStatus)
        status = KycStatus.Suspended if how is Withdrawal.Suspend else KycStatus.Rejected
        self.kyc.put(who, structs.replace(found, status=status))
        self._tell(events.KycRevoked(who, how))
        self._lose_standing(who)

    # --- calls: licences

    @call(4, weight=weights.COMPLIANCE_ISSUE_LICENCE)
    def issue_licence(
        self, origin: Origin, holder: AccountId, kind: LicenceKind, expires_ms: u64, deed: Commitment
    ) -> None:
        """Issue a licence to an account, up to a time in milliseconds since 1970. Only for officers of
        licensing. `deed` is a commitment to the document."""
        self._ensure_officer(origin, Role.Licensing)
        licence = self._issue(Licence(kind, holder, LicenceStatus.Active, expires_ms, deed))
        self._queue_expiry(expires_ms, LicenceDue(licence))
        self._tell(events.LicenceIssued(licence, holder, kind, expires_ms))

    @call(5, weight=weights.COMPLIANCE_SUSPEND_LICENCE)
    def suspend_licence(self, origin: Origin, licence: LicenceId) -> None:
        """Put a licence out of force until it is restored. Only for officers of licensing."""
        found = self._licence_in(origin, licence, (LicenceStatus.Active,))
        self.licence.put(licence, structs.replace(found, status=LicenceStatus.Suspended))
        self._tell(events.LicenceSuspended(licence))
        self._lose_standing(found.holder)

    @call(6, weight=weights.COMPLIANCE_RESTORE_LICENCE)
    def restore_licence(self, origin: Origin, licence: LicenceId) -> None:
        """Put a suspended licence in force again, unless it has expired. Only for officers of licensing."""
        found = self._licence_in(origin, licence, (LicenceStatus.Suspended,))
        if found.expires_ms <= self.config.clock.now_ms():
            raise self.error(errors.AlreadyExpired)
        self.licence.put(licence, structs.replace(found, status=LicenceStatus.Active))
        self._tell(events.LicenceRestored(licence))

    @call(7, weight=weights.COMPLIANCE_REVOKE_LICENCE)
    def revoke_licence(self, origin: Origin, licence: LicenceId) -> None:
        """Put a licence out of force for ever. Only for officers of licensing."""
        found = self._licence_in(origin, licence, (LicenceStatus.Active, LicenceStatus.Suspended))
        self.licence.put(licence, structs.replace(found, status=LicenceStatus.Revoked))
        self._tell(events.LicenceRevoked(licence))
        self._lose_standing(found.holder)

    # --- calls: freezes

    @call(8, weight=weights.COMPLIANCE_PROPOSE_ORDER)
    def propose_order(self, origin: Origin, order: Commitment) -> None:
        """Propose to freeze or thaw an account, which only the hash knows. Only for officers of freezing.

        The hash is blake2b-256 of `loam-freeze` or `loam-thaw`, a random salt of 32 bytes and the account;
        give salt and account to a second officer in private.
        """
        officer = self._ensure_officer(origin, Role.Freezing)
        if self.proposal.contains(order):
            raise self.error(errors.AlreadyProposed)
        now = self.config.clock.now_ms()
        self.proposal.put(order, Proposal(officer, now + PROPOSAL_MS))
        self.queue.add(now, now + PROPOSAL_MS, ProposalDue(order))
        self._tell(events.FreezeProposed(officer, order))

    @call(9, weight=weights.COMPLIANCE_FREEZE)
    def freeze(self, origin: Origin, who: AccountId, salt: Salt) -> None:
        """Freeze an account as another officer proposed. Only for officers of freezing.

        A frozen account gets what the market owes it, and keeps its rights as a data subject; it makes no
        call that is regulated.
        """
        officer, order, proposal = self._proposed(origin, FREEZE, salt, who)
        if self.frozen.contains(who):
            raise self.error(errors.AlreadyFrozen)
        self.proposal.remove(order)
        self.frozen.put(who, Freeze(self.config.clock.now_ms(), proposal.officer, officer))
        self._tell(events.AccountFrozen(who))
        self._lose_standing(who)

    @call(10, weight=weights.COMPLIANCE_UNFREEZE)
    def unfreeze(self, origin: Origin, who: AccountId, salt: Salt) -> None:
        """Thaw an account as another officer proposed. Only for officers of freezing."""
        _, order, _ = self._proposed(origin, THAW, salt, who)
        if not self.frozen.contains(who):
            raise self.error(errors.NotFrozen)
        self.proposal.remove(order)
        self.frozen.remove(who)
        self._tell(events.AccountThawed(who))

    # --- what other pallets and the composition ask for

    def is_officer(self, who: AccountId, role: Role) -> bool:
        """Tell whether an account is an officer with a role."""
        return role in (self.officer.get(who) or ())

    def is_frozen(self, who: AccountId) -> bool:
        """Tell whether an account is frozen."""
        return self.frozen.contains(who)

    def tier_of(self, who: AccountId) -> Tier:
        """Return how well an account's owner is known now."""
        return self._tier_at(who, self.config.clock.now_ms())

    def ensure(self, who: AccountId, activity: Activity) -> None:
        """Raise AccountFrozen, TierTooLow, LicenceMissing, LicenceExpired or ConsentMissing, the first that
        holds."""
        needed = self.config.requirements.get(activity)
        if needed is None:
            return
        if self.frozen.contains(who):
            raise self.error(errors.AccountFrozen)
        now = self.config.clock.now_ms()
        if self._tier_at(who, now) < needed.tier:
            raise self.error(errors.TierTooLow)
        if needed.licence is not None:
            self._ensure_licensed(who, needed.licence, now)
        if needed.consent is not None and not self.config.consents().has_consent(who, needed.consent):
            raise self.error(errors.ConsentMissing)

    def note_sent(self, who: AccountId, amount: int) -> None:
        """Count e-money that an account is about to send; DailyLimitExceeded where it would be too much."""
        limit = self._daily_limit(who)
        if limit is None:
            return
        day = day_of(self.config.clock.now_ms())
        found = self.sent_today.get(who)
        total = amount if found is None or found.day != day else found.amount + amount
        if total > limit:
            raise self.error(errors.DailyLimitExceeded)
        self.sent_today.put(who, SentToday(day, total))

    def try_state(self) -> None:
        """AssertionError unless licences, holders, roles and the queue agree."""
        for who, roles in self.officer.items():
            assert roles, f"{who.hex()} is an officer without a role"
            assert _is_ordered(roles), f"roles of {who.hex()} are not in order"
        for holder, listed in self.licences_of.items():
            assert len(dict.fromkeys(listed)) == len(listed), f"{holder.hex()} has a licence twice"
            for licence in listed:
                found = self.licence.get(licence)
                assert found is not None, f"licence {licence} is listed and unknown"
                assert found.holder == holder, f"licence {licence} is another's"
        for licence, found in self.licence.items():
            assert found is not None
            assert licence < self.next_licence.get(), f"licence {licence} has an id that is still to come"
            stands = found.status in {LicenceStatus.Active, LicenceStatus.Suspended}
            assert not stands or licence in self.licences_of.get(found.holder), f"licence {licence} is lost"
        self.queue.check()

    # --- leaves of the above

    def _tell(self, event: Event) -> None:
        self.config.audit().note(self.index, event)
        self.deposit(event)

    def _lose_standing(self, who: AccountId) -> None:
        for listener in self.config.listeners():
            listener.on_standing_lost(who)

    def _ensure_officer(self, origin: Origin, role: Role) -> AccountId:
        who = ensure_signed(origin)
        if not self.is_officer(who, role):
            raise self.error(errors.NotOfficer)
        return who

    def _identity(self, who: AccountId) -> Kyc:
        found = self.kyc.get(who)
        if found is None:
            raise self.error(errors.UnknownIdentity)
        return found

    def _queue_expiry(self, expires_ms: int, due: KycDue | LicenceDue) -> None:
        now = self.config.clock.now_ms()
        if expires_ms <= now:
            raise self.error(errors.AlreadyExpired)
        if expires_ms != NEVER:
            self.queue.add(now, expires_ms, due)

    def _issue(self, licence: Licence) -> LicenceId:
        """Store a licence under the next id; an old one that is out of force for ever makes room for it."""
        held = self.licences_of.get(licence.holder)
        if len(held) == LICENCES_PER_HOLDER_MAX:
            held = tuple(one for one in held if self._may_stand(one))
        if len(held) == LICENCES_PER_HOLDER_MAX:
            raise self.error(errors.TooManyLicences)
        number = self.next_licence.get()
        self.next_licence.put(checked_add(number, 1, U32_MAX))
        self.licence.put(number, licence)
        self.licences_of.put(licence.holder, (*held, number))
        return number

    def _may_stand(self, licence: LicenceId) -> bool:
        found = self.licence.get(licence)
        assert found is not None
        return found.status in {LicenceStatus.Active, LicenceStatus.Suspended}

    def _licence_in(self, origin: Origin, licence: LicenceId, allowed: tuple[LicenceStatus, ...]) -> Licence:
        """Return a licence that stands where an officer may move it."""
        self._ensure_officer(origin, Role.Licensing)
        found = self.licence.get(licence)
        if found is None:
            raise self.error(errors.UnknownLicence)
        if found.status not in allowed:
            raise self.error(errors.WrongStatus)
        return found

    def _proposed(
        self, origin: Origin, purpose: bytes, salt: bytes, who: AccountId
    ) -> tuple[AccountId, Commitment, Proposal]:
        """Return the officer that confirms, and what another one, still in office, has proposed."""
        officer = self._ensure_officer(origin, Role.Freezing)
        order = make_order(purpose, salt, who)
        found = self.proposal.get(order)
        if found is None or found.expires_ms <= self.config.clock.now_ms():
            raise self.error(errors.UnknownProposal)
        if found.officer == officer:
            raise self.error(errors.SameOfficer)
        if not self.is_officer(found.officer, Role.Freezing):
            raise self.error(errors.NotOfficer)
        return officer, order, found

    def _tier_at(self, who: AccountId, now: int) -> Tier:
        found = self.kyc.get(who)
        if found is None or found.status is not KycStatus.Verified or found.expires_ms <= now:
            return Tier.Unknown
        return found.tier

    def _ensure_licensed(self, who: AccountId, kind: LicenceKind, now: int) -> None:
        is_expired = False
        for licence in self.licences_of.get(who):
            found = self.licence.get(licence)
            if found is None or found.kind is not kind:
                continue
            if found.status is LicenceStatus.Active and found.expires_ms > now:
                return
            is_expired |= found.status in {LicenceStatus.Active, LicenceStatus.Expired}
        raise self.error(errors.LicenceExpired if is_expired else errors.LicenceMissing)

    def _daily_limit(self, who: AccountId) -> int | None:
        found = self.kyc.get(who)
        if found is not None and found.daily_limit is not None:
            return found.daily_limit
        return self.config.daily_limits.get(self.tier_of(who))

    def _expire(self, due: KycDue | LicenceDue | ProposalDue) -> None:
        now = self.config.clock.now_ms()
        match due:
            case KycDue(field_0=who):
                self._expire_identity(who, now)
            case LicenceDue(field_0=licence):
                self._expire_licence(licence, now)
            case ProposalDue(field_0=order):
                self._expire_proposal(order, now)

    def _expire_identity(self, who: AccountId, now: int) -> None:
        """End what was attested, unless it was prolonged or revoked meanwhile."""
        found = self.kyc.get(who)
        if found is not None and found.status is KycStatus.Verified and found.expires_ms <= now:
            self.kyc.put(who, structs.replace(found, status=KycStatus.Expired))
            self._tell(events.KycExpired(who))
            self._lose_standing(who)

    def _expire_licence(self, licence: LicenceId, now: int) -> None:
        found = self.licence.get(licence)
        if found is not None and found.expires_ms <= now and self._may_stand(licence):
            self.licence.put(licence, structs.replace(found, status=LicenceStatus.Expired))
            self._tell(events.LicenceExpired(licence))
            self._lose_standing(found.holder)

    def _expire_proposal(self, order: Commitment, now: int) -> None:
        """Drop a proposal, unless it was confirmed, or confirmed and made again, meanwhile."""
        found = self.proposal.get(order)
        if found is not None and found.expires_ms <= now:
            self.proposal.remove(order)
            self._tell(events.ProposalLapsed(order))


def _is_ordered(roles: tuple[Role, ...]) -> bool:
    return list(roles) == sorted(dict.fromkeys(roles))
