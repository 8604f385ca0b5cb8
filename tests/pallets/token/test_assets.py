"""Assets: who may create, lead, freeze, name and destroy an asset, against which deposits."""

import pytest

from genesis.consortium import UNIT
from pallets.token import assets_errors as errors
from pallets.token import assets_events as events
from pallets.token.assets_types import (
    REMOVE_ITEMS_MAX,
    STRING_MAX,
    AccountStatus,
    AssetMetadata,
    AssetStatus,
)
from pallets.token.balances_types import LockReasons
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    NOBODY,
    ROOT,
    BadOrigin,
    CannotLookup,
    Origin,
    PalletError,
    TokenFailure,
    TokenReason,
)
from runtime.primitives.extrinsic import AddressRaw, MultiAddress
from runtime.primitives.hashing import blake2_128_concat, twox128
from runtime.primitives.shape import shape_of
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
from tests.support.chain import ALICE, BOB, DAVE, EVE, FERDIE


def error(chain: LOCAL, cls: type[PalletError]) -> PalletError:
    return assets(chain).error(cls)


# --- creating


def test_created_asset_belongs_to_its_creator_and_is_paid_for(chain: LOCAL) -> None:
    chain.ok(ALICE, "Assets.create", ASSET, BOB, MINIMUM)
    made = details(chain)
    assert (made.owner, made.issuer, made.admin, made.freezer) == (ALICE, BOB, BOB, BOB)
    assert (made.supply, made.min_balance, made.is_sufficient) == (0, MINIMUM, False)
    assert made.deposit == reserved(chain, ALICE) == assets(chain).config.asset_deposit
    assert chain.events()[-1] == events.Created(ASSET, ALICE, BOB)


def test_forced_asset_needs_no_deposit_and_may_be_sufficient(chain: LOCAL) -> None:
    chain.ok(ROOT, "Assets.force_create", ASSET, ALICE, True, MINIMUM)
    made = details(chain)
    assert (made.owner, made.issuer, made.admin, made.freezer) == (ALICE,) * 4
    assert (made.deposit, made.is_sufficient, reserved(chain, ALICE)) == (0, True, 0)
    assert chain.events()[-1] == events.ForceCreated(ASSET, ALICE)
    chain.noop(BadOrigin, ALICE, "Assets.force_create", 8, ALICE, False, MINIMUM)


def test_asset_id_must_be_free_and_the_minimum_above_zero(chain: LOCAL) -> None:
    make_asset(chain)
    chain.noop(error(chain, errors.InUse), ALICE, "Assets.create", ASSET, ALICE, 1)
    chain.noop(error(chain, errors.InUse), ROOT, "Assets.force_create", ASSET, ALICE, False, 1)
    chain.noop(error(chain, errors.MinBalanceZero), ALICE, "Assets.create", 8, ALICE, 0)
    chain.noop(error(chain, errors.MinBalanceZero), ROOT, "Assets.force_create", 8, ALICE, False, 0)


