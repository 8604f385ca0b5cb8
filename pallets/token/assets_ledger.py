"""The ledger of the Assets pallet: who holds how much of what, and why their accounts exist.

Responsible for debits and credits with the rules of minimum balances, freezes, holds and references, and for
keeping an asset's supply and counts equal to the sums over its accounts. An account of which something is
held keeps its minimum balance and stays. What is held and why, another pallet knows: it takes out of an
account here what stays in the supply, and puts it back. The ledger deposits no event and knows no call.
Source: pallet_assets functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import structs

from pallets.token import assets_errors as errors
from pallets.token.assets_types import (
    CONSUMER,
    SUFFICIENT,
    AccountStatus,
    AssetAccount,
    AssetDetails,
    AssetId,
    AssetStatus,
    ConsumerReason,
    DepositFrom,
    DepositHeld,
    ExistenceReason,
    HeldBalances,
    SufficientReason,
)
from runtime.frame.account import Accounts
from runtime.frame.dispatch import (
    ArithmeticDispatchError,
    ArithmeticReason,
    DispatchError,
    PalletError,
    TokenFailure,
    TokenReason,
)
from runtime.frame.storage import DoubleMap, Map
from runtime.primitives.arithmetic import U128_MAX
from runtime.primitives.types import AccountId

BoundError: TypeAlias = Callable[[type[PalletError]], PalletError]
"""Binds an error to the pallet instance whose ledger this is."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Debits and credits over the storage of one pallet instance."""

    assets: Map[AssetId, AssetDetails | None]
    holdings: DoubleMap[AssetId, AccountId, AssetAccount | None]
    system: Accounts
    holds: Callable[[], HeldBalances]
    error: BoundError

    def get_details(self, asset_id: AssetId) -> AssetDetails:
        """Return an asset; Unknown when there is none."""
        details = self.assets.get(asset_id)
        if details is None:
            raise self.error(errors.Unknown)
        return details

    def get_live(self, asset_id: AssetId) -> AssetDetails:
        """Return an asset that can be moved; Unknown or AssetNotLive otherwise."""
        details = self.get_details(asset_id)
        if details.status is not AssetStatus.Live:
            raise self.error(errors.AssetNotLive)
        return details

    def get_holding(self, asset_id: AssetId, who: AccountId) -> AssetAccount:
        """Return what an account holds of an asset; NoAccount when it has no account."""
        holding = self.holdings.get(asset_id, who)
        if holding is None:
            raise self.error(errors.NoAccount)
        return holding

    def reducible_balance(self, asset_id: AssetId, who: AccountId, *, keep_alive: bool) -> int:
        """Return how much could leave an account now; an error when the asset or the account is frozen."""
        details = self.get_live(asset_id)
        holding = self.get_holding(asset_id, who)
        if holding.status is not AccountStatus.Liquid:
            raise self.error(errors.Frozen)
        kept = details.min_balance if keep_alive or self.is_held(asset_id, who) else 0
        return max(0, holding.balance - kept)

    def mint(self, asset_id: AssetId, who: AccountId, amount: int) -> None:
        """Put newly issued balance into an account; nothing happens for an amount of 0."""
        details = self.get_live(asset_id)
        if amount == 0:
            return
        if details.supply + amount > U128_MAX:
            raise ArithmeticDispatchError(ArithmeticReason.Overflow)
        self._ensure_can_receive(details, asset_id, who, amount)
        details = structs.replace(details, supply=details.supply + amount)
        self.assets.put(asset_id, self._credit(details, asset_id, who, amount))

    def burn(self, asset_id: AssetId, who: AccountId, amount: int) -> int:
        """Destroy up to an amount, and the rest too if it falls below the minimum; return how much."""
        details = self.get_live(asset_id)
        if amount == 0:
            return 0
        available = self.reducible_balance(asset_id, who, keep_alive=False)
        burnt = self._with_dust(details, asset_id, who, min(available, amount))
        details = self._debit(details, asset_id, who, burnt)
        self.assets.put(asset_id, structs.replace(details, supply=details.supply - burnt))
        return burnt

    def transfer(
        self, asset_id: AssetId, source: AccountId, dest: AccountId, amount: int, *, keep_alive: bool
    ) -> int:
        """Move an amount, and the rest too if it falls below the minimum; return how much was moved."""
        details = self.get_live(asset_id)
        if amount == 0:
            return 0
        if amount > self.reducible_balance(asset_id, source, keep_alive=keep_alive):
            raise self.error(errors.BalanceLow)
        moved = self._with_dust(details, asset_id, source, amount)
        self._ensure_can_receive(details, asset_id, dest, moved)
        if source != dest:
            details = self._credit(details, asset_id, dest, moved)
            details = self._debit(details, asset_id, source, moved)
            self.assets.put(asset_id, details)
        return moved

    # --- what is held

    def is_held(self, asset_id: AssetId, who: AccountId) -> bool:
        """Tell whether something of an account is held."""
        return self.holds().total_on_hold(asset_id, who) > 0

    def ensure_unheld(self, asset_id: AssetId, who: AccountId) -> None:
        """ContainsHolds when something of an account is held."""
        if self.is_held(asset_id, who):
            raise self.error(errors.ContainsHolds)

    def set_aside(self, asset_id: AssetId, who: AccountId, amount: int) -> None:
        """Take out of an account what stays in the supply, and leave it its minimum; FundsUnavailable when
        there is too little, and what a transfer raises where asset or account is frozen or missing."""
        details, holding = self.get_live(asset_id), self.get_holding(asset_id, who)
        if holding.status is not AccountStatus.Liquid:
            raise self.error(errors.Frozen)
        if amount > holding.balance - details.min_balance:
            raise TokenFailure(TokenReason.FundsUnavailable)
        left = AssetAccount(holding.balance - amount, holding.status, holding.reason)
        self.holdings.put(asset_id, who, left)

    def put_back(self, asset_id: AssetId, who: AccountId, amount: int) -> None:
        """Put into an account, whatever its status, what was set aside of it; a held account exists."""
        holding = self.get_holding(asset_id, who)
        more = AssetAccount(holding.balance + amount, holding.status, holding.reason)
        self.holdings.put(asset_id, who, more)

    def hand_over(self, asset_id: AssetId, dest: AccountId, amount: int) -> None:
        """Put what was set aside into any account that can receive it; raises as a transfer, and changes
        nothing then."""
        details = self.get_live(asset_id)
        self._ensure_can_receive(details, asset_id, dest, amount)
        credited = self._credit(details, asset_id, dest, amount)
        if credited is not details:
            self.assets.put(asset_id, credited)

    def retire(self, asset_id: AssetId, amount: int) -> None:
        """Take what was set aside out of the supply."""
        details = self.get_details(asset_id)
        self.assets.put(asset_id, structs.replace(details, supply=details.supply - amount))

    # --- accounts

    def can_receive(self, asset_id: AssetId, who: AccountId, amount: int) -> bool:
        """Tell whether an amount could be put into an account now."""
        try:
            self._ensure_can_receive(self.get_live(asset_id), asset_id, who, amount)
        except DispatchError:
            return False
        return True

    def open_account(
        self, details: AssetDetails, who: AccountId, deposit: tuple[AccountId, int] | None
    ) -> tuple[AssetDetails, ExistenceReason]:
        """Count one more account and take the reference that its existence rests on."""
        accounts = details.accounts + 1
        if deposit is not None:
            depositor, amount = deposit
            reason = DepositHeld(amount) if depositor == who else DepositFrom(depositor, amount)
            return structs.replace(details, accounts=accounts), reason
        if details.is_sufficient:
            self.system.inc_sufficients(who)
            sufficients = details.sufficients + 1
            return structs.replace(details, accounts=accounts, sufficients=sufficients), SUFFICIENT
        # One reference more must stay possible, so that nobody can use up all of another's.
        if not self.system.can_accrue_consumers(who, 2):
            raise self.error(errors.UnavailableConsumer)
        self.system.inc_consumers(who)
        return structs.replace(details, accounts=accounts), CONSUMER

    def close_account(
        self, details: AssetDetails, asset_id: AssetId, who: AccountId, reason: ExistenceReason
    ) -> AssetDetails:
        """Remove an account and give back the reference that its existence rested on; deposits are the
        caller's."""
        self.holdings.remove(asset_id, who)
        details = structs.replace(details, accounts=details.accounts - 1)
        match reason:
            case ConsumerReason():
                self.system.dec_consumers(who)
            case SufficientReason():
                self.system.dec_sufficients(who)
                details = structs.replace(details, sufficients=details.sufficients - 1)
            case _:
                pass
        return details

    def check(self, asset_id: AssetId, details: AssetDetails) -> None:
        """AssertionError unless supply and counts are the sums over the accounts."""
        found = {who: holding for who, holding in self.holdings.items_of(asset_id) if holding is not None}
        sufficients = sum(isinstance(holding.reason, SufficientReason) for holding in found.values())
        held = sum(self.holds().total_on_hold(asset_id, who) for who in found)
        free = sum(holding.balance for holding in found.values())
        assert details.supply == free + held, f"asset {asset_id}: the supply is not the sum"
        assert details.accounts == len(found), f"asset {asset_id}: wrong number of accounts"
        assert details.sufficients == sufficients, f"asset {asset_id}: wrong number of sufficient accounts"

    # --- helpers

    def _ensure_can_receive(
        self, details: AssetDetails, asset_id: AssetId, who: AccountId, amount: int
    ) -> None:
        holding = self.holdings.get(asset_id, who)
        if holding is not None:
            if holding.status is AccountStatus.Blocked:
                raise TokenFailure(TokenReason.Blocked)
            return
        if amount < details.min_balance:
            raise TokenFailure(TokenReason.BelowMinimum)
        if not details.is_sufficient and not self.system.can_accrue_consumers(who, 2):
            raise TokenFailure(TokenReason.CannotCreate)

    def _with_dust(self, details: AssetDetails, asset_id: AssetId, who: AccountId, amount: int) -> int:
        """Return the amount, or the whole balance when less than the minimum would be left and nothing is
        held."""
        balance = self.get_holding(asset_id, who).balance
        is_dust = balance - amount < details.min_balance and not self.is_held(asset_id, who)
        return balance if is_dust else amount

    def _credit(self, details: AssetDetails, asset_id: AssetId, who: AccountId, amount: int) -> AssetDetails:
        holding = self.holdings.get(asset_id, who)
        if holding is None:
            details, reason = self.open_account(details, who, None)
            holding = AssetAccount(0, AccountStatus.Liquid, reason)
        more = AssetAccount(holding.balance + amount, holding.status, holding.reason)
        self.holdings.put(asset_id, who, more)
        return details

    def _debit(self, details: AssetDetails, asset_id: AssetId, who: AccountId, amount: int) -> AssetDetails:
        """Take an amount out of an account; one that is then empty goes, unless a deposit or a hold keeps
        it."""
        holding = self.get_holding(asset_id, who)
        left = holding.balance - amount
        is_kept = left >= details.min_balance or isinstance(holding.reason, DepositHeld | DepositFrom)
        if not is_kept and not self.is_held(asset_id, who):
            return self.close_account(details, asset_id, who, holding.reason)
        self.holdings.put(asset_id, who, structs.replace(holding, balance=left))
        return details


def deposit_of(reason: ExistenceReason, who: AccountId) -> tuple[AccountId, int] | None:
    """Return who reserved how much for an account's existence, None when nobody did."""
    match reason:
        case DepositHeld(field_0=amount):
            return who, amount
        case DepositFrom(field_0=depositor, field_1=amount):
            return depositor, amount
        case _:
            return None
