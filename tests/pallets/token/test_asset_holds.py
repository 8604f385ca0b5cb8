"""Holds on assets: what is held is kept, counted and given back, and no account with holds can go."""

from collections.abc import Callable, Iterator

import pytest
from msgspec import structs

from pallets.token import assets_errors as errors
from pallets.token import assets_events as events
from pallets.token.asset_holds import HOLDS_MAX, AssetHolds, HeldAmount
from pallets.token.assets_types import AccountStatus, AssetStatus
from pallets.token.one_asset import OneAsset
from runtime.frame.dispatch import ROOT, DispatchError, PalletError, TokenFailure, TokenReason
from runtime.frame.fungible import Preservation, Reason
from runtime.frame.fungibles import Spending
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, Chain, error_value
from tests.support.vault import COIN, FIRST, KEEPER, MINIMUM, PLAIN, SECOND, START, Vault, vault_chain

VAULT = Chain[Vault]
ALL = START - MINIMUM
"""What can be held of an account at the start."""
FUNDS = TokenFailure(TokenReason.FundsUnavailable)


@pytest.fixture
def vault() -> Iterator[VAULT]:
    made = vault_chain()
    yield made
    made.close_block()


def refused(vault: VAULT, error: DispatchError, act: Callable[[], object]) -> None:
    """Do what must raise an error and change nothing."""
    before, deposited = vault.pending(), list(vault.state.events)
    with pytest.raises(DispatchError) as caught:
        act()
    assert caught.value.value() == error_value(error)
    assert vault.pending() == before
    assert vault.state.events == deposited


def assets_error(vault: VAULT, kind: type[PalletError]) -> DispatchError:
    return vault.pallets.assets.error(kind)


def free(vault: VAULT, who: bytes = BOB, asset_id: int = COIN) -> int | None:
    found = vault.pallets.assets.account.get(asset_id, who)  # type: ignore[arg-type]  # an account id
    return None if found is None else found.balance


def supply(vault: VAULT, asset_id: int = COIN) -> int:
    found = vault.pallets.assets.asset.get(asset_id)
    assert found is not None
    return found.supply


# --- holding and releasing


