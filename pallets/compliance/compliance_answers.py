"""What supervision answers to questions: permissions, licences, deadlines, reports, the audit log.

Responsible for shapes and what they mean; moments are in milliseconds since 1970. Commitments to evidence,
deeds and texts stand in the storage for whoever verifies them; here is only what a screen shows.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

from pallets.compliance.compliance_types import (
    LICENCES_PER_HOLDER_MAX,
    KycStatus,
    LicenceId,
    LicenceKind,
    LicenceStatus,
    Roles,
    Tier,
)
from pallets.compliance.monitoring_types import Action, CaseId, CaseState, RuleKind
from pallets.compliance.office import Commitment, Purpose
from pallets.compliance.privacy_types import (
    BreachId,
    BreachState,
    Category,
    Refusal,
    RequestId,
    RequestKind,
    RequestState,
    RetentionAction,
    Risk,
)
from pallets.compliance.reports_types import Day, Period, ReportKind, ReportState
from runtime.frame.api import PAGE_MAX
from runtime.frame.permissions import Activity
from runtime.primitives.scale import MaxLen, Struct, enum_path, u16, u32, u64, u128
from runtime.primitives.types import AccountId, Hash

SIBLINGS_MAX: Final = 64


class LicenceView(Struct, path="loam::compliance::LicenceView"):
    """A licence; `is_in_force` now, and until `expires_ms`, None where it does not expire."""

    licence: LicenceId
    kind: LicenceKind
    holder: AccountId
    status: LicenceStatus
    expires_ms: u64 | None
    is_in_force: bool


class PermissionView(Struct, path="loam::compliance::PermissionView"):
    """Whether an account may do something now, or the name of the error that it would meet."""

    activity: str
    refusal: str | None


class StatusView(Struct, path="loam::compliance::StatusView"):
    """What is attested of an account, and what that lets it do.

    `tier` is what counts now, `status` that of its file, None without one. `daily_limit` is its own limit of
    e-money a day, None where its tier's counts, of which it has `sent_today`.
    """

    tier: Tier
    status: KycStatus | None
    expires_ms: u64 | None
    country: str | None
    daily_limit: u128 | None
    sent_today: u128
    frozen_since_ms: u64 | None
    roles: Roles
    licences: Annotated[tuple[LicenceView, ...], MaxLen(LICENCES_PER_HOLDER_MAX)]
    permissions: Annotated[tuple[PermissionView, ...], MaxLen(len(Activity))]


@enum_path("loam::compliance::Deadlines")
class Deadlines(IntEnum):
    """Which deadlines: when licences run out, or those that data protection law sets."""

    Licences = 0
    Privacy = 1


@enum_path("loam::compliance::DueKind")
class DueKind(IntEnum):
    """What falls due."""

    Licence = 0
    """A licence runs out."""
    Request = 1
    """A data subject is to be answered."""
    Breach = 2
    """A breach is to be notified."""
    Record = 3
    """A record has been kept long enough."""


class DueView(Struct, path="loam::compliance::DueView"):
    """A deadline: of a licence, request or breach by its number, of a record by its commitment."""

    kind: DueKind
    due_ms: u64
    number: u32 | None
    record: Commitment | None


class DueCursor(Struct, path="loam::compliance::DueCursor"):
    """Where a page of deadlines begins: a quarter of an hour since 1970, and the entry in it that was the
    last one before."""

    quarter: u64
    after: u64 | None


class DuePage(Struct, path="loam::compliance::DuePage"):
    """Deadlines, the earliest quarters of an hour first; `next` is where to go on, None where nothing
    waits."""

    rows: Annotated[tuple[DueView, ...], MaxLen(PAGE_MAX)]
    next: DueCursor | None


class ReportView(Struct, path="loam::compliance::ReportView"):
    """A report to a regulator: the root of its rows, the hash of its document, who drafted it, how often it
    was returned, and when its period ends."""

    kind: ReportKind
    period: Period
    ends_ms: u64
    state: ReportState
    root: Hash
    rows: u32
    document: Commitment
    submitter: AccountId
    returned: u16


class AuditDayView(Struct, path="loam::compliance::AuditDayView"):
    """A day of the audit log, counted from 1970 in Bangkok; `root` and `head` once it is over."""

    day: Day
    start_ms: u64
    is_sealed: bool
    leaves: u64
    root: Hash | None
    head: Hash | None


class AuditView(Struct, path="loam::compliance::AuditView"):
    """The audit log: its leaves in all, the head of the hash chain, and the day that is not over."""

    leaves: u64
    head: Hash
    today: AuditDayView | None


class ProofView(Struct, path="loam::compliance::ProofView"):
    """Whether a row stands at a place under a root of so many rows."""

    root: Hash
    rows: u64
    holds: bool


class ConsentView(Struct, path="loam::compliance::ConsentView"):
    """The last consent of an account for a purpose; `expires_ms` is None where it does not expire."""

    purpose: Purpose
    version: u16
    given_ms: u64
    expires_ms: u64 | None
    withdrawn_ms: u64 | None
    is_in_force: bool


class RequestView(Struct, path="loam::compliance::RequestView"):
    """A request of a data subject, without whose it is; `is_late` where it was or is not answered in time."""

    request: RequestId
    kind: RequestKind
    filed_ms: u64
    due_ms: u64
    state: RequestState
    is_verified: bool
    answered_ms: u64 | None
    refusal: Refusal | None
    is_late: bool


class BreachView(Struct, path="loam::compliance::BreachView"):
    """A breach of personal data; `is_late` where it was or is not notified in time."""

    breach: BreachId
    detected_ms: u64
    due_ms: u64
    state: BreachState
    risk: Risk | None
    notified_ms: u64 | None
    is_late: bool


class CaseView(Struct, path="loam::compliance::CaseView"):
    """A case, of which the chain knows nothing but this and commitments; never whom it is about."""

    case: CaseId
    state: CaseState
    opened_ms: u64


class RuleView(Struct, path="loam::compliance::RuleView"):
    """A rule against money laundering that is in force."""

    kind: RuleKind
    threshold: u128
    window_s: u32
    action: Action


class RetentionView(Struct, path="loam::compliance::RetentionView"):
    """How many days records of a category are kept, and what is done then."""

    category: Category
    days: u16
    action: RetentionAction


Siblings: TypeAlias = Annotated[tuple[Hash, ...], MaxLen(SIBLINGS_MAX)]
Consents: TypeAlias = Annotated[tuple[ConsentView, ...], MaxLen(len(Purpose))]
OpenRequests: TypeAlias = Annotated[tuple[RequestView, ...], MaxLen(len(RequestKind))]
Rules: TypeAlias = Annotated[tuple[RuleView, ...], MaxLen(len(RuleKind))]
Retentions: TypeAlias = Annotated[tuple[RetentionView, ...], MaxLen(len(Category))]
Licences: TypeAlias = Annotated[tuple[LicenceView, ...], MaxLen(LICENCES_PER_HOLDER_MAX)]
