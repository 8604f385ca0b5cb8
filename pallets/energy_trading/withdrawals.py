"""Orders of accounts that may not trade any more are taken out of open books before a gate closes.

Responsible for a queue of accounts whose standing may have changed, and for what happens to their orders at
the beginning of the next block: each account is asked about once, whatever it has in how many slots, so an
order costs nothing for it. Gates wait until the queue is empty, and no auction finds a price over an order of
an account that had lost its standing in an earlier block. Why an account may not trade is its judge's.

An account that may trade again when its turn comes keeps its orders. What a gate has closed over stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from pallets.energy_trading import market_events as events
from pallets.energy_trading import weights
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import NOBODY_WAITS, Phase, Span
from pallets.energy_trading.order_desk import OrderDesk
from runtime.frame.dispatch import DispatchError, DispatchErrorValue, Weight
from runtime.frame.permissions import Activity
from runtime.frame.storage import Map, Value
from runtime.primitives.arithmetic import U64_MAX, checked_add
from runtime.primitives.scale import u64
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """The accounts of one market instance that are to be asked about."""

    store: MarketStore
    desk: OrderDesk
    doubted: Map[u64, AccountId | None]
    span: Value[Span]

    def doubt(self, who: AccountId) -> None:
        """Let an account with orders be asked about in the next block, before any gate closes."""
        if not self.store.open_orders.get(who).listed:
            return
        first, following = self.span.get()
        self.doubted.put(following, who)
        self.span.put((first, checked_add(following, 1, U64_MAX)))

    def go_on(self, used: Weight) -> tuple[Weight, bool]:
        """Ask about accounts as weight allows, at least one; return the weight used, and if none waits."""
        first, following = start = self.span.get()
        while first < following:
            who = self.doubted.get(first)
            assert who is not None, "who waits is listed"
            listed = len(self.store.open_orders.get(who).listed)
            per_order = weights.MARKET_CANCEL_ALL_PER_ORDER.times(listed)
            cost = used.plus(weights.MARKET_CANCEL_ALL).plus(per_order)
            if first > start[0] and not cost.fits(self.store.config.hook_weight):
                break
            used = cost
            self._ask(who)
            self.doubted.remove(first)
            first += 1
        if first > start[0]:
            self.span.put((first, following) if first < following else NOBODY_WAITS)
        return used, first == following

    def check(self) -> None:
        """AssertionError unless who waits is listed and nobody else."""
        first, following = self.span.get()
        listed = sorted(number for number, _ in self.doubted.items())
        assert listed == list(range(first, following)), "who is to be asked about is listed"

    def _ask(self, who: AccountId) -> None:
        """Withdraw an account's orders from open books unless it may trade."""
        try:
            self.store.config.permissions.ensure(who, Activity.Trade)
        except DispatchError as refusal:
            self._withdraw(who, refusal.value())

    def _withdraw(self, who: AccountId, reason: DispatchErrorValue) -> None:
        store = self.store
        for order_id in store.active_orders(who):
            order = store.orders.get(order_id)
            assert order is not None, "an active order is stored"
            book = store.books.get((order.zone, order.slot))
            assert book is not None, "an order has a book"
            if book.phase is Phase.Open:
                self.desk.take_out(order_id, order, book)
                store.deposit(events.OrderWithdrawn(order_id, reason))
