"""Utility: several calls in one, and calls from accounts derived from the caller's.

Responsible for the order, the events and the weight of batches. It keeps nothing in storage and knows no
other pallet: every inner call goes through the runtime's dispatcher with the filters of its origin. Source:
pallet_utility.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from pallets.core import weights
from runtime.frame.call import Call, RuntimeCall, around, call, inner_class
from runtime.frame.dispatch import (
    NO_WEIGHT,
    ROOT,
    BadOrigin,
    DispatchClass,
    DispatchError,
    DispatchErrorValue,
    NoOrigin,
    Origin,
    PalletError,
    PostDispatchInfo,
    Signed,
    Weight,
    ensure_root,
    with_filter,
)
from runtime.frame.event import Event
from runtime.frame.origins import OriginCaller
from runtime.frame.pallet import Pallet, named_constant
from runtime.frame.validity import DispatchOutcome
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import u16, u32
from runtime.primitives.types import AccountId

BATCHED_CALLS_MAX = 10_922
"""Most calls in one batch, as on Polkadot."""

DERIVATION_PREFIX = b"modlpy/utilisuba"


Calls: TypeAlias = tuple[RuntimeCall, ...]


class _Progress(NamedTuple):
    """What a batch did so far: weight used by inner calls, how many ran, error of the last one."""

    used: Weight
    made: int
    error: DispatchErrorValue | None


def derivative_account(who: AccountId, index: int) -> AccountId:
    """Return the account that `as_derivative` acts for."""
    return AccountId(blake2_256(DERIVATION_PREFIX + who + index.to_bytes(2, "little")))


class Utility(Pallet[None]):
    """Batches of calls and derivative accounts."""

    class BatchInterrupted(Event, index=0):
        """A batch stopped at its call number `index`, counted from 0, which failed with `error`."""

        index: u32
        error: DispatchErrorValue

    class BatchCompleted(Event, index=1):
        """Every call of a batch succeeded."""

    class BatchCompletedWithErrors(Event, index=2):
        """Every call of a batch was made, and some failed."""

    class ItemCompleted(Event, index=3):
        """One call of a batch succeeded."""

    class ItemFailed(Event, index=4):
        """One call of a batch failed; the batch goes on."""

        error: DispatchErrorValue

    class DispatchedAs(Event, index=5):
        """A call was made with an origin chosen by Root."""

        result: DispatchOutcome

    class TooManyCalls(PalletError, index=0):
        """The batch has more calls than `batched_calls_limit`."""

    @named_constant("batched_calls_limit")
    def batched_calls_limit(self) -> u32:
        """The most calls in one batch."""
        return BATCHED_CALLS_MAX

    # --- weights and classes

    def _inner_weight(self, calls: Calls) -> Weight:
        total = NO_WEIGHT
        for inner in calls:
            total = total.plus(inner.weight())
        return total

    def _batch_weight(self, calls: Calls) -> Weight:
        return _batch_base(len(calls)).plus(self._inner_weight(calls))

    def _batch_all_weight(self, calls: Calls) -> Weight:
        return _batch_all_base(len(calls)).plus(self._inner_weight(calls))

    def _force_batch_weight(self, calls: Calls) -> Weight:
        return _force_batch_base(len(calls)).plus(self._inner_weight(calls))

    def _batch_class(self, calls: Calls) -> DispatchClass:
        """Normal as soon as one call is, so that none escapes the limits of normal extrinsics in a batch."""
        is_normal = any(inner.info().class_ is DispatchClass.Normal for inner in calls)
        return DispatchClass.Normal if is_normal else DispatchClass.Operational

    def _given_weight(self, _inner: Call, weight: Weight) -> Weight:
        return weight

    # --- calls

    @call(0, weight=_batch_weight, dispatch_class=_batch_class)
    def batch(self, origin: Origin, calls: Calls) -> PostDispatchInfo:
        """Make several calls in order, up to the first that fails.

        The batch itself succeeds either way: `BatchInterrupted` tells where it stopped, `BatchCompleted`
        that every call was made. What the calls before the failing one did stays.
        """
        self._ensure_batch(origin, calls)
        progress = self._run_until_error(origin, calls)
        if progress.error is None:
            self.deposit(self.BatchCompleted())
        else:
            self.deposit(self.BatchInterrupted(progress.made - 1, progress.error))
        return PostDispatchInfo(_batch_base(progress.made).plus(progress.used))

    @call(1, weight=around(weights.UTILITY_AS_DERIVATIVE), dispatch_class=inner_class)
    def as_derivative(self, origin: Origin, index: u16, call: RuntimeCall) -> PostDispatchInfo:
        """Make a call from the account derived from the signer's and an index.

        Restrictions of the signer, such as those of a proxy, hold for the derived account too.
        """
        if not isinstance(origin, Signed):
            raise BadOrigin
        derived = Signed(derivative_account(origin.who, index), origin.filters)
        result = self.dispatcher.dispatch(call, derived)
        post = PostDispatchInfo(weights.UTILITY_AS_DERIVATIVE.plus(result.weight(call.weight())))
        if result.error is not None:
            raise DispatchError(result.error).with_post_info(post)
        return post

    @call(2, weight=_batch_all_weight, dispatch_class=_batch_class)
    def batch_all(self, origin: Origin, calls: Calls) -> PostDispatchInfo:
        """Make several calls in order, all of them or none: if one fails, the whole batch fails."""
        self._ensure_batch(origin, calls)
        progress = self._run_until_error(with_filter(origin, self._is_not_batch_all), calls)
        post = PostDispatchInfo(_batch_all_base(progress.made).plus(progress.used))
        if progress.error is not None:
            raise DispatchError(progress.error).with_post_info(post)
        self.deposit(self.BatchCompleted())
        return post

    @call(3, weight=around(weights.UTILITY_DISPATCH_AS), dispatch_class=inner_class)
    def dispatch_as(self, origin: Origin, as_origin: OriginCaller, call: RuntimeCall) -> None:
        """Make a call with a given origin, unfiltered. Only for Root."""
        ensure_root(origin)
        result = self.dispatcher.dispatch_unfiltered(call, as_origin)
        self.deposit(self.DispatchedAs(result.error))

    @call(4, weight=_force_batch_weight, dispatch_class=_batch_class)
    def force_batch(self, origin: Origin, calls: Calls) -> PostDispatchInfo:
        """Make several calls in order and go on after failures, which `ItemFailed` events report."""
        self._ensure_batch(origin, calls)
        used, failed = NO_WEIGHT, False
        for inner in calls:
            result = self.dispatcher.dispatch(inner, origin)
            used = used.plus(result.weight(inner.weight()))
            if result.error is None:
                self.deposit(self.ItemCompleted())
            else:
                failed = True
                self.deposit(self.ItemFailed(result.error))
        self.deposit(self.BatchCompletedWithErrors() if failed else self.BatchCompleted())
        return PostDispatchInfo(_force_batch_base(len(calls)).plus(used))

    @call(5, weight=_given_weight, dispatch_class=inner_class)
    def with_weight(self, origin: Origin, call: RuntimeCall, weight: Weight) -> None:  # noqa: ARG002  # see _given_weight
        """Make a call as Root, counted with the given weight instead of its own. Only for Root."""
        ensure_root(origin)
        result = self.dispatcher.dispatch(call, ROOT)
        if result.error is not None:
            raise DispatchError(result.error)

    # --- helpers

    def _ensure_batch(self, origin: Origin, calls: Calls) -> None:
        if isinstance(origin, NoOrigin):
            raise BadOrigin
        if len(calls) > BATCHED_CALLS_MAX:
            raise self.TooManyCalls

    def _run_until_error(self, origin: Origin, calls: Calls) -> _Progress:
        used = NO_WEIGHT
        for position, inner in enumerate(calls):
            result = self.dispatcher.dispatch(inner, origin)
            used = used.plus(result.weight(inner.weight()))
            if result.error is not None:
                return _Progress(used, position + 1, result.error)
            self.deposit(self.ItemCompleted())
        return _Progress(used, len(calls), None)

    def _is_not_batch_all(self, inner: Call) -> bool:
        return inner.spec.pallet_index != self.index or inner.spec.name != "batch_all"


def _base_of(fixed: Weight, per_call: Weight) -> Callable[[int], Weight]:
    return lambda count: fixed.plus(per_call.times(count))


_batch_base = _base_of(weights.UTILITY_BATCH, weights.UTILITY_BATCH_PER_CALL)
_batch_all_base = _base_of(weights.UTILITY_BATCH_ALL, weights.UTILITY_BATCH_ALL_PER_CALL)
_force_batch_base = _base_of(weights.UTILITY_FORCE_BATCH, weights.UTILITY_FORCE_BATCH_PER_CALL)
