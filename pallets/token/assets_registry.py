"""The registry of the Assets pallet: assets, owners, statuses, metadata, and what is reserved for them.

Responsible for who owns what in which status, and for the deposits of assets, metadata and opened accounts.
Balances move in the ledger. It deposits no event and knows no call.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from msgspec import structs

from pallets.token import assets_errors as errors
from pallets.token.assets_ledger import BoundError, Ledger, deposit_of
from pallets.token.assets_types import (
    STRING_MAX,
    AccountStatus,
    AssetAccount,
    AssetDetails,
    AssetId,
    AssetMetadata,
    AssetsConfig,
    AssetStatus,
    ConsumerReason,
    DepositFrom,
    DepositHeld,
)
from runtime.frame.fungible import BalanceStatus, adjust_reserve
from runtime.frame.storage import Map
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Registry:
    """Assets and metadata over the storage of one pallet instance."""

    metadata: Map[AssetId, AssetMetadata]
    ledger: Ledger
    config: AssetsConfig
    error: BoundError

    # --- assets

    def ensure(self, is_permitted: bool) -> None:  # noqa: FBT001  # reads as a sentence
        """NoPermission unless it is permitted."""
        if not is_permitted:
            raise self.error(errors.NoPermission)

    def ensure_new(self, asset_id: AssetId, min_balance: int) -> None:
        """InUse or MinBalanceZero unless an asset with this id and minimum balance can be created."""
        if self.ledger.assets.contains(asset_id):
            raise self.error(errors.InUse)
        self.ensure_minimum(min_balance)

    def ensure_minimum(self, min_balance: int) -> None:
        """MinBalanceZero for a minimum balance of 0."""
        if min_balance == 0:
            raise self.error(errors.MinBalanceZero)

    def get_owned(self, asset_id: AssetId, who: AccountId) -> AssetDetails:
        """Return a live asset that an account owns."""
        details = self.ledger.get_live(asset_id)
        self.ensure(who == details.owner)
        return details

    def get_destroying(self, asset_id: AssetId) -> AssetDetails:
        """Return an asset that is being destroyed; Unknown or IncorrectStatus otherwise."""
        details = self.ledger.get_details(asset_id)
        if details.status is not AssetStatus.Destroying:
            raise self.error(errors.IncorrectStatus)
        return details

    def ensure_destroyable(self, asset_id: AssetId) -> None:
        """ContainsHolds when anything of an asset is held."""
        if self.ledger.holds().has_holds(asset_id):
            raise self.error(errors.ContainsHolds)

    def get_standing(self, asset_id: AssetId) -> AssetDetails:
        """Return an asset that is not being destroyed; Unknown or IncorrectStatus otherwise."""
        details = self.ledger.get_details(asset_id)
        if details.status is AssetStatus.Destroying:
            raise self.error(errors.IncorrectStatus)
        return details

    def set_owner(self, asset_id: AssetId, details: AssetDetails, owner: AccountId) -> AssetDetails:
        """Return an asset with an owner whom Root chose: the old one gets the deposits back, the new one owes
        none."""
        if owner == details.owner:
            return details
        metadata = self.metadata.get(asset_id)
        self.config.currency.unreserve(details.owner, details.deposit + metadata.deposit)
        if metadata.deposit:
            self.metadata.put(asset_id, structs.replace(metadata, deposit=0))
        return structs.replace(details, owner=owner, deposit=0)

    def hand_deposits(self, asset_id: AssetId, details: AssetDetails, owner: AccountId) -> None:
        """Move the deposits of an asset to a new owner's account; IncompleteDepositTransfer unless all of
        them can go."""
        deposits = details.deposit + self.metadata.get(asset_id).deposit
        currency = self.config.currency
        moved = currency.repatriate_reserved(details.owner, owner, deposits, BalanceStatus.Reserved)
        if moved < deposits:
            raise self.error(errors.IncompleteDepositTransfer)

    def remove(self, asset_id: AssetId, details: AssetDetails) -> None:
        """Remove an asset that nothing refers to, and give the deposits back; InUse otherwise."""
        if details.accounts or details.approvals:
            raise self.error(errors.InUse)
        metadata = self.metadata.take(asset_id)
        self.config.currency.unreserve(details.owner, details.deposit + metadata.deposit)
        self.ledger.assets.remove(asset_id)

    # --- metadata

    def ensure_strings(self, name: bytes, symbol: bytes) -> None:
        """BadMetadata when a name or symbol is too long."""
        if len(name) > STRING_MAX or len(symbol) > STRING_MAX:
            raise self.error(errors.BadMetadata)

    def set_metadata(
        self, asset_id: AssetId, who: AccountId, name: bytes, symbol: bytes, decimals: int
    ) -> None:
        """Set the metadata of an asset and adjust the owner's deposit to its length."""
        self.ensure_strings(name, symbol)
        self.get_owned(asset_id, who)
        old = self.metadata.get(asset_id)
        self.ensure(not old.is_frozen)
        length = len(name) + len(symbol)
        deposit = self.config.metadata_deposit_base + self.config.metadata_deposit_per_byte * length
        adjust_reserve(self.config.currency, who, old.deposit, deposit)
        self.metadata.put(asset_id, AssetMetadata(deposit, name, symbol, decimals))

    def clear_metadata(self, asset_id: AssetId, owner: AccountId) -> None:
        """Remove the metadata of an asset and give its deposit back; Unknown when there is none."""
        if not self.metadata.contains(asset_id):
            raise self.error(errors.Unknown)
        self.config.currency.unreserve(owner, self.metadata.take(asset_id).deposit)

    # --- accounts

    def set_status(self, asset_id: AssetId, who: AccountId, status: AccountStatus) -> None:
        """Change what an account can do with an asset; NoAccount when it has no account."""
        holding = self.ledger.get_holding(asset_id, who)
        self.ledger.holdings.put(asset_id, who, structs.replace(holding, status=status))

    def touch(self, asset_id: AssetId, who: AccountId, depositor: AccountId) -> None:
        """Open an empty account against a deposit."""
        if self.ledger.holdings.contains(asset_id, who):
            raise self.error(errors.AlreadyExists)
        deposit = self.config.asset_account_deposit
        details, reason = self.ledger.open_account(self.ledger.get_live(asset_id), who, (depositor, deposit))
        self.config.currency.reserve(depositor, deposit)
        self.ledger.assets.put(asset_id, details)
        self.ledger.holdings.put(asset_id, who, AssetAccount(0, AccountStatus.Liquid, reason))

    def get_refundable(self, asset_id: AssetId, who: AccountId) -> AssetAccount:
        """Return an account that its holder may close; NoDeposit otherwise."""
        holding = self.ledger.holdings.get(asset_id, who)
        if holding is None or not isinstance(holding.reason, ConsumerReason | DepositHeld):
            raise self.error(errors.NoDeposit)
        return holding

    def get_sponsored(self, asset_id: AssetId, who: AccountId) -> tuple[AssetAccount, AccountId]:
        """Return an account that another pays the deposit of, and who that is; NoDeposit otherwise."""
        holding = self.ledger.holdings.get(asset_id, who)
        if holding is None or not isinstance(holding.reason, DepositFrom):
            raise self.error(errors.NoDeposit)
        return holding, holding.reason.field_0

    def refund(
        self,
        asset_id: AssetId,
        who: AccountId,
        details: AssetDetails,
        holding: AssetAccount,
        *,
        allow_burn: bool,
    ) -> None:
        """Close an account with what it still holds and give its deposit back.

        A frozen account stays, so that nobody can thaw an account by closing it; one with holds does too.
        """
        if holding.status is not AccountStatus.Liquid:
            raise self.error(errors.Frozen)
        if holding.balance and not allow_burn:
            raise self.error(errors.WouldBurn)
        self.ledger.ensure_unheld(asset_id, who)
        self.ledger.assets.put(asset_id, self._close(asset_id, who, details, holding))

    def destroy_accounts(self, asset_id: AssetId, limit: int) -> tuple[int, int]:
        """Close accounts of an asset that is being destroyed; return how many went and how many are left."""
        details = self.get_destroying(asset_id)
        listed = list(islice(self.ledger.holdings.items_of(asset_id), limit))
        for who, holding in listed:
            assert holding is not None
            assert not self.ledger.is_held(asset_id, who), "nothing of an asset is held when its end begins"
            details = self._close(asset_id, who, details, holding)
        self.ledger.assets.put(asset_id, details)
        return len(listed), details.accounts

    def _close(
        self, asset_id: AssetId, who: AccountId, details: AssetDetails, holding: AssetAccount
    ) -> AssetDetails:
        deposit = deposit_of(holding.reason, who)
        if deposit is not None:
            self.config.currency.unreserve(*deposit)
        details = structs.replace(details, supply=details.supply - holding.balance)
        return self.ledger.close_account(details, asset_id, who, holding.reason)
