"""The consistency checks find each kind of inconsistency: one is planted at a time in a chain that has some
of everything."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec import structs

from genesis.consortium import UNIT, Consortium
from genesis.proxy_types import ProxyType
from pallets.core.multisig import Multisig, Operation, multi_account
from pallets.core.proxy import Announcement, Proxy, ProxyDefinition
from pallets.core.upgrades import ScheduledUpgrade, Upgrades
from pallets.token.assets_types import (
    CONSUMER,
    AccountStatus,
    Approval,
    AssetAccount,
    AssetDetails,
    AssetMetadata,
)
from pallets.token.balances_types import FrozenAmount, HeldAmount, LockReasons
from runtime.frame.account import AccountData
from runtime.frame.dispatch import NO_WEIGHT, ROOT
from runtime.frame.fungible import Reason
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, Chain, consortium_chain

LOCAL = Chain[Consortium]
P = TypeVar("P", Multisig, Proxy, Upgrades)
ASSET, SUFFICIENT, UNKNOWN = 7, 8, 99
OTHERS = tuple(sorted((BOB, CHARLIE)))
SHARED = multi_account(tuple(sorted((ALICE, BOB, CHARLIE))), 2)
CALL_HASH = blake2_256(b"a call")
REASON = Reason(99, 0)


@pytest.fixture
def furnished() -> LOCAL:
    """A chain with an open operation, proxies, announcements, assets, approvals, a lock and a plan."""
    chain = consortium_chain()
    chain.ok(ALICE, "Multisig.approve_as_multi", 2, OTHERS, None, CALL_HASH, NO_WEIGHT)
    chain.ok(ALICE, "Multisig.approve_as_multi", 3, OTHERS, None, CALL_HASH, NO_WEIGHT)
    chain.ok(DAVE, "Proxy.add_proxy", BOB, ProxyType.Any, 0)
    chain.ok(DAVE, "Proxy.add_proxy", CHARLIE, ProxyType.Any, 9)
    chain.ok(CHARLIE, "Proxy.announce", DAVE, Hash(CALL_HASH))
    chain.ok(BOB, "Assets.create", ASSET, BOB, 10)
    chain.ok(BOB, "Assets.set_metadata", ASSET, b"Name", b"SYM", 6)
    chain.ok(BOB, "Assets.mint", ASSET, EVE, 100)
    chain.ok(BOB, "Assets.mint", ASSET, DAVE, 100)
    chain.ok(EVE, "Assets.approve_transfer", ASSET, BOB, 50)
    chain.ok(ROOT, "Assets.force_create", SUFFICIENT, BOB, True, 10)
    chain.ok(BOB, "Assets.mint", SUFFICIENT, FERDIE, 100)
    chain.ok(DAVE, "Assets.touch", SUFFICIENT)
    chain.pallets.balances.set_lock(b"locklock", EVE, UNIT, LockReasons.All)
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, 50)
    chain.close_block()
    return chain


def pallet(chain: LOCAL, kind: type[P]) -> P:
    found = chain.runtime.pallet(kind.__name__)
    assert isinstance(found, kind)
    return found


def complains(chain: LOCAL, about: str) -> None:
    with pytest.raises(AssertionError, match=about):
        chain.api.try_state()


def set_data(chain: LOCAL, who: AccountId, data: AccountData) -> None:
    chain.pallets.system.put_data(who, data)


def data(chain: LOCAL, who: AccountId) -> AccountData:
    return chain.pallets.system.get_account(who).data


# --- Balances


def test_chain_with_some_of_everything_is_consistent(furnished: LOCAL) -> None:
    furnished.api.try_state()


@pytest.mark.parametrize("part", ["free", "reserved"])
@pytest.mark.parametrize("step", [-1, 1])
def test_issuance_that_is_not_the_sum_is_found(furnished: LOCAL, part: str, step: int) -> None:
    found = data(furnished, EVE)
    set_data(furnished, EVE, structs.replace(found, **{part: getattr(found, part) + step}))
    complains(furnished, "not the sum of the balances")


def test_hold_beyond_the_reserve_is_found(furnished: LOCAL) -> None:
    held = data(furnished, EVE).reserved
    furnished.pallets.balances.holds.put(EVE, (HeldAmount(REASON, held),))
    furnished.pallets.balances.try_state()
    furnished.pallets.balances.holds.put(EVE, (HeldAmount(REASON, held), HeldAmount(REASON, 1)))
    complains(furnished, "holds more than it has reserved")


@pytest.mark.parametrize("amount", [UNIT - 1, UNIT + 1])
def test_frozen_balance_that_is_not_the_largest_lock_is_found(furnished: LOCAL, amount: int) -> None:
    set_data(furnished, EVE, structs.replace(data(furnished, EVE), frozen=amount))
    complains(furnished, "wrong frozen balance")


def test_freeze_that_the_account_does_not_know_is_found(furnished: LOCAL) -> None:
    furnished.pallets.balances.freezes.put(EVE, (FrozenAmount(REASON, UNIT),))
    furnished.pallets.balances.try_state()
    furnished.pallets.balances.freezes.put(EVE, (FrozenAmount(REASON, UNIT + 1),))
    complains(furnished, "wrong frozen balance")


# --- Multisig


def operation(chain: LOCAL) -> Operation:
    found = pallet(chain, Multisig).multisigs.get(SHARED, CALL_HASH)
    assert found is not None
    return found


def put_operation(chain: LOCAL, changed: Operation) -> None:
    pallet(chain, Multisig).multisigs.put(SHARED, CALL_HASH, changed)


@pytest.mark.parametrize("approvals", [(BOB, ALICE, CHARLIE), (ALICE, ALICE)])
def test_disordered_approvals_are_found(furnished: LOCAL, approvals: tuple[AccountId, ...]) -> None:
    assert list(approvals) != sorted(set(approvals))
    put_operation(furnished, structs.replace(operation(furnished), approvals=approvals))
    complains(furnished, "disordered approvals")


@pytest.mark.parametrize(("count", "is_right"), [(0, False), (1, True), (100, True), (101, False)])
def test_no_or_too_many_approvals_are_found(furnished: LOCAL, count: int, is_right: bool) -> None:
    approvals = tuple(AccountId(bytes([number]) * 32) for number in range(count))
    put_operation(furnished, structs.replace(operation(furnished), approvals=approvals))
    if is_right:
        furnished.api.try_state()
    else:
        complains(furnished, "no or too many")


def test_deposits_of_operations_beyond_the_reserve_are_found(furnished: LOCAL) -> None:
    """All of Alice's reserve pays for her two operations."""
    found = operation(furnished)
    put_operation(furnished, structs.replace(found, deposit=found.deposit + 1))
    complains(furnished, "reserved too little")


