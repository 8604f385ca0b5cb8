"""Orders of accounts that lost the right to trade are withdrawn before a gate closes; all others stand."""

import pytest
from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading import weights
from pallets.energy_trading.market_types import MarketKind, Phase
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import BadOriginValue
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, Chain
from tests.support.energy import (
    PARAMETERS,
    WATT_EACH,
    ZONE,
    EnergyChain,
    energy_chain,
    next_slot,
    pass_gate_time,
)

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
REASON = BadOriginValue()
"""What the small chain's judge of permissions raises."""


def submit(energy: Energy, who: AccountId, slot: int, side: Side, qty: int, limit: int) -> int:
    number = energy.pallets.market.next_order_id.get()
    energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, limit, 0)
    return number


def bar(energy: Energy, who: AccountId) -> None:
    energy.pallets.world.forbidden[who] = None
    energy.pallets.market.on_standing_lost(who)


def withdrawn(energy: Energy) -> list[int]:
    found = [one for one in energy.block_events() if isinstance(one, events.OrderWithdrawn)]
    assert all(one.reason == REASON for one in found)
    return [one.order for one in found]


@pytest.mark.parametrize("barred", [ALICE, BOB], ids=["seller", "buyer"])
def test_order_of_either_side_does_not_trade_once_its_account_may_not(
    energy: Energy, barred: AccountId
) -> None:
    """It is withdrawn in the block that closes the gate, if the right was lost in the one before."""
    slot, market = next_slot(energy, 2), energy.pallets.market
    numbers = {
        ALICE: submit(energy, ALICE, slot, SELL, 100, 100),
        BOB: submit(energy, BOB, slot, BUY, 100, 200),
    }
    pass_gate_time(energy, slot)
    bar(energy, barred)
    energy.next_block()
    assert withdrawn(energy) == [numbers[barred]]
    assert events.NoCross(ZONE, slot) in energy.block_events()
    assert market.phase_of(ZONE, slot) is Phase.Clearing
    energy.next_block()
    assert market.phase_of(ZONE, slot) is Phase.Cleared
    assert market.position_of(ZONE, slot, barred) is None
    assert energy.pallets.watt.free.get(BOB) == WATT_EACH


def test_account_that_may_trade_again_in_time_keeps_its_orders(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    submit(energy, ALICE, slot, SELL, 100, 100)
    submit(energy, BOB, slot, BUY, 100, 200)
    pass_gate_time(energy, slot)
    bar(energy, BOB)
    energy.pallets.world.forbidden.clear()
    energy.next_block()
    assert withdrawn(energy) == []
    assert any(isinstance(one, events.SlotCleared) for one in energy.block_events())


def test_all_open_books_are_cleaned_and_what_a_gate_closed_over_stands(energy: Energy) -> None:
    slot, market = next_slot(energy, 2), energy.pallets.market
    submit(energy, ALICE, slot, SELL, 100, 100)
    submit(energy, BOB, slot, BUY, 100, 200)
    later = [submit(energy, BOB, slot + ahead, BUY, 100, 200) for ahead in (1, 1, 2)]
    other = submit(energy, CHARLIE, slot + 1, BUY, 100, 200)
    pass_gate_time(energy, slot)
    energy.next_block()
    bar(energy, BOB)
    energy.next_block()
    assert withdrawn(energy) == later
    found = market.position_of(ZONE, slot, BOB)
    assert found is not None
    assert found.bought_wh == 100
    assert market.orders.contains(other)
    energy.noop(market.error(errors.OrderNotFound), BOB, "Market.cancel_order", later[0])


def test_who_has_no_order_is_not_asked_about(energy: Energy) -> None:
    bar(energy, CHARLIE)
    assert not energy.pallets.market.doubted_span.exists()


def test_rest_of_a_continuous_order_meets_nobody_any_more() -> None:
    energy = energy_chain(structs.replace(PARAMETERS, kind=MarketKind.Continuous))
    slot, market = next_slot(energy, 2), energy.pallets.market
    number = submit(energy, BOB, slot, BUY, 100, 200)
    submit(energy, ALICE, slot, SELL, 40, 100)
    bar(energy, BOB)
    energy.next_block()
    assert withdrawn(energy) == [number]
    assert energy.pallets.watt.free.get(BOB) == energy.pallets.watt.total_balance(BOB)
    submit(energy, ALICE, slot, SELL, 60, 100)
    assert not any(isinstance(one, events.TradeExecuted) for one in energy.block_events())
    position = market.positions.get((ZONE, slot), BOB)
    assert position is not None
    assert (position.traded_wh, position.open_wh, position.open_orders) == (40, 0, 0)
    energy.close_block()


def test_gates_wait_while_more_accounts_are_to_be_asked_about_than_a_block_takes() -> None:
    room = weights.MARKET_LOOK.plus(weights.MARKET_CANCEL_ALL)
    energy = energy_chain(hook_weight=room)
    slot = next_slot(energy, 2)
    numbers = [submit(energy, who, slot, BUY, 100, 200) for who in (BOB, CHARLIE)]
    pass_gate_time(energy, slot)
    bar(energy, BOB)
    bar(energy, CHARLIE)
    energy.next_block()
    assert withdrawn(energy) == numbers[:1]
    assert not any(isinstance(one, events.GateClosed) for one in energy.block_events())
    energy.next_block()
    assert withdrawn(energy) == numbers[1:]
    energy.next_block()
    assert energy.pallets.market.phase_of(ZONE, slot) is not Phase.Open
    energy.close_block()
