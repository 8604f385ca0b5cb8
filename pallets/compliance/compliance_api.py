"""The runtime API of supervision: what an account, an officer, a regulator or an auditor asks of it.

Responsible for names, parameters and texts as clients know them. Lists come in pages of at most `PAGE_MAX`.
Who asks is not known, so nothing here is for officers alone: see `ComplianceViews` for what is left out.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pallets.compliance.compliance_answers import (
    AuditDayView,
    AuditView,
    BreachView,
    CaseView,
    Consents,
    Deadlines,
    DueCursor,
    DuePage,
    Licences,
    LicenceView,
    OpenRequests,
    ProofView,
    ReportView,
    RequestView,
    Retentions,
    Rules,
    Siblings,
    StatusView,
)
from pallets.compliance.compliance_types import LicenceId
from pallets.compliance.compliance_views import ComplianceViews
from pallets.compliance.privacy_types import RequestId
from pallets.compliance.reports_types import Day, Period, ReportKind
from runtime.frame.api import Api, ApiMethod
from runtime.primitives.scale import MaxLen, u32, u64
from runtime.primitives.types import AccountId

COMPLIANCE_API: Final = ("ComplianceApi", 1)
"""Name and version, as the runtime's version announces them."""
ROW_BYTES_MAX: Final = 4_096
"""Longest row whose proof is checked."""

RowBytes: TypeAlias = Annotated[bytes, MaxLen(ROW_BYTES_MAX)]
_ACCOUNT: Final = ("who", AccountId)
_PAGE: Final = (("first", u32), ("limit", u32))
_PROOF: Final = (("row", RowBytes), ("place", u64), ("siblings", Siblings))


def compliance_api(views: ComplianceViews) -> Api:
    """Return `ComplianceApi`, by JSON-RPC `compliance_*`."""
    name, version = COMPLIANCE_API
    methods = (*_account_methods(views), *_waiting_methods(views), *_report_methods(views))
    return Api(name, version, methods, "Permissions, licences, deadlines and reports.", rpc="compliance")


def _account_methods(views: ComplianceViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "status",
            (_ACCOUNT,),
            StatusView,
            views.view_status,
            "What is attested of an account, and what it may do now.",
            is_live=True,
        ),
        ApiMethod(
            "licence",
            (("licence", LicenceId),),
            LicenceView | None,
            views.view_licence,
            "A licence, and whether it is in force.",
            is_live=True,
        ),
        ApiMethod("licences", (_ACCOUNT,), Licences, views.list_licences, "The licences of an account."),
        ApiMethod(
            "consents",
            (_ACCOUNT,),
            Consents,
            views.list_consents,
            "What an account consented to, and whether it still does.",
        ),
        ApiMethod(
            "open_requests",
            (_ACCOUNT,),
            OpenRequests,
            views.list_open_requests,
            "The requests of an account, as a data subject, that wait for an answer.",
        ),
    )


def _waiting_methods(views: ComplianceViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "request",
            (("request", RequestId),),
            RequestView | None,
            views.view_request,
            "A request of a data subject, without whose it is.",
            is_live=True,
        ),
        ApiMethod(
            "requests",
            _PAGE,
            tuple[RequestView, ...],
            views.list_requests,
            "Requests of data subjects from a number on, without whose they are.",
        ),
        ApiMethod(
            "breaches",
            _PAGE,
            tuple[BreachView, ...],
            views.list_breaches,
            "Breaches of personal data from a number on, with their deadlines.",
        ),
        ApiMethod(
            "cases",
            _PAGE,
            tuple[CaseView, ...],
            views.list_cases,
            "Cases from a number on: where they stand, never whom they are about.",
        ),
        ApiMethod(
            "due_dates",
            (("deadlines", Deadlines), ("start", DueCursor | None), ("limit", u32)),
            DuePage,
            views.list_due,
            "Deadlines in the order of quarters of an hour, those of up to a week in one answer.",
        ),
        ApiMethod(
            "rules", (), Rules, views.list_rules, "The rules against money laundering that are in force."
        ),
        ApiMethod(
            "retention", (), Retentions, views.list_retention, "How long records are kept, by category."
        ),
    )


def _report_methods(views: ComplianceViews) -> tuple[ApiMethod, ...]:
    report = (("kind", ReportKind), ("period", Period))
    return (
        ApiMethod(
            "report",
            report,
            ReportView | None,
            views.view_report,
            "A report to a regulator: where it stands, and the root of its rows.",
            is_live=True,
        ),
        ApiMethod(
            "reports",
            (("kind", ReportKind), ("first", Period), ("limit", u32)),
            tuple[ReportView, ...],
            views.list_reports,
            "The reports of a kind, of the periods from one on.",
        ),
        ApiMethod(
            "report_proof",
            (*report, *_PROOF),
            ProofView,
            views.prove_report,
            "Whether a row stands under the root of a report.",
        ),
        ApiMethod(
            "audit",
            (),
            AuditView,
            views.view_audit,
            "Where the audit log stands: its leaves, the head of its hash chain, and the open day.",
            is_live=True,
        ),
        ApiMethod(
            "audit_day",
            (("day", Day),),
            AuditDayView | None,
            views.view_audit_day,
            "A day of the audit log, counted from 1970 in Bangkok: its leaves and their root.",
        ),
        ApiMethod(
            "proof",
            (("day", Day), *_PROOF),
            ProofView,
            views.prove,
            "Whether a row of the audit log stands under the root of its day.",
        ),
    )
