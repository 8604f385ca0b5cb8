"""Assets: fungible assets that anyone may create against a deposit, with Substrate's calls and storage.

Responsible for who may do what with an asset, for approvals, metadata, deposits and destruction; the ledger
moves the balances. It reaches the native currency, System's accounts and what is held through Protocols.
Calls, events, errors and storage layout are pallet_assets'.

Where pallet_assets lets an owner escape a rule, this pallet does not: frozen accounts get no refund, frozen
metadata cannot be cleared, a minimum balance is never zero, and a refund or destruction reduces the supply.

Invariant (checked by `try_state`): the supply (free and held) and the counts of an asset are the sums over
its accounts and approvals, nothing refers to an unknown asset, and every deposit is reserved.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar, TypeAlias

from msgspec import structs

from pallets.token import assets_errors as errors
from pallets.token import assets_events as events
from pallets.token import weights
from pallets.token.assets_approvals import Approvals
from pallets.token.assets_ledger import Ledger, deposit_of
from pallets.token.assets_registry import Registry
from pallets.token.assets_types import (
    REMOVE_ITEMS_MAX,
    STRING_MAX,
    AccountStatus,
    Approval,
    AssetAccount,
    AssetDetails,
    AssetId,
    AssetMetadata,
    AssetsConfig,
    AssetStatus,
    GenesisAsset,
)
from runtime.frame.account import lookup
from runtime.frame.call import call
from runtime.frame.dispatch import (
    DispatchError,
    Origin,
    PostDispatchInfo,
    ensure_root,
    ensure_signed,
    ensure_signed_or_root,
)
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, DoubleMap, Map, NMap, Value, storage
from runtime.primitives.arithmetic import U32_MAX, ensure_within
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import Compact, u8, u32, u128
from runtime.primitives.types import AccountId

Id: TypeAlias = Compact[AssetId]
Amount: TypeAlias = Compact[u128]


class Assets(Pallet[AssetsConfig]):
    """Fungible assets beside the native token."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)

    asset: Map[AssetId, AssetDetails | None] = storage(BLAKE2_128_CONCAT, docs="Details of an asset.")
    account: DoubleMap[AssetId, AccountId, AssetAccount | None] = storage(
        BLAKE2_128_CONCAT,
        BLAKE2_128_CONCAT,
        docs="The holdings of a specific account for a specific asset.",
    )
    approvals: NMap[tuple[AssetId, AccountId, AccountId], Approval | None] = storage(
        BLAKE2_128_CONCAT,
        BLAKE2_128_CONCAT,
        BLAKE2_128_CONCAT,
        docs="Approved balance transfers, by asset, owner and delegate.",
    )
    metadata: Map[AssetId, AssetMetadata] = storage(
        BLAKE2_128_CONCAT, default=AssetMetadata(), docs="Metadata of an asset."
    )
    next_asset_id: Value[AssetId | None] = storage(
        docs="The id that the next asset must be created with; any free id when absent."
    )

    def __init__(self, binding: Binding, config: AssetsConfig) -> None:
        super().__init__(binding, config)
        self.ledger = Ledger(self.asset, self.account, config.accounts, config.holds, self.error)
        self.registry = Registry(self.metadata, self.ledger, config, self.error)
        self.book = Approvals(
            self.asset, self.approvals, config.currency, config.approval_deposit, self.error
        )

    @constant
    def remove_items_limit(self) -> u32:
        """The most accounts or approvals that one call destroys."""
        return REMOVE_ITEMS_MAX

    @constant
    def asset_deposit(self) -> u128:
        """The amount reserved for an asset."""
        return self.config.asset_deposit

    @constant
    def asset_account_deposit(self) -> u128:
        """The amount reserved for an account that `touch` opens."""
        return self.config.asset_account_deposit

    @constant
    def metadata_deposit_base(self) -> u128:
        """The amount reserved for metadata, whatever its length."""
        return self.config.metadata_deposit_base

    @constant
    def metadata_deposit_per_byte(self) -> u128:
        """The amount reserved for each byte of an asset's name and symbol."""
        return self.config.metadata_deposit_per_byte

    @constant
    def approval_deposit(self) -> u128:
        """The amount reserved for an approval."""
        return self.config.approval_deposit

    @constant
    def string_limit(self) -> u32:
        """The most bytes of a name or symbol."""
        return STRING_MAX

    def genesis(self, assets: tuple[GenesisAsset, ...]) -> None:
        """Create the assets that the chain starts with and endow their holders."""
        for asset in assets:
            assert not self.asset.contains(asset.asset_id), f"asset {asset.asset_id} is listed twice"
            assert asset.min_balance > 0, f"asset {asset.asset_id} has no minimum balance"
            details = _new(asset.owner, asset.owner, asset.min_balance)
            self.asset.put(asset.asset_id, structs.replace(details, is_sufficient=asset.is_sufficient))
            self.metadata.put(asset.asset_id, AssetMetadata(0, asset.name, asset.symbol, asset.decimals))
            for who, amount in asset.holders:
                try:
                    self.ledger.mint(asset.asset_id, who, amount)
                except DispatchError as error:
                    raise AssertionError(
                        f"asset {asset.asset_id}: {who.hex()} cannot hold {amount}"
                    ) from error

    # --- calls: life of an asset

    @call(0, weight=weights.ASSETS_CREATE)
    def create(self, origin: Origin, id: Id, admin: MultiAddress, min_balance: u128) -> None:
        """Create an asset with the sender as its owner, against a deposit.

        `admin` becomes issuer, admin and freezer. No account can hold less than `min_balance`.
        """
        owner = ensure_signed(origin)
        team = lookup(admin)
        self.registry.ensure_new(id, min_balance)
        following = self.next_asset_id.get()
        if following is not None and id != following:
            raise self.error(errors.BadAssetId)
        self.config.currency.reserve(owner, self.config.asset_deposit)
        details = _new(owner, team, min_balance)
        self.asset.put(id, structs.replace(details, deposit=self.config.asset_deposit))
        self._advance(id)
        self.deposit(events.Created(id, owner, team))

    @call(1, weight=weights.ASSETS_FORCE_CREATE)
    def force_create(
        self,
        origin: Origin,
        id: Id,
        owner: MultiAddress,
        is_sufficient: bool,
        min_balance: Amount,
    ) -> None:
        """Create an asset without a deposit. Only for Root.

        An account can exist on a sufficient asset alone, without any native token.
        """
        ensure_root(origin)
        account = lookup(owner)
        self.registry.ensure_new(id, min_balance)
        details = _new(account, account, min_balance)
        self.asset.put(id, structs.replace(details, is_sufficient=is_sufficient))
        self._advance(id)
        self.deposit(events.ForceCreated(id, account))

    @call(2, weight=weights.ASSETS_START_DESTROY)
    def start_destroy(self, origin: Origin, id: Id) -> None:
        """Begin to destroy an asset, for ever. Only for its owner or Root."""
        who = ensure_signed_or_root(origin)
        details = self.ledger.get_details(id)
        self.registry.ensure(who is None or who == details.owner)
        self.registry.ensure_destroyable(id)
        self.asset.put(id, structs.replace(details, status=AssetStatus.Destroying))
        self.deposit(events.DestructionStarted(id))

    @call(
        3,
        weight=weights.ASSETS_DESTROY_ACCOUNTS.plus(
            weights.ASSETS_DESTROY_ACCOUNTS_PER_ACCOUNT.times(REMOVE_ITEMS_MAX)
        ),
    )
    def destroy_accounts(self, origin: Origin, id: Id) -> PostDispatchInfo:
        """Destroy accounts of an asset that is being destroyed, up to a limit for each call.

        Deposits come back to whoever made them. Anyone can call this.
        """
        ensure_signed(origin)
        destroyed, remaining = self.registry.destroy_accounts(id, REMOVE_ITEMS_MAX)
        self.deposit(events.AccountsDestroyed(id, destroyed, remaining))
        per_account = weights.ASSETS_DESTROY_ACCOUNTS_PER_ACCOUNT.times(destroyed)
        return PostDispatchInfo(weights.ASSETS_DESTROY_ACCOUNTS.plus(per_account))

    @call(
        4,
        weight=weights.ASSETS_DESTROY_APPROVALS.plus(
            weights.ASSETS_DESTROY_APPROVALS_PER_APPROVAL.times(REMOVE_ITEMS_MAX)
        ),
    )
    def destroy_approvals(self, origin: Origin, id: Id) -> PostDispatchInfo:
        """Destroy approvals of an asset that is being destroyed, up to a limit for each call."""
        ensure_signed(origin)
        destroyed, remaining = self.book.destroy(id, self.registry.get_destroying(id), REMOVE_ITEMS_MAX)
        self.deposit(events.ApprovalsDestroyed(id, destroyed, remaining))
        per_approval = weights.ASSETS_DESTROY_APPROVALS_PER_APPROVAL.times(destroyed)
        return PostDispatchInfo(weights.ASSETS_DESTROY_APPROVALS.plus(per_approval))

    @call(5, weight=weights.ASSETS_FINISH_DESTROY)
    def finish_destroy(self, origin: Origin, id: Id) -> None:
        """Remove an asset whose accounts and approvals are destroyed; the owner's deposits come back."""
        ensure_signed(origin)
        self.registry.remove(id, self.registry.get_destroying(id))
        self.deposit(events.Destroyed(id))

    # --- calls: balances

    @call(6, weight=weights.ASSETS_MINT)
    def mint(self, origin: Origin, id: Id, beneficiary: MultiAddress, amount: Amount) -> None:
        """Issue some of an asset to an account. Only for the asset's issuer."""
        who = ensure_signed(origin)
        account = lookup(beneficiary)
        self.registry.ensure(who == self.ledger.get_details(id).issuer)
        self.ledger.mint(id, account, amount)
        self.deposit(events.Issued(id, account, amount))

    @call(7, weight=weights.ASSETS_BURN)
    def burn(self, origin: Origin, id: Id, who: MultiAddress, amount: Amount) -> None:
        """Destroy up to an amount of what an account holds of an asset. Only for the asset's admin.

        If less than the minimum balance would be left, that goes too.
        """
        sender = ensure_signed(origin)
        account = lookup(who)
        self.registry.ensure(sender == self.ledger.get_details(id).admin)
        burnt = self.ledger.burn(id, account, amount)
        self.deposit(events.Burned(id, account, burnt))

    @call(8, weight=weights.ASSETS_TRANSFER)
    def transfer(self, origin: Origin, id: Id, target: MultiAddress, amount: Amount) -> None:
        """Transfer some of an asset to another account.

        If less than the minimum balance would be left, that is transferred too.
        """
        self._transfer(id, ensure_signed(origin), lookup(target), amount)

    @call(9, weight=weights.ASSETS_TRANSFER_KEEP_ALIVE)
    def transfer_keep_alive(self, origin: Origin, id: Id, target: MultiAddress, amount: Amount) -> None:
        """Transfer some of an asset to another account, unless the sender would fall below the minimum."""
        self._transfer(id, ensure_signed(origin), lookup(target), amount, keep_alive=True)

    @call(10, weight=weights.ASSETS_FORCE_TRANSFER)
    def force_transfer(
        self,
        origin: Origin,
        id: Id,
        source: MultiAddress,
        dest: MultiAddress,
        amount: Amount,
    ) -> None:
        """Transfer some of an asset between any two accounts. Only for the asset's admin."""
        who = ensure_signed(origin)
        accounts = lookup(source), lookup(dest)
        self.registry.ensure(who == self.ledger.get_details(id).admin)
        self._transfer(id, *accounts, amount)

    @call(32, weight=weights.ASSETS_TRANSFER_ALL)
    def transfer_all(self, origin: Origin, id: Id, dest: MultiAddress, keep_alive: bool) -> None:
        """Transfer all that can be transferred; with `keep_alive` the minimum balance stays."""
        who = ensure_signed(origin)
        account = lookup(dest)
        amount = self.ledger.reducible_balance(id, who, keep_alive=keep_alive)
        self._transfer(id, who, account, amount, keep_alive=keep_alive)

    # --- calls: freezing

    @call(11, weight=weights.ASSETS_FREEZE)
    def freeze(self, origin: Origin, id: Id, who: MultiAddress) -> None:
        """Forbid an account to send an asset. Only for the asset's freezer."""
        sender = ensure_signed(origin)
        account = lookup(who)
        self.registry.ensure(sender == self.registry.get_standing(id).freezer)
        self.registry.set_status(id, account, AccountStatus.Frozen)
        self.deposit(events.Frozen(id, account))

    @call(12, weight=weights.ASSETS_THAW)
    def thaw(self, origin: Origin, id: Id, who: MultiAddress) -> None:
        """Allow an account to send and receive an asset again. Only for the asset's admin."""
        sender = ensure_signed(origin)
        account = lookup(who)
        self.registry.ensure(sender == self.registry.get_standing(id).admin)
        self.registry.set_status(id, account, AccountStatus.Liquid)
        self.deposit(events.Thawed(id, account))

    @call(31, weight=weights.ASSETS_BLOCK)
    def block(self, origin: Origin, id: Id, who: MultiAddress) -> None:
        """Forbid an account to send or receive an asset. Only for the asset's freezer."""
        sender = ensure_signed(origin)
        account = lookup(who)
        self.registry.ensure(sender == self.registry.get_standing(id).freezer)
        self.registry.set_status(id, account, AccountStatus.Blocked)
        self.deposit(events.Blocked(id, account))

    @call(13, weight=weights.ASSETS_FREEZE_ASSET)
    def freeze_asset(self, origin: Origin, id: Id) -> None:
        """Forbid everybody to move an asset. Only for its freezer."""
        who = ensure_signed(origin)
        details = self.ledger.get_live(id)
        self.registry.ensure(who == details.freezer)
        self.asset.put(id, structs.replace(details, status=AssetStatus.Frozen))
        self.deposit(events.AssetFrozen(id))

    @call(14, weight=weights.ASSETS_THAW_ASSET)
    def thaw_asset(self, origin: Origin, id: Id) -> None:
        """Allow everybody to move an asset again. Only for its admin."""
        who = ensure_signed(origin)
        details = self.ledger.get_details(id)
        self.registry.ensure(who == details.admin)
        if details.status is not AssetStatus.Frozen:
            raise self.error(errors.NotFrozen)
        self.asset.put(id, structs.replace(details, status=AssetStatus.Live))
        self.deposit(events.AssetThawed(id))

    # --- calls: who may do what

    @call(15, weight=weights.ASSETS_TRANSFER_OWNERSHIP)
    def transfer_ownership(self, origin: Origin, id: Id, owner: MultiAddress) -> None:
        """Hand an asset to another owner, with the deposits reserved for it. Only for its owner."""
        who = ensure_signed(origin)
        account = lookup(owner)
        details = self.registry.get_owned(id, who)
        if account == who:
            return
        self.registry.hand_deposits(id, details, account)
        self.asset.put(id, structs.replace(details, owner=account))
        self.deposit(events.OwnerChanged(id, account))

    @call(16, weight=weights.ASSETS_SET_TEAM)
    def set_team(
        self,
        origin: Origin,
        id: Id,
        issuer: MultiAddress,
        admin: MultiAddress,
        freezer: MultiAddress,
    ) -> None:
        """Change the issuer, the admin and the freezer of an asset. Only for its owner."""
        who = ensure_signed(origin)
        team = lookup(issuer), lookup(admin), lookup(freezer)
        details = self.registry.get_owned(id, who)
        self.asset.put(id, structs.replace(details, issuer=team[0], admin=team[1], freezer=team[2]))
        self.deposit(events.TeamChanged(id, *team))

    @call(21, weight=weights.ASSETS_FORCE_ASSET_STATUS)
    def force_asset_status(
        self,
        origin: Origin,
        id: Id,
        owner: MultiAddress,
        issuer: MultiAddress,
        admin: MultiAddress,
        freezer: MultiAddress,
        min_balance: Amount,
        is_sufficient: bool,
        is_frozen: bool,
    ) -> None:
        """Change all attributes of an asset. Only for Root.

        An owner who loses the asset gets the deposits back; the new one owes none.
        """
        ensure_root(origin)
        details = self.ledger.get_details(id)
        if details.status is AssetStatus.Destroying:
            raise self.error(errors.AssetNotLive)
        self.registry.ensure_minimum(min_balance)
        changed = structs.replace(
            self.registry.set_owner(id, details, lookup(owner)),
            issuer=lookup(issuer),
            admin=lookup(admin),
            freezer=lookup(freezer),
            min_balance=min_balance,
            is_sufficient=is_sufficient,
            status=AssetStatus.Frozen if is_frozen else AssetStatus.Live,
        )
        self.asset.put(id, changed)
        self.deposit(events.AssetStatusChanged(id))

    @call(28, weight=weights.ASSETS_SET_MIN_BALANCE)
    def set_min_balance(self, origin: Origin, id: Id, min_balance: u128) -> None:
        """Change the minimum balance of an asset. Only for its owner.

        It can only fall once somebody holds the asset, and never change if the asset is sufficient.
        """
        who = ensure_signed(origin)
        details = self.ledger.get_details(id)
        self.registry.ensure(who == details.owner and not details.is_sufficient)
        self.registry.ensure(min_balance < details.min_balance or details.accounts == 0)
        self.registry.ensure_minimum(min_balance)
        self.asset.put(id, structs.replace(details, min_balance=min_balance))
        self.deposit(events.AssetMinBalanceChanged(id, min_balance))

    # --- calls: metadata

    @call(17, weight=weights.ASSETS_SET_METADATA)
    def set_metadata(self, origin: Origin, id: Id, name: bytes, symbol: bytes, decimals: u8) -> None:
        """Set name, symbol and decimals of an asset, against a deposit by length. Only for its owner."""
        who = ensure_signed(origin)
        self.registry.set_metadata(id, who, name, symbol, decimals)
        self.deposit(events.MetadataSet(id, name, symbol, decimals, False))

    @call(18, weight=weights.ASSETS_CLEAR_METADATA)
    def clear_metadata(self, origin: Origin, id: Id) -> None:
        """Remove name, symbol and decimals of an asset; the deposit comes back. Only for its owner."""
        who = ensure_signed(origin)
        self.registry.get_owned(id, who)
        self.registry.ensure(not self.metadata.get(id).is_frozen)
        self.registry.clear_metadata(id, who)
        self.deposit(events.MetadataCleared(id))

    @call(19, weight=weights.ASSETS_FORCE_SET_METADATA)
    def force_set_metadata(
        self,
        origin: Origin,
        id: Id,
        name: bytes,
        symbol: bytes,
        decimals: u8,
        is_frozen: bool,
    ) -> None:
        """Set name, symbol and decimals of an asset; the deposit stays as it is. Only for Root.

        Frozen metadata can only be changed by Root.
        """
        ensure_root(origin)
        self.registry.ensure_strings(name, symbol)
        self.ledger.get_details(id)
        deposit = self.metadata.get(id).deposit
        self.metadata.put(id, AssetMetadata(deposit, name, symbol, decimals, is_frozen))
        self.deposit(events.MetadataSet(id, name, symbol, decimals, is_frozen))

    @call(20, weight=weights.ASSETS_FORCE_CLEAR_METADATA)
    def force_clear_metadata(self, origin: Origin, id: Id) -> None:
        """Remove name, symbol and decimals of an asset; the deposit comes back. Only for Root."""
        ensure_root(origin)
        self.registry.clear_metadata(id, self.ledger.get_details(id).owner)
        self.deposit(events.MetadataCleared(id))

    # --- calls: approvals

    @call(22, weight=weights.ASSETS_APPROVE_TRANSFER)
    def approve_transfer(self, origin: Origin, id: Id, delegate: MultiAddress, amount: Amount) -> None:
        """Let a delegate transfer so much more of an asset from the sender, against a deposit."""
        owner = ensure_signed(origin)
        account = lookup(delegate)
        self.book.extend(id, self.ledger.get_live(id), owner, account, amount)
        self.deposit(events.ApprovedTransfer(id, owner, account, amount))

    @call(23, weight=weights.ASSETS_CANCEL_APPROVAL)
    def cancel_approval(self, origin: Origin, id: Id, delegate: MultiAddress) -> None:
        """Take back what `approve_transfer` allowed; the deposit comes back."""
        self._cancel_approval(id, ensure_signed(origin), lookup(delegate))

    @call(24, weight=weights.ASSETS_FORCE_CANCEL_APPROVAL)
    def force_cancel_approval(
        self, origin: Origin, id: Id, owner: MultiAddress, delegate: MultiAddress
    ) -> None:
        """Take back what an owner allowed a delegate. Only for the asset's admin or Root."""
        details = self.ledger.get_live(id)
        who = ensure_signed_or_root(origin)
        self.registry.ensure(who is None or who == details.admin)
        self._cancel_approval(id, lookup(owner), lookup(delegate))

    @call(25, weight=weights.ASSETS_TRANSFER_APPROVED)
    def transfer_approved(
        self,
        origin: Origin,
        id: Id,
        owner: MultiAddress,
        destination: MultiAddress,
        amount: Amount,
    ) -> None:
        """Transfer some of an asset of an owner who approved it to any account; `Transferred` tells of it."""
        delegate = ensure_signed(origin)
        source, dest = lookup(owner), lookup(destination)
        self.ledger.get_live(id)
        self.book.ensure(id, source, delegate, amount)
        self._transfer(id, source, dest, amount)
        self.book.spend(id, self.ledger.get_live(id), source, delegate, amount)

    # --- calls: accounts against a deposit

    @call(26, weight=weights.ASSETS_TOUCH)
    def touch(self, origin: Origin, id: Id) -> None:
        """Open an empty account of an asset for the sender, against a deposit."""
        who = ensure_signed(origin)
        self.registry.touch(id, who, who)
        self.deposit(events.Touched(id, who, who))

    @call(27, weight=weights.ASSETS_REFUND)
    def refund(self, origin: Origin, id: Id, allow_burn: bool) -> None:
        """Close the sender's account of an asset; its deposit comes back.

        A balance is destroyed with it if `allow_burn` says so.
        """
        who = ensure_signed(origin)
        holding = self.registry.get_refundable(id, who)
        details = self.registry.get_standing(id)
        self.registry.refund(id, who, details, holding, allow_burn=allow_burn)
        if holding.balance:
            self.deposit(events.Burned(id, who, holding.balance))

    @call(29, weight=weights.ASSETS_TOUCH_OTHER)
    def touch_other(self, origin: Origin, id: Id, who: MultiAddress) -> None:
        """Open an empty account of an asset for somebody, against a deposit of the sender."""
        depositor = ensure_signed(origin)
        account = lookup(who)
        self.registry.touch(id, account, depositor)
        self.deposit(events.Touched(id, account, depositor))

    @call(30, weight=weights.ASSETS_REFUND_OTHER)
    def refund_other(self, origin: Origin, id: Id, who: MultiAddress) -> None:
        """Close the empty account of somebody; the deposit comes back to whoever made it.

        Only for whoever made it or the asset's admin.
        """
        sender = ensure_signed(origin)
        account = lookup(who)
        holding, depositor = self.registry.get_sponsored(id, account)
        details = self.ledger.get_live(id)
        self.registry.ensure(sender in {depositor, details.admin})
        self.registry.refund(id, account, details, holding, allow_burn=False)

    def try_state(self) -> None:
        """AssertionError unless supplies, counts, references and deposits are consistent."""
        owed: dict[AccountId, int] = {}

        def owe(who: AccountId, amount: int) -> None:
            owed[who] = owed.get(who, 0) + amount

        for asset_id, details in self.asset.items():
            assert details is not None
            self.ledger.check(asset_id, details)
            approvals = len(list(self.approvals.items_of(asset_id)))
            assert details.approvals == approvals, f"asset {asset_id}: wrong number of approvals"
            owe(details.owner, details.deposit)
        for asset_id, metadata in self.metadata.items():
            described = self.asset.get(asset_id)
            assert described is not None, f"metadata refer to the unknown asset {asset_id}"
            owe(described.owner, metadata.deposit)
        for (asset_id, owner, _), approval in self.approvals.items_of():
            assert approval is not None
            assert self.asset.contains(asset_id), f"an approval refers to the unknown asset {asset_id}"
            owe(owner, approval.deposit)
        for (asset_id, who), holding in self.account.items():
            assert holding is not None
            assert self.asset.contains(asset_id), f"an account refers to the unknown asset {asset_id}"
            owe(*(deposit_of(holding.reason, who) or (who, 0)))
        for who, total in owed.items():
            reserved = self.config.currency.reserved_balance(who)
            assert reserved >= total, f"{who.hex()} has reserved {reserved} of {total}"

    # --- helpers

    def _advance(self, asset_id: int) -> None:
        """Keep `NextAssetId`, where it is used, above every asset created since."""
        following = self.next_asset_id.get()
        if following is not None and asset_id >= following:
            self.next_asset_id.put(ensure_within(asset_id + 1, U32_MAX))

    def _transfer(
        self, asset_id: int, source: AccountId, dest: AccountId, amount: int, *, keep_alive: bool = False
    ) -> None:
        moved = self.ledger.transfer(asset_id, source, dest, amount, keep_alive=keep_alive)
        if moved:
            self.deposit(events.Transferred(asset_id, source, dest, moved))

    def _cancel_approval(self, asset_id: int, owner: AccountId, delegate: AccountId) -> None:
        self.book.cancel(asset_id, self.ledger.get_live(asset_id), owner, delegate)
        self.deposit(events.ApprovalCancelled(asset_id, owner, delegate))


def _new(owner: AccountId, team: AccountId, min_balance: int) -> AssetDetails:
    return AssetDetails(owner, team, team, team, 0, 0, min_balance, False)
