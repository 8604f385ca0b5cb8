"""What votes weigh by conviction, and which majorities carry.

Responsible for the arithmetic alone, over whole amounts of a currency. It knows no referendum and no lock.
Source: pallet_conviction_voting (Conviction, Tally), pallet_democracy (VoteThreshold).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt
from typing import NamedTuple

CONVICTION_MAX = 6


class Vote(NamedTuple):
    """One vote: its side, its conviction from 0 (none) to 6, and the balance behind it."""

    aye: bool
    conviction: int
    balance: int


class Tally(NamedTuple):
    """Weighed votes of both sides, and the balances behind them, unweighed."""

    ayes: int
    nays: int
    turnout: int


def compute_weight(conviction: int, balance: int) -> int:
    """Return the votes of a balance: a tenth, rounded down, without conviction, else conviction times it."""
    assert 0 <= conviction <= CONVICTION_MAX
    return balance // 10 if conviction == 0 else balance * conviction


def compute_lock_periods(conviction: int) -> int:
    """Return for how many lock periods after the end a winning vote keeps its balance locked."""
    assert 0 <= conviction <= CONVICTION_MAX
    return 0 if conviction == 0 else 1 << (conviction - 1)


def compute_tally(votes: Iterable[Vote]) -> Tally:
    """Return the sum of votes."""
    ayes = nays = turnout = 0
    for vote in votes:
        weight = compute_weight(vote.conviction, vote.balance)
        if vote.aye:
            ayes += weight
        else:
            nays += weight
        turnout += vote.balance
    return Tally(ayes, nays, turnout)


def is_super_majority_approve(tally: Tally, electorate: int) -> bool:
    """Answer whether ayes carry where a low turnout asks for more ayes.

    It is nays / √turnout < ayes / √electorate.
    Roots are whole numbers, rounded down; without turnout nothing carries.
    """
    turnout_root, electorate_root = isqrt(tally.turnout), isqrt(electorate)
    return turnout_root > 0 and tally.nays * electorate_root < tally.ayes * turnout_root


def is_super_majority_against(tally: Tally, electorate: int) -> bool:
    """Answer whether ayes carry where a low turnout asks for more nays.

    It is nays / √electorate < ayes / √turnout.
    Roots are whole numbers, rounded down; without turnout nothing carries.
    """
    turnout_root, electorate_root = isqrt(tally.turnout), isqrt(electorate)
    return turnout_root > 0 and tally.nays * turnout_root < tally.ayes * electorate_root


def is_simple_majority(tally: Tally) -> bool:
    """Answer whether there are more ayes than nays."""
    return tally.ayes > tally.nays
