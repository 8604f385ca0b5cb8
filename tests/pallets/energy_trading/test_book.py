"""The continuous book: price-time priority against a list that is searched, conservation, refusals that
change nothing.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.energy_trading.book import (
    BATCH_MAX,
    BatchTooLong,
    Book,
    BookFull,
    DuplicateOrder,
    NotOwner,
    OrderNotFound,
    Placement,
    SideLocked,
    Trade,
    match_order,
)
from pallets.energy_trading.orders import Bands, PriceOutOfBand, QtyOutOfRange, Side, TickSize
from runtime.primitives.types import AccountId

A, B, C = (AccountId(bytes([number]) * 32) for number in range(3))


class Model:
    """Waiting orders in one list, oldest first."""

    def __init__(self) -> None:
        self.orders: list[Placement] = []

    def place(self, order: Placement) -> list[Trade]:
        trades = []
        while order.qty_wh:
            others = [one for one in self.orders if one.side is not order.side and crosses(order, one)]
            if not others:
                self.orders.append(order)
                break
            sign = 1 if order.side is Side.BUY else -1
            maker = min(others, key=lambda one: sign * one.limit_ticks)
            qty = min(maker.qty_wh, order.qty_wh)
            trades.append(Trade(order.number, maker.number, qty, maker.limit_ticks))
            order = order._replace(qty_wh=order.qty_wh - qty)
            place = self.orders.index(maker)
            left = maker._replace(qty_wh=maker.qty_wh - qty)
            self.orders[place : place + 1] = [left] if left.qty_wh else []
        return trades

    def amend(self, number: int, qty_wh: int, limit: int) -> list[Trade]:
        (order,) = (one for one in self.orders if one.number == number)
        place = self.orders.index(order)
        amended = order._replace(qty_wh=qty_wh, limit_ticks=limit)
        if limit == order.limit_ticks and qty_wh <= order.qty_wh:
            self.orders[place] = amended
            return []
        del self.orders[place]
        return self.place(amended)


def crosses(taker: Placement, maker: Placement) -> bool:
    if taker.side is Side.BUY:
        return maker.limit_ticks <= taker.limit_ticks
    return maker.limit_ticks >= taker.limit_ticks


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "place", "amend", "cancel"]),
        st.integers(0, 30),
        st.sampled_from(Side),
        st.integers(1, 9),
        st.integers(1, 6),
    ),
    max_size=30,
)


@given(STEPS)
def test_book_trades_as_a_list_that_is_searched(steps: list[tuple[str, int, Side, int, int]]) -> None:
    book, model = Book(), Model()
    placed: dict[int, Placement] = {}
    traded: dict[int, int] = {}
    for number, (step, choice, side, qty_wh, limit) in enumerate(steps):
        waiting = sorted(one.number for one in model.orders)
        trades: list[Trade] = []
        if step == "place":
            order = Placement(number, AccountId(number.to_bytes(32, "big")), side, qty_wh, limit)
            placed[number] = order
            trades = book.place(order)
            assert trades == model.place(order)
        elif waiting:
            chosen = waiting[choice % len(waiting)]
            before = book.get(chosen)
            assert before is not None
            if step == "amend":
                trades = book.amend(chosen, before.who, qty_wh, limit)
                assert trades == model.amend(chosen, qty_wh, limit)
                placed[chosen] = placed[chosen]._replace(qty_wh=traded.get(chosen, 0) + qty_wh)
            else:
                assert book.cancel(chosen, before.who) == before
                model.orders.remove(before)
                del placed[chosen]
        for trade in trades:
            for side_of_trade in (trade.taker, trade.maker):
                traded[side_of_trade] = traded.get(side_of_trade, 0) + trade.qty_wh
        check(book, model)
    for number, order in placed.items():
        left = book.get(number)
        assert order.qty_wh == traded.get(number, 0) + (left.qty_wh if left else 0)


def check(book: Book, model: Model) -> None:
    bids, offers = list(book.waiting(Side.BUY)), list(book.waiting(Side.SELL))
    assert bids == sorted(
        (one for one in model.orders if one.side is Side.BUY), key=lambda one: -one.limit_ticks
    )
    assert offers == sorted(
        (one for one in model.orders if one.side is Side.SELL), key=lambda one: one.limit_ticks
    )
    assert len(book) == len(model.orders)
    if bids and offers:
        assert bids[0].limit_ticks < offers[0].limit_ticks


def buy(number: int, who: AccountId, qty_wh: int, limit: int) -> Placement:
    return Placement(number, who, Side.BUY, qty_wh, limit)


def sell(number: int, who: AccountId, qty_wh: int, limit: int) -> Placement:
    return Placement(number, who, Side.SELL, qty_wh, limit)


def test_matching_reads_no_further_than_it_must() -> None:
    read = []

    def waiting() -> Any:
        for number in range(5):
            read.append(number)
            yield sell(number, A, 10, 100 + number)

    trades = match_order(buy(9, B, 15, 200), waiting())
    assert trades == [Trade(9, 0, 10, 100), Trade(9, 1, 5, 101)]
    assert read == [0, 1, 2]


def test_smaller_quantity_keeps_the_place_and_a_larger_one_loses_it() -> None:
    book = Book()
    book.place_batch([sell(0, A, 10, 100), sell(1, B, 10, 100)])
    assert book.amend(0, A, 5, 100) == []
    assert [order.number for order in book.waiting(Side.SELL)] == [0, 1]
    assert book.amend(0, A, 6, 100) == []
    assert [order.number for order in book.waiting(Side.SELL)] == [1, 0]


def test_amended_limit_may_trade_at_once() -> None:
    book = Book()
    book.place(sell(0, A, 10, 100))
    book.place(buy(1, B, 4, 90))
    assert book.amend(1, B, 4, 100) == [Trade(1, 0, 4, 100)]
    assert book.get(1) is None


def test_account_is_bound_to_a_side_until_nothing_of_it_is_left() -> None:
    book = Book()
    book.place(sell(0, A, 10, 100))
    with pytest.raises(SideLocked):
        book.place(buy(1, A, 10, 100))
    book.cancel(0, A)
    assert book.get_stance(A) is None
    book.place(buy(1, A, 10, 100))
    book.place(sell(2, B, 10, 100))
    assert len(book) == 0
    with pytest.raises(SideLocked):
        book.place(sell(3, A, 1, 100))
    assert (book.get_stance(A), book.get_stance(B)) == (Side.BUY, Side.SELL)


def test_cancel_all_takes_the_orders_of_one_account() -> None:
    book = Book()
    book.place_batch([sell(0, A, 1, 100), sell(1, B, 2, 101), sell(2, A, 3, 99)])
    assert [order.number for order in book.cancel_all(A)] == [0, 2]
    assert [order.number for order in book.waiting(Side.SELL)] == [1]
    assert book.cancel_all(A) == []


def make_book() -> Book:
    book = Book(Bands(10, 1_000, 10, 200, 5), orders_max=4)
    book.place_batch([sell(0, A, 10, 100), buy(1, B, 20, 50)])
    return book


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda book: book.place(buy(0, C, 10, 50)), DuplicateOrder),
        (lambda book: book.place(buy(2, A, 10, 50)), SideLocked),
        (lambda book: book.place(buy(2, C, 0, 50)), QtyOutOfRange),
        (lambda book: book.place(buy(2, C, 9, 50)), QtyOutOfRange),
        (lambda book: book.place(buy(2, C, 1_001, 50)), QtyOutOfRange),
        (lambda book: book.place(buy(2, C, 10, 5)), PriceOutOfBand),
        (lambda book: book.place(buy(2, C, 10, 205)), PriceOutOfBand),
        (lambda book: book.place(buy(2, C, 10, 51)), TickSize),
        (lambda book: book.place_batch([buy(2, C, 10, 50), buy(2, C, 10, 50)]), DuplicateOrder),
        (lambda book: book.place_batch([buy(2, C, 10, 100), sell(3, C, 10, 150)]), SideLocked),
        (lambda book: book.place_batch([buy(2, C, 10, 100), buy(3, C, 10, 51)]), TickSize),
        (lambda book: book.place_batch([buy(n, C, 10, 50) for n in range(2, 5)]), BookFull),
        (lambda book: book.place_batch([buy(n, C, 10, 50) for n in range(BATCH_MAX + 1)]), BatchTooLong),
        (lambda book: book.amend(7, A, 10, 100), OrderNotFound),
        (lambda book: book.amend(0, B, 10, 100), NotOwner),
        (lambda book: book.amend(0, A, 0, 100), QtyOutOfRange),
        (lambda book: book.amend(0, A, 10, 1_000), PriceOutOfBand),
        (lambda book: book.amend(0, A, 10, 51), TickSize),
        (lambda book: book.cancel(7, A), OrderNotFound),
        (lambda book: book.cancel(0, B), NotOwner),
    ],
)
def test_refused_call_changes_nothing(act: Callable[[Book], Any], error: type[Exception]) -> None:
    book, untouched = make_book(), make_book()
    with pytest.raises(error):
        act(book)
    for side in Side:
        assert list(book.waiting(side)) == list(untouched.waiting(side))
    assert [book.get_stance(who) for who in (A, B, C)] == [Side.SELL, Side.BUY, None]


def test_batch_and_book_are_taken_up_to_their_limits() -> None:
    book = Book(orders_max=BATCH_MAX)
    assert book.place_batch([buy(n, C, 10, 50) for n in range(BATCH_MAX)]) == []
    assert len(book) == BATCH_MAX
    with pytest.raises(BookFull):
        book.place(buy(BATCH_MAX, C, 10, 50))


def test_empty_batch_is_nothing() -> None:
    assert Book().place_batch([]) == []