def test_creation_must_be_affordable(chain: LOCAL) -> None:
    chain.ok(ROOT, "Balances.force_set_balance", EVE, UNIT // 10)
    chain.noop(chain.pallets.balances.InsufficientBalance, EVE, "Assets.create", ASSET, EVE, 1)


def test_next_asset_id_is_enforced_for_signers_and_moves_on(chain: LOCAL) -> None:
    assets(chain).next_asset_id.put(50)
    chain.noop(error(chain, errors.BadAssetId), ALICE, "Assets.create", 49, ALICE, 1)
    chain.noop(error(chain, errors.BadAssetId), ALICE, "Assets.create", 51, ALICE, 1)
    chain.ok(ALICE, "Assets.create", 50, ALICE, 1)
    assert assets(chain).next_asset_id.get() == 51
    chain.ok(ROOT, "Assets.force_create", 20, ALICE, False, 1)
    assert assets(chain).next_asset_id.get() == 51
    chain.ok(ROOT, "Assets.force_create", 90, ALICE, False, 1)
    assert assets(chain).next_asset_id.get() == 91


def test_last_asset_id_of_all_cannot_be_used_up(chain: LOCAL) -> None:
    assets(chain).next_asset_id.put(2**32 - 1)
    result = chain.dispatch(ALICE, chain.call("Assets.create", 2**32 - 1, ALICE, 1))
    assert result.error is not None
    assert not assets(chain).asset.contains(2**32 - 1)


# --- the team


def test_only_the_owner_changes_the_team(chain: LOCAL) -> None:
    make_asset(chain)
    chain.noop(error(chain, errors.NoPermission), ADMIN, "Assets.set_team", ASSET, EVE, EVE, EVE)
    chain.ok(OWNER, "Assets.set_team", ASSET, BOB, DAVE, EVE)
    found = details(chain)
    assert (found.issuer, found.admin, found.freezer) == (BOB, DAVE, EVE)
    assert chain.events()[-1] == events.TeamChanged(ASSET, BOB, DAVE, EVE)


def test_ownership_moves_with_its_deposits(chain: LOCAL) -> None:
    make_asset(chain)
    chain.ok(OWNER, "Assets.set_metadata", ASSET, b"Name", b"SYM", 6)
    deposits = reserved(chain, OWNER)
    chain.noop(error(chain, errors.NoPermission), ADMIN, "Assets.transfer_ownership", ASSET, EVE)
    chain.ok(OWNER, "Assets.transfer_ownership", ASSET, EVE)
    assert chain.events()[-1] == events.OwnerChanged(ASSET, EVE)
    assert (reserved(chain, OWNER), reserved(chain, EVE)) == (0, deposits)
    chain.noop(error(chain, errors.NoPermission), OWNER, "Assets.transfer_ownership", ASSET, OWNER)
    chain.ok(EVE, "Assets.clear_metadata", ASSET)
    assert reserved(chain, EVE) == assets(chain).config.asset_deposit


def test_ownership_handed_to_oneself_changes_nothing(chain: LOCAL) -> None:
    make_asset(chain)
    before = details(chain)
    chain.ok(OWNER, "Assets.transfer_ownership", ASSET, OWNER)
    assert chain.events() == []
    assert details(chain) == before


def test_new_owner_must_exist(chain: LOCAL) -> None:
    make_asset(chain)
    dead = chain.pallets.balances.DeadAccount
    chain.noop(dead, OWNER, "Assets.transfer_ownership", ASSET, FERDIE)


def test_asset_without_deposits_goes_to_anybody(chain: LOCAL) -> None:
    make_asset(chain, is_sufficient=True)
    chain.ok(OWNER, "Assets.transfer_ownership", ASSET, FERDIE)
    assert details(chain).owner == FERDIE


def test_deposits_that_are_frozen_keep_an_asset_with_its_owner(chain: LOCAL) -> None:
    make_asset(chain)
    balances = chain.pallets.balances
    balances.set_lock(b"locklock", OWNER, balances.total_balance(OWNER), LockReasons.All)
    incomplete = error(chain, errors.IncompleteDepositTransfer)
    chain.noop(incomplete, OWNER, "Assets.transfer_ownership", ASSET, EVE)
    balances.set_lock(b"locklock", OWNER, 0, LockReasons.All)
    chain.ok(OWNER, "Assets.transfer_ownership", ASSET, EVE)


def test_root_changes_every_attribute_and_returns_deposits_of_a_replaced_owner(chain: LOCAL) -> None:
    make_asset(chain)
    chain.ok(OWNER, "Assets.set_metadata", ASSET, b"Name", b"SYM", 6)
    args = (ASSET, EVE, BOB, BOB, BOB, 99, True, True)
    chain.noop(BadOrigin, OWNER, "Assets.force_asset_status", *args)
    chain.ok(ROOT, "Assets.force_asset_status", *args)
    found = details(chain)
    assert (found.owner, found.issuer, found.admin, found.freezer) == (EVE, BOB, BOB, BOB)
    assert (found.min_balance, found.is_sufficient, found.status) == (99, True, AssetStatus.Frozen)
    assert (found.deposit, assets(chain).metadata.get(ASSET).deposit) == (0, 0)
    assert reserved(chain, OWNER) == 0
    assert chain.events()[-1] == events.AssetStatusChanged(ASSET)
    chain.ok(ROOT, "Assets.force_asset_status", ASSET, EVE, BOB, BOB, BOB, 99, True, False)
    assert details(chain).status is AssetStatus.Live


def test_root_keeps_deposits_where_the_owner_stays(chain: LOCAL) -> None:
    make_asset(chain)
    before = reserved(chain, OWNER)
    chain.ok(ROOT, "Assets.force_asset_status", ASSET, OWNER, BOB, BOB, BOB, 99, False, False)
    assert reserved(chain, OWNER) == before == details(chain).deposit


def test_root_cannot_set_a_minimum_of_zero_nor_revive_a_dying_asset(chain: LOCAL) -> None:
    make_asset(chain)
    args = (ASSET, EVE, BOB, BOB, BOB)
    chain.noop(error(chain, errors.MinBalanceZero), ROOT, "Assets.force_asset_status", *args, 0, False, False)
    chain.ok(OWNER, "Assets.start_destroy", ASSET)
    chain.noop(error(chain, errors.AssetNotLive), ROOT, "Assets.force_asset_status", *args, 1, False, False)


def test_minimum_balance_falls_only_once_the_asset_is_held(chain: LOCAL) -> None:
    make_asset(chain)
    refused = error(chain, errors.NoPermission)
    chain.noop(refused, ADMIN, "Assets.set_min_balance", ASSET, 5)
    chain.noop(error(chain, errors.MinBalanceZero), OWNER, "Assets.set_min_balance", ASSET, 0)
    chain.ok(OWNER, "Assets.set_min_balance", ASSET, 20)
    assert chain.events()[-1] == events.AssetMinBalanceChanged(ASSET, 20)
    mint(chain, EVE, 100)
    chain.noop(refused, OWNER, "Assets.set_min_balance", ASSET, 20)
    chain.noop(refused, OWNER, "Assets.set_min_balance", ASSET, 21)
    chain.ok(OWNER, "Assets.set_min_balance", ASSET, 19)


def test_minimum_balance_of_a_sufficient_asset_is_fixed(chain: LOCAL) -> None:
    make_asset(chain, is_sufficient=True)
    refused = error(chain, errors.NoPermission)
    chain.noop(refused, OWNER, "Assets.set_min_balance", ASSET, 5)


# --- freezing


@pytest.mark.parametrize(
    ("name", "sender", "status", "event"),
    [
        ("Assets.freeze", FREEZER, AccountStatus.Frozen, events.Frozen),
        ("Assets.block", FREEZER, AccountStatus.Blocked, events.Blocked),
        ("Assets.thaw", ADMIN, AccountStatus.Liquid, events.Thawed),
    ],
)
def test_accounts_are_frozen_blocked_and_thawed_by_their_officers(
    chain: LOCAL, name: str, sender: AccountId, status: AccountStatus, event: type[events.Frozen]
) -> None:
    make_asset(chain)
    mint(chain, EVE, 100)
    if name == "Assets.thaw":
        chain.ok(FREEZER, "Assets.block", ASSET, EVE)
    for other in {OWNER, ISSUER, ADMIN, FREEZER, EVE} - {sender}:
        chain.noop(error(chain, errors.NoPermission), other, name, ASSET, EVE)
    chain.noop(error(chain, errors.NoAccount), sender, name, ASSET, BOB)
    chain.noop(error(chain, errors.Unknown), sender, name, 99, EVE)
    chain.ok(sender, name, ASSET, EVE)
    assert holding(chain, EVE).status is status
    assert chain.events() == [event(ASSET, EVE)]
    # A frozen asset does not hinder the officers, a dying one does.
    chain.ok(FREEZER, "Assets.freeze_asset", ASSET)
    chain.ok(sender, name, ASSET, EVE)
    chain.ok(OWNER, "Assets.start_destroy", ASSET)
    chain.noop(error(chain, errors.IncorrectStatus), sender, name, ASSET, EVE)


def test_asset_is_frozen_by_the_freezer_and_thawed_by_the_admin(chain: LOCAL) -> None:
    make_asset(chain)
    refused = error(chain, errors.NoPermission)
    chain.noop(error(chain, errors.NotFrozen), ADMIN, "Assets.thaw_asset", ASSET)
    chain.noop(refused, ADMIN, "Assets.freeze_asset", ASSET)
    chain.ok(FREEZER, "Assets.freeze_asset", ASSET)
    assert chain.events() == [events.AssetFrozen(ASSET)]
    chain.noop(error(chain, errors.AssetNotLive), FREEZER, "Assets.freeze_asset", ASSET)
    chain.noop(refused, FREEZER, "Assets.thaw_asset", ASSET)
    chain.ok(ADMIN, "Assets.thaw_asset", ASSET)
    assert chain.events() == [events.AssetThawed(ASSET)]
    assert details(chain).status is AssetStatus.Live


# --- metadata


def test_metadata_is_stored_and_paid_for_by_length(chain: LOCAL) -> None:
    make_asset(chain)
    base = reserved(chain, OWNER)
    config = assets(chain).config
    chain.ok(OWNER, "Assets.set_metadata", ASSET, b"Name", b"SYM", 6)
    deposit = config.metadata_deposit_base + 7 * config.metadata_deposit_per_byte
    assert assets(chain).metadata.get(ASSET) == AssetMetadata(deposit, b"Name", b"SYM", 6)
    assert reserved(chain, OWNER) == base + deposit
    assert chain.events()[-1] == events.MetadataSet(ASSET, b"Name", b"SYM", 6, False)
    chain.ok(OWNER, "Assets.set_metadata", ASSET, b"N", b"S", 6)
    assert reserved(chain, OWNER) == base + deposit - 5 * config.metadata_deposit_per_byte
    chain.ok(OWNER, "Assets.clear_metadata", ASSET)
    assert chain.events()[-1] == events.MetadataCleared(ASSET)
    assert reserved(chain, OWNER) == base
    chain.noop(error(chain, errors.Unknown), OWNER, "Assets.clear_metadata", ASSET)


@pytest.mark.parametrize("root", [False, True])
def test_names_and_symbols_are_as_long_as_the_limit_and_not_longer(chain: LOCAL, root: bool) -> None:
    make_asset(chain)
    name = "Assets.force_set_metadata" if root else "Assets.set_metadata"
    sender: Origin | AccountId = ROOT if root else OWNER
    tail: tuple[object, ...] = (6, False) if root else (6,)
    most, more = b"x" * STRING_MAX, b"x" * (STRING_MAX + 1)
    chain.ok(sender, name, ASSET, most, most, *tail)
    chain.noop(error(chain, errors.BadMetadata), sender, name, ASSET, more, b"S", *tail)
    chain.noop(error(chain, errors.BadMetadata), sender, name, ASSET, b"N", more, *tail)


def test_only_the_owner_names_an_asset_and_only_while_it_is_live(chain: LOCAL) -> None:
    make_asset(chain)
    chain.ok(OWNER, "Assets.set_metadata", ASSET, b"N", b"S", 6)
    refused = error(chain, errors.NoPermission)
    chain.noop(refused, ADMIN, "Assets.set_metadata", ASSET, b"N", b"S", 6)
    chain.noop(refused, ADMIN, "Assets.clear_metadata", ASSET)
    chain.ok(FREEZER, "Assets.freeze_asset", ASSET)
    chain.noop(error(chain, errors.AssetNotLive), OWNER, "Assets.set_metadata", ASSET, b"N", b"S", 6)
    chain.noop(error(chain, errors.AssetNotLive), OWNER, "Assets.clear_metadata", ASSET)


def test_metadata_must_be_affordable(chain: LOCAL) -> None:
    chain.ok(ROOT, "Assets.force_create", ASSET, EVE, False, 1)
    chain.ok(ROOT, "Balances.force_set_balance", EVE, UNIT // 10)
    poor = chain.pallets.balances.InsufficientBalance
    chain.noop(poor, EVE, "Assets.set_metadata", ASSET, b"N", b"S", 6)


def test_metadata_frozen_by_root_is_roots_alone(chain: LOCAL) -> None:
    make_asset(chain)
    chain.ok(OWNER, "Assets.set_metadata", ASSET, b"N", b"S", 6)
    before = reserved(chain, OWNER)
    chain.noop(BadOrigin, OWNER, "Assets.force_set_metadata", ASSET, b"Na", b"Sy", 7, True)
    chain.ok(ROOT, "Assets.force_set_metadata", ASSET, b"Na", b"Sy", 7, True)
    assert chain.events()[-1] == events.MetadataSet(ASSET, b"Na", b"Sy", 7, True)
    assert reserved(chain, OWNER) == before
    refused = error(chain, errors.NoPermission)
    chain.noop(refused, OWNER, "Assets.set_metadata", ASSET, b"N", b"S", 6)
    chain.noop(refused, OWNER, "Assets.clear_metadata", ASSET)
    chain.noop(BadOrigin, OWNER, "Assets.force_clear_metadata", ASSET)
    chain.ok(ROOT, "Assets.force_clear_metadata", ASSET)
    assert chain.events()[-1] == events.MetadataCleared(ASSET)
    assert reserved(chain, OWNER) == assets(chain).config.asset_deposit
    chain.noop(error(chain, errors.Unknown), ROOT, "Assets.force_clear_metadata", ASSET)


# --- destruction


def test_asset_is_destroyed_step_by_step_and_every_deposit_comes_back(chain: LOCAL) -> None:
    make_asset(chain)
    chain.ok(OWNER, "Assets.set_metadata", ASSET, b"N", b"S", 6)
    mint(chain, EVE, 100)
    chain.ok(BOB, "Assets.touch", ASSET)
    chain.ok(FREEZER, "Assets.touch_other", ASSET, FERDIE)
    chain.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 5)
    consumers = chain.pallets.system.get_account(EVE).consumers
    chain.noop(error(chain, errors.NoPermission), ADMIN, "Assets.start_destroy", ASSET)
    chain.noop(BadOrigin, NOBODY, "Assets.start_destroy", ASSET)
    chain.ok(OWNER, "Assets.start_destroy", ASSET)
    assert chain.events() == [events.DestructionStarted(ASSET)]
    chain.noop(error(chain, errors.InUse), EVE, "Assets.finish_destroy", ASSET)
    post = chain.ok(EVE, "Assets.destroy_accounts", ASSET)
    assert chain.events()[-1] == events.AccountsDestroyed(ASSET, 3, 0)
    assert post.actual_weight is not None
    chain.noop(error(chain, errors.InUse), EVE, "Assets.finish_destroy", ASSET)
    post = chain.ok(EVE, "Assets.destroy_approvals", ASSET)
    assert chain.events()[-1] == events.ApprovalsDestroyed(ASSET, 1, 0)
    assert post.actual_weight is not None
    chain.ok(EVE, "Assets.finish_destroy", ASSET)
    assert chain.events()[-1] == events.Destroyed(ASSET)
    assert not assets(chain).asset.contains(ASSET)
    assert not assets(chain).metadata.contains(ASSET)
    assert all(reserved(chain, who) == 0 for who in (OWNER, EVE, BOB, FREEZER))
    assert chain.pallets.system.get_account(EVE).consumers == consumers - 2


def test_root_may_start_a_destruction(chain: LOCAL) -> None:
    make_asset(chain)
    chain.ok(ROOT, "Assets.start_destroy", ASSET)
    assert details(chain).status is AssetStatus.Destroying


def test_destruction_of_sufficient_accounts_reaps_those_that_live_on_the_asset(chain: LOCAL) -> None:
    make_asset(chain, is_sufficient=True)
    mint(chain, FERDIE, 100)
    assert chain.pallets.system.exists(FERDIE)
    chain.ok(ROOT, "Assets.start_destroy", ASSET)
    chain.ok(EVE, "Assets.destroy_accounts", ASSET)
    assert not chain.pallets.system.exists(FERDIE)


@pytest.mark.parametrize(
    "name", ["Assets.destroy_accounts", "Assets.destroy_approvals", "Assets.finish_destroy"]
)
def test_steps_of_a_destruction_need_a_dying_asset_and_a_signer(chain: LOCAL, name: str) -> None:
    make_asset(chain)
    chain.noop(error(chain, errors.IncorrectStatus), OWNER, name, ASSET)
    chain.noop(error(chain, errors.Unknown), OWNER, name, 99)
    chain.noop(BadOrigin, ROOT, name, ASSET)


def test_one_call_destroys_as_many_accounts_as_the_limit(chain: LOCAL) -> None:
    make_asset(chain, is_sufficient=True)
    for number in range(REMOVE_ITEMS_MAX + 1):
        mint(chain, AccountId(number.to_bytes(32, "big")), MINIMUM)
    chain.next_block()
    chain.ok(OWNER, "Assets.start_destroy", ASSET)
    first = chain.ok(EVE, "Assets.destroy_accounts", ASSET)
    assert chain.events()[-1] == events.AccountsDestroyed(ASSET, REMOVE_ITEMS_MAX, 1)
    second = chain.ok(EVE, "Assets.destroy_accounts", ASSET)
    assert chain.events()[-1] == events.AccountsDestroyed(ASSET, 1, 0)
    assert first.actual_weight is not None
    assert second.actual_weight is not None
    assert first.actual_weight == chain.call("Assets.destroy_accounts", ASSET).weight()
    assert second.actual_weight.ref_time < first.actual_weight.ref_time


def test_one_call_destroys_as_many_approvals_as_the_limit(chain: LOCAL) -> None:
    make_asset(chain)
    for number in range(REMOVE_ITEMS_MAX + 1):
        chain.ok(EVE, "Assets.approve_transfer", ASSET, AccountId(number.to_bytes(32, "big")), 1)
    chain.next_block()
    chain.ok(OWNER, "Assets.start_destroy", ASSET)
    first = chain.ok(EVE, "Assets.destroy_approvals", ASSET)
    assert chain.events()[-1] == events.ApprovalsDestroyed(ASSET, REMOVE_ITEMS_MAX, 1)
    assert first.actual_weight == chain.call("Assets.destroy_approvals", ASSET).weight()
    second = chain.ok(EVE, "Assets.destroy_approvals", ASSET)
    assert second.actual_weight is not None
    assert second.actual_weight.ref_time < chain.call("Assets.destroy_approvals", ASSET).weight().ref_time
    chain.ok(EVE, "Assets.finish_destroy", ASSET)
    assert reserved(chain, EVE) == 0


# --- every call


def every_call(chain: LOCAL, asset_id: int) -> list[tuple[Origin | AccountId, Call]]:
    """Return every call that names an asset, by somebody whose origin may make it."""
    signed: list[tuple[str, tuple[object, ...]]] = [
        ("start_destroy", ()), ("mint", (EVE, 1)), ("burn", (EVE, 1)), ("transfer", (EVE, 1)),
        ("transfer_keep_alive", (EVE, 1)), ("force_transfer", (EVE, BOB, 1)), ("freeze", (EVE,)),
        ("thaw", (EVE,)), ("freeze_asset", ()), ("thaw_asset", ()), ("transfer_ownership", (EVE,)),
        ("set_team", (EVE, EVE, EVE)), ("set_metadata", (b"N", b"S", 1)), ("clear_metadata", ()),
        ("approve_transfer", (EVE, 1)), ("cancel_approval", (EVE,)),
        ("transfer_approved", (EVE, BOB, 1)), ("touch", ()), ("set_min_balance", (1,)),
        ("touch_other", (EVE,)), ("block", (EVE,)), ("transfer_all", (EVE, False)),
    ]  # fmt: skip
    root: list[tuple[str, tuple[object, ...]]] = [
        ("force_set_metadata", (b"N", b"S", 1, False)),
        ("force_clear_metadata", ()),
        ("force_cancel_approval", (EVE, BOB)),
        ("force_asset_status", (EVE, EVE, EVE, EVE, 1, False, False)),
    ]
    made: list[tuple[Origin | AccountId, Call]] = []
    made += [(ALICE, chain.call(f"Assets.{name}", asset_id, *args)) for name, args in signed]
    made += [(ROOT, chain.call(f"Assets.{name}", asset_id, *args)) for name, args in root]
    return made


def test_unknown_asset_is_refused_by_every_call(chain: LOCAL) -> None:
    for sender, call in every_call(chain, 99):
        chain.assert_noop(sender, call, error(chain, errors.Unknown))


def test_every_call_refuses_the_none_origin(chain: LOCAL) -> None:
    make_asset(chain)
    for _, call in every_call(chain, ASSET):
        chain.assert_noop(NOBODY, call, BadOrigin)
    for name, args in (("create", (ALICE, 1)), ("refund", (False,)), ("refund_other", (EVE,))):
        chain.noop(BadOrigin, NOBODY, f"Assets.{name}", 55, *args)


def test_signed_calls_refuse_root(chain: LOCAL) -> None:
    make_asset(chain)
    for sender, call in every_call(chain, ASSET):
        if sender is not ROOT and call.spec.name != "start_destroy":
            chain.assert_noop(ROOT, call, BadOrigin)


def test_addresses_must_name_an_account(chain: LOCAL) -> None:
    make_asset(chain)
    nowhere = AddressRaw(b"x")
    for sender, call in every_call(chain, ASSET):
        for position, (_, shape) in enumerate(call.spec.parameters):
            if shape != shape_of(MultiAddress):
                continue
            args = tuple(nowhere if i == position else arg for i, arg in enumerate(call.args))
            chain.assert_noop(sender, Call(call.spec, args), CannotLookup)


# --- storage, constants, genesis


def test_asset_is_stored_where_and_how_wallets_read_it(chain: LOCAL) -> None:
    make_asset(chain)
    mint(chain, EVE, 100)
    chain.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 5)
    deposit = details(chain).deposit
    approval = assets(chain).config.approval_deposit
    chain.next_block()
    key = ASSET.to_bytes(4, "little")
    prefix, one = twox128(b"Assets"), blake2_128_concat(key)
    entries = chain.backend.entries

    def u128(value: int) -> bytes:
        return value.to_bytes(16, "little")

    team = OWNER + ISSUER + ADMIN + FREEZER
    counts = b"\x01\0\0\0" + bytes(4) + b"\x01\0\0\0"
    expected = team + u128(100) + u128(deposit) + u128(MINIMUM) + b"\0" + counts + b"\0"
    assert entries[prefix + twox128(b"Asset") + one] == expected
    held = prefix + twox128(b"Account") + one + blake2_128_concat(EVE)
    assert entries[held] == u128(100) + b"\0" + b"\0"
    approved = prefix + twox128(b"Approvals") + one + blake2_128_concat(EVE) + blake2_128_concat(BOB)
    assert entries[approved] == u128(5) + u128(approval)


