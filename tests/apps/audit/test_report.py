"""Reports are computed from blocks alone, compared with the chain's, and differ with any row."""

import json
from typing import Any

import pytest

from apps.audit.errors import Differs, Unchecked
from apps.audit.periods import Period, ReportKind, parse_period
from apps.audit.report import (
    OnChain,
    Report,
    compute_report,
    decode_rows,
    ensure_same,
    ensure_same_rows,
    read_report,
)
from node.chain.chain import Chain
from pallets.compliance.reports_types import Content
from pallets.compliance.reports_types import ReportKind as ChainKind
from runtime.primitives.hashing import blake2_256
from runtime.primitives.row_tree import compute_root
from runtime.primitives.types import ZERO_HASH, Hash
from tests.apps.audit.scene import END_MS, hash_at, ignore, make_chain, move_in_time, watched
from tests.support.chain import keypair
from tests.support.node_chain import certify, make_block, sign

pytestmark = pytest.mark.slow

YEAR = parse_period(ReportKind.PDPA, "2025")
MONTH = parse_period(ReportKind.AMLO, "2025-01")
ROWS = (
    {"row": "count", "event": "ConsentGiven", "detail": "purpose Marketing", "count": 1},
    {"row": "count", "event": "ConsentGiven", "detail": "purpose Research", "count": 1},
    {"row": "count", "event": "ConsentWithdrawn", "detail": "purpose Marketing", "count": 1},
)


def report_of(*rows: dict[str, Any], period: Period = YEAR) -> Report:
    return Report(period, ZERO_HASH, 1, 7, rows, "")


async def test_a_year_s_record_of_processing_is_computed_from_blocks() -> None:
    async with watched(await make_chain(ends=True)) as witness:
        done: list[int] = []
        report = await compute_report(witness, YEAR, done.append)
    assert report.rows == ROWS
    assert (report.first, report.last, done[-1]) == (1, 7, 8)
    assert report.summary == "3 events of 3 kinds"


async def test_a_month_s_file_has_its_cases() -> None:
    async with watched(await make_chain(ends=True)) as witness:
        report = await compute_report(witness, MONTH, ignore)
    assert [(row["row"], row["case"], row["block"]) for row in report.rows] == [
        ("CaseOpened", 0, 2),
        ("CaseReviewed", 0, 4),
        ("CaseOpened", 1, 6),
    ]


async def test_a_quarter_without_a_market_has_no_trades() -> None:
    async with watched(await make_chain(ends=True)) as witness:
        quarter = await compute_report(witness, parse_period(ReportKind.SEC, "2025-Q1"), ignore)
        month = await compute_report(witness, parse_period(ReportKind.ERC, "2025-01"), ignore)
        empty = await compute_report(witness, parse_period(ReportKind.ERC, "2025-03"), ignore)
    assert quarter.rows[0] | {"row": "total"} == {
        **dict.fromkeys(("transactions", "energy_wh", "value", "fees", "wheeling", "average_ticks"), 0),
        "row": "total",
    }
    assert month.rows == empty.rows == ()
    assert (empty.first, empty.last) == (8, 7)


async def test_a_period_that_is_not_over_cannot_be_reported() -> None:
    async with watched(await make_chain()) as witness:
        for period in (YEAR, MONTH, parse_period(ReportKind.PDPA, "2031")):
            with pytest.raises(Unchecked, match="not over"):
                await compute_report(witness, period, ignore)


async def test_a_lie_about_events_is_found_where_they_are_proven() -> None:
    chain = await make_chain(ends=True)
    donor = "0x" + hash_at(chain, 3).hex()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        return nothing if method == "state_getReadProof" else result

    async with watched(chain) as witness:
        key = "0x" + witness.chain.runtime.storage_key("System", "Events").hex()
        nothing = await witness.chain.connection.request("state_getReadProof", [key], donor)
    with pytest.raises(Differs, match="proof of a value behind block 1 is wrong"):
        async with watched(await make_chain(ends=True), lie) as witness:
            await compute_report(witness, YEAR, ignore)


