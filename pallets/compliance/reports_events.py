"""The events of the Reports pallet; no behaviour."""

from pallets.compliance.reports_types import Day, Period, ReportKind
from runtime.frame.event import Event
from runtime.primitives.scale import u64
from runtime.primitives.types import Hash


class ReportDrafted(Event, index=0):
    """A report was drafted, or drafted anew."""

    kind: ReportKind
    period: Period
    root: Hash


class ReportSubmitted(Event, index=1):
    """A report was submitted to its regulator."""

    kind: ReportKind
    period: Period
    root: Hash


class ReportAccepted(Event, index=2):
    """A regulator computed the root of a report and accepted it."""

    kind: ReportKind
    period: Period


class ReportReturned(Event, index=3):
    """A regulator returned a report to be made anew."""

    kind: ReportKind
    period: Period


class AuditSealed(Event, index=4):
    """A day of the audit log is over: the Merkle root of its leaves and how many there are. The days are
    counted from 1 January 1970 in Bangkok."""

    day: Day
    root: Hash
    leaves: u64
