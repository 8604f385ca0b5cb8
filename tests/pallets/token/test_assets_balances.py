"""Assets: balances obey minimums, freezes, references and approvals, and no unit appears or vanishes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis.consortium import UNIT
from pallets.core.system import CONSUMERS_MAX
from pallets.token import assets_errors as errors
from pallets.token import assets_events as events
from pallets.token import balances_events as money
from pallets.token.assets_types import (
    CONSUMER,
    SUFFICIENT,
    AccountStatus,
    Approval,
    AssetAccount,
    DepositFrom,
    DepositHeld,
)
from runtime.frame.dispatch import (
    ROOT,
    ArithmeticDispatchError,
    ArithmeticReason,
    ConsumerRemainingValue,
    DispatchError,
    PalletError,
    TokenFailure,
    TokenReason,
)
from runtime.primitives.types import AccountId
from tests.support.assets import (
    ADMIN,
    ASSET,
    FREEZER,
    ISSUER,
    LOCAL,
    MINIMUM,
    OWNER,
    assets,
    balance,
    details,
    give,
    holding,
    make_asset,
    mint,
    reserved,
)
from tests.support.chain import ALICE, BOB, EVE, FERDIE, consortium_chain

U128_MAX = 2**128 - 1


def error(chain: LOCAL, cls: type[PalletError]) -> PalletError:
    return assets(chain).error(cls)


@pytest.fixture
def asset(chain: LOCAL) -> LOCAL:
    """A chain with an asset of which Eve holds 100."""
    make_asset(chain)
    mint(chain, EVE, 100)
    return chain


@pytest.fixture
def rich(chain: LOCAL) -> LOCAL:
    """A chain with a sufficient asset of which Eve holds 100."""
    make_asset(chain, is_sufficient=True)
    mint(chain, EVE, 100)
    return chain


# --- minting and burning


def test_issuer_mints_into_new_and_old_accounts(asset: LOCAL) -> None:
    assert holding(asset, EVE) == AssetAccount(100, AccountStatus.Liquid, CONSUMER)
    mint(asset, EVE, 5)
    assert asset.events() == [events.Issued(ASSET, EVE, 5)]
    assert (balance(asset, EVE), details(asset).supply, details(asset).accounts) == (105, 105, 1)


def test_only_the_issuer_mints(asset: LOCAL) -> None:
    for other in (OWNER, ADMIN, FREEZER, EVE):
        for amount in (0, 5):
            asset.noop(error(asset, errors.NoPermission), other, "Assets.mint", ASSET, EVE, amount)
    asset.ok(ISSUER, "Assets.mint", ASSET, FERDIE, 0)
    assert details(asset).accounts == 1


def test_new_account_needs_the_minimum_and_the_native_token(asset: LOCAL) -> None:
    below = TokenFailure(TokenReason.BelowMinimum)
    asset.noop(below, ISSUER, "Assets.mint", ASSET, BOB, MINIMUM - 1)
    asset.ok(ISSUER, "Assets.mint", ASSET, BOB, MINIMUM)
    nothing = TokenFailure(TokenReason.CannotCreate)
    asset.noop(nothing, ISSUER, "Assets.mint", ASSET, FERDIE, MINIMUM)
    give(asset, FERDIE)
    asset.ok(ISSUER, "Assets.mint", ASSET, FERDIE, MINIMUM)


def test_supply_stops_at_u128(asset: LOCAL) -> None:
    overflow = ArithmeticDispatchError(ArithmeticReason.Overflow)
    mint(asset, EVE, U128_MAX - 100)
    asset.noop(overflow, ISSUER, "Assets.mint", ASSET, EVE, 1)
    asset.noop(overflow, ISSUER, "Assets.mint", ASSET, BOB, MINIMUM)


def test_account_with_all_but_one_consumer_takes_no_asset(asset: LOCAL) -> None:
    system = asset.pallets.system
    for _ in range(CONSUMERS_MAX - 2):
        system.inc_consumers(BOB)
    asset.ok(ISSUER, "Assets.mint", ASSET, BOB, MINIMUM)
    asset.ok(ADMIN, "Assets.burn", ASSET, BOB, MINIMUM)
    system.inc_consumers(BOB)
    nothing = TokenFailure(TokenReason.CannotCreate)
    asset.noop(nothing, ISSUER, "Assets.mint", ASSET, BOB, MINIMUM)
    for _ in range(CONSUMERS_MAX - 1):
        system.dec_consumers(BOB)


def test_admin_burns_what_is_there_and_dust_too(asset: LOCAL) -> None:
    for other in (OWNER, ISSUER, FREEZER, EVE):
        asset.noop(error(asset, errors.NoPermission), other, "Assets.burn", ASSET, EVE, 1)
    asset.ok(ADMIN, "Assets.burn", ASSET, EVE, 90)
    assert asset.events() == [events.Burned(ASSET, EVE, 90)]
    assert (balance(asset, EVE), details(asset).supply) == (MINIMUM, MINIMUM)
    asset.ok(ADMIN, "Assets.burn", ASSET, EVE, 1)
    assert asset.events() == [events.Burned(ASSET, EVE, MINIMUM)]
    assert (details(asset).supply, details(asset).accounts) == (0, 0)
    asset.noop(error(asset, errors.NoAccount), ADMIN, "Assets.burn", ASSET, EVE, 1)


def test_burning_more_than_there_is_takes_all(asset: LOCAL) -> None:
    asset.ok(ADMIN, "Assets.burn", ASSET, EVE, 1_000)
    assert asset.events() == [events.Burned(ASSET, EVE, 100)]


def test_frozen_account_cannot_be_burnt_from(asset: LOCAL) -> None:
    asset.ok(FREEZER, "Assets.freeze", ASSET, EVE)
    asset.noop(error(asset, errors.Frozen), ADMIN, "Assets.burn", ASSET, EVE, 1)


# --- transfers


@pytest.mark.parametrize("name", ["Assets.transfer", "Assets.transfer_keep_alive"])
def test_transfer_moves_the_amount(asset: LOCAL, name: str) -> None:
    asset.ok(EVE, name, ASSET, BOB, 40)
    assert asset.events() == [events.Transferred(ASSET, EVE, BOB, 40)]
    assert (balance(asset, EVE), balance(asset, BOB), details(asset).supply) == (60, 40, 100)


@pytest.mark.parametrize("name", ["Assets.transfer", "Assets.transfer_keep_alive"])
def test_transfer_needs_the_balance_and_a_minimum_at_the_other_end(asset: LOCAL, name: str) -> None:
    asset.noop(error(asset, errors.BalanceLow), EVE, name, ASSET, BOB, 101)
    below = TokenFailure(TokenReason.BelowMinimum)
    asset.noop(below, EVE, name, ASSET, BOB, MINIMUM - 1)
    asset.noop(error(asset, errors.NoAccount), BOB, name, ASSET, EVE, 1)
    nothing = TokenFailure(TokenReason.CannotCreate)
    asset.noop(nothing, EVE, name, ASSET, FERDIE, MINIMUM)
    asset.ok(EVE, name, ASSET, BOB, MINIMUM)


def test_transfer_takes_dust_along_and_closes_the_account(asset: LOCAL) -> None:
    consumers = asset.pallets.system.get_account(EVE).consumers
    asset.ok(EVE, "Assets.transfer", ASSET, BOB, 91)
    assert asset.events() == [events.Transferred(ASSET, EVE, BOB, 100)]
    assert not assets(asset).account.contains(ASSET, EVE)
    assert asset.pallets.system.get_account(EVE).consumers == consumers - 1
    assert (details(asset).accounts, details(asset).supply) == (1, 100)


def test_keep_alive_leaves_the_minimum(asset: LOCAL) -> None:
    low = error(asset, errors.BalanceLow)
    asset.noop(low, EVE, "Assets.transfer_keep_alive", ASSET, BOB, 91)
    asset.ok(EVE, "Assets.transfer_keep_alive", ASSET, BOB, 90)
    assert balance(asset, EVE) == MINIMUM


@pytest.mark.parametrize(("keep_alive", "left"), [(True, MINIMUM), (False, 0)])
def test_transfer_all_moves_what_may_leave(asset: LOCAL, keep_alive: bool, left: int) -> None:
    asset.ok(EVE, "Assets.transfer_all", ASSET, BOB, keep_alive)
    assert (balance(asset, EVE), balance(asset, BOB)) == (left, 100 - left)


def test_transfer_to_oneself_and_of_nothing_moves_nothing(asset: LOCAL) -> None:
    asset.ok(EVE, "Assets.transfer", ASSET, EVE, 50)
    assert asset.events() == [events.Transferred(ASSET, EVE, EVE, 50)]
    asset.ok(EVE, "Assets.transfer", ASSET, BOB, 0)
    assert asset.events() == []
    asset.noop(error(asset, errors.BalanceLow), EVE, "Assets.transfer", ASSET, EVE, 101)
    assert (balance(asset, EVE), details(asset).accounts) == (100, 1)


def test_admin_transfers_between_any_accounts(asset: LOCAL) -> None:
    for other in (OWNER, ISSUER, FREEZER, EVE):
        refused = error(asset, errors.NoPermission)
        asset.noop(refused, other, "Assets.force_transfer", ASSET, EVE, BOB, 40)
    asset.ok(ADMIN, "Assets.force_transfer", ASSET, EVE, BOB, 40)
    assert asset.events() == [events.Transferred(ASSET, EVE, BOB, 40)]
    assert (balance(asset, EVE), balance(asset, BOB)) == (60, 40)


@pytest.mark.parametrize("name", ["Assets.freeze", "Assets.block"])
def test_frozen_and_blocked_accounts_send_nothing(asset: LOCAL, name: str) -> None:
    asset.ok(FREEZER, name, ASSET, EVE)
    frozen = error(asset, errors.Frozen)
    asset.noop(frozen, EVE, "Assets.transfer", ASSET, BOB, 40)
    asset.noop(frozen, EVE, "Assets.transfer_keep_alive", ASSET, BOB, 40)
    asset.noop(frozen, EVE, "Assets.transfer_all", ASSET, BOB, False)
    asset.noop(frozen, ADMIN, "Assets.force_transfer", ASSET, EVE, BOB, 40)
    asset.noop(frozen, EVE, "Assets.refund", ASSET, True)


def test_frozen_account_still_receives(asset: LOCAL) -> None:
    mint(asset, BOB, 50)
    asset.ok(FREEZER, "Assets.freeze", ASSET, EVE)
    asset.ok(BOB, "Assets.transfer", ASSET, EVE, 20)
    mint(asset, EVE, 1)
    assert balance(asset, EVE) == 121


def test_minimum_raised_by_root_makes_every_debit_take_all(asset: LOCAL) -> None:
    args = (OWNER, ISSUER, ADMIN, FREEZER, 1_000, False, False)
    asset.ok(ROOT, "Assets.force_asset_status", ASSET, *args)
    low = error(asset, errors.BalanceLow)
    asset.noop(low, EVE, "Assets.transfer_keep_alive", ASSET, BOB, 1)
    below = TokenFailure(TokenReason.BelowMinimum)
    asset.noop(below, EVE, "Assets.transfer", ASSET, BOB, 100)
    asset.ok(ADMIN, "Assets.burn", ASSET, EVE, 1)
    assert asset.events() == [events.Burned(ASSET, EVE, 100)]


# --- sufficient assets


def test_account_lives_on_a_sufficient_asset_alone(rich: LOCAL) -> None:
    rich.ok(EVE, "Assets.transfer", ASSET, FERDIE, 40)
    assert holding(rich, FERDIE).reason == SUFFICIENT
    assert rich.pallets.system.get_account(FERDIE).sufficients == 1
    assert (details(rich).accounts, details(rich).sufficients) == (2, 2)
    rich.ok(FERDIE, "Assets.transfer", ASSET, EVE, 40)
    assert not rich.pallets.system.exists(FERDIE)
    assert (details(rich).accounts, details(rich).sufficients) == (1, 1)


def test_native_balance_may_go_while_a_sufficient_asset_stays(rich: LOCAL) -> None:
    give(rich, FERDIE)
    rich.ok(EVE, "Assets.transfer", ASSET, FERDIE, 40)
    rich.ok(FERDIE, "Balances.transfer_all", ALICE, False)
    account = rich.pallets.system.get_account(FERDIE)
    assert (account.providers, account.sufficients, account.data.free) == (0, 1, 0)
    give(rich, FERDIE)
    assert rich.pallets.system.get_account(FERDIE).providers == 1


def test_sufficient_asset_does_not_stand_in_for_a_provider_that_consumers_need(rich: LOCAL) -> None:
    make_asset(rich, 8)
    give(rich, FERDIE)
    mint(rich, FERDIE, 40)
    mint(rich, FERDIE, 40, 8)
    frozen = TokenFailure(TokenReason.Frozen)
    everything = rich.pallets.balances.total_balance(FERDIE)
    rich.noop(frozen, FERDIE, "Balances.transfer_allow_death", ALICE, everything)
    with pytest.raises(DispatchError) as failure:
        rich.pallets.system.dec_providers(FERDIE)
    assert failure.value.value() == ConsumerRemainingValue()
    rich.ok(FERDIE, "Balances.transfer_all", ALICE, False)
    assert rich.pallets.system.get_account(FERDIE).providers == 1


def test_refund_is_not_for_sufficient_accounts(rich: LOCAL) -> None:
    rich.noop(error(rich, errors.NoDeposit), EVE, "Assets.refund", ASSET, True)


# --- accounts against a deposit


def test_touched_account_is_empty_paid_for_and_stays_when_emptied(asset: LOCAL) -> None:
    deposit = assets(asset).config.asset_account_deposit
    asset.ok(BOB, "Assets.touch", ASSET)
    assert asset.events()[-1] == events.Touched(ASSET, BOB, BOB)
    assert holding(asset, BOB) == AssetAccount(0, AccountStatus.Liquid, DepositHeld(deposit))
    assert (reserved(asset, BOB), details(asset).accounts) == (deposit, 2)
    asset.noop(error(asset, errors.AlreadyExists), BOB, "Assets.touch", ASSET)
    asset.ok(EVE, "Assets.transfer", ASSET, BOB, 1)
    asset.ok(BOB, "Assets.transfer", ASSET, EVE, 1)
    assert holding(asset, BOB).balance == 0
    asset.ok(BOB, "Assets.refund", ASSET, False)
    assert (reserved(asset, BOB), details(asset).accounts) == (0, 1)
    asset.noop(error(asset, errors.NoDeposit), BOB, "Assets.refund", ASSET, False)


def test_somebody_else_pays_for_an_account(asset: LOCAL) -> None:
    deposit = assets(asset).config.asset_account_deposit
    asset.ok(BOB, "Assets.touch_other", ASSET, FERDIE)
    assert asset.events()[-1] == events.Touched(ASSET, FERDIE, BOB)
    assert holding(asset, FERDIE).reason == DepositFrom(BOB, deposit)
    asset.noop(error(asset, errors.AlreadyExists), EVE, "Assets.touch_other", ASSET, FERDIE)
    asset.ok(EVE, "Assets.transfer", ASSET, FERDIE, 50)
    asset.noop(error(asset, errors.WouldBurn), BOB, "Assets.refund_other", ASSET, FERDIE)
    asset.noop(error(asset, errors.NoDeposit), FERDIE, "Assets.refund", ASSET, True)
    asset.ok(FERDIE, "Assets.transfer_all", ASSET, EVE, False)
    asset.noop(error(asset, errors.NoPermission), EVE, "Assets.refund_other", ASSET, FERDIE)
    asset.ok(BOB, "Assets.refund_other", ASSET, FERDIE)
    assert reserved(asset, BOB) == 0
    asset.noop(error(asset, errors.NoDeposit), BOB, "Assets.refund_other", ASSET, FERDIE)


def test_admin_may_close_a_sponsored_account(asset: LOCAL) -> None:
    asset.ok(BOB, "Assets.touch_other", ASSET, FERDIE)
    asset.ok(FREEZER, "Assets.block", ASSET, FERDIE)
    asset.noop(error(asset, errors.Frozen), ADMIN, "Assets.refund_other", ASSET, FERDIE)
    asset.ok(ADMIN, "Assets.thaw", ASSET, FERDIE)
    asset.ok(FREEZER, "Assets.freeze_asset", ASSET)
    asset.noop(error(asset, errors.AssetNotLive), ADMIN, "Assets.refund_other", ASSET, FERDIE)
    asset.ok(ADMIN, "Assets.thaw_asset", ASSET)
    asset.ok(ADMIN, "Assets.refund_other", ASSET, FERDIE)
    assert reserved(asset, BOB) == 0


def test_refund_other_is_not_for_accounts_that_pay_themselves(asset: LOCAL) -> None:
    asset.ok(BOB, "Assets.touch", ASSET)
    asset.noop(error(asset, errors.NoDeposit), ADMIN, "Assets.refund_other", ASSET, BOB)


def test_touching_must_be_affordable(asset: LOCAL) -> None:
    poor = asset.pallets.balances.InsufficientBalance
    asset.ok(ROOT, "Balances.force_set_balance", BOB, UNIT // 10)
    asset.noop(poor, BOB, "Assets.touch", ASSET)
    asset.noop(poor, BOB, "Assets.touch_other", ASSET, FERDIE)


def test_refund_burns_only_when_allowed(asset: LOCAL) -> None:
    consumers = asset.pallets.system.get_account(EVE).consumers
    asset.noop(error(asset, errors.WouldBurn), EVE, "Assets.refund", ASSET, False)
    asset.ok(EVE, "Assets.refund", ASSET, True)
    assert asset.events()[-1] == events.Burned(ASSET, EVE, 100)
    assert (details(asset).supply, details(asset).accounts) == (0, 0)
    assert asset.pallets.system.get_account(EVE).consumers == consumers - 1


def test_refund_needs_an_asset_that_stands(asset: LOCAL) -> None:
    asset.ok(FREEZER, "Assets.freeze_asset", ASSET)
    asset.ok(OWNER, "Assets.start_destroy", ASSET)
    asset.noop(error(asset, errors.IncorrectStatus), EVE, "Assets.refund", ASSET, True)


# --- approvals


def test_approval_adds_up_and_is_paid_for_once(asset: LOCAL) -> None:
    deposit = assets(asset).config.approval_deposit
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 30)
    assert asset.events()[-1] == events.ApprovedTransfer(ASSET, EVE, BOB, 30)
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 20)
    assert assets(asset).approvals.get((ASSET, EVE, BOB)) == Approval(50, deposit)
    assert (reserved(asset, EVE), details(asset).approvals) == (deposit, 1)
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, U128_MAX)
    assert assets(asset).approvals.get((ASSET, EVE, BOB)) == Approval(U128_MAX, deposit)


def test_delegate_transfers_up_to_the_approval_and_the_deposit_comes_back(asset: LOCAL) -> None:
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 50)
    unapproved = error(asset, errors.Unapproved)
    asset.noop(unapproved, BOB, "Assets.transfer_approved", ASSET, EVE, ALICE, 51)
    asset.noop(unapproved, ALICE, "Assets.transfer_approved", ASSET, EVE, BOB, 1)
    asset.ok(BOB, "Assets.transfer_approved", ASSET, EVE, ALICE, 20)
    assert asset.events() == [events.Transferred(ASSET, EVE, ALICE, 20)]
    deposit = assets(asset).config.approval_deposit
    assert reserved(asset, EVE) == deposit
    asset.ok(BOB, "Assets.transfer_approved", ASSET, EVE, ALICE, 30)
    assert asset.events() == [events.Transferred(ASSET, EVE, ALICE, 30), money.Unreserved(EVE, deposit)]
    assert (reserved(asset, EVE), details(asset).approvals) == (0, 0)
    asset.noop(unapproved, BOB, "Assets.transfer_approved", ASSET, EVE, ALICE, 1)


def test_first_thing_wrong_with_an_approved_transfer_is_told(asset: LOCAL) -> None:
    """The asset, then the approval, then the transfer; of an unknown asset nothing else matters."""
    asset.ok(FREEZER, "Assets.freeze", ASSET, EVE)
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 50)
    for sender, amount, kind in (
        (BOB, 50, errors.Frozen),
        (BOB, 51, errors.Unapproved),
        (ALICE, 1, errors.Unapproved),
    ):
        asset.noop(error(asset, kind), sender, "Assets.transfer_approved", ASSET, EVE, ALICE, amount)
    unknown = error(asset, errors.Unknown)
    asset.noop(unknown, BOB, "Assets.transfer_approved", ASSET + 1, EVE, ALICE, 51)
    asset.noop(unknown, BOB, "Assets.force_cancel_approval", ASSET + 1, EVE, BOB)
    asset.ok(FREEZER, "Assets.freeze_asset", ASSET)
    dead = error(asset, errors.AssetNotLive)
    asset.noop(dead, ALICE, "Assets.transfer_approved", ASSET, EVE, ALICE, 51)
    asset.noop(dead, EVE, "Assets.approve_transfer", ASSET, BOB, 1)
    asset.noop(dead, EVE, "Assets.force_cancel_approval", ASSET, EVE, BOB)


def test_delegate_may_use_up_an_approval_with_all_that_the_owner_has(asset: LOCAL) -> None:
    whole = assets(asset).ledger.get_holding(ASSET, EVE).balance
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, whole)
    supply, accounts = details(asset).supply, details(asset).accounts
    asset.ok(BOB, "Assets.transfer_approved", ASSET, EVE, ALICE, whole)
    assert (balance(asset, EVE), balance(asset, ALICE), reserved(asset, EVE)) == (0, whole, 0)
    assert (details(asset).approvals, details(asset).supply, details(asset).accounts) == (0, supply, accounts)


def test_refused_transfer_does_not_use_up_the_approval(asset: LOCAL) -> None:
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 500)
    low = error(asset, errors.BalanceLow)
    asset.noop(low, BOB, "Assets.transfer_approved", ASSET, EVE, ALICE, 101)
    asset.ok(FREEZER, "Assets.freeze", ASSET, EVE)
    asset.noop(error(asset, errors.Frozen), BOB, "Assets.transfer_approved", ASSET, EVE, ALICE, 1)


def test_owner_cancels_an_approval(asset: LOCAL) -> None:
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 50)
    asset.noop(error(asset, errors.Unknown), EVE, "Assets.cancel_approval", ASSET, ALICE)
    asset.ok(EVE, "Assets.cancel_approval", ASSET, BOB)
    assert asset.events()[-1] == events.ApprovalCancelled(ASSET, EVE, BOB)
    assert (reserved(asset, EVE), details(asset).approvals) == (0, 0)


@pytest.mark.parametrize("sender", [ADMIN, None])
def test_admin_and_root_cancel_anybodys_approval(asset: LOCAL, sender: AccountId | None) -> None:
    asset.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 50)
    refused = error(asset, errors.NoPermission)
    asset.noop(refused, OWNER, "Assets.force_cancel_approval", ASSET, EVE, BOB)
    asset.ok(ROOT if sender is None else sender, "Assets.force_cancel_approval", ASSET, EVE, BOB)
    assert asset.events()[-1] == events.ApprovalCancelled(ASSET, EVE, BOB)
    assert reserved(asset, EVE) == 0


def test_approval_must_be_affordable(asset: LOCAL) -> None:
    asset.ok(ROOT, "Balances.force_set_balance", EVE, UNIT // 10)
    poor = asset.pallets.balances.InsufficientBalance
    asset.noop(poor, EVE, "Assets.approve_transfer", ASSET, BOB, 50)


# --- conservation

WHO = st.sampled_from([ALICE, BOB, EVE, FERDIE])
AMOUNT = st.one_of(st.integers(0, 60), st.integers(0, U128_MAX))
STEP = st.one_of(
    st.tuples(st.just("Assets.mint"), st.just(ISSUER), st.tuples(WHO, AMOUNT)),
    st.tuples(st.just("Assets.burn"), st.just(ADMIN), st.tuples(WHO, AMOUNT)),
    st.tuples(st.just("Assets.transfer"), WHO, st.tuples(WHO, AMOUNT)),
    st.tuples(st.just("Assets.transfer_keep_alive"), WHO, st.tuples(WHO, AMOUNT)),
    st.tuples(st.just("Assets.transfer_all"), WHO, st.tuples(WHO, st.booleans())),
    st.tuples(st.just("Assets.force_transfer"), st.just(ADMIN), st.tuples(WHO, WHO, AMOUNT)),
    st.tuples(st.just("Assets.approve_transfer"), WHO, st.tuples(WHO, AMOUNT)),
    st.tuples(st.just("Assets.transfer_approved"), WHO, st.tuples(WHO, WHO, AMOUNT)),
    st.tuples(st.just("Assets.cancel_approval"), WHO, st.tuples(WHO)),
    st.tuples(st.just("Assets.touch"), WHO, st.just(())),
    st.tuples(st.just("Assets.touch_other"), WHO, st.tuples(WHO)),
    st.tuples(st.just("Assets.refund"), WHO, st.tuples(st.booleans())),
    st.tuples(st.just("Assets.refund_other"), WHO, st.tuples(WHO)),
    st.tuples(st.sampled_from(["Assets.freeze", "Assets.block"]), st.just(FREEZER), st.tuples(WHO)),
    st.tuples(st.just("Assets.thaw"), st.just(ADMIN), st.tuples(WHO)),
    st.tuples(st.just("Balances.transfer_all"), WHO, st.tuples(WHO, st.booleans())),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(is_sufficient=st.booleans(), steps=st.lists(STEP, max_size=25))
def test_whatever_happens_sums_counts_deposits_and_references_agree(
    is_sufficient: bool, steps: list[tuple[str, AccountId, tuple[object, ...]]]
) -> None:
    chain = consortium_chain()
    make_asset(chain, is_sufficient=is_sufficient)
    issued = 0
    for name, sender, args in steps:
        inner = args if name.startswith("Balances") else (ASSET, *args)
        before = chain.pending()
        if chain.dispatch(sender, chain.call(name, *inner)).error is not None:
            assert chain.pending() == before
            continue
        for event in chain.events():
            match event:
                case events.Issued(amount=amount):
                    issued += amount
                case events.Burned(balance=burnt):
                    issued -= burnt
                case _:
                    pass
    assert details(chain).supply == issued
    consumers = {who: chain.pallets.system.get_account(who).consumers for who in (ALICE, BOB, EVE, FERDIE)}
    for who, count in consumers.items():
        held = assets(chain).account.get(ASSET, who)
        expected = (held is not None and held.reason == CONSUMER) + (reserved(chain, who) > 0)
        assert count == expected
    chain.close_block()
