"""Balances at the edges where wallets and explorers look: the events and records are Substrate's."""

import pytest

from genesis.consortium import EXISTENTIAL_DEPOSIT as ED
from genesis.consortium import UNIT, Consortium
from pallets.core.system import System
from pallets.token import balances_events as events
from pallets.token.balances import Balances
from pallets.token.balances_types import LockReasons
from runtime.frame.account import NEW_LOGIC_FLAG
from runtime.frame.dispatch import ROOT, TokenFailure, TokenReason
from runtime.frame.fungible import BalanceStatus
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, ENDOWMENT, FERDIE, Chain

LOCAL = Chain[Consortium]
NO_FUNDS = TokenFailure(TokenReason.FundsUnavailable)
NOT_EXPENDABLE = TokenFailure(TokenReason.NotExpendable)


def balances(chain: LOCAL) -> Balances:
    return chain.pallets.balances


def free(chain: LOCAL, who: AccountId) -> int:
    return chain.pallets.system.get_account(who).data.free


# --- transfers to the sender itself


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transfer_allow_death", (UNIT,)),
        ("transfer_keep_alive", (UNIT,)),
        ("transfer_all", (False,)),
        ("transfer_all", (True,)),
    ],
)
def test_transfer_to_oneself_changes_nothing_and_leaves_no_event(
    chain: LOCAL, name: str, arguments: tuple[int | bool, ...]
) -> None:
    chain.ok(ALICE, f"Balances.{name}", ALICE, *arguments)
    assert chain.events() == []
    assert free(chain, ALICE) == ENDOWMENT


def test_transfer_to_oneself_is_checked_like_any_other(chain: LOCAL) -> None:
    chain.noop(NO_FUNDS, ALICE, "Balances.transfer_allow_death", ALICE, ENDOWMENT + 1)
    chain.noop(NOT_EXPENDABLE, ALICE, "Balances.transfer_keep_alive", ALICE, ENDOWMENT)


def test_transfer_of_nothing_leaves_its_event(chain: LOCAL) -> None:
    chain.ok(ALICE, "Balances.transfer_allow_death", FERDIE, 0)
    assert chain.events() == [events.Transfer(ALICE, FERDIE, 0)]
    assert not chain.pallets.system.exists(FERDIE)


# --- balances set by Root


def test_set_balance_tells_what_was_issued(chain: LOCAL) -> None:
    chain.ok(ROOT, "Balances.force_set_balance", FERDIE, UNIT)
    assert chain.events() == [
        System.NewAccount(FERDIE),
        events.Endowed(FERDIE, UNIT),
        events.Issued(UNIT),
        events.BalanceSet(FERDIE, UNIT),
    ]


def test_set_balance_tells_what_was_rescinded(chain: LOCAL) -> None:
    chain.ok(ROOT, "Balances.force_set_balance", ALICE, UNIT)
    assert chain.events() == [events.Rescinded(ENDOWMENT - UNIT), events.BalanceSet(ALICE, UNIT)]
    chain.ok(ROOT, "Balances.force_set_balance", ALICE, ED - 1)
    assert chain.events() == [
        System.KilledAccount(ALICE),
        events.Rescinded(UNIT),
        events.BalanceSet(ALICE, 0),
    ]


def test_balance_set_to_what_it_is_issues_nothing(chain: LOCAL) -> None:
    chain.ok(ROOT, "Balances.force_set_balance", ALICE, ENDOWMENT)
    assert chain.events() == [events.BalanceSet(ALICE, ENDOWMENT)]


# --- records


def test_account_without_native_balance_reads_as_upgraded(chain: LOCAL) -> None:
    assert chain.pallets.system.get_account(FERDIE).data.flags == NEW_LOGIC_FLAG
    chain.ok(ROOT, "Assets.force_create", 7, ALICE, True, 1)
    chain.ok(ALICE, "Assets.mint", 7, FERDIE, 1)
    assert chain.pallets.system.get_account(FERDIE).sufficients == 1
    chain.ok(BOB, "Balances.upgrade_accounts", (FERDIE,))
    assert chain.events() == []


# --- reserves that change hands


@pytest.mark.parametrize("status", BalanceStatus)
def test_repatriation_needs_a_balance_to_join(chain: LOCAL, status: BalanceStatus) -> None:
    chain.ok(ROOT, "Assets.force_create", 7, ALICE, True, 1)
    chain.ok(ALICE, "Assets.mint", 7, FERDIE, 1)
    pallet = balances(chain)
    pallet.reserve(ALICE, UNIT)
    with pytest.raises(pallet.DeadAccount):
        pallet.repatriate_reserved(ALICE, FERDIE, UNIT, status)
    assert pallet.reserved_balance(ALICE) == UNIT


@pytest.mark.parametrize("status", BalanceStatus)
def test_repatriation_of_nothing_asks_for_nothing(chain: LOCAL, status: BalanceStatus) -> None:
    assert balances(chain).repatriate_reserved(ALICE, FERDIE, 0, status) == 0


@pytest.mark.parametrize("status", BalanceStatus)
def test_repatriation_leaves_what_is_frozen_covered(chain: LOCAL, status: BalanceStatus) -> None:
    pallet = balances(chain)
    pallet.reserve(ALICE, 10 * UNIT)
    pallet.set_lock(b"locklock", ALICE, ENDOWMENT - 4 * UNIT, LockReasons.All)
    assert pallet.repatriate_reserved(ALICE, BOB, 10 * UNIT, status) == 4 * UNIT
    assert pallet.total_balance(ALICE) == ENDOWMENT - 4 * UNIT
    assert pallet.repatriate_reserved(ALICE, BOB, UNIT, status) == 0
    pallet.set_lock(b"locklock", ALICE, 2 * ENDOWMENT, LockReasons.All)
    assert pallet.repatriate_reserved(ALICE, BOB, UNIT, status) == 0
