"""The energy market against those who abuse it: debts, curtailments and freezes, by calls of the runtime."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from genesis.consortium import UNIT, WATT_ID
from genesis.energy_section import TEST
from genesis.pots import MARKET_POT, TREASURY, WATT_POTS
from genesis.proxy_types import ProxyType
from pallets.certificates.types import Period
from pallets.compliance import compliance_errors
from pallets.compliance.office import Purpose
from pallets.energy_trading.market_types import MarketKind, NewOrder, Phase
from pallets.energy_trading.orders import Side
from pallets.settlement import collateral_errors
from pallets.settlement.collateral_types import Debt, Guarantee
from pallets.settlement.settlement_types import Tariff, TariffKind
from runtime.frame.call import Call
from runtime.frame.dispatch import ROOT, Origin, Signed, TokenFailure, TokenReason
from runtime.frame.fungible import Preservation
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB
from tests.support.market import (
    COLLATERAL,
    FUNDS,
    LOCAL,
    MARKET,
    OPERATOR,
    ZONE,
    Device,
    current_slot,
    energy,
    home,
    join,
    market_chain,
    order,
    pass_slots,
    read,
)
from tests.support.supervision import freeze

BUYER, SELLER, OTHER = home(0), home(1), home(2)
PLAIN = Tariff(TariffKind.Flat, 22_000, 57_982, 0, 0, 0, True)
TIMING = structs.replace(TEST, deadline_slots=1, epoch_slots=4, epoch_offset_slots=0)


@pytest.fixture
def chain() -> Iterator[LOCAL]:
    made = market_chain(3, TIMING)
    join(made, BUYER, SELLER)
    made.ok(ROOT, "Settlement.set_tariff", ZONE, PLAIN)
    pass_slots(made)
    yield made
    made.close_block()


def watt_of(chain: LOCAL, who: AccountId) -> int:
    return chain.pallets.watt.total_balance(who)


def sell(chain: LOCAL, wh: int) -> int:
    """Let the seller sell so much to the buyer in the slot after next; return the slot, which has begun."""
    slot = current_slot(chain) + 2
    order(chain, SELLER, slot, Side.SELL, wh, 20_000)
    order(chain, BUYER, slot, Side.BUY, wh, 30_000)
    pass_slots(chain, 2)
    return slot


def settle(chain: LOCAL, slot: int) -> None:
    """Let blocks pass until a slot is settled."""
    while not energy(chain).settlement.is_settled(ZONE, slot):
        chain.next_block()


def net(chain: LOCAL) -> int:
    """Let blocks pass until the epoch that is open is netted; return it."""
    settlement = energy(chain).settlement
    epoch = settlement.ledger.current_epoch()
    while not settlement.batches.contains(epoch):
        chain.next_block()
    return epoch


# --- debts


def test_seller_of_nothing_that_sends_its_money_away_pays_from_its_guarantees(chain: LOCAL) -> None:
    """It moves them from one kind to the other, and they stay all the same."""
    slot = sell(chain, 50_000)
    settle(chain, slot)
    settlement, collateral = energy(chain).settlement, energy(chain).collateral
    owed = settlement.owed_by(SELLER)
    assert owed > 0
    refused = collateral.error(collateral_errors.RequirementNotMet)
    chain.noop(refused, SELLER, "Collateral.withdraw_collateral", Guarantee.Collateral, COLLATERAL)
    chain.ok(SELLER, "Collateral.withdraw_collateral", Guarantee.Collateral, COLLATERAL - owed)
    chain.ok(SELLER, "Collateral.deposit_collateral", Guarantee.Deposit, owed)
    chain.ok(SELLER, "Collateral.withdraw_collateral", Guarantee.Collateral, owed)
    chain.noop(refused, SELLER, "Collateral.withdraw_collateral", Guarantee.Deposit, 1)
    before = watt_of(chain, SELLER)
    chain.ok(SELLER, "Assets.transfer_all", WATT_ID, OTHER, False)
    net(chain)
    assert collateral.owed.get(SELLER) == 0
    assert watt_of(chain, SELLER) == chain.pallets.watt.minimum_balance()
    assert watt_of(chain, OTHER) - FUNDS == before - owed - chain.pallets.watt.minimum_balance()


def test_debt_hidden_in_an_order_is_paid_once_that_is_cancelled_and_receivers_are_made_whole(
    chain: LOCAL,
) -> None:
    collateral, watt = energy(chain).collateral, chain.pallets.watt
    chain.ok(OTHER, "Market.register_participant")
    chain.ok(OTHER, "Privacy.give_consent", Purpose.MeterPublication, 1, None)
    chain.ok(OTHER, "Assets.transfer", WATT_ID, BUYER, FUNDS - 5_000 * UNIT)
    device, issued, operator = Device(1, OTHER), watt.total_issuance(), watt_of(chain, OPERATOR)
    first = current_slot(chain)
    device.register(chain, first)
    pass_slots(chain)
    read(chain, [device], [(90_000, 0)])
    chain.ok(OPERATOR, "Meters.retire_meter", device.id)
    settle(chain, first)
    owed = energy(chain).settlement.owed_by(OTHER)
    order(chain, OTHER, first + 20, Side.BUY, 1_000_000, 49_999)
    free = watt.reducible_balance(OTHER, Preservation.PRESERVE)
    assert free < owed < 5_000 * UNIT
    epoch = net(chain)
    assert collateral.arrears.get(OTHER, epoch) == Debt(owed - free, 0)
    assert watt_of(chain, OPERATOR) == operator + free
    suspended = collateral.error(collateral_errors.Suspended)
    chain.noop(suspended, OTHER, "Market.submit_order", ZONE, first + 20, Side.BUY, 1, 100, 0)
    chain.noop(collateral.error(collateral_errors.NothingToDo), BOB, "Collateral.liquidate", OTHER, epoch)
    chain.ok(OTHER, "Market.cancel_order", 0)
    chain.ok(BOB, "Collateral.liquidate", OTHER, epoch)
    chain.ok(BOB, "Collateral.claim_recovery", OPERATOR, epoch)
    assert watt_of(chain, OPERATOR) == operator + owed
    assert collateral.owed.get(OTHER) == 0
    assert watt.total_issuance() == issued


def test_payment_of_an_account_that_is_gone_waits_and_stops_nobody_elses(chain: LOCAL) -> None:
    """Less than the minimum balance cannot be paid to it, and is its own once it has an account again."""
    settlement, device = energy(chain).settlement, Device(1, OTHER)
    chain.ok(OTHER, "Privacy.give_consent", Purpose.MeterPublication, 1, None)
    device.register(chain, current_slot(chain))
    chain.ok(OTHER, "Assets.transfer_all", WATT_ID, BUYER, False)
    assert watt_of(chain, OTHER) == 0
    pass_slots(chain)
    read(chain, [device], [(0, 1)])
    chain.ok(OPERATOR, "Meters.retire_meter", device.id)
    settle(chain, device.slot)
    net(chain)
    earned = 1 * 22_000 * 10**5
    assert settlement.unclaimed.get(OTHER) == earned
    below = TokenFailure(TokenReason.BelowMinimum)
    chain.noop(below, BOB, "Settlement.claim", OTHER)
    chain.ok(BUYER, "Assets.transfer", WATT_ID, OTHER, UNIT)
    chain.ok(BOB, "Settlement.claim", OTHER)
    assert watt_of(chain, OTHER) == UNIT + earned


@pytest.mark.parametrize("pot", list(WATT_POTS), ids=list(WATT_POTS))
def test_gift_to_a_pot_disturbs_nothing(chain: LOCAL, pot: str) -> None:
    """Anybody can send e-money to a pot; the state stays consistent and the slot is settled and paid."""
    chain.ok(BUYER, "Assets.transfer", WATT_ID, WATT_POTS[pot], 7)
    slot = sell(chain, 1_000)
    settle(chain, slot)
    owed, before = energy(chain).settlement.owed_by(SELLER), watt_of(chain, SELLER)
    net(chain)
    assert watt_of(chain, SELLER) == before - owed


# --- curtailed slots


def test_slot_that_was_curtailed_where_prices_differ_is_settled_to_the_last_unit() -> None:
    """What a rounding leaves goes to the treasury, and the pot owes nobody anything."""
    chain, late = market_chain(4, TIMING, structs.replace(MARKET, kind=MarketKind.Continuous)), home(3)
    join(chain, BUYER, SELLER, OTHER, late)
    market, slot = energy(chain).market, current_slot(chain) + 2
    order(chain, BUYER, slot, Side.BUY, 1, 45_000)
    order(chain, OTHER, slot, Side.SELL, 1, 20_000)
    order(chain, SELLER, slot, Side.SELL, 1, 45_000)
    order(chain, SELLER, slot, Side.SELL, 10, 60_000)
    order(chain, late, slot, Side.BUY, 10, 100_000)
    chain.ok(OPERATOR, "Grid.curtail", ZONE, slot, 333)
    treasury = watt_of(chain, TREASURY)
    pass_slots(chain, 2)
    while market.phase_of(ZONE, slot) is not Phase.Delivering:
        chain.next_block()
    book = market.books.get((ZONE, slot))
    assert book is not None
    assert (market.curtailing.get((ZONE, slot)), book.energy > 0) == (None, True)
    settle(chain, slot)
    assert watt_of(chain, TREASURY) == treasury + book.fees + book.energy
    assert watt_of(chain, MARKET_POT) == chain.pallets.watt.minimum_balance()
    chain.close_block()


# --- freezes


def wrapped(chain: LOCAL, who: AccountId, call: Call) -> list[tuple[Origin | AccountId, Call]]:
    """Return the ways by which an account, its proxy and Root make a call for it."""
    proxied = chain.call("Proxy.proxy", who, None, call)
    return [
        (who, chain.call("Utility.batch", (call,))),
        (who, chain.call("Utility.batch_all", (call,))),
        (who, chain.call("Utility.force_batch", (call,))),
        (BOB, proxied),
        (BOB, chain.call("Utility.batch", (proxied,))),
        (ALICE, chain.call("Sudo.sudo_as", who, call)),
        (ROOT, chain.call("Utility.dispatch_as", Signed(who), call)),
    ]


def test_no_wrapping_lets_a_frozen_account_trade_pay_or_give_away(chain: LOCAL) -> None:
    slot = current_slot(chain) + 3
    chain.ok(BUYER, "Proxy.add_proxy", BOB, ProxyType.Any, 0)
    chain.ok(SELLER, "Market.propose_bilateral", BUYER, ZONE, (slot, slot), Side.SELL, 9, 30_000)
    freeze(chain, BUYER)
    refusal = chain.pallets.supervision.compliance.error(compliance_errors.AccountFrozen)
    for call in (
        chain.call("Market.submit_order", ZONE, slot, Side.BUY, 100, 30_000, 0),
        chain.call("Market.submit_orders", (NewOrder(ZONE, slot, Side.BUY, 100, 30_000),)),
        chain.call("Market.accept_bilateral", 0),
        chain.call("Collateral.contribute_default_fund", UNIT),
        chain.call("Collateral.pay_arrears", OTHER, 0, UNIT),
        chain.call("Certificates.redeem", 0, 1, bytes(32), b"", Period(0, 1)),
        chain.call("Certificates.transfer", OTHER, 0, 1),
        chain.call("Assets.transfer", WATT_ID, OTHER, UNIT),
    ):
        chain.assert_noop(BUYER, call, refusal)
        for who, way in wrapped(chain, BUYER, call):
            before = chain.state.pending()
            chain.dispatch(who, way)
            assert chain.state.pending() == before, f"{way} did something"


def test_partner_makes_no_contract_with_a_frozen_account(chain: LOCAL) -> None:
    slot = current_slot(chain) + 3
    chain.ok(BUYER, "Market.propose_bilateral", SELLER, ZONE, (slot, slot), Side.BUY, 9, 30_000)
    freeze(chain, BUYER)
    refusal = chain.pallets.supervision.compliance.error(compliance_errors.AccountFrozen)
    chain.noop(refusal, SELLER, "Market.accept_bilateral", 0)


def test_frozen_account_takes_back_what_is_its_own_and_gets_no_further(chain: LOCAL) -> None:
    slot = current_slot(chain) + 2
    order(chain, BUYER, slot, Side.BUY, 100, 30_000)
    freeze(chain, BUYER)
    refusal = chain.pallets.supervision.compliance.error(compliance_errors.AccountFrozen)
    chain.noop(refusal, BUYER, "Market.amend_order", 0, 200, 30_000)
    chain.ok(BUYER, "Market.cancel_order", 0)
    chain.ok(BUYER, "Collateral.withdraw_collateral", Guarantee.Collateral, COLLATERAL)
    assert chain.pallets.watt.reducible_balance(BUYER, Preservation.EXPENDABLE) == FUNDS
    chain.noop(refusal, BUYER, "Assets.transfer_all", WATT_ID, OTHER, False)


def test_debt_of_a_frozen_account_is_collected_and_what_it_earns_is_paid(chain: LOCAL) -> None:
    slot = sell(chain, 50_000)
    freeze(chain, SELLER)
    settle(chain, slot)
    before, owed = watt_of(chain, SELLER), energy(chain).settlement.owed_by(SELLER)
    assert owed > 0
    net(chain)
    assert watt_of(chain, SELLER) == before - owed
    assert energy(chain).collateral.owed.get(SELLER) == 0
