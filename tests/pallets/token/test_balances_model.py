"""Balances under random histories: value is conserved, references are right, two instances do not meet."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesis.consortium import (
    BLOCK_LENGTH_MAX,
    BLOCK_WEIGHT_MAX,
    NORMAL_PERCENT,
    make_version,
)
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.token import balances_events as events
from pallets.token.balances import Balances, BalancesConfig
from pallets.token.balances_types import LockReasons
from runtime.frame.dispatch import ROOT, DispatchError
from runtime.frame.fungible import BalanceStatus, Preservation, Reason
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.primitives.hashing import twox128
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, EVE, FERDIE, Chain

ED = 10
START = 1_000
PEOPLE = (ALICE, BOB, EVE, FERDIE)


class Why(IntEnum):
    """Reasons to hold or freeze."""

    First = 0
    Second = 1


class Keeper(Pallet[None]):
    """A pallet that has reasons to hold and to freeze."""

    hold_reasons: ClassVar[type[IntEnum] | None] = Why
    freeze_reasons: ClassVar[type[IntEnum] | None] = Why


@dataclass(frozen=True, slots=True)
class Purse:
    """A chain with two currencies."""

    api: RuntimeApi
    system: System
    native: Balances
    other: Balances


def compose_purse(state: State) -> Purse:
    build = RuntimeBuilder(state)
    version = make_version()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    native = build.add(Balances, index=10, name="Balances", config=BalancesConfig(ED, system))
    other = build.add(
        Balances, index=30, name="Points", config=BalancesConfig(ED, system, keeps_own_balances=True)
    )
    build.add(Keeper, index=31, name="Keeper", config=None)
    runtime = build.build(version, system, system.extensions())
    return Purse(RuntimeApi(runtime, session, ()), system, native, other)


def write_genesis(purse: Purse) -> None:
    purse.system.genesis()
    purse.native.genesis(((ALICE, START), (BOB, START)))
    purse.other.genesis(((ALICE, START), (EVE, START)))
    purse.api.runtime.pallet("Session").genesis(((ALICE, SessionKeys(bytes(32))),))  # type: ignore[attr-defined]  # it is Session
    purse.system.events.kill()


def make() -> Chain[Purse]:
    return Chain(compose_purse, write_genesis)


Move = Callable[[Balances], object]
WHO = st.sampled_from(PEOPLE)
AMOUNT = st.one_of(st.integers(0, 40), st.integers(0, 2 * START))
REASON = st.sampled_from([Reason(31, why) for why in Why])
PRESERVATION = st.sampled_from(Preservation)


def move(name: str, *strategies: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[str, Move]]:
    def bind(args: tuple[object, ...]) -> tuple[str, Move]:
        return name, lambda pallet: getattr(pallet, name)(*args)

    return st.tuples(*strategies).map(bind)


MOVES = st.one_of(
    move("transfer", WHO, WHO, AMOUNT, PRESERVATION),
    move("withdraw", WHO, AMOUNT, PRESERVATION),
    move("deposit_creating", WHO, AMOUNT),
    move("reserve", WHO, AMOUNT),
    move("unreserve", WHO, AMOUNT),
    move("slash_reserved", WHO, AMOUNT),
    move("repatriate_reserved", WHO, WHO, AMOUNT, st.sampled_from(BalanceStatus)),
    move("hold", REASON, WHO, AMOUNT),
    move("release", REASON, WHO, AMOUNT),
    move("set_freeze", REASON, WHO, AMOUNT),
    move("set_lock", st.just(b"locklock"), WHO, AMOUNT, st.just(LockReasons.All)),
)
STEP = st.tuples(st.booleans(), MOVES)


def held(pallet: Balances, who: AccountId) -> int:
    return sum(entry.amount for entry in pallet.holds.get(who))


def check_references(purse: Purse) -> None:
    for who in PEOPLE:
        info = purse.system.get_account(who)
        parts = [pallet.accounts.get_account(who).data for pallet in (purse.native, purse.other)]
        assert info.providers == sum(part.free >= ED for part in parts)
        assert info.consumers == sum(part.reserved > 0 or part.frozen > 0 for part in parts)
        assert purse.system.exists(who) == (info.providers > 0)
        for part in parts:
            assert part.free == 0 or part.free >= ED or part.reserved > 0


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEP, max_size=30))
def test_value_is_conserved_and_references_are_right(steps: list[tuple[bool, tuple[str, Move]]]) -> None:
    chain = make()
    purse = chain.pallets
    for is_other, (name, step) in steps:
        pallet = purse.other if is_other else purse.native
        foreign = purse.native if is_other else purse.other
        total, untouched = pallet.total_issuance.get(), [foreign.total_balance(who) for who in PEOPLE]
        mark, seen = chain.state.mark(), len(chain.state.events)
        try:
            step(pallet)
        except DispatchError:
            chain.state.rollback(mark)
        change = 0
        for record in chain.state.events[seen:]:
            match record.event:
                case events.Deposit(amount=amount):
                    change += amount
                case events.Withdraw(amount=amount) | events.DustLost(amount=amount):
                    change -= amount
                case events.Slashed(amount=amount):
                    change -= amount
                case _:
                    pass
        assert pallet.total_issuance.get() == total + change, name
        assert [foreign.total_balance(who) for who in PEOPLE] == untouched
        assert all(held(pallet, who) <= pallet.reserved_balance(who) for who in PEOPLE)
        check_references(purse)
    chain.close_block()


def test_instances_are_apart_in_storage_calls_and_events() -> None:
    chain = make()
    chain.ok(ALICE, "Points.transfer_keep_alive", FERDIE, 50)
    assert [record.pallet for record in chain.state.events[-3:]] == [0, 30, 30]
    assert chain.pallets.native.total_balance(FERDIE) == 0
    assert chain.pallets.other.total_balance(FERDIE) == 50
    assert chain.call("Points.burn", 1, False).encoded()[0] == 30
    chain.close_block()
    prefix = twox128(b"Points") + twox128(b"Account")
    holders = {who for who, _ in chain.pallets.other.account.items()}
    assert holders == {ALICE, EVE, FERDIE}
    assert sum(key.startswith(prefix) for key in chain.backend.entries) == 3


def test_account_lives_on_either_instance() -> None:
    chain = make()
    chain.ok(EVE, "Points.transfer_all", FERDIE, False)
    assert not chain.pallets.system.exists(EVE)
    chain.ok(FERDIE, "Points.transfer_all", EVE, False)
    assert not chain.pallets.other.account.contains(FERDIE)
    chain.ok(ALICE, "Balances.transfer_allow_death", BOB, START)
    assert chain.pallets.system.get_account(ALICE).providers == 1
    chain.close_block()


def test_errors_of_an_instance_bear_its_index() -> None:
    chain = make()
    with pytest.raises(DispatchError) as failure:
        chain.pallets.other.reserve(ALICE, START + 1)
    assert "index=30" in repr(failure.value.value())
    chain.noop(chain.pallets.other.DeltaZero, ROOT, "Points.force_adjust_total_issuance", 0, 0)
