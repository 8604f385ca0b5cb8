"""Multilateral netting: what a day's many payments amount to for each account, applied once.

Responsible for adding up and for the proof that nothing is left over. It knows neither balances nor where a
payment came from.

Pots, such as the grid's account and the treasury, take part as accounts, so the net positions of an epoch sum
to zero: what the debtors pay is what the creditors get. Debits are collected before credits are paid.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from runtime.primitives.types import AccountId


class Unbalanced(ValueError):
    """The positions do not sum to zero: money would come from nowhere or go there."""

    def __init__(self, excess: int) -> None:
        super().__init__(f"the positions sum to {excess}")
        self.excess = excess


class InvalidObligation(ValueError):
    """A payment of nothing or less, or to oneself."""


class Obligation(NamedTuple):
    """One account owes another an amount above zero."""

    debtor: AccountId
    creditor: AccountId
    amount: int


class Entry(NamedTuple):
    """What one account pays or receives, above zero."""

    who: AccountId
    amount: int


class NetBatch(NamedTuple):
    """The payments of an epoch in the order of accounts; both lists have the same sum, `moved`."""

    debits: tuple[Entry, ...]
    credits: tuple[Entry, ...]
    moved: int


def accrue(positions: Mapping[AccountId, int], obligations: Iterable[Obligation]) -> dict[AccountId, int]:
    """Return the positions after further payments; raises InvalidObligation."""
    after = dict(positions)
    for debtor, creditor, amount in obligations:
        if amount <= 0 or debtor == creditor:
            raise InvalidObligation(f"a payment of {amount}")
        after[debtor] = after.get(debtor, 0) - amount
        after[creditor] = after.get(creditor, 0) + amount
    return after


def net(positions: Mapping[AccountId, int]) -> NetBatch:
    """Return who pays and who receives, nobody with a position of zero; raises Unbalanced."""
    excess = sum(positions.values())
    if excess:
        raise Unbalanced(excess)
    ordered = sorted(positions.items())
    debits = tuple(Entry(who, -amount) for who, amount in ordered if amount < 0)
    receipts = tuple(Entry(who, amount) for who, amount in ordered if amount > 0)
    return NetBatch(debits, receipts, sum(entry.amount for entry in debits))
