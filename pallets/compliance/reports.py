"""Reports: what regulators get, as roots that anybody can compute again, and the log that an audit stands on.

Responsible for the states of reports and for the audit log. What a report's rows say it does not know; they
are recomputed from the chain, and the root decides. A regulator accepts by naming the root that it computed.

The audit log. Each leaf is the SCALE of block number (u32), pallet index (u8) and event, of every event of
those pallets that note theirs, in the order in which they were deposited; `AuditSealed` itself is none. A
hash chain runs through all leaves since genesis, see `chain_hash`, and the leaves of a day have a Merkle
root, that of `row_tree`, so that a row is proven with a few hashes. A day is sealed in the first block after
it, before that block's own leaves; so the leaves of a day are the events between two `AuditSealed`.

Invariant (checked by `try_state`): peaks and leaves of the open day agree, sealed days lie before it, the
number of all leaves is the sum of the days'.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar, Final

from msgspec import structs

from pallets.compliance import reports_errors as errors
from pallets.compliance import reports_events as events
from pallets.compliance import weights
from pallets.compliance.office import Role, day_of
from pallets.compliance.periods import end_of_period_ms, is_period
from pallets.compliance.reports_types import (
    MONTHS,
    Content,
    Day,
    OpenDay,
    Period,
    Report,
    ReportKind,
    ReportsConfig,
    ReportState,
    SealedDay,
)
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, Weight, ensure_signed
from runtime.frame.event import Event
from runtime.frame.pallet import Binding, Pallet
from runtime.frame.storage import TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.arithmetic import U16_MAX, U64_MAX, checked_add
from runtime.primitives.hashing import blake2_256
from runtime.primitives.row_tree import append_leaf, fold_peaks, hash_row
from runtime.primitives.scale import u64
from runtime.primitives.types import ZERO_HASH, AccountId, Hash

BLOCK_NUMBER_BYTES: Final = 4


def encode_leaf(number: int, pallet: int, event: bytes) -> bytes:
    """Return a leaf of the audit log: block number, pallet index, the event's index and fields in SCALE."""
    return number.to_bytes(BLOCK_NUMBER_BYTES, "little") + bytes([pallet]) + event


def chain_hash(head: Hash, leaf: Hash) -> Hash:
    """Return the head of the hash chain after a leaf of this hash."""
    return Hash(blake2_256(head + leaf))


