"""Balances: transfers, existential deposit, reserves, holds, freezes and the issuance obey their rules."""

from enum import IntEnum

import pytest

from genesis.consortium import EXISTENTIAL_DEPOSIT as ED
from genesis.consortium import UNIT, Consortium
from pallets.core.system import System
from pallets.token import balances_events as events
from pallets.token.balances import Balances
from pallets.token.balances_types import (
    FREEZES_MAX,
    HOLDS_MAX,
    LOCKS_MAX,
    UPGRADE_ACCOUNTS_MAX,
    AdjustmentDirection,
    LockReasons,
)
from runtime.frame.account import NEW_LOGIC_FLAG, AccountData
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    NOBODY,
    ROOT,
    ArithmeticDispatchError,
    ArithmeticReason,
    BadOrigin,
    CannotLookup,
    ConsumerRemainingValue,
    DispatchError,
    Origin,
    PalletError,
    Pays,
    Signed,
    TokenFailure,
    TokenReason,
)
from runtime.frame.fungible import BalanceStatus, Preservation, Reason
from runtime.primitives.extrinsic import AddressIndex, AddressRaw
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, ENDOWMENT, EVE, FERDIE, Chain

LOCAL = Chain[Consortium]
U128_MAX = 2**128 - 1
NO_FUNDS = TokenFailure(TokenReason.FundsUnavailable)
FROZEN = TokenFailure(TokenReason.Frozen)
NOT_EXPENDABLE = TokenFailure(TokenReason.NotExpendable)
BELOW = TokenFailure(TokenReason.BelowMinimum)
EXPENDABLE, PROTECT, PRESERVE = Preservation
TRANSFERS = ("Balances.transfer_allow_death", "Balances.transfer_keep_alive")


def balances(chain: LOCAL) -> Balances:
    return chain.pallets.balances


def data(chain: LOCAL, who: AccountId) -> AccountData:
    return chain.pallets.system.get_account(who).data


def free(chain: LOCAL, who: AccountId) -> int:
    return data(chain, who).free


def issuance(chain: LOCAL) -> int:
    return balances(chain).total_issuance.get()


def set_free(chain: LOCAL, who: AccountId, amount: int) -> None:
    chain.ok(ROOT, "Balances.force_set_balance", who, amount)


def raises(error: DispatchError | type[PalletError]) -> "pytest.RaisesExc[DispatchError]":
    """Expect a dispatch error by value."""
    wanted = error.value() if isinstance(error, DispatchError) else error().value()
    return pytest.RaisesExc(DispatchError, check=lambda found: found.value() == wanted)


# --- transfers


@pytest.mark.parametrize("name", TRANSFERS)
def test_transfer_moves_free_balance(chain: LOCAL, name: str) -> None:
    chain.ok(ALICE, name, BOB, UNIT)
    assert (free(chain, ALICE), free(chain, BOB)) == (ENDOWMENT - UNIT, ENDOWMENT + UNIT)
    assert chain.events() == [events.Transfer(ALICE, BOB, UNIT)]


@pytest.mark.parametrize("name", TRANSFERS)
def test_transfer_creates_accounts_from_the_existential_deposit_on(chain: LOCAL, name: str) -> None:
    chain.noop(BELOW, ALICE, name, FERDIE, ED - 1)
    chain.ok(ALICE, name, FERDIE, ED)
    assert chain.pallets.system.get_account(FERDIE).providers == 1
    assert chain.events() == [
        System.NewAccount(FERDIE),
        events.Endowed(FERDIE, ED),
        events.Transfer(ALICE, FERDIE, ED),
    ]


@pytest.mark.parametrize("name", TRANSFERS)
def test_transfer_of_more_than_there_is_is_refused(chain: LOCAL, name: str) -> None:
    chain.noop(NO_FUNDS, ALICE, name, BOB, ENDOWMENT + 1)
    chain.noop(NO_FUNDS, FERDIE, name, BOB, 1)


