"""Treasury: the common purse, spent as governance approves.

Responsible for approvals, for their payment out of the pot, and for the limits of those who approve. GRID
that is approved with `spend_local` is paid when a spend period ends; a `spend` of GRID or WATT is paid when
anybody asks for it before it expires. It knows origins, ledgers and rates only as Protocols. Calls, events,
errors and storage are pallet_treasury's of polkadot-stable2503, without inactive issuance and without what
is never used of a payment that is made at once; `SpentInBlock` is this chain's own, and an approval that is
taken back takes its proposal along.

The limit of an origin bounds what origins of that limit approve in one block, so that a batch of small spends
is no way around it.

Invariants (checked by `try_state`): each approval is of one proposal and the reverse, without repetition;
indices are below their counts; a spend expires a payout period after it becomes valid.
"""

from __future__ import annotations

from pallets.governance import weights
from pallets.governance.treasury_types import (
    APPROVALS_MAX,
    PERMILL,
    Approvals,
    AssetKind,
    Attempted,
    Payable,
    Pending,
    Proposal,
    ProposalIndex,
    SpendIndex,
    SpendStatus,
    SpentInBlock,
    TreasuryConfig,
)
from runtime.frame.account import lookup, pot_account
from runtime.frame.call import call
from runtime.frame.dispatch import (
    DispatchError,
    Origin,
    PalletError,
    Pays,
    PostDispatchInfo,
    Weight,
    ensure_signed,
)
from runtime.frame.event import Event
from runtime.frame.fungible import Preservation
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import TWOX_64_CONCAT, Map, Value, storage
from runtime.primitives.arithmetic import U32_MAX, checked_add
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import Compact, u32, u64, u128
from runtime.primitives.types import AccountId