async def test_a_node_that_lies_about_when_a_period_ends_is_found() -> None:
    chain = await make_chain(ends=True)
    with pytest.raises(Differs, match="block 4 is of another time than the node said"):
        async with watched(chain, move_in_time(chain, 4, END_MS)) as witness:
            await compute_report(witness, YEAR, ignore)


async def test_a_report_on_the_chain_is_compared_by_a_proof() -> None:
    chain = await make_chain(ends=True)
    right = report_of(*ROWS)
    await submit(chain, right)
    async with watched(chain) as witness:
        computed = await compute_report(witness, YEAR, ignore)
        found = await read_report(witness, YEAR)
        assert found == OnChain(right.root, 3, Hash(b"\7" * 32), "Submitted")
        assert found is not None
        ensure_same(computed, found)
        assert await read_report(witness, MONTH) is None


async def submit(chain: Chain, report: Report) -> None:
    """Let an officer draft and submit a report in the next block."""
    content = Content(report.root, len(report.rows), b"\7" * 32)
    kind, period = ChainKind.PdpaRopa, report.period.number
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("Reports.draft_report", (kind, period, content)),
        ("Reports.submit_report", (kind, period, report.root)),
    ]
    pair = keypair("//Alice")
    account = chain.api.call("AccountNonceApi_account_nonce", pair.account_id)
    nonce = int.from_bytes(account, "little")
    signed = [sign(chain.api, pair, name, args, nonce=nonce + at) for at, (name, args) in enumerate(calls)]
    made = make_block(chain, *signed, time_ms=END_MS + 1_000)
    await chain.finalize(certify(chain, made.info))


@pytest.mark.parametrize(
    "rows",
    [
        (ROWS[1], ROWS[0], ROWS[2]),
        (ROWS[0], ROWS[1]),
        (*ROWS, ROWS[2]),
        (ROWS[0], ROWS[1], {**ROWS[2], "count": 2}),
        (),
    ],
)
def test_any_other_rows_are_another_report(rows: tuple[dict[str, Any], ...]) -> None:
    right, other = report_of(*ROWS), report_of(*rows)
    assert right.root != other.root
    assert right.document != other.document
    with pytest.raises(Differs, match="the report on the chain has"):
        ensure_same(right, OnChain(other.root, len(rows), ZERO_HASH, "Submitted"))
    with pytest.raises(Differs, match=r"^(row \d differs|the document has)"):
        ensure_same_rows(right.rows, other.rows)


def test_a_root_goes_with_its_number_of_rows() -> None:
    right = report_of(*ROWS)
    with pytest.raises(Differs, match="has 4 rows, the blocks give 3"):
        ensure_same(right, OnChain(right.root, 4, ZERO_HASH, "Submitted"))


def test_the_first_row_that_differs_is_named_with_what_differs() -> None:
    wrong = (ROWS[0], {**ROWS[1], "count": 7, "detail": "x"}, {**ROWS[2], "count": 9})
    with pytest.raises(Differs) as found:
        ensure_same_rows(ROWS, wrong)
    expected = "row 1 differs: detail: x instead of purpose Research, count: 7 instead of 1"
    assert str(found.value) == expected
    with pytest.raises(Differs, match="row 0 differs: more: 1 instead of None"):
        ensure_same_rows(ROWS, ({**ROWS[0], "more": 1}, *ROWS[1:]))


def test_a_document_holds_the_rows_in_the_form_that_is_hashed() -> None:
    report = report_of(*ROWS)
    document = json.loads(report.encode())
    assert document["kind"] == "PdpaRopa"
    assert document["root"] == "0x" + report.root.hex()
    assert decode_rows(report.encode()) == list(ROWS)
    lines = report.encode().splitlines()[1:-1]
    assert compute_root([line.rstrip(b",") for line in lines]) == report.root
    assert report.document == blake2_256(report.encode())
    assert decode_rows(report_of().encode()) == []


@pytest.mark.parametrize(
    "text",
    ["", "7", "{}", '{"format":"loam-report-1","rows":[1]}', '{"format":"x","rows":[]}', "[" * 100_000],
)
def test_what_is_no_document_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Unchecked):
        decode_rows(text.encode())
