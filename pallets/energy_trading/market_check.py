"""What must hold of a market's storage at every block; for tests and `--check-state`, never in a block.

Responsible for stating it: orders against pages, levels, lists and positions; holds against orders; what is
bought against what is sold; the pot against all that it owes.
"""

from __future__ import annotations

from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    BOOK_ORDERS_MAX,
    Book,
    MarketKind,
    Order,
    Phase,
    Position,
    SlotKey,
)
from pallets.energy_trading.order_books import is_idle, rank_ticks
from pallets.energy_trading.order_desk import money_of
from pallets.energy_trading.orders import Side
from pallets.energy_trading.positions import receivable_of
from pallets.energy_trading.price_levels import list_levels
from pallets.energy_trading.trade_rows import compute_rows_root
from pallets.energy_trading.units import compute_value
from runtime.primitives.types import AccountId

BEFORE = (Phase.Open, Phase.GateClosed)
BUSY = (Phase.GateClosed, Phase.Clearing, Phase.Halting, Phase.Curtailing)
OVER = (Phase.Cleared, Phase.Settled, Phase.Halted)


def check_market(store: MarketStore, zones: tuple[int, ...]) -> None:
    """AssertionError unless the storage of a market is consistent."""
    orders = dict(store.orders.items())
    assert list(zones) == sorted(dict.fromkeys(zones)), "zones are listed once, in order"
    assert sorted(zone for zone, _ in store.markets.items()) == list(zones)
    _check_lists(store, orders)
    _check_holds(store, orders)
    owed = sum(amount for _, amount in store.unclaimed.items())
    for key, book in store.books.items():
        assert book is not None
        owed += _check_book(store, key, book, orders)
    listed = sum(1 for _ in store.positions.items())
    assert listed == sum(book.positions for _, book in store.books.items() if book is not None)
    _check_queues(store, zones)
    _check_contracts(store)
    asset = store.config.asset
    pot = asset.total_balance(store.config.market_pot) - asset.minimum_balance()
    assert pot >= owed, f"the pot has {pot} for {owed} that it owes"


def _check_lists(store: MarketStore, orders: dict[int, Order]) -> None:
    """Every order is in its page and in its account's list, and nothing else is."""
    paged = [
        (order_id, place) for place, ids in store.pages.items() for order_id in ids if order_id in orders
    ]
    assert sorted(order_id for order_id, _ in paged) == sorted(orders), "an order is in one page"
    for order_id, place in paged:
        order = orders[order_id]
        assert place == (order.zone, order.slot, order.side, order.page), f"order {order_id} is misplaced"
    listed = [(one, who) for who, own in store.open_orders.items() for one in own.ids]
    assert len(dict.fromkeys(listed)) == len(listed), "an order is listed once"
    listed = [(one, who) for one, who in listed if one in orders]
    assert sorted(listed) == sorted((order_id, order.who) for order_id, order in orders.items())
    assert all(order_id < store.next_order_id.get() for order_id in orders)
    for who, own in store.open_orders.items():
        assert store.participants.contains(who), f"{who.hex()} ordered and is not registered"
        ordered = sum(
            compute_value(orders[one].qty, orders[one].limit)
            for one in store.active_orders(who)
            if orders[one].day == own.day
        )
        assert ordered <= own.ordered, f"{who.hex()} has orders of a day worth more than it ordered"


def _check_holds(store: MarketStore, orders: dict[int, Order]) -> None:
    """What is held of an account is what its active orders need."""
    needed: dict[AccountId, int] = {who: 0 for who, _ in store.participants.items()}
    for order in orders.values():
        needed[order.who] = needed.get(order.who, 0) + money_of(order)
    for who, amount in needed.items():
        held = store.config.asset.balance_on_hold(store.escrow, who)
        assert held == amount, f"{who.hex()} has {held} on hold for orders of {amount}"


