"""Bilateral contracts, and what is left of a slot when its time to be kept is over."""

from typing import Any

import pytest
from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.market_types import (
    CONTRACT_SLOTS_MAX,
    CONTRACTS_MAX,
    Bilateral,
    Limits,
    MarketParameters,
    Phase,
    SlotPosition,
)
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin
from runtime.frame.fungible import Preservation
from tests.support.chain import ALICE, BOB, CHARLIE, FERDIE, Chain
from tests.support.energy import (
    ARCHIVE_MS,
    MARKET_POT,
    OFFICER,
    OPERATOR,
    PARAMETERS,
    SLOT_MS,
    TREASURY_POT,
    WATT_EACH,
    ZONE,
    EnergyChain,
    Refused,
    World,
    energy_chain,
    next_slot,
    now_ms,
    pass_gate,
    pass_gate_time,
)
from tests.support.watt_ledger import MINIMUM

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
VALUE = 10**5
RULES = structs.replace(PARAMETERS, fee_bps=100)
PER_SLOT = 1_000 * 45_000 * VALUE + 1_000 * 45_000 * 100 * 10 + 1_000 * 5_000 * VALUE
"""What 1,000 Wh at 4.50 THB cost with 1 % of fee and 0.50 THB of wheeling."""


def make(parameters: MarketParameters = RULES) -> Energy:
    return energy_chain(parameters, World(wheeling={ZONE: 5_000}))


def refused(energy: Energy, error: Any, who: Any, name: str, *args: Any) -> None:
    energy.noop(energy.pallets.market.error(error), who, f"Market.{name}", *args)


def propose(
    energy: Energy, slots: tuple[int, int], side: Side = SELL, who: bytes = ALICE, partner: bytes = BOB
) -> int:
    number = energy.pallets.market.next_contract_id.get()
    energy.ok(who, "Market.propose_bilateral", partner, ZONE, slots, side, 1_000, 45_000)  # type: ignore[arg-type]  # an account
    return number


def test_accepted_contract_trades_in_every_slot_and_is_paid_at_once() -> None:
    energy = make()
    slot, market, watt = next_slot(energy, 1), energy.pallets.market, energy.pallets.watt
    number = propose(energy, (slot, slot + 2))
    assert energy.events() == [events.BilateralProposed(number, ALICE, BOB)]
    assert market.bilaterals.get(number) == Bilateral(
        ALICE, BOB, ZONE, slot, slot + 2, 1_000, 45_000, ALICE, False
    )
    energy.ok(BOB, "Market.accept_bilateral", number)
    assert energy.events() == [events.BilateralAccepted(number, 3 * PER_SLOT)]
    assert watt.free.get(BOB) == WATT_EACH - 3 * PER_SLOT
    pass_gate(energy, slot)
    energy.next_block()
    assert market.is_cleared(ZONE, slot)
    sold = SlotPosition(ALICE, 0, 1_000, 1_000 * 45_000 * VALUE)
    assert sold in market.iterate(ZONE, slot, None, 9)
    market.on_settled(ZONE, slot)
    assert watt.free.get(TREASURY_POT) == MINIMUM + 1_000 * 45_000 * 100 * 10
    energy.close_block()


def test_buyer_may_propose_as_well() -> None:
    energy = make()
    slot = next_slot(energy, 2)
    number = propose(energy, (slot, slot), BUY, BOB, ALICE)
    refused(energy, errors.PartnerMismatch, BOB, "accept_bilateral", number)
    refused(energy, errors.PartnerMismatch, CHARLIE, "accept_bilateral", number)
    energy.ok(ALICE, "Market.accept_bilateral", number)
    assert energy.pallets.watt.free.get(BOB) == WATT_EACH - PER_SLOT
    refused(energy, errors.NothingToDo, ALICE, "accept_bilateral", number)
    refused(energy, errors.UnknownContract, ALICE, "accept_bilateral", number + 1)
    energy.close_block()


def test_contract_and_auction_share_a_slot() -> None:
    energy = make()
    slot, market = next_slot(energy, 2), energy.pallets.market
    energy.ok(BOB, "Market.accept_bilateral", propose(energy, (slot, slot)))
    energy.ok(ALICE, "Market.submit_order", ZONE, slot, SELL, 500, 20_000, 0)
    energy.ok(BOB, "Market.submit_order", ZONE, slot, BUY, 500, 60_000, 0)
    refused(energy, errors.SideLocked, BOB, "submit_order", ZONE, slot, SELL, 1, 1, 0)
    pass_gate(energy, slot)
    energy.next_block()
    assert {one.who: (one.bought_wh, one.sold_wh) for one in market.iterate(ZONE, slot, None, 9)} == {
        ALICE: (0, 1_500),
        BOB: (1_500, 0),
    }
    energy.close_block()