class Treasury(Pallet[TreasuryConfig]):
    """The common purse."""

    proposal_count: Value[ProposalIndex] = storage(default=0, docs="Number of proposals that have been made.")
    proposals: Map[ProposalIndex, Proposal | None] = storage(
        TWOX_64_CONCAT, docs="Proposals that have been made."
    )
    approvals: Value[Approvals] = storage(default=(), docs="Proposals that are approved and not yet paid.")
    spend_count: Value[SpendIndex] = storage(default=0, docs="The count of spends that have been made.")
    spends: Map[SpendIndex, SpendStatus | None] = storage(TWOX_64_CONCAT, docs="Spends that are approved.")
    last_spend_period: Value[u32 | None] = storage(docs="The block of the last spend period.")
    spent_in_block: Map[u128, SpentInBlock | None] = storage(
        TWOX_64_CONCAT, docs="What the origins of a limit approved last, by the limit."
    )

    class Spending(Event, index=0):
        """A spend period ended; funds are now paid."""

        budget_remaining: u128

    class Awarded(Event, index=1):
        """An approved amount was paid."""

        proposal_index: ProposalIndex
        award: u128
        account: AccountId

    class Burnt(Event, index=2):
        """Some of the rest was destroyed."""

        burnt_funds: u128

    class Rollover(Event, index=3):
        """What is left until the next spend period."""

        rollover_balance: u128

    class SpendApproved(Event, index=5):
        """An amount of the native currency was approved."""

        proposal_index: ProposalIndex
        amount: u128
        beneficiary: AccountId

    class AssetSpendApproved(Event, index=7):
        """A spend of an asset was approved."""

        index: SpendIndex
        asset_kind: AssetKind
        amount: u128
        beneficiary: AccountId
        valid_from: u32
        expire_at: u32

    class AssetSpendVoided(Event, index=8):
        """An approved spend was taken back."""

        index: SpendIndex

    class Paid(Event, index=9):
        """A spend was paid."""

        index: SpendIndex
        payment_id: u64

    class SpendProcessed(Event, index=11):
        """A spend was removed, since it was paid or has expired."""

        index: SpendIndex

    class InvalidIndex(PalletError, index=0):
        """There is no spend with this index."""

    class TooManyApprovals(PalletError, index=1):
        """Too many approvals wait, or all indices are used."""

    class InsufficientPermission(PalletError, index=2):
        """The amount is more than this origin may spend."""

    class ProposalNotApproved(PalletError, index=3):
        """The proposal is not among the approvals."""

    class FailedToConvertBalance(PalletError, index=4):
        """No rate tells what the amount is worth in the native currency."""

    class SpendExpired(PalletError, index=5):
        """The spend has expired."""

    class EarlyPayout(PalletError, index=6):
        """The spend cannot be paid yet."""

    class AlreadyAttempted(PalletError, index=7):
        """The spend was paid already."""

    class PayoutError(PalletError, index=8):
        """The payment could not be made; it can be tried again until the spend expires."""

    class NotAttempted(PalletError, index=9):
        """Nobody asked for the payment yet."""

    @constant
    def spend_period(self) -> u32:
        """Blocks between payments of approvals."""
        return self.config.spend_period

    @constant
    def payout_period(self) -> u32:
        """Blocks during which a spend can be paid."""
        return self.config.payout_period

    @constant
    def max_approvals(self) -> u32:
        """Most approvals that wait."""
        return self.config.max_approvals

    def on_initialize(self, number: int) -> Weight:
        """Pay the approvals that the pot affords when a spend period has passed."""
        period = self.config.spend_period
        last = self.last_spend_period.get()
        if last is None:
            last = number - number % period
            self.last_spend_period.put(last)
        if number - last < period:
            return weights.TREASURY_INITIALIZE
        self.last_spend_period.put(number - (number - last) % period)
        count = self._spend_funds()
        return weights.TREASURY_SPEND_FUNDS.plus(weights.TREASURY_SPEND_FUNDS_PER_APPROVAL.times(count))

    @call(3, weight=weights.TREASURY_SPEND_LOCAL)
    def spend_local(self, origin: Origin, amount: Compact[u128], beneficiary: MultiAddress) -> None:
        """Approve an amount of the native currency, paid at the end of the spend period."""
        limit = self.config.limits.ensure_spender(origin)
        who, index, waiting = lookup(beneficiary), self.proposal_count.get(), self.approvals.get()
        if len(waiting) >= self.config.max_approvals or index == U32_MAX:
            raise self.TooManyApprovals
        self._use_limit(limit, amount)
        self.proposals.put(index, Proposal(who, amount, who, 0))
        self.proposal_count.put(index + 1)
        self.approvals.put((*waiting, index))
        self.deposit(self.SpendApproved(index, amount, who))

    @call(4, weight=weights.TREASURY_REMOVE_APPROVAL)
    def remove_approval(self, origin: Origin, proposal_id: Compact[ProposalIndex]) -> None:
        """Take an approval back that was not paid yet."""
        self.config.rejecters.ensure_rejecter(origin)
        waiting = self.approvals.get()
        if proposal_id not in waiting:
            raise self.ProposalNotApproved
        self.approvals.put(tuple(index for index in waiting if index != proposal_id))
        self.proposals.remove(proposal_id)

    @call(5, weight=weights.TREASURY_SPEND)
    def spend(
        self,
        origin: Origin,
        asset_kind: AssetKind,
        amount: Compact[u128],
        beneficiary: MultiAddress,
        valid_from: u32 | None,
    ) -> None:
        """Approve an amount of an asset, paid on demand from block `valid_from` (now, if left out) until it
        expires."""
        limit = self.config.limits.ensure_spender(origin)
        who, now = lookup(beneficiary), self.config.blocks.current_number()
        start = now if valid_from is None else valid_from
        expire_at = checked_add(start, self.config.payout_period, U32_MAX)
        if expire_at <= now:
            raise self.SpendExpired
        worth = self.config.values.native_value(asset_kind, amount)
        if worth is None:
            raise self.FailedToConvertBalance
        index = self.spend_count.get()
        self.spend_count.put(checked_add(index, 1, U32_MAX))
        self._use_limit(limit, worth)
        self.spends.put(index, SpendStatus(asset_kind, amount, who, start, expire_at, Pending()))
        self.deposit(self.AssetSpendApproved(index, asset_kind, amount, who, start, expire_at))

    @call(6, weight=weights.TREASURY_PAYOUT)
    def payout(self, origin: Origin, index: SpendIndex) -> PostDispatchInfo:
        """Pay an approved spend; anybody may ask, and pays no fee when it is paid."""
        ensure_signed(origin)
        found, now = self._spend(index), self.config.blocks.current_number()
        if now < found.valid_from:
            raise self.EarlyPayout
        if now > found.expire_at:
            raise self.SpendExpired
        if isinstance(found.status, Attempted):
            raise self.AlreadyAttempted
        try:
            self._ledger(found.asset_kind).transfer(
                self.account_id(), found.beneficiary, found.amount, Preservation.PRESERVE
            )
        except DispatchError:
            raise self.PayoutError from None
        paid = SpendStatus(
            found.asset_kind,
            found.amount,
            found.beneficiary,
            found.valid_from,
            found.expire_at,
            Attempted(index),
        )
        self.spends.put(index, paid)
        self.deposit(self.Paid(index, index))
        return PostDispatchInfo(None, Pays.No)

    @call(7, weight=weights.TREASURY_CHECK_STATUS)
    def check_status(self, origin: Origin, index: SpendIndex) -> PostDispatchInfo:
        """Remove a spend that was paid or has expired; anybody may, without a fee."""
        ensure_signed(origin)
        found = self._spend(index)
        expired = self.config.blocks.current_number() > found.expire_at
        if not expired and not isinstance(found.status, Attempted):
            raise self.NotAttempted
        self.spends.remove(index)
        self.deposit(self.SpendProcessed(index))
        return PostDispatchInfo(None, Pays.No)

    @call(8, weight=weights.TREASURY_VOID_SPEND)
    def void_spend(self, origin: Origin, index: SpendIndex) -> None:
        """Take an approved spend back that was not paid."""
        self.config.rejecters.ensure_rejecter(origin)
        if isinstance(self._spend(index).status, Attempted):
            raise self.AlreadyAttempted
        self.spends.remove(index)
        self.deposit(self.AssetSpendVoided(index))

    def account_id(self) -> AccountId:
        """Return the account of the pot."""
        return pot_account(self.config.pot_id)

    def pot(self) -> int:
        """Return what the pot can spend of the native currency; its existential deposit stays."""
        return self.config.currency.reducible_balance(self.account_id(), Preservation.PRESERVE)

    def try_state(self) -> None:
        """AssertionError unless approvals, proposals, spends and counts agree."""
        waiting = self.approvals.get()
        assert len(waiting) <= min(self.config.max_approvals, APPROVALS_MAX), "more approvals than may wait"
        assert len(set(waiting)) == len(waiting), "an approval waits twice"
        made = sorted(index for index, _ in self.proposals.items())
        assert made == sorted(waiting), "approvals and proposals differ"
        assert all(index < self.proposal_count.get() for index in made), "a proposal is still to come"
        for index, found in self.spends.items():
            assert found is not None
            assert index < self.spend_count.get(), f"spend {index} is still to come"
            assert found.expire_at - found.valid_from == self.config.payout_period, f"spend {index}'s period"

    def _spend(self, index: int) -> SpendStatus:
        found = self.spends.get(index)
        if found is None:
            raise self.InvalidIndex
        return found

    def _ledger(self, asset: AssetKind) -> Payable:
        return self.config.currency if asset is AssetKind.GRID else self.config.watt

    def _use_limit(self, limit: int, amount: int) -> None:
        """Count an amount against a limit in this block; InsufficientPermission where it is exceeded."""
        now, last = self.config.blocks.current_number(), self.spent_in_block.get(limit)
        spent = amount if last is None or last.number != now else last.amount + amount
        if spent > limit:
            raise self.InsufficientPermission
        self.spent_in_block.put(limit, SpentInBlock(now, spent))

    def _spend_funds(self) -> int:
        """Pay what the pot affords, in order of approval; return how many approvals there were."""
        waiting, budget, kept = self.approvals.get(), self.pot(), []
        self.deposit(self.Spending(budget))
        for index in waiting:
            proposal = self.proposals.get(index)
            assert proposal is not None, "an approval without a proposal"
            if not self._award(index, proposal, budget):
                kept.append(index)
                continue
            budget -= proposal.value
        self.approvals.put(tuple(kept))
        burnt = 0 if kept else budget * self.config.burn // PERMILL
        if burnt:
            self.config.currency.withdraw(self.account_id(), burnt, Preservation.PRESERVE)
            self.deposit(self.Burnt(burnt))
        self.deposit(self.Rollover(budget - burnt))
        return len(waiting)

    def _award(self, index: int, proposal: Proposal, budget: int) -> bool:
        """Pay one approval and forget it; False where the budget or the receiver does not allow it."""
        if proposal.value > budget:
            return False
        try:
            self.config.currency.transfer(
                self.account_id(), proposal.beneficiary, proposal.value, Preservation.PRESERVE
            )
        except DispatchError:
            return False
        self.proposals.remove(index)
        self.deposit(self.Awarded(index, proposal.value, proposal.beneficiary))
        return True
