"""Reports to regulators, computed again from blocks, and compared with what stands on the chain.

Responsible for the document, its root and hash, and for submitting it. A row is hashed as canonical JSON,
so that the root is that of the rows in their order (`runtime/primitives/row_tree.py`); the document is the
JSON that holds them, and the chain keeps its BLAKE2b-256.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from apps.audit.errors import Differs, Unchecked
from apps.audit.finality import time_of
from apps.audit.periods import Period, ReportKind
from apps.audit.plain import Record
from apps.audit.row_proof import encode_row
from apps.audit.rows import GRID
from apps.audit.supervision import LaunderingFile, ProcessingRecord
from apps.audit.trading import Trading
from apps.audit.witness import BlockEvents, Witness
from apps.chain.client import Outcome
from apps.chain.errors import UnknownName
from apps.chain.sender import Sender
from apps.chain.values import Value
from runtime.primitives.block import Header
from runtime.primitives.hashing import blake2_256
from runtime.primitives.row_tree import compute_root
from runtime.primitives.types import Hash

FORMAT: Final = "loam-report-1"
ROWS_MAX: Final = 1_000_000
"""Rows of one report; those of zones and counts are few, flags may be many."""
Advance = Callable[[int], None]


class _Counter(Protocol):
    """What takes the events of a period."""

    def add(self, block: BlockEvents) -> None:
        """Take the events of the next block."""
        ...


class Report(NamedTuple):
    """A report as it was computed; `last` is the last block of the period, `first - 1` where it has none."""

    period: Period
    genesis: Hash
    first: int
    last: int
    rows: tuple[Record, ...]
    summary: str

    @property
    def root(self) -> Hash:
        """The root of the rows."""
        return compute_root([encode_row(row) for row in self.rows])

    def encode(self) -> bytes:
        """Return the document, a line for each row."""
        facts = {
            "format": FORMAT,
            "kind": self.period.variant,
            "period": self.period.number,
            "genesis": "0x" + self.genesis.hex(),
            "from_block": self.first,
            "to_block": self.last,
            "root": "0x" + self.root.hex(),
        }
        head = json.dumps(facts, separators=(",", ":"))[:-1]
        rows = ",\n".join(encode_row(row).decode() for row in self.rows)
        return f'{head},"rows":[\n{rows}\n]}}\n'.encode()

    @property
    def document(self) -> Hash:
        """The hash of the document."""
        return Hash(blake2_256(self.encode()))


class OnChain(NamedTuple):
    """What the chain keeps of a report."""

    root: Hash
    rows: int
    document: Hash
    state: str


async def compute_report(witness: Witness, period: Period, advance: Advance) -> Report:
    """Return the report of a period that is over; Unchecked when it is not."""
    first = await witness.first_from(period.start_ms)
    after = await witness.first_from(period.end_ms)
    if first is None or after is None:
        raise Unchecked("the period is not over on the final chain")
    trading, laundering, processing = Trading(), LaunderingFile(), ProcessingRecord()
    counters: dict[ReportKind, _Counter] = {
        ReportKind.SEC: trading,
        ReportKind.ERC: trading,
        ReportKind.AMLO: laundering,
        ReportKind.PDPA: processing,
    }
    start, last = max(first - 1, 1), None
    async for block in witness.events(start, after):
        _ensure_in_time(block.header, period, first, after)
        if first <= block.header.number < after:
            counters[period.kind].add(block)
            last = block.header
        advance(block.header.number - start + 1)
    rows, summary = await _finish(witness, period, (trading, laundering, processing), last)
    if len(rows) > ROWS_MAX:
        raise Unchecked(f"a report has {ROWS_MAX} rows at most, this one {len(rows)}")
    return Report(period, witness.chain.genesis, first, after - 1, tuple(rows), summary)


async def read_report(witness: Witness, period: Period) -> OnChain | None:
    """Return what the final state has of a report, proven; None when there is none."""
    head = await witness.finalized()
    return _on_chain(await witness.value(head, "Reports", "Report", period.variant, period.number))


def ensure_same(report: Report, found: OnChain) -> None:
    """Raise Differs unless a report on the chain has the rows that were computed."""
    if found.rows != len(report.rows):
        raise Differs(f"the report on the chain has {found.rows} rows, the blocks give {len(report.rows)}")
    if found.root != report.root:
        raise Differs(
            f"the report on the chain has the root 0x{found.root.hex()}, the blocks give"
            f" 0x{report.root.hex()}"
        )


def ensure_same_rows(rows: Sequence[Record], claimed: Sequence[Record]) -> None:
    """Raise Differs that names the first row in which a document is not what was computed."""
    for place, (right, wrong) in enumerate(zip(rows, claimed, strict=False)):
        if right != wrong:
            keys = [key for key in {**right, **wrong} if wrong.get(key) != right.get(key)]
            shown = ", ".join(f"{key}: {wrong.get(key)} instead of {right.get(key)}" for key in keys[:4])
            raise Differs(f"row {place} differs: {shown}")
    if len(rows) != len(claimed):
        raise Differs(f"the document has {len(claimed)} rows, the blocks give {len(rows)}")


def decode_rows(data: bytes) -> list[Record]:
    """Return the rows of a document; Unchecked when it is none."""
    try:
        document = json.loads(data)
        rows = document["rows"]
        is_right = document["format"] == FORMAT and all(isinstance(row, dict) for row in rows)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unchecked(f"this is no report of the format {FORMAT}") from error
    if not is_right:
        raise Unchecked(f"this is no report of the format {FORMAT}")
    return list(rows)


async def submit_report(witness: Witness, sender: Sender, report: Report) -> Outcome:
    """Draft and submit a report; return the outcome of the second. Differs where the chain has another one
    that is submitted, Unchecked where a call failed."""
    chain, period = witness.chain, report.period
    key = (period.variant, period.number)
    found = _on_chain(await chain.get("Reports", "Report", *key))
    if found is not None and found.state in {"Submitted", "Accepted"}:
        ensure_same(report, found)
        raise Unchecked(f"this report is {found.state.lower()} already, with the same root")
    content = {"root": report.root, "rows": len(report.rows), "document": report.document}
    draft = chain.call("Reports", "draft_report", kind=key[0], period=key[1], content=content)
    _ensure_done(await sender.send(draft), "draft_report")
    submit = chain.call("Reports", "submit_report", kind=key[0], period=key[1], root=report.root)
    return _ensure_done(await sender.send(submit), "submit_report")


def _ensure_done(outcome: Outcome, call: str) -> Outcome:
    if outcome.failure is not None:
        raise Unchecked(f"Reports.{call} failed: {outcome.failure}. {outcome.failure.docs}".strip())
    return outcome


def _on_chain(value: Value) -> OnChain | None:
    if value is None:
        return None
    content = value["content"]
    return OnChain(Hash(content["root"]), content["rows"], Hash(content["document"]), value["state"].name)


def _ensure_in_time(header: Header, period: Period, first: int, after: int) -> None:
    """Raise Differs unless a block lies on the right side of both ends of a period."""
    time_ms, number = time_of(header), header.number
    place = (number >= first) + (number >= after)
    right = (time_ms >= period.start_ms) + (time_ms >= period.end_ms)
    if place != right:
        raise Differs(f"block {number} is of another time than the node said")


async def _finish(
    witness: Witness,
    period: Period,
    counted: tuple[Trading, LaunderingFile, ProcessingRecord],
    last: Header | None,
) -> tuple[list[Record], str]:
    """Return the rows of a report, and one line about them."""
    trading, laundering, processing = counted
    match period.kind:
        case ReportKind.SEC:
            return trading.sec_rows(), trading.total.describe()
        case ReportKind.ERC:
            losses = await _losses(witness, last, trading.zones_seen())
            return trading.erc_rows(losses), trading.total.describe()
        case ReportKind.AMLO:
            flags = sum(row["row"] == "flag" for row in laundering.rows)
            return laundering.rows, f"{flags:,} flags, {len(laundering.rows) - flags:,} other rows"
        case ReportKind.PDPA:
            total = sum(processing.counts.values())
            return processing.rows, f"{total:,} events of {len(processing.rows):,} kinds"


async def _losses(witness: Witness, last: Header | None, zones: Sequence[int]) -> dict[int, int]:
    """Return the grid's loss factors of zones behind the last block of a period, proven."""
    found: dict[int, int] = {}
    for zone in zones if last is not None else ():
        assert last is not None, "zones were seen in blocks"
        try:
            value = await witness.value(last, GRID, "Zones", zone)
        except UnknownName:
            return {}
        found[zone] = 0 if value is None else value["loss_ppm"]
    return found
