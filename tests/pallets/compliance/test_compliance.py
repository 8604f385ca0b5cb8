"""Officers, identities, licences and freezes: who may do what, and that nobody else may."""

from typing import Any

import pytest

from genesis.consortium import UNIT
from pallets.compliance import compliance_errors as errors
from pallets.compliance import compliance_events as events
from pallets.compliance.compliance import FREEZE, THAW, make_order
from pallets.compliance.compliance_types import (
    LICENCES_PER_HOLDER_MAX,
    NEVER,
    OFFICERS_MAX,
    PROPOSAL_MS,
    Freeze,
    Kyc,
    KycStatus,
    Licence,
    LicenceKind,
    LicenceStatus,
    Tier,
    Withdrawal,
)
from pallets.compliance.office import Role
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, DispatchError, Origin, PalletError
from runtime.frame.permissions import Activity
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId
from tests.support.chain import FERDIE
from tests.support.supervision import (
    BASIC,
    DAY,
    LOCAL,
    OFFICER,
    PAPER,
    QUARTER,
    SALT,
    SECOND,
    STRANGER,
    TRADER,
    TRADER_ID,
    compliance,
    freeze,
    now_ms,
    told_from,
    travel,
)

OFFICER_CALLS: list[tuple[Role, str, tuple[Any, ...]]] = [
    (Role.Identity, "file_kyc", (FERDIE, PAPER, b"TH")),
    (Role.Identity, "attest_kyc", (TRADER, Tier.Basic, NEVER, None)),
    (Role.Identity, "revoke_kyc", (TRADER, Withdrawal.Reject)),
    (Role.Licensing, "issue_licence", (TRADER, LicenceKind.Grid, NEVER, PAPER)),
    (Role.Licensing, "suspend_licence", (TRADER_ID,)),
    (Role.Licensing, "restore_licence", (TRADER_ID,)),
    (Role.Licensing, "revoke_licence", (TRADER_ID,)),
    (Role.Freezing, "propose_order", (PAPER,)),
    (Role.Freezing, "freeze", (TRADER, SALT)),
    (Role.Freezing, "unfreeze", (TRADER, SALT)),
]


def error(chain: LOCAL, cls: type[PalletError]) -> DispatchError:
    return compliance(chain).error(cls)


def kyc(chain: LOCAL, who: AccountId) -> Kyc:
    found = compliance(chain).kyc.get(who)
    assert found is not None
    return found


def licence(chain: LOCAL, number: int) -> Licence:
    found = compliance(chain).licence.get(number)
    assert found is not None
    return found


def refused(chain: LOCAL, who: AccountId, activity: Activity) -> type[PalletError] | None:
    """Return which error the pallet raises for an activity of an account."""
    try:
        compliance(chain).ensure(who, activity)
    except PalletError as failure:
        return type(failure).__bases__[0]
    return None


# --- officers


@pytest.mark.parametrize(("role", "name", "args"), OFFICER_CALLS)
def test_each_call_is_for_officers_of_one_role(
    chain: LOCAL, role: Role, name: str, args: tuple[Any, ...]
) -> None:
    others = tuple(one for one in Role if one is not role)
    chain.ok(ROOT, "Compliance.register_officer", FERDIE, others)
    for who in (FERDIE, STRANGER):
        chain.noop(error(chain, errors.NotOfficer), who, f"Compliance.{name}", *args)
    for origin in (ROOT, NOBODY):
        chain.noop(BadOrigin, origin, f"Compliance.{name}", *args)


@pytest.mark.parametrize("origin", [OFFICER, NOBODY])
def test_officers_are_made_by_root_alone(chain: LOCAL, origin: Origin | AccountId) -> None:
    chain.noop(BadOrigin, origin, "Compliance.register_officer", FERDIE, (Role.Identity,))


def test_officer_has_the_roles_last_given_and_none_after_its_office(chain: LOCAL) -> None:
    chain.ok(ROOT, "Compliance.register_officer", FERDIE, (Role.Identity, Role.Privacy))
    assert chain.events() == [events.OfficerRegistered(FERDIE, (Role.Identity, Role.Privacy))]
    chain.ok(ROOT, "Compliance.register_officer", FERDIE, (Role.Cases,))
    held = [role for role in Role if compliance(chain).is_officer(FERDIE, role)]
    assert held == [Role.Cases]
    chain.ok(ROOT, "Compliance.register_officer", FERDIE, ())
    assert not any(compliance(chain).is_officer(FERDIE, role) for role in Role)
    assert compliance(chain).officer.count() == 2


