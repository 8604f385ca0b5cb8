"""What screens read of a market; it changes nothing.

Responsible for answers that cost a bounded number of reads whatever a market holds: pages, a depth, ranges of
slots. It asks the grid's prices, with which savings are reckoned, as a Protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pallets.energy_trading.clearing import compute_clearing
from pallets.energy_trading.market import Market
from pallets.energy_trading.market_answers import (
    DEPTH_MAX,
    PROOF_ROWS_MAX,
    BookView,
    ContractView,
    DayView,
    IndicativeView,
    MarketView,
    OrderView,
    PositionView,
    SlotView,
    TradeProof,
    TraderView,
    TradesView,
    TradeView,
    WorkView,
)
from pallets.energy_trading.market_store import DAY_MS, DAY_OFFSET_MS, MarketStore
from pallets.energy_trading.market_types import (
    ROW_PAGE,
    MarketKind,
    Phase,
    Position,
    PriceLevel,
    PriceLevels,
    Row,
    SlotKey,
    Terms,
)
from pallets.energy_trading.market_types import (
    Market as ZoneMarket,
)
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import LEVEL_BYTES, count_levels, list_levels, sum_levels, to_levels
from pallets.energy_trading.units import MONEY_PER_WH_TICK, compute_value
from runtime.frame.api import PAGE_MAX, RefusedQuestion
from runtime.primitives.arithmetic import U32_MAX
from runtime.primitives.row_tree import prove_row
from runtime.primitives.scale import codec
from runtime.primitives.types import AccountId

_ROW = codec(Row)


class GridPrices(Protocol):
    """What the grid pays and asks."""

    def spread_ticks(self, zone: int, slot: int) -> tuple[int, int]:
        """Return the grid's feed-in and retail prices of a slot, in ticks."""
        ...