# --- Proxy


def test_disordered_proxies_are_found(furnished: LOCAL) -> None:
    proxies = pallet(furnished, Proxy).proxies
    definitions, deposit = proxies.get(DAVE)
    proxies.put(DAVE, (definitions[::-1], deposit))
    complains(furnished, "disordered proxies")
    proxies.put(DAVE, ((definitions[0], definitions[0]), deposit))
    complains(furnished, "disordered proxies")


def test_empty_lists_of_proxies_and_announcements_are_found(furnished: LOCAL) -> None:
    proxy = pallet(furnished, Proxy)
    proxy.proxies.put(FERDIE, ((), 0))
    complains(furnished, "empty list of proxies")
    proxy.proxies.remove(FERDIE)
    proxy.announcements.put(FERDIE, ((), 0))
    complains(furnished, "empty list of announcements")


@pytest.mark.parametrize("step", [-1, 1])
def test_deposits_that_do_not_follow_from_the_lists_are_found(furnished: LOCAL, step: int) -> None:
    proxy = pallet(furnished, Proxy)
    definitions, deposit = proxy.proxies.get(DAVE)
    proxy.proxies.put(DAVE, (definitions, deposit + step))
    complains(furnished, "wrong proxy deposit")
    proxy.proxies.put(DAVE, (definitions, deposit))
    pending, deposit = proxy.announcements.get(CHARLIE)
    proxy.announcements.put(CHARLIE, (pending, deposit + step))
    complains(furnished, "wrong deposit")


