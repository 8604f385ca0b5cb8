"""Treasury: pays what was approved, once, out of what it has, and nobody approves more than their limit."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from genesis.consortium import BLOCK_LENGTH_MAX, BLOCK_WEIGHT_MAX, NORMAL_PERCENT, make_version
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.governance.treasury import Treasury
from pallets.governance.treasury_types import (
    AssetKind,
    Attempted,
    Pending,
    Proposal,
    SpendStatus,
    TreasuryConfig,
)
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin, PalletOrigin, Pays, Signed
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.primitives.extrinsic import AddressId, MultiAddress
from runtime.primitives.hashing import twox128
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, EVE, FERDIE, Chain

ED, START, PERIOD, PAYOUT = 10, 10_000, 5, 4
SMALL = PalletOrigin(40, b"small")
LIMIT = 1_000
POT = AccountId(b"modlpy/trsry".ljust(32, b"\0"))


class Rules:
    """Root spends up to all there is, a small spender up to `LIMIT`; a WATT is worth 2 GRID."""

    def __init__(self) -> None:
        self.rate: int | None = 2

    def ensure_spender(self, origin: Origin) -> int:
        if origin == SMALL:
            return LIMIT
        self.ensure_rejecter(origin)
        return 2**128 - 1

    def ensure_rejecter(self, origin: Origin) -> None:
        if origin != ROOT:
            raise BadOrigin

    def native_value(self, asset: AssetKind, amount: int) -> int | None:
        if asset is AssetKind.GRID:
            return amount
        return None if self.rate is None else amount * self.rate


@dataclass
class Purse:
    api: RuntimeApi
    system: System
    grid: Balances
    watt: Balances
    treasury: Treasury
    rules: Rules = field(default_factory=Rules)


def composer(burn: int) -> Callable[[State], Purse]:
    def compose(state: State) -> Purse:
        build, version, rules = RuntimeBuilder(state), make_version(), Rules()
        limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
        system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
        build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
        session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
        grid = build.add(Balances, index=10, name="Balances", config=BalancesConfig(ED, system))
        points = BalancesConfig(ED, system, keeps_own_balances=True)
        watt = build.add(Balances, index=30, name="Watt", config=points)
        config = TreasuryConfig(
            grid, watt, system, rules, rules, rules, PERIOD, PAYOUT, burn=burn, max_approvals=3
        )
        treasury = build.add(Treasury, index=31, name="Treasury", config=config)
        runtime = build.build(version, system, system.extensions())
        return Purse(RuntimeApi(runtime, session, ()), system, grid, watt, treasury, rules)

    return compose


def write_genesis(purse: Purse) -> None:
    purse.system.genesis()
    purse.grid.genesis(((ALICE, START), (BOB, START), (POT, 2_000 + ED)))
    purse.watt.genesis(((ALICE, START), (POT, 500 + ED)))
    purse.api.runtime.pallet("Session").genesis(((ALICE, SessionKeys(bytes(32))),))  # type: ignore[attr-defined]  # it is Session
    purse.system.events.kill()


@pytest.fixture
def chain() -> Chain[Purse]:
    return Chain(composer(0), write_genesis)


def to(who: AccountId) -> MultiAddress:
    return AddressId(who)


def until_period(chain: Chain[Purse]) -> None:
    chain.next_block(PERIOD - chain.number % PERIOD)


def test_approved_amount_is_paid_when_the_period_ends_and_not_before(chain: Chain[Purse]) -> None:
    treasury = chain.pallets.treasury
    chain.ok(SMALL, "Treasury.spend_local", LIMIT, to(EVE))
    assert chain.events() == [Treasury.SpendApproved(0, LIMIT, EVE)]
    assert treasury.proposals.get(0) == Proposal(EVE, LIMIT, EVE, 0)
    chain.next_block(PERIOD - 1 - chain.number)
    assert chain.pallets.grid.total_balance(EVE) == 0
    chain.next_block()
    assert chain.pallets.grid.total_balance(EVE) == LIMIT
    paid = [event for event in chain.block_events() if type(event).__qualname__.startswith("Treasury")]
    assert paid == [Treasury.Spending(2_000), Treasury.Awarded(0, LIMIT, EVE), Treasury.Rollover(1_000)]
    assert treasury.approvals.get() == ()
    assert treasury.last_spend_period.get() == chain.number


def test_what_the_pot_cannot_pay_waits_and_later_ones_are_paid(chain: Chain[Purse]) -> None:
    chain.ok(ROOT, "Treasury.spend_local", 2_001, to(EVE))
    chain.ok(ROOT, "Treasury.spend_local", 2_000, to(BOB))
    chain.ok(ROOT, "Treasury.spend_local", ED - 1, to(FERDIE))
    until_period(chain)
    assert chain.pallets.treasury.approvals.get() == (0, 2)
    assert chain.pallets.treasury.pot() == 0
    assert chain.pallets.grid.total_balance(POT) == ED
    chain.ok(ALICE, "Balances.transfer_keep_alive", to(POT), 2_001 + ED)
    until_period(chain)
    assert chain.pallets.grid.total_balance(EVE) == 2_001
    assert chain.pallets.treasury.approvals.get() == (2,), "too little for a new account is not lost"


@pytest.mark.parametrize(("waits", "burnt"), [(False, 500), (True, 0)])
def test_part_of_a_rest_is_burnt_unless_somebody_waits(waits: bool, burnt: int) -> None:
    chain = Chain(composer(250_000), write_genesis)
    if waits:
        chain.ok(ROOT, "Treasury.spend_local", 5_000, to(EVE))
    before = chain.pallets.grid.total_issuance.get()
    until_period(chain)
    assert chain.pallets.treasury.pot() == 2_000 - burnt
    assert chain.pallets.grid.total_issuance.get() == before - burnt


def test_limit_bounds_all_that_its_origin_approves_in_a_block(chain: Chain[Purse]) -> None:
    refused = chain.pallets.treasury.InsufficientPermission
    chain.noop(refused, SMALL, "Treasury.spend_local", LIMIT + 1, to(EVE))
    chain.noop(refused, SMALL, "Treasury.spend", AssetKind.WATT, LIMIT // 2 + 1, to(EVE), None)
    chain.ok(SMALL, "Treasury.spend", AssetKind.WATT, LIMIT // 4, to(EVE), None)
    chain.noop(refused, SMALL, "Treasury.spend_local", LIMIT // 2 + 1, to(EVE))
    chain.ok(SMALL, "Treasury.spend_local", LIMIT // 2, to(EVE))
    chain.ok(ROOT, "Treasury.spend_local", LIMIT * 9, to(EVE))
    chain.next_block()
    chain.ok(SMALL, "Treasury.spend_local", LIMIT, to(EVE))


def test_only_so_many_approvals_wait(chain: Chain[Purse]) -> None:
    for _ in range(3):
        chain.ok(ROOT, "Treasury.spend_local", 1, to(EVE))
    chain.noop(chain.pallets.treasury.TooManyApprovals, ROOT, "Treasury.spend_local", 1, to(EVE))
    chain.ok(ROOT, "Treasury.remove_approval", 1)
    assert chain.pallets.treasury.approvals.get() == (0, 2)
    chain.noop(chain.pallets.treasury.ProposalNotApproved, ROOT, "Treasury.remove_approval", 1)
    assert chain.pallets.treasury.proposals.get(1) is None


@pytest.mark.parametrize("asset", AssetKind)
def test_spend_is_paid_once_on_demand_and_then_forgotten(chain: Chain[Purse], asset: AssetKind) -> None:
    ledger = chain.pallets.watt if asset is AssetKind.WATT else chain.pallets.grid
    treasury, start = chain.pallets.treasury, chain.number + 2
    chain.ok(ROOT, "Treasury.spend", asset, 300, to(EVE), start)
    assert chain.events() == [Treasury.AssetSpendApproved(0, asset, 300, EVE, start, start + PAYOUT)]
    chain.noop(treasury.EarlyPayout, BOB, "Treasury.payout", 0)
    chain.noop(treasury.NotAttempted, BOB, "Treasury.check_status", 0)
    chain.next_block(2)
    assert chain.ok(BOB, "Treasury.payout", 0).pays_fee is Pays.No
    assert ledger.total_balance(EVE) == 300
    assert chain.events()[-1] == Treasury.Paid(0, 0)
    assert treasury.spends.get(0) == SpendStatus(asset, 300, EVE, start, start + PAYOUT, Attempted(0))
    chain.noop(treasury.AlreadyAttempted, BOB, "Treasury.payout", 0)
    chain.noop(treasury.AlreadyAttempted, ROOT, "Treasury.void_spend", 0)
    assert chain.ok(BOB, "Treasury.check_status", 0).pays_fee is Pays.No
    assert chain.events() == [Treasury.SpendProcessed(0)]
    chain.noop(treasury.InvalidIndex, BOB, "Treasury.payout", 0)
    chain.noop(treasury.InvalidIndex, BOB, "Treasury.check_status", 0)


def test_spend_expires(chain: Chain[Purse]) -> None:
    treasury, now = chain.pallets.treasury, chain.number
    chain.ok(ROOT, "Treasury.spend", AssetKind.GRID, 300, to(EVE), None)
    chain.ok(ROOT, "Treasury.spend", AssetKind.GRID, 300, to(EVE), None)
    chain.next_block(PAYOUT)
    assert chain.number == now + PAYOUT
    chain.ok(BOB, "Treasury.payout", 0)
    chain.noop(treasury.SpendExpired, ROOT, "Treasury.spend", AssetKind.GRID, 1, to(EVE), now)
    chain.next_block()
    chain.noop(treasury.SpendExpired, BOB, "Treasury.payout", 1)
    chain.ok(BOB, "Treasury.check_status", 1)


def test_payment_that_fails_can_be_tried_again(chain: Chain[Purse]) -> None:
    chain.ok(ROOT, "Treasury.spend", AssetKind.WATT, 501, to(EVE), None)
    chain.noop(chain.pallets.treasury.PayoutError, BOB, "Treasury.payout", 0)
    found = chain.pallets.treasury.spends.get(0)
    assert found is not None
    assert found.status == Pending()
    chain.ok(ALICE, "Watt.transfer_keep_alive", to(POT), 1)
    chain.ok(BOB, "Treasury.payout", 0)


def test_spend_is_voided_and_needs_a_rate(chain: Chain[Purse]) -> None:
    chain.ok(ROOT, "Treasury.spend", AssetKind.GRID, 1, to(EVE), None)
    chain.ok(ROOT, "Treasury.void_spend", 0)
    assert chain.events() == [Treasury.AssetSpendVoided(0)]
    chain.noop(chain.pallets.treasury.InvalidIndex, ROOT, "Treasury.void_spend", 0)
    chain.pallets.rules.rate = None
    failed = chain.pallets.treasury.FailedToConvertBalance
    chain.noop(failed, ROOT, "Treasury.spend", AssetKind.WATT, 1, to(EVE), None)


@pytest.mark.parametrize("origin", [Signed(ALICE), NOBODY, PalletOrigin(40, b"big")])
def test_only_spenders_and_rejecters_decide(chain: Chain[Purse], origin: Origin) -> None:
    chain.noop(BadOrigin, origin, "Treasury.spend_local", 1, to(EVE))
    chain.noop(BadOrigin, origin, "Treasury.spend", AssetKind.GRID, 1, to(EVE), None)
    chain.noop(BadOrigin, origin, "Treasury.remove_approval", 0)
    chain.noop(BadOrigin, origin, "Treasury.void_spend", 0)
    chain.noop(BadOrigin, ROOT, "Treasury.payout", 0)
    chain.noop(BadOrigin, NOBODY, "Treasury.check_status", 0)


def test_storage_keys_are_those_that_wallets_know(chain: Chain[Purse]) -> None:
    chain.ok(ROOT, "Treasury.spend_local", 1, to(EVE))
    keys = [change.key for change in chain.pending()]
    for item in (b"ProposalCount", b"Approvals"):
        assert twox128(b"Treasury") + twox128(item) in keys