@dataclass(frozen=True, slots=True)
class MarketViews:
    """Readings of one market instance."""

    market: Market
    prices: GridPrices

    @property
    def _store(self) -> MarketStore:
        return self.market.store

    # --- markets and slots

    def list_markets(self) -> tuple[MarketView, ...]:
        """Return the markets of all zones, in the order of the zones."""
        return tuple(self._view_market(zone) for zone in self.market.zones.get())

    def view_slot(self, zone: int, slot: int) -> SlotView:
        """Return a slot of a zone; RefusedQuestion where the zone has no market."""
        store, key, market = self._store, (zone, slot), self._get_market(zone)
        book, progress = store.books.get(key), store.progress.get(key)
        curtailing = store.curtailing.get(key)
        coupling = None if book is None or book.lead is None else store.couplings.get((book.lead, slot))
        return SlotView(
            zone,
            slot,
            self.market.phase_of(zone, slot),
            store.start_of(slot),
            max(0, store.gate_of(zone, slot, market)),
            store.make_terms(zone) if book is None else book.terms,
            0 if book is None else book.orders,
            0 if book is None else book.positions,
            store.clearings.get(key),
            0 if book is None else book.fees,
            0 if book is None else book.wheeling,
            () if coupling is None else coupling.zones,
            None if progress is None else WorkView(progress.stage, progress.rows),
            None if curtailing is None else curtailing.permille,
            store.trades_root.get(key),
        )

    def list_slots(self, zone: int, first: int, limit: int) -> tuple[SlotView, ...]:
        """Return at most so many slots of a zone from one on; RefusedQuestion where it has no market."""
        return tuple(self.view_slot(zone, slot) for slot in _page(first, limit))

    def view_book(self, zone: int, slot: int, depth: int) -> BookView:
        """Return the book of a slot, at most so many prices of each side; RefusedQuestion where the zone has
        no market. Linear in the prices of the book, of which there are at most 4,096."""
        store, key, market = self._store, (zone, slot), self._get_market(zone)
        bids, offers = (store.levels.get((zone, slot, side)) for side in Side)
        book, phase = store.books.get(key), self.market.phase_of(zone, slot)
        depth = min(depth, DEPTH_MAX)
        (bid_wh, bid_orders), (offer_wh, offer_orders) = sum_levels(bids), sum_levels(offers)
        return BookView(
            zone,
            slot,
            phase,
            max(0, store.gate_of(zone, slot, market)),
            _list_best(bids, depth),
            _list_best(offers, depth),
            bid_wh,
            offer_wh,
            bid_orders,
            offer_orders,
            count_levels(bids),
            count_levels(offers),
            None if book is None or phase is not Phase.Open else _foresee(bids, offers, book.terms),
        )

    # --- orders and contracts

    def view_order(self, order_id: int) -> OrderView | None:
        """Return an active order, None when there is none of this number."""
        store = self._store
        order = store.orders.get(order_id)
        if order is None:
            return None
        key, market = (order.zone, order.slot), self._get_market(order.zone)
        return OrderView(
            order_id,
            order.who,
            order.zone,
            order.slot,
            order.side,
            order.qty,
            order.limit,
            order.filled,
            compute_value(order.qty, order.limit) if order.side is Side.BUY else 0,
            self.market.phase_of(*key),
            max(0, store.gate_of(*key, market)),
            store.is_before_gate(key, market),
        )

    def list_orders(self, who: AccountId, after: int | None, limit: int) -> tuple[OrderView, ...]:
        """Return at most so many active orders of an account in the order of their numbers, those after
        one."""
        numbers = sorted(self._store.active_orders(who))
        wanted = [one for one in numbers if after is None or one > after][: min(limit, PAGE_MAX)]
        found = (self.view_order(one) for one in wanted)
        return tuple(order for order in found if order is not None)

    def view_contract(self, number: int) -> ContractView | None:
        """Return a bilateral contract, None when there is none of this number."""
        found = self._store.bilaterals.get(number)
        return None if found is None else ContractView(number, found)

    def list_contracts(self, who: AccountId) -> tuple[ContractView, ...]:
        """Return the contracts that an account has proposed, at most 32."""
        found = (self.view_contract(number) for number in self._store.contracts.get(who))
        return tuple(contract for contract in found if contract is not None)

    # --- trades

    def list_trades(self, zone: int, slot: int, first: int, limit: int) -> TradesView:
        """Return at most so many rows of a slot's trades from a place on."""
        count = self._count_rows((zone, slot))
        rows = self._read_rows((zone, slot), first, min(first + min(limit, PAGE_MAX), count))
        views = (
            TradeView(
                place,
                row.order,
                row.who,
                row.side,
                row.qty,
                row.price,
                row.energy,
                row.fee,
                row.wheeling,
            )
            for place, row in enumerate(rows, first)
        )
        return TradesView(zone, slot, self._store.trades_root.get((zone, slot)), count, tuple(views))

    def prove_trade(self, zone: int, slot: int, place: int) -> TradeProof:
        """Return the proof of a row under the root of a slot whose rows are all written and kept.

        Raises RefusedQuestion otherwise. Linear in the slot's rows, at most `PROOF_ROWS_MAX`.
        """
        key = (zone, slot)
        root, count = self._store.trades_root.get(key), self._count_rows(key)
        if root is None:
            raise RefusedQuestion(f"the rows of slot {slot} of zone {zone} are not all written yet")
        if place >= count:
            raise RefusedQuestion(f"slot {slot} of zone {zone} has {count} rows, none at place {place}")
        if count > PROOF_ROWS_MAX:
            raise RefusedQuestion(f"{count} rows are too many to prove one of them; read them all")
        rows = [_ROW.encode(row) for row in self._read_rows(key, 0, count)]
        return TradeProof(root, count, place, rows[place], prove_row(rows, place))

    # --- accounts

    def view_position(self, who: AccountId, zone: int, slot: int) -> PositionView | None:
        """Return what an account has in a slot of a zone, None when it has nothing."""
        position = self._store.positions.get((zone, slot), who)
        if position is None:
            return None
        feed_in, retail = self.prices.spread_ticks(zone, slot)
        bought = position.traded_wh if position.side is Side.BUY else 0
        return PositionView(
            zone,
            slot,
            self.market.phase_of(zone, slot),
            position.side,
            position.open_orders,
            position.open_wh,
            bought,
            position.traded_wh - bought,
            position.energy,
            position.charges,
            _mean_price(position.energy, position.traded_wh),
            feed_in,
            retail,
            _compute_saving(position, feed_in, retail),
            position.is_handed_over,
        )

    def list_positions(self, who: AccountId, zone: int, first: int, limit: int) -> tuple[PositionView, ...]:
        """Return what an account has in at most so many slots of a zone from one on."""
        found = (self.view_position(who, zone, slot) for slot in _page(first, limit))
        return tuple(position for position in found if position is not None)

    def view_trader(self, who: AccountId) -> TraderView:
        """Return an account as the market knows it."""
        store = self._store
        found, own = store.participants.get(who), store.open_orders.get(who)
        return TraderView(
            None if found is None else found.limits,
            0 if found is None else found.deposit,
            own.ordered if own.day == store.today() else 0,
            len(store.active_orders(who)),
            store.config.asset.balance_on_hold(store.escrow, who),
            store.unclaimed.get(who),
        )

    # --- sums

    def list_days(self, zone: int, first: int, limit: int) -> tuple[DayView, ...]:
        """Return a zone's days with trade among at most so many from one on; RefusedQuestion where it has no
        market."""
        self._get_market(zone)
        found = (self._view_day(zone, day) for day in _page(first, limit))
        return tuple(day for day in found if day.slots)

    def rent_of(self, slot: int) -> int:
        """Return the congestion rent of a slot's auctions of several zones, as long as they are kept."""
        found = (self._store.couplings.get((zone, slot)) for zone in self.market.zones.get())
        return sum(coupling.rent for coupling in found if coupling is not None)

    # --- leaves of the above

    def _get_market(self, zone: int) -> ZoneMarket:
        market = self._store.markets.get(zone)
        if market is None:
            raise RefusedQuestion(f"zone {zone} has no market")
        return market

    def _view_market(self, zone: int) -> MarketView:
        store, market = self._store, self._get_market(zone)
        first, last = self._open_slots(zone, market)
        is_open = first <= last and not market.is_halted
        votes = self.market.halt_votes
        return MarketView(
            zone,
            store.config.zones.operator_of(zone),
            market.parameters,
            store.config.zones.wheeling_of(zone),
            market.halt,
            len(votes.get((zone, True))),
            len(votes.get((zone, False))),
            store.current_slot(),
            first if is_open else None,
            last if is_open else None,
            store.gate_of(zone, first, market) if is_open else None,
            len(store.gate_queue.get(zone)),
            len(store.work_queue.get(zone)),
        )

    def _open_slots(self, zone: int, market: ZoneMarket) -> tuple[int, int]:
        """Return the first and the last slot whose gate is ahead and within the horizon."""
        store = self._store
        early_ms = store.start_of(0) - store.gate_of(zone, 0, market)
        first = (store.config.clock.now_ms() + early_ms) // store.config.slot_ms + 1
        return first, store.current_slot() + market.parameters.horizon

    def _count_rows(self, key: SlotKey) -> int:
        """Return how many rows of a slot are written and kept, in logarithmically many reads."""
        progress = self._store.progress.get(key)
        if progress is not None:
            return progress.rows
        trades, pages = self._store.trades, 1
        if not trades.contains((*key, 0)):
            return 0
        while trades.contains((*key, pages)):
            pages *= 2
        low, high = pages // 2, pages
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if trades.contains((*key, middle)) else (low, middle)
        return low * ROW_PAGE + len(trades.get((*key, low)))

    def _read_rows(self, key: SlotKey, first: int, end: int) -> Sequence[Row]:
        """Return the rows from a place to before another."""
        if first >= end:
            return ()
        pages = range(first // ROW_PAGE, (end - 1) // ROW_PAGE + 1)
        rows = [row for page in pages for row in self._store.trades.get((*key, page))]
        skipped = pages.start * ROW_PAGE
        return rows[first - skipped : end - skipped]

    def _view_day(self, zone: int, day: int) -> DayView:
        found = self._store.stats.get((zone, day))
        return DayView(
            zone,
            day,
            max(0, day * DAY_MS - DAY_OFFSET_MS),
            found.slots,
            found.volume,
            found.value,
            found.price_min,
            found.price_max,
            _mean_price(found.value, found.volume),
            found.orders,
            found.fees,
            found.wheeling,
        )


def _page(first: int, limit: int) -> range:
    """Return at most so many numbers from one on, of those that a u32 holds."""
    return range(first, min(first + min(limit, PAGE_MAX), U32_MAX + 1))


def _mean_price(value: int, energy_wh: int) -> int | None:
    """Return the price of energy of a value in ticks, rounded down; None without energy."""
    return value // (energy_wh * MONEY_PER_WH_TICK) if energy_wh else None


def _compute_saving(position: Position, feed_in: int, retail: int) -> int:
    if position.side is Side.BUY:
        return compute_value(position.traded_wh, retail) - position.energy - position.charges
    return position.energy - compute_value(position.traded_wh, feed_in)


def _list_best(levels: PriceLevels, depth: int) -> tuple[PriceLevel, ...]:
    return tuple(PriceLevel(*one) for one in list_levels(levels[: depth * LEVEL_BYTES]))


def _foresee(bids: PriceLevels, offers: PriceLevels, terms: Terms) -> IndicativeView | None:
    """Return what an auction of these levels finds, None without a price or in continuous trading."""
    if terms.kind is not MarketKind.CallUniform:
        return None
    found = compute_clearing(to_levels(bids), to_levels(offers), terms.rules())
    return None if found is None else IndicativeView(found.price, found.low, found.high, found.volume_wh)
