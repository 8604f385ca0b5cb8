"""Sudo: one account that may make any call as Root, for development chains.

Responsible for the key and for authenticating it. What the calls do it does not know. Calls, events, errors
and storage layout are pallet_sudo's.
"""

from __future__ import annotations

from pallets.core import weights
from runtime.frame.account import lookup
from runtime.frame.call import Call, RuntimeCall, around, call, inner_class
from runtime.frame.dispatch import (
    ROOT,
    Origin,
    PalletError,
    Pays,
    PostDispatchInfo,
    RootOrigin,
    Signed,
    Weight,
    ensure_signed,
)
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet
from runtime.frame.storage import Value, storage
from runtime.frame.validity import DispatchOutcome
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.types import AccountId

FREE = PostDispatchInfo(None, Pays.No)


class Sudo(Pallet[None]):
    """The superuser of a development chain."""

    key: Value[AccountId | None] = storage(docs="The `AccountId` of the sudo key.")

    class Sudid(Event, index=0):
        """The superuser made a call as Root, with this result."""

        sudo_result: DispatchOutcome

    class KeyChanged(Event, index=1):
        """There is a new superuser."""

        old: AccountId | None
        new: AccountId

    class KeyRemoved(Event, index=2):
        """There is no superuser any more."""

    class SudoAsDone(Event, index=3):
        """The superuser made a call as another account, with this result."""

        sudo_result: DispatchOutcome

    class RequireSudo(PalletError, index=0):
        """Only the superuser can do this."""

    def genesis(self, key: AccountId | None) -> None:
        """Set the superuser that the chain starts with."""
        if key is not None:
            self.key.put(key)

    # --- weights

    def _given_weight(self, _inner: Call, weight: Weight) -> Weight:
        return weight

    # --- calls

    @call(0, weight=around(weights.SUDO_SUDO), dispatch_class=inner_class)
    def sudo(self, origin: Origin, call: RuntimeCall) -> PostDispatchInfo:
        """Make a call as Root. Only for the superuser, who pays no fee."""
        self._ensure_sudo(origin)
        result = self.dispatcher.dispatch_unfiltered(call, ROOT)
        self.deposit(self.Sudid(result.error))
        return FREE

    @call(1, weight=_given_weight, dispatch_class=inner_class)
    def sudo_unchecked_weight(self, origin: Origin, call: RuntimeCall, weight: Weight) -> PostDispatchInfo:  # noqa: ARG002  # see _given_weight
        """Make a call as Root, counted with the given weight instead of its own. Only for the superuser."""
        self._ensure_sudo(origin)
        result = self.dispatcher.dispatch_unfiltered(call, ROOT)
        self.deposit(self.Sudid(result.error))
        return FREE

    @call(2, weight=weights.SUDO_SET_KEY)
    def set_key(self, origin: Origin, new: MultiAddress) -> PostDispatchInfo:
        """Hand the superuser's powers to another account. Only for the superuser."""
        self._ensure_sudo(origin)
        account = lookup(new)
        self.deposit(self.KeyChanged(self.key.get(), account))
        self.key.put(account)
        return FREE

    @call(3, weight=around(weights.SUDO_SUDO_AS), dispatch_class=inner_class)
    def sudo_as(self, origin: Origin, who: MultiAddress, call: RuntimeCall) -> PostDispatchInfo:
        """Make a call as if another account had signed it. Only for the superuser."""
        self._ensure_sudo(origin)
        result = self.dispatcher.dispatch_unfiltered(call, Signed(lookup(who)))
        self.deposit(self.SudoAsDone(result.error))
        return FREE

    @call(4, weight=weights.SUDO_REMOVE_KEY)
    def remove_key(self, origin: Origin) -> PostDispatchInfo:
        """Give up the superuser's powers for ever. Only for the superuser."""
        self._ensure_sudo(origin)
        self.deposit(self.KeyRemoved())
        self.key.kill()
        return FREE

    # --- helpers

    def _ensure_sudo(self, origin: Origin) -> None:
        """RequireSudo unless the superuser signed, or Root itself calls."""
        if isinstance(origin, RootOrigin):
            return
        if ensure_signed(origin) != self.key.get():
            raise self.RequireSudo