def test_transfer_below_existential_deposit_reaps_sender(chain: LOCAL) -> None:
    before = issuance(chain)
    chain.ok(ALICE, "Balances.transfer_allow_death", BOB, ENDOWMENT - ED + 1)
    assert not chain.pallets.system.exists(ALICE)
    assert issuance(chain) == before - (ED - 1)
    assert chain.events() == [
        System.KilledAccount(ALICE),
        events.DustLost(ALICE, ED - 1),
        events.Transfer(ALICE, BOB, ENDOWMENT - ED + 1),
    ]


def test_transfer_of_everything_reaps_without_dust(chain: LOCAL) -> None:
    chain.ok(ALICE, "Balances.transfer_allow_death", BOB, ENDOWMENT)
    assert chain.events() == [System.KilledAccount(ALICE), events.Transfer(ALICE, BOB, ENDOWMENT)]


def test_transfer_that_leaves_the_existential_deposit_keeps_the_sender(chain: LOCAL) -> None:
    for name in TRANSFERS:
        set_free(chain, ALICE, ENDOWMENT)
        chain.ok(ALICE, name, BOB, ENDOWMENT - ED)
        assert free(chain, ALICE) == ED


def test_keep_alive_refuses_to_kill_the_sender(chain: LOCAL) -> None:
    chain.noop(NOT_EXPENDABLE, ALICE, "Balances.transfer_keep_alive", BOB, ENDOWMENT - ED + 1)


@pytest.mark.parametrize("name", TRANSFERS)
def test_transfers_to_oneself_and_of_nothing_move_nothing(chain: LOCAL, name: str) -> None:
    chain.ok(ALICE, name, ALICE, UNIT)
    chain.ok(ALICE, name, FERDIE, 0)
    assert free(chain, ALICE) == ENDOWMENT
    assert not chain.pallets.system.exists(FERDIE)
    chain.noop(NO_FUNDS, ALICE, name, ALICE, ENDOWMENT + 1)


def test_account_that_others_refer_to_keeps_its_last_deposit(chain: LOCAL) -> None:
    chain.pallets.system.inc_consumers(ALICE)
    chain.noop(FROZEN, ALICE, "Balances.transfer_allow_death", BOB, ENDOWMENT)
    chain.ok(ALICE, "Balances.transfer_all", BOB, False)
    assert free(chain, ALICE) == ED
    chain.pallets.system.dec_consumers(ALICE)


@pytest.mark.parametrize(("keep_alive", "left"), [(True, ED), (False, 0)])
def test_transfer_all_leaves_nothing_or_the_existential_deposit(
    chain: LOCAL, keep_alive: bool, left: int
) -> None:
    balances(chain).reserve(ALICE, UNIT)
    balances(chain).unreserve(ALICE, UNIT)
    chain.ok(ALICE, "Balances.transfer_all", FERDIE, keep_alive)
    assert (free(chain, ALICE), free(chain, FERDIE)) == (left, ENDOWMENT - left)


def test_only_root_forces_a_transfer(chain: LOCAL) -> None:
    chain.noop(BadOrigin, ALICE, "Balances.force_transfer", BOB, ALICE, UNIT)
    chain.ok(ROOT, "Balances.force_transfer", BOB, ALICE, UNIT)
    assert (free(chain, BOB), free(chain, ALICE)) == (ENDOWMENT - UNIT, ENDOWMENT + UNIT)


def test_balance_stops_at_u128(chain: LOCAL) -> None:
    set_free(chain, ALICE, U128_MAX - issuance(chain) + ENDOWMENT)
    overflow = ArithmeticDispatchError(ArithmeticReason.Overflow)
    chain.noop(overflow, ROOT, "Balances.force_set_balance", FERDIE, ED)


# --- calls of Root, burning


def test_root_sets_a_balance_and_the_issuance_follows(chain: LOCAL) -> None:
    before = issuance(chain)
    chain.noop(BadOrigin, ALICE, "Balances.force_set_balance", FERDIE, UNIT)
    set_free(chain, FERDIE, UNIT)
    assert chain.events()[-1] == events.BalanceSet(FERDIE, UNIT)
    assert (free(chain, FERDIE), issuance(chain)) == (UNIT, before + UNIT)
    set_free(chain, FERDIE, ED)
    assert (free(chain, FERDIE), issuance(chain)) == (ED, before + ED)


