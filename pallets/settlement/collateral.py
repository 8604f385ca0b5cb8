"""Collateral: what stands for an account that cannot pay, and what becomes of its debt.

Responsible for deposits and collateral on hold, for what is required of an account, for the default fund and
for arrears. It knows nothing of readings and nettings; settlement asks it to cover a debt.

A debt takes the debtor's deposit, its collateral, and the default fund, in this order; the rest is cut from
the epoch's receivers. What fund and receivers bore the debtor owes, with all that it has: money that was out
of reach when the epoch was netted is taken as soon as anybody asks, and what it is to receive pays its debt
first. Whatever is paid later goes to the receivers first. Receivers claim, or anybody for them: each takes
its part, rounded down, of what was recovered in all, less what it took before, so neither the order nor the
number of claims matters, and once all is recovered each has exactly what it went without.

A seller's requirement is what its missing energy would cost the grid: what it offered in each slot that is
not settled, at retail less feed-in; what it then owes beyond its deposit takes the place of that until it is
paid. A deposit is to pay for four slots at the full capacity of the meters.

Invariant (checked by `try_state`): the pot has, beyond its endowment and what somebody gave it, the default
fund and what was recovered and not claimed; requirements and debts are the sums of their parts.
"""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType
from typing import ClassVar

from msgspec import structs

from pallets.energy_trading.units import compute_slot, compute_value
from pallets.settlement import collateral_errors as errors
from pallets.settlement import collateral_events as events
from pallets.settlement import waterfall, weights
from pallets.settlement.collateral_types import (
    DEPOSIT_SLOTS,
    CollateralConfig,
    Cut,
    Debt,
    EpochId,
    Guarantee,
    Guarantees,
    Recovery,
    SlotId,
    SlotKey,
    ZoneId,
)
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, ensure_root, ensure_signed
from runtime.frame.fungible import Preservation, Reason
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.scale import u32, u128
from runtime.primitives.types import AccountId


