"""TransactionPayment: what an extrinsic costs, and the extension that charges it.

fee = base + length · per byte + multiplier · weight fee (+ tip). Unused weight is refunded after the
dispatch. The multiplier follows the fullness of blocks. It knows the currency only as a Protocol. Source:
pallet_transaction_payment; the multiplier is its TargetedFeeAdjustment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias

import msgspec

from runtime.frame.dispatch import (
    DispatchClass,
    DispatchError,
    DispatchErrorValue,
    DispatchInfo,
    Pays,
    PostDispatchInfo,
    Weight,
)
from runtime.frame.event import Event
from runtime.frame.extension import Extension, Extrinsic
from runtime.frame.fungible import Preservation
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import Value, storage
from runtime.frame.validity import PRIORITY_MAX, InvalidReason, InvalidTransaction, ValidTransaction
from runtime.primitives.scale import Compact, Path, Struct, u8, u128
from runtime.primitives.types import AccountId

FIXED_ONE = 10**18
"""1.0 as FixedU128."""

Multiplier: TypeAlias = Annotated[u128, Path("sp_arithmetic::fixed_point::FixedU128")]
ADJUSTMENT_E5 = 3
"""The multiplier's sensitivity v, 0.00003, as Polkadot's runtimes long had it: a full block raises fees by
0.00225 percent, an empty one lowers them by a third of that."""
MULTIPLIER_MIN = FIXED_ONE // 10
MULTIPLIER_MAX = FIXED_ONE * 1000
FEES_KEPT_MAX = 1024
"""Weight fees remembered for one multiplier; a runtime has fewer calls of constant weight."""


class InclusionFee(Struct, path="pallet_transaction_payment::types::InclusionFee"):
    base_fee: u128
    len_fee: u128
    adjusted_weight_fee: u128


class FeeDetails(Struct, path="pallet_transaction_payment::types::FeeDetails"):
    """The parts of a fee; no inclusion fee when the call pays none."""

    inclusion_fee: InclusionFee | None
    tip: u128


class RuntimeDispatchInfo(Struct, path="pallet_transaction_payment::types::RuntimeDispatchInfo"):
    """Weight, class and fee without tip."""

    weight: Weight
    class_: DispatchClass
    partial_fee: u128


class FeeCurrency(Protocol):
    """What fees are paid with."""

    def withdraw(self, who: AccountId, amount: int, preservation: Preservation) -> None:
        """Take free balance out of an account and of the issuance."""
        ...

    def deposit_creating(self, who: AccountId, amount: int) -> None:
        """Put new balance into an account and into the issuance."""
        ...

    def total_balance(self, who: AccountId) -> int:
        """Return free plus reserved."""
        ...

    def reducible_balance(self, who: AccountId, preservation: Preservation) -> int:
        """Return what could be withdrawn now."""
        ...


class BlockLimits(Protocol):
    """What the payment needs of System."""

    def base_extrinsic(self, dispatch_class: DispatchClass) -> Weight:
        """Return the base weight of an extrinsic of a class."""
        ...

    def max_block(self) -> Weight:
        """Return the weight that a block can take in all classes together."""
        ...

    def normal_fullness(self) -> tuple[int, int]:
        """Return (used, available) reference time of normal extrinsics in the open block."""
        ...


@dataclass(frozen=True, slots=True)
class TransactionPaymentConfig:
    """Prices in the currency's smallest unit; `author` names who gets the fees of a block, None burns
    them."""

    currency: FeeCurrency
    system: BlockLimits
    author: Callable[[], AccountId | None]
    fee_per_byte: int
    fee_per_ref_time_e6: int
    operational_fee_multiplier: int = 5
    target_fullness_percent: int = 25


class Charged(msgspec.Struct, frozen=True, gc=False):
    """What was withdrawn before the dispatch."""

    fee: int
    tip: int


class TransactionPayment(Pallet[TransactionPaymentConfig]):
    """Fees of extrinsics."""

    crate = "transaction_payment"

    next_fee_multiplier: Value[Multiplier] = storage(
        default=FIXED_ONE, docs="The factor on weight fees, 18 decimal places."
    )

    class TransactionFeePaid(Event, index=0):
        """A fee of `actual_fee`, of which `tip` was the tip, was paid by `who`."""

        who: AccountId
        actual_fee: u128
        tip: u128

    def __init__(self, binding: Binding, config: TransactionPaymentConfig) -> None:
        super().__init__(binding, config)
        self._collected = 0
        self._fees: dict[int, int] = {}
        self._fees_multiplier = 0
        self._ref_time_max = config.system.max_block().ref_time
        bases = {class_: config.system.base_extrinsic(class_).ref_time for class_ in DispatchClass}
        self._base_fees = {class_: self._weight_fee(base) for class_, base in bases.items()}

    @constant
    def operational_fee_multiplier(self) -> u8:
        """How much the priority of operational extrinsics is raised by their fee."""
        return self.config.operational_fee_multiplier

    def on_initialize(self, number: int) -> Weight:  # noqa: ARG002  # the same in every block
        """Start collecting the block's fees."""
        self._collected = 0
        return Weight(0, 0)

    def on_finalize(self, number: int) -> None:  # noqa: ARG002  # the same in every block
        """Pay the collected fees to the author, and adjust the multiplier to the block's fullness."""
        author = self.config.author()
        if author is not None and self._collected:
            self.config.currency.deposit_creating(author, self._collected)
        self._collected = 0
        current = self.next_fee_multiplier.get()
        following = self._adjusted(current)
        if following != current:
            self.next_fee_multiplier.put(following)

    def compute_fee_details(self, length: int, info: DispatchInfo, tip: int) -> FeeDetails:
        """Return the parts of the fee for an extrinsic of `length` bytes."""
        if info.pays_fee is Pays.No:
            return FeeDetails(None, tip)
        base = self._base_fees[info.class_]
        adjusted = self._adjusted_fee(info.weight.ref_time)
        return FeeDetails(InclusionFee(base, length * self.config.fee_per_byte, adjusted), tip)

    def compute_fee(self, length: int, info: DispatchInfo, tip: int) -> int:
        """Return the whole fee for an extrinsic of `length` bytes, tip included."""
        if info.pays_fee is Pays.No:
            return tip
        adjusted = self._adjusted_fee(info.weight.ref_time)
        return self._base_fees[info.class_] + length * self.config.fee_per_byte + adjusted + tip

    def _adjusted_fee(self, ref_time: int) -> int:
        """Return the weight fee times the multiplier; the answers of one multiplier are kept."""
        multiplier = self.next_fee_multiplier.get()
        if multiplier != self._fees_multiplier or len(self._fees) >= FEES_KEPT_MAX:
            self._fees_multiplier = multiplier
            self._fees = {}
        fee = self._fees.get(ref_time)
        if fee is None:
            fee = self._fees[ref_time] = self._weight_fee(ref_time) * multiplier // FIXED_ONE
        return fee

    def query_info(self, extrinsic: Extrinsic, length: int) -> RuntimeDispatchInfo:
        """Return weight, class and fee of an extrinsic, whose signature may be a placeholder."""
        info = extrinsic.info
        fee = self.compute_fee(length, info, 0) if extrinsic.is_signed else 0
        return RuntimeDispatchInfo(info.weight, info.class_, fee)

    def query_fee_details(self, extrinsic: Extrinsic, length: int) -> FeeDetails:
        """Return the parts of the fee of an extrinsic, whose signature may be a placeholder."""
        if not extrinsic.is_signed:
            return FeeDetails(None, 0)
        return self.compute_fee_details(length, extrinsic.info, 0)

    def extension(self) -> Extension:
        """Return the extension that charges the fee; its extra value is the tip."""
        return Extension(
            "ChargeTransactionPayment",
            extra=Compact[u128],
            validate=self._validate,
            prepare=self._prepare,
            settle=self._settle,
        )

    def _weight_fee(self, ref_time: int) -> int:
        """Return the price of a weight; what is more than a block can take costs as much as a whole block."""
        return min(ref_time, self._ref_time_max) * self.config.fee_per_ref_time_e6 // 1_000_000

    def _validate(self, index: int, extrinsic: Extrinsic) -> ValidTransaction | None:
        tip: int = extrinsic.extra[index]
        who = extrinsic.signer
        assert who is not None
        fee = self.compute_fee(extrinsic.length, extrinsic.info, tip)
        if fee > self.config.currency.reducible_balance(who, Preservation.PRESERVE):
            raise InvalidTransaction(InvalidReason.Payment)
        priority = tip
        if extrinsic.info.class_ is DispatchClass.Operational:
            priority += fee * self.config.operational_fee_multiplier
        return ValidTransaction(priority=min(priority, PRIORITY_MAX)) if priority else None

    def _prepare(self, index: int, extrinsic: Extrinsic) -> Charged:
        tip: int = extrinsic.extra[index]
        who = extrinsic.signer
        assert who is not None
        fee = self.compute_fee(extrinsic.length, extrinsic.info, tip)
        if fee:
            try:
                self.config.currency.withdraw(who, fee, Preservation.PRESERVE)
            except DispatchError as error:
                raise InvalidTransaction(InvalidReason.Payment) from error
        return Charged(fee, tip)

    def _settle(
        self, extrinsic: Extrinsic, charged: Charged, post: PostDispatchInfo, error: DispatchErrorValue | None
    ) -> None:
        del error  # a failed call pays like any other
        who = extrinsic.signer
        assert who is not None
        actual = charged.fee
        if post.actual_weight is not None or post.pays_fee is Pays.No:
            actual = min(actual, self._actual_fee(extrinsic, post, charged.tip))
            if actual < charged.fee:
                self._refund(who, charged.fee - actual)
        self._collected += actual
        self.deposit(self.TransactionFeePaid(who, actual, charged.tip))

    def _refund(self, who: AccountId, amount: int) -> None:
        """Give back what was charged too much; who is dead by now leaves it with the fee."""
        if self.config.currency.total_balance(who):
            self.config.currency.deposit_creating(who, amount)
        else:
            self._collected += amount

    def _actual_fee(self, extrinsic: Extrinsic, post: PostDispatchInfo, tip: int) -> int:
        info = extrinsic.info
        weight = info.weight if post.actual_weight is None else post.actual_weight
        pays = Pays.No if Pays.No in {info.pays_fee, post.pays_fee} else Pays.Yes
        return self.compute_fee(extrinsic.length, DispatchInfo(weight, info.class_, pays), tip)

    def _adjusted(self, current: int) -> int:
        """Return the next multiplier: 1 + v·d + (v·d)²/2 times the current, d the deviation from the
        target."""
        used, available = self.config.system.normal_fullness()
        target = available * self.config.target_fullness_percent // 100
        deviation = (min(used, available) - target) * FIXED_ONE // available
        step = deviation * ADJUSTMENT_E5 // 100_000
        following = (
            current + current * step // FIXED_ONE + current * (step * step // FIXED_ONE) // (2 * FIXED_ONE)
        )
        return max(MULTIPLIER_MIN, min(MULTIPLIER_MAX, following))