def test_balance_set_below_the_existential_deposit_is_none(chain: LOCAL) -> None:
    before = issuance(chain)
    set_free(chain, ALICE, ED - 1)
    assert not chain.pallets.system.exists(ALICE)
    assert issuance(chain) == before - ENDOWMENT
    assert chain.events()[-1] == events.BalanceSet(ALICE, 0)
    set_free(chain, FERDIE, ED - 1)
    assert not chain.pallets.system.exists(FERDIE)


def test_root_unreserves(chain: LOCAL) -> None:
    balances(chain).reserve(ALICE, UNIT)
    chain.noop(BadOrigin, ALICE, "Balances.force_unreserve", ALICE, UNIT)
    chain.ok(ROOT, "Balances.force_unreserve", ALICE, 10 * UNIT)
    assert (free(chain, ALICE), data(chain, ALICE).reserved) == (ENDOWMENT, 0)
    assert chain.events() == [events.Unreserved(ALICE, UNIT)]
    chain.ok(ROOT, "Balances.force_unreserve", ALICE, UNIT)
    assert chain.events() == [events.Unreserved(ALICE, 0)]
    for who, amount in ((ALICE, 0), (FERDIE, UNIT)):
        chain.ok(ROOT, "Balances.force_unreserve", who, amount)
        assert chain.events() == []


def test_issuance_is_adjusted_in_a_saturating_way(chain: LOCAL) -> None:
    name = "Balances.force_adjust_total_issuance"
    up, down = AdjustmentDirection.Increase, AdjustmentDirection.Decrease
    before = issuance(chain)
    chain.noop(BadOrigin, ALICE, name, up, 1)
    chain.noop(balances(chain).DeltaZero, ROOT, name, up, 0)
    chain.ok(ROOT, name, up, 5)
    assert chain.events() == [events.TotalIssuanceForced(before, before + 5)]
    chain.ok(ROOT, name, up, U128_MAX)
    assert issuance(chain) == U128_MAX
    balances(chain).inactive_issuance.put(before)
    chain.noop(balances(chain).IssuanceDeactivated, ROOT, name, down, U128_MAX - before + 1)
    chain.ok(ROOT, name, down, U128_MAX - before)
    balances(chain).inactive_issuance.put(0)
    chain.ok(ROOT, name, down, U128_MAX)
    assert issuance(chain) == 0
    chain.ok(ROOT, name, up, before)


def test_burning_reduces_the_issuance(chain: LOCAL) -> None:
    before = issuance(chain)
    chain.ok(ALICE, "Balances.burn", UNIT, True)
    assert chain.events() == [events.Burned(ALICE, UNIT)]
    assert (free(chain, ALICE), issuance(chain)) == (ENDOWMENT - UNIT, before - UNIT)
    left = ENDOWMENT - UNIT
    chain.noop(NO_FUNDS, ALICE, "Balances.burn", left - ED + 1, True)
    chain.noop(NO_FUNDS, ALICE, "Balances.burn", left + 1, False)
    chain.ok(ALICE, "Balances.burn", left, False)
    assert not chain.pallets.system.exists(ALICE)


def test_upgrading_accounts_is_free_when_nine_tenths_needed_it(chain: LOCAL) -> None:
    old = [AccountId(i.to_bytes(32, "big")) for i in range(1, 11)]

    def upgrade(needy: int) -> Pays:
        for position, who in enumerate(old):
            set_free(chain, who, UNIT)
            flags = 0 if position < needy else NEW_LOGIC_FLAG
            chain.pallets.system.put_data(who, AccountData(UNIT, 0, 0, flags))
        return chain.ok(ALICE, "Balances.upgrade_accounts", tuple(old)).pays_fee

    assert upgrade(9) is Pays.No
    assert chain.events() == [events.Upgraded(who) for who in old[:9]]
    assert all(data(chain, who).flags == NEW_LOGIC_FLAG for who in old)
    assert upgrade(8) is Pays.Yes
    assert chain.ok(ALICE, "Balances.upgrade_accounts", ()).pays_fee is Pays.Yes
    assert chain.ok(ALICE, "Balances.upgrade_accounts", (FERDIE,)).pays_fee is Pays.Yes
    chain.noop(BadOrigin, ROOT, "Balances.upgrade_accounts", ())