@pytest.mark.parametrize("roles", [(Role.Cases, Role.Identity), (Role.Cases, Role.Cases)])
def test_roles_are_listed_in_order_and_once(chain: LOCAL, roles: tuple[Role, ...]) -> None:
    chain.noop(error(chain, errors.BadRoles), ROOT, "Compliance.register_officer", FERDIE, roles)


def test_there_are_as_many_officers_as_the_limit_and_not_more(chain: LOCAL) -> None:
    for number in range(OFFICERS_MAX - 2):
        who = AccountId(number.to_bytes(32, "little"))
        chain.ok(ROOT, "Compliance.register_officer", who, (Role.Cases,))
    full = error(chain, errors.TooManyOfficers)
    chain.noop(full, ROOT, "Compliance.register_officer", FERDIE, (Role.Cases,))
    chain.ok(ROOT, "Compliance.register_officer", OFFICER, (Role.Cases,))


# --- identities


def test_identity_is_filed_and_then_attested(chain: LOCAL) -> None:
    chain.noop(error(chain, errors.UnknownIdentity), OFFICER, "Compliance.attest_kyc", FERDIE, 1, NEVER, None)
    chain.ok(OFFICER, "Compliance.file_kyc", FERDIE, PAPER, b"TH")
    assert chain.events() == [events.KycFiled(FERDIE)]
    assert kyc(chain, FERDIE) == Kyc(Tier.Unknown, KycStatus.Pending, 0, PAPER, b"TH", None)
    assert compliance(chain).tier_of(FERDIE) is Tier.Unknown
    until = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.attest_kyc", FERDIE, Tier.Enhanced, until, 5)
    assert chain.events() == [events.KycAttested(FERDIE, Tier.Enhanced, until)]
    assert kyc(chain, FERDIE) == Kyc(Tier.Enhanced, KycStatus.Verified, until, PAPER, b"TH", 5)
    assert compliance(chain).tier_of(FERDIE) is Tier.Enhanced


# What may follow on each status: filed anew, attested, suspended, rejected.
MOVES = {
    None: (True, False, False, False),
    KycStatus.Pending: (False, True, False, True),
    KycStatus.Verified: (False, True, True, True),
    KycStatus.Expired: (True, True, False, False),
    KycStatus.Suspended: (False, True, False, True),
    KycStatus.Rejected: (True, False, False, False),
}


@pytest.mark.parametrize("status", MOVES)
def test_identity_moves_as_the_law_has_it(chain: LOCAL, status: KycStatus | None) -> None:
    if status is None:
        compliance(chain).kyc.remove(BASIC)
        wrong = error(chain, errors.UnknownIdentity)
    else:
        compliance(chain).kyc.put(BASIC, Kyc(Tier.Basic, status, NEVER, PAPER, b"TH", None))
        wrong = error(chain, errors.WrongStatus)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("file_kyc", (BASIC, PAPER, b"TH")),
        ("attest_kyc", (BASIC, Tier.Basic, NEVER, None)),
        ("revoke_kyc", (BASIC, Withdrawal.Suspend)),
        ("revoke_kyc", (BASIC, Withdrawal.Reject)),
    ]
    for is_allowed, (name, args) in zip(MOVES[status], calls, strict=True):
        mark = chain.state.mark()
        if is_allowed:
            chain.ok(OFFICER, f"Compliance.{name}", *args)
            chain.state.rollback(mark)
        else:
            chain.noop(wrong, OFFICER, f"Compliance.{name}", *args)


@pytest.mark.parametrize("status", [status for status in KycStatus if status is not KycStatus.Verified])
def test_only_a_verified_identity_is_worth_its_tier(chain: LOCAL, status: KycStatus) -> None:
    compliance(chain).kyc.put(BASIC, Kyc(Tier.Basic, status, NEVER, PAPER, b"TH", None))
    assert compliance(chain).tier_of(BASIC) is Tier.Unknown
    assert refused(chain, BASIC, Activity.SendWatt) is errors.TierTooLow


def test_nothing_is_attested_up_to_no_tier_or_a_time_past(chain: LOCAL) -> None:
    too_low = error(chain, errors.TierTooLow)
    chain.noop(too_low, OFFICER, "Compliance.attest_kyc", BASIC, Tier.Unknown, NEVER, None)
    expired = error(chain, errors.AlreadyExpired)
    chain.noop(expired, OFFICER, "Compliance.attest_kyc", BASIC, Tier.Basic, now_ms(chain), None)
    chain.ok(OFFICER, "Compliance.attest_kyc", BASIC, Tier.Basic, now_ms(chain) + 1, None)


