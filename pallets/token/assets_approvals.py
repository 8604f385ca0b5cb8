"""Approvals of the Assets pallet: who may transfer how much of another's asset.

Responsible for the amounts left, for the deposit that pays for each approval and for the count in the asset.
It moves no balance and deposits no event.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from msgspec import structs

from pallets.token import assets_errors as errors
from pallets.token.assets_ledger import BoundError
from pallets.token.assets_types import Approval, AssetDetails, AssetId
from runtime.frame.fungible import Reservable, adjust_reserve
from runtime.frame.storage import Map, NMap
from runtime.primitives.arithmetic import U128_MAX
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Approvals:
    """Approvals over the storage of one pallet instance; `deposit` is reserved for each."""

    assets: Map[AssetId, AssetDetails | None]
    approvals: NMap[tuple[AssetId, AccountId, AccountId], Approval | None]
    currency: Reservable
    deposit: int
    error: BoundError

    def extend(
        self, asset_id: AssetId, details: AssetDetails, owner: AccountId, delegate: AccountId, amount: int
    ) -> None:
        """Let a delegate transfer an amount more, which stops at the largest u128."""
        old = self.approvals.get((asset_id, owner, delegate))
        approval = Approval(0, 0) if old is None else old
        deposit = max(approval.deposit, self.deposit)
        adjust_reserve(self.currency, owner, approval.deposit, deposit)
        total = min(U128_MAX, approval.amount + amount)
        self.approvals.put((asset_id, owner, delegate), Approval(total, deposit))
        if old is None:
            self.assets.put(asset_id, structs.replace(details, approvals=details.approvals + 1))

    def cancel(self, asset_id: AssetId, details: AssetDetails, owner: AccountId, delegate: AccountId) -> None:
        """Take an approval back; Unknown when there is none."""
        approval = self.approvals.get((asset_id, owner, delegate))
        if approval is None:
            raise self.error(errors.Unknown)
        self._remove((asset_id, owner, delegate), approval)
        self.assets.put(asset_id, structs.replace(details, approvals=details.approvals - 1))

    def ensure(self, asset_id: AssetId, owner: AccountId, delegate: AccountId, amount: int) -> Approval:
        """Return the approval of an amount; Unapproved when there is none, or less is left."""
        approval = self.approvals.get((asset_id, owner, delegate))
        if approval is None or approval.amount < amount:
            raise self.error(errors.Unapproved)
        return approval

    def spend(
        self, asset_id: AssetId, details: AssetDetails, owner: AccountId, delegate: AccountId, amount: int
    ) -> None:
        """Use up an amount; Unapproved when less is left. An approval that is used up goes."""
        approval = self.ensure(asset_id, owner, delegate, amount)
        if approval.amount > amount:
            left = Approval(approval.amount - amount, approval.deposit)
            self.approvals.put((asset_id, owner, delegate), left)
            return
        self._remove((asset_id, owner, delegate), approval)
        self.assets.put(asset_id, structs.replace(details, approvals=details.approvals - 1))

    def destroy(self, asset_id: AssetId, details: AssetDetails, limit: int) -> tuple[int, int]:
        """Remove approvals of an asset; return how many went and how many are left."""
        listed = list(islice(self.approvals.items_of(asset_id), limit))
        for keys, approval in listed:
            assert approval is not None
            self._remove(keys, approval)
        left = details.approvals - len(listed)
        self.assets.put(asset_id, structs.replace(details, approvals=left))
        return len(listed), left

    def _remove(self, keys: tuple[AssetId, AccountId, AccountId], approval: Approval) -> None:
        """Remove an approval and give its deposit back; the count is the caller's."""
        self.currency.unreserve(keys[1], approval.deposit)
        self.approvals.remove(keys)
