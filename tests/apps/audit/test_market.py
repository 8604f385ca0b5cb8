"""The market of a development chain, audited: rows of its trades, its settlement, and the regulators'
reports."""

from pathlib import Path
from typing import Any

import pytest

from apps.audit.errors import Differs
from apps.audit.export import Range, collect
from apps.audit.periods import ReportKind, parse_period
from apps.audit.plain import Record
from apps.audit.report import compute_report
from apps.audit.rows import Kind
from apps.audit.witness import Witness
from genesis.energy_section import DEVNET
from genesis.presets import DEV_MARKET, DEV_WHEELING_TICKS, DEV_ZONE
from node.chain.chain import Chain
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_fee, compute_value
from pallets.settlement.collateral_types import Guarantee
from tests.apps.audit.scene import END_MS, hash_at, ignore, make_caller, watched
from tests.support.node_chain import START_MS, certify, make_block, open_chain

UNIT = 10**12
SLOT_MS = DEVNET.slot_ms
SLOT = START_MS // SLOT_MS + 2
QTY, BID, OFFER = 1_000, 60_000, 22_000
AFTER = 30
"""Slots after the traded one in which it is settled and paid."""


async def make_market_chain() -> Chain:
    """Return a chain on which Alice bought of Bob in one slot, settled; the last block is of the next
    year."""
    chain = open_chain(window=0)
    call = make_caller(chain)

    async def add(time_ms: int, *transactions: bytes) -> None:
        made = make_block(chain, *transactions, time_ms=time_ms)
        await chain.finalize(certify(chain, made.info))

    await add(
        START_MS + 1_000,
        call("//Alice", "Market.register_participant"),
        call("//Bob", "Market.register_participant"),
        call("//Bob", "Collateral.deposit_collateral", Guarantee.Collateral, 1_000 * UNIT),
    )
    await add(
        START_MS + 2_000,
        call("//Bob", "Market.submit_order", DEV_ZONE, SLOT, Side.SELL, QTY, OFFER, 0),
        call("//Alice", "Market.submit_order", DEV_ZONE, SLOT, Side.BUY, QTY, BID, 0),
    )
    gate = SLOT * SLOT_MS - DEV_MARKET.gate_ms
    for second in range(1, 5):
        await add(gate + 1_000 * second)
    for slot in range(SLOT, SLOT + AFTER):
        for second in range(1, 4):
            await add(slot * SLOT_MS + 1_000 * second)
    await add(END_MS)
    return chain


async def rows(witness: Witness, kind: Kind, folder: Path) -> list[Record]:
    last = (await witness.finalized()).number
    wanted = Range(witness.chain.genesis, kind, 1, last, is_proven=True)
    async with collect(witness, wanted, folder, ignore) as spool:
        return [row for row in spool.rows() if isinstance(row, dict)]


@pytest.mark.slow
async def test_a_slot_from_orders_to_reports(tmp_path: Path) -> None:
    chain = await make_market_chain()
    async with watched(chain) as witness:
        folders = {kind: tmp_path / kind.value for kind in Kind}
        for folder in folders.values():
            folder.mkdir()
        found = {kind: await rows(witness, kind, folder) for kind, folder in folders.items()}
        quarter = await compute_report(witness, parse_period(ReportKind.SEC, "2025-Q1"), ignore)
        month = await compute_report(witness, parse_period(ReportKind.ERC, "2025-01"), ignore)
        clearing = await witness.value(await witness.finalized(), "Market", "Clearings", (DEV_ZONE, SLOT))
        root = await witness.value(await witness.finalized(), "Market", "TradesRoot", (DEV_ZONE, SLOT))
    price: int = clearing["price"]
    value, fee = compute_value(QTY, price), compute_fee(QTY, price, DEV_MARKET.fee_bps)
    wheeling = compute_value(QTY, DEV_WHEELING_TICKS)

    assert [row["fields"]["qty"] for row in found[Kind.ORDERS]] == [QTY, QTY]
    fills = [row["fields"] for row in found[Kind.TRADES] if row["name"] == "OrdersFilled"]
    assert [(one["side"], one["energy"], one["fee"]) for one in fills] == [
        ("BUY", value, fee),
        ("SELL", value, 0),
    ]
    (sealed,) = [row["fields"] for row in found[Kind.TRADES] if row["name"] == "TradesSealed"]
    assert sealed["root"] == "0x" + root.hex()
    assert {row["pallet"] for row in found[Kind.SETTLEMENTS]} >= {"Market", "Settlement", "Collateral"}
    assert {row["name"] for row in found[Kind.REGULATED]} == set()

    (zone, total, contracts) = quarter.rows
    expected = {"transactions": 1, "energy_wh": QTY, "value": value, "fees": fee, "wheeling": wheeling}
    assert zone == {"row": "zone", "zone": DEV_ZONE, **expected, "average_ticks": price}
    assert total == {"row": "total", **expected, "average_ticks": price}
    assert contracts["accepted"] == 0
    (report,) = month.rows
    assert {name: report[name] for name in expected} == expected
    assert (report["settled_slots"], report["wheeling_paid"], report["fees_paid"]) == (1, wheeling, fee)
    assert (report["loss_ppm"], report["curtailed_slots"]) == (0, 0)


@pytest.mark.slow
async def test_a_node_that_hides_a_trade_is_found() -> None:
    chain = await make_market_chain()
    other = "0x" + hash_at(chain, 1).hex()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        return hidden if method == "state_getReadProof" and params[1] == about else result

    async with watched(chain) as witness:
        key = "0x" + witness.chain.runtime.storage_key("System", "Events").hex()
        hidden = await witness.chain.connection.request("state_getReadProof", [key], other)
    chain = await make_market_chain()
    about = "0x" + hash_at(chain, 3).hex()
    with pytest.raises(Differs, match="proof of a value behind block 3 is wrong"):
        async with watched(chain, lie) as witness:
            await compute_report(witness, parse_period(ReportKind.SEC, "2025-Q1"), ignore)