def test_accounts_are_upgraded_up_to_the_limit(chain: LOCAL) -> None:
    one = chain.call("Balances.upgrade_accounts", (BOB,)).weight()
    most = chain.call("Balances.upgrade_accounts", (BOB,) * UPGRADE_ACCOUNTS_MAX)
    assert most.weight().ref_time > 100 * one.ref_time
    with pytest.raises(ValueError, match="1024"):
        chain.call("Balances.upgrade_accounts", (BOB,) * (UPGRADE_ACCOUNTS_MAX + 1))


CALLS: list[tuple[str, tuple[object, ...]]] = [
    ("transfer_allow_death", (BOB, 1)),
    ("transfer_keep_alive", (BOB, 1)),
    ("transfer_all", (BOB, True)),
    ("burn", (1, True)),
]


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_signed_calls_refuse_other_origins(chain: LOCAL, origin: Origin) -> None:
    for name, args in CALLS:
        chain.noop(BadOrigin, origin, f"Balances.{name}", *args)


@pytest.mark.parametrize("address", [AddressRaw(b"x"), AddressIndex(None)])
def test_addresses_must_name_an_account(chain: LOCAL, address: object) -> None:
    for name, args in CALLS[:3]:
        chain.noop(CannotLookup, ALICE, f"Balances.{name}", address, *args[1:])
    for name, args in (
        ("force_transfer", (ALICE, address, 1)),
        ("force_transfer", (address, ALICE, 1)),
        ("force_set_balance", (address, 1)),
        ("force_unreserve", (address, 1)),
    ):
        call = chain.call(f"Balances.{name}", *args)
        assert isinstance(call, Call)
        chain.assert_noop(ROOT, call, CannotLookup)


# --- reserves


def test_reserve_moves_free_to_reserved_and_refers_to_the_account(chain: LOCAL) -> None:
    balances(chain).reserve(ALICE, UNIT)
    assert (data(chain, ALICE).free, data(chain, ALICE).reserved) == (ENDOWMENT - UNIT, UNIT)
    assert chain.pallets.system.get_account(ALICE).consumers == 1
    assert chain.events() == [events.Reserved(ALICE, UNIT)]
    assert balances(chain).total_balance(ALICE) == ENDOWMENT
    assert balances(chain).unreserve(ALICE, 2 * UNIT) == UNIT
    assert chain.pallets.system.get_account(ALICE).consumers == 0


def test_reserve_is_limited_by_balance_freezes_and_the_last_provider(chain: LOCAL) -> None:
    pallet = balances(chain)
    with raises(pallet.InsufficientBalance):
        pallet.reserve(ALICE, ENDOWMENT + 1)
    pallet.set_lock(b"locklock", ALICE, ENDOWMENT - UNIT, LockReasons.All)
    with raises(pallet.LiquidityRestrictions):
        pallet.reserve(ALICE, UNIT + 1)
    pallet.reserve(ALICE, UNIT)
    pallet.set_lock(b"locklock", ALICE, 0, LockReasons.All)
    mark = chain.state.mark()
    with raises(DispatchError(ConsumerRemainingValue())):
        pallet.reserve(BOB, ENDOWMENT - ED + 1)
    chain.state.rollback(mark)
    pallet.reserve(BOB, ENDOWMENT - ED)
    assert free(chain, BOB) == ED


def test_reserve_of_nothing_does_nothing(chain: LOCAL) -> None:
    balances(chain).reserve(FERDIE, 0)
    assert balances(chain).unreserve(FERDIE, 5) == 0
    assert chain.events() == []


