"""The desk of the market: orders are placed, amended and cancelled here.

Responsible for every check that an order meets before it waits, in order of cost, and for holding the buyer's
money: size times limit, all-in. What happens to an order once its gate is closed is not decided here.

An account is either buyer or seller in one slot of a zone, from its first order there until it has neither an
open order nor a trade; so nobody trades with oneself.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading import orders as rules
from pallets.energy_trading.continuous import ContinuousTrading
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    FLAGS_KNOWN,
    SLOT_ORDERS_MAX,
    Book,
    Market,
    MarketKind,
    NewOrder,
    OpenOrders,
    Order,
    Participant,
    Position,
)
from pallets.energy_trading.order_books import Entering, OrderBooks, is_idle, rank_ticks
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_value
from runtime.frame.permissions import Activity
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.types import AccountId

REFUSALS = {
    rules.QtyOutOfRange: errors.QtyOutOfRange,
    rules.PriceOutOfBand: errors.PriceOutOfBand,
    rules.TickSize: errors.TickSize,
}


def money_of(order: Order) -> int:
    """Return what is held for an order."""
    return compute_value(order.qty, order.limit) if order.side is Side.BUY else 0


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """Placing, amending and cancelling in one market instance."""

    store: MarketStore
    books: OrderBooks
    escrow: Escrow
    trading: ContinuousTrading

    def ensure_trader(self, who: AccountId) -> Participant:
        """Return a registered account that makes the call and is in good standing; NotParticipant, or what it
        owes. Compliance is asked in front of the call's dispatch."""
        participant = self._get_participant(who)
        self.store.config.permissions.ensure_in_good_standing(who)
        return participant

    def ensure_party(self, who: AccountId) -> Participant:
        """Return a registered account that may trade now, whoever makes the call; NotParticipant, or why
        Compliance forbids it."""
        participant = self._get_participant(who)
        self.store.config.permissions.ensure(who, Activity.Trade)
        return participant

    def submit(self, who: AccountId, new: NewOrder) -> int:
        """Take an order of the account that makes the call; return its number."""
        store, key = self.store, (new.zone, new.slot)
        participant = self.ensure_trader(who)
        market = store.get_market(new.zone)
        if store.config.zones.operator_of(new.zone) is None:
            raise store.error(errors.UnknownMarket)
        book = store.ensure_open(key, market)
        if new.flags & ~FLAGS_KNOWN:
            raise store.error(errors.UnknownFlags)
        self.ensure_within_bands(market, participant, new.qty, new.limit)
        book = book or self.books.start_book(key)
        position = self.ensure_position(who, participant, new, book)
        if position.open_orders >= SLOT_ORDERS_MAX:
            raise store.error(errors.LimitExceededOpenOrders)
        value = compute_value(new.qty, new.limit)
        own = self.count_ordered(who, participant, value)
        if new.side is Side.BUY:
            self.escrow.hold(who, value)
        order_id = store.next_order_id.get()
        store.next_order_id.put(order_id + 1)
        store.deposit(events.OrderPlaced(order_id, who, new.zone, new.slot, new.side, new.qty, new.limit))
        store.books.put(key, self._enter(Entering(who, own, order_id), new, book, position))
        return order_id

    def amend(self, who: AccountId, order_id: int, qty: int, limit: int) -> None:
        """Give an order another open quantity and limit; only a smaller one at the same limit keeps its
        place."""
        store = self.store
        order = store.get_order(order_id, who)
        key = (order.zone, order.slot)
        market = store.get_market(order.zone)
        store.ensure_open(key, market)
        participant = self.ensure_trader(who)
        self.ensure_within_bands(market, participant, qty, limit)
        book = store.books.get(key)
        assert book is not None, "an order has a book"
        amended = structs.replace(order, qty=qty, limit=limit)
        if qty <= order.qty and limit == order.limit:
            self._shrink(order_id, order, amended, book)
        else:
            self._replace(order_id, order, amended, book, participant)
        store.deposit(events.OrderAmended(order_id, qty, limit))

    def cancel(self, who: AccountId, order_id: int) -> None:
        """Take an order away before its gate; what was held for it comes back."""
        store = self.store
        order = store.get_order(order_id, who)
        key = (order.zone, order.slot)
        store.ensure_before_gate(key, store.get_market(order.zone))
        book = store.books.get(key)
        assert book is not None, "an order has a book"
        self.take_out(order_id, order, book)
        store.deposit(events.OrderCancelled(order_id))

    def take_out(self, order_id: int, order: Order, book: Book) -> None:
        """Take an order out of an open book; what was held for it comes back."""
        book = self.books.remove(order_id, order, book)
        self.store.books.put((order.zone, order.slot), self._shift(order, book, -1, -order.qty))
        self.escrow.release(order.who, money_of(order))
        self.uncount_ordered(order, order.qty)

    def cancel_all(self, who: AccountId, zone: int, slot: int | None) -> int:
        """Take away all orders of an account in a zone, or in one slot of it, whose gates are still open;
        return how many. Raises UnknownMarket."""
        store = self.store
        market = store.get_market(zone)
        cancelled = 0
        for order_id in store.active_orders(who):
            order = store.orders.get(order_id)
            assert order is not None, "an active order is stored"
            is_meant = order.zone == zone and slot in {None, order.slot}
            if is_meant and store.is_before_gate((zone, order.slot), market):
                self.cancel(who, order_id)
                cancelled += 1
        return cancelled

    # --- checks

    def _get_participant(self, who: AccountId) -> Participant:
        participant = self.store.participants.get(who)
        if participant is None:
            raise self.store.error(errors.NotParticipant)
        return participant

    def ensure_within_bands(self, market: Market, participant: Participant, qty: int, limit: int) -> None:
        """Raise QtyOutOfRange, PriceOutOfBand or TickSize unless an account may trade so in one order."""
        qty_max = min(market.parameters.qty_max, participant.limits.order_max)
        try:
            rules.ensure_order(market.parameters.bands(qty_max), qty, limit)
        except rules.OrderError as refusal:
            raise self.store.error(REFUSALS[type(refusal)]) from refusal

    def ensure_position(
        self, who: AccountId, participant: Participant, new: NewOrder, book: Book
    ) -> Position:
        """Return the account's position in the slot; SideLocked, LimitExceededPosition, PriceOutOfBand or
        InsufficientCollateral."""
        store, key = self.store, (new.zone, new.slot)
        position = store.positions.get(key, who) or Position(new.side, 0, 0, 0, 0, 0)
        if position.side is not new.side:
            raise store.error(errors.SideLocked)
        reached = position.open_wh + position.traded_wh + new.qty
        if reached > min(participant.limits.position_max, U64_MAX):
            raise store.error(errors.LimitExceededPosition)
        if new.side is Side.SELL and not store.config.collateral.covers(who, key, reached):
            raise store.error(errors.InsufficientCollateral)
        if rank_ticks(book.terms, new.side, new.limit) < 0:
            raise store.error(errors.PriceOutOfBand)
        return position

    def count_ordered(self, who: AccountId, participant: Participant, value: int) -> OpenOrders:
        """Return an account's orders with what it orders today, not yet stored; LimitExceededDaily."""
        today, own = self.store.today(), self.store.open_orders.get(who)
        ordered = value + own.ordered if own.day == today else value
        if ordered > participant.limits.daily_max:
            raise self.store.error(errors.LimitExceededDaily)
        return OpenOrders(own.listed, today, ordered)

    def uncount_ordered(self, order: Order, qty: int) -> None:
        """Take so much of an order off what was ordered today; what was ordered before counts no more."""
        if order.day == self.store.today():
            own = self.store.open_orders.get(order.who)
            assert own.day == order.day, "an order of today is counted"
            ordered = own.ordered - compute_value(qty, order.limit)
            self.store.open_orders.put(order.who, OpenOrders(own.listed, own.day, ordered))

    # --- changes

    def _enter(self, entering: Entering, new: NewOrder, book: Book, position: Position) -> Book:
        """Let an order trade if its market is continuous, and let the rest wait; return the book."""
        key, (who, own, order_id, filled) = (new.zone, new.slot), entering
        is_first = is_idle(position)
        position = Position(
            position.side,
            position.open_orders + 1,
            position.open_wh + new.qty,
            position.traded_wh,
            position.energy,
            position.charges,
            position.is_handed_over,
        )
        self.store.positions.put(key, who, position)
        if is_first:
            book = structs.replace(book, positions=book.positions + 1)
        if book.terms.kind is MarketKind.Continuous:
            self.store.open_orders.put(who, own)
            return self.trading.enter(who, new, book, order_id, filled)
        return self.books.add(entering, new, book)

    def _shrink(self, order_id: int, order: Order, amended: Order, book: Book) -> None:
        less = order.qty - amended.qty
        self.books.lower(order, book.terms, less, is_gone=False)
        self.store.orders.put(order_id, amended)
        self.store.books.put((order.zone, order.slot), self._shift(order, book, 0, -less))
        self.escrow.release(order.who, money_of(order) - money_of(amended))
        self.uncount_ordered(order, less)

    def _replace(
        self, order_id: int, order: Order, amended: Order, book: Book, participant: Participant
    ) -> None:
        who, key = order.who, (order.zone, order.slot)
        book = self._shift(order, self.books.remove(order_id, order, book), -1, -order.qty)
        new = NewOrder(order.zone, order.slot, order.side, amended.qty, amended.limit)
        self.uncount_ordered(order, order.qty)
        position = self.ensure_position(who, participant, new, book)
        own = self.count_ordered(who, participant, compute_value(new.qty, new.limit))
        self.escrow.adjust(who, money_of(order), money_of(amended))
        entering = Entering(who, own, order_id, order.filled)
        self.store.books.put(key, self._enter(entering, new, book, position))

    def _shift(self, order: Order, book: Book, orders: int, qty: int) -> Book:
        """Change what an account has open in a slot; return the book."""
        key = (order.zone, order.slot)
        position = self.store.positions.get(key, order.who)
        assert position is not None, "who has an open order has a position"
        changed = structs.replace(
            position, open_orders=position.open_orders + orders, open_wh=position.open_wh + qty
        )
        return self.books.put_position(key, order.who, changed, book)
