"""Settlement and collateral over WATT itself, Assets with holds, in the place of the stand-in."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from genesis.consortium import UNIT, WATT, WATT_ID, WATT_MINIMUM
from pallets.core.system import System
from pallets.energy_trading.units import compute_value
from pallets.settlement import collateral_events, settlement_errors, settlement_events
from pallets.settlement.collateral_types import Guarantee
from pallets.token.asset_holds import AssetHolds, AssetHoldsConfig
from pallets.token.assets import Assets
from pallets.token.assets_types import AssetsConfig
from pallets.token.balances import Balances
from pallets.token.one_asset import OneAsset
from runtime.frame.runtime import RuntimeBuilder
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, Chain
from tests.support.fake_watt import Trade
from tests.support.settlement import (
    FUND_POT,
    IDLE_HOOKS,
    MARKET_POT,
    OPERATOR,
    POTS,
    SETTLEMENT_POT,
    ZONE,
    Community,
    EnergyChain,
    compose_energy,
    net_all,
    pass_slots,
    person,
    write_energy_genesis,
)

FREEZER = BOB
HELD = 100 * UNIT


@dataclass
class Money:
    """WATT of a chain, for genesis and tests; set when the chain is composed."""

    assets: Assets
    watt: OneAsset

    def total(self, who: AccountId) -> int:
        return self.watt.total_balance(who)


def make_chain() -> tuple[EnergyChain, Money]:
    made: list[Money] = []

    def add_watt(build: RuntimeBuilder, system: System, balances: Balances) -> OneAsset:
        config = AssetsConfig(balances, system, lambda: holds, 0, 0, 0, 0, 0)
        assets = build.add(Assets, index=12, name="Assets", config=config)
        holds = build.add(AssetHolds, index=20, name="AssetHolds", config=AssetHoldsConfig(assets.ledger))
        made.append(Money(assets, OneAsset(WATT_ID, assets, holds)))
        return made[0].watt

    chain = Chain(
        lambda state: compose_energy(state, IDLE_HOOKS, 8, add_watt),
        lambda composed: write_energy_genesis(composed, 0),
    )
    holders = tuple((who, HELD) for who in (ALICE, OPERATOR, person(0), person(1)))
    pots = tuple((pot, WATT_MINIMUM) for pot in POTS)
    made[0].assets.genesis((replace(WATT, owner=FREEZER, holders=(*holders, *pots)),))
    return chain, made[0]


@pytest.fixture
def made() -> Iterator[tuple[EnergyChain, Money]]:
    chain, money = make_chain()
    issued = money.watt.total_issuance()
    yield chain, money
    assert money.watt.total_issuance() == issued
    chain.close_block()


def trade(chain: EnergyChain, community: Community, sold_wh: int) -> int:
    """Let home 1 have sold to home 0, whose money lies in the market's pot; return how much."""
    value = compute_value(sold_wh, 30_000)
    chain.ok(person(0), "Assets.transfer", WATT_ID, MARKET_POT, value)
    market, slot = chain.pallets.market, community.slot
    market.trade(ZONE, slot, person(0), Trade(sold_wh, 0))
    market.trade(ZONE, slot, person(1), Trade(0, sold_wh, value))
    return value


def test_a_slot_and_its_epoch_are_paid_in_watt(made: tuple[EnergyChain, Money]) -> None:
    chain, money = made
    community = Community(chain, 2)
    value = trade(chain, community, 5_000)
    community.read((5_000, 0), (0, 4_000))
    community.settle()
    net_all(chain)
    short = compute_value(1_000, 57_982)
    assert money.total(person(0)) == HELD - value
    assert money.total(person(1)) == HELD + value - short
    assert money.total(OPERATOR) == HELD + short
    assert [money.total(pot) for pot in POTS] == [WATT_MINIMUM] * len(POTS)


def test_a_frozen_debtor_pays_from_its_collateral_and_its_debt_stays(
    made: tuple[EnergyChain, Money],
) -> None:
    chain, money = made
    community = Community(chain, 2)
    short = compute_value(1_000, 57_982)
    chain.ok(person(1), "Collateral.deposit_collateral", Guarantee.Collateral, short // 4)
    chain.ok(ALICE, "Collateral.contribute_default_fund", short // 2)
    chain.ok(FREEZER, "Assets.freeze", WATT_ID, person(1))
    community.read((0, 0), (1_000, 0))
    community.settle()
    net_all(chain)
    missing = short - short // 4 - short // 2
    assert money.total(person(1)) == HELD - short // 4
    assert money.total(OPERATOR) == HELD + short - missing
    assert money.total(FUND_POT) == WATT_MINIMUM
    opened = [one for one in chain.events() if isinstance(one, collateral_events.ArrearsOpened)]
    assert [(one.receivers, one.fund) for one in opened] == [(missing, short // 2)]
    chain.ok(FREEZER, "Assets.thaw", WATT_ID, person(1))
    chain.ok(person(1), "Collateral.pay_arrears", person(1), opened[0].epoch, short)
    chain.ok(ALICE, "Collateral.claim_recovery", OPERATOR, opened[0].epoch)
    assert money.total(OPERATOR) == HELD + short
    assert money.total(FUND_POT) == WATT_MINIMUM + short // 2


def test_nothing_is_settled_or_netted_while_watt_is_frozen_as_a_whole(
    made: tuple[EnergyChain, Money],
) -> None:
    chain, money = made
    settlement = chain.pallets.settlement
    community = Community(chain, 2)
    trade(chain, community, 5_000)
    community.read((5_000, 0), (0, 5_000))
    chain.ok(FREEZER, "Assets.freeze_asset", WATT_ID)
    paused = settlement.error(settlement_errors.TokenPaused)
    chain.noop(paused, ALICE, "Settlement.settle_page", ZONE, community.slot)
    chain.ok(FREEZER, "Assets.thaw_asset", WATT_ID)
    community.settle()
    epoch = settlement.ledger.current_epoch()
    pass_slots(chain, 8)
    chain.ok(FREEZER, "Assets.freeze_asset", WATT_ID)
    chain.noop(paused, ALICE, "Settlement.net_page", epoch)
    chain.ok(FREEZER, "Assets.thaw_asset", WATT_ID)
    chain.ok(ALICE, "Settlement.net_page", epoch)
    assert money.total(SETTLEMENT_POT) == WATT_MINIMUM


def test_a_receiver_that_is_blocked_is_paid_later(made: tuple[EnergyChain, Money]) -> None:
    chain, money = made
    community = Community(chain, 2)
    value = trade(chain, community, 5_000)
    community.read((5_000, 0), (0, 5_000))
    community.settle()
    chain.ok(FREEZER, "Assets.block", WATT_ID, person(1))
    net_all(chain)
    assert settlement_events.PaymentKept(person(1), value) in chain.events()
    chain.ok(FREEZER, "Assets.thaw", WATT_ID, person(1))
    chain.ok(ALICE, "Settlement.claim", person(1))
    assert money.total(person(1)) == HELD + value
