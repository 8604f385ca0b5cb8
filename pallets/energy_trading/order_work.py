"""Work on the orders of a book after its gate: fills, refunds, and the unwinding of a halted auction.

Responsible for doing it a few orders at a time, from a stored cursor, with the same end however the steps are
cut: bids first, so that the pot has the money before sellers are owed it, each side as `fills.py` divides it,
in the order of arrival. It decides no price.

A buyer's escrow of an order is used up at once: the payment goes into the pot, the rest back to the buyer. A
seller's due stays in the pot as a receivable of the position. A halt takes the rows back from the last to the
first, so every buyer has again what it paid, and then returns what is left on hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading import market_events as events
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.fills import (
    FillCursor,
    Rationing,
    compute_payment,
    fill_page,
    measure_page,
    start_filling,
)
from pallets.energy_trading.levels import Margin, Rules
from pallets.energy_trading.levels import Order as Wish
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    ROW_PAGE,
    Book,
    MarketKind,
    Order,
    Phase,
    Position,
    Progress,
    Row,
    SideMargin,
    SlotKey,
    Stage,
)
from pallets.energy_trading.order_books import OrderBooks, is_idle
from pallets.energy_trading.order_desk import money_of
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import LEVEL_BYTES, best_ticks
from pallets.energy_trading.trade_rows import TradeRows
from pallets.energy_trading.units import compute_value
from runtime.frame.fungibles import Spending
from runtime.primitives.proportion import Proportion

BIDS = (Stage.MeasureBids, Stage.FillBids, Stage.ReturnBids)


def side_of(stage: Stage) -> Side:
    """Return whose orders a stage deals with."""
    return Side.BUY if stage in BIDS else Side.SELL


def start_side(progress: Progress, side: Side, rationing: Rationing) -> Progress:
    """Return the progress before the first page of a side; without a margin its orders are returned."""
    margin = progress.bids if side is Side.BUY else progress.offers
    if margin is None:
        stage = Stage.ReturnBids if side is Side.BUY else Stage.ReturnOffers
        return structs.replace(progress, stage=stage, page=0, place=0)
    cursor = start_filling(Margin(side, *_ends(margin)), rationing)
    stages = (
        (Stage.MeasureBids, Stage.FillBids) if side is Side.BUY else (Stage.MeasureOffers, Stage.FillOffers)
    )
    stage = stages[0] if cursor.needs_measuring else stages[1]
    return _with_cursor(structs.replace(progress, stage=stage, page=0, place=0), cursor)


@dataclass(frozen=True, slots=True)
class OrderWork:
    """Steps over the orders of one market instance's closed books."""

    store: MarketStore
    books: OrderBooks
    escrow: Escrow
    rows: TradeRows

    def work(self, key: SlotKey, orders_max: int) -> int:
        """Deal with up to so many orders of a book, and return how many; a page that is looked into counts
        for one. Ends early when all are dealt with: then the stage is `Finish`."""
        done = 0
        while done < orders_max:
            progress, book = self.store.progress.get(key), self.store.books.get(key)
            if progress is None or book is None or progress.stage is Stage.Finish:
                break
            done += self._step(key, progress, book, orders_max - done)
        return done

    def _step(self, key: SlotKey, progress: Progress, book: Book, orders_max: int) -> int:
        if progress.stage is Stage.Unwind:
            return self._unwind(key, progress, book, orders_max)
        page = self._next_page(key, progress, book)
        if page is None:
            self._end_stage(key, progress, book)
            return 1
        progress = structs.replace(progress, page=page)
        ids = self.store.pages.get((*key, side_of(progress.stage), page))
        chunk = ids[progress.place : progress.place + min(orders_max, ROW_PAGE)]
        is_measured = progress.stage in {Stage.MeasureBids, Stage.MeasureOffers}
        find = self.store.orders.get if is_measured else self.store.orders.take
        orders = [find(order_id) for order_id in chunk]
        listed = [(one, order) for one, order in zip(chunk, orders, strict=True) if order is not None]
        match progress.stage:
            case Stage.MeasureBids | Stage.MeasureOffers:
                progress = self._measure(progress, book, listed)
            case Stage.FillBids | Stage.FillOffers:
                progress = self._fill(key, progress, book, listed)
            case _:
                self._return(key, book, listed)
        is_last = progress.place + len(chunk) >= len(ids)
        self._advance(key, progress, len(chunk), is_last=is_last)
        return max(1, len(chunk))

    def _next_page(self, key: SlotKey, progress: Progress, book: Book) -> int | None:
        """Return the page to go on with, None where the side has no more."""
        side = side_of(progress.stage)
        if book.terms.kind is MarketKind.Continuous:
            return best_ticks(self.store.levels.get((*key, side)))
        last = book.bid_page if side is Side.BUY else book.offer_page
        return progress.page if progress.page <= last else None

    def _advance(self, key: SlotKey, progress: Progress, count: int, *, is_last: bool) -> None:
        """Store the place after a chunk; a page that was filled or returned to its end goes."""
        if not is_last:
            progress = structs.replace(progress, place=progress.place + count)
        else:
            side = side_of(progress.stage)
            if progress.stage not in {Stage.MeasureBids, Stage.MeasureOffers}:
                self.store.pages.remove((*key, side, progress.page))
                self._drop_best_level(key, side, progress.page)
            progress = structs.replace(progress, page=progress.page + 1, place=0)
        self.store.progress.put(key, progress)

    def _drop_best_level(self, key: SlotKey, side: Side, ticks: int) -> None:
        """Take the price of a continuous book's page away with the page; an auction has no levels left."""
        levels = self.store.levels.get((*key, side))
        if not levels:
            return
        assert best_ticks(levels) == ticks, "the pages of a book go by price"
        if levels[LEVEL_BYTES:]:
            self.store.levels.put((*key, side), levels[LEVEL_BYTES:])
        else:
            self.store.levels.remove((*key, side))

    def _end_stage(self, key: SlotKey, progress: Progress, book: Book) -> None:
        """Go on to the next stage; after the last one the book is finished by its owner."""
        rationing = book.terms.rationing
        match progress.stage:
            case Stage.MeasureBids:
                progress = structs.replace(progress, stage=Stage.FillBids, page=0)
            case Stage.MeasureOffers:
                progress = structs.replace(progress, stage=Stage.FillOffers, page=0)
            case Stage.FillBids | Stage.ReturnBids:
                progress = start_side(progress, Side.SELL, rationing)
            case _:
                progress = structs.replace(progress, stage=Stage.Finish)
        self.store.progress.put(key, progress)

    # --- fills

    def _measure(self, progress: Progress, book: Book, listed: list[tuple[int, Order]]) -> Progress:
        cursor = _to_cursor(progress, book.terms.rationing)
        wishes = [Wish(order.qty, order.limit) for _, order in listed]
        return _with_cursor(progress, measure_page(cursor, wishes))

    def _fill(
        self, key: SlotKey, progress: Progress, book: Book, listed: list[tuple[int, Order]]
    ) -> Progress:
        cursor = _to_cursor(progress, book.terms.rationing)
        wishes = [Wish(order.qty, order.limit) for _, order in listed]
        fills, cursor = fill_page(cursor, wishes)
        clearing = self.store.clearings.get(key)
        assert clearing is not None, "fills have a price"
        rows: list[Row] = []
        spendings: list[Spending] = []
        rules, idle = book.terms.rules(), 0
        for (order_id, order), wish, filled in zip(listed, wishes, fills, strict=True):
            row = _settle(order_id, order, wish, (filled, clearing.price), rules, spendings)
            idle += self._close(key, order, row)
            if filled:
                rows.append(row)
        self.escrow.spend(spendings)
        self.store.books.put(key, _with_rows(book, rows, len(listed), idle))
        if rows:
            self.store.deposit(events.OrdersFilled(*key, tuple(rows)))
        return self.rows.append(key, _with_cursor(progress, cursor), rows)

    def _close(self, key: SlotKey, order: Order, row: Row | None) -> bool:
        """Take an order, which is active no more, off its account's position, with what it traded; tell if
        the position is gone."""
        positions, who = self.store.positions, order.who
        position = positions.get(key, who)
        assert position is not None, "who has an open order has a position"
        traded, energy, charges = position.traded_wh, position.energy, position.charges
        if row is not None:
            traded, energy, charges = traded + row.qty, energy + row.energy, charges + row.fee + row.wheeling
        changed = Position(
            position.side,
            position.open_orders - 1,
            position.open_wh - order.qty,
            traded,
            energy,
            charges,
            position.is_handed_over,
        )
        if is_idle(changed):
            positions.remove(key, who)
            return True
        positions.put(key, who, changed)
        return False

    # --- refunds

    def _return(self, key: SlotKey, book: Book, listed: list[tuple[int, Order]]) -> None:
        """End orders without a fill; what is held for them comes back."""
        is_halting = book.phase is Phase.Halting
        idle = 0
        for order_id, order in listed:
            self.escrow.release(order.who, money_of(order))
            idle += self._close(key, order, None)
            if is_halting:
                self.store.deposit(events.OrderAnnulled(order_id))
        self.store.books.put(key, _with_rows(book, (), len(listed), idle))

    def _unwind(self, key: SlotKey, progress: Progress, book: Book, rows_max: int) -> int:
        """Take the last rows back; when none is left, return what is on hold."""
        if progress.rows == 0:
            self.store.progress.put(key, Progress(Stage.ReturnBids))
            return 1
        rows, progress = self.rows.take_last(key, progress, rows_max)
        for row in reversed(rows):
            book = self._take_back(key, book, row)
        self.store.books.put(key, book)
        self.store.progress.put(key, progress)
        return len(rows)

    def _take_back(self, key: SlotKey, book: Book, row: Row) -> Book:
        position = self.store.positions.get(key, row.who)
        assert position is not None, "who traded has a position"
        charges = row.fee + row.wheeling
        changed = structs.replace(
            position,
            traded_wh=position.traded_wh - row.qty,
            energy=position.energy - row.energy,
            charges=position.charges - charges,
        )
        book = self.books.put_position(key, row.who, changed, book)
        if row.side is Side.SELL:
            return structs.replace(book, energy=book.energy + row.energy)
        self.escrow.refund(row.who, row.energy + charges)
        return structs.replace(
            book,
            energy=book.energy - row.energy,
            fees=book.fees - row.fee,
            wheeling=book.wheeling - row.wheeling,
        )


