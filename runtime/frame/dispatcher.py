"""Dispatch of calls: filters, storage layer, outcome; the same for extrinsics and for calls within calls.

Responsible for making every call all-or-nothing: what a failed one wrote is rolled back to the state before
it, and its error comes back as a value. It knows no particular call. Source:
frame_support::dispatch::Dispatchable, UnfilteredDispatchable, storage layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from runtime.frame.call import Call
from runtime.frame.dispatch import (
    CallFilter,
    DispatchError,
    DispatchErrorValue,
    NoOrigin,
    Origin,
    PostDispatchInfo,
    RootOrigin,
    Weight,
    as_dispatch_error,
)
from runtime.frame.state import State
from runtime.primitives.arithmetic import ArithmeticFailure

_AS_DECLARED = PostDispatchInfo()


class Dispatched(NamedTuple):
    """Outcome of a call: what it reports of its cost, and its error (None: it succeeded)."""

    post: PostDispatchInfo
    error: DispatchErrorValue | None

    def weight(self, declared: Weight) -> Weight:
        """Return the weight really used, never above the declared one."""
        actual = self.post.actual_weight
        return declared if actual is None else actual.least(declared)


class Dispatcher:
    """Dispatches calls on one state."""

    __slots__ = ("_base_filter", "_filtered", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self._base_filter: CallFilter | None = None
        self._filtered: Callable[[], DispatchError] | None = None

    def guard(self, base_filter: CallFilter | None, filtered: Callable[[], DispatchError]) -> None:
        """Set the filter for every origin but Root, and the error of a filtered call."""
        self._base_filter = base_filter
        self._filtered = filtered

    def dispatch(self, call: Call, origin: Origin) -> Dispatched:
        """Make a call if the chain's filter and the origin's own allow it; a failed one changes nothing."""
        if not self._is_allowed(call, origin):
            assert self._filtered is not None, "filters come with their error"
            return Dispatched(_AS_DECLARED, self._filtered().value())
        return self.dispatch_unfiltered(call, origin)

    def dispatch_unfiltered(self, call: Call, origin: Origin) -> Dispatched:
        """Make a call whatever the filters say; a failed one changes nothing."""
        mark = self.state.mark()
        try:
            post = call.spec.function(origin, *call.args)
        except (DispatchError, ArithmeticFailure) as failure:
            self.state.rollback(mark)
            error = as_dispatch_error(failure)
            return Dispatched(error.post_info, error.value())
        return Dispatched(_AS_DECLARED if post is None else post, None)

    def _is_allowed(self, call: Call, origin: Origin) -> bool:
        if isinstance(origin, RootOrigin):
            return True
        if self._base_filter is not None and not self._base_filter(call):
            return False
        if isinstance(origin, NoOrigin) or not origin.filters:
            return True
        return all(allows(call) for allows in origin.filters)