def _check_book(store: MarketStore, key: SlotKey, book: Book, orders: dict[int, Order]) -> int:
    """Check a book with its orders and positions; return what the pot owes for it."""
    own = [order for order in orders.values() if (order.zone, order.slot) == key]
    assert len(own) == book.orders <= BOOK_ORDERS_MAX, f"{key}: {len(own)} orders, {book.orders} counted"
    positions = [(who, one) for who, one in store.positions.items_of(key) if one is not None]
    assert len(positions) == book.positions, f"{key}: positions are miscounted"
    if book.phase is Phase.Archived:
        return 0
    _check_positions(key, positions, own)
    _check_levels(store, key, book, own)
    bought = sum(one.traded_wh for _, one in positions if one.side is Side.BUY)
    sold = sum(one.traded_wh for _, one in positions if one.side is Side.SELL)
    paid = sum(one.energy for _, one in positions if one.side is Side.BUY)
    due = sum(one.energy for _, one in positions if one.side is Side.SELL)
    assert paid - due == book.energy, f"{key}: what buyers paid is not what sellers are owed"
    progress = store.progress.get(key)
    has_none = book.phase in (*OVER, Phase.GateClosed, Phase.Curtailing)
    assert (progress is None) == has_none or book.phase is Phase.Open
    if book.phase in OVER:
        assert book.orders == 0, f"{key}: orders after the end"
        if book.lead is None:
            assert bought == sold, f"{key}: {bought} Wh bought, {sold} sold"
            assert 0 <= book.energy < 10**11 * (1 + book.positions), f"{key}: {book.energy} belongs to nobody"
        assert store.trades_root.get(key) == compute_rows_root(store, key)
    if book.phase is not Phase.Settled:
        charges = sum(one.charges for _, one in positions)
        assert charges == book.fees + book.wheeling, f"{key}: fees and wheeling are not what buyers paid"
    # What a curtailment left over goes to the treasury when the slot is settled; the book remembers it.
    is_gone = book.phase is Phase.Settled or (book.phase in OVER and book.lead is not None)
    in_transit = 0 if is_gone else book.energy
    return sum(receivable_of(one) for _, one in positions) + in_transit + book.fees + book.wheeling


def _check_positions(key: SlotKey, positions: list[tuple[AccountId, Position]], own: list[Order]) -> None:
    opened: dict[AccountId, tuple[int, int]] = {}
    sides: dict[AccountId, Side] = {}
    for order in own:
        count, qty = opened.get(order.who, (0, 0))
        opened[order.who] = (count + 1, qty + order.qty)
        assert sides.setdefault(order.who, order.side) is order.side, f"{key}: an account on both sides"
    for who, position in positions:
        assert not is_idle(position), f"{key}: nothing is left of a position"
        assert (position.open_orders, position.open_wh) == opened.pop(who, (0, 0))
        assert sides.get(who, position.side) is position.side
    assert not opened, f"{key}: an order without a position"


def _check_levels(store: MarketStore, key: SlotKey, book: Book, own: list[Order]) -> None:
    """The levels of an open book are the sums of its orders, the best first."""
    is_kept = book.phase in BEFORE or book.terms.kind is MarketKind.Continuous
    for side in Side:
        sums: dict[int, tuple[int, int]] = {}
        for order in own:
            if order.side is side:
                ticks = rank_ticks(book.terms, side, order.limit)
                qty, count = sums.get(ticks, (0, 0))
                sums[ticks] = (qty + order.qty, count + 1)
        levels = store.levels.get((*key, side))
        found = [(ticks, (qty, count)) for ticks, qty, count in list_levels(levels)]
        if not is_kept:
            assert not levels, f"{key}: levels of a closed book"
        elif book.phase in BEFORE:
            assert found == sorted(sums.items(), reverse=side is Side.BUY), f"{key}: levels are not the sums"


def _check_queues(store: MarketStore, zones: tuple[int, ...]) -> None:
    """A book waits for its gate, or for work on its orders, or for neither."""
    phases = {key: book.phase for key, book in store.books.items() if book is not None}
    for zone in zones:
        gates, work = store.gate_queue.get(zone), store.work_queue.get(zone)
        assert list(gates) == sorted(dict.fromkeys(gates)), "a slot has one gate"
        own = {slot: phase for (one, slot), phase in phases.items() if one == zone}
        assert sorted(gates) == sorted(slot for slot, phase in own.items() if phase is Phase.Open)
        busy = [slot for slot, phase in own.items() if phase in BUSY]
        assert sorted(work) == sorted(busy)


def _check_contracts(store: MarketStore) -> None:
    """Contracts are listed by who proposed them, and numbered below the next."""
    listed = sorted((number, who) for who, numbers in store.contracts.items() for number in numbers)
    stored = [(number, one.proposer) for number, one in store.bilaterals.items() if one is not None]
    assert sorted(stored) == listed, "a contract is listed once"
    assert all(number < store.next_contract_id.get() for number, _ in stored)
