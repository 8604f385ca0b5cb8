"""What screens read of supervision; it changes nothing.

Responsible for answers that say no more than the storage does, and mostly less: a request without its
subject, a case without anything that leads to one, no flag, since a flag leads to the transfer that is
suspected, and no list of accounts. What it says of an account it says to whoever knows that account.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from pallets.compliance.compliance import Compliance
from pallets.compliance.compliance_answers import (
    AuditDayView,
    AuditView,
    BreachView,
    CaseView,
    ConsentView,
    Deadlines,
    DueCursor,
    DueKind,
    DuePage,
    DueView,
    LicenceView,
    PermissionView,
    ProofView,
    ReportView,
    RequestView,
    RetentionView,
    RuleView,
    StatusView,
)
from pallets.compliance.compliance_types import (
    NEVER,
    KycDue,
    LicenceDue,
    LicenceStatus,
    ProposalDue,
)
from pallets.compliance.due import QUARTER_MS, DueQueue
from pallets.compliance.monitoring import Monitoring
from pallets.compliance.monitoring_types import RuleKind
from pallets.compliance.office import Purpose, day_of, start_of_day_ms
from pallets.compliance.periods import end_of_period_ms
from pallets.compliance.privacy import OWED, Privacy
from pallets.compliance.privacy_types import (
    BreachDue,
    BreachState,
    Category,
    RecordDue,
    Request,
    RequestDue,
    RequestKind,
)
from pallets.compliance.reports import Reports
from pallets.compliance.reports_types import MONTHS, Report, ReportKind, SealedDay
from runtime.frame.api import PAGE_MAX, RefusedQuestion
from runtime.frame.dispatch import PalletError
from runtime.frame.permissions import Activity
from runtime.primitives.arithmetic import U32_MAX, U64_MAX
from runtime.primitives.row_tree import verify_row
from runtime.primitives.types import AccountId, Hash

QUARTERS_MAX: Final = 672
"""Most quarters of an hour that one answer looks into: a week's."""

ENTRIES_MAX: Final = 1_000
"""Most entries of a queue that one answer looks at."""

Entry: TypeAlias = KycDue | LicenceDue | ProposalDue | RequestDue | BreachDue | RecordDue
Queue: TypeAlias = DueQueue[KycDue | LicenceDue | ProposalDue] | DueQueue[RequestDue | BreachDue | RecordDue]