@pytest.mark.parametrize("who", [ALICE, BOB])
def test_either_side_ends_it_for_the_slots_that_are_open(who: bytes) -> None:
    energy = make()
    slot, market, watt = next_slot(energy, 1), energy.pallets.market, energy.pallets.watt
    number = propose(energy, (slot, slot + 2))
    energy.ok(BOB, "Market.accept_bilateral", number)
    pass_gate_time(energy, slot)
    refused(energy, errors.PartnerMismatch, CHARLIE, "terminate_bilateral", number)
    energy.ok(who, "Market.terminate_bilateral", number)  # type: ignore[arg-type]  # an account
    assert energy.events() == [events.BilateralTerminated(number, 2 * PER_SLOT)]
    assert watt.free.get(BOB) == WATT_EACH - PER_SLOT
    assert watt.free.get(MARKET_POT) == MINIMUM + PER_SLOT
    assert [market.count(ZONE, slot + ahead) for ahead in range(3)] == [2, 0, 0]
    assert not market.contracts.get(ALICE)
    refused(energy, errors.UnknownContract, ALICE, "terminate_bilateral", number)
    energy.close_block()


def test_proposal_is_withdrawn_or_rejected_without_money() -> None:
    energy = make()
    slot = next_slot(energy, 2)
    for who in (ALICE, BOB):
        number = propose(energy, (slot, slot))
        energy.ok(who, "Market.terminate_bilateral", number)
        assert energy.events() == [events.BilateralTerminated(number, 0)]
    assert not list(energy.pallets.market.bilaterals.items())
    energy.close_block()


def test_halt_leaves_contracts_and_its_work_comes_first() -> None:
    energy = make()
    slot, market = next_slot(energy, 3), energy.pallets.market
    number = propose(energy, (slot, slot))
    energy.ok(BOB, "Market.accept_bilateral", number)
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    refused(energy, errors.NotActive, ALICE, "terminate_bilateral", number)
    refused(energy, errors.MarketHalted, ALICE, "propose_bilateral", BOB, ZONE, (slot, slot), SELL, 1, 1)
    energy.next_block()
    assert market.count(ZONE, slot) == 2
    energy.ok(ALICE, "Market.terminate_bilateral", number)
    assert energy.pallets.watt.free.get(BOB) == WATT_EACH
    energy.close_block()


def test_contract_meets_what_an_order_meets() -> None:
    energy = make()
    slot, world = next_slot(energy, 2), energy.pallets.world

    def propose_refused(error: Any, *args: Any, who: Any = ALICE) -> None:
        refused(energy, error, who, "propose_bilateral", *args)

    wide = (slot, slot + 1)
    propose_refused(errors.NotParticipant, BOB, ZONE, wide, SELL, 1, 1, who=FERDIE)
    propose_refused(errors.NotParticipant, FERDIE, ZONE, wide, SELL, 1, 1)
    propose_refused(errors.UnknownMarket, BOB, 9, wide, SELL, 1, 1)
    propose_refused(errors.BadContract, ALICE, ZONE, wide, SELL, 1, 1)
    propose_refused(errors.BadContract, BOB, ZONE, (slot + 1, slot), SELL, 1, 1)
    propose_refused(errors.BadContract, BOB, ZONE, (slot, slot + CONTRACT_SLOTS_MAX), SELL, 1, 1)
    propose_refused(errors.QtyOutOfRange, BOB, ZONE, wide, SELL, 0, 1)
    propose_refused(errors.PriceOutOfBand, BOB, ZONE, wide, SELL, 1, 10**6 + 1)
    propose_refused(errors.TooFarAhead, BOB, ZONE, (slot, slot + 5), SELL, 1, 1)
    propose_refused(errors.SlotNotOpen, BOB, ZONE, (slot - 2, slot), SELL, 1, 1)
    operator = world.operators.pop(ZONE)
    propose_refused(errors.UnknownMarket, BOB, ZONE, wide, SELL, 1, 1)
    world.operators[ZONE] = operator
    world.forbidden[ALICE] = None
    energy.noop(Refused, ALICE, "Market.propose_bilateral", BOB, ZONE, wide, SELL, 1, 1)
    energy.close_block()


def test_acceptance_meets_limits_money_and_collateral_of_both() -> None:
    energy = make()
    slot, world, watt = next_slot(energy, 2), energy.pallets.world, energy.pallets.watt
    number = propose(energy, (slot, slot + 1))

    def accept_refused(error: Any) -> None:
        refused(energy, error, BOB, "accept_bilateral", number)

    world.uncovered[ALICE] = 999
    accept_refused(errors.InsufficientCollateral)
    world.uncovered.clear()
    for who in (ALICE, BOB):
        wide = energy.pallets.market.participants.get(who).limits  # type: ignore[union-attr]  # it is one
        energy.ok(OFFICER, "Market.set_limits", who, Limits(10**9, 999, 10**30))
        accept_refused(errors.LimitExceededPosition)
        energy.ok(OFFICER, "Market.set_limits", who, Limits(10**9, 10**9, 2_000 * 45_000 * VALUE - 1))
        accept_refused(errors.LimitExceededDaily)
        energy.ok(OFFICER, "Market.set_limits", who, Limits(999, 10**9, 10**30))
        accept_refused(errors.QtyOutOfRange)
        energy.ok(OFFICER, "Market.set_limits", who, wide)
        world.forbidden[who] = None
        energy.noop(Refused, BOB, "Market.accept_bilateral", number)
        world.forbidden.clear()
    energy.ok(ALICE, "Market.submit_order", ZONE, slot + 1, BUY, 1, 9_000, 0)
    accept_refused(errors.SideLocked)
    energy.ok(ALICE, "Market.cancel_order", 0)
    kept = 2 * PER_SLOT + MINIMUM - 1
    watt.transfer(BOB, CHARLIE, WATT_EACH - kept, Preservation.PRESERVE)
    accept_refused(errors.InsufficientFunds)
    watt.transfer(CHARLIE, BOB, 1, Preservation.PRESERVE)
    energy.ok(BOB, "Market.accept_bilateral", number)
    energy.close_block()