def test_account_with_another_provider_reserves_all_and_loses_dust_later(chain: LOCAL) -> None:
    system, pallet = chain.pallets.system, balances(chain)
    system.inc_providers(ALICE)
    pallet.reserve(ALICE, ENDOWMENT)
    assert system.get_account(ALICE).providers == 1
    assert pallet.slash_reserved(ALICE, ENDOWMENT - 5) == ENDOWMENT - 5
    before = issuance(chain)
    pallet.unreserve(ALICE, 5)
    assert data(chain, ALICE).free == 0
    assert issuance(chain) == before - 5
    system.dec_providers(ALICE)
    assert not system.exists(ALICE)


def test_slash_burns_up_to_what_is_reserved(chain: LOCAL) -> None:
    balances(chain).reserve(ALICE, UNIT)
    before = issuance(chain)
    assert balances(chain).slash_reserved(ALICE, 3 * UNIT) == UNIT
    assert chain.events()[-1] == events.Slashed(ALICE, UNIT)
    assert (issuance(chain), data(chain, ALICE).reserved) == (before - UNIT, 0)


@pytest.mark.parametrize("status", BalanceStatus)
def test_reserve_is_repatriated_to_free_or_reserved(chain: LOCAL, status: BalanceStatus) -> None:
    pallet = balances(chain)
    pallet.reserve(ALICE, UNIT)
    assert pallet.repatriate_reserved(ALICE, BOB, 3 * UNIT, status) == UNIT
    assert data(chain, ALICE).reserved == 0
    moved = (UNIT, 0) if status is BalanceStatus.Free else (0, UNIT)
    assert (free(chain, BOB) - ENDOWMENT, data(chain, BOB).reserved) == moved
    assert chain.events()[-1] == events.ReserveRepatriated(ALICE, BOB, UNIT, status)
    with raises(pallet.DeadAccount):
        pallet.repatriate_reserved(ALICE, FERDIE, 1, status)


def test_repatriation_to_oneself_unreserves_or_stays(chain: LOCAL) -> None:
    pallet = balances(chain)
    pallet.reserve(ALICE, UNIT)
    assert pallet.repatriate_reserved(ALICE, ALICE, 5 * UNIT, BalanceStatus.Reserved) == UNIT
    assert data(chain, ALICE).reserved == UNIT
    assert pallet.repatriate_reserved(ALICE, ALICE, UNIT, BalanceStatus.Free) == UNIT
    assert data(chain, ALICE).reserved == 0


# --- holds, freezes, locks


class Why(IntEnum):
    """Reasons that no pallet of the composition has; the pallet does not look at them."""

    First = 0
    Second = 1


FIRST, SECOND = (Reason(99, why) for why in Why)


def test_hold_reserves_for_a_reason_and_releases_up_to_it(chain: LOCAL) -> None:
    pallet = balances(chain)
    pallet.hold(FIRST, ALICE, UNIT)
    pallet.hold(SECOND, ALICE, 2 * UNIT)
    pallet.hold(FIRST, ALICE, UNIT)
    assert (pallet.balance_on_hold(FIRST, ALICE), pallet.balance_on_hold(SECOND, ALICE)) == (2 * UNIT,) * 2
    assert data(chain, ALICE).reserved == 4 * UNIT
    assert pallet.release(FIRST, ALICE, 9 * UNIT) == 2 * UNIT
    assert pallet.balance_on_hold(FIRST, ALICE) == 0
    assert pallet.release(FIRST, ALICE, UNIT) == 0
    assert pallet.release(SECOND, ALICE, 2 * UNIT) == 2 * UNIT
    assert not pallet.holds.contains(ALICE)
    assert chain.pallets.system.get_account(ALICE).consumers == 0


