"""System's accounts: they live as long as somebody has a reason, and nobody loses what others build on."""

from collections.abc import Callable, Iterator

import pytest

from genesis.consortium import Consortium
from pallets.core.system import CONSUMERS_MAX, System
from runtime.frame.account import AccountData, AccountInfo
from runtime.frame.dispatch import (
    ConsumerRemainingValue,
    DispatchError,
    DispatchErrorValue,
    NoProvidersValue,
    TooManyConsumersValue,
)
from tests.support.chain import FERDIE, Chain

LOCAL = Chain[Consortium]
REMAINING, NO_PROVIDERS, TOO_MANY = ConsumerRemainingValue(), NoProvidersValue(), TooManyConsumersValue()
PURSE = AccountData(5, 6, 7)


@pytest.fixture
def system(chain: LOCAL) -> Iterator[System]:
    """The pallet; what a test leaves of Ferdie is taken away before the state is checked."""
    yield chain.pallets.system
    chain.pallets.system.account.remove(FERDIE)


def give(system: System, providers: int, sufficients: int, consumers: int = 0) -> None:
    """Give Ferdie an account with these counts, whatever else it had."""
    system.account.put(FERDIE, AccountInfo(9, consumers, providers, sufficients, PURSE))


def refusal(act: Callable[..., None]) -> DispatchErrorValue:
    with pytest.raises(DispatchError) as failure:
        act(FERDIE)
    return failure.value.value()


def counts(system: System) -> tuple[int, int, int]:
    info = system.get_account(FERDIE)
    assert (info.nonce, info.data) == (9, PURSE)
    return info.providers, info.sufficients, info.consumers


def events_of(chain: LOCAL, act: Callable[..., None]) -> list[object]:
    before = len(chain.state.events)
    act(FERDIE)
    return [record.event for record in chain.state.events[before:]]


@pytest.mark.parametrize("first", ["inc_providers", "inc_sufficients"])
@pytest.mark.parametrize("second", ["inc_providers", "inc_sufficients"])
def test_first_reason_creates_the_account_and_further_ones_do_not(
    chain: LOCAL, system: System, first: str, second: str
) -> None:
    assert events_of(chain, getattr(system, first)) == [System.NewAccount(FERDIE)]
    assert events_of(chain, getattr(system, second)) == []
    info = system.get_account(FERDIE)
    assert info.providers + info.sufficients == 2
    assert system.exists(FERDIE)


@pytest.mark.parametrize(("act", "before"), [("dec_providers", (1, 0, 0)), ("dec_sufficients", (0, 1, 0))])
def test_last_reason_takes_the_account_along(
    chain: LOCAL, system: System, act: str, before: tuple[int, int, int]
) -> None:
    give(system, *before)
    assert events_of(chain, getattr(system, act)) == [System.KilledAccount(FERDIE)]
    assert not system.exists(FERDIE)


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [
        ("dec_providers", (2, 0, 0), (1, 0, 0)),
        ("dec_providers", (1, 1, 0), (0, 1, 0)),
        ("dec_providers", (2, 0, 3), (1, 0, 3)),
        ("dec_providers", (0, 1, 0), (0, 1, 0)),
        ("dec_sufficients", (0, 2, 0), (0, 1, 0)),
        ("dec_sufficients", (1, 1, 0), (1, 0, 0)),
        ("dec_sufficients", (1, 1, 3), (1, 0, 3)),
        ("dec_sufficients", (1, 0, 0), (1, 0, 0)),
        ("inc_providers", (1, 2, 3), (2, 2, 3)),
        ("inc_sufficients", (1, 2, 3), (1, 3, 3)),
        ("inc_consumers", (1, 2, 3), (1, 2, 4)),
        ("dec_consumers", (1, 2, 3), (1, 2, 2)),
        ("dec_consumers", (1, 2, 0), (1, 2, 0)),
    ],
)
def test_counts_change_by_one_and_never_below_zero(
    chain: LOCAL, system: System, act: str, before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    give(system, *before)
    assert events_of(chain, getattr(system, act)) == []
    assert counts(system) == after


@pytest.mark.parametrize("counted", [(1, 0, 1), (1, 1, 1), (0, 1, 1)])
def test_last_provider_stays_while_something_builds_on_it(
    system: System, counted: tuple[int, int, int]
) -> None:
    give(system, *counted)
    assert not system.can_dec_provider(FERDIE)
    assert refusal(system.dec_providers) == REMAINING
    assert counts(system) == counted


@pytest.mark.parametrize("counted", [(1, 0, 0), (2, 0, 1), (0, 0, 0)])
def test_provider_that_may_go_is_told_beforehand(system: System, counted: tuple[int, int, int]) -> None:
    give(system, *counted)
    assert system.can_dec_provider(FERDIE)


def test_consumers_need_a_provider_and_sufficient_assets_are_none(system: System) -> None:
    give(system, 0, 5)
    assert refusal(system.inc_consumers) == NO_PROVIDERS
    assert not system.can_accrue_consumers(FERDIE, 1)
    give(system, 1, 0)
    assert system.can_accrue_consumers(FERDIE, 1)


def test_consumers_are_limited(system: System) -> None:
    assert CONSUMERS_MAX == 128
    give(system, 1, 0, CONSUMERS_MAX - 2)
    assert system.can_accrue_consumers(FERDIE, 2)
    assert not system.can_accrue_consumers(FERDIE, 3)
    system.inc_consumers(FERDIE)
    system.inc_consumers(FERDIE)
    assert refusal(system.inc_consumers) == TOO_MANY
    assert counts(system) == (1, 0, CONSUMERS_MAX)


def test_balances_change_without_touching_counts(system: System) -> None:
    give(system, 1, 2, 3)
    system.put_data(FERDIE, AccountData(8))
    assert system.get_account(FERDIE) == AccountInfo(9, 3, 1, 2, AccountData(8))
    system.replace_data(FERDIE, AccountInfo(1, 1, 1, 1, PURSE), AccountData(4))
    assert system.get_account(FERDIE) == AccountInfo(1, 1, 1, 1, AccountData(4))


@pytest.mark.parametrize(
    ("counted", "complaint"), [((0, 0, 0), "no reason"), ((0, 1, 1), "consumers and no provider")]
)
def test_inconsistent_counts_are_found(system: System, counted: tuple[int, int, int], complaint: str) -> None:
    system.try_state()
    give(system, *counted)
    with pytest.raises(AssertionError, match=complaint):
        system.try_state()