class Collateral(Pallet[CollateralConfig]):
    """Guarantees and arrears of the energy market."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)
    hold_reasons: ClassVar[type[IntEnum] | None] = Guarantee

    exposures: DoubleMap[SlotKey, AccountId, u128] = storage(
        TWOX_64_CONCAT,
        BLAKE2_128_CONCAT,
        default=0,
        docs="The collateral required for what an account sells in a slot, by zone and slot.",
    )
    requirement: Map[AccountId, u128] = storage(
        BLAKE2_128_CONCAT, default=0, docs="The collateral required of an account for all slots."
    )
    arrears: DoubleMap[AccountId, EpochId, Debt] = storage(
        BLAKE2_128_CONCAT, TWOX_64_CONCAT, default=Debt(), docs="What an account owes, by epoch."
    )
    owed: Map[AccountId, u128] = storage(
        BLAKE2_128_CONCAT, default=0, docs="What an account owes of all epochs."
    )
    recoveries: Map[EpochId, Recovery] = storage(
        TWOX_64_CONCAT, default=Recovery(), docs="What an epoch's receivers went without and got since."
    )
    cuts: DoubleMap[EpochId, AccountId, Cut] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, default=Cut(), docs="What receivers went without in an epoch."
    )
    margin_calls: Map[AccountId, SlotId | None] = storage(
        BLAKE2_128_CONCAT, docs="Accounts that must put more aside, and the slot at whose end they are late."
    )
    default_fund: Value[u128] = storage(default=0, docs="What the default fund has.")

    @constant
    def margin_slots(self) -> u32:
        """How many slots an account has to answer a margin call."""
        return self.config.margin_slots

    @constant
    def deposit_slots(self) -> u32:
        """How many slots at the full capacity of its meters an account's deposit pays for."""
        return DEPOSIT_SLOTS

    @constant
    def deposit_ticks(self) -> u32:
        """The retail price that deposits are reckoned with, in ticks of 0.0001 THB per kWh."""
        return self.config.deposit_ticks

    # --- calls: putting aside

    @call(0, weight=weights.COLLATERAL_DEPOSIT_COLLATERAL)
    def deposit_collateral(self, origin: Origin, kind: Guarantee, amount: u128) -> None:
        """Put money aside as a deposit for consumption or as collateral for sales."""
        who = ensure_signed(origin)
        if amount == 0:
            raise self.error(errors.ZeroAmount)
        self.config.asset.hold(self._reason(kind), who, amount)
        if max(self._missing(who)) == 0 and self.margin_calls.contains(who):
            self.margin_calls.remove(who)
            self.deposit(events.MarginLifted(who))
        self.deposit(events.CollateralDeposited(who, kind, amount))

    @call(1, weight=weights.COLLATERAL_WITHDRAW_COLLATERAL)
    def withdraw_collateral(self, origin: Origin, kind: Guarantee, amount: u128) -> None:
        """Take back what is held beyond what is required, in no arrears."""
        who = ensure_signed(origin)
        if amount == 0:
            raise self.error(errors.ZeroAmount)
        if self.owed.get(who):
            raise self.error(errors.CollateralLocked)
        held = self._held(kind, who)
        if amount > held:
            raise self.error(errors.NotHeld)
        if not self._may_hold_less(kind, who, held - amount):
            raise self.error(errors.RequirementNotMet)
        self.config.asset.release(self._reason(kind), who, amount)
        self.deposit(events.CollateralWithdrawn(who, kind, amount))

    @call(2, weight=weights.COLLATERAL_MARGIN_CALL)
    def margin_call(self, origin: Origin, who: AccountId) -> None:
        """Call on an account of which less is held than required to put more aside in time. Anyone can.

        A call that is under way is lifted once as much is held as is required.
        """
        ensure_signed(origin)
        missing, is_called = self._missing(who), self.margin_calls.contains(who)
        if max(missing) == 0 and is_called:
            self.margin_calls.remove(who)
            self.deposit(events.MarginLifted(who))
            return
        if max(missing) == 0:
            raise self.error(errors.RequirementMet)
        if is_called:
            raise self.error(errors.AlreadyCalled)
        due_slot = self._current_slot() + self.config.margin_slots
        self.margin_calls.put(who, due_slot)
        self.deposit(events.MarginCalled(who, *missing, due_slot))

    # --- calls: default

    @call(3, weight=weights.COLLATERAL_LIQUIDATE)
    def liquidate(self, origin: Origin, who: AccountId, epoch: EpochId) -> None:
        """Pay an account's arrears of an epoch from what it has: free above the minimum, then what is held of
        it. Anyone can."""
        ensure_signed(origin)
        debt, asset = self._get_debt(who, epoch), self.config.asset
        free = min(debt.total, asset.reducible_balance(who, Preservation.PRESERVE))
        cover = waterfall.cover(debt.total - free, *self._guarantees(who), 0)
        paid = free + cover.deposit + cover.collateral
        if paid == 0:
            raise self.error(errors.NothingToDo)
        if free:
            asset.transfer(who, self.config.pot, free, Preservation.PRESERVE)
        self._take_guarantees(who, cover, self.config.pot)
        self._repay(who, epoch, debt, paid)

    @call(4, weight=weights.COLLATERAL_CONTRIBUTE_DEFAULT_FUND)
    def contribute_default_fund(self, origin: Origin, amount: u128) -> None:
        """Give money to the default fund, for good."""
        who = ensure_signed(origin)
        if amount == 0:
            raise self.error(errors.ZeroAmount)
        self.config.asset.transfer(who, self.config.pot, amount, Preservation.PRESERVE)
        self.default_fund.put(self.default_fund.get() + amount)
        self.deposit(events.FundContributed(who, amount))

    @call(5, weight=weights.COLLATERAL_PAY_ARREARS)
    def pay_arrears(self, origin: Origin, who: AccountId, epoch: EpochId, amount: u128) -> None:
        """Pay up to an amount of an account's arrears of an epoch; anyone can pay for anyone."""
        payer = ensure_signed(origin)
        if amount == 0:
            raise self.error(errors.ZeroAmount)
        debt = self._get_debt(who, epoch)
        paid = min(amount, debt.total)
        self.config.asset.transfer(payer, self.config.pot, paid, Preservation.PRESERVE)
        self._repay(who, epoch, debt, paid)

    @call(6, weight=weights.COLLATERAL_WRITE_OFF)
    def write_off(self, origin: Origin, who: AccountId, epoch: EpochId) -> None:
        """Give up what an account owes of an epoch. Only for Root."""
        ensure_root(origin)
        debt = self._get_debt(who, epoch)
        self._put_debt(who, epoch, debt, Debt())
        self.deposit(events.ArrearsWrittenOff(epoch, who, debt.total))

    @call(7, weight=weights.COLLATERAL_CLAIM_RECOVERY)
    def claim_recovery(self, origin: Origin, who: AccountId, epoch: EpochId) -> None:
        """Pay an account its part of what debtors of an epoch have paid since it went without. Anyone can."""
        ensure_signed(origin)
        cut, recovery = self.cuts.get(epoch, who), self.recoveries.get(epoch)
        if cut.amount == 0:
            raise self.error(errors.NothingToDo)
        part = cut.amount * recovery.recovered // recovery.missing - cut.claimed
        if part == 0:
            raise self.error(errors.NothingToDo)
        self.config.asset.transfer(self.config.pot, who, part, Preservation.PRESERVE)
        if cut.claimed + part == cut.amount:
            self.cuts.remove(epoch, who)
        else:
            self.cuts.put(epoch, who, structs.replace(cut, claimed=cut.claimed + part))
        self.recoveries.put(epoch, structs.replace(recovery, claimed=recovery.claimed + part))
        self.deposit(events.RecoveryClaimed(epoch, who, part))

    @call(8, weight=weights.COLLATERAL_RELEASE_REQUIREMENT)
    def release_requirement(self, origin: Origin, who: AccountId, zone: ZoneId, slot: SlotId) -> None:
        """Release what stands for an account's offers in a settled slot it had no part in. Anyone can."""
        ensure_signed(origin)
        amount = self.exposures.get((zone, slot), who)
        if amount == 0 or not self.config.settlement().is_settled(zone, slot):
            raise self.error(errors.NothingToDo)
        self._set_exposure(who, (zone, slot), 0)
        self.deposit(events.RequirementReleased(who, amount))

    # --- what the market asks

    def covers(self, who: AccountId, key: SlotKey, sold_wh: int) -> bool:
        """Tell whether an account's collateral covers that it sells so much in a slot of a zone, and from
        then on require it; a smaller amount lowers what is required. Never for a suspended account."""
        if self.is_suspended(who):
            return False
        feed_in_ticks, retail_ticks = self.config.settlement().spread_ticks(*key)
        value = compute_value(sold_wh, max(0, retail_ticks - feed_in_ticks))
        required = self.requirement.get(who) - self.exposures.get(key, who) + value
        if required + self._pending(who) > self._held(Guarantee.Collateral, who):
            return False
        self._store_exposure(who, key, value, required)
        return True

    def is_suspended(self, who: AccountId) -> bool:
        """Tell whether an account is in arrears or late with a margin call, and so may not trade."""
        due_slot = self.margin_calls.get(who)
        if self.owed.get(who) > 0:
            return True
        return due_slot is not None and self._current_slot() > due_slot and max(self._missing(who)) > 0

    def ensure_in_good_standing(self, who: AccountId) -> None:
        """Raise Suspended where an account may not trade for what it owes."""
        if self.is_suspended(who):
            raise self.error(errors.Suspended)

    def guarantees_of(self, who: AccountId) -> Guarantees:
        """Return what stands for an account, and what it owes, for whoever looks."""
        return Guarantees(
            self._held(Guarantee.Deposit, who),
            self._required(Guarantee.Deposit, who),
            self._held(Guarantee.Collateral, who),
            self._required(Guarantee.Collateral, who),
            self._pending(who),
            self.owed.get(who),
            self.margin_calls.get(who),
            self.is_suspended(who),
        )

    # --- what settlement asks

    def cover(self, epoch: int, who: AccountId, owed: int, to: AccountId) -> int:
        """Pay what guarantees give towards a debt to an account and write down the rest as arrears; return
        how much was paid."""
        cover = waterfall.cover(owed, *self._guarantees(who), self.default_fund.get())
        self._take_guarantees(who, cover, to)
        if cover.fund:
            self.config.asset.transfer(self.config.pot, to, cover.fund, Preservation.PRESERVE)
            self.default_fund.put(self.default_fund.get() - cover.fund)
        if cover.fund or cover.haircut:
            self._open_arrears(epoch, who, Debt(cover.haircut, cover.fund))
        return owed - cover.haircut

    def set_off(self, who: AccountId, amount: int, source: AccountId) -> int:
        """Pay arrears of an account out of an amount that a pot owes it; return how much that took. Of one
        epoch at a time, the first in storage. Never fails."""
        if not self.owed.get(who):
            return 0
        epoch, debt = next(iter(self.arrears.items_of(who)))
        paid = min(amount, debt.total)
        self.config.asset.transfer(source, self.config.pot, paid, Preservation.PRESERVE)
        self._repay(who, epoch, debt, paid)
        return paid

    def note_haircut(self, epoch: int, who: AccountId, amount: int) -> None:
        """Write down that a receiver went without an amount, to be paid from arrears."""
        cut = self.cuts.get(epoch, who)
        self.cuts.put(epoch, who, structs.replace(cut, amount=cut.amount + amount))

    def on_account_settled(self, zone: int, slot: int, who: AccountId) -> None:
        """Hear that an account has delivered, or not, what it sold in a slot: nothing need stand for it."""
        if self.exposures.get((zone, slot), who):
            self._set_exposure(who, (zone, slot), 0)

    def try_state(self) -> None:
        """AssertionError unless pot, requirements, debts and cuts are the sums of their parts."""
        asset, pot = self.config.asset, self.config.pot
        recovered = sum(one.recovered - one.claimed for _, one in self.recoveries.items())
        expected = asset.minimum_balance() + self.default_fund.get() + recovered
        assert asset.total_balance(pot) >= expected, "the pot has less than it owes"
        required: dict[AccountId, int] = {}
        for (_, who), value in self.exposures.items():
            assert value, "an exposure of nothing"
            required[who] = required.get(who, 0) + value
        assert required == dict(self.requirement.items()), "requirements that are not the sum of exposures"
        owed: dict[AccountId, int] = {}
        for (who, epoch), debt in self.arrears.items():
            assert debt.total, "a debt of nothing"
            owed[who] = owed.get(who, 0) + debt.total
            assert self.recoveries.get(epoch).missing >= debt.receivers, "a debt to nobody"
        assert owed == dict(self.owed.items()), "debts that are not summed up"
        for (epoch, _), cut in self.cuts.items():
            assert cut.claimed < cut.amount <= self.recoveries.get(epoch).missing, "a cut of nothing"

    # --- helpers

    def _reason(self, kind: Guarantee) -> Reason:
        return Reason(self.index, kind)

    def _current_slot(self) -> int:
        return compute_slot(self.config.clock.now_ms(), self.config.slot_ms)

    def _held(self, kind: Guarantee, who: AccountId) -> int:
        return self.config.asset.balance_on_hold(self._reason(kind), who)

    def _guarantees(self, who: AccountId) -> tuple[int, int]:
        return self._held(Guarantee.Deposit, who), self._held(Guarantee.Collateral, who)

    def _required(self, kind: Guarantee, who: AccountId) -> int:
        if kind is Guarantee.Collateral:
            return self.requirement.get(who)
        return compute_value(DEPOSIT_SLOTS * self.config.meters.capacity_wh(who), self.config.deposit_ticks)

    def _pending(self, who: AccountId) -> int:
        """Return what an account owes of epochs that are not netted beyond its deposit: collateral that stood
        for a slot stands for that until it is paid."""
        owed = self.config.settlement().owed_by(who)
        return max(0, owed - self._held(Guarantee.Deposit, who)) if owed else 0

    def _owed_beyond(self, who: AccountId, deposit: int) -> int:
        return max(0, self.config.settlement().owed_by(who) - deposit)

    def _may_hold_less(self, kind: Guarantee, who: AccountId, left: int) -> bool:
        """Tell whether what is left of a kind is what is required, and with the other what is owed."""
        if left < self._required(kind, who):
            return False
        if kind is Guarantee.Collateral:
            return left >= self.requirement.get(who) + self._pending(who)
        pending = self._owed_beyond(who, left)
        return pending == 0 or self._held(Guarantee.Collateral, who) >= self.requirement.get(who) + pending

    def _missing(self, who: AccountId) -> tuple[int, int]:
        """Return what a deposit and collateral lack."""
        deposit, collateral = (
            max(0, self._required(kind, who) - self._held(kind, who)) for kind in Guarantee
        )
        return deposit, collateral

    def _set_exposure(self, who: AccountId, key: SlotKey, value: int) -> None:
        required = self.requirement.get(who) - self.exposures.get(key, who) + value
        self._store_exposure(who, key, value, required)

    def _store_exposure(self, who: AccountId, key: SlotKey, value: int, required: int) -> None:
        """Store what is required for a slot, and with it for all."""
        if value:
            self.exposures.put(key, who, value)
        else:
            self.exposures.remove(key, who)
        if required:
            self.requirement.put(who, required)
        else:
            self.requirement.remove(who)

    def _get_debt(self, who: AccountId, epoch: int) -> Debt:
        debt = self.arrears.get(who, epoch)
        if debt.total == 0:
            raise self.error(errors.NoArrears)
        return debt

    def _open_arrears(self, epoch: int, who: AccountId, debt: Debt) -> None:
        recovery, old = self.recoveries.get(epoch), self.arrears.get(who, epoch)
        if debt.receivers:
            missing = recovery.missing + debt.receivers
            self.recoveries.put(epoch, structs.replace(recovery, missing=missing))
        self.deposit(events.ArrearsOpened(epoch, who, debt.receivers, debt.fund))
        self._put_debt(who, epoch, old, Debt(old.receivers + debt.receivers, old.fund + debt.fund))

    def _put_debt(self, who: AccountId, epoch: int, old: Debt, new: Debt) -> None:
        """Replace a debt, and with it what the account owes in all."""
        after = self.owed.get(who) - old.total + new.total
        if new.total:
            self.arrears.put(who, epoch, new)
        else:
            self.arrears.remove(who, epoch)
        if after:
            self.owed.put(who, after)
        else:
            self.owed.remove(who)

    def _take_guarantees(self, who: AccountId, cover: waterfall.Cover, to: AccountId) -> None:
        asset = self.config.asset
        for kind, amount in ((Guarantee.Deposit, cover.deposit), (Guarantee.Collateral, cover.collateral)):
            if amount:
                asset.transfer_on_hold(self._reason(kind), who, to, amount)
        if cover.deposit or cover.collateral:
            self.deposit(events.Liquidated(who, cover.deposit, cover.collateral))

    def _repay(self, who: AccountId, epoch: int, debt: Debt, paid: int) -> None:
        """Divide what came into the pot for a debt among receivers and fund."""
        repayment = waterfall.repay(waterfall.Arrears((debt.receivers,), debt.fund), paid)
        assert repayment.unused == 0, "nobody pays more than is owed"
        (to_receivers,), (left,) = repayment.receivers, repayment.left.receivers
        if to_receivers:
            recovery = self.recoveries.get(epoch)
            recovered = recovery.recovered + to_receivers
            self.recoveries.put(epoch, structs.replace(recovery, recovered=recovered))
        self.default_fund.put(self.default_fund.get() + repayment.fund)
        new = Debt(left, repayment.left.fund)
        self.deposit(events.ArrearsPaid(epoch, who, paid, new.total))
        self._put_debt(who, epoch, debt, new)
