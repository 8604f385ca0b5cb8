"""The life of a slot of a zone: its gate closes, its price is found, its orders are dealt with, it is settled
and at last archived, or halted on the way.

Responsible for the phases and for everything that happens at a change from one to the next. What happens to
single orders is `order_work.py`'s.

    Future → Open → GateClosed → Clearing → Cleared → Delivering → AwaitingMeters → Settled → Archived
                 ↘            ↘          ↘
                              Halting → Halted (gate passed) or Open, once resumed

A phase that only time decides is not stored: Future, GateClosed, Delivering and AwaitingMeters follow from
the clock. A slot in which nobody placed an order has no book and needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from msgspec import structs

from pallets.energy_trading import market_events as events
from pallets.energy_trading.clearing import compute_clearing
from pallets.energy_trading.coupling import Couplings
from pallets.energy_trading.curtailment import Curtailment
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.levels import Margin
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    BOOK_ORDERS_MAX,
    COUPLINGS_MAX,
    ROW_PAGE,
    Book,
    Clearing,
    Market,
    MarketKind,
    Phase,
    Progress,
    SideMargin,
    SlotKey,
    Stage,
    Wire,
)
from pallets.energy_trading.order_books import OrderBooks
from pallets.energy_trading.order_work import OrderWork, start_side
from pallets.energy_trading.orders import Side
from pallets.energy_trading.positions import Positions
from pallets.energy_trading.price_levels import count_levels, sum_levels, to_levels
from pallets.energy_trading.trade_rows import TradeRows
from pallets.energy_trading.units import compute_value
from pallets.energy_trading.zonal import ZoneClearing
from runtime.primitives.row_tree import fold_peaks

ARCHIVE_PAGES: Final = BOOK_ORDERS_MAX // ROW_PAGE
"""Pages of rows that one step of archiving removes: all of an auction's."""

Group: TypeAlias = tuple[tuple[int, ...], tuple[Wire, ...]]
"""Zones that are cleared together, in ascending order, and the lines among them."""


