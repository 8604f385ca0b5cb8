"""Holds on assets: what other pallets keep aside of an account's balance, and for which reason.

Responsible for the amounts held by asset, account and reason. Free balances, supplies and accounts are the
ledger's of Assets, reached through a Protocol; what is held stays in the supply. It has no calls: pallets
hold, release, hand over and burn. `Holds` and the first three events are pallet_assets_holder's; the sum over
an account's reasons is not stored beside them, since each order of a market changes it.

A hold never touches the minimum balance, so an account of which something is held exists; a release always
succeeds. Order of a change: first all that can fail, then the writes.

Invariant (checked by `try_state`): an account's holds are in the order of their reasons, and none is empty;
that they are part of the supply is checked by Assets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias

from runtime.frame.dispatch import PalletError, TokenFailure, TokenReason
from runtime.frame.event import Event
from runtime.frame.fungible import Reason, RuntimeHoldReason
from runtime.frame.fungibles import Spending
from runtime.frame.pallet import Pallet
from runtime.frame.storage import BLAKE2_128_CONCAT, DoubleMap, storage
from runtime.primitives.scale import MaxLen, Struct, u32, u128
from runtime.primitives.types import AccountId

HOLDS_MAX = 50
"""Most reasons for which something of one account is held at once, as in Balances."""

AssetId: TypeAlias = u32


class HeldAmount(Struct, path="frame_support::traits::tokens::misc::IdAmount"):
    """How much is held for a reason."""

    id: RuntimeHoldReason
    amount: u128


Holds: TypeAlias = Annotated[tuple[HeldAmount, ...], MaxLen(HOLDS_MAX)]


class FreeBalances(Protocol):
    """What the pallet needs of the ledger of Assets."""

    def set_aside(self, asset_id: int, who: AccountId, amount: int) -> None:
        """Take out of an account what stays in the supply, and leave it its minimum; an error, without
        change, when asset or account is frozen or missing, FundsUnavailable when there is too little."""
        ...

    def put_back(self, asset_id: int, who: AccountId, amount: int) -> None:
        """Put into an account what was set aside of it. Never fails."""
        ...

    def hand_over(self, asset_id: int, dest: AccountId, amount: int) -> None:
        """Put what was set aside into any account that can receive it; raises without change."""
        ...

    def retire(self, asset_id: int, amount: int) -> None:
        """Take what was set aside out of the supply. Never fails."""
        ...


@dataclass(frozen=True, slots=True)
class AssetHoldsConfig:
    """Where free balances are."""

    ledger: FreeBalances


class AssetHolds(Pallet[AssetHoldsConfig]):
    """What is held of the assets."""

    crate = "assets_holder"

    holds: DoubleMap[AssetId, AccountId, Holds] = storage(
        BLAKE2_128_CONCAT,
        BLAKE2_128_CONCAT,
        default=(),
        docs="How much of an asset is held from an account, for each reason.",
    )

    class Held(Event, index=0):
        """Some of an account's balance is held."""

        who: AccountId
        asset_id: AssetId
        reason: RuntimeHoldReason
        amount: u128

    class Released(Event, index=1):
        """Some of what was held is free again."""

        who: AccountId
        asset_id: AssetId
        reason: RuntimeHoldReason
        amount: u128

    class Burned(Event, index=2):
        """Some of what was held was destroyed."""

        who: AccountId
        asset_id: AssetId
        reason: RuntimeHoldReason
        amount: u128

    class TransferredOnHold(Event, index=3):
        """Some of what was held from one account went to the free balance of another."""

        source: AccountId
        dest: AccountId
        asset_id: AssetId
        reason: RuntimeHoldReason
        amount: u128

    class TooManyHolds(PalletError, index=0):
        """Something of the account is held for too many reasons already."""

    # --- what Assets asks

    def total_on_hold(self, asset_id: int, who: AccountId) -> int:
        """Return what is held of an account, for all reasons together."""
        return sum(entry.amount for entry in self.holds.get(asset_id, who))

    def has_holds(self, asset_id: int) -> bool:
        """Tell whether anything of an asset is held."""
        return any(True for _ in self.holds.items_of(asset_id))

    # --- what other pallets do

    def balance_on_hold(self, asset_id: int, reason: Reason, who: AccountId) -> int:
        """Return what is held of an account for a reason."""
        for entry in self.holds.get(asset_id, who):
            if entry.id == reason:
                return entry.amount
        return 0

    def hold(self, asset_id: int, reason: Reason, who: AccountId, amount: int) -> None:
        """Move free balance into the hold of a reason, never the minimum balance.

        Raises FundsUnavailable or TooManyHolds, and what Assets says of assets and accounts that are frozen
        or missing.
        """
        if amount == 0:
            return
        entries = self.holds.get(asset_id, who)
        if len(entries) >= HOLDS_MAX and all(entry.id != reason for entry in entries):
            raise self.TooManyHolds
        self.config.ledger.set_aside(asset_id, who, amount)
        self._shift(asset_id, who, reason, amount)
        self.deposit(self.Held(who, asset_id, reason, amount))

    def release(self, asset_id: int, reason: Reason, who: AccountId, amount: int) -> int:
        """Move up to an amount from the hold back to free, whatever the account's status; return how much."""
        moved = min(amount, self.balance_on_hold(asset_id, reason, who))
        if moved:
            self._shift(asset_id, who, reason, -moved)
            self.config.ledger.put_back(asset_id, who, moved)
            self.deposit(self.Released(who, asset_id, reason, moved))
        return moved

    def transfer_on_hold(
        self, asset_id: int, reason: Reason, source: AccountId, dest: AccountId, amount: int
    ) -> None:
        """Move exactly an amount from one account's hold to another's free balance.

        Raises FundsUnavailable when less is held, and what a transfer raises where the other cannot receive.
        """
        if amount == 0:
            return
        self._ensure_held(asset_id, reason, source, amount)
        self.config.ledger.hand_over(asset_id, dest, amount)
        self._shift(asset_id, source, reason, -amount)
        self.deposit(self.TransferredOnHold(source, dest, asset_id, reason, amount))

    def spend(self, asset_id: int, reason: Reason, dest: AccountId, spendings: Sequence[Spending]) -> None:
        """Pay and release what is held of many: each one's hold is written once, the receiver's balance once.

        Raises FundsUnavailable where less is held, after some were done, and, without change, what a transfer
        raises where the other cannot receive. The events are those of `transfer_on_hold` and `release`.
        """
        total = sum(one.paid for one in spendings)
        if total:
            self.config.ledger.hand_over(asset_id, dest, total)
        for who, paid, released in spendings:
            if paid or released:
                self._ensure_held(asset_id, reason, who, paid + released)
                self._shift(asset_id, who, reason, -paid - released)
            if paid:
                self.deposit(self.TransferredOnHold(who, dest, asset_id, reason, paid))
            if released:
                self.config.ledger.put_back(asset_id, who, released)
                self.deposit(self.Released(who, asset_id, reason, released))

    def burn_held(self, asset_id: int, reason: Reason, who: AccountId, amount: int) -> None:
        """Destroy exactly an amount of what is held; FundsUnavailable when less is."""
        if amount == 0:
            return
        self._ensure_held(asset_id, reason, who, amount)
        self._shift(asset_id, who, reason, -amount)
        self.config.ledger.retire(asset_id, amount)
        self.deposit(self.Burned(who, asset_id, reason, amount))

    def try_state(self) -> None:
        """AssertionError unless the balances on hold are the sums of the holds."""
        for place, entries in self.holds.items():
            assert entries, f"{place} is listed without holds"
            assert all(entry.amount for entry in entries), "an empty hold"
            reasons = [entry.id for entry in entries]
            assert reasons == sorted(dict.fromkeys(reasons)), "disordered holds"

    # --- helpers

    def _ensure_held(self, asset_id: int, reason: Reason, who: AccountId, amount: int) -> None:
        if amount > self.balance_on_hold(asset_id, reason, who):
            raise TokenFailure(TokenReason.FundsUnavailable)

    def _shift(self, asset_id: int, who: AccountId, reason: Reason, more: int) -> None:
        """Hold so much more, or less, for a reason; an empty hold goes."""
        entries = self.holds.get(asset_id, who)
        if len(entries) == 1 and entries[0].id == reason and entries[0].amount + more:
            self.holds.put(asset_id, who, (HeldAmount(reason, entries[0].amount + more),))
            return
        place = 0
        while place < len(entries) and entries[place].id < reason:
            place += 1
        rest = place
        if place < len(entries) and entries[place].id == reason:
            rest, amount = place + 1, entries[place].amount + more
        else:
            amount = more
        changed = (HeldAmount(reason, amount),) if amount else ()
        kept = entries[:place] + changed + entries[rest:]
        if kept:
            self.holds.put(asset_id, who, kept)
        else:
            self.holds.remove(asset_id, who)
