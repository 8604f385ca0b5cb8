"""Continuous trading in storage: an order trades as it comes with what waits on the other side.

Responsible for finding those orders through `book.match_order`, for the payments of each trade, and for what
stays of both orders. The price is that of the order that waited; a bid waits at what its limit leaves for
energy, so a buyer never pays more than the limit, fee and wheeling included.

An order that would trade with more others than `MATCHES_MAX` is refused: what it costs is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.book import Placement, Trade, match_order
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.fills import Payment, compute_payment
from pallets.energy_trading.levels import Order as Wish
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    Book,
    Clearing,
    NewOrder,
    Order,
    Progress,
    Row,
    SlotKey,
    Stage,
)
from pallets.energy_trading.order_books import Entering, OrderBooks, rank_ticks
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import list_levels
from pallets.energy_trading.trade_rows import TradeRows
from pallets.energy_trading.units import compute_value
from runtime.primitives.types import AccountId

MATCHES_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class ContinuousTrading:
    """Trades of one market instance's continuous books."""

    store: MarketStore
    books: OrderBooks
    escrow: Escrow
    rows: TradeRows

    def enter(self, who: AccountId, new: NewOrder, book: Book, order_id: int, filled: int) -> Book:
        """Trade an order whose money is held and whose position counts it; let the rest wait; return the
        book, not yet stored. Raises TooManyMatches, and what letting it wait raises."""
        key = (new.zone, new.slot)
        taker = Placement(order_id, who, new.side, new.qty, rank_ticks(book.terms, new.side, new.limit))
        waiting = islice(self.waiting(key, Side(1 - new.side)), MATCHES_MAX + 1)
        trades = match_order(taker, waiting)
        if len(trades) > MATCHES_MAX:
            raise self.store.error(errors.TooManyMatches)
        order = Order(who, new.zone, new.slot, new.side, new.qty, new.limit, filled, 0, 0)
        if trades:
            book = self._trade_all(order, trades, book)
        left = new.qty - sum(trade.qty_wh for trade in trades)
        if not left:
            return book
        rest = structs.replace(new, qty=left)
        own = self.store.open_orders.get(who)
        return self.books.add(Entering(who, own, order_id, filled + new.qty - left), rest, book)

    def waiting(self, key: SlotKey, side: Side) -> Iterator[Placement]:
        """Give the orders of a side, the best price first and at one price the oldest first."""
        store = self.store
        for ticks, _, _ in list_levels(store.levels.get((*key, side))):
            for order_id in store.pages.get((*key, side, ticks)):
                order = store.orders.get(order_id)
                assert order is not None, "a page lists what waits"
                yield Placement(order_id, order.who, side, order.qty, ticks)

    def _trade_all(self, taker: Order, trades: list[Trade], book: Book) -> Book:
        """Settle the trades of one order one after the other; return the book."""
        store, key = self.store, (taker.zone, taker.slot)
        rows: list[Row] = []
        clearing = store.clearings.get(key)
        for trade in trades:
            book = self._execute(taker, trade, book, rows)
            taker = structs.replace(taker, qty=taker.qty - trade.qty_wh)
            clearing = _add_trade(clearing, trade)
        assert clearing is not None, "there was a trade"
        store.clearings.put(key, clearing)
        progress = store.progress.get(key) or Progress(Stage.ReturnBids)
        store.progress.put(key, self.rows.append(key, progress, rows))
        return book

    def _execute(self, taker: Order, trade: Trade, book: Book, rows: list[Row]) -> Book:
        """Settle one trade with all who take part; return the book and add the rows."""
        store, qty, price = self.store, trade.qty_wh, trade.price_ticks
        maker = store.orders.get(trade.maker)
        assert maker is not None, "the order waits"
        buy = (taker, trade.taker) if taker.side is Side.BUY else (maker, trade.maker)
        sell = (maker, trade.maker) if taker.side is Side.BUY else (taker, trade.taker)
        payment = compute_payment(Wish(qty, buy[0].limit), qty, price, book.terms.rules())
        self.escrow.pay(buy[0].who, payment.total)
        self.escrow.release(buy[0].who, payment.refund)
        rows += [
            Row(buy[1], buy[0].who, Side.BUY, qty, price, payment.energy, payment.fee, payment.wheeling),
            Row(sell[1], sell[0].who, Side.SELL, qty, price, payment.energy, 0, 0),
        ]
        store.deposit(
            events.TradeExecuted(
                taker.zone, taker.slot, trade.taker, trade.maker, qty, price, payment.fee, payment.wheeling
            )
        )
        is_taker_done = taker.qty == qty
        self._credit(taker, qty, payment, is_done=is_taker_done)
        self._credit(maker, qty, payment, is_done=maker.qty == qty)
        book = self._take(trade.maker, maker, qty, book)
        return structs.replace(book, fees=book.fees + payment.fee, wheeling=book.wheeling + payment.wheeling)

    def _take(self, order_id: int, maker: Order, qty: int, book: Book) -> Book:
        """Take so much off a waiting order, which goes when nothing is left of it."""
        if qty == maker.qty:
            return self.books.remove(order_id, maker, book)
        self.books.lower(maker, book.terms, qty, is_gone=False)
        left = structs.replace(maker, qty=maker.qty - qty, filled=maker.filled + qty)
        self.store.orders.put(order_id, left)
        return book

    def _credit(self, order: Order, qty: int, payment: Payment, *, is_done: bool) -> None:
        key = (order.zone, order.slot)
        position = self.store.positions.get(key, order.who)
        assert position is not None, "who has an open order has a position"
        charges = payment.fee + payment.wheeling if order.side is Side.BUY else 0
        changed = structs.replace(
            position,
            open_orders=position.open_orders - is_done,
            open_wh=position.open_wh - qty,
            traded_wh=position.traded_wh + qty,
            energy=position.energy + payment.energy,
            charges=position.charges + charges,
        )
        self.store.positions.put(key, order.who, changed)


def _add_trade(clearing: Clearing | None, trade: Trade) -> Clearing:
    """Return a continuous book's result so far with one more trade."""
    price, qty = trade.price_ticks, trade.qty_wh
    value = compute_value(qty, price)
    if clearing is None:
        return Clearing(price, price, price, qty, qty, value, 0, 0, 0)
    low, high = min(clearing.low, price), max(clearing.high, price)
    volume = clearing.volume + qty
    return Clearing(price, low, high, volume, volume, clearing.value + value, 0, 0, 0)
