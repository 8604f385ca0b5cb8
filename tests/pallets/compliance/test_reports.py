"""Reports go from draft to accepted with one root, and the audit log can be recomputed from the chain."""

from typing import Any

import pytest

from pallets.compliance import reports_errors as errors
from pallets.compliance import reports_events as events
from pallets.compliance.compliance_types import NEVER, LicenceKind, Tier
from pallets.compliance.office import DAY_MS, Purpose, Role, day_of, start_of_day_ms
from pallets.compliance.periods import end_of_period_ms
from pallets.compliance.privacy_types import RequestKind
from pallets.compliance.reports import Reports, chain_hash, encode_leaf
from pallets.compliance.reports_types import (
    MONTHS,
    Content,
    Report,
    ReportKind,
    ReportState,
    SealedDay,
)
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, DispatchError, PalletError
from runtime.frame.pallet import Pallet
from runtime.primitives.row_tree import EMPTY_ROOT, compute_root, hash_row, prove_row, verify_row
from runtime.primitives.shape import Blob, FixedBlob, Text, walk
from runtime.primitives.types import ZERO_HASH, Hash
from tests.support.chain import BLOCK_TIME_MS, FERDIE
from tests.support.supervision import (
    BASIC,
    LOCAL,
    OFFICER,
    PAPER,
    STRANGER,
    TRADER,
    freeze,
    now_ms,
    travel,
)

ROWS = [b"zone 1", b"zone 2", b"zone 3"]
ROOT_OF_ROWS = compute_root(ROWS)
CONTENT = Content(ROOT_OF_ROWS, len(ROWS), PAPER)
KIND = ReportKind.ErcMonth
PERIOD = 12 * 2023 + 9
"""October 2023; the tests begin in the middle of November."""
CALLS: list[tuple[Role, str, tuple[Any, ...]]] = [
    (Role.Reporting, "draft_report", (KIND, PERIOD, CONTENT)),
    (Role.Reporting, "submit_report", (KIND, PERIOD, ROOT_OF_ROWS)),
    (Role.Oversight, "accept_report", (KIND, PERIOD, ROOT_OF_ROWS)),
    (Role.Oversight, "return_report", (KIND, PERIOD)),
]


def reports(chain: LOCAL) -> Reports:
    return chain.pallets.supervision.reports


def error(chain: LOCAL, cls: type[PalletError]) -> DispatchError:
    return reports(chain).error(cls)


def draft(chain: LOCAL, kind: ReportKind = KIND, period: int = PERIOD) -> None:
    chain.ok(OFFICER, "Reports.draft_report", kind, period, CONTENT)


def submit(chain: LOCAL) -> None:
    draft(chain)
    chain.ok(OFFICER, "Reports.submit_report", KIND, PERIOD, ROOT_OF_ROWS)


# --- reports


@pytest.mark.parametrize(("role", "name", "args"), CALLS)
def test_each_call_is_for_officers_of_one_role(
    chain: LOCAL, role: Role, name: str, args: tuple[Any, ...]
) -> None:
    others = tuple(one for one in Role if one is not role)
    chain.ok(ROOT, "Compliance.register_officer", FERDIE, others)
    for who in (FERDIE, STRANGER):
        chain.noop(error(chain, errors.NotOfficer), who, f"Reports.{name}", *args)
    for origin in (ROOT, NOBODY):
        chain.noop(BadOrigin, origin, f"Reports.{name}", *args)


def test_report_is_drafted_submitted_and_accepted(chain: LOCAL) -> None:
    draft(chain)
    assert chain.events() == [events.ReportDrafted(KIND, PERIOD, ROOT_OF_ROWS)]
    assert reports(chain).report.get(KIND, PERIOD) == Report(CONTENT, OFFICER, ReportState.Draft)
    chain.ok(OFFICER, "Reports.submit_report", KIND, PERIOD, ROOT_OF_ROWS)
    assert chain.events() == [events.ReportSubmitted(KIND, PERIOD, ROOT_OF_ROWS)]
    chain.ok(OFFICER, "Reports.accept_report", KIND, PERIOD, ROOT_OF_ROWS)
    assert chain.events() == [events.ReportAccepted(KIND, PERIOD)]
    assert reports(chain).report.get(KIND, PERIOD) == Report(CONTENT, OFFICER, ReportState.Accepted)


def test_returned_report_is_drafted_anew_and_counts_its_returns(chain: LOCAL) -> None:
    for count in (1, 2):
        submit(chain)
        chain.ok(OFFICER, "Reports.return_report", KIND, PERIOD)
        assert chain.events() == [events.ReportReturned(KIND, PERIOD)]
        found = reports(chain).report.get(KIND, PERIOD)
        assert found == Report(CONTENT, OFFICER, ReportState.Returned, count)


