"""Faults that a published toy market has, each as a test that ours has not: units, escrow, double sale,
crossing orders of one owner, deeds for others, chance and local clocks, expiry that nobody reads, licences
of others, a supply that nobody has, compliance left out."""

import pytest

from genesis.consortium import UNIT
from pallets.compliance.compliance_errors import LicenceMissing
from pallets.energy_trading import market_errors as errors
from pallets.energy_trading.market_types import Limits, NewOrder
from pallets.energy_trading.orders import Side
from runtime.frame.fungible import Preservation, Reason
from runtime.primitives.types import AccountId
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
from tests.support.market import LOCAL, OFFICERS, current_slot, home, join, market_chain, order

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
    assert market.store.active_orders(BOB) == ()
    assert energy.pallets.watt.balance_on_hold(Reason(28, 0), BOB) == 0
    assert energy.pallets.watt.free.get(BOB) == WATT_EACH


@pytest.mark.parametrize("name", ["amend_order", "cancel_order"])
def test_nobody_acts_for_another(energy: Energy, name: str) -> None:
    slot = next_slot(energy, 2)
    submit(energy, ALICE, slot, SELL, 100, 100)
    args = (0, 50, 100) if name == "amend_order" else (0,)
    energy.noop(energy.pallets.market.error(errors.NotOwner), BOB, f"Market.{name}", *args)


def suspend_licences(chain: LOCAL, who: AccountId) -> None:
    licences = chain.pallets.supervision.compliance.licence.items()
    for number in [number for number, one in licences if one is not None and one.holder == who]:
        chain.ok(OFFICERS[0], "Compliance.suspend_licence", number)


def test_fault_9_the_licence_of_another_is_none() -> None:
    """The toy asks whether anybody has a licence; ours asks for that of the account that trades."""
    chain = market_chain(homes=2)
    join(chain, home(0), home(1))
    suspend_licences(chain, home(1))
    slot = current_slot(chain) + 2
    refusal = chain.pallets.supervision.compliance.error(LicenceMissing)
    chain.noop(refusal, home(1), "Market.submit_order", ZONE, slot, SELL, 100, 30_000, 0)
    order(chain, home(0), slot, SELL, 100, 30_000)
    chain.close_block()


def test_fault_11_the_supply_is_the_sum_of_all_balances() -> None:
    """The toy starts with a supply that nobody has; ours has what its genesis gave out, of both tokens."""
    chain = market_chain(homes=3)
    balances, watt = chain.pallets.balances, chain.pallets.watt
    people = [who for who, _ in chain.pallets.system.account.items()]
    assert balances.total_issuance.get() == sum(map(balances.total_balance, people))
    assert watt.total_issuance() == sum(map(watt.total_balance, people))


def test_fault_12_compliance_is_asked_also_within_a_batch() -> None:
    """The toy leaves compliance out of its build; ours stands before every order, whatever carries it."""
    chain = market_chain(homes=1)
    join(chain, home(0))
    suspend_licences(chain, home(0))
    new = NewOrder(ZONE, current_slot(chain) + 2, SELL, 100, 30_000)
    refusal = chain.pallets.supervision.compliance.error(LicenceMissing)
    for trading in (
        chain.call("Market.submit_order", new.zone, new.slot, new.side, new.qty, new.limit, new.flags),
        chain.call("Market.submit_orders", (new,)),
        chain.call("Market.amend_order", 0, 50, 30_000),
        chain.call("Market.propose_bilateral", home(1), ZONE, (new.slot, new.slot), SELL, 100, 30_000),
    ):
        chain.assert_noop(home(0), trading, refusal)
        chain.assert_noop(home(0), chain.call("Utility.batch_all", (trading,)), refusal)
    chain.close_block()


@pytest.mark.parametrize("without_licence", [0, 1])
def test_fault_12_compliance_is_asked_about_both_sides_of_a_contract(without_licence: int) -> None:
    """The one that proposed makes no call when the other accepts, and may have lost its licence meanwhile."""
    chain = market_chain(homes=2)
    join(chain, home(0), home(1))
    slot = current_slot(chain) + 2
    chain.ok(home(0), "Market.propose_bilateral", home(1), ZONE, (slot, slot), SELL, 100, 30_000)
    suspend_licences(chain, home(without_licence))
    refusal = chain.pallets.supervision.compliance.error(LicenceMissing)
    chain.noop(refusal, home(1), "Market.accept_bilateral", 0)
    chain.close_block()