def test_identity_expires_to_the_millisecond_and_is_told_within_a_quarter(chain: LOCAL) -> None:
    until = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.attest_kyc", BASIC, Tier.Basic, until, None)
    mark = chain.state.mark()
    travel(chain, until - 1)
    assert refused(chain, BASIC, Activity.SendWatt) is None
    travel(chain, until)
    assert refused(chain, BASIC, Activity.SendWatt) is errors.TierTooLow
    assert kyc(chain, BASIC).status is KycStatus.Verified
    chain.state.rollback(mark)
    assert told_from(chain, until + QUARTER) == [events.KycExpired(BASIC)]
    assert kyc(chain, BASIC).status is KycStatus.Expired


def test_identity_that_was_prolonged_does_not_expire_at_its_former_time(chain: LOCAL) -> None:
    first = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.attest_kyc", BASIC, Tier.Basic, first, None)
    chain.ok(OFFICER, "Compliance.attest_kyc", BASIC, Tier.Basic, first + DAY, None)
    assert told_from(chain, first + QUARTER) == []
    assert compliance(chain).tier_of(BASIC) is Tier.Basic


# --- licences


def test_licence_is_issued_suspended_restored_and_revoked(chain: LOCAL) -> None:
    until = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, LicenceKind.Trading, until, PAPER)
    number = TRADER_ID + 1
    assert chain.events() == [events.LicenceIssued(number, BASIC, LicenceKind.Trading, until)]
    assert licence(chain, number) == Licence(LicenceKind.Trading, BASIC, LicenceStatus.Active, until, PAPER)
    assert compliance(chain).licences_of.get(BASIC) == (number,)
    assert refused(chain, BASIC, Activity.Trade) is None
    chain.ok(OFFICER, "Compliance.suspend_licence", number)
    assert chain.events() == [events.LicenceSuspended(number)]
    assert refused(chain, BASIC, Activity.Trade) is errors.LicenceMissing
    chain.ok(OFFICER, "Compliance.restore_licence", number)
    assert chain.events() == [events.LicenceRestored(number)]
    assert refused(chain, BASIC, Activity.Trade) is None
    chain.ok(OFFICER, "Compliance.revoke_licence", number)
    assert chain.events() == [events.LicenceRevoked(number)]
    assert refused(chain, BASIC, Activity.Trade) is errors.LicenceMissing


LICENCE_MOVES = {
    LicenceStatus.Active: (True, False, True),
    LicenceStatus.Suspended: (False, True, True),
    LicenceStatus.Revoked: (False, False, False),
    LicenceStatus.Expired: (False, False, False),
}


@pytest.mark.parametrize("status", LicenceStatus)
def test_licence_moves_between_its_states_only(chain: LOCAL, status: LicenceStatus) -> None:
    moved = Licence(LicenceKind.Trading, TRADER, status, NEVER, PAPER)
    compliance(chain).licence.put(TRADER_ID, moved)
    names = ("suspend_licence", "restore_licence", "revoke_licence")
    for is_allowed, name in zip(LICENCE_MOVES[status], names, strict=True):
        mark = chain.state.mark()
        if is_allowed:
            chain.ok(OFFICER, f"Compliance.{name}", TRADER_ID)
            chain.state.rollback(mark)
        else:
            chain.noop(error(chain, errors.WrongStatus), OFFICER, f"Compliance.{name}", TRADER_ID)


@pytest.mark.parametrize("name", ["suspend_licence", "restore_licence", "revoke_licence"])
def test_licence_must_exist(chain: LOCAL, name: str) -> None:
    unknown = error(chain, errors.UnknownLicence)
    chain.noop(unknown, OFFICER, f"Compliance.{name}", TRADER_ID + 1)


def test_licence_expires_to_the_millisecond_and_is_told_within_a_quarter(chain: LOCAL) -> None:
    expired = error(chain, errors.AlreadyExpired)
    kind = LicenceKind.Trading
    chain.noop(expired, OFFICER, "Compliance.issue_licence", BASIC, kind, now_ms(chain), PAPER)
    until = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, kind, until, PAPER)
    mark = chain.state.mark()
    travel(chain, until - 1)
    assert refused(chain, BASIC, Activity.Trade) is None
    travel(chain, until)
    assert refused(chain, BASIC, Activity.Trade) is errors.LicenceExpired
    chain.state.rollback(mark)
    assert told_from(chain, until + QUARTER) == [events.LicenceExpired(TRADER_ID + 1)]
    assert refused(chain, BASIC, Activity.Trade) is errors.LicenceExpired
    chain.noop(error(chain, errors.WrongStatus), OFFICER, "Compliance.suspend_licence", TRADER_ID + 1)