MOVES = {
    ReportState.Draft: (True, True, False, False),
    ReportState.Submitted: (False, False, True, True),
    ReportState.Accepted: (False, False, False, False),
    ReportState.Returned: (True, False, False, False),
}


@pytest.mark.parametrize("state", MOVES)
def test_report_moves_one_way(chain: LOCAL, state: ReportState) -> None:
    reports(chain).report.put(KIND, PERIOD, Report(CONTENT, OFFICER, state))
    for is_allowed, (_, name, args) in zip(MOVES[state], CALLS, strict=True):
        mark = chain.state.mark()
        if is_allowed:
            chain.ok(OFFICER, f"Reports.{name}", *args)
            chain.state.rollback(mark)
        else:
            chain.noop(error(chain, errors.WrongState), OFFICER, f"Reports.{name}", *args)


@pytest.mark.parametrize(("_role", "name", "args"), CALLS[1:])
def test_report_must_exist(chain: LOCAL, _role: Role, name: str, args: tuple[Any, ...]) -> None:
    chain.noop(error(chain, errors.UnknownReport), OFFICER, f"Reports.{name}", *args)


def test_report_of_other_rows_is_neither_submitted_nor_accepted(chain: LOCAL) -> None:
    draft(chain)
    other = compute_root([*ROWS[:2], b"zone 4"])
    mismatch = error(chain, errors.RootMismatch)
    chain.noop(mismatch, OFFICER, "Reports.submit_report", KIND, PERIOD, other)
    chain.ok(OFFICER, "Reports.submit_report", KIND, PERIOD, ROOT_OF_ROWS)
    chain.noop(mismatch, OFFICER, "Reports.accept_report", KIND, PERIOD, other)


@pytest.mark.parametrize("kind", ReportKind)
def test_report_is_submitted_when_its_period_is_over_and_not_before(chain: LOCAL, kind: ReportKind) -> None:
    period = 2023 * 12 // MONTHS[kind] + 10 // MONTHS[kind]
    draft(chain, kind, period)
    over = end_of_period_ms(period, MONTHS[kind])
    travel(chain, over - 1)
    too_early = error(chain, errors.TooEarly)
    chain.noop(too_early, OFFICER, "Reports.submit_report", kind, period, ROOT_OF_ROWS)
    travel(chain, over)
    chain.ok(OFFICER, "Reports.submit_report", kind, period, ROOT_OF_ROWS)


@pytest.mark.parametrize("period", [0, 2023, 12 * 2020 - 1, 12 * 3000, 2**32 - 1])
def test_number_that_names_no_month_is_refused(chain: LOCAL, period: int) -> None:
    chain.noop(error(chain, errors.BadPeriod), OFFICER, "Reports.draft_report", KIND, period, CONTENT)


# --- the audit log


def supervise(chain: LOCAL) -> None:
    """Make something of each pallet stand in the log."""
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, LicenceKind.Grid, NEVER, PAPER)
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    chain.ok(BASIC, "Privacy.give_consent", Purpose.Research, 1, None)
    chain.ok(BASIC, "Balances.transfer_keep_alive", FERDIE, 1_000_000)
    draft(chain)


class Auditor:
    """Recomputes the log from the events of blocks, as anybody can."""

    def __init__(self, chain: LOCAL) -> None:
        self.table = chain.runtime.events
        self.rows: list[bytes] = []
        self.head: Hash = ZERO_HASH
        self.count = 0
        self.days: dict[int, SealedDay] = {}

    def read_block(self, chain: LOCAL) -> None:
        """Read the events of the open block."""
        for record in chain.state.events:
            if isinstance(record.event, events.AuditSealed):
                sealed = SealedDay(compute_root(self.rows), len(self.rows), self.head)
                self.days[record.event.day] = sealed
                assert record.event == events.AuditSealed(record.event.day, sealed.root, sealed.leaves)
                self.rows = []
            elif 22 <= record.pallet <= 25:
                raw = self.table.codec_of(record.pallet).encode(record.event)
                leaf = encode_leaf(chain.number, record.pallet, raw)
                self.rows.append(leaf)
                self.head = chain_hash(self.head, hash_row(leaf))
                self.count += 1


def close(chain: LOCAL, auditor: Auditor) -> None:
    """Close the open block under the eyes of an auditor, and open the next one."""
    finalize = chain.runtime.executive.system.finalize

    def read_and_finalize() -> Any:
        auditor.read_block(chain)
        return finalize()

    chain.runtime.executive.system.finalize = read_and_finalize  # type: ignore[method-assign]
    chain.close_block()
    chain.runtime.executive.system.finalize = finalize  # type: ignore[method-assign]
    chain.open_block()


