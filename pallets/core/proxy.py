"""Proxy: accounts let others make some of their calls, at once or after an announcement.

Responsible for who may act for whom, within which type of proxy, for announcements and their delays, and for
the deposits that pay for all of it. What a type of proxy allows the composition says. It knows the currency
only as a Protocol. Calls, events, errors and storage layout are pallet_proxy's.

Invariant (checked by `try_state`): lists of proxies are sorted without repetition, no list is empty, and
deposits follow from the lengths of the lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, TypeAlias

from pallets.core import weights
from runtime.frame.account import lookup
from runtime.frame.block_numbers import BlockNumbers
from runtime.frame.call import Call, RuntimeCall, around, call, inner_class
from runtime.frame.dispatch import (
    Origin,
    PalletError,
    PostDispatchInfo,
    Signed,
    Weight,
    ensure_signed,
)
from runtime.frame.event import Event
from runtime.frame.fungible import Reservable, adjust_reserve
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import TWOX_64_CONCAT, Map, storage
from runtime.frame.validity import DispatchOutcome
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import Compact, MaxLen, Struct, u16, u32, u128
from runtime.primitives.shape import Foreign
from runtime.primitives.types import AccountId, Hash

DERIVATION_PREFIX = b"modlpy/proxy____"
PROXIES_MAX = 32
"""Most proxies of one account, as on Polkadot."""
PENDING_MAX = 32
"""Most open announcements of one account, as on Polkadot."""
MOST_PERMISSIVE = 0
"""The proxy type that allows everything; the composition's enum begins with it."""

ProxyType: TypeAlias = Annotated[IntEnum, Foreign("ProxyType")]
"""The composition's enum of proxy types."""


class ProxyDefinition(Struct, path="pallet_proxy::ProxyDefinition"):
    """Who may act, as which type of proxy, after how many blocks from the announcement (0: at once)."""

    delegate: AccountId
    proxy_type: ProxyType
    delay: u32


class Announcement(Struct, path="pallet_proxy::Announcement"):
    """A call that a proxy is going to make for `real`, announced in block `height`."""

    real: AccountId
    call_hash: Hash
    height: u32


Definitions: TypeAlias = Annotated[tuple[ProxyDefinition, ...], MaxLen(PROXIES_MAX)]
Pending: TypeAlias = Annotated[tuple[Announcement, ...], MaxLen(PENDING_MAX)]


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """What a type of proxy allows and deposits in the currency's smallest unit.

    `allows` tells whether a type of proxy may make a call, `is_superset` whether a first type may do all
    that a second may.
    """

    currency: Reservable
    system: BlockNumbers
    allows: Callable[[IntEnum, Call], bool]
    is_superset: Callable[[IntEnum, IntEnum], bool]
    proxy_deposit_base: int
    proxy_deposit_factor: int
    announcement_deposit_base: int
    announcement_deposit_factor: int


