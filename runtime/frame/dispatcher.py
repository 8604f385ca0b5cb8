"""Dispatch of calls: filters, guards, storage layer, outcome; the same for extrinsics and for calls within
calls.

Responsible for making every call all-or-nothing: what a failed one wrote is rolled back to the state before
it, and its error comes back as a value. It knows no particular call. Source:
frame_support::dispatch::Dispatchable, UnfilteredDispatchable, storage layers.

A filter tells by a call's kind whether an origin may make it. A guard looks at the account that makes a call
and at its arguments, may write, and has an error of its own. It stands where every call is dispatched, so
that no batch, proxy, multisig or superuser leads around it; only calls that the chain itself makes as Root
have no account to ask about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from runtime.frame.call import Call, CallSpec
from runtime.frame.dispatch import (
    CallFilter,
    DispatchError,
    DispatchErrorValue,
    NoOrigin,
    Origin,
    PostDispatchInfo,
    RootOrigin,
    Signed,
    Weight,
    as_dispatch_error,
)
from runtime.frame.state import State
from runtime.primitives.arithmetic import ArithmeticFailure
from runtime.primitives.types import AccountId

_AS_DECLARED = PostDispatchInfo()


class Dispatched(NamedTuple):
    """Outcome of a call: what it reports of its cost, and its error (None: it succeeded)."""

    post: PostDispatchInfo
    error: DispatchErrorValue | None

    def weight(self, declared: Weight) -> Weight:
        """Return the weight really used, never above the declared one."""
        actual = self.post.actual_weight
        return declared if actual is None else actual.least(declared)


class CallGuard(Protocol):
    """Decides whether an account may make a call of some kind."""

    @property
    def weight(self) -> Weight:
        """What deciding costs at most; it is part of the weight of the guarded calls."""
        ...

    def ensure_allowed(self, call: Call, who: AccountId) -> None:
        """Raise a DispatchError where the account may not make the call now. What it writes is undone where
        the call fails."""
        ...


class Dispatcher:
    """Dispatches calls on one state."""

    __slots__ = ("_base_filter", "_filtered", "_guards", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self._guards: dict[bytes, CallGuard] = {}
        self._base_filter: CallFilter | None = None
        self._filtered: Callable[[], DispatchError] | None = None

    def guard(self, base_filter: CallFilter | None, filtered: Callable[[], DispatchError]) -> None:
        """Set the filter for every origin but Root, and the error of a filtered call."""
        self._base_filter = base_filter
        self._filtered = filtered

    def guard_call(self, spec: CallSpec, guard: CallGuard) -> None:
        """Let a guard decide about each call of a kind that an account makes, and add to its weight."""
        assert spec.prefix not in self._guards, f"{spec.pallet}.{spec.name} has a guard"
        self._guards[spec.prefix] = guard
        spec.add_weight(guard.weight)

    def dispatch(self, call: Call, origin: Origin) -> Dispatched:
        """Make a call if the chain's filter and the origin's own allow it; a failed one changes nothing."""
        if not self._is_allowed(call, origin):
            assert self._filtered is not None, "filters come with their error"
            return Dispatched(_AS_DECLARED, self._filtered().value())
        return self.dispatch_unfiltered(call, origin)

    def dispatch_unfiltered(self, call: Call, origin: Origin) -> Dispatched:
        """Make a call whatever the filters say, but not against its guard; a failed one changes nothing."""
        spec = call.spec
        guard = self._guards.get(spec.prefix)
        mark = self.state.mark()
        try:
            if guard is not None and isinstance(origin, Signed):
                guard.ensure_allowed(call, origin.who)
            post = spec.function(origin, *call.args)
        except (DispatchError, ArithmeticFailure) as failure:
            self.state.rollback(mark)
            error = as_dispatch_error(failure)
            return Dispatched(_with_guard(error.post_info, guard), error.value())
        return Dispatched(_AS_DECLARED if post is None else _with_guard(post, guard), None)

    def _is_allowed(self, call: Call, origin: Origin) -> bool:
        if isinstance(origin, RootOrigin):
            return True
        if self._base_filter is not None and not self._base_filter(call):
            return False
        if isinstance(origin, NoOrigin) or not origin.filters:
            return True
        return all(allows(call) for allows in origin.filters)


def _with_guard(post: PostDispatchInfo, guard: CallGuard | None) -> PostDispatchInfo:
    """Return what a call reports of its cost with that of its guard, of which it does not know."""
    if guard is None or post.actual_weight is None:
        return post
    return PostDispatchInfo(post.actual_weight.plus(guard.weight), post.pays_fee)
