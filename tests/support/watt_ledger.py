"""A small ledger of one asset with holds, in storage, for tests of pallets that trade in it.

It stands for what a composition gives them under `runtime.frame.fungibles.IssuedAsset`: balances, holds with
reasons, a minimum balance, and a switch with which every movement is refused.
"""

from collections.abc import Sequence

from runtime.frame.dispatch import PalletError, TokenFailure, TokenReason
from runtime.frame.fungible import Preservation, Reason
from runtime.frame.fungibles import Spending
from runtime.frame.pallet import Pallet
from runtime.frame.storage import BLAKE2_128_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.scale import u8, u128
from runtime.primitives.types import AccountId

MINIMUM = 10**10


class Watt(Pallet[None]):
    """One asset."""

    free: Map[AccountId, u128] = storage(BLAKE2_128_CONCAT, default=0)
    held: DoubleMap[AccountId, tuple[u8, u8], u128] = storage(BLAKE2_128_CONCAT, BLAKE2_128_CONCAT, default=0)
    issuance: Value[u128] = storage(default=0)
    is_frozen: Value[bool] = storage(default=False)

    class Frozen(PalletError, index=0):
        """The asset is frozen for everybody."""

    def genesis(self, balances: tuple[tuple[AccountId, int], ...]) -> None:
        """Endow accounts."""
        for who, amount in balances:
            self.mint_into(who, amount)

    def total_issuance(self) -> int:
        """Return the sum of all balances."""
        return self.issuance.get()

    def minimum_balance(self) -> int:
        """Return the least that an account may have free."""
        return MINIMUM

    def total_balance(self, who: AccountId) -> int:
        """Return free plus held."""
        return self.free.get(who) + sum(amount for _, amount in self.held.items_of(who))

    def reducible_balance(self, who: AccountId, preservation: Preservation) -> int:
        """Return what could leave the account now."""
        kept = 0 if preservation is Preservation.EXPENDABLE else MINIMUM
        return 0 if self.is_frozen.get() else max(0, self.free.get(who) - kept)

    def can_receive(self, who: AccountId, amount: int) -> bool:
        """Tell whether an amount could be put into the account now."""
        return self.free.get(who) > 0 or amount >= MINIMUM

    def transfer(self, source: AccountId, dest: AccountId, amount: int, preservation: Preservation) -> None:
        """Move free balance."""
        self._ensure_moves()
        if amount > self.reducible_balance(source, preservation):
            raise TokenFailure(TokenReason.FundsUnavailable)
        if not self.can_receive(dest, amount):
            raise TokenFailure(TokenReason.BelowMinimum)
        self.free.put(source, self.free.get(source) - amount)
        self.free.put(dest, self.free.get(dest) + amount)

    def hold(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Move free balance into the hold of a reason."""
        self._ensure_moves()
        if amount > self.reducible_balance(who, Preservation.PRESERVE):
            raise TokenFailure(TokenReason.FundsUnavailable)
        self.free.put(who, self.free.get(who) - amount)
        self.held.put(who, reason, self.held.get(who, reason) + amount)

    def release(self, reason: Reason, who: AccountId, amount: int) -> int:
        """Move up to an amount from the hold back to free."""
        held = self.held.get(who, reason)
        released = min(held, amount)
        self.free.put(who, self.free.get(who) + released)
        self.held.put(who, reason, held - released)
        return released

    def balance_on_hold(self, reason: Reason, who: AccountId) -> int:
        """Return what is held for a reason."""
        return self.held.get(who, reason)

    def transfer_on_hold(self, reason: Reason, source: AccountId, dest: AccountId, amount: int) -> None:
        """Move exactly an amount from one account's hold to another's free balance."""
        self._ensure_moves()
        held = self.held.get(source, reason)
        if amount > held:
            raise TokenFailure(TokenReason.FundsUnavailable)
        self.held.put(source, reason, held - amount)
        self.free.put(dest, self.free.get(dest) + amount)

    def spend_holds(self, reason: Reason, dest: AccountId, spendings: Sequence[Spending]) -> None:
        """Pay and release what is held of many."""
        for who, paid, released in spendings:
            self.transfer_on_hold(reason, who, dest, paid)
            assert self.release(reason, who, released) == released

    def mint_into(self, who: AccountId, amount: int) -> None:
        """Put new balance into an account."""
        self.free.put(who, self.free.get(who) + amount)
        self.issuance.put(self.issuance.get() + amount)

    def burn_held(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Destroy exactly an amount of a hold."""
        held = self.held.get(who, reason)
        if amount > held:
            raise TokenFailure(TokenReason.FundsUnavailable)
        self.held.put(who, reason, held - amount)
        self.issuance.put(self.issuance.get() - amount)

    def try_state(self) -> None:
        """AssertionError unless the issuance is the sum of all balances."""
        total = sum(amount for _, amount in self.free.items()) + sum(a for _, a in self.held.items())
        assert total == self.issuance.get()

    def _ensure_moves(self) -> None:
        if self.is_frozen.get():
            raise self.Frozen
