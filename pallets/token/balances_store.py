"""Where a second instance of Balances keeps its balances: in its own storage, with System's references.

Responsible for giving a map of balances the face of System's account store, so that the pallet need not know
which of the two it writes to. It knows no rule of balances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import structs

from runtime.frame.account import AccountData, AccountInfo, Accounts
from runtime.frame.storage import Map
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class OwnAccounts:
    """References in System, balances in a map; an account without balance has no entry in the map."""

    system: Accounts
    balances: Map[AccountId, AccountData]

    def get_account(self, who: AccountId) -> AccountInfo:
        """Return System's record with this store's balances."""
        return structs.replace(self.system.get_account(who), data=self.balances.get(who))

    def all_accounts(self) -> Iterator[tuple[AccountId, AccountInfo]]:
        """Yield every account with a balance in raw key order."""
        for who, data in self.balances.items():
            yield who, structs.replace(self.system.get_account(who), data=data)

    def put_data(self, who: AccountId, data: AccountData) -> None:
        """Replace the balances of an account."""
        if data.free == data.reserved == data.frozen == 0:
            self.balances.remove(who)
        else:
            self.balances.put(who, data)

    def replace_data(self, who: AccountId, info: AccountInfo, data: AccountData) -> None:
        """Replace the balances of an account."""
        del info  # the references stay with System
        self.put_data(who, data)

    def exists(self, who: AccountId) -> bool:
        """Tell whether the account exists."""
        return self.system.exists(who)

    def inc_providers(self, who: AccountId) -> None:
        """Add a reason for the account to exist."""
        self.system.inc_providers(who)

    def dec_providers(self, who: AccountId) -> None:
        """Drop a reason to exist."""
        self.system.dec_providers(who)

    def can_dec_provider(self, who: AccountId) -> bool:
        """Tell whether `dec_providers` would succeed."""
        return self.system.can_dec_provider(who)

    def inc_consumers(self, who: AccountId) -> None:
        """Add a reason for the account to stay."""
        self.system.inc_consumers(who)

    def can_accrue_consumers(self, who: AccountId, count: int) -> bool:
        """Tell whether `inc_consumers` would succeed as many times in a row."""
        return self.system.can_accrue_consumers(who, count)

    def dec_consumers(self, who: AccountId) -> None:
        """Drop a reason to stay."""
        self.system.dec_consumers(who)

    def inc_sufficients(self, who: AccountId) -> None:
        """Add a self-sufficient reason to exist."""
        self.system.inc_sufficients(who)

    def dec_sufficients(self, who: AccountId) -> None:
        """Drop a self-sufficient reason to exist."""
        self.system.dec_sufficients(who)
