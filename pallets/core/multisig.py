"""Multisig: calls from an account that several signers share, made once enough of them approve.

Responsible for collecting approvals until the threshold, for the deposit that pays for the open operation,
and for the shared account's id, which follows from the signers and the threshold alone. It knows the currency
only as a Protocol. Calls, events, errors and storage layout are pallet_multisig's.

Invariant (checked by `try_state`): approvals are sorted, without repetition, at least one and fewer than or
as many as `max_signatories`, and every depositor has reserved at least the sum of their deposits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, TypeAlias

from pallets.core import weights
from runtime.frame.block_numbers import BlockNumbers
from runtime.frame.call import Call, RuntimeCall, call, inner_class
from runtime.frame.dispatch import (
    DispatchError,
    Origin,
    PalletError,
    PostDispatchInfo,
    Signed,
    Weight,
    ensure_signed,
)
from runtime.frame.event import Event
from runtime.frame.fungible import Reservable
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, storage
from runtime.frame.validity import DispatchOutcome
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import Length, MaxLen, Struct, encode_compact, u16, u32, u128
from runtime.primitives.types import AccountId

DERIVATION_PREFIX = b"modlpy/utilisuba"
THRESHOLD_MIN = 2
SIGNATORIES_MAX = 100
"""Upper bound of `max_signatories`, as on Polkadot; bounds what an open operation stores."""

CallHash: TypeAlias = Annotated[bytes, Length(32)]
Signatories: TypeAlias = tuple[AccountId, ...]


class Timepoint(Struct, path="pallet_multisig::Timepoint"):
    """Block number and extrinsic index at which an operation was opened; names it among its repetitions."""

    height: u32
    index: u32


class Operation(Struct, path="pallet_multisig::Multisig"):
    """An operation that waits for approvals; `deposit` is reserved from the `depositor`."""

    when: Timepoint
    deposit: u128
    depositor: AccountId
    approvals: Annotated[tuple[AccountId, ...], MaxLen(SIGNATORIES_MAX)]


@dataclass(frozen=True, slots=True)
class MultisigConfig:
    """Deposit = base + threshold · factor, in the currency's smallest unit; `max_signatories` is from 2 to
    `SIGNATORIES_MAX`."""

    currency: Reservable
    system: BlockNumbers
    deposit_base: int
    deposit_factor: int
    max_signatories: int = SIGNATORIES_MAX


def multi_account(signatories: Signatories, threshold: int) -> AccountId:
    """Return the account that these signers share; they must be sorted."""
    listed = encode_compact(len(signatories)) + b"".join(signatories)
    return AccountId(blake2_256(DERIVATION_PREFIX + listed + threshold.to_bytes(2, "little")))


class Multisig(Pallet[MultisigConfig]):
    """Accounts shared by several signers."""

    multisigs: DoubleMap[AccountId, CallHash, Operation | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, docs="The set of open multisig operations."
    )

    class NewMultisig(Event, index=0):
        """An operation was opened and has its first approval."""

        approving: AccountId
        multisig: AccountId
        call_hash: CallHash

    class MultisigApproval(Event, index=1):
        """An operation was approved by one more signer."""

        approving: AccountId
        timepoint: Timepoint
        multisig: AccountId
        call_hash: CallHash

    class MultisigExecuted(Event, index=2):
        """An operation had enough approvals and its call was made, with this result."""

        approving: AccountId
        timepoint: Timepoint
        multisig: AccountId
        call_hash: CallHash
        result: DispatchOutcome

    class MultisigCancelled(Event, index=3):
        """An operation was cancelled by the signer who opened it."""

        cancelling: AccountId
        timepoint: Timepoint
        multisig: AccountId
        call_hash: CallHash

    class MinimumThreshold(PalletError, index=0):
        """The threshold must be 2 or more."""

    class AlreadyApproved(PalletError, index=1):
        """The signer has already approved this call."""

    class NoApprovalsNeeded(PalletError, index=2):
        """The call needs no more approvals."""

    class TooFewSignatories(PalletError, index=3):
        """The list of other signatories is empty."""

    class TooManySignatories(PalletError, index=4):
        """There are more signatories than this chain allows."""

    class SignatoriesOutOfOrder(PalletError, index=5):
        """The other signatories must be sorted and all different."""

    class SenderInSignatories(PalletError, index=6):
        """The sender must not be among the other signatories."""

    class NotFound(PalletError, index=7):
        """There is no such open operation."""

    class NotOwner(PalletError, index=8):
        """Only the signer who opened the operation can cancel it."""

    class NoTimepoint(PalletError, index=9):
        """The operation is already open; its timepoint must be given."""

    class WrongTimepoint(PalletError, index=10):
        """The open operation has another timepoint."""

    class UnexpectedTimepoint(PalletError, index=11):
        """A timepoint was given, but no such operation is open."""

    class MaxWeightTooLow(PalletError, index=12):
        """The call weighs more than the maximum weight that was given."""

    class AlreadyStored(PalletError, index=13):
        """The call is already stored; no longer in use."""

    @constant
    def deposit_base(self) -> u128:
        """The amount reserved for opening an operation, whatever its threshold."""
        return self.config.deposit_base

    @constant
    def deposit_factor(self) -> u128:
        """The amount reserved for opening an operation, for each unit of its threshold."""
        return self.config.deposit_factor

    @constant
    def max_signatories(self) -> u32:
        """The most signatories of one multisig account."""
        return self.config.max_signatories

    # --- weights

    def _threshold_1_weight(self, _others: Signatories, call: Call) -> Weight:
        return _threshold_1_base(call).plus(call.weight())

    def _as_multi_weight(
        self, _threshold: int, others: Signatories, _when: Timepoint | None, call: Call, max_weight: Weight
    ) -> Weight:
        """The dearest of opening, approving and completing, and as much for the call as the caller allows."""
        count, size = len(others), call.encoded_length()
        base = _create_base(count, size).most(_approve_base(count, size)).most(_complete_base(count, size))
        return base.plus(max_weight)

    def _approve_weight(
        self,
        _threshold: int,
        others: Signatories,
        _when: Timepoint | None,
        _call_hash: bytes,
        max_weight: Weight,
    ) -> Weight:
        """The dearer of opening and approving, and as much as the caller allows for the call.

        Nothing of the latter is used; it is given back.
        """
        return _create_base(len(others), 0).most(_approve_base(len(others), 0)).plus(max_weight)

    def _cancel_weight(
        self, _threshold: int, others: Signatories, _when: Timepoint, _call_hash: bytes
    ) -> Weight:
        return weights.MULTISIG_CANCEL_AS_MULTI.plus(
            weights.MULTISIG_CANCEL_AS_MULTI_PER_SIGNATORY.times(len(others))
        )

    # --- calls

    @call(0, weight=_threshold_1_weight, dispatch_class=inner_class)
    def as_multi_threshold_1(
        self, origin: Origin, other_signatories: Signatories, call: RuntimeCall
    ) -> PostDispatchInfo:
        """Make a call from a shared account whose threshold is 1: any one signatory suffices."""
        who = ensure_signed(origin)
        signatories = self._with_sender(other_signatories, who)
        result = self.dispatcher.dispatch(call, Signed(multi_account(signatories, 1)))
        post = PostDispatchInfo(_threshold_1_base(call).plus(result.weight(call.weight())))
        if result.error is not None:
            raise DispatchError(result.error).with_post_info(post)
        return post

    @call(1, weight=_as_multi_weight)
    def as_multi(
        self,
        origin: Origin,
        threshold: u16,
        other_signatories: Signatories,
        maybe_timepoint: Timepoint | None,
        call: RuntimeCall,
        max_weight: Weight,
    ) -> PostDispatchInfo:
        """Approve a call from a shared account, and make it if that was the last approval needed.

        The first approval opens the operation, reserves a deposit and gives no timepoint; later ones give
        the block number and extrinsic index of the first. The deposit comes back when the call is made or
        the operation cancelled.
        """
        who = ensure_signed(origin)
        account = self._shared_account(who, threshold, other_signatories)
        call_hash = blake2_256(call.encoded())
        count, size = len(other_signatories), call.encoded_length()
        operation = self.multisigs.get(account, call_hash)
        if operation is None:
            self._open(who, threshold, account, call_hash, maybe_timepoint)
            return PostDispatchInfo(_create_base(count, size))
        self._ensure_timepoint(operation, maybe_timepoint)
        if len(self._approved_by(operation, who, threshold)) < threshold:
            self._approve(who, threshold, account, call_hash, operation)
            return PostDispatchInfo(_approve_base(count, size))
        if not call.weight().fits(max_weight):
            raise self.MaxWeightTooLow
        # The operation goes before its call is made, which could otherwise find it still open.
        self.multisigs.remove(account, call_hash)
        self.config.currency.unreserve(operation.depositor, operation.deposit)
        result = self.dispatcher.dispatch(call, Signed(account))
        self.deposit(self.MultisigExecuted(who, operation.when, account, call_hash, result.error))
        return PostDispatchInfo(_complete_base(count, size).plus(result.weight(call.weight())))

    @call(2, weight=_approve_weight)
    def approve_as_multi(
        self,
        origin: Origin,
        threshold: u16,
        other_signatories: Signatories,
        maybe_timepoint: Timepoint | None,
        call_hash: CallHash,
        max_weight: Weight,  # noqa: ARG002  # part of the call's form
    ) -> PostDispatchInfo:
        """Approve a call from a shared account by its hash alone. The last approval must be `as_multi`."""
        who = ensure_signed(origin)
        account = self._shared_account(who, threshold, other_signatories)
        operation = self.multisigs.get(account, call_hash)
        if operation is None:
            self._open(who, threshold, account, call_hash, maybe_timepoint)
            return PostDispatchInfo(_create_base(len(other_signatories), 0))
        self._ensure_timepoint(operation, maybe_timepoint)
        self._approve(who, threshold, account, call_hash, operation)
        return PostDispatchInfo(_approve_base(len(other_signatories), 0))

    @call(3, weight=_cancel_weight)
    def cancel_as_multi(
        self,
        origin: Origin,
        threshold: u16,
        other_signatories: Signatories,
        timepoint: Timepoint,
        call_hash: CallHash,
    ) -> None:
        """Cancel an open operation. Only the signer who opened it can; the deposit comes back."""
        who = ensure_signed(origin)
        account = self._shared_account(who, threshold, other_signatories)
        operation = self.multisigs.get(account, call_hash)
        if operation is None:
            raise self.NotFound
        if operation.when != timepoint:
            raise self.WrongTimepoint
        if operation.depositor != who:
            raise self.NotOwner
        self.config.currency.unreserve(who, operation.deposit)
        self.multisigs.remove(account, call_hash)
        self.deposit(self.MultisigCancelled(who, timepoint, account, call_hash))

    def try_state(self) -> None:
        """AssertionError unless approvals are well-formed and deposits reserved."""
        deposits: dict[AccountId, int] = {}
        for (account, _), operation in self.multisigs.items():
            assert operation is not None
            approvals = operation.approvals
            disordered = list(approvals) != sorted(dict.fromkeys(approvals))
            assert not disordered, f"{account.hex()} has disordered approvals"
            assert 0 < len(approvals) <= self.config.max_signatories, f"{account.hex()} has no or too many"
            deposits[operation.depositor] = deposits.get(operation.depositor, 0) + operation.deposit
        for who, amount in deposits.items():
            assert self.config.currency.reserved_balance(who) >= amount, (
                f"{who.hex()} has reserved too little"
            )

    # --- helpers

    def _shared_account(self, who: AccountId, threshold: int, others: Signatories) -> AccountId:
        if threshold < THRESHOLD_MIN:
            raise self.MinimumThreshold
        return multi_account(self._with_sender(others, who), threshold)

    def _with_sender(self, others: Signatories, who: AccountId) -> Signatories:
        """Return all signatories sorted; the others must be sorted, different and without the sender."""
        if not others:
            raise self.TooFewSignatories
        if len(others) >= self.config.max_signatories:
            raise self.TooManySignatories
        for before, after in pairwise(others):
            if before >= after:
                raise self.SignatoriesOutOfOrder
        if who in others:
            raise self.SenderInSignatories
        return tuple(sorted((*others, who)))

    def _ensure_timepoint(self, operation: Operation, timepoint: Timepoint | None) -> None:
        if timepoint is None:
            raise self.NoTimepoint
        if operation.when != timepoint:
            raise self.WrongTimepoint

    def _open(
        self,
        who: AccountId,
        threshold: int,
        account: AccountId,
        call_hash: bytes,
        timepoint: Timepoint | None,
    ) -> None:
        if timepoint is not None:
            raise self.UnexpectedTimepoint
        deposit = self.config.deposit_base + self.config.deposit_factor * threshold
        self.config.currency.reserve(who, deposit)
        when = Timepoint(self.config.system.current_number(), self.extrinsic_index())
        self.multisigs.put(account, call_hash, Operation(when, deposit, who, (who,)))
        self.deposit(self.NewMultisig(who, account, call_hash))

    def _approved_by(self, operation: Operation, who: AccountId, threshold: int) -> Signatories:
        """Return the approvals with one more, unless it is there already or not needed."""
        approvals = operation.approvals
        if who in approvals or len(approvals) >= threshold:
            return approvals
        return tuple(sorted((*approvals, who)))

    def _approve(
        self, who: AccountId, threshold: int, account: AccountId, call_hash: bytes, operation: Operation
    ) -> None:
        approvals = self._approved_by(operation, who, threshold)
        if approvals == operation.approvals:
            raise self.AlreadyApproved
        self.multisigs.put(
            account,
            call_hash,
            Operation(operation.when, operation.deposit, operation.depositor, approvals),
        )
        self.deposit(self.MultisigApproval(who, operation.when, account, call_hash))


def _threshold_1_base(call: Call) -> Weight:
    return weights.MULTISIG_AS_MULTI_THRESHOLD_1.plus(
        weights.MULTISIG_AS_MULTI_THRESHOLD_1_PER_BYTE.times(call.encoded_length())
    )


def _create_base(signatories: int, size: int) -> Weight:
    return weights.MULTISIG_AS_MULTI_CREATE.plus(
        weights.MULTISIG_AS_MULTI_CREATE_PER_SIGNATORY.times(signatories)
    ).plus(weights.MULTISIG_AS_MULTI_CREATE_PER_BYTE.times(size))


def _approve_base(signatories: int, size: int) -> Weight:
    return weights.MULTISIG_AS_MULTI_APPROVE.plus(
        weights.MULTISIG_AS_MULTI_APPROVE_PER_SIGNATORY.times(signatories)
    ).plus(weights.MULTISIG_AS_MULTI_APPROVE_PER_BYTE.times(size))


def _complete_base(signatories: int, size: int) -> Weight:
    return weights.MULTISIG_AS_MULTI_COMPLETE.plus(
        weights.MULTISIG_AS_MULTI_COMPLETE_PER_SIGNATORY.times(signatories)
    ).plus(weights.MULTISIG_AS_MULTI_COMPLETE_PER_BYTE.times(size))