@dataclass(frozen=True, slots=True)
class ComplianceViews:
    """Readings of the pallets of supervision."""

    compliance: Compliance
    monitoring: Monitoring
    privacy: Privacy
    reports: Reports

    # --- accounts

    def view_status(self, who: AccountId) -> StatusView:
        """Return what is attested of an account, and what it may do now."""
        pallet = self.compliance
        found, frozen = pallet.kyc.get(who), pallet.frozen.get(who)
        sent = pallet.sent_today.get(who)
        is_today = sent is not None and sent.day == day_of(self._now_ms())
        return StatusView(
            pallet.tier_of(who),
            None if found is None else found.status,
            None if found is None else _until(found.expires_ms),
            None if found is None else found.country.decode(errors="replace"),
            None if found is None else found.daily_limit,
            sent.amount if sent is not None and is_today else 0,
            None if frozen is None else frozen.since_ms,
            pallet.officer.get(who) or (),
            self.list_licences(who),
            tuple(self._view_permission(who, activity) for activity in Activity),
        )

    def view_licence(self, number: int) -> LicenceView | None:
        """Return a licence, None when there is none of this number."""
        found = self.compliance.licence.get(number)
        if found is None:
            return None
        is_in_force = found.status is LicenceStatus.Active and found.expires_ms > self._now_ms()
        until = _until(found.expires_ms)
        return LicenceView(number, found.kind, found.holder, found.status, until, is_in_force)

    def list_licences(self, who: AccountId) -> tuple[LicenceView, ...]:
        """Return the licences of an account, at most 8."""
        found = (self.view_licence(number) for number in self.compliance.licences_of.get(who))
        return tuple(licence for licence in found if licence is not None)

    def list_consents(self, who: AccountId) -> tuple[ConsentView, ...]:
        """Return the last consent of an account for each purpose."""
        found = ((purpose, self.privacy.consent.get(who, purpose)) for purpose in Purpose)
        return tuple(
            ConsentView(
                purpose,
                consent.version,
                consent.given_ms,
                _until(consent.expires_ms),
                consent.withdrawn_ms,
                self.privacy.has_consent(who, purpose),
            )
            for purpose, consent in found
            if consent is not None
        )

    def list_open_requests(self, who: AccountId) -> tuple[RequestView, ...]:
        """Return the requests of an account that wait for an answer, at most one of each kind."""
        numbers = (self.privacy.open_dsr.get(who, kind) for kind in RequestKind)
        found = (self.view_request(number) for number in numbers if number is not None)
        return tuple(request for request in found if request is not None)

    # --- what waits

    def view_request(self, number: int) -> RequestView | None:
        """Return a request without its subject, None when there is none of this number."""
        found = self.privacy.dsr.get(number)
        return None if found is None else self._show_request(number, found)

    def list_requests(self, first: int, limit: int) -> tuple[RequestView, ...]:
        """Return at most so many requests from a number on, without their subjects."""
        found = (self.view_request(number) for number in _page(first, limit, self.privacy.next_dsr.get()))
        return tuple(request for request in found if request is not None)

    def list_breaches(self, first: int, limit: int) -> tuple[BreachView, ...]:
        """Return at most so many breaches from a number on."""
        found = (self._view_breach(number) for number in _page(first, limit, self.privacy.next_breach.get()))
        return tuple(breach for breach in found if breach is not None)

    def list_cases(self, first: int, limit: int) -> tuple[CaseView, ...]:
        """Return at most so many cases from a number on."""
        numbers = _page(first, limit, self.monitoring.next_case.get())
        found = ((number, self.monitoring.case.get(number)) for number in numbers)
        return tuple(CaseView(number, one.state, one.opened_ms) for number, one in found if one is not None)

    def list_due(self, which: Deadlines, start: DueCursor | None, limit: int) -> DuePage:
        """Return at most so many deadlines from a place on, or from the earliest, those of up to a week.

        Identities and proposals to freeze, whose deadlines would name accounts or warn them, are left out.
        """
        queue = self._queue(which)
        state, limit = queue.state.get(), min(limit, PAGE_MAX)
        place = DueCursor(state.quarter, None) if start is None else start
        end = place.quarter + QUARTERS_MAX
        if not state.waiting or end > U64_MAX:
            return DuePage((), None)
        rows: list[DueView] = []
        for looked, (quarter, number, entry) in enumerate(_walk(queue, place)):
            if len(rows) == limit or looked == ENTRIES_MAX:
                return DuePage(tuple(rows), place)
            place = DueCursor(quarter, number)
            row = self._view_due(quarter, entry)
            if row is not None:
                rows.append(row)
        return DuePage(tuple(rows), DueCursor(end, None))

    # --- rules

    def list_rules(self) -> tuple[RuleView, ...]:
        """Return the rules against money laundering that are in force."""
        found = ((kind, self.monitoring.rule.get(kind)) for kind in RuleKind)
        return tuple(
            RuleView(kind, rule.threshold, rule.window_s, rule.action)
            for kind, rule in found
            if rule is not None
        )

    def list_retention(self) -> tuple[RetentionView, ...]:
        """Return how long records are kept, by category."""
        found = ((category, self.privacy.retention.get(category)) for category in Category)
        return tuple(
            RetentionView(category, period.days, period.action)
            for category, period in found
            if period is not None
        )

    # --- reports and the audit log

    def view_report(self, kind: ReportKind, period: int) -> ReportView | None:
        """Return a report, None when there is none of this period."""
        found = self.reports.report.get(kind, period)
        return None if found is None else _show_report(kind, period, found)

    def list_reports(self, kind: ReportKind, first: int, limit: int) -> tuple[ReportView, ...]:
        """Return the reports of a kind of at most so many periods from one on."""
        found = (self.view_report(kind, period) for period in _page(first, limit, U32_MAX + 1))
        return tuple(report for report in found if report is not None)

    def view_audit(self) -> AuditView:
        """Return where the audit log stands."""
        today = self.reports.audit_day.get()
        return AuditView(
            self.reports.audit_len.get(),
            self.reports.audit_head.get(),
            None if today is None else self.view_audit_day(today.day),
        )

    def view_audit_day(self, day: int) -> AuditDayView | None:
        """Return a day of the audit log, None when the log has none of it."""
        sealed, today = self.reports.audit_root.get(day), self.reports.audit_day.get()
        start_ms = max(0, start_of_day_ms(day))
        if sealed is not None:
            return AuditDayView(day, start_ms, True, sealed.leaves, sealed.root, sealed.head)  # noqa: FBT003  # a record
        if today is not None and today.day == day:
            return AuditDayView(day, start_ms, False, today.leaves, None, None)  # noqa: FBT003  # a record
        return None

    def prove(self, day: int, row: bytes, place: int, siblings: tuple[Hash, ...]) -> ProofView:
        """Return whether a row of the audit log stands under the root of its day; RefusedQuestion while that
        is not over, or where the log has none of it."""
        sealed: SealedDay | None = self.reports.audit_root.get(day)
        if sealed is None:
            raise RefusedQuestion(f"day {day} of the audit log is not sealed")
        holds = verify_row(sealed.root, sealed.leaves, place, row, siblings)
        return ProofView(sealed.root, sealed.leaves, holds)

    def prove_report(
        self, kind: ReportKind, period: int, row: bytes, place: int, siblings: tuple[Hash, ...]
    ) -> ProofView:
        """Return whether a row stands under the root of a report; RefusedQuestion where there is none."""
        found = self.reports.report.get(kind, period)
        if found is None:
            raise RefusedQuestion(f"there is no report {kind.name} of period {period}")
        content = found.content
        holds = verify_row(content.root, content.rows, place, row, siblings)
        return ProofView(content.root, content.rows, holds)

    # --- leaves of the above

    def _now_ms(self) -> int:
        return self.compliance.config.clock.now_ms()

    def _view_permission(self, who: AccountId, activity: Activity) -> PermissionView:
        try:
            self.compliance.ensure(who, activity)
        except PalletError as refusal:
            return PermissionView(activity.name, type(refusal).__name__)
        return PermissionView(activity.name, None)

    def _show_request(self, number: int, found: Request) -> RequestView:
        answered = self._now_ms() if found.answered_ms is None else found.answered_ms
        return RequestView(
            number,
            found.kind,
            found.filed_ms,
            found.due_ms,
            found.state,
            found.is_verified,
            found.answered_ms,
            found.refusal,
            answered > found.due_ms,
        )

    def _view_breach(self, number: int) -> BreachView | None:
        found = self.privacy.breach.get(number)
        if found is None:
            return None
        told = self._now_ms() if found.notified_ms is None else found.notified_ms
        is_owed = found.state is not BreachState.Closed
        return BreachView(
            number,
            found.detected_ms,
            found.due_ms,
            found.state,
            found.risk,
            found.notified_ms,
            is_owed and told > found.due_ms,
        )

    def _queue(self, which: Deadlines) -> Queue:
        return self.compliance.queue if which is Deadlines.Licences else self.privacy.queue

    def _view_due(self, quarter: int, entry: Entry) -> DueView | None:
        """Return a deadline that still means something, None for others."""
        match entry:
            case LicenceDue(field_0=number):
                return self._view_licence_due(number)
            case RequestDue(field_0=number):
                return self._view_request_due(number)
            case BreachDue(field_0=number):
                return self._view_breach_due(number)
            case RecordDue(field_0=record):
                kept = self.privacy.retained.get(record)
                due_ms = quarter * QUARTER_MS if kept is None else kept.due_ms
                return DueView(DueKind.Record, due_ms, None, record)
            case KycDue() | ProposalDue():
                return None

    def _view_licence_due(self, number: int) -> DueView | None:
        licence = self.compliance.licence.get(number)
        stands = licence is not None and licence.status in {LicenceStatus.Active, LicenceStatus.Suspended}
        if licence is None or not stands:
            return None
        return DueView(DueKind.Licence, licence.expires_ms, number, None)

    def _view_request_due(self, number: int) -> DueView | None:
        request = self.privacy.dsr.get(number)
        if request is None or request.state not in OWED:
            return None
        return DueView(DueKind.Request, request.due_ms, number, None)

    def _view_breach_due(self, number: int) -> DueView | None:
        breach = self.privacy.breach.get(number)
        if breach is None or breach.state in {BreachState.Notified, BreachState.Closed}:
            return None
        return DueView(DueKind.Breach, breach.due_ms, number, None)


def _walk(queue: Queue, start: DueCursor) -> Iterator[tuple[int, int, Entry]]:
    """Yield quarter, number and entry of what waits from a place on, for so many quarters of an hour."""
    entries, after = queue.entries, start.after
    for quarter in range(start.quarter, start.quarter + QUARTERS_MAX):
        begin = None if after is None else entries.raw_key((quarter, after))
        for (_, number), entry in entries.entries(entries.raw_prefix(quarter), begin):
            assert entry is not None, "a key that is listed has a value"
            yield quarter, number, entry
        after = None


def _page(first: int, limit: int, end: int) -> range:
    """Return at most so many numbers from one on, below an end."""
    return range(first, min(first + min(limit, PAGE_MAX), end))


def _until(expires_ms: int) -> int | None:
    """Return a moment, None where it never comes."""
    return None if expires_ms == NEVER else expires_ms


def _show_report(kind: ReportKind, period: int, found: Report) -> ReportView:
    return ReportView(
        kind,
        period,
        end_of_period_ms(period, MONTHS[kind]),
        found.state,
        found.content.root,
        found.content.rows,
        found.content.document,
        found.submitter,
        found.returned,
    )