def test_suspended_licence_that_has_expired_is_not_restored(chain: LOCAL) -> None:
    until = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, LicenceKind.Trading, until, PAPER)
    chain.ok(OFFICER, "Compliance.suspend_licence", TRADER_ID + 1)
    travel(chain, until)
    chain.noop(error(chain, errors.AlreadyExpired), OFFICER, "Compliance.restore_licence", TRADER_ID + 1)


def test_licence_is_that_of_the_account_that_acts(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, LicenceKind.Grid, NEVER, PAPER)
    assert refused(chain, TRADER, Activity.Trade) is None
    assert refused(chain, BASIC, Activity.Trade) is errors.LicenceMissing
    assert refused(chain, TRADER, Activity.Generate) is errors.LicenceMissing
    assert refused(chain, BASIC, Activity.Operate) is errors.TierTooLow


def test_account_has_as_many_licences_as_the_limit_unless_an_old_one_makes_room(chain: LOCAL) -> None:
    issue = ("Compliance.issue_licence", TRADER, LicenceKind.Grid, NEVER, PAPER)
    for _ in range(LICENCES_PER_HOLDER_MAX - 1):
        chain.ok(OFFICER, *issue)
    chain.noop(error(chain, errors.TooManyLicences), OFFICER, *issue)
    chain.ok(OFFICER, "Compliance.suspend_licence", 1)
    chain.noop(error(chain, errors.TooManyLicences), OFFICER, *issue)
    chain.ok(OFFICER, "Compliance.revoke_licence", 1)
    chain.ok(OFFICER, *issue)
    assert compliance(chain).licences_of.get(TRADER) == (0, 2, 3, 4, 5, 6, 7, 8)


# --- freezes


def test_two_officers_freeze_and_thaw(chain: LOCAL) -> None:
    order = make_order(FREEZE, SALT, TRADER)
    assert order == blake2_256(b"loam-freeze" + SALT + TRADER)
    chain.ok(OFFICER, "Compliance.propose_order", order)
    assert chain.events() == [events.FreezeProposed(OFFICER, order)]
    assert not compliance(chain).is_frozen(TRADER)
    chain.ok(SECOND, "Compliance.freeze", TRADER, SALT)
    assert chain.events() == [events.AccountFrozen(TRADER)]
    assert compliance(chain).frozen.get(TRADER) == Freeze(now_ms(chain), OFFICER, SECOND)
    assert not compliance(chain).proposal.contains(order)
    chain.ok(SECOND, "Compliance.propose_order", make_order(THAW, SALT, TRADER))
    chain.ok(OFFICER, "Compliance.unfreeze", TRADER, SALT)
    assert chain.events() == [events.AccountThawed(TRADER)]
    assert not compliance(chain).is_frozen(TRADER)