@dataclass(frozen=True, slots=True)
class SlotLife:
    """The phases of one market instance's slots."""

    store: MarketStore
    books: OrderBooks
    escrow: Escrow
    orders: OrderWork
    couplings: Couplings
    rows: TradeRows
    positions: Positions
    curtailment: Curtailment

    def phase_of(self, key: SlotKey) -> Phase:
        """Return how far a slot of a zone has come."""
        store, slot = self.store, key[1]
        book = store.books.get(key)
        now, start = store.config.clock.now_ms(), store.start_of(slot)
        if book is None and store.trades_root.contains(key):
            return Phase.Archived
        if book is not None and book.phase not in {Phase.Open, Phase.Cleared}:
            return book.phase
        if start <= now:
            return Phase.Delivering if now < start + store.config.slot_ms else Phase.AwaitingMeters
        if book is not None and book.phase is Phase.Cleared:
            return Phase.Cleared
        return self._phase_ahead(key)

    def _phase_ahead(self, key: SlotKey) -> Phase:
        """Return the phase of a slot to come whose gate no work has followed."""
        zone, slot = key
        market = self.store.markets.get(zone)
        if market is None or slot > self.store.current_slot() + market.parameters.horizon:
            return Phase.Future
        if market.is_halted:
            return Phase.Halted
        return Phase.GateClosed if self.is_due(key, market) else Phase.Open

    def is_cleared(self, key: SlotKey) -> bool:
        """Tell whether no order of a slot will trade any more."""
        book = self.store.books.get(key)
        if book is not None:
            return book.phase in {Phase.Cleared, Phase.Settled, Phase.Archived, Phase.Halted}
        market = self.store.markets.get(key[0])
        return market is None or self.store.is_gate_past(key, market)

    def is_due(self, key: SlotKey, market: Market) -> bool:
        """Tell whether the gate of a slot is to be closed now."""
        return self.store.is_gate_past(key, market)

    def count_levels(self, key: SlotKey) -> int:
        """Return how many prices a book has, which is what its price costs."""
        return sum(count_levels(self.store.levels.get((*key, side))) for side in Side)

    # --- gate and price

    def find_group(self, key: SlotKey) -> Group:
        """Return the zones whose gates of a slot close with that of an open book, and their lines."""
        book = self.store.books.get(key)
        assert book is not None, "a queued gate has a book"
        return ((key[0],), ()) if book.terms.kind is MarketKind.Continuous else self.couplings.find_group(key)

    def close_gate(self, key: SlotKey, found: Group | None = None) -> bool:
        """Close the gate of an open book and find the price of an auction; fills and refunds follow.

        Where zones are cleared together, the gates of all are closed at the last one's, and the price follows
        in steps; `found` is what `find_group` says. Tells whether the gate could be closed.
        """
        book = self.store.books.get(key)
        assert book is not None, "a queued gate has a book"
        if book.terms.kind is MarketKind.Continuous:
            progress = self.store.progress.get(key) or Progress(Stage.ReturnBids)
            self._close(key, structs.replace(book, phase=Phase.Clearing))
            self.store.progress.put(key, progress)
            return True
        group, wires = found or self.find_group(key)
        if len(group) > 1:
            return self._close_group(group, wires, key[1])
        self._close(key, structs.replace(book, phase=Phase.Clearing))
        bids, offers = (self.store.levels.get((*key, side)) for side in Side)
        result = compute_clearing(to_levels(bids), to_levels(offers), book.terms.rules())
        if result is None:
            self._begin_fills(key, book, None, 0)
        else:
            price, low, high, volume, welfare, bid_margin, offer_margin = result
            zone = ZoneClearing(price, low, high, bid_margin, offer_margin, volume, volume)
            self._begin_fills(key, book, zone, welfare)
        return True

    def _close_group(self, group: tuple[int, ...], wires: tuple[Wire, ...], slot: int) -> bool:
        """Close the gates of zones that are cleared together, if all are due, and queue their auction."""
        markets = [self.store.get_market(zone) for zone in group]
        if not all(self.is_due((zone, slot), market) for zone, market in zip(group, markets, strict=True)):
            return False
        if len(self.store.coupling_queue.get()) >= COUPLINGS_MAX:
            return False
        for zone in group:
            key = (zone, slot)
            book = self.books.open_book(key)
            self._close(key, structs.replace(book, phase=Phase.GateClosed, lead=group[0]))
        self.couplings.start(group, wires, slot)
        return True

    def _close(self, key: SlotKey, book: Book) -> None:
        """Tell what is wanted and offered, and queue the work on the orders."""
        store, (zone, slot) = self.store, key
        bids, offers = (sum_levels(store.levels.get((*key, side)))[0] for side in Side)
        store.deposit(events.GateClosed(zone, slot, bids, offers))
        store.books.put(key, book)
        store.gate_queue.put(zone, tuple(one for one in store.gate_queue.get(zone) if one != slot))
        store.work_queue.put(zone, (*store.work_queue.get(zone), slot))

    def price_group(self, key: SlotKey, steps_max: int) -> int:
        """Go on with an auction of several zones, and begin to fill them once it has its prices; return the
        steps taken."""
        found, taken = self.couplings.step(key, steps_max)
        if found is None:
            return taken
        lead = self.store.books.get(key)
        assert lead is not None, "a zone of an auction has a book"
        for zone, result in zip(self.couplings.zones_of(key, lead), found.zones, strict=True):
            book = self.store.books.get((zone, key[1]))
            assert book is not None, "a zone of an auction has a book"
            self.store.books.put((zone, key[1]), structs.replace(book, phase=Phase.Clearing))
            self._begin_fills((zone, key[1]), book, result, 0)
        return taken

    def _begin_fills(self, key: SlotKey, book: Book, found: ZoneClearing | None, welfare: int) -> None:
        """Store and tell a zone's result, and begin to fill, or without a price to return, its orders."""
        store = self.store
        if found is None or found.price is None:
            store.deposit(events.NoCross(*key))
            store.progress.put(key, Progress(Stage.ReturnBids))
        else:
            self._publish(key, found, welfare)
            progress = Progress(Stage.FillBids, bids=_to_stored(found.bids), offers=_to_stored(found.offers))
            store.progress.put(key, start_side(progress, Side.BUY, book.terms.rationing))
        self.books.drop_levels(key)

    def _publish(self, key: SlotKey, found: ZoneClearing, welfare: int) -> None:
        price, low, high, _, _, bought, sold = found
        assert price is not None, "a zone that trades has a price"
        assert low is not None, "a price lies in an interval"
        assert high is not None, "a price lies in an interval"
        counts = [sum_levels(self.store.levels.get((*key, side)))[1] for side in Side]
        value = compute_value(bought, price)
        clearing = Clearing(price, low, high, bought, sold, value, welfare, counts[0], counts[1])
        self.store.clearings.put(key, clearing)
        self.store.deposit(events.SlotCleared(*key, price, low, high, bought, sum(counts), welfare))

    # --- work

    def work(self, key: SlotKey, orders_max: int) -> int:
        """Deal with up to so many orders of a closed or halted book; finish it when none is left. Returns how
        many were dealt with, finishing counting for one; an open book has nothing to be done."""
        book = self.store.books.get(key)
        if book is not None and book.phase is Phase.Curtailing:
            return self.curtailment.work(key, orders_max)
        if book is None or book.phase not in {Phase.Clearing, Phase.Halting}:
            return 0
        done = self.orders.work(key, orders_max)
        if done < orders_max:
            progress = self.store.progress.get(key)
            if progress is not None and progress.stage is Stage.Finish:
                done += self._finish_group(key, book)
        return done

    def _finish_group(self, key: SlotKey, book: Book) -> int:
        """Finish a book, or all that are cleared together once the last is filled; return how many."""
        keys = [(zone, key[1]) for zone in self.couplings.zones_of(key, book)]
        progress = [self.store.progress.get(one) for one in keys]
        if any(one is None or one.stage is not Stage.Finish for one in progress):
            return 0
        for one, reached in zip(keys, progress, strict=True):
            assert reached is not None, "just looked at"
            self._finish(one, reached)
        if book.lead is not None:
            self.couplings.pay_lines((book.lead, key[1]))
        return len(keys)

    def _finish(self, key: SlotKey, progress: Progress) -> None:
        """End the work on a book: it is cleared, or halted, or, before its gate, as if newly opened."""
        store, (zone, slot) = self.store, key
        book, market = store.books.get(key), store.markets.get(zone)
        assert book is not None, "a book with work is stored"
        assert market is not None, "a book has a market"
        assert book.orders == 0, "every order was dealt with"
        assert book.lead is not None or book.energy == 0, "sellers are owed what buyers paid"
        store.work_queue.put(zone, tuple(one for one in store.work_queue.get(zone) if one != slot))
        is_halting = book.phase is Phase.Halting
        if is_halting:
            store.deposit(events.SlotHalted(zone, slot))
            if not self.is_due(key, market):
                self._reopen(key, book, progress)
                return
        root = fold_peaks(progress.peaks)
        store.progress.remove(key)
        store.trades_root.put(key, root)
        store.books.put(key, structs.replace(book, phase=Phase.Halted if is_halting else Phase.Cleared))
        store.deposit(events.TradesSealed(zone, slot, progress.rows, root))
        self._count(key, book)
        for listener in store.config.listeners():
            listener.on_cleared(zone, slot)

    def _reopen(self, key: SlotKey, book: Book, progress: Progress) -> None:
        """Leave a slot whose gate is still ahead as it was before its first order; trades stand."""
        store = self.store
        if book.positions == 0:
            store.books.remove(key)
            store.progress.remove(key)
            return
        self.books.queue_gate(*key)
        store.books.put(key, structs.replace(book, phase=Phase.Open, bid_page=0, offer_page=0))
        if progress.rows:
            store.progress.put(key, structs.replace(progress, stage=Stage.ReturnBids, page=0, place=0))
        else:
            store.progress.remove(key)

    def _count(self, key: SlotKey, book: Book) -> None:
        """Add a slot to the statistics of its zone's day."""
        zone, slot = key
        place = (zone, self.store.day_of(self.store.start_of(slot)))
        stats, clearing = self.store.stats.get(place), self.store.clearings.get(key)
        if clearing is not None:
            is_first = stats.volume == 0
            low = high = clearing.price
            if book.terms.kind is MarketKind.Continuous:
                low, high = clearing.low, clearing.high
            stats = structs.replace(
                stats,
                volume=stats.volume + clearing.volume,
                value=stats.value + clearing.value,
                price_min=low if is_first else min(stats.price_min, low),
                price_max=max(stats.price_max, high),
                orders=stats.orders + clearing.bids + clearing.offers,
            )
        self.store.stats.put(
            place,
            structs.replace(
                stats,
                slots=stats.slots + 1,
                fees=stats.fees + book.fees,
                wheeling=stats.wheeling + book.wheeling,
            ),
        )

    # --- halt

    def halt(self, zone: int) -> None:
        """Begin to cancel all orders of a zone that are not filled for good, and to unwind running fills."""
        store = self.store
        for slot in store.work_queue.get(zone):
            self._halt_work((zone, slot))
        waiting = store.gate_queue.take(zone)
        for slot in waiting:
            key = (zone, slot)
            book = store.books.get(key)
            assert book is not None, "a queued gate has a book"
            progress = store.progress.get(key) or Progress(Stage.ReturnBids)
            store.progress.put(key, progress)
            store.books.put(key, structs.replace(book, phase=Phase.Halting))
            if book.terms.kind is MarketKind.CallUniform:
                self.books.drop_levels(key)
        store.work_queue.put(zone, (*store.work_queue.get(zone), *waiting))

    def _halt_work(self, key: SlotKey) -> None:
        """Turn the work on a book round, and on all that are cleared together with it; an auction that only
        returns its orders goes on."""
        book = self.store.books.get(key)
        assert book is not None, "a book with work is stored"
        keys = [(zone, key[1]) for zone in self.couplings.zones_of(key, book)]
        if book.lead is not None:
            self.couplings.dissolve((book.lead, key[1]))
        for one in keys:
            self._turn_round(one)

    def _turn_round(self, key: SlotKey) -> None:
        store = self.store
        book, progress = store.books.get(key), store.progress.get(key)
        assert book is not None, "a book with work is stored"
        if book.phase in {Phase.Halting, Phase.Curtailing} or book.terms.kind is MarketKind.Continuous:
            return
        if book.lead is None and not store.clearings.contains(key):
            return
        store.clearings.remove(key)
        rows = 0 if progress is None else progress.rows
        self.books.drop_levels(key)
        store.books.put(key, structs.replace(book, phase=Phase.Halting, lead=None))
        store.progress.put(key, Progress(Stage.Unwind, rows=rows))

    # --- delivery and after

    def curtail(self, key: SlotKey, permille: int) -> bool | None:
        """Begin to scale a cleared slot's positions; None while it is not cleared yet, False where it cannot
        be: a zone that was cleared with others is not scaled alone, nor is what is settled."""
        book = self.store.books.get(key)
        if book is None:
            if not self.is_cleared(key):
                return None
            self.store.config.zones.note_curtailed(*key, permille, 0)
            return True
        if book.lead is not None or book.phase in {Phase.Halted, Phase.Settled, Phase.Archived}:
            return False
        if book.phase is not Phase.Cleared:
            return None
        self.curtailment.start(key, book, permille)
        return True

    def settle(self, key: SlotKey) -> None:
        """Pay out a settled slot's fees and wheeling."""
        store, (zone, slot) = self.store, key
        book = store.books.get(key)
        if book is None or book.phase not in {Phase.Cleared, Phase.Halted}:
            return
        dust = 0 if book.lead is not None else book.energy
        self.escrow.refund(store.config.treasury_pot, book.fees + dust)
        self.escrow.refund(store.config.zones.wheeling_pot(zone), book.wheeling)
        store.books.put(key, structs.replace(book, phase=Phase.Settled, fees=0, wheeling=0))
        store.deposit(events.SlotSettled(zone, slot, book.fees, book.wheeling))

    def is_old(self, slot: int) -> bool:
        """Tell whether the rows of a slot need not be kept any more."""
        config = self.store.config
        return self.store.start_of(slot + 1) + config.archive_ms <= config.clock.now_ms()

    def archive(self, key: SlotKey, entries_max: int) -> bool:
        """Remove positions of an old slot, at most so many, and then its rows, at most `ARCHIVE_PAGES` pages,
        and its book; the result, the root of the rows and the statistics stay. Tells whether nothing is left
        to be done. Once only rows are left, the book's `bid_page` is the first page that is.

        What is not settled waits, and so does what a seller is still owed.
        """
        store = self.store
        book = store.books.get(key)
        if book is None:
            return True
        is_empty = book.positions == 0 and book.phase in {Phase.Cleared, Phase.Halted}
        if not is_empty and book.phase not in {Phase.Settled, Phase.Archived}:
            return False
        page = self.positions.list_after(key, None, entries_max)
        if any(position.receivable for position in page):
            return False
        for position in page:
            store.positions.remove(key, position.who)
        left = book.positions - len(page)
        if left:
            store.books.put(key, structs.replace(book, phase=Phase.Archived, positions=left))
            return False
        first = book.bid_page if book.phase is Phase.Archived and not page else 0
        following = self.rows.drop(key, first, ARCHIVE_PAGES)
        if following is not None:
            kept = structs.replace(book, phase=Phase.Archived, positions=0, bid_page=following)
            store.books.put(key, kept)
            return False
        store.books.remove(key)
        store.couplings.remove(key)
        store.config.zones.forget_slot(key[1])
        store.deposit(events.SlotArchived(*key))
        return True


def _to_stored(margin: Margin | None) -> SideMargin | None:
    if margin is None:
        return None
    return SideMargin(margin.low, margin.high, margin.accepted, margin.total)
