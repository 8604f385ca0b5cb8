"""One asset of the ledger of many: binds an asset's id, so that others need not know which asset they use.

Responsible for giving Assets and its holds the face of `runtime.frame.fungibles.IssuedAsset`, with the events
of Assets. It knows no rule of its own but one: a transfer moves exactly what it says, so it does not take the
dust along. Source: frame_support::traits::fungible::ItemOf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pallets.token import assets_events as events
from pallets.token.asset_holds import AssetHolds
from pallets.token.assets import Assets
from runtime.frame.dispatch import DispatchError, TokenFailure, TokenReason
from runtime.frame.fungible import Preservation, Reason
from runtime.frame.fungibles import Spending
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class OneAsset:
    """The asset with one id; an unknown one has no balances and takes none."""

    asset_id: int
    assets: Assets
    holds: AssetHolds

    def total_issuance(self) -> int:
        """Return the sum of all balances, free and held; 0 when there is no such asset."""
        details = self.assets.asset.get(self.asset_id)
        return 0 if details is None else details.supply

    def minimum_balance(self) -> int:
        """Return the least that an account may have free; 0 when there is no such asset."""
        details = self.assets.asset.get(self.asset_id)
        return 0 if details is None else details.min_balance

    def total_balance(self, who: AccountId) -> int:
        """Return free plus held, 0 where there is no account."""
        return self._free(who) + self.holds.total_on_hold(self.asset_id, who)

    def reducible_balance(self, who: AccountId, preservation: Preservation) -> int:
        """Return what could leave the account now, 0 where it is frozen or missing."""
        keep_alive = preservation is not Preservation.EXPENDABLE
        try:
            return self.assets.ledger.reducible_balance(self.asset_id, who, keep_alive=keep_alive)
        except DispatchError:
            return 0

    def can_receive(self, who: AccountId, amount: int) -> bool:
        """Tell whether an amount could be put into the account now."""
        return self.assets.ledger.can_receive(self.asset_id, who, amount)

    def transfer(self, source: AccountId, dest: AccountId, amount: int, preservation: Preservation) -> None:
        """Move exactly an amount of free balance; raises the ledger's errors and then changes nothing.

        BelowMinimum where less than the minimum balance would be left, which would have to go along.
        """
        ledger, keep_alive = self.assets.ledger, preservation is not Preservation.EXPENDABLE
        left = self._free(source) - amount
        if amount and not keep_alive and 0 < left < self.minimum_balance():
            raise TokenFailure(TokenReason.BelowMinimum)
        if ledger.transfer(self.asset_id, source, dest, amount, keep_alive=keep_alive):
            self.assets.deposit(events.Transferred(self.asset_id, source, dest, amount))

    def hold(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Move free balance into the hold of a reason, never the minimum balance; raises without change."""
        self.holds.hold(self.asset_id, reason, who, amount)

    def release(self, reason: Reason, who: AccountId, amount: int) -> int:
        """Move up to an amount from the hold back to free; return how much. Never fails."""
        return self.holds.release(self.asset_id, reason, who, amount)

    def balance_on_hold(self, reason: Reason, who: AccountId) -> int:
        """Return what is held for a reason."""
        return self.holds.balance_on_hold(self.asset_id, reason, who)

    def transfer_on_hold(self, reason: Reason, source: AccountId, dest: AccountId, amount: int) -> None:
        """Move exactly an amount from one account's hold to another's free balance; raises without change."""
        self.holds.transfer_on_hold(self.asset_id, reason, source, dest, amount)

    def spend_holds(self, reason: Reason, dest: AccountId, spendings: Sequence[Spending]) -> None:
        """Pay and release what is held of many, and put the sum of the payments into one account; raises
        what `HoldableAsset` says."""
        self.holds.spend(self.asset_id, reason, dest, spendings)

    def mint_into(self, who: AccountId, amount: int) -> None:
        """Put new balance into an account and into the issuance; raises without change."""
        self.assets.ledger.mint(self.asset_id, who, amount)
        if amount:
            self.assets.deposit(events.Issued(self.asset_id, who, amount))

    def burn_held(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Destroy exactly an amount of an account's hold; raises without change."""
        self.holds.burn_held(self.asset_id, reason, who, amount)

    def _free(self, who: AccountId) -> int:
        holding = self.assets.account.get(self.asset_id, who)
        return 0 if holding is None else holding.balance
