"""The continuous market of one zone and slot: an order trades as it comes, at the price of the one that
waits.

Responsible for price-time priority, for amending and cancelling, and for who may stand on which side. It
knows neither money nor time: an earlier call is an earlier order.

Rules. A new order trades with waiting ones of the other side, the best price first and at one price the
oldest first, each at the waiting order's limit, while its own limit allows; what is left of it waits. An
account is either buyer or seller (`SideLocked`) until it has neither an open order nor a trade, so nobody
trades with oneself. A smaller quantity at the same limit keeps an order's place; a larger one, or another
limit, makes it the youngest, and it may trade at once. A refused call changes nothing.

Invariants: the best bid is below the best offer; whatever is placed is traded, cancelled or waiting.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from pallets.energy_trading.orders import WIDEST, Bands, OrderError, Side, ensure_order
from runtime.primitives.types import AccountId

BATCH_MAX: Final = 64
ORDERS_MAX: Final = 4_096
"""Waiting orders of one zone and slot."""


class SideLocked(OrderError):
    """The account stands on the other side of this slot."""


class DuplicateOrder(OrderError):
    """An order with this number waits already."""


class OrderNotFound(OrderError):
    """No waiting order has this number."""


class NotOwner(OrderError):
    """The order is another account's."""


class BatchTooLong(OrderError):
    """A batch has more orders than one call takes."""


class BookFull(OrderError):
    """As many orders wait as the book holds."""


class Placement(NamedTuple):
    """An order as it comes, or what is left of one that waits."""

    number: int
    who: AccountId
    side: Side
    qty_wh: int
    limit_ticks: int


class Trade(NamedTuple):
    """The order that came, the one that waited, and the latter's limit."""

    taker: int
    maker: int
    qty_wh: int
    price_ticks: int


def match_order(taker: Placement, waiting: Iterable[Placement]) -> list[Trade]:
    """Return the trades of a new order with waiting ones of the other side, best and oldest first.

    Reads no further than the first order that it does not trade with.
    """
    trades: list[Trade] = []
    left = taker.qty_wh
    for maker in waiting:
        is_worse = (
            maker.limit_ticks > taker.limit_ticks
            if taker.side is Side.BUY
            else maker.limit_ticks < taker.limit_ticks
        )
        if left == 0 or is_worse:
            break
        qty_wh = min(left, maker.qty_wh)
        trades.append(Trade(taker.number, maker.number, qty_wh, maker.limit_ticks))
        left -= qty_wh
    return trades


