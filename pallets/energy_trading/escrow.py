"""The money of a market: what buyers have on hold for their orders, and the pot that they pay into.

Responsible for moving WATT between free balances, the escrow hold and the market's pot, always the exact
amount. It knows neither orders nor prices.

What the pot owes to an account that cannot receive it, because it died meanwhile or because it is less than
the minimum balance, is written down and can be claimed later, so a refund never fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading.market_store import MarketStore
from runtime.frame.dispatch import DispatchError
from runtime.frame.fungible import Preservation
from runtime.frame.fungibles import Spending
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Escrow:
    """Holds and payments of one market instance."""

    store: MarketStore

    def hold(self, who: AccountId, amount: int) -> None:
        """Put free balance on hold; InsufficientFunds where there is too little above the minimum."""
        asset = self.store.config.asset
        try:
            asset.hold(self.store.escrow, who, amount)
        except DispatchError as refusal:
            if amount > asset.reducible_balance(who, Preservation.PRESERVE):
                raise self.store.error(errors.InsufficientFunds) from refusal
            raise

    def release(self, who: AccountId, amount: int) -> None:
        """Give held balance back."""
        if amount:
            released = self.store.config.asset.release(self.store.escrow, who, amount)
            assert released == amount, "every active order's money is on hold"

    def adjust(self, who: AccountId, old: int, new: int) -> None:
        """Hold so much more or less; raises what `hold` raises."""
        if new > old:
            self.hold(who, new - old)
        else:
            self.release(who, old - new)

    def pay(self, who: AccountId, amount: int) -> None:
        """Move held balance into the pot."""
        if amount:
            config = self.store.config
            config.asset.transfer_on_hold(self.store.escrow, who, config.market_pot, amount)

    def spend(self, spendings: Sequence[Spending]) -> None:
        """Move of each account so much of what is held into the pot, and give so much back."""
        if spendings:
            config = self.store.config
            config.asset.spend_holds(self.store.escrow, config.market_pot, spendings)

    def pay_in(self, who: AccountId, amount: int) -> None:
        """Move free balance into the pot; InsufficientFunds where there is too little above the minimum."""
        config = self.store.config
        if amount > config.asset.reducible_balance(who, Preservation.PRESERVE):
            raise self.store.error(errors.InsufficientFunds)
        config.asset.transfer(who, config.market_pot, amount, Preservation.PRESERVE)

    def refund(self, who: AccountId, amount: int) -> None:
        """Pay an account out of the pot, with what was written down for it before, or write it down."""
        if not amount:
            return
        owed = self.store.unclaimed.get(who) + amount
        if self.store.config.asset.can_receive(who, owed):
            self.store.unclaimed.remove(who)
            self.pay_out(who, owed)
        else:
            self.store.unclaimed.put(who, owed)

    def pay_out(self, who: AccountId, amount: int) -> None:
        """Move an amount out of the pot, never below the minimum balance that it was endowed with."""
        if amount:
            config = self.store.config
            config.asset.transfer(config.market_pot, who, amount, Preservation.PRESERVE)

    def collect(self, to: AccountId, amount: int) -> None:
        """Move collected fees out of the treasury's pot, never below its endowment; InsufficientFunds."""
        config = self.store.config
        if amount > config.asset.reducible_balance(config.treasury_pot, Preservation.PRESERVE):
            raise self.store.error(errors.InsufficientFunds)
        config.asset.transfer(config.treasury_pot, to, amount, Preservation.PRESERVE)

    def claim(self, who: AccountId) -> int:
        """Pay out what was written down for an account and return it; NothingToDo where that is nothing."""
        amount = self.store.unclaimed.take(who)
        if amount == 0:
            raise self.store.error(errors.NothingToDo)
        self.pay_out(who, amount)
        return amount
