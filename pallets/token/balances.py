"""Balances: the native token, its existential deposit, reserves, holds, freezes and locks.

Responsible for every change of a balance and of the total issuance. It keeps balances in System's account
record, which it reaches through a Protocol. Calls, events, errors and storage layout are pallet_balances'.

Invariant (checked by `try_state`): total issuance equals the sum of free and reserved over all accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar

from pallets.token import balances_events as events
from pallets.token import weights
from pallets.token.balances_store import OwnAccounts
from pallets.token.balances_types import (
    FREEZES_MAX,
    HOLDS_MAX,
    LOCKS_MAX,
    RESERVES_MAX,
    U128_MAX,
    UPGRADE_ACCOUNTS_MAX,
    AdjustmentDirection,
    BalanceLock,
    Freezes,
    FrozenAmount,
    HeldAmount,
    Holds,
    LockReasons,
    Locks,
    Reserves,
)
from runtime.frame.account import AccountData, AccountInfo, Accounts, lookup
from runtime.frame.call import call
from runtime.frame.dispatch import (
    ArithmeticDispatchError,
    ArithmeticReason,
    Origin,
    PalletError,
    Pays,
    PostDispatchInfo,
    TokenFailure,
    TokenReason,
    Weight,
    ensure_root,
    ensure_signed,
)
from runtime.frame.fungible import BalanceStatus, Preservation, Reason
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, Map, Value, storage
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import Compact, MaxLen, u32, u128
from runtime.primitives.types import AccountId

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class BalancesConfig:
    """`existential_deposit`: an account below it is reaped and the rest burnt; at least 1.

    Balances are kept in `accounts`, or in this pallet's own storage, as a second instance must.
    """

    existential_deposit: int
    accounts: Accounts
    keeps_own_balances: bool = False


class Balances(Pallet[BalancesConfig]):
    """The native token."""

    total_issuance: Value[u128] = storage(default=0, docs="The total units issued.")
    inactive_issuance: Value[u128] = storage(default=0, docs="The total units held out of circulation.")
    account: Map[AccountId, AccountData] = storage(
        BLAKE2_128_CONCAT,
        default=AccountData(),
        docs="Balances of a further instance; those of the native token are in `System.Account`.",
    )
    locks: Map[AccountId, Locks] = storage(
        BLAKE2_128_CONCAT, default=(), docs="Any liquidity locks on some account balances."
    )
    reserves: Map[AccountId, Reserves] = storage(
        BLAKE2_128_CONCAT, default=(), docs="Named reserves on some account balances."
    )
    holds: Map[AccountId, Holds] = storage(BLAKE2_128_CONCAT, default=(), docs="Holds on account balances.")
    freezes: Map[AccountId, Freezes] = storage(
        BLAKE2_128_CONCAT, default=(), docs="Freeze locks on account balances."
    )

    Endowed = events.Endowed
    DustLost = events.DustLost
    Transfer = events.Transfer
    BalanceSet = events.BalanceSet
    Reserved = events.Reserved
    Unreserved = events.Unreserved
    ReserveRepatriated = events.ReserveRepatriated
    Deposit = events.Deposit
    Withdraw = events.Withdraw
    Slashed = events.Slashed
    Minted = events.Minted
    Burned = events.Burned
    Suspended = events.Suspended
    Restored = events.Restored
    Upgraded = events.Upgraded
    Issued = events.Issued
    Rescinded = events.Rescinded
    Locked = events.Locked
    Unlocked = events.Unlocked
    Frozen = events.Frozen
    Thawed = events.Thawed
    TotalIssuanceForced = events.TotalIssuanceForced

    class VestingBalance(PalletError, index=0):
        """Vesting balance too high to send value."""

    class LiquidityRestrictions(PalletError, index=1):
        """Account liquidity restrictions prevent withdrawal."""

    class InsufficientBalance(PalletError, index=2):
        """Balance too low to send value."""

    class ExistentialDeposit(PalletError, index=3):
        """Value too low to create account due to existential deposit."""

    class Expendability(PalletError, index=4):
        """Transfer or payment would kill the account."""

    class ExistingVestingSchedule(PalletError, index=5):
        """A vesting schedule already exists for this account."""

    class DeadAccount(PalletError, index=6):
        """Beneficiary account must pre-exist."""

    class TooManyReserves(PalletError, index=7):
        """Number of named reserves exceeds the limit."""

    class TooManyHolds(PalletError, index=8):
        """Number of holds exceeds the limit."""

    class TooManyFreezes(PalletError, index=9):
        """Number of freezes exceeds the limit."""

    class IssuanceDeactivated(PalletError, index=10):
        """The issuance cannot be modified since it is already deactivated."""

    class DeltaZero(PalletError, index=11):
        """The delta cannot be zero."""

    def __init__(self, binding: Binding, config: BalancesConfig) -> None:
        super().__init__(binding, config)
        own = config.keeps_own_balances
        self.accounts: Accounts = OwnAccounts(config.accounts, self.account) if own else config.accounts
        self._existential_deposit = config.existential_deposit

    @constant
    def existential_deposit(self) -> u128:
        """The minimum amount required to keep an account open. Must be greater than zero."""
        return self.config.existential_deposit

    @constant
    def max_locks(self) -> u32:
        """The maximum number of locks that should exist on an account."""
        return LOCKS_MAX

    @constant
    def max_reserves(self) -> u32:
        """The maximum number of named reserves that can exist on an account."""
        return RESERVES_MAX

    @constant
    def max_freezes(self) -> u32:
        """The maximum number of individual freeze locks that can exist on an account at any time."""
        return FREEZES_MAX

    # --- genesis

    def genesis(self, balances: tuple[tuple[AccountId, int], ...]) -> None:
        """Endow the accounts that the chain starts with."""
        for who, amount in balances:
            assert amount >= self.config.existential_deposit, (
                f"{who.hex()} starts below the existential deposit"
            )
            assert self.total_balance(who) == 0, f"{who.hex()} is endowed twice"
            self.deposit_creating(who, amount)

    # --- calls

    @call(0, weight=weights.BALANCES_TRANSFER_ALLOW_DEATH)
    def transfer_allow_death(self, origin: Origin, dest: MultiAddress, value: Compact[u128]) -> None:
        """Transfer some liquid free balance to another account; the sender may be reaped."""
        self.transfer(ensure_signed(origin), lookup(dest), value, Preservation.EXPENDABLE)

    @call(2, weight=weights.BALANCES_FORCE_TRANSFER)
    def force_transfer(
        self, origin: Origin, source: MultiAddress, dest: MultiAddress, value: Compact[u128]
    ) -> None:
        """Exactly as `transfer_allow_death`, except the origin must be root and the source may be
        specified."""
        ensure_root(origin)
        self.transfer(lookup(source), lookup(dest), value, Preservation.EXPENDABLE)

    @call(3, weight=weights.BALANCES_TRANSFER_KEEP_ALIVE)
    def transfer_keep_alive(self, origin: Origin, dest: MultiAddress, value: Compact[u128]) -> None:
        """Same as `transfer_allow_death`, but with a check that the transfer will not kill the sender."""
        self.transfer(ensure_signed(origin), lookup(dest), value, Preservation.PRESERVE)

    @call(4, weight=weights.BALANCES_TRANSFER_ALL)
    def transfer_all(self, origin: Origin, dest: MultiAddress, keep_alive: bool) -> None:  # noqa: FBT001  # Substrate's signature
        """Transfer the entire transferable balance; with `keep_alive` the existential deposit stays."""
        source = ensure_signed(origin)
        preservation = Preservation.PRESERVE if keep_alive else Preservation.EXPENDABLE
        amount = self.reducible_balance(source, preservation)
        self.transfer(source, lookup(dest), amount, preservation)

    @call(5, weight=weights.BALANCES_FORCE_UNRESERVE)
    def force_unreserve(self, origin: Origin, who: MultiAddress, amount: u128) -> None:
        """Unreserve some balance from a user by force. Can only be called by root."""
        ensure_root(origin)
        self.unreserve(lookup(who), amount)

    def _upgrade_weight(self, who: tuple[AccountId, ...]) -> Weight:
        return weights.BALANCES_UPGRADE_ACCOUNTS.plus(
            weights.BALANCES_UPGRADE_ACCOUNTS_PER_ACCOUNT.times(len(who))
        )

    @call(6, weight=_upgrade_weight)
    def upgrade_accounts(
        self, origin: Origin, who: Annotated[tuple[AccountId, ...], MaxLen(UPGRADE_ACCOUNTS_MAX)]
    ) -> PostDispatchInfo:
        """Upgrade accounts to the current form; free when nine tenths of them needed it."""
        ensure_signed(origin)
        upgraded = 0
        for account in who:
            data = self.accounts.get_account(account).data
            if data.flags == 0 and self.accounts.exists(account):
                self.accounts.put_data(account, AccountData(data.free, data.reserved, data.frozen))
                self.deposit(self.Upgraded(account))
                upgraded += 1
        return PostDispatchInfo(None, Pays.No if who and upgraded * 10 >= len(who) * 9 else Pays.Yes)

    @call(8, weight=weights.BALANCES_FORCE_SET_BALANCE)
    def force_set_balance(self, origin: Origin, who: MultiAddress, new_free: Compact[u128]) -> None:
        """Set the regular balance of a given account. Can only be called by root."""
        ensure_root(origin)
        account = lookup(who)
        wanted = new_free if new_free >= self.config.existential_deposit else 0
        info = self.accounts.get_account(account)
        old = info.data.free
        # pallet_balances saturates here; an error keeps the issuance the sum of the balances.
        self._set_issuance(self.total_issuance.get() - old + wanted)
        self._mutate(account, info, AccountData(wanted, info.data.reserved, info.data.frozen))
        if wanted > old:
            self.deposit(self.Issued(wanted - old))
        elif wanted < old:
            self.deposit(self.Rescinded(old - wanted))
        self.deposit(self.BalanceSet(account, wanted))

    @call(9, weight=weights.BALANCES_FORCE_ADJUST_TOTAL_ISSUANCE)
    def force_adjust_total_issuance(
        self, origin: Origin, direction: AdjustmentDirection, delta: Compact[u128]
    ) -> None:
        """Adjust the total issuance in a saturating way. Can only be called by root and needs a delta above
        zero."""
        ensure_root(origin)
        if delta == 0:
            raise self.DeltaZero
        old = self.total_issuance.get()
        grows = direction is AdjustmentDirection.Increase
        new = min(U128_MAX, old + delta) if grows else max(0, old - delta)
        if new < self.inactive_issuance.get():
            raise self.IssuanceDeactivated
        self.total_issuance.put(new)
        self.deposit(self.TotalIssuanceForced(old, new))

    @call(10, weight=weights.BALANCES_BURN)
    def burn(self, origin: Origin, value: Compact[u128], keep_alive: bool) -> None:  # noqa: FBT001  # Substrate's signature
        """Burn the specified liquid free balance from the origin account."""
        who = ensure_signed(origin)
        preservation = Preservation.PRESERVE if keep_alive else Preservation.EXPENDABLE
        if value > self.reducible_balance(who, preservation):
            raise TokenFailure(TokenReason.FundsUnavailable)
        info = self.accounts.get_account(who)
        self._put_free(who, info, info.data.free - value)
        self._set_issuance(self.total_issuance.get() - value)
        self.deposit(self.Burned(who, value))

    # --- what other pallets ask for

    def minimum_balance(self) -> int:
        """Return the existential deposit."""
        return self.config.existential_deposit

    def total_balance(self, who: AccountId) -> int:
        """Return free plus reserved."""
        data = self.accounts.get_account(who).data
        return data.free + data.reserved

    def reserved_balance(self, who: AccountId) -> int:
        """Return what is held and reserved together."""
        return self.accounts.get_account(who).data.reserved

    def reducible_balance(
        self, who: AccountId, preservation: Preservation, *, ignores_freezes: bool = False
    ) -> int:
        """Return the free balance that could leave now: not what is frozen beyond the reserve, nor the last
        deposit of an account that must live.
        """
        info = self.accounts.get_account(who)
        data = info.data
        untouchable = 0
        if data.frozen and not ignores_freezes:
            untouchable = max(0, data.frozen - data.reserved)
        if preservation is Preservation.EXPENDABLE:
            must_stay = not self.accounts.can_dec_provider(who)
        else:
            must_stay = preservation is Preservation.PRESERVE or info.providers == 1
        if must_stay and untouchable < self.config.existential_deposit:
            untouchable = self.config.existential_deposit
        return data.free - untouchable if data.free > untouchable else 0

    def transfer(self, source: AccountId, dest: AccountId, amount: int, preservation: Preservation) -> None:
        """Move free balance and deposit a Transfer event; TokenFailure when either side refuses.

        An account that pays itself changes nothing and leaves no event.
        """
        info = self._ensure_can_withdraw(source, amount, preservation)
        target = self.accounts.get_account(dest)
        self._ensure_can_deposit(target, amount)
        if source == dest:
            return
        if amount:
            self._put_free(source, info, info.data.free - amount)
            self._put_free(dest, target, target.data.free + amount)
        self.deposit(self.Transfer(source, dest, amount))

    def withdraw(self, who: AccountId, amount: int, preservation: Preservation) -> None:
        """Take free balance out of an account and of the issuance."""
        info = self._ensure_can_withdraw(who, amount, preservation)
        self._put_free(who, info, info.data.free - amount)
        self._set_issuance(self.total_issuance.get() - amount)
        self.deposit(self.Withdraw(who, amount))

    def deposit_creating(self, who: AccountId, amount: int) -> None:
        """Put new balance into an account and into the issuance; too little for a new account is lost."""
        info = self.accounts.get_account(who)
        data = info.data
        if amount == 0 or data.free + data.reserved + amount < self.config.existential_deposit:
            return
        self._set_issuance(self.total_issuance.get() + amount)
        self._put_free(who, info, data.free + amount)
        self.deposit(self.Deposit(who, amount))

    def reserve(self, who: AccountId, amount: int) -> None:
        """Move free balance to reserved without a reason; InsufficientBalance or LiquidityRestrictions
        otherwise, ConsumerRemaining if the account's last provider would go."""
        if amount == 0:
            return
        info = self.accounts.get_account(who)
        data = info.data
        if data.free < amount:
            raise self.InsufficientBalance
        if data.free - amount < data.frozen:
            raise self.LiquidityRestrictions
        self._mutate(who, info, AccountData(data.free - amount, data.reserved + amount, data.frozen))
        self.deposit(self.Reserved(who, amount))

    def unreserve(self, who: AccountId, amount: int) -> int:
        """Move up to an amount from reserved back to free, holds left alone; return how much was moved.

        The event comes even if nothing was reserved, unless the amount or the account is empty.
        """
        info = self.accounts.get_account(who)
        data = info.data
        if amount == 0 or data.free + data.reserved == 0:
            return 0
        moved = min(amount, self._unheld(who, data))
        if moved:
            self._mutate(who, info, AccountData(data.free + moved, data.reserved - moved, data.frozen))
        self.deposit(self.Unreserved(who, moved))
        return moved

    def slash_reserved(self, who: AccountId, amount: int) -> int:
        """Burn up to an amount of reserved balance; return how much was burnt."""
        info = self.accounts.get_account(who)
        data = info.data
        slashed = min(amount, self._unheld(who, data))
        if slashed:
            self._mutate(who, info, AccountData(data.free, data.reserved - slashed, data.frozen))
            self._set_issuance(self.total_issuance.get() - slashed)
            self.deposit(self.Slashed(who, slashed))
        return slashed

    def repatriate_reserved(
        self, source: AccountId, dest: AccountId, amount: int, status: BalanceStatus
    ) -> int:
        """Move up to an amount of one account's reserve to another's free or reserved balance; return how
        much. What is frozen stays covered, and the other account must have a balance already."""
        if amount == 0:
            return 0
        info = self.accounts.get_account(source)
        data = info.data
        bound = max(0, data.frozen - data.free)
        moved = max(0, min(amount, self._unheld(source, data), data.reserved - bound))
        if source == dest:
            return self.unreserve(source, moved) if status is BalanceStatus.Free else moved
        if self.total_balance(dest) == 0:
            raise self.DeadAccount
        if moved:
            self._mutate(source, info, AccountData(data.free, data.reserved - moved, data.frozen))
            target = self.accounts.get_account(dest)
            free = target.data.free + (moved if status is BalanceStatus.Free else 0)
            reserved = target.data.reserved + (moved if status is BalanceStatus.Reserved else 0)
            self._mutate(dest, target, AccountData(free, reserved, target.data.frozen))
            self.deposit(self.ReserveRepatriated(source, dest, moved, status))
        return moved

    def balance_on_hold(self, reason: Reason, who: AccountId) -> int:
        """Return what is held for a reason."""
        return next((entry.amount for entry in self.holds.get(who) if entry.id == reason), 0)

    def hold(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Move free balance, frozen or not, into the hold of a reason; FundsUnavailable or TooManyHolds
        otherwise."""
        if amount == 0:
            return
        if amount > self.reducible_balance(who, Preservation.PROTECT, ignores_freezes=True):
            raise TokenFailure(TokenReason.FundsUnavailable)
        entries = {entry.id: entry.amount for entry in self.holds.get(who)}
        if reason not in entries and len(entries) >= HOLDS_MAX:
            raise self.TooManyHolds
        entries[reason] = entries.get(reason, 0) + amount
        info = self.accounts.get_account(who)
        data = info.data
        self._mutate(who, info, AccountData(data.free - amount, data.reserved + amount, data.frozen))
        self._put_holds(who, entries)

    def release(self, reason: Reason, who: AccountId, amount: int) -> int:
        """Move up to an amount from the hold back to free; return how much was moved."""
        entries = {entry.id: entry.amount for entry in self.holds.get(who)}
        moved = min(amount, entries.get(reason, 0))
        if moved:
            entries[reason] -= moved
            info = self.accounts.get_account(who)
            data = info.data
            self._put_holds(who, entries)
            self._mutate(who, info, AccountData(data.free + moved, data.reserved - moved, data.frozen))
        return moved

    def burn_held(self, reason: Reason, who: AccountId, amount: int) -> int:
        """Burn up to an amount of the hold of a reason; return how much was burnt."""
        burnt = self.release(reason, who, amount)
        if burnt:
            info = self.accounts.get_account(who)
            self._put_free(who, info, info.data.free - burnt)
            self._set_issuance(self.total_issuance.get() - burnt)
            self.deposit(self.Slashed(who, burnt))
        return burnt

    def set_freeze(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Forbid the balance to fall below an amount for a reason, 0 lifting it; freezes overlap."""
        entries = {entry.id: entry.amount for entry in self.freezes.get(who)}
        entries.pop(reason, None)
        if amount:
            if len(entries) >= FREEZES_MAX:
                raise self.TooManyFreezes
            entries[reason] = amount
        _put_or_remove(self.freezes, who, tuple(FrozenAmount(r, entries[r]) for r in sorted(entries)))
        change = self._refreeze(who)
        if change > 0:
            self.deposit(self.Frozen(who, change))
        elif change < 0:
            self.deposit(self.Thawed(who, -change))

    def balance_frozen(self, reason: Reason, who: AccountId) -> int:
        """Return the amount frozen for a reason."""
        return next((entry.amount for entry in self.freezes.get(who) if entry.id == reason), 0)

    def set_lock(self, lock_id: bytes, who: AccountId, amount: int, reasons: LockReasons) -> None:
        """Lock an amount under an 8-byte id, replacing an earlier lock of that id; 0 removes it."""
        kept = tuple(lock for lock in self.locks.get(who) if lock.id != lock_id)
        if amount:
            if len(kept) >= LOCKS_MAX:
                raise self.LiquidityRestrictions
            kept = (*kept, BalanceLock(lock_id, amount, reasons))
        _put_or_remove(self.locks, who, kept)
        change = self._refreeze(who)
        if change > 0:
            self.deposit(self.Locked(who, change))
        elif change < 0:
            self.deposit(self.Unlocked(who, -change))

    def try_state(self) -> None:
        """AssertionError unless issuance, holds, freezes and locks agree with the accounts."""
        total = 0
        for who, info in self.accounts.all_accounts():
            data = info.data
            total += data.free + data.reserved
            held = sum(entry.amount for entry in self.holds.get(who))
            assert held <= data.reserved, f"{who.hex()} holds more than it has reserved"
            assert data.frozen == self._frozen_of(who), f"{who.hex()} has a wrong frozen balance"
        assert total == self.total_issuance.get(), "the issuance is not the sum of the balances"

    def _set_issuance(self, amount: int) -> None:
        if amount > U128_MAX:
            raise ArithmeticDispatchError(ArithmeticReason.Overflow)
        if amount < 0:
            raise ArithmeticDispatchError(ArithmeticReason.Underflow)
        self.total_issuance.put(amount)

    def _ensure_can_withdraw(self, who: AccountId, amount: int, preservation: Preservation) -> AccountInfo:
        """Return the account's record; TokenFailure unless the amount may leave it."""
        accounts = self.accounts
        info = accounts.get_account(who)
        if amount == 0:
            return info
        data = info.data
        left = data.free - amount
        if left < 0:
            raise TokenFailure(TokenReason.FundsUnavailable)
        if left < data.frozen - data.reserved:
            raise TokenFailure(TokenReason.Frozen)
        if left < self._existential_deposit:
            if not accounts.can_dec_provider(who):
                raise TokenFailure(TokenReason.Frozen)
            if preservation is not Preservation.EXPENDABLE:
                raise TokenFailure(TokenReason.NotExpendable)
        return info

    def _ensure_can_deposit(self, info: AccountInfo, amount: int) -> None:
        if amount == 0:
            return
        free = info.data.free + amount
        if free > U128_MAX:
            raise ArithmeticDispatchError(ArithmeticReason.Overflow)
        if free < self._existential_deposit:
            raise TokenFailure(TokenReason.BelowMinimum)

    def _put_free(self, who: AccountId, info: AccountInfo, free: int) -> None:
        """Write a new free balance, as `_mutate` does."""
        old, deposit = info.data, self._existential_deposit
        data = AccountData(free, old.reserved, old.frozen)
        if old.free >= deposit <= free:
            self.accounts.replace_data(who, info, data)  # no reference changes, nobody is reaped
        else:
            self._mutate(who, info, data)

    def _mutate(self, who: AccountId, info: AccountInfo, data: AccountData) -> None:
        """Write balances; keep provider and consumer references, reap what falls below the existential
        deposit."""
        accounts, deposit, old = self.accounts, self._existential_deposit, info.data
        did_provide, does_provide = old.free >= deposit, data.free >= deposit
        did_consume, does_consume = old.reserved > 0 or old.frozen > 0, data.reserved > 0 or data.frozen > 0
        if not did_provide and does_provide:
            accounts.inc_providers(who)
        if did_consume and not does_consume:
            accounts.dec_consumers(who)
        if not did_consume and does_consume:
            accounts.inc_consumers(who)
        dust = data.free if not does_provide and data.reserved == 0 else 0
        kept = data.free - dust
        if did_provide or does_provide or info.providers or info.sufficients or data.reserved:
            # An account that does not exist gets no record for nothing.
            accounts.put_data(who, AccountData(kept, data.reserved, data.frozen, data.flags))
        if did_provide and not does_provide:
            accounts.dec_providers(who)
        if dust:
            self._set_issuance(self.total_issuance.get() - dust)
            self.deposit(self.DustLost(who, dust))
        if not did_provide and does_provide and old.reserved == 0:
            self.deposit(self.Endowed(who, data.free))

    def _unheld(self, who: AccountId, data: AccountData) -> int:
        """Return what is reserved without a reason."""
        return data.reserved - sum(entry.amount for entry in self.holds.get(who))

    def _put_holds(self, who: AccountId, entries: dict[Reason, int]) -> None:
        kept = tuple(HeldAmount(r, entries[r]) for r in sorted(entries) if entries[r])
        _put_or_remove(self.holds, who, kept)

    def _frozen_of(self, who: AccountId) -> int:
        locks = [lock.amount for lock in self.locks.get(who)]
        return max([*locks, *(entry.amount for entry in self.freezes.get(who))], default=0)

    def _refreeze(self, who: AccountId) -> int:
        """Set the frozen balance to the largest of all locks and freezes; return by how much it grew."""
        info = self.accounts.get_account(who)
        data = info.data
        frozen = self._frozen_of(who)
        self._mutate(who, info, AccountData(data.free, data.reserved, frozen))
        return frozen - data.frozen


def _put_or_remove(item: Map[AccountId, tuple[V, ...]], who: AccountId, entries: tuple[V, ...]) -> None:
    if entries:
        item.put(who, entries)
    else:
        item.remove(who)