class Book:
    """Waiting orders of both sides."""

    def __init__(self, bands: Bands = WIDEST, orders_max: int = ORDERS_MAX) -> None:
        self._bands = bands
        self._orders_max = orders_max
        self._orders: dict[int, Placement] = {}
        self._numbers: dict[Side, dict[int, dict[int, None]]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}
        self._stances: dict[AccountId, Side] = {}
        self._open: dict[AccountId, int] = {}
        self._traded: dict[AccountId, None] = {}

    def place(self, order: Placement) -> list[Trade]:
        """Trade an order and let the rest wait.

        Raises QtyOutOfRange, PriceOutOfBand, TickSize, DuplicateOrder, SideLocked and BookFull.
        """
        return self.place_batch([order])

    def place_batch(self, orders: Sequence[Placement]) -> list[Trade]:
        """Place orders one after the other, all or none; raises BatchTooLong, and what `place` raises.

        There must be room for all of them, also if some would trade at once.
        """
        if len(orders) > BATCH_MAX:
            raise BatchTooLong(f"{len(orders)} orders, the limit is {BATCH_MAX}")
        if len(self._orders) + len(orders) > self._orders_max:
            raise BookFull(f"the book holds {self._orders_max} orders")
        stances: dict[AccountId, Side] = {}
        numbers: set[int] = set()
        for order in orders:
            ensure_order(self._bands, order.qty_wh, order.limit_ticks)
            if order.number in self._orders or order.number in numbers:
                raise DuplicateOrder(f"order {order.number} is there already")
            numbers.add(order.number)
            stance = self._stances.get(order.who) if order.who in self._stances else stances.get(order.who)
            if stance not in {None, order.side}:
                raise SideLocked(f"the account's side in this slot is {Side(1 - order.side).name}")
            stances[order.who] = order.side
        return [trade for order in orders for trade in self._trade_and_wait(order)]

    def amend(self, number: int, who: AccountId, qty_wh: int, limit_ticks: int) -> list[Trade]:
        """Give a waiting order another open quantity and limit, and return what it then trades.

        Raises OrderNotFound, NotOwner, QtyOutOfRange, PriceOutOfBand and TickSize.
        """
        order = self._find(number, who)
        ensure_order(self._bands, qty_wh, limit_ticks)
        amended = order._replace(qty_wh=qty_wh, limit_ticks=limit_ticks)
        if limit_ticks == order.limit_ticks and qty_wh <= order.qty_wh:
            self._orders[number] = amended
            return []
        self._remove(order)
        return self._trade_and_wait(amended)

    def cancel(self, number: int, who: AccountId) -> Placement:
        """Take a waiting order away and return what was left of it; raises OrderNotFound and NotOwner."""
        order = self._find(number, who)
        self._remove(order)
        return order

    def cancel_all(self, who: AccountId) -> list[Placement]:
        """Take all waiting orders of an account away, in the order of their numbers' arrival in the book."""
        orders = [order for order in self._orders.values() if order.who == who]
        for order in orders:
            self._remove(order)
        return orders

    def get(self, number: int) -> Placement | None:
        """Return what is left of a waiting order."""
        return self._orders.get(number)

    def waiting(self, side: Side) -> Iterator[Placement]:
        """Give the orders of a side, the best price first and at one price the oldest first."""
        prices = self._prices[side]
        for price in reversed(prices) if side is Side.BUY else prices:
            for number in self._numbers[side][price]:
                yield self._orders[number]

    def get_stance(self, who: AccountId) -> Side | None:
        """Return the side to which an account is bound."""
        return self._stances.get(who)

    def __len__(self) -> int:
        return len(self._orders)

    def _find(self, number: int, who: AccountId) -> Placement:
        order = self._orders.get(number)
        if order is None:
            raise OrderNotFound(f"no order {number} waits")
        if order.who != who:
            raise NotOwner(f"order {number} is another account's")
        return order

    def _trade_and_wait(self, order: Placement) -> list[Trade]:
        trades = match_order(order, self.waiting(Side(1 - order.side)))
        self._stances[order.who] = order.side
        left = order.qty_wh
        for _, number, qty_wh, _ in trades:
            left -= qty_wh
            maker = self._orders[number]
            self._traded[maker.who] = self._traded[order.who] = None
            if qty_wh == maker.qty_wh:
                self._remove(maker)
            else:
                self._orders[number] = maker._replace(qty_wh=maker.qty_wh - qty_wh)
        if left:
            self._add(order._replace(qty_wh=left))
        return trades

    def _add(self, order: Placement) -> None:
        levels = self._numbers[order.side]
        if order.limit_ticks not in levels:
            levels[order.limit_ticks] = {}
            insort(self._prices[order.side], order.limit_ticks)
        levels[order.limit_ticks][order.number] = None
        self._orders[order.number] = order
        self._open[order.who] = self._open.get(order.who, 0) + 1

    def _remove(self, order: Placement) -> None:
        numbers = self._numbers[order.side][order.limit_ticks]
        del numbers[order.number], self._orders[order.number]
        if not numbers:
            prices = self._prices[order.side]
            del self._numbers[order.side][order.limit_ticks]
            del prices[bisect_left(prices, order.limit_ticks)]
        self._open[order.who] -= 1
        if self._open[order.who] == 0:
            del self._open[order.who]
            if order.who not in self._traded:
                del self._stances[order.who]