class Reports(Pallet[ReportsConfig]):
    """Reports to regulators, and the audit log."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)

    report: DoubleMap[ReportKind, Period, Report | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="Reports by kind and period."
    )
    audit_root: Map[Day, SealedDay | None] = storage(
        TWOX_64_CONCAT, docs="The days of the audit log that are over, by days since 1970 in Bangkok."
    )
    audit_day: Value[OpenDay | None] = storage(docs="The day of the audit log that is not over.")
    audit_head: Value[Hash] = storage(default=ZERO_HASH, docs="The head of the hash chain of all leaves.")
    audit_len: Value[u64] = storage(default=0, docs="How many leaves the audit log has.")

    def __init__(self, binding: Binding, config: ReportsConfig) -> None:
        super().__init__(binding, config)
        self.event_table = binding.events

    def on_initialize(self, number: int) -> Weight:
        """Account for the work of on_finalize, the same in every block."""
        del number
        return weights.REPORTS_SEAL

    def on_finalize(self, number: int) -> None:
        """Seal the day that is over, also where nothing is noted in the new one."""
        del number
        self._open_day()

    @call(0, weight=weights.REPORTS_DRAFT_REPORT)
    def draft_report(self, origin: Origin, kind: ReportKind, period: Period, content: Content) -> None:
        """Draft a report, or draft it anew as long as it is not submitted. Only for officers of reporting.

        A period is counted from the year 0 in its own units: the third quarter of 2026 is 4 * 2026 + 2.
        """
        who = self._ensure_officer(origin, Role.Reporting)
        if not is_period(period, MONTHS[kind]):
            raise self.error(errors.BadPeriod)
        found = self.report.get(kind, period)
        if found is not None and found.state in {ReportState.Submitted, ReportState.Accepted}:
            raise self.error(errors.WrongState)
        returned = 0 if found is None else found.returned
        self.report.put(kind, period, Report(content, who, ReportState.Draft, returned))
        self._tell(events.ReportDrafted(kind, period, content.root))

    @call(1, weight=weights.REPORTS_SUBMIT_REPORT)
    def submit_report(self, origin: Origin, kind: ReportKind, period: Period, root: Hash) -> None:
        """Submit a drafted report of a period that is over, naming the root of its rows once more. Only for
        officers of reporting."""
        self._ensure_officer(origin, Role.Reporting)
        found = self._report_in(kind, period, ReportState.Draft)
        if self.config.clock.now_ms() < end_of_period_ms(period, MONTHS[kind]):
            raise self.error(errors.TooEarly)
        if root != found.content.root:
            raise self.error(errors.RootMismatch)
        self.report.put(kind, period, structs.replace(found, state=ReportState.Submitted))
        self._tell(events.ReportSubmitted(kind, period, root))

    @call(2, weight=weights.REPORTS_ACCEPT_REPORT)
    def accept_report(self, origin: Origin, kind: ReportKind, period: Period, root: Hash) -> None:
        """Accept a submitted report whose rows have the root that you computed. Only for officers of
        oversight."""
        self._ensure_officer(origin, Role.Oversight)
        found = self._report_in(kind, period, ReportState.Submitted)
        if root != found.content.root:
            raise self.error(errors.RootMismatch)
        self.report.put(kind, period, structs.replace(found, state=ReportState.Accepted))
        self._tell(events.ReportAccepted(kind, period))

    @call(3, weight=weights.REPORTS_RETURN_REPORT)
    def return_report(self, origin: Origin, kind: ReportKind, period: Period) -> None:
        """Return a submitted report to be made anew. Only for officers of oversight."""
        self._ensure_officer(origin, Role.Oversight)
        found = self._report_in(kind, period, ReportState.Submitted)
        returned = checked_add(found.returned, 1, U16_MAX)
        changed = structs.replace(found, state=ReportState.Returned, returned=returned)
        self.report.put(kind, period, changed)
        self._tell(events.ReportReturned(kind, period))

    # --- what other pallets ask for

    def note(self, pallet: int, event: Event) -> None:
        """Write down an event that a pallet deposits next."""
        number = self.config.blocks.current_number()
        leaf = hash_row(encode_leaf(number, pallet, self.event_table.codec_of(pallet).encode(event)))
        today = self._open_day()
        peaks = append_leaf(today.peaks, today.leaves, leaf)
        self.audit_day.put(OpenDay(today.day, today.leaves + 1, peaks))
        self.audit_head.put(chain_hash(self.audit_head.get(), leaf))
        self.audit_len.put(checked_add(self.audit_len.get(), 1, U64_MAX))

    def try_state(self) -> None:
        """AssertionError unless the log's counts, peaks and days agree."""
        today = self.audit_day.get()
        leaves = 0 if today is None else today.leaves
        for day, sealed in self.audit_root.items():
            assert sealed is not None
            assert today is not None, "a day is sealed and none is open"
            assert day < today.day, f"day {day} is sealed and not over"
            leaves += sealed.leaves
        assert leaves == self.audit_len.get(), "the log has another length than its days"
        if today is not None:
            assert len(today.peaks) == today.leaves.bit_count(), "the open day has another number of peaks"

    # --- leaves of the above

    def _tell(self, event: Event) -> None:
        self.note(self.index, event)
        self.deposit(event)

    def _ensure_officer(self, origin: Origin, role: Role) -> AccountId:
        who = ensure_signed(origin)
        if not self.config.officers.is_officer(who, role):
            raise self.error(errors.NotOfficer)
        return who

    def _report_in(self, kind: ReportKind, period: Period, state: ReportState) -> Report:
        found = self.report.get(kind, period)
        if found is None:
            raise self.error(errors.UnknownReport)
        if found.state is not state:
            raise self.error(errors.WrongState)
        return found

    def _open_day(self) -> OpenDay:
        """Return the day of the log that the open block is in; a day before it is sealed."""
        day = day_of(self.config.clock.now_ms())
        today = self.audit_day.get()
        if today is not None and day <= today.day:
            return today
        if today is not None:
            root = fold_peaks(today.peaks)
            self.audit_root.put(today.day, SealedDay(root, today.leaves, self.audit_head.get()))
            self.deposit(events.AuditSealed(today.day, root, today.leaves))
        opened = OpenDay(day)
        self.audit_day.put(opened)
        return opened