def test_log_is_what_an_auditor_computes_from_the_events(chain: LOCAL) -> None:
    auditor = Auditor(chain)
    today = day_of(now_ms(chain))
    chain.ok(OFFICER, "Compliance.file_kyc", FERDIE, PAPER, b"TH")
    midnight = start_of_day_ms(today + 1)
    chain.ok(OFFICER, "Compliance.attest_kyc", FERDIE, Tier.Basic, midnight - 5_000, None)
    supervise(chain)
    freeze(chain, TRADER)
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Access, PAPER)
    close(chain, auditor)
    supervise(chain)
    chain.start_ms = midnight - (chain.number + 2) * BLOCK_TIME_MS
    for _ in range(100):
        close(chain, auditor)
    supervise(chain)
    close(chain, auditor)
    pallet = reports(chain)
    opened = pallet.audit_day.get()
    assert opened is not None
    assert (opened.day, opened.leaves) == (today + 1, len(auditor.rows))
    assert dict(pallet.audit_root.items()) == auditor.days
    assert list(auditor.days) == [today]
    assert pallet.audit_head.get() == auditor.head
    assert pallet.audit_len.get() == auditor.count == auditor.days[today].leaves + len(auditor.rows)


def test_day_is_sealed_in_the_first_block_after_it(chain: LOCAL) -> None:
    today = day_of(now_ms(chain))
    supervise(chain)
    leaves = reports(chain).audit_len.get()
    assert leaves == 4
    chain.start_ms = start_of_day_ms(today + 1) - (chain.number + 2) * BLOCK_TIME_MS
    chain.next_block()
    assert not reports(chain).audit_root.contains(today)
    chain.next_block()
    chain.close_block()
    sealed = reports(chain).audit_root.get(today)
    assert sealed is not None
    assert sealed.leaves == leaves
    chain.open_block()


def test_leaf_of_a_new_day_comes_after_the_seal_of_the_old_one(chain: LOCAL) -> None:
    today = day_of(now_ms(chain))
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    travel(chain, start_of_day_ms(today + 1))
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    assert [type(event).__name__ for event in chain.events()] == ["AuditSealed", "CaseOpened"]
    opened = reports(chain).audit_day.get()
    assert opened is not None
    assert (opened.day, opened.leaves) == (today + 1, 1)


def test_day_without_leaves_is_sealed_empty_and_missed_days_are_not(chain: LOCAL) -> None:
    today = day_of(now_ms(chain))
    chain.next_block()
    travel(chain, now_ms(chain) + 3 * DAY_MS)
    reports(chain).on_finalize(chain.number)
    assert dict(reports(chain).audit_root.items()) == {today: SealedDay(EMPTY_ROOT, 0, ZERO_HASH)}


def test_refused_call_leaves_no_leaf(chain: LOCAL) -> None:
    before = reports(chain).audit_len.get()
    case = chain.call("Monitoring.open_case", PAPER)
    chain.dispatch(
        OFFICER, chain.call("Utility.batch_all", (case, chain.call("Reports.return_report", 0, 0)))
    )
    assert reports(chain).audit_len.get() == before


@pytest.mark.parametrize("index", range(4))
def test_root_of_a_day_changes_with_any_of_its_rows_and_proves_each(chain: LOCAL, index: int) -> None:
    auditor = Auditor(chain)
    supervise(chain)
    auditor.read_block(chain)
    opened = reports(chain).audit_day.get()
    assert opened is not None
    today = opened.day
    travel(chain, start_of_day_ms(today + 1))
    reports(chain).on_finalize(chain.number)
    sealed = reports(chain).audit_root.get(today)
    assert sealed is not None
    rows = auditor.rows
    assert sealed.root == compute_root(rows)
    assert verify_row(sealed.root, len(rows), index, rows[index], prove_row(rows, index))
    changed = [*rows[:index], rows[index][:-1] + bytes([rows[index][-1] ^ 1]), *rows[index + 1 :]]
    assert compute_root(changed) != sealed.root


# --- what can stand on the chain at all


def supervising(chain: LOCAL) -> list[Pallet[Any]]:
    return [pallet for pallet in chain.runtime.pallets if 22 <= pallet.index <= 25]


def test_no_storage_and_no_event_can_hold_a_text(chain: LOCAL) -> None:
    """Bytes are accounts, keys, hashes or a country's two letters: nothing that a name would fit in."""
    assert len(supervising(chain)) == 4
    for pallet in supervising(chain):
        shapes = [bound.value_shape for bound in pallet.items.values()]
        shapes += [key for bound in pallet.items.values() for key in bound.key_shapes]
        union = pallet.event_shape()
        assert union is not None
        shapes += [shape for variant in union.variants for _, shape in variant.record.fields]
        for shape in shapes:
            for part in walk(shape):
                assert not isinstance(part, Blob | Text), f"{pallet.name} could store a text"
                assert not isinstance(part, FixedBlob) or part.length in {2, 32}