def test_hold_moves_free_balance_and_leaves_total_and_supply(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.hold(FIRST, BOB, 300)
    assert vault.events() == [AssetHolds.Held(BOB, COIN, FIRST, 300)]
    assert (free(vault), coin.balance_on_hold(FIRST, BOB), coin.total_balance(BOB)) == (700, 300, START)
    assert coin.total_issuance() == supply(vault) == 2 * START
    assert vault.pallets.holds.holds.get(COIN, BOB) == (HeldAmount(FIRST, 300),)
    assert vault.pallets.holds.total_on_hold(COIN, BOB) == 300


def test_holds_of_reasons_and_assets_are_apart(vault: VAULT) -> None:
    coin, plain = vault.pallets.coin, vault.pallets.plain
    coin.hold(SECOND, BOB, 5)
    coin.hold(FIRST, BOB, 7)
    coin.hold(SECOND, BOB, 1)
    plain.hold(FIRST, BOB, 100)
    assert (coin.balance_on_hold(FIRST, BOB), coin.balance_on_hold(SECOND, BOB)) == (7, 6)
    assert (plain.balance_on_hold(FIRST, BOB), plain.balance_on_hold(SECOND, BOB)) == (100, 0)
    assert coin.balance_on_hold(FIRST, EVE) == 0
    assert [entry.id for entry in vault.pallets.holds.holds.get(COIN, BOB)] == [FIRST, SECOND]


def test_hold_takes_all_but_the_minimum_and_no_more(vault: VAULT) -> None:
    coin = vault.pallets.coin
    refused(vault, FUNDS, lambda: coin.hold(FIRST, BOB, ALL + 1))
    coin.hold(FIRST, BOB, ALL)
    assert free(vault) == MINIMUM
    refused(vault, FUNDS, lambda: coin.hold(SECOND, BOB, 1))


def test_hold_of_nothing_does_nothing(vault: VAULT) -> None:
    coin, before = vault.pallets.coin, vault.pending()
    coin.hold(FIRST, FERDIE, 0)
    coin.transfer_on_hold(FIRST, FERDIE, BOB, 0)
    coin.burn_held(FIRST, FERDIE, 0)
    assert coin.release(FIRST, BOB, 100) == 0
    assert vault.pending() == before
    assert vault.events() == []


def test_hold_needs_an_account_that_can_send(vault: VAULT) -> None:
    coin = vault.pallets.coin
    refused(vault, assets_error(vault, errors.NoAccount), lambda: coin.hold(FIRST, FERDIE, 1))
    vault.ok(ALICE, "Assets.freeze", COIN, BOB)
    refused(vault, assets_error(vault, errors.Frozen), lambda: coin.hold(FIRST, BOB, 1))
    vault.ok(ALICE, "Assets.thaw", COIN, BOB)
    vault.ok(ALICE, "Assets.freeze_asset", COIN)
    refused(vault, assets_error(vault, errors.AssetNotLive), lambda: coin.hold(FIRST, BOB, 1))


def test_account_has_holds_for_so_many_reasons_and_no_more(vault: VAULT) -> None:
    coin = vault.pallets.coin
    for number in range(HOLDS_MAX):
        coin.hold(Reason(KEEPER, number), BOB, 1)
    refused(vault, vault.pallets.holds.TooManyHolds(), lambda: coin.hold(Reason(KEEPER, HOLDS_MAX), BOB, 1))
    coin.hold(FIRST, BOB, 1)
    assert coin.release(SECOND, BOB, 1) == 1
    coin.hold(Reason(KEEPER, HOLDS_MAX), BOB, 1)


def test_release_gives_back_what_there_is(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.hold(FIRST, BOB, 300)
    assert coin.release(SECOND, BOB, 1) == 0
    assert coin.release(FIRST, BOB, 100) == 100
    assert vault.events()[-1] == AssetHolds.Released(BOB, COIN, FIRST, 100)
    assert coin.release(FIRST, BOB, 1_000) == 200
    assert (free(vault), coin.balance_on_hold(FIRST, BOB)) == (START, 0)
    assert not vault.pallets.holds.holds.contains(COIN, BOB)


@pytest.mark.parametrize("name", ["Assets.freeze", "Assets.block", "Assets.freeze_asset"])
def test_release_succeeds_whatever_is_frozen(vault: VAULT, name: str) -> None:
    vault.pallets.coin.hold(FIRST, BOB, 300)
    vault.ok(ALICE, name, *((COIN,) if name == "Assets.freeze_asset" else (COIN, BOB)))
    assert vault.pallets.coin.release(FIRST, BOB, 300) == 300
    assert free(vault) == START


# --- handing over and burning


def test_held_balance_goes_to_another_account_free(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.hold(FIRST, BOB, 300)
    refused(vault, FUNDS, lambda: coin.transfer_on_hold(FIRST, BOB, EVE, 301))
    refused(vault, FUNDS, lambda: coin.transfer_on_hold(SECOND, BOB, EVE, 1))
    coin.transfer_on_hold(FIRST, BOB, EVE, 100)
    assert vault.events()[-1] == AssetHolds.TransferredOnHold(BOB, EVE, COIN, FIRST, 100)
    assert (free(vault, EVE), coin.balance_on_hold(FIRST, BOB), free(vault)) == (1_100, 200, 700)
    coin.transfer_on_hold(FIRST, BOB, FERDIE, 200)
    assert (free(vault, FERDIE), coin.balance_on_hold(FIRST, BOB)) == (200, 0)
    assert supply(vault) == 2 * START


def test_holds_of_many_are_spent_as_one_by_one(vault: VAULT) -> None:
    other = vault_chain()
    one, many = vault.pallets.coin, other.pallets.coin
    spendings = [Spending(BOB, 100, 50), Spending(BOB, 0, 25), Spending(BOB, 125, 0)]
    for coin in (one, many):
        coin.hold(FIRST, BOB, 400)
    for who, paid, released in spendings:
        one.transfer_on_hold(FIRST, who, EVE, paid)
        one.release(FIRST, who, released)
    many.spend_holds(FIRST, EVE, spendings)
    assert [free(other, who) for who in (BOB, EVE)] == [free(vault, who) for who in (BOB, EVE)]
    assert many.balance_on_hold(FIRST, BOB) == one.balance_on_hold(FIRST, BOB) == 100
    assert other.events() == vault.events()
    other.close_block()


def test_more_than_is_held_is_not_spent(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.hold(FIRST, BOB, 300)
    for spending in (Spending(BOB, 301, 0), Spending(BOB, 0, 301), Spending(BOB, 300, 1)):
        mark = vault.state.mark()
        with pytest.raises(TokenFailure):
            coin.spend_holds(FIRST, EVE, [spending])
        vault.state.rollback(mark)
    too_little = TokenFailure(TokenReason.BelowMinimum)
    spending = Spending(BOB, MINIMUM - 1, 1)
    refused(vault, too_little, lambda: coin.spend_holds(FIRST, FERDIE, [spending]))
    coin.spend_holds(FIRST, FERDIE, [])
    assert coin.balance_on_hold(FIRST, BOB) == 300


def test_held_balance_that_goes_to_oneself_is_free(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.hold(FIRST, BOB, 300)
    coin.transfer_on_hold(FIRST, BOB, BOB, 300)
    assert (free(vault), coin.balance_on_hold(FIRST, BOB)) == (START, 0)


def test_receiver_of_a_held_balance_must_be_able_to_receive(vault: VAULT) -> None:
    coin, plain = vault.pallets.coin, vault.pallets.plain
    coin.hold(FIRST, BOB, 300)
    plain.hold(FIRST, BOB, 300)
    too_little, none = TokenFailure(TokenReason.BelowMinimum), TokenFailure(TokenReason.CannotCreate)
    refused(vault, too_little, lambda: coin.transfer_on_hold(FIRST, BOB, FERDIE, MINIMUM - 1))
    refused(vault, none, lambda: plain.transfer_on_hold(FIRST, BOB, FERDIE, 300))
    vault.ok(ALICE, "Assets.block", COIN, EVE)
    blocked = TokenFailure(TokenReason.Blocked)
    refused(vault, blocked, lambda: coin.transfer_on_hold(FIRST, BOB, EVE, 300))
    assert not coin.can_receive(EVE, 1)
    vault.ok(ALICE, "Assets.freeze_asset", COIN)
    not_live = assets_error(vault, errors.AssetNotLive)
    refused(vault, not_live, lambda: coin.transfer_on_hold(FIRST, BOB, FERDIE, 300))
    assert coin.release(FIRST, BOB, 300) == 300


def test_burning_takes_out_of_the_supply(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.hold(FIRST, BOB, 300)
    refused(vault, FUNDS, lambda: coin.burn_held(FIRST, BOB, 301))
    refused(vault, FUNDS, lambda: coin.burn_held(SECOND, BOB, 1))
    coin.burn_held(FIRST, BOB, 100)
    assert vault.events()[-1] == AssetHolds.Burned(BOB, COIN, FIRST, 100)
    coin.burn_held(FIRST, BOB, 200)
    assert (free(vault), coin.total_balance(BOB), coin.total_issuance()) == (700, 700, 1_700)


# --- what an account with holds can still do


def test_account_with_holds_keeps_its_minimum(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.hold(FIRST, BOB, 300)
    for preservation in Preservation:
        assert coin.reducible_balance(BOB, preservation) == 700 - MINIMUM
    vault.noop(assets_error(vault, errors.BalanceLow), BOB, "Assets.transfer", COIN, EVE, 700)
    vault.noop(assets_error(vault, errors.BalanceLow), BOB, "Assets.transfer", COIN, EVE, 691)
    vault.ok(BOB, "Assets.transfer_all", COIN, EVE, False)
    assert (free(vault), free(vault, EVE)) == (MINIMUM, START + 690)
    vault.ok(ALICE, "Assets.burn", COIN, BOB, 700)
    assert vault.events() == [events.Burned(COIN, BOB, 0)]
    coin.release(FIRST, BOB, 300)
    vault.ok(BOB, "Assets.transfer", COIN, EVE, 310)
    assert free(vault) is None


def test_minimum_that_rises_above_the_rest_burns_nothing_of_it(vault: VAULT) -> None:
    vault.pallets.coin.hold(FIRST, BOB, ALL)
    vault.ok(ROOT, "Assets.force_asset_status", COIN, ALICE, ALICE, ALICE, ALICE, 50, True, False)
    vault.ok(ALICE, "Assets.burn", COIN, BOB, 5)
    assert free(vault) == MINIMUM
    vault.noop(assets_error(vault, errors.BalanceLow), BOB, "Assets.transfer", COIN, EVE, 1)
    vault.pallets.coin.release(FIRST, BOB, ALL)
    assert free(vault) == START


def test_account_with_holds_is_not_refunded(vault: VAULT) -> None:
    vault.ok(CHARLIE, "Assets.touch", COIN)
    vault.ok(ALICE, "Assets.mint", COIN, CHARLIE, 100)
    for asset_id, who in ((COIN, CHARLIE), (PLAIN, BOB)):
        vault.pallets.holds.hold(asset_id, FIRST, who, 50)
        vault.noop(assets_error(vault, errors.ContainsHolds), who, "Assets.refund", asset_id, True)
        vault.pallets.holds.release(asset_id, FIRST, who, 50)
        vault.ok(who, "Assets.refund", asset_id, True)


def test_account_of_another_with_holds_is_not_refunded(vault: VAULT) -> None:
    """Its free balance is zero only where a hold was made under another minimum."""
    vault.ok(BOB, "Assets.touch_other", COIN, FERDIE)
    vault.ok(ALICE, "Assets.mint", COIN, FERDIE, 100)
    vault.pallets.coin.hold(FIRST, FERDIE, 90)
    account = vault.pallets.assets.account
    found = account.get(COIN, FERDIE)
    assert found is not None
    account.put(COIN, FERDIE, structs.replace(found, balance=0))
    vault.noop(assets_error(vault, errors.ContainsHolds), BOB, "Assets.refund_other", COIN, FERDIE)
    account.put(COIN, FERDIE, found)


def test_asset_with_holds_is_not_destroyed(vault: VAULT) -> None:
    contains = assets_error(vault, errors.ContainsHolds)
    vault.pallets.coin.hold(FIRST, BOB, 1)
    vault.noop(contains, ALICE, "Assets.start_destroy", COIN)
    vault.noop(contains, ROOT, "Assets.start_destroy", COIN)
    vault.noop(assets_error(vault, errors.NoPermission), BOB, "Assets.start_destroy", COIN)
    vault.ok(ALICE, "Assets.start_destroy", PLAIN)
    vault.pallets.coin.release(FIRST, BOB, 1)
    vault.ok(ALICE, "Assets.start_destroy", COIN)
    not_live = assets_error(vault, errors.AssetNotLive)
    refused(vault, not_live, lambda: vault.pallets.coin.hold(FIRST, BOB, 1))
    vault.ok(DAVE, "Assets.destroy_accounts", COIN)
    vault.ok(DAVE, "Assets.finish_destroy", COIN)


# --- one asset


def test_transfer_of_one_asset_moves_exactly_the_amount(vault: VAULT) -> None:
    coin = vault.pallets.coin
    coin.transfer(BOB, FERDIE, 400, Preservation.PRESERVE)
    assert vault.events()[-1] == events.Transferred(COIN, BOB, FERDIE, 400)
    assert (free(vault), free(vault, FERDIE)) == (600, 400)
    dust = TokenFailure(TokenReason.BelowMinimum)
    low = assets_error(vault, errors.BalanceLow)
    refused(vault, dust, lambda: coin.transfer(BOB, EVE, 591, Preservation.EXPENDABLE))
    refused(vault, low, lambda: coin.transfer(BOB, EVE, 601, Preservation.EXPENDABLE))
    for kept in (Preservation.PRESERVE, Preservation.PROTECT):
        refused(vault, low, lambda kept=kept: coin.transfer(BOB, EVE, 591, kept))  # type: ignore[misc]  # bound now
    coin.transfer(BOB, EVE, 590, Preservation.EXPENDABLE)
    seen = vault.events()
    coin.transfer(BOB, EVE, 0, Preservation.EXPENDABLE)
    assert vault.events() == seen
    coin.transfer(BOB, EVE, MINIMUM, Preservation.EXPENDABLE)
    assert (free(vault), free(vault, EVE)) == (None, 1_600)


def test_mint_into_an_account_is_issued(vault: VAULT) -> None:
    coin = vault.pallets.coin
    refused(vault, TokenFailure(TokenReason.BelowMinimum), lambda: coin.mint_into(FERDIE, MINIMUM - 1))
    assert not coin.can_receive(FERDIE, MINIMUM - 1)
    assert coin.can_receive(FERDIE, MINIMUM)
    coin.mint_into(FERDIE, MINIMUM)
    coin.mint_into(FERDIE, 0)
    assert vault.events()[-1:] == [events.Issued(COIN, FERDIE, MINIMUM)]
    assert (coin.total_balance(FERDIE), coin.total_issuance()) == (MINIMUM, 2 * START + MINIMUM)
    assert (coin.minimum_balance(), coin.reducible_balance(FERDIE, Preservation.PRESERVE)) == (MINIMUM, 0)


def test_asset_that_does_not_exist_has_nothing_and_takes_nothing(vault: VAULT) -> None:
    coin = OneAsset(99, vault.pallets.assets, vault.pallets.holds)
    unknown = assets_error(vault, errors.Unknown)
    assert (coin.total_issuance(), coin.minimum_balance()) == (0, 0)
    assert coin.reducible_balance(BOB, Preservation.EXPENDABLE) == 0
    assert not coin.can_receive(BOB, 1)
    refused(vault, unknown, lambda: coin.mint_into(BOB, 1))
    refused(vault, unknown, lambda: coin.hold(FIRST, BOB, 1))
    refused(vault, unknown, lambda: coin.transfer(BOB, EVE, 1, Preservation.EXPENDABLE))


# --- consistency


def test_inconsistent_holds_are_found(vault: VAULT) -> None:
    pallet = vault.pallets.holds
    pallet.hold(COIN, FIRST, BOB, 10)
    pallet.hold(COIN, SECOND, BOB, 20)
    good = pallet.holds.get(COIN, BOB)
    for entries, about in (
        ((HeldAmount(FIRST, 30), HeldAmount(SECOND, 0)), "an empty hold"),
        (good[::-1], "disordered holds"),
        ((HeldAmount(FIRST, 10), HeldAmount(FIRST, 20)), "disordered holds"),
    ):
        pallet.holds.put(COIN, BOB, entries)
        with pytest.raises(AssertionError, match=about):
            pallet.try_state()
    pallet.holds.put(COIN, BOB, ())
    with pytest.raises(AssertionError, match="without holds"):
        pallet.try_state()
    pallet.holds.put(COIN, BOB, good)
    pallet.try_state()
    pallet.holds.put(COIN, BOB, (HeldAmount(FIRST, 10), HeldAmount(SECOND, 21)))
    with pytest.raises(AssertionError, match="supply is not the sum"):
        vault.pallets.assets.try_state()
    pallet.holds.put(COIN, BOB, good)


def test_status_of_an_account_survives_holds(vault: VAULT) -> None:
    vault.pallets.coin.hold(FIRST, BOB, 30)
    vault.ok(ALICE, "Assets.block", COIN, BOB)
    vault.pallets.coin.burn_held(FIRST, BOB, 10)
    vault.pallets.coin.release(FIRST, BOB, 20)
    found = vault.pallets.assets.account.get(COIN, BOB)
    assert found is not None
    assert (found.status, found.balance) == (AccountStatus.Blocked, START - 10)
    details = vault.pallets.assets.asset.get(COIN)
    assert details is not None
    assert details.status is AssetStatus.Live