def test_hold_takes_frozen_balance_but_not_the_last_deposit(chain: LOCAL) -> None:
    pallet = balances(chain)
    pallet.set_freeze(FIRST, ALICE, ENDOWMENT)
    with raises(NO_FUNDS):
        pallet.hold(FIRST, ALICE, ENDOWMENT - ED + 1)
    pallet.hold(FIRST, ALICE, ENDOWMENT - ED)
    assert free(chain, ALICE) == ED
    pallet.release(FIRST, ALICE, ENDOWMENT)
    pallet.set_freeze(FIRST, ALICE, 0)


def test_reserves_without_a_reason_leave_holds_alone(chain: LOCAL) -> None:
    pallet = balances(chain)
    pallet.hold(FIRST, ALICE, 2 * UNIT)
    pallet.reserve(ALICE, 3 * UNIT)
    assert pallet.unreserve(ALICE, UNIT) == UNIT
    assert pallet.slash_reserved(ALICE, UNIT) == UNIT
    assert pallet.repatriate_reserved(ALICE, BOB, 9 * UNIT, BalanceStatus.Free) == UNIT
    assert pallet.unreserve(ALICE, UNIT) == 0
    assert (pallet.balance_on_hold(FIRST, ALICE), data(chain, ALICE).reserved) == (2 * UNIT, 2 * UNIT)
    pallet.release(FIRST, ALICE, 2 * UNIT)


def test_hold_of_nothing_leaves_no_trace(chain: LOCAL) -> None:
    balances(chain).hold(FIRST, FERDIE, 0)
    assert not balances(chain).holds.contains(FERDIE)


def test_holds_are_as_many_as_the_limit_and_not_one_more(chain: LOCAL) -> None:
    pallet = balances(chain)
    for number in range(HOLDS_MAX):
        pallet.hold(Reason(number, 0), ALICE, 1)
    with raises(pallet.TooManyHolds):
        pallet.hold(Reason(HOLDS_MAX, 0), ALICE, 1)
    pallet.hold(Reason(0, 0), ALICE, 1)
    for number in range(HOLDS_MAX):
        pallet.release(Reason(number, 0), ALICE, 2)


def test_freezes_overlap_and_the_largest_counts(chain: LOCAL) -> None:
    pallet = balances(chain)
    pallet.set_freeze(FIRST, ALICE, 5 * UNIT)
    assert chain.events()[-1] == events.Frozen(ALICE, 5 * UNIT)
    pallet.set_freeze(SECOND, ALICE, 3 * UNIT)
    assert data(chain, ALICE).frozen == 5 * UNIT
    assert pallet.balance_frozen(SECOND, ALICE) == 3 * UNIT
    call = chain.call("Balances.transfer_allow_death", BOB, ENDOWMENT - 5 * UNIT + 1)
    assert chain.dispatch(ALICE, call).error == FROZEN.value()
    pallet.set_freeze(FIRST, ALICE, 0)
    assert chain.events()[-1] == events.Thawed(ALICE, 2 * UNIT)
    chain.ok(ALICE, "Balances.transfer_allow_death", BOB, ENDOWMENT - 3 * UNIT)
    pallet.set_freeze(SECOND, ALICE, 0)
    assert (data(chain, ALICE).frozen, pallet.freezes.contains(ALICE)) == (0, False)


def test_held_balance_covers_what_is_frozen(chain: LOCAL) -> None:
    pallet = balances(chain)
    pallet.set_freeze(FIRST, ALICE, 5 * UNIT)
    pallet.hold(FIRST, ALICE, 4 * UNIT)
    assert pallet.reducible_balance(ALICE, PRESERVE) == ENDOWMENT - 5 * UNIT
    pallet.release(FIRST, ALICE, 4 * UNIT)
    pallet.set_freeze(FIRST, ALICE, 0)


def test_freezes_are_as_many_as_the_limit_and_not_one_more(chain: LOCAL) -> None:
    pallet = balances(chain)
    for number in range(FREEZES_MAX):
        pallet.set_freeze(Reason(number, 0), ALICE, 1)
    with raises(pallet.TooManyFreezes):
        pallet.set_freeze(Reason(FREEZES_MAX, 0), ALICE, 1)
    pallet.set_freeze(Reason(0, 0), ALICE, 2)
    for number in range(FREEZES_MAX):
        pallet.set_freeze(Reason(number, 0), ALICE, 0)