def test_proposal_expires_at_the_gate_of_its_first_slot() -> None:
    energy = make()
    slot = next_slot(energy, 1)
    number = propose(energy, (slot, slot + 1))
    pass_gate_time(energy, slot)
    refused(energy, errors.GateClosed, BOB, "accept_bilateral", number)
    energy.close_block()


def test_account_proposes_so_many_contracts_and_no_more() -> None:
    energy = make()
    slot = next_slot(energy, 2)
    numbers = [propose(energy, (slot, slot)) for _ in range(CONTRACTS_MAX)]
    refused(energy, errors.TooManyContracts, ALICE, "propose_bilateral", BOB, ZONE, (slot, slot), SELL, 1, 1)
    propose(energy, (slot, slot), BUY, BOB, ALICE)
    energy.ok(BOB, "Market.terminate_bilateral", numbers[3])
    propose(energy, (slot, slot))
    energy.close_block()


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_contracts_are_for_signers(origin: Origin) -> None:
    energy = make()
    energy.noop(BadOrigin, origin, "Market.propose_bilateral", BOB, ZONE, (1, 1), SELL, 1, 1)
    energy.noop(BadOrigin, origin, "Market.accept_bilateral", 0)
    energy.noop(BadOrigin, origin, "Market.terminate_bilateral", 0)


# --- archive


def clear_one(energy: Energy) -> int:
    slot = next_slot(energy, 1)
    energy.ok(ALICE, "Market.submit_order", ZONE, slot, SELL, 500, 20_000, 0)
    energy.ok(BOB, "Market.submit_order", ZONE, slot, BUY, 500, 60_000, 0)
    pass_gate(energy, slot)
    energy.next_block()
    return slot


def wait_until_old(energy: Energy, slot: int) -> None:
    while now_ms(energy) < (slot + 1) * SLOT_MS + ARCHIVE_MS:
        energy.next_block()
    energy.next_block(8)


def test_settled_slot_is_archived_to_its_result_and_root() -> None:
    energy = make()
    market, slot = energy.pallets.market, clear_one(energy)
    root, clearing = market.trades_root.get((ZONE, slot)), market.clearings.get((ZONE, slot))
    market.on_settled(ZONE, slot)
    market.take_receivable(ZONE, slot, ALICE)
    assert clearing is not None
    wait_until_old(energy, slot)
    assert market.phase_of(ZONE, slot) is Phase.Archived
    assert market.is_cleared(ZONE, slot)
    assert not list(market.positions.items())
    assert not list(market.trades.items())
    assert not list(market.books.items())
    assert market.trades_root.get((ZONE, slot)) == root
    assert market.clearings.get((ZONE, slot)) == clearing
    assert slot in energy.pallets.world.forgotten
    energy.close_block()


def test_what_is_not_settled_or_still_owed_is_kept() -> None:
    energy = make()
    market, slot = energy.pallets.market, clear_one(energy)
    wait_until_old(energy, slot)
    assert market.phase_of(ZONE, slot) is not Phase.Archived
    market.on_settled(ZONE, slot)
    energy.next_block(2)
    assert market.phase_of(ZONE, slot) is Phase.Settled
    assert market.take_receivable(ZONE, slot, ALICE) > 0
    energy.next_block(2)
    assert market.phase_of(ZONE, slot) is Phase.Archived
    energy.close_block()


def test_positions_are_removed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pallets.energy_trading.block_work.ARCHIVE_ENTRIES", 1)
    energy = make()
    market, slot = energy.pallets.market, clear_one(energy)
    market.on_settled(ZONE, slot)
    market.take_receivable(ZONE, slot, ALICE)
    counts = []
    while market.books.contains((ZONE, slot)):
        counts.append(market.count(ZONE, slot))
        energy.next_block()
    assert sorted(dict.fromkeys(counts)) == [1, 2]
    energy.close_block()


def test_slot_without_trades_is_archived_without_a_settlement() -> None:
    energy = make()
    slot = next_slot(energy, 1)
    energy.ok(ALICE, "Market.submit_order", ZONE, slot, SELL, 500, 20_000, 0)
    pass_gate(energy, slot)
    wait_until_old(energy, slot)
    assert energy.pallets.market.phase_of(ZONE, slot) is Phase.Archived
    energy.close_block()
