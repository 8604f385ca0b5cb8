"""The account record that System keeps and what other pallets need of it, as a Protocol.

Source: frame_system::AccountInfo with pallet_balances::AccountData.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from runtime.frame.dispatch import CannotLookup
from runtime.primitives.extrinsic import Address32, AddressId, MultiAddress
from runtime.primitives.scale import Struct, u32, u128
from runtime.primitives.types import AccountId

POT_ID_BYTES = 8
NEW_LOGIC_FLAG = 1 << 127
"""Bit of `flags` that current Substrate sets on every account it has touched."""


class AccountData(Struct, path="pallet_balances::types::AccountData"):
    """Balances of an account: `free`, `reserved` (held), and `frozen`, below which free plus reserved may
    not go."""

    free: u128 = 0
    reserved: u128 = 0
    frozen: u128 = 0
    flags: u128 = NEW_LOGIC_FLAG


class AccountInfo(Struct, path="frame_system::AccountInfo"):
    """Nonce, reference counts and balances; the 80 bytes under System.Account."""

    nonce: u32 = 0
    consumers: u32 = 0
    providers: u32 = 0
    sufficients: u32 = 0
    data: AccountData = AccountData()


def pot_account(pot_id: bytes) -> AccountId:
    """Return the account of a pallet's pot, which no key can sign for; `pot_id` has 8 bytes.

    Source: frame_support::PalletId::into_account_truncating.
    """
    assert len(pot_id) == POT_ID_BYTES, "a pot's id has 8 bytes"
    return AccountId((b"modl" + pot_id).ljust(32, b"\0"))


class Accounts(Protocol):
    """The account store as other pallets use it."""

    def get_account(self, who: AccountId) -> AccountInfo:
        """Return the record, the default one when the account does not exist."""
        ...

    def all_accounts(self) -> Iterator[tuple[AccountId, AccountInfo]]:
        """Yield every account in raw key order, for consistency checks."""
        ...

    def put_data(self, who: AccountId, data: AccountData) -> None:
        """Replace the balances of an account that exists or is about to."""
        ...

    def replace_data(self, who: AccountId, info: AccountInfo, data: AccountData) -> None:
        """Replace the balances of an account whose record is known to be `info`."""
        ...

    def exists(self, who: AccountId) -> bool:
        """Tell whether the account exists."""
        ...

    def inc_providers(self, who: AccountId) -> None:
        """Add a reason for the account to exist; the first creates it."""
        ...

    def dec_providers(self, who: AccountId) -> None:
        """Drop a reason to exist; the last one reaps the account, or fails with ConsumerRemaining."""
        ...

    def can_dec_provider(self, who: AccountId) -> bool:
        """Tell whether `dec_providers` would succeed."""
        ...

    def inc_consumers(self, who: AccountId) -> None:
        """Add a reason for the account to stay; fails with NoProviders or TooManyConsumers."""
        ...

    def can_accrue_consumers(self, who: AccountId, count: int) -> bool:
        """Tell whether `inc_consumers` would succeed as many times in a row."""
        ...

    def dec_consumers(self, who: AccountId) -> None:
        """Drop a reason to stay."""
        ...

    def inc_sufficients(self, who: AccountId) -> None:
        """Add a self-sufficient reason to exist."""
        ...

    def dec_sufficients(self, who: AccountId) -> None:
        """Drop a self-sufficient reason to exist; the last reason of all reaps the account."""
        ...


def lookup(address: MultiAddress) -> AccountId:
    """Return the account that an address names directly; CannotLookup for indices and foreign forms."""
    if isinstance(address, AddressId):
        return address.field_0
    if isinstance(address, Address32):
        return AccountId(address.field_0)
    raise CannotLookup
