"""Faults that a published toy market has, each as a test that ours has not: units, escrow, double sale,
crossing orders of one owner, deeds for others, chance and local clocks, expiry that nobody reads."""

import pytest

from genesis.consortium import UNIT
from pallets.energy_trading import market_errors as errors
from pallets.energy_trading.market_types import Limits
from pallets.energy_trading.orders import Side
from runtime.frame.fungible import Preservation, Reason
from tests.support.chain import ALICE, BOB, CHARLIE, Chain
from tests.support.energy import (
    OFFICER,
    WATT_EACH,
    ZONE,
    EnergyChain,
    energy_chain,
    next_slot,
    pass_gate,
    pass_gate_time,
)

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL


def submit(energy: Energy, who: bytes, slot: int, side: Side, qty: int, limit: int) -> None:
    energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, limit, 0)  # type: ignore[arg-type]  # an account


def test_fault_1_ten_kwh_at_95_satang_cost_nine_baht_fifty(energy: Energy) -> None:
    """The toy's units are wrong by a hundred: it takes 950 for this."""
    slot = next_slot(energy, 2)
    submit(energy, ALICE, slot, SELL, 10_000, 9_500)
    submit(energy, BOB, slot, BUY, 10_000, 9_500)
    pass_gate(energy, slot)
    energy.next_block()
    assert WATT_EACH - energy.pallets.watt.free.get(BOB) == 9_500 * UNIT // 1_000


def test_fault_2_money_of_an_order_cannot_be_spent_twice(energy: Energy) -> None:
    """The toy takes no escrow, and one buyer that cannot pay undoes nothing of what was matched before."""
    slot, watt = next_slot(energy, 2), energy.pallets.watt
    submit(energy, ALICE, slot, SELL, 200, 10**6)
    for who in (BOB, CHARLIE):
        submit(energy, who, slot, BUY, 100, 10**6)
        watt.transfer(who, ALICE, watt.reducible_balance(who, Preservation.PRESERVE), Preservation.PRESERVE)
    pass_gate(energy, slot)
    energy.next_block()
    sold = energy.pallets.market.positions.get((ZONE, slot), ALICE)
    assert sold is not None
    assert (sold.traded_wh, sold.energy) == (200, 200 * 10**6 * 10**5)


def test_fault_3_the_same_energy_is_not_offered_twice(energy: Energy) -> None:
    """The toy lets a surplus be offered as often as one likes; ours counts offers and sales of a slot."""
    energy.ok(OFFICER, "Market.set_limits", ALICE, Limits(500, 500, 10**30))
    slot, market = next_slot(energy, 2), energy.pallets.market
    submit(energy, ALICE, slot, SELL, 500, 100)
    exceeded = market.error(errors.LimitExceededPosition)
    energy.noop(exceeded, ALICE, "Market.submit_order", ZONE, slot, SELL, 1, 100, 0)


def test_fault_4_crossing_orders_of_one_owner_block_nothing(energy: Energy) -> None:
    """The toy stops matching when the best bid and offer are one account's; ours lets nobody stand on both
    sides, and the others trade."""
    slot, market = next_slot(energy, 2), energy.pallets.market
    submit(energy, ALICE, slot, SELL, 100, 100)
    energy.noop(market.error(errors.SideLocked), ALICE, "Market.submit_order", ZONE, slot, BUY, 100, 900, 0)
    submit(energy, BOB, slot, BUY, 100, 200)
    pass_gate(energy, slot)
    energy.next_block()
    found = market.clearings.get((ZONE, slot))
    assert found is not None
    assert (found.price, found.volume) == (150, 100)


def run_a_market() -> bytes:
    """Return the state root of a chain on which a market has run."""
    energy = energy_chain()
    slot = next_slot(energy, 2)
    submit(energy, ALICE, slot, SELL, 100, 100)
    submit(energy, BOB, slot, BUY, 70, 200)
    submit(energy, CHARLIE, slot, BUY, 70, 200)
    pass_gate(energy, slot)
    energy.next_block(2)
    energy.close_block()
    return energy.root()


def test_fault_6_two_nodes_come_to_the_same_state() -> None:
    """The toy draws ids by chance, reads local clocks and reckons with floats; ours counts orders."""
    assert run_a_market() == run_a_market()


def test_fault_7_orders_end_with_their_slot(energy: Energy) -> None:
    """The toy has an expiry that nothing reads; ours gives the money of an unfilled order back."""
    slot, market = next_slot(energy, 2), energy.pallets.market
    submit(energy, BOB, slot, BUY, 100, 200)
    pass_gate_time(energy, slot)
    assert market.open_orders.get(BOB).ids == (0,)
    pass_gate(energy, slot)
    energy.next_block()
    assert market.open_orders.get(BOB).ids == ()
    assert energy.pallets.watt.balance_on_hold(Reason(28, 0), BOB) == 0
    assert energy.pallets.watt.free.get(BOB) == WATT_EACH


@pytest.mark.parametrize("name", ["amend_order", "cancel_order"])
def test_nobody_acts_for_another(energy: Energy, name: str) -> None:
    slot = next_slot(energy, 2)
    submit(energy, ALICE, slot, SELL, 100, 100)
    args = (0, 50, 100) if name == "amend_order" else (0,)
    energy.noop(energy.pallets.market.error(errors.NotOwner), BOB, f"Market.{name}", *args)
