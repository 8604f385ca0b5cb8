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

from msgspec import structs

from pallets.energy_trading import market_events as events
from pallets.energy_trading.clearing import Clearing as Found
from pallets.energy_trading.clearing import compute_clearing
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.levels import Level, Margin
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    Book,
    Clearing,
    Market,
    MarketKind,
    Phase,
    PriceLevels,
    Progress,
    SideMargin,
    SlotKey,
    Stage,
)
from pallets.energy_trading.order_books import OrderBooks
from pallets.energy_trading.order_work import OrderWork, start_side
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_slot, compute_value
from runtime.primitives.row_tree import fold_peaks


@dataclass(frozen=True, slots=True)
class SlotLife:
    """The phases of one market instance's slots."""

    store: MarketStore
    books: OrderBooks
    escrow: Escrow
    orders: OrderWork

    def phase_of(self, key: SlotKey) -> Phase:
        """Return how far a slot of a zone has come."""
        store, slot = self.store, key[1]
        book = store.books.get(key)
        now, start = store.config.clock.now_ms(), store.start_of(slot)
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
        market, now = self.store.markets.get(zone), self.store.config.clock.now_ms()
        if market is None or slot > compute_slot(now, self.store.config.slot_ms) + market.parameters.horizon:
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
        return market is None or self.store.gate_of(*key, market) <= self.store.config.clock.now_ms()

    def is_due(self, key: SlotKey, market: Market) -> bool:
        """Tell whether the gate of a slot is to be closed now."""
        return self.store.gate_of(*key, market) <= self.store.config.clock.now_ms()

    def count_levels(self, key: SlotKey) -> int:
        """Return how many prices a book has, which is what its price costs."""
        return sum(len(self.store.levels.get((*key, side))) for side in Side)

    # --- gate and price

    def close_gate(self, key: SlotKey) -> None:
        """Close the gate of an open book and find the price of an auction; fills and refunds follow."""
        store, (zone, slot) = self.store, key
        book = store.books.get(key)
        assert book is not None, "a queued gate has a book"
        bids, offers = (store.levels.get((*key, side)) for side in Side)
        sums = [sum(level.qty for level in levels) for levels in (bids, offers)]
        store.deposit(events.GateClosed(zone, slot, *sums))
        if book.terms.kind is MarketKind.Continuous:
            progress = store.progress.get(key) or Progress(Stage.ReturnBids)
        else:
            progress = self._price(key, book, bids, offers)
            self.books.drop_levels(key)
        store.progress.put(key, progress)
        store.books.put(key, structs.replace(book, phase=Phase.Clearing))
        store.gate_queue.put(zone, tuple(one for one in store.gate_queue.get(zone) if one != slot))
        store.work_queue.put(zone, (*store.work_queue.get(zone), slot))

    def _price(self, key: SlotKey, book: Book, bids: PriceLevels, offers: PriceLevels) -> Progress:
        """Find an auction's price and tell it; return what is to be done with the orders."""
        store, rules = self.store, book.terms.rules()
        found = compute_clearing(_to_levels(bids), _to_levels(offers), rules)
        counts = [sum(level.orders for level in levels) for levels in (bids, offers)]
        if found is None:
            store.deposit(events.NoCross(*key))
            return Progress(Stage.ReturnBids)
        self.publish(key, found, (counts[0], counts[1]))
        progress = Progress(Stage.FillBids, bids=_to_stored(found.bids), offers=_to_stored(found.offers))
        return start_side(progress, Side.BUY, book.terms.rationing)

    def publish(self, key: SlotKey, found: Found, counts: tuple[int, int]) -> None:
        """Store and tell the result of an auction."""
        price, low, high, volume, welfare, _, _ = found
        value = compute_value(volume, price)
        self.store.clearings.put(key, Clearing(price, low, high, volume, value, welfare, *counts))
        self.store.deposit(events.SlotCleared(*key, price, low, high, volume, sum(counts), welfare))

    # --- work

    def work(self, key: SlotKey, orders_max: int) -> int:
        """Deal with up to so many orders of a closed or halted book; finish it when none is left. Returns how
        many were dealt with, finishing counting for one; an open book has nothing to be done."""
        book = self.store.books.get(key)
        if book is None or book.phase not in {Phase.Clearing, Phase.Halting}:
            return 0
        done = self.orders.work(key, orders_max)
        if done < orders_max:
            progress = self.store.progress.get(key)
            if progress is not None and progress.stage is Stage.Finish:
                self._finish(key, progress)
                done += 1
        return done

    def _finish(self, key: SlotKey, progress: Progress) -> None:
        """End the work on a book: it is cleared, or halted, or, before its gate, as if newly opened."""
        store, (zone, slot) = self.store, key
        book, market = store.books.get(key), store.markets.get(zone)
        assert book is not None, "a book with work is stored"
        assert market is not None, "a book has a market"
        assert book.orders == 0, "every order was dealt with"
        assert book.energy == 0, "sellers are owed what buyers paid"
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
        """Turn the work on a book round, unless its orders are only being returned."""
        store = self.store
        book, progress = store.books.get(key), store.progress.get(key)
        assert book is not None, "a book with work is stored"
        assert progress is not None, "a book with work has come somewhere"
        if book.phase is Phase.Halting or book.terms.kind is MarketKind.Continuous:
            return
        if store.clearings.take(key) is None:
            return
        store.books.put(key, structs.replace(book, phase=Phase.Halting))
        store.progress.put(key, Progress(Stage.Unwind, rows=progress.rows))

    # --- after delivery

    def settle(self, key: SlotKey) -> None:
        """Pay out a settled slot's fees and wheeling."""
        store, (zone, slot) = self.store, key
        book = store.books.get(key)
        if book is None or book.phase not in {Phase.Cleared, Phase.Halted}:
            return
        self.escrow.pay_out(store.config.treasury_pot, book.fees)
        self.escrow.pay_out(store.config.zones.wheeling_pot(zone), book.wheeling)
        store.books.put(key, structs.replace(book, phase=Phase.Settled, fees=0, wheeling=0))
        store.deposit(events.SlotSettled(zone, slot, book.fees, book.wheeling))


def _to_levels(levels: PriceLevels) -> list[Level]:
    return [Level(level.ticks, level.qty) for level in levels]


def _to_stored(margin: Margin) -> SideMargin:
    return SideMargin(margin.low, margin.high, margin.accepted, margin.total)