def test_officer_does_not_confirm_its_own_proposal(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Compliance.propose_order", make_order(FREEZE, SALT, TRADER))
    chain.noop(error(chain, errors.SameOfficer), OFFICER, "Compliance.freeze", TRADER, SALT)
    freeze(chain, BASIC)
    chain.ok(OFFICER, "Compliance.propose_order", make_order(THAW, SALT, BASIC))
    chain.noop(error(chain, errors.SameOfficer), OFFICER, "Compliance.unfreeze", BASIC, SALT)


def test_proposal_counts_for_its_account_salt_and_purpose_alone(chain: LOCAL) -> None:
    unknown = error(chain, errors.UnknownProposal)
    chain.ok(OFFICER, "Compliance.propose_order", make_order(FREEZE, SALT, TRADER))
    chain.noop(unknown, SECOND, "Compliance.freeze", BASIC, SALT)
    chain.noop(unknown, SECOND, "Compliance.freeze", TRADER, bytes(32))
    chain.noop(unknown, SECOND, "Compliance.unfreeze", TRADER, SALT)
    chain.ok(SECOND, "Compliance.freeze", TRADER, SALT)
    chain.noop(unknown, SECOND, "Compliance.freeze", TRADER, SALT)


def test_proposal_of_who_has_lost_the_office_counts_no_more(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Compliance.propose_order", make_order(FREEZE, SALT, TRADER))
    chain.ok(ROOT, "Compliance.register_officer", OFFICER, (Role.Cases,))
    chain.noop(error(chain, errors.NotOfficer), SECOND, "Compliance.freeze", TRADER, SALT)


def test_account_is_frozen_once_and_thawed_once(chain: LOCAL) -> None:
    freeze(chain, TRADER)
    chain.ok(OFFICER, "Compliance.propose_order", make_order(FREEZE, SALT, TRADER))
    chain.noop(error(chain, errors.AlreadyFrozen), SECOND, "Compliance.freeze", TRADER, SALT)
    again = error(chain, errors.AlreadyProposed)
    chain.noop(again, SECOND, "Compliance.propose_order", make_order(FREEZE, SALT, TRADER))
    chain.ok(OFFICER, "Compliance.propose_order", make_order(THAW, SALT, BASIC))
    chain.noop(error(chain, errors.NotFrozen), SECOND, "Compliance.unfreeze", BASIC, SALT)


def test_proposal_lapses(chain: LOCAL) -> None:
    order = make_order(FREEZE, SALT, TRADER)
    started = now_ms(chain)
    chain.ok(OFFICER, "Compliance.propose_order", order)
    mark = chain.state.mark()
    travel(chain, started + PROPOSAL_MS)
    chain.noop(error(chain, errors.UnknownProposal), SECOND, "Compliance.freeze", TRADER, SALT)
    chain.state.rollback(mark)
    assert told_from(chain, started + PROPOSAL_MS + QUARTER) == [events.ProposalLapsed(order)]
    assert not compliance(chain).proposal.contains(order)


# --- what an activity takes

ACTIVITIES: list[tuple[AccountId, Activity, type[PalletError] | None]] = [
    (STRANGER, Activity.Receive, None),
    (STRANGER, Activity.SendWatt, errors.TierTooLow),
    (STRANGER, Activity.Trade, errors.TierTooLow),
    (STRANGER, Activity.Generate, errors.TierTooLow),
    (STRANGER, Activity.Operate, errors.TierTooLow),
    (BASIC, Activity.SendWatt, None),
    (BASIC, Activity.Trade, errors.LicenceMissing),
    (BASIC, Activity.Generate, errors.LicenceMissing),
    (BASIC, Activity.Operate, errors.TierTooLow),
    (TRADER, Activity.SendWatt, None),
    (TRADER, Activity.Trade, None),
    (TRADER, Activity.Generate, errors.LicenceMissing),
    (TRADER, Activity.Operate, errors.LicenceMissing),
]


@pytest.mark.parametrize(("who", "activity", "lacking"), ACTIVITIES)
def test_activity_takes_its_tier_and_licence(
    chain: LOCAL, who: AccountId, activity: Activity, lacking: type[PalletError] | None
) -> None:
    assert refused(chain, who, activity) is lacking


@pytest.mark.parametrize("activity", [Activity.SendWatt, Activity.Trade, Activity.Operate])
def test_frozen_account_does_nothing_but_receive(chain: LOCAL, activity: Activity) -> None:
    freeze(chain, TRADER)
    assert refused(chain, TRADER, activity) is errors.AccountFrozen
    assert refused(chain, TRADER, Activity.Receive) is None


# --- the daily limit


def test_tier_has_a_daily_limit_that_begins_anew_at_midnight_in_bangkok(chain: LOCAL) -> None:
    midnight = 1_700_000_000_000 // DAY * DAY + 17 * 3_600_000
    travel(chain, midnight - 1)
    limit = 50_000 * UNIT
    compliance(chain).note_sent(BASIC, limit - 1)
    compliance(chain).note_sent(BASIC, 1)
    with pytest.raises(errors.DailyLimitExceeded):
        compliance(chain).note_sent(BASIC, 1)
    travel(chain, midnight)
    compliance(chain).note_sent(BASIC, limit)
    with pytest.raises(errors.DailyLimitExceeded):
        compliance(chain).note_sent(BASIC, 1)
    compliance(chain).note_sent(TRADER, 10 * limit)


def test_account_may_have_a_limit_of_its_own(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Compliance.attest_kyc", TRADER, Tier.Enhanced, NEVER, 10)
    compliance(chain).note_sent(TRADER, 10)
    with pytest.raises(errors.DailyLimitExceeded):
        compliance(chain).note_sent(TRADER, 1)