def test_constants_are_those_of_the_composition(chain: LOCAL) -> None:
    config = assets(chain).config
    assert {c.name: c.value for c in assets(chain).constants()} == {
        "RemoveItemsLimit": 1_000,
        "AssetDeposit": config.asset_deposit,
        "AssetAccountDeposit": config.asset_account_deposit,
        "MetadataDepositBase": config.metadata_deposit_base,
        "MetadataDepositPerByte": config.metadata_deposit_per_byte,
        "ApprovalDeposit": config.approval_deposit,
        "StringLimit": 50,
    }


def test_transfers_of_a_dying_or_frozen_asset_are_refused(chain: LOCAL) -> None:
    make_asset(chain)
    mint(chain, EVE, 100)
    give(chain, FERDIE)
    calls = [
        (EVE, chain.call("Assets.transfer", ASSET, FERDIE, 50)),
        (EVE, chain.call("Assets.transfer_keep_alive", ASSET, FERDIE, 50)),
        (EVE, chain.call("Assets.transfer_all", ASSET, FERDIE, False)),
        (ADMIN, chain.call("Assets.force_transfer", ASSET, EVE, FERDIE, 50)),
        (ISSUER, chain.call("Assets.mint", ASSET, EVE, 50)),
        (ADMIN, chain.call("Assets.burn", ASSET, EVE, 50)),
        (EVE, chain.call("Assets.touch", ASSET)),
        (EVE, chain.call("Assets.approve_transfer", ASSET, FERDIE, 50)),
    ]
    chain.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 50)
    calls.append((BOB, chain.call("Assets.transfer_approved", ASSET, EVE, FERDIE, 5)))
    calls.append((EVE, chain.call("Assets.cancel_approval", ASSET, BOB)))
    for name, sender in (("Assets.freeze_asset", FREEZER), ("Assets.start_destroy", OWNER)):
        chain.ok(sender, name, ASSET)
        for who, call in calls:
            wanted = errors.AlreadyExists if call.spec.name == "touch" else errors.AssetNotLive
            chain.assert_noop(who, call, error(chain, wanted))
    assert balance(chain, EVE) == 100


def test_blocked_receiver_is_refused_as_a_token_error(chain: LOCAL) -> None:
    make_asset(chain)
    mint(chain, EVE, 100)
    mint(chain, BOB, 100)
    chain.ok(FREEZER, "Assets.block", ASSET, BOB)
    blocked = TokenFailure(TokenReason.Blocked)
    chain.noop(blocked, EVE, "Assets.transfer", ASSET, BOB, 50)
    chain.noop(blocked, ISSUER, "Assets.mint", ASSET, BOB, 50)