class Proxy(Pallet[ProxyConfig]):
    """Accounts that act for others."""

    proxies: Map[AccountId, tuple[Definitions, u128]] = storage(
        TWOX_64_CONCAT,
        default=((), 0),
        docs="The set of account proxies. Maps the account which has delegated to the accounts which are "
        "being delegated to, together with the amount held on deposit.",
    )
    announcements: Map[AccountId, tuple[Pending, u128]] = storage(
        TWOX_64_CONCAT, default=((), 0), docs="The announcements made by the proxy (key)."
    )

    class ProxyExecuted(Event, index=0):
        """A proxy made a call, with this result."""

        result: DispatchOutcome

    class PureCreated(Event, index=1):
        """A pure account, which nobody has a key of, was created for `who`."""

        pure: AccountId
        who: AccountId
        proxy_type: ProxyType
        disambiguation_index: u16

    class Announced(Event, index=2):
        """A proxy announced a call that it is going to make."""

        real: AccountId
        proxy: AccountId
        call_hash: Hash

    class ProxyAdded(Event, index=3):
        """An account got a proxy."""

        delegator: AccountId
        delegatee: AccountId
        proxy_type: ProxyType
        delay: u32

    class ProxyRemoved(Event, index=4):
        """An account lost a proxy."""

        delegator: AccountId
        delegatee: AccountId
        proxy_type: ProxyType
        delay: u32

    class PureKilled(Event, index=5):
        """A pure account lost its proxies, and with them everybody who could reach it."""

        pure: AccountId
        spawner: AccountId
        proxy_type: ProxyType
        disambiguation_index: u16

    class TooMany(PalletError, index=0):
        """There are too many proxies or too many announcements."""

    class NotFound(PalletError, index=1):
        """There is no such proxy or announcement."""

    class NotProxy(PalletError, index=2):
        """The sender is not a proxy of this account."""

    class Unproxyable(PalletError, index=3):
        """The proxy's type does not allow the call; reported as `CallFiltered` by System."""

    class Duplicate(PalletError, index=4):
        """The account is a proxy already."""

    class NoPermission(PalletError, index=5):
        """The sender is not the pure account that the arguments name."""

    class Unannounced(PalletError, index=6):
        """The call was not announced, or not long enough ago."""

    class NoSelfProxy(PalletError, index=7):
        """An account cannot be its own proxy."""

    @constant
    def proxy_deposit_base(self) -> u128:
        """The amount reserved for having proxies at all."""
        return self.config.proxy_deposit_base

    @constant
    def proxy_deposit_factor(self) -> u128:
        """The amount reserved for each proxy."""
        return self.config.proxy_deposit_factor

    @constant
    def max_proxies(self) -> u32:
        """The most proxies of one account."""
        return PROXIES_MAX

    @constant
    def max_pending(self) -> u32:
        """The most open announcements of one proxy."""
        return PENDING_MAX

    @constant
    def announcement_deposit_base(self) -> u128:
        """The amount reserved for having open announcements at all."""
        return self.config.announcement_deposit_base

    @constant
    def announcement_deposit_factor(self) -> u128:
        """The amount reserved for each open announcement."""
        return self.config.announcement_deposit_factor

    # --- weights

    def _announced_weight(
        self, _delegate: MultiAddress, _real: MultiAddress, _type: IntEnum | None, inner: Call
    ) -> Weight:
        return _announced_base(inner).plus(inner.weight())

    # --- calls

    @call(0, weight=around(weights.PROXY_PROXY), dispatch_class=inner_class)
    def proxy(
        self, origin: Origin, real: MultiAddress, force_proxy_type: ProxyType | None, call: RuntimeCall
    ) -> PostDispatchInfo:
        """Make a call for an account that made the sender its proxy.

        `force_proxy_type` says as which type of proxy, where the sender is more than one.
        """
        who = ensure_signed(origin)
        account = lookup(real)
        definition = self._find(account, who, force_proxy_type)
        if definition.delay:
            raise self.Unannounced
        return PostDispatchInfo(weights.PROXY_PROXY.plus(self._act(definition, account, call)))

    @call(1, weight=weights.PROXY_ADD_PROXY)
    def add_proxy(self, origin: Origin, delegate: MultiAddress, proxy_type: ProxyType, delay: u32) -> None:
        """Let another account act for the sender, after a delay in blocks if it is not 0."""
        who = ensure_signed(origin)
        other = lookup(delegate)
        if other == who:
            raise self.NoSelfProxy
        found, deposit = self.proxies.get(who)
        definition = ProxyDefinition(other, proxy_type, delay)
        if definition in found:
            raise self.Duplicate
        if len(found) >= PROXIES_MAX:
            raise self.TooMany
        definitions = tuple(sorted((*found, definition), key=_order))
        self._set_proxies(who, definitions, deposit)
        self.deposit(self.ProxyAdded(who, other, proxy_type, delay))

    @call(2, weight=weights.PROXY_REMOVE_PROXY)
    def remove_proxy(self, origin: Origin, delegate: MultiAddress, proxy_type: ProxyType, delay: u32) -> None:
        """Take back a permission that `add_proxy` gave; the deposit comes back."""
        who = ensure_signed(origin)
        other = lookup(delegate)
        found, deposit = self.proxies.get(who)
        definition = ProxyDefinition(other, proxy_type, delay)
        if definition not in found:
            raise self.NotFound
        self._set_proxies(who, tuple(d for d in found if d != definition), deposit)
        self.deposit(self.ProxyRemoved(who, other, proxy_type, delay))

    @call(3, weight=weights.PROXY_REMOVE_PROXIES)
    def remove_proxies(self, origin: Origin) -> None:
        """Take back every permission of the sender. A pure account that does so is lost for ever."""
        who = ensure_signed(origin)
        _, deposit = self.proxies.take(who)
        self.config.currency.unreserve(who, deposit)

    @call(4, weight=weights.PROXY_CREATE_PURE)
    def create_pure(self, origin: Origin, proxy_type: ProxyType, delay: u32, index: u16) -> None:
        """Create an account that nobody has a key of, with the sender as its proxy.

        `index` tells several of one extrinsic apart.
        """
        who = ensure_signed(origin)
        pure = self.pure_account(
            who, proxy_type, index, self.config.system.current_number(), self.extrinsic_index()
        )
        if self.proxies.contains(pure):
            raise self.Duplicate
        deposit = _deposit(self.config.proxy_deposit_base, self.config.proxy_deposit_factor, 1)
        self.config.currency.reserve(who, deposit)
        self.proxies.put(pure, ((ProxyDefinition(who, proxy_type, delay),), deposit))
        self.deposit(self.PureCreated(pure, who, proxy_type, index))

    @call(5, weight=weights.PROXY_KILL_PURE)
    def kill_pure(
        self,
        origin: Origin,
        spawner: MultiAddress,
        proxy_type: ProxyType,
        index: u16,
        height: Compact[u32],
        ext_index: Compact[u32],
    ) -> None:
        """Remove a pure account's proxies. All access to the account is lost, with what it holds.

        The pure account itself must be the sender, and the arguments those of its creation.
        """
        who = ensure_signed(origin)
        creator = lookup(spawner)
        if self.pure_account(creator, proxy_type, index, height, ext_index) != who:
            raise self.NoPermission
        _, deposit = self.proxies.take(who)
        self.config.currency.unreserve(creator, deposit)
        self.deposit(self.PureKilled(who, creator, proxy_type, index))

    @call(6, weight=weights.PROXY_ANNOUNCE)
    def announce(self, origin: Origin, real: MultiAddress, call_hash: Hash) -> None:
        """Announce the blake2b-256 hash of a call that the sender is going to make for another account."""
        who = ensure_signed(origin)
        account = lookup(real)
        self._find(account, who, None)
        pending, deposit = self.announcements.get(who)
        if len(pending) >= PENDING_MAX:
            raise self.TooMany
        announcement = Announcement(account, call_hash, self.config.system.current_number())
        self._set_announcements(who, (*pending, announcement), deposit)
        self.deposit(self.Announced(account, who, call_hash))

    @call(7, weight=weights.PROXY_REMOVE_ANNOUNCEMENT)
    def remove_announcement(self, origin: Origin, real: MultiAddress, call_hash: Hash) -> None:
        """Withdraw an announcement of the sender; the deposit comes back."""
        who = ensure_signed(origin)
        account = lookup(real)
        if not self._drop_announcements(who, lambda a: a.real == account and a.call_hash == call_hash):
            raise self.NotFound

    @call(8, weight=weights.PROXY_REJECT_ANNOUNCEMENT)
    def reject_announcement(self, origin: Origin, delegate: MultiAddress, call_hash: Hash) -> None:
        """Reject what a proxy announced to do for the sender; the proxy's deposit comes back."""
        who = ensure_signed(origin)
        other = lookup(delegate)
        if not self._drop_announcements(other, lambda a: a.real == who and a.call_hash == call_hash):
            raise self.NotFound

    @call(9, weight=_announced_weight, dispatch_class=inner_class)
    def proxy_announced(
        self,
        origin: Origin,
        delegate: MultiAddress,
        real: MultiAddress,
        force_proxy_type: ProxyType | None,
        call: RuntimeCall,
    ) -> PostDispatchInfo:
        """Make a call that a proxy announced, once its delay has passed. Anyone can send this."""
        ensure_signed(origin)
        other, account = lookup(delegate), lookup(real)
        definition = self._find(account, other, force_proxy_type)
        call_hash = Hash(blake2_256(call.encoded()))
        now = self.config.system.current_number()

        def is_due(a: Announcement) -> bool:
            return a.real == account and a.call_hash == call_hash and now - a.height >= definition.delay

        if not self._drop_announcements(other, is_due):
            raise self.Unannounced
        return PostDispatchInfo(_announced_base(call).plus(self._act(definition, account, call)))

    # --- what others ask for

    def pure_account(
        self, who: AccountId, proxy_type: IntEnum, index: int, height: int, extrinsic: int
    ) -> AccountId:
        """Return the pure account that `create_pure` makes at a block number and extrinsic index."""
        when = height.to_bytes(4, "little") + extrinsic.to_bytes(4, "little")
        kind = int(proxy_type).to_bytes(1, "little") + index.to_bytes(2, "little")
        return AccountId(blake2_256(DERIVATION_PREFIX + who + when + kind))

    def try_state(self) -> None:
        """AssertionError unless lists are well-formed and deposits follow from their lengths."""
        config = self.config
        for who, (definitions, deposit) in self.proxies.items():
            orders = [_order(d) for d in definitions]
            assert orders == sorted(dict.fromkeys(orders)), f"{who.hex()} has disordered proxies"
            expected = _deposit(config.proxy_deposit_base, config.proxy_deposit_factor, len(definitions))
            assert definitions, f"{who.hex()} has an empty list of proxies"
            assert deposit == expected, f"{who.hex()} has a wrong proxy deposit"
        for who, (pending, deposit) in self.announcements.items():
            base, factor = config.announcement_deposit_base, config.announcement_deposit_factor
            assert pending, f"{who.hex()} has an empty list of announcements"
            assert deposit == _deposit(base, factor, len(pending)), f"{who.hex()} has a wrong deposit"
            assert config.currency.reserved_balance(who) >= deposit, f"{who.hex()} has reserved too little"

    # --- helpers

    def _find(self, real: AccountId, delegate: AccountId, forced: IntEnum | None) -> ProxyDefinition:
        for definition in self.proxies.get(real)[0]:
            if definition.delegate == delegate and (forced is None or definition.proxy_type == forced):
                return definition
        raise self.NotProxy

    def _act(self, definition: ProxyDefinition, real: AccountId, call: Call) -> Weight:
        """Make a call for `real` within the proxy's type; return the weight that it used."""

        def allows(inner: Call) -> bool:
            return self._is_allowed(definition.proxy_type, inner)

        result = self.dispatcher.dispatch(call, Signed(real, (allows,)))
        self.deposit(self.ProxyExecuted(result.error))
        return result.weight(call.weight())

    def _is_allowed(self, proxy_type: IntEnum, inner: Call) -> bool:
        """Tell whether a proxy may make a call: what its type allows, but never to gain permissions."""
        if inner.spec.pallet_index == self.index:
            match inner.spec.name:
                case "add_proxy" | "remove_proxy":
                    if not self.config.is_superset(proxy_type, inner.args[1]):
                        return False
                case "remove_proxies" | "kill_pure":
                    if proxy_type != MOST_PERMISSIVE:
                        return False
                case _:
                    pass
        return self.config.allows(proxy_type, inner)

    def _set_proxies(self, who: AccountId, definitions: tuple[ProxyDefinition, ...], old: int) -> None:
        deposit = _deposit(self.config.proxy_deposit_base, self.config.proxy_deposit_factor, len(definitions))
        adjust_reserve(self.config.currency, who, old, deposit)
        if definitions:
            self.proxies.put(who, (definitions, deposit))
        else:
            self.proxies.remove(who)

    def _set_announcements(self, who: AccountId, pending: tuple[Announcement, ...], old: int) -> None:
        config = self.config
        base, factor = config.announcement_deposit_base, config.announcement_deposit_factor
        deposit = _deposit(base, factor, len(pending))
        adjust_reserve(self.config.currency, who, old, deposit)
        if pending:
            self.announcements.put(who, (pending, deposit))
        else:
            self.announcements.remove(who)

    def _drop_announcements(self, who: AccountId, is_dropped: Callable[[Announcement], bool]) -> bool:
        """Remove announcements of a proxy; tell whether there were any such."""
        pending, deposit = self.announcements.get(who)
        kept = tuple(a for a in pending if not is_dropped(a))
        if len(kept) == len(pending):
            return False
        self._set_announcements(who, kept, deposit)
        return True


def _order(definition: ProxyDefinition) -> tuple[bytes, int, int]:
    return definition.delegate, int(definition.proxy_type), definition.delay


def _deposit(base: int, factor: int, count: int) -> int:
    return base + factor * count if count else 0


def _announced_base(inner: Call) -> Weight:
    return weights.PROXY_PROXY_ANNOUNCED.plus(
        weights.PROXY_PROXY_ANNOUNCED_PER_BYTE.times(inner.encoded_length())
    )
