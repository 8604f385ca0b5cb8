"""Holds on assets under random histories: no unit is lost or made, and a hold changes only by its own
moves."""

from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.frame.dispatch import ROOT, DispatchError
from runtime.frame.fungible import Preservation, Reason
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, EVE, FERDIE, Chain
from tests.support.vault import COIN, FIRST, MINIMUM, PLAIN, SECOND, START, Vault, vault_chain

WHO = st.sampled_from((BOB, CHARLIE, EVE, FERDIE))
AMOUNT = st.one_of(st.integers(0, 3 * MINIMUM), st.integers(0, 2 * START))
REASON = st.sampled_from((FIRST, SECOND))
TEAM = st.just(ALICE)

Book = dict[tuple[int, AccountId, Reason], int]
"""What is held, by asset, account and reason."""


class Move(NamedTuple):
    """What another pallet does with one asset."""

    name: str
    args: tuple[Any, ...]


class Act(NamedTuple):
    """A call of Assets; the first argument is who makes it."""

    name: str
    args: tuple[Any, ...]


def moves(name: str, *strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Move]:
    return st.tuples(*strategies).map(lambda args: Move(name, args))


def acts(name: str, *strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    return st.tuples(*strategies).map(lambda args: Act(name, args))


STEP = st.one_of(
    moves("hold", REASON, WHO, AMOUNT),
    moves("hold", REASON, WHO, AMOUNT),
    moves("release", REASON, WHO, AMOUNT),
    moves("transfer_on_hold", REASON, WHO, WHO, AMOUNT),
    moves("burn_held", REASON, WHO, AMOUNT),
    moves("mint_into", WHO, AMOUNT),
    moves("transfer", WHO, WHO, AMOUNT, st.sampled_from(Preservation)),
    acts("transfer", WHO, WHO, AMOUNT),
    acts("transfer_all", WHO, WHO, st.booleans()),
    acts("burn", TEAM, WHO, AMOUNT),
    acts("touch", WHO),
    acts("touch_other", st.just(BOB), WHO),
    acts("refund", WHO, st.booleans()),
    acts("refund_other", st.just(BOB), WHO),
    acts("freeze", TEAM, WHO),
    acts("block", TEAM, WHO),
    acts("thaw", TEAM, WHO),
    acts("freeze_asset", TEAM),
    acts("thaw_asset", TEAM),
    acts("start_destroy", st.just(ROOT)),
    acts("destroy_accounts", TEAM),
)
HISTORY = st.lists(st.tuples(st.sampled_from((COIN, PLAIN)), STEP), max_size=40)


def held(chain: Chain[Vault]) -> Book:
    return {
        (asset_id, who, entry.id): entry.amount
        for (asset_id, who), entries in chain.pallets.holds.holds.items()
        for entry in entries
    }


def after(book: Book, asset_id: int, move: Move, result: Any) -> Book:
    """Return what is held after a move that succeeded."""
    if move.name in {"mint_into", "transfer"}:
        return book
    reason, who, amount = move.args[0], move.args[1], move.args[-1]
    if move.name == "release":
        assert result == min(amount, book.get((asset_id, who, reason), 0))
        amount = result
    left = book.get((asset_id, who, reason), 0) + (amount if move.name == "hold" else -amount)
    changed = book | {(asset_id, who, reason): left}
    return {key: each for key, each in changed.items() if each}


def issued(move: Move) -> int:
    """Return by how much a move that succeeded changes the supply."""
    amount = move.args[-1]
    assert isinstance(amount, int)
    return {"mint_into": amount, "burn_held": -amount}.get(move.name, 0)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=HISTORY)
def test_no_history_loses_a_unit_or_a_hold(history: list[tuple[int, Move | Act]]) -> None:
    """The check of the state after each step tells that supply = free + held."""
    chain = vault_chain()
    book = held(chain)
    for asset_id, step in history:
        coin = chain.pallets.coin if asset_id == COIN else chain.pallets.plain
        before, supply = chain.pending(), coin.total_issuance()
        match step:
            case Move(name, args):
                try:
                    result = getattr(coin, name)(*args)
                except DispatchError:
                    assert name != "release", "a release never fails"
                    assert chain.pending() == before, f"{name} raised and changed the state"
                else:
                    book = after(book, asset_id, step, result)
                    assert coin.total_issuance() == supply + issued(step)
            case Act(name, args):
                chain.dispatch(args[0], chain.call(f"Assets.{name}", asset_id, *args[1:]))
        assert held(chain) == book
        chain.api.try_state()
    chain.close_block()
