"""Rows of every kind: which events they are of, what they say, and how they look as CSV and JSON."""

import csv
import io
import json
from functools import cache
from typing import Any

import pytest

from apps.audit.plain import to_fields, to_plain
from apps.audit.row_proof import encode_row
from apps.audit.rows import MORE, Kind, Row, columns_of, csv_line, csv_table, csv_text, json_line, rows_of
from apps.audit.witness import BlockEvents
from apps.chain.runtime import EventRecord
from apps.chain.values import Variant
from pallets.energy_trading.market_types import Row as Fill
from pallets.energy_trading.orders import Side
from runtime.primitives.row_tree import compute_root
from runtime.primitives.scale import codec
from runtime.primitives.types import AccountId
from tests.apps.audit.market_blocks import Recorder, header_of
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE
from tests.support.energy import ZONE, World, energy_chain, next_slot

BUY, SELL = Side.BUY, Side.SELL


@cache
def auction() -> Recorder:
    """Return the blocks of an auction of three orders and a cancelled one, with WATT that is an asset."""
    energy = energy_chain(world=World(uses_assets=True))
    recorder = Recorder(energy)
    slot = next_slot(energy, 2)
    for who, side, qty in ((ALICE, SELL, 700), (BOB, BUY, 300), (CHARLIE, BUY, 500), (DAVE, BUY, 300)):
        energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, 30_000, 0)
    energy.ok(CHARLIE, "Market.cancel_order", 2)
    while not energy.pallets.market.is_cleared(ZONE, slot):
        recorder.next_block()
    recorder.next_block()
    return recorder


def rows(kind: Kind) -> list[Row]:
    return [row for block in auction().blocks for row in rows_of(kind, block)]


def named(kind: Kind) -> list[str]:
    return [row.record["name"] for row in rows(kind)]


def test_orders_are_what_accounts_asked_for() -> None:
    assert named(Kind.ORDERS) == ["OrderPlaced"] * 4 + ["OrderCancelled"]
    first = rows(Kind.ORDERS)[0].record
    assert first["fields"]["who"] == "0x" + ALICE.hex()
    assert (first["block"], first["part"], first["extrinsic"]) == (1, 0, 1)
    assert (first["fields"]["side"], first["fields"]["qty"]) == ("SELL", 700)


def test_each_fill_of_an_auction_is_a_row_and_together_they_have_the_chain_s_root() -> None:
    fills = [row.record for row in rows(Kind.TRADES) if row.record["name"] == "OrdersFilled"]
    assert [one["fields"]["who"] for one in fills] == ["0x" + who.hex() for who in (BOB, DAVE, ALICE)]
    assert [one["part"] for one in fills] == [0, 1, 0]
    (sealed,) = [row.record for row in rows(Kind.TRADES) if row.record["name"] == "TradesSealed"]
    assert sealed["fields"]["rows"] == len(fills)
    again = [codec(Fill).encode(as_fill(one["fields"])) for one in fills]
    assert sealed["fields"]["root"] == "0x" + compute_root(again).hex()


def as_fill(fields: dict[str, Any]) -> Fill:
    who = AccountId(bytes.fromhex(fields["who"][2:]))
    numbers = (fields[name] for name in ("qty", "price", "energy", "fee", "wheeling"))
    return Fill(fields["order"], who, Side[fields["side"]], *numbers)


def test_balances_have_what_was_held_and_moved() -> None:
    assert {row.record["pallet"] for row in rows(Kind.BALANCES)} >= {"AssetHolds"}


def test_a_chain_without_a_pallet_has_no_rows_of_it() -> None:
    assert rows(Kind.REGULATED) == []
    assert named(Kind.SETTLEMENTS) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_no_two_rows_are_alike_and_all_have_the_kind_s_columns(kind: Kind) -> None:
    columns = columns_of(kind, auction().runtime.metadata)
    assert len(set(columns)) == len(columns)
    found = rows(kind)
    assert len({(row.block, row.event, row.part) for row in found}) == len(found)
    assert len({encode_row(row.record) for row in found}) == len(found)
    for row in found:
        (line,) = csv.DictReader(io.StringIO(csv_text(columns) + csv_line(columns, row)))
        assert line[MORE] == ""
        assert int(line["block"]) == row.block
        shown = {name: line[name] for name in row.record["fields"]}
        assert shown == {name: text_of(value) for name, value in row.record["fields"].items()}
        assert json.loads(json_line(row)) == row.record


def text_of(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int | str) else json.dumps(value, separators=(",", ":"))


def test_a_field_that_came_with_an_upgrade_is_kept_in_the_last_column() -> None:
    columns = columns_of(Kind.ORDERS, auction().runtime.metadata)
    event = EventRecord(3, "Market", "OrderCancelled", {"order": 7, "why": Variant("Late")})
    block = BlockEvents(header_of(9, 0), auction().runtime, (event,))
    (row,) = rows_of(Kind.ORDERS, block)
    (line,) = csv.DictReader(io.StringIO(csv_text(columns) + csv_line(columns, row)))
    assert (line["order"], line["extrinsic"], json.loads(line[MORE])) == ("7", "3", {"why": "Late"})


def test_values_are_plain_whatever_they_hold() -> None:
    value = {"a": b"\1\2", "b": Variant("X"), "c": (Variant("Y", 5), None, 10**30), "d": True}
    assert to_plain(value) == {"a": "0x0102", "b": "X", "c": [{"Y": 5}, None, 10**30], "d": True}
    assert to_fields(None) == {}
    assert to_fields(7) == {"value": 7}
    assert to_fields(Variant("Y", 5)) == {"value": {"Y": 5}}


def test_csv_quotes_what_would_break_a_line() -> None:
    assert csv_text(("a,b", 'say "no"', "x\ny")) == '"a,b","say ""no""","x\ny"\n'


def test_a_table_has_the_columns_of_all_its_records() -> None:
    table = csv_table([{"row": "zone", "zone": 1}, {"row": "total", "fees": 2}, {"row": "x", "zone": [1]}])
    assert table.splitlines() == ["row,zone,fees", "zone,1,", "total,,2", "x,[1],"]
