"""What pallets may ask of one asset of a ledger of many: balances, transfers, holds with reasons.

A composition binds an asset's id and gives the result to other pallets under these Protocols; so a market
does not know which asset it trades in. Amounts are in the asset's smallest unit.
Source: frame_support::traits::fungibles, and fungible::ItemOf, which binds the id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from runtime.frame.fungible import Preservation, Reason
from runtime.primitives.types import AccountId


class Spending(NamedTuple):
    """What becomes of an account's hold: so much is paid out of it, and so much is free again."""

    who: AccountId
    paid: int
    released: int


class Asset(Protocol):
    """One asset: what accounts have of it, free and held."""

    def total_issuance(self) -> int:
        """Return the sum of all balances, free and held."""
        ...

    def minimum_balance(self) -> int:
        """Return the least that an account may have free; with less it dies and the rest goes along."""
        ...

    def total_balance(self, who: AccountId) -> int:
        """Return free plus held, 0 where there is no account."""
        ...

    def reducible_balance(self, who: AccountId, preservation: Preservation) -> int:
        """Return what could leave the account now, 0 where it is frozen or missing."""
        ...

    def can_receive(self, who: AccountId, amount: int) -> bool:
        """Tell whether an amount could be put into the account now."""
        ...

    def transfer(self, source: AccountId, dest: AccountId, amount: int, preservation: Preservation) -> None:
        """Move exactly an amount of free balance; raises the ledger's errors and then changes nothing."""
        ...


class HoldableAsset(Asset, Protocol):
    """An asset whose balances can be held with a reason; what is held cannot be moved otherwise."""

    def hold(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Move free balance into the hold of a reason, never the minimum balance; raises without change."""
        ...

    def release(self, reason: Reason, who: AccountId, amount: int) -> int:
        """Move up to an amount from the hold back to free; return how much. Never fails."""
        ...

    def balance_on_hold(self, reason: Reason, who: AccountId) -> int:
        """Return what is held for a reason."""
        ...

    def transfer_on_hold(self, reason: Reason, source: AccountId, dest: AccountId, amount: int) -> None:
        """Move exactly an amount from one account's hold to another's free balance; raises without change."""
        ...

    def spend_holds(self, reason: Reason, dest: AccountId, spendings: Sequence[Spending]) -> None:
        """Do what `transfer_on_hold` and `release` do for each, exactly, and pay the sum at once.

        Raises FundsUnavailable where less is held, after some were done: for those whose changes are then
        undone; and, without change, what a transfer raises where the other cannot receive.
        """
        ...


class IssuedAsset(HoldableAsset, Protocol):
    """An asset that its issuer, a pallet, may create and destroy."""

    def mint_into(self, who: AccountId, amount: int) -> None:
        """Put new balance into an account and into the issuance; raises without change."""
        ...

    def burn_held(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Destroy exactly an amount of an account's hold; raises without change."""
        ...
