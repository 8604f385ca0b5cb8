"""The market over WATT itself, an asset of the Assets pallet with holds: every balance is that of the small
ledger, over which the other tests run, and a frozen asset stops nothing but the work."""

import pytest

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading.market_types import Phase
from pallets.energy_trading.orders import Side
from runtime.frame.account import pot_account
from runtime.frame.dispatch import Weight
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, Chain
from tests.support.energy import (
    GRID_FUND,
    MARKET_POT,
    OPERATOR,
    TRADERS,
    TREASURY_POT,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    pass_gate,
)
from tests.support.watt_ledger import MINIMUM

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
OWNER = pot_account(b"reserve_")


def make(*, uses_assets: bool, hook_weight: Weight | None = None) -> Energy:
    return energy_chain(world=World(wheeling={ZONE: 5}, uses_assets=uses_assets), hook_weight=hook_weight)


def place(energy: Energy, slot: int, *orders: tuple[AccountId, Side, int, int]) -> None:
    for who, side, qty, limit in orders:
        energy.ok(who, "Market.submit_order", ZONE, slot, side, qty, limit, 0)


def run_market(energy: Energy) -> dict[AccountId, int]:
    """Let a market run with all that moves money, and return every balance."""
    slot = next_slot(energy, 2)
    place(
        energy, slot, (ALICE, SELL, 300, 90), (BOB, BUY, 200, 120), (CHARLIE, BUY, 200, 120), (EVE, BUY, 9, 1)
    )
    energy.ok(BOB, "Market.amend_order", 1, 150, 130)
    energy.ok(DAVE, "Market.propose_bilateral", CHARLIE, ZONE, (slot, slot + 1), SELL, 50, 100)
    energy.ok(CHARLIE, "Market.accept_bilateral", 0)
    energy.ok(DAVE, "Market.terminate_bilateral", 0)
    pass_gate(energy, slot)
    energy.next_block()
    market = energy.pallets.market
    assert market.is_cleared(ZONE, slot)
    assert market.curtail(ZONE, slot, 700)
    energy.next_block()
    market.on_settled(ZONE, slot)
    place(energy, slot + 2, (ALICE, BUY, 70, 100))
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    energy.next_block(2)
    energy.close_block()
    pots = (MARKET_POT, TREASURY_POT, GRID_FUND, energy.pallets.world.wheeling_pot(ZONE))
    return {who: energy.pallets.asset.total_balance(who) for who in (*TRADERS, *pots)}


def test_every_balance_is_that_of_the_small_ledger() -> None:
    over_assets = run_market(make(uses_assets=True))
    assert over_assets == run_market(make(uses_assets=False))
    assert over_assets[MARKET_POT] > MINIMUM


def test_frozen_asset_delays_the_work_and_stops_nothing() -> None:
    energy = make(uses_assets=True)
    slot, market = next_slot(energy, 2), energy.pallets.market
    place(energy, slot, (ALICE, SELL, 300, 90), (BOB, BUY, 300, 120))
    energy.ok(OWNER, "Assets.freeze_asset", 1)
    refused = market.error(errors.InsufficientFunds)
    energy.noop(refused, CHARLIE, "Market.submit_order", ZONE, slot, BUY, 1, 10, 0)
    pass_gate(energy, slot)
    energy.next_block(3)
    assert market.phase_of(ZONE, slot) is Phase.Clearing
    energy.ok(OWNER, "Assets.thaw_asset", 1)
    energy.next_block()
    assert market.is_cleared(ZONE, slot)
    energy.close_block()


@pytest.mark.parametrize("call", ["Assets.freeze", "Assets.block"])
def test_frozen_or_blocked_account_holds_up_nobody(call: str) -> None:
    energy = make(uses_assets=True, hook_weight=Weight(1, 0))
    slot, market, asset = next_slot(energy, 2), energy.pallets.market, energy.pallets.asset
    place(energy, slot, (BOB, BUY, 100, 120), (CHARLIE, BUY, 100, 120), (ALICE, SELL, 150, 90))
    before = asset.total_balance(BOB)
    for who in (ALICE, BOB):
        energy.ok(OWNER, call, 1, who)
    pass_gate(energy, slot)
    mark = energy.state.mark()
    while market.work_queue.get(ZONE):
        market.life.work((ZONE, slot), 128)
    assert market.is_cleared(ZONE, slot)
    assert asset.total_balance(BOB) < before
    energy.state.rollback(mark)
    market.life.work((ZONE, slot), 2)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    while market.work_queue.get(ZONE):
        market.life.work((ZONE, slot), 128)
    assert asset.total_balance(BOB) + market.unclaimed.get(BOB) == before
    energy.close_block()
