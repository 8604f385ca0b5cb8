"""Ledgers: what each account has staked, and how that comes in and goes out.

Responsible for the ledgers and for the holds that back them, for bonding and unbonding, and for the places of
stakers in the sorted list. It decides nothing about elections, rewards or guilt.

Invariant: what is held from an account for staking is the `total` of its ledger, which is its `active` stake
and all that is unlocking.
"""

from __future__ import annotations

from msgspec import structs

from pallets.staking import errors, events
from pallets.staking.config import StakingConfig, free_to_stake
from pallets.staking.store import StakingStore
from pallets.staking.types import (
    BILLION,
    Controller,
    Nominations,
    RewardDestination,
    StakingLedger,
    UnlockChunk,
    ValidatorPrefs,
)
from runtime.frame.fungible import Reason
from runtime.primitives.arithmetic import Perbill, Rounding
from runtime.primitives.types import AccountId


class Ledgers:
    """The ledgers of one pallet instance."""

    def __init__(self, store: StakingStore, config: StakingConfig, reason: Reason) -> None:
        self.store = store
        self.config = config
        self.reason = reason

    @property
    def minimum(self) -> int:
        """The existential deposit: an active stake is nothing or at least this."""
        return self.config.currency.minimum_balance()

    # --- look-ups

    def of_controller(self, who: AccountId) -> StakingLedger:
        """Return the ledger that an account controls; NotController without one, BadState where the stash
        does not name it."""
        found = self.store.ledger.get(who)
        if found is None:
            raise self.store.error(errors.NotController)
        if self.store.bonded.get(found.stash) != who:
            raise self.store.error(errors.BadState)
        return found

    def of_stash(self, stash: AccountId) -> StakingLedger:
        """Return the ledger of a stash; NotStash without one, BadState where it is another's."""
        controller = self.store.bonded.get(stash)
        if controller is None:
            raise self.store.error(errors.NotStash)
        found = self.store.ledger.get(controller)
        if found is None:
            raise self.store.error(errors.NotController)
        if found.stash != stash:
            raise self.store.error(errors.BadState)
        return found

    def active(self, stash: AccountId) -> int:
        """Return the active stake of an account, 0 of one without."""
        controller = self.store.bonded.get(stash)
        found = None if controller is None else self.store.ledger.get(controller)
        return 0 if found is None or found.stash != stash else found.active

    def current_era(self) -> int:
        """Return the latest planned era."""
        return self.store.current_era.get() or 0

    # --- what comes in

    def bond(self, stash: AccountId, value: int, payee: RewardDestination) -> None:
        """Open a ledger with what the account has of a value."""
        store = self.store
        if self.config.restriction is not None and self.config.restriction.is_restricted(stash):
            raise store.error(errors.Restricted)
        if store.bonded.contains(stash):
            raise store.error(errors.AlreadyBonded)
        if store.ledger.contains(stash):
            raise store.error(errors.AlreadyPaired)
        if isinstance(payee, Controller):
            raise store.error(errors.ControllerDeprecated)
        amount = min(value, free_to_stake(self.config.currency, stash))
        if amount < self.minimum:
            raise store.error(errors.InsufficientBond)
        store.bonded.put(stash, stash)
        store.payee.put(stash, payee)
        self.put(StakingLedger(stash, amount, amount))
        store.deposit(events.Bonded(stash, amount))

    def bond_extra(self, stash: AccountId, additional: int) -> None:
        """Add what the account has of a value to the active stake."""
        ledger = self.of_stash(stash)
        extra = min(additional, free_to_stake(self.config.currency, stash))
        if ledger.active + extra < self.minimum:
            raise self.store.error(errors.InsufficientBond)
        self.put(structs.replace(ledger, total=ledger.total + extra, active=ledger.active + extra))
        self.store.deposit(events.Bonded(stash, extra))

    def rebond(self, who: AccountId, value: int) -> None:
        """Make what is unlocking active again, what would be out last first."""
        ledger = self.of_controller(who)
        if not ledger.unlocking:
            raise self.store.error(errors.NoUnlockChunk)
        left, chunks = value, list(ledger.unlocking)
        while left and chunks:
            last = chunks.pop()
            taken = min(left, last.value)
            left -= taken
            if taken < last.value:
                chunks.append(structs.replace(last, value=last.value - taken))
        amount = value - left
        if ledger.active + amount < self.minimum:
            raise self.store.error(errors.InsufficientBond)
        self.put(structs.replace(ledger, active=ledger.active + amount, unlocking=tuple(chunks)))
        self.store.deposit(events.Bonded(ledger.stash, amount))

    # --- what goes out

    def unbond(self, who: AccountId, value: int) -> None:
        """Begin to unlock up to a value of the active stake; what would be dust goes with it."""
        store = self.store
        ledger = self.of_controller(who)
        if len(ledger.unlocking) >= self.config.max_unlocking_chunks:
            self.withdraw_unbonded(who, len(self.spans_of(ledger.stash)))
            ledger = self.of_controller(who)
        amount = min(value, ledger.active)
        if len(ledger.unlocking) >= self.config.max_unlocking_chunks:
            raise store.error(errors.NoMoreChunks)
        if amount == 0:
            return
        if ledger.active - amount < self.minimum:
            amount = ledger.active
        if ledger.active - amount < self.least_bond(ledger.stash):
            raise store.error(errors.InsufficientBond)
        era = self.current_era() + self.config.bonding_duration
        chunks = ledger.unlocking
        if chunks and chunks[-1].era == era:
            chunks = (*chunks[:-1], UnlockChunk(chunks[-1].value + amount, era))
        else:
            chunks = (*chunks, UnlockChunk(amount, era))
        self.put(structs.replace(ledger, active=ledger.active - amount, unlocking=chunks))
        store.deposit(events.Unbonded(ledger.stash, amount))

    def withdraw_unbonded(self, who: AccountId, span_count: int) -> None:
        """Release what has been unlocking for long enough; close a ledger that is empty then."""
        ledger = self.of_controller(who)
        era = self.current_era()
        kept = tuple(chunk for chunk in ledger.unlocking if chunk.era > era)
        released = sum(chunk.value for chunk in ledger.unlocking if chunk.era <= era)
        if not kept and ledger.active < self.minimum:
            self.kill(ledger.stash, span_count)
        elif released:
            self.put(structs.replace(ledger, total=ledger.total - released, unlocking=kept))
        if released:
            self.store.deposit(events.Withdrawn(ledger.stash, released))

    def kill(self, stash: AccountId, span_count: int) -> None:
        """Forget everything about a stash and release what is held; NotStash or IncorrectSlashingSpans."""
        store = self.store
        controller = store.bonded.get(stash)
        if controller is None:
            raise store.error(errors.NotStash)
        spans = self.spans_of(stash)
        if span_count < len(spans):
            raise store.error(errors.IncorrectSlashingSpans)
        for index in spans:
            store.span_slash.remove((stash, index))
        store.slashing_spans.remove(stash)
        store.bonded.remove(stash)
        store.payee.remove(stash)
        own = store.ledger.get(controller)
        if own is not None and own.stash == stash:
            store.ledger.remove(controller)
        self.remove_validator(stash)
        self.remove_nominator(stash)
        self.config.currency.release(
            self.reason, stash, self.config.currency.balance_on_hold(self.reason, stash)
        )

    def slash(self, ledger: StakingLedger, amount: int, slash_era: int) -> int:
        """Take up to an amount out of a ledger and of the issuance; return how much.

        The active stake pays, together with what is unlocking since the offence: each in proportion where
        that covers the slash; else, what is active first, then older chunks. A part that would be left below
        the existential deposit goes too. The rule of pallet_staking's `StakingLedger::slash`.
        """
        first_slashable = slash_era + self.config.bonding_duration
        chunks = list(ledger.unlocking)
        later = [i for i, chunk in enumerate(chunks) if chunk.era >= first_slashable]
        start = later[0] if later else len(chunks)
        affected = ledger.active + sum(chunk.value for chunk in chunks[start:])
        proportion = amount if amount < affected else None
        order = [*range(start, len(chunks)), *range(start - 1, -1, -1)]
        remaining, taken = amount, 0

        def take(target: int) -> int:
            nonlocal remaining, taken
            share = remaining
            if proportion is not None:
                share = min(remaining, -(-target * proportion // affected))
            lost = min(target, share)
            if target - lost <= self.minimum:
                lost = target
            taken += lost
            remaining = max(0, remaining - lost)
            return target - lost

        active = take(ledger.active)
        for index in order:
            if remaining == 0:
                break
            chunks[index] = UnlockChunk(take(chunks[index].value), chunks[index].era)
        kept = tuple(chunk for chunk in chunks if chunk.value)
        total = active + sum(chunk.value for chunk in kept)
        self.config.currency.burn_held(self.reason, ledger.stash, taken)
        self.put(structs.replace(ledger, total=total, active=active, unlocking=kept))
        return taken

    # --- roles

    def least_bond(self, stash: AccountId) -> int:
        """Return the least active stake that the role of an account allows."""
        if self.store.nominators.contains(stash):
            return self.store.min_nominator_bond.get()
        return self.store.min_validator_bond.get() if self.store.validators.contains(stash) else 0

    def add_validator(self, stash: AccountId, prefs: ValidatorPrefs) -> None:
        """Make a staker a validator."""
        if not self.store.validators.contains(stash):
            self.config.voters.on_insert(stash, self.active(stash))
        self.store.validators.put(stash, prefs)

    def add_nominator(self, stash: AccountId, nominations: Nominations) -> None:
        """Make a staker a nominator."""
        if not self.store.nominators.contains(stash):
            self.config.voters.on_insert(stash, self.active(stash))
        self.store.nominators.put(stash, nominations)

    def remove_validator(self, stash: AccountId) -> bool:
        """Take a validator out; answer whether it was one."""
        if not self.store.validators.contains(stash):
            return False
        self.store.validators.remove(stash)
        self.config.voters.on_remove(stash)
        return True

    def remove_nominator(self, stash: AccountId) -> bool:
        """Take a nominator out; answer whether it was one."""
        if not self.store.nominators.contains(stash):
            return False
        self.store.nominators.remove(stash)
        self.config.voters.on_remove(stash)
        return True

    def chill(self, stash: AccountId) -> None:
        """Take an account out of its role, if it has one."""
        was_validator, was_nominator = self.remove_validator(stash), self.remove_nominator(stash)
        if was_validator or was_nominator:
            self.store.deposit(events.Chilled(stash))

    # --- leaves

    def put(self, ledger: StakingLedger) -> None:
        """Store a ledger, hold exactly its total, and tell the sorted list."""
        controller = self.store.bonded.get(ledger.stash)
        assert controller is not None, "a ledger is of a stash"
        currency, stash = self.config.currency, ledger.stash
        held = currency.balance_on_hold(self.reason, stash)
        if ledger.total > held:
            currency.hold(self.reason, stash, ledger.total - held)
        elif ledger.total < held:
            currency.release(self.reason, stash, held - ledger.total)
        self.store.ledger.put(controller, ledger)
        if self.store.validators.contains(stash) or self.store.nominators.contains(stash):
            self.config.voters.on_update(stash, ledger.active)

    def spans_of(self, stash: AccountId) -> tuple[int, ...]:
        """Return the numbers of the slashing spans of an account, the latest first."""
        record = self.store.slashing_spans.get(stash)
        if record is None:
            return ()
        return tuple(range(record.span_index, record.span_index - len(record.prior) - 1, -1))


def part_of(parts: int, amount: int) -> int:
    """Return so many thousand-millionths of an amount, to the nearest, a half down."""
    return Perbill(min(parts, BILLION)).mul(amount, Rounding.NEAREST_PREF_DOWN)
