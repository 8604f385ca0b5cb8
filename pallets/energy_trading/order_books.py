"""The books of open slots in storage: orders by number, pages of numbers as they arrived, sums per price.

Responsible for keeping these three in step, with each account's list of open orders and its position. It
knows no money, notes the day of an order, and checks nothing but that there is room.

In an auction's book pages are filled one after the other and a page holds whatever comes; in a continuous
book each price has one page, whose number is the price. There a bid stands at its effective price, so that
what waits is what a seller can get.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading.levels import compute_effective_bid
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    BOOK_ORDERS_MAX,
    DROPPED_ORDERS,
    OPEN_ORDERS_MAX,
    PAGE_ORDERS,
    Book,
    ListedOrders,
    MarketKind,
    NewOrder,
    OpenOrders,
    Order,
    OrderId,
    OrderPage,
    Phase,
    Position,
    SlotKey,
    Terms,
)
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import lower_level, raise_level
from runtime.primitives.types import AccountId


def rank_ticks(terms: Terms, side: Side, limit: int) -> int:
    """Return the price at which an order stands in its book; below zero where wheeling alone exceeds it."""
    if side is Side.BUY and terms.kind is MarketKind.Continuous:
        return compute_effective_bid(limit, terms.rules())
    return limit


def is_idle(position: Position) -> bool:
    """Tell whether nothing is left of a position."""
    return not (position.open_orders or position.traded_wh or position.energy or position.charges)


class Entering(NamedTuple):
    """Whose order enters a book, that account's orders as of today, its number, and what of it traded
    already."""

    who: AccountId
    own: OpenOrders
    order_id: OrderId
    filled: int = 0


@dataclass(frozen=True, slots=True)
class OrderBooks:
    """Orders in and out of the books of one market instance."""

    store: MarketStore

    def add(self, entering: Entering, new: NewOrder, book: Book) -> Book:
        """Let an order wait as the youngest, and store its account's list; return the book with it, not yet
        stored.

        Raises BookFull and LimitExceededOpenOrders.
        """
        store, (who, own, order_id, filled) = self.store, entering
        if book.orders >= BOOK_ORDERS_MAX:
            raise store.error(errors.BookFull)
        listed = self._make_room(own.listed)
        zone, slot, side = new.zone, new.slot, new.side
        ticks = rank_ticks(book.terms, side, new.limit)
        number, page = self._page_for(book, new, ticks)
        store.pages.put((zone, slot, side, number), (*page, order_id))
        store.orders.put(order_id, Order(who, zone, slot, side, new.qty, new.limit, filled, own.day, number))
        store.open_orders.put(who, OpenOrders((*listed, (order_id, slot)), own.day, own.ordered))
        place = (zone, slot, side)
        store.levels.put(place, raise_level(store.levels.get(place), side, ticks, new.qty))
        if side is Side.BUY:
            return structs.replace(book, orders=book.orders + 1, bid_page=number)
        return structs.replace(book, orders=book.orders + 1, offer_page=number)

    def remove(self, order_id: int, order: Order, book: Book) -> Book:
        """Take an order out of an open book and return the book without it, not yet stored."""
        place = (order.zone, order.slot, order.side, order.page)
        kept = _without(self.store.pages.get(place), order_id)
        if kept:
            self.store.pages.put(place, kept)
        else:
            self.store.pages.remove(place)
        self.lower(order, book.terms, order.qty, is_gone=True)
        self._forget(order_id, order.who)
        return structs.replace(book, orders=book.orders - 1)

    def lower(self, order: Order, terms: Terms, qty: int, *, is_gone: bool) -> None:
        """Take so many Wh of an order off its price, and the order itself if it goes."""
        place = (order.zone, order.slot, order.side)
        ticks = rank_ticks(terms, order.side, order.limit)
        kept = lower_level(self.store.levels.get(place), order.side, ticks, qty, is_gone=is_gone)
        if kept:
            self.store.levels.put(place, kept)
        else:
            self.store.levels.remove(place)

    def drop_levels(self, key: SlotKey) -> None:
        """Forget the sums of a book whose orders will change no more."""
        for side in Side:
            self.store.levels.remove((*key, side))

    def put_position(self, key: SlotKey, who: AccountId, position: Position, book: Book) -> Book:
        """Store a position, or remove one of which nothing is left; return the book with the new count."""
        store = self.store
        was_there = store.positions.contains(key, who)
        if is_idle(position):
            store.positions.remove(key, who)
            return structs.replace(book, positions=book.positions - 1) if was_there else book
        store.positions.put(key, who, position)
        return book if was_there else structs.replace(book, positions=book.positions + 1)

    def open_book(self, key: SlotKey) -> Book:
        """Return the book of a slot, a new one where it has none."""
        return self.store.books.get(key) or self.start_book(key)

    def start_book(self, key: SlotKey) -> Book:
        """Return the book of a slot that has none yet: queued for its gate, but not yet stored."""
        zone, slot = key
        self.queue_gate(zone, slot)
        return Book(self.store.make_terms(zone), Phase.Open, 0, 0, 0, 0, 0, 0, 0)

    def queue_gate(self, zone: int, slot: int) -> None:
        """Let a slot's gate be closed when its time comes."""
        slots = self.store.gate_queue.get(zone)
        at = bisect_left(slots, slot)
        assert slots[at : at + 1] != (slot,), "a slot has one gate"
        self.store.gate_queue.put(zone, (*slots[:at], slot, *slots[at:]))

    def _make_room(self, listed: ListedOrders) -> ListedOrders:
        """Return an account's list without some of the orders that are over; LimitExceededOpenOrders where it
        is full."""
        store, current = self.store, self.store.current_slot()
        begun = [order_id for order_id, slot in listed if slot <= current][:DROPPED_ORDERS]
        over = [order_id for order_id in begun if not store.orders.contains(order_id)]
        if over:
            listed = tuple(one for one in listed if one[0] not in over)
        if len(listed) >= OPEN_ORDERS_MAX:
            raise store.error(errors.LimitExceededOpenOrders)
        return listed

    def _forget(self, order_id: int, who: AccountId) -> None:
        store = self.store
        store.orders.remove(order_id)
        own = store.open_orders.get(who)
        listed = tuple(one for one in own.listed if one[0] != order_id)
        store.open_orders.put(who, OpenOrders(listed, own.day, own.ordered))

    def _page_for(self, book: Book, new: NewOrder, ticks: int) -> tuple[int, OrderPage]:
        """Return the page that takes a new order, and what is in it."""
        store = self.store
        is_continuous = book.terms.kind is MarketKind.Continuous
        number = ticks if is_continuous else book.bid_page if new.side is Side.BUY else book.offer_page
        ids = store.pages.get((new.zone, new.slot, new.side, number))
        if len(ids) < PAGE_ORDERS:
            return number, ids
        if is_continuous:
            raise store.error(errors.BookFull)
        return number + 1, ()


def _without(ids: tuple[OrderId, ...], order_id: OrderId) -> tuple[OrderId, ...]:
    """Return numbers without one of them."""
    place = ids.index(order_id)
    return ids[:place] + ids[place + 1 :]