def test_locks_freeze_as_much_as_the_largest(chain: LOCAL) -> None:
    pallet = balances(chain)
    pallet.set_lock(b"firstone", ALICE, 5 * UNIT, LockReasons.All)
    assert chain.events()[-1] == events.Locked(ALICE, 5 * UNIT)
    pallet.set_lock(b"otherone", ALICE, 2 * UNIT, LockReasons.Misc)
    pallet.set_lock(b"firstone", ALICE, UNIT, LockReasons.All)
    assert chain.events()[-1] == events.Unlocked(ALICE, 3 * UNIT)
    assert data(chain, ALICE).frozen == 2 * UNIT
    for lock_id in (b"firstone", b"otherone"):
        pallet.set_lock(lock_id, ALICE, 0, LockReasons.All)
    assert not pallet.locks.contains(ALICE)


def test_locks_are_as_many_as_the_limit_and_not_one_more(chain: LOCAL) -> None:
    pallet = balances(chain)
    for number in range(LOCKS_MAX):
        pallet.set_lock(number.to_bytes(8, "little"), ALICE, 1, LockReasons.All)
    with raises(pallet.LiquidityRestrictions):
        pallet.set_lock(b"onemore!", ALICE, 1, LockReasons.All)
    for number in range(LOCKS_MAX):
        pallet.set_lock(number.to_bytes(8, "little"), ALICE, 0, LockReasons.All)


@pytest.mark.parametrize(
    ("preservation", "providers", "consumers", "left"),
    [
        (EXPENDABLE, 1, 0, 0),
        (EXPENDABLE, 1, 1, ED),
        (EXPENDABLE, 2, 1, 0),
        (PROTECT, 1, 0, ED),
        (PROTECT, 2, 0, 0),
        (PRESERVE, 1, 0, ED),
        (PRESERVE, 2, 0, ED),
    ],
)
def test_reducible_balance_keeps_what_the_account_needs(
    chain: LOCAL, preservation: Preservation, providers: int, consumers: int, left: int
) -> None:
    system = chain.pallets.system
    for _ in range(providers - 1):
        system.inc_providers(EVE)
    for _ in range(consumers):
        system.inc_consumers(EVE)
    assert balances(chain).reducible_balance(EVE, preservation) == ENDOWMENT - left


# --- what pallets do with value


def test_withdraw_and_deposit_change_the_issuance(chain: LOCAL) -> None:
    pallet, before = balances(chain), issuance(chain)
    pallet.withdraw(ALICE, UNIT, PRESERVE)
    assert issuance(chain) == before - UNIT
    assert chain.events()[-1] == events.Withdraw(ALICE, UNIT)
    pallet.deposit_creating(CHARLIE, UNIT)
    assert issuance(chain) == before
    assert chain.events()[-1] == events.Deposit(CHARLIE, UNIT)
    pallet.deposit_creating(FERDIE, ED - 1)
    assert (issuance(chain), chain.pallets.system.exists(FERDIE)) == (before, False)
    pallet.deposit_creating(FERDIE, ED)
    assert (issuance(chain), chain.pallets.system.exists(FERDIE)) == (before + ED, True)
    with raises(NOT_EXPENDABLE):
        pallet.withdraw(ALICE, ENDOWMENT - UNIT, PRESERVE)


def test_constants_are_those_of_the_composition(chain: LOCAL) -> None:
    assert {c.name: c.value for c in balances(chain).constants()} == {
        "ExistentialDeposit": ED,
        "MaxLocks": 50,
        "MaxReserves": 50,
        "MaxFreezes": 50,
    }
    assert balances(chain).minimum_balance() == ED


def test_origin_is_whoever_signed(chain: LOCAL) -> None:
    chain.ok(Signed(BOB), "Balances.transfer_keep_alive", ALICE, UNIT)
    assert free(chain, BOB) == ENDOWMENT - UNIT
