"""Every call auction of the vectors through the pallet: price, fills and money are those of the rules."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.market_types import Row
from pallets.energy_trading.orders import Side
from runtime.frame.fungible import Reason
from runtime.primitives.types import AccountId
from tests.support.chain import Chain
from tests.support.energy import (
    PARAMETERS,
    WATT_EACH,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    pass_gate,
)

FILE = Path(__file__).parents[2] / "vectors" / "data" / "clearing_uniform.json"
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
KEYS = {Rationing.TIME: "fills", Rationing.PRO_RATA: "fills_pro_rata"}
Entry = dict[str, Any]


@cache
def load_cases() -> dict[str, Entry]:
    return {entry["name"]: entry for entry in json.loads(FILE.read_text())["cases"]}


def account_of(place: int) -> AccountId:
    return AccountId(b"trader" + place.to_bytes(26, "big"))


def clear_case(entry: Entry, rationing: Rationing) -> tuple[Chain[EnergyChain], int]:
    """Place a case's orders, each by an account of its own, and go on until the slot is cleared."""
    parameters = structs.replace(
        PARAMETERS, rationing=rationing, k_permille=entry["k_permille"], fee_bps=entry["fee_bps"]
    )
    world = World(wheeling={ZONE: entry["wheeling_tick"]})
    orders = entry["orders"]
    chain = energy_chain(parameters, world, more=[account_of(place) for place in range(len(orders))])
    slot = next_slot(chain, 2)
    for place, order in enumerate(orders):
        side = SIDES[order["side"]]
        chain.ok(account_of(place), "Market.submit_order", ZONE, slot, side, order["qty"], order["price"], 0)
    pass_gate(chain, slot)
    while not chain.pallets.market.is_cleared(ZONE, slot):
        chain.next_block()
    chain.close_block()
    return chain, slot


def rows_of(chain: Chain[EnergyChain], slot: int) -> list[Row]:
    rows: list[Row] = []
    while page := chain.pallets.market.trades.get((ZONE, slot, len(rows) // 128)):
        rows += page
        if len(page) < 128:
            break
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("rationing", Rationing)
@pytest.mark.parametrize("name", [name for name, entry in load_cases().items() if len(entry["orders"]) < 200])
def test_auction_of_the_vectors_through_the_pallet(name: str, rationing: Rationing) -> None:
    entry = load_cases()[name]
    chain, slot = clear_case(entry, rationing)
    check_prices(entry, chain, slot)
    rows = rows_of(chain, slot)
    ids = [order["id"] for order in entry["orders"]]
    fills = {ids[row.order]: row.qty for row in rows}
    assert fills == {key: qty for key, qty in entry["expect"][KEYS[rationing]].items() if qty}
    if rationing is Rationing.TIME:
        check_money(entry, chain, slot, rows)


@pytest.mark.slow
@pytest.mark.parametrize("rationing", Rationing)
@pytest.mark.parametrize(
    "name", [name for name, entry in load_cases().items() if 200 <= len(entry["orders"]) <= 4_096]
)
def test_large_auction_of_the_vectors_through_the_pallet(name: str, rationing: Rationing) -> None:
    test_auction_of_the_vectors_through_the_pallet(name, rationing)


def check_prices(entry: Entry, chain: Chain[EnergyChain], slot: int) -> None:
    expect, found = entry["expect"], chain.pallets.market.clearings.get((ZONE, slot))
    if expect["price"] is None:
        assert found is None
        return
    assert found is not None
    summary = (found.volume, found.welfare, found.price, found.low, found.high)
    assert summary == tuple(expect[key] for key in ("volume_wh", "welfare_tick_wh", "price", "lo", "hi"))


def check_money(entry: Entry, chain: Chain[EnergyChain], slot: int, rows: list[Row]) -> None:
    """What buyers have paid and sellers are owed is that of the vectors; the rest came back."""
    money, watt = entry["expect"].get("money"), chain.pallets.watt
    paid = {row.order: row.energy + row.fee + row.wheeling for row in rows if row.side is Side.BUY}
    for place in range(len(entry["orders"])):
        assert watt.balance_on_hold(Reason(28, 0), account_of(place)) == 0
        assert watt.free.get(account_of(place)) == WATT_EACH - paid.get(place, 0)
    if not money:
        assert not rows
        return
    ids = [order["id"] for order in entry["orders"]]
    assert {ids[order]: str(amount) for order, amount in paid.items()} == money["buyers"]
    owed = {
        position.who: position.receivable
        for position in chain.pallets.market.iterate(ZONE, slot, None, 9_999)
    }
    sellers = {ids.index(key): int(amount) for key, amount in money["sellers"].items()}
    assert all(owed[account_of(place)] == amount for place, amount in sellers.items())
    totals = [
        str(sum(getattr(row, key) for row in rows if row.side is Side.BUY))
        for key in ("energy", "fee", "wheeling")
    ]
    assert totals == [money[f"total_{key}"] for key in ("energy", "fee", "wheeling")]