def test_deposit_of_announcements_beyond_the_reserve_is_found(furnished: LOCAL) -> None:
    proxy = pallet(furnished, Proxy)
    _, deposit = proxy.announcements.get(CHARLIE)
    proxy.announcements.put(FERDIE, ((Announcement(DAVE, Hash(CALL_HASH), 1),), deposit))
    complains(furnished, "reserved too little")


def test_pure_account_needs_no_reserve_of_its_own(furnished: LOCAL) -> None:
    proxy = pallet(furnished, Proxy)
    config = proxy.config
    deposit = config.proxy_deposit_base + config.proxy_deposit_factor
    proxy.proxies.put(FERDIE, ((ProxyDefinition(EVE, ProxyType.Any, 0),), deposit))
    furnished.api.try_state()


# --- Assets


def details(chain: LOCAL, asset: int) -> AssetDetails:
    found = chain.pallets.assets.asset.get(asset)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("asset", "part", "about"),
    [
        (ASSET, "supply", "supply is not the sum"),
        (ASSET, "accounts", "number of accounts"),
        (ASSET, "approvals", "number of approvals"),
        (SUFFICIENT, "sufficients", "number of sufficient accounts"),
    ],
)
@pytest.mark.parametrize("step", [-1, 1])
def test_supply_and_counts_that_are_not_the_sums_are_found(
    furnished: LOCAL, asset: int, part: str, about: str, step: int
) -> None:
    found = details(furnished, asset)
    changed = structs.replace(found, **{part: getattr(found, part) + step})
    furnished.pallets.assets.asset.put(asset, changed)
    complains(furnished, about)


def metadata_deposit(chain: LOCAL) -> None:
    found = chain.pallets.assets.metadata.get(ASSET)
    chain.pallets.assets.metadata.put(ASSET, structs.replace(found, deposit=found.deposit + 1))


def asset_deposit(chain: LOCAL) -> None:
    found = details(chain, ASSET)
    chain.pallets.assets.asset.put(ASSET, structs.replace(found, deposit=found.deposit + 1))


def approval_deposit(chain: LOCAL) -> None:
    approvals = chain.pallets.assets.approvals
    found = approvals.get((ASSET, EVE, BOB))
    assert found is not None
    approvals.put((ASSET, EVE, BOB), structs.replace(found, deposit=found.deposit + 1))


def account_deposit(chain: LOCAL) -> None:
    chain.pallets.balances.unreserve(DAVE, 1 << 100)


@pytest.mark.parametrize("spoil", [metadata_deposit, asset_deposit, approval_deposit, account_deposit])
def test_deposits_of_assets_beyond_the_reserve_are_found(
    furnished: LOCAL, spoil: Callable[[LOCAL], None]
) -> None:
    spoil(furnished)
    complains(furnished, r"has reserved \d+ of \d+")


def test_what_refers_to_an_unknown_asset_is_found(furnished: LOCAL) -> None:
    assets = furnished.pallets.assets
    assets.metadata.put(UNKNOWN, AssetMetadata(0, b"x", b"x", 1))
    complains(furnished, f"metadata refer to the unknown asset {UNKNOWN}")
    assets.metadata.remove(UNKNOWN)
    assets.approvals.put((UNKNOWN, EVE, BOB), Approval(1, 0))
    complains(furnished, f"approval refers to the unknown asset {UNKNOWN}")
    assets.approvals.remove((UNKNOWN, EVE, BOB))
    assets.account.put(UNKNOWN, EVE, AssetAccount(1, AccountStatus.Liquid, CONSUMER))
    complains(furnished, f"account refers to the unknown asset {UNKNOWN}")


# --- Upgrades


@pytest.mark.parametrize(
    ("version", "distance", "about"), [(2, 0, "has passed"), (2, -1, "has passed"), (1, 9, "not a later one")]
)
def test_plan_that_cannot_come_true_is_found(
    furnished: LOCAL, version: int, distance: int, about: str
) -> None:
    upgrades = pallet(furnished, Upgrades)
    upgrades.scheduled.put(ScheduledUpgrade(version, furnished.number + distance))
    complains(furnished, about)
    upgrades.scheduled.put(ScheduledUpgrade(2, furnished.number + 1))
    furnished.api.try_state()