def _settle(
    order_id: int,
    order: Order,
    wish: Wish,
    fill: tuple[int, int],
    rules: Rules,
    spendings: list[Spending],
) -> Row:
    """Return the row of one order, which is empty where nothing is filled, in Wh and price; what becomes of
    a buyer's money is added to `spendings`."""
    filled, price = fill
    if order.side is Side.SELL:
        return Row(order_id, order.who, Side.SELL, filled, price, compute_value(filled, price), 0, 0)
    energy, fee, wheeling, refund, released = compute_payment(wish, filled, price, rules)
    spendings.append(Spending(order.who, energy + fee + wheeling, refund + released))
    return Row(order_id, order.who, Side.BUY, filled, price, energy, fee, wheeling)


def _with_rows(book: Book, rows: Sequence[Row], done: int, idle: int) -> Book:
    """Return a book with so many orders less, of which these rows came, and positions that are gone."""
    energy = sum(row.energy if row.side is Side.BUY else -row.energy for row in rows)
    return structs.replace(
        book,
        orders=book.orders - done,
        positions=book.positions - idle,
        energy=book.energy + energy,
        fees=book.fees + sum(row.fee for row in rows),
        wheeling=book.wheeling + sum(row.wheeling for row in rows),
    )


def _ends(margin: SideMargin) -> tuple[int, int, int, int]:
    return margin.low, margin.high, margin.accepted, margin.total


def _to_cursor(progress: Progress, rationing: Rationing) -> FillCursor:
    side = side_of(progress.stage)
    margin = progress.bids if side is Side.BUY else progress.offers
    assert margin is not None, "what is filled has a margin"
    proportion = None
    if rationing is Rationing.PRO_RATA:
        proportion = Proportion(margin.accepted, margin.total, progress.unmeasured, progress.left_over)
    return FillCursor(Margin(side, *_ends(margin)), progress.time_left, proportion)


def _with_cursor(progress: Progress, cursor: FillCursor) -> Progress:
    unmeasured, left_over = 0, 0
    if cursor.proportion is not None:
        unmeasured, left_over = cursor.proportion.unmeasured, cursor.proportion.left_over
    return structs.replace(progress, time_left=cursor.time_left, unmeasured=unmeasured, left_over=left_over)
