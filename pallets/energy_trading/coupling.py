"""Zones that are cleared together: whose lines take energy in a slot, and one auction for all of them.

Responsible for finding such zones, for the auction's steps over `zonal.py` from a stored cursor, for handing
each zone its price and margins, and at the end for wheeling and rent of the lines. How a zone's orders are
filled is `order_work.py`'s, as in an auction of its own.

Zones belong together when a line with capacity leads from one to the other in this slot, both have auctions
with the same k, and neither is halted; the gate of all is the last one's. They are over together: what is
bought in one and sold in another is paid in the same moment, and a halt of one refunds all.

Money: a zone that buys more than it sells has more from its buyers than it owes, another has less. Together
what is left is the wheeling of the lines, for the operators where they begin, and the rent, for the grid's
fund; it is never below zero (see `zonal.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading import market_events as events
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    Book,
    Coupling,
    MarketKind,
    Phase,
    SlotKey,
    Terms,
    Wire,
)
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import count_levels, to_levels
from pallets.energy_trading.units import compute_value
from pallets.energy_trading.zonal import (
    Line,
    ZonalClearing,
    ZonalCursor,
    ZoneBook,
    finish_zones,
    step_zones,
)


@dataclass(frozen=True, slots=True)
class Couplings:
    """Auctions of several zones in one market instance."""

    store: MarketStore
    escrow: Escrow

    def find_group(self, key: SlotKey) -> tuple[tuple[int, ...], tuple[Wire, ...]]:
        """Return the zones that are cleared together with a zone in a slot, itself included, in ascending
        order, and the lines among them."""
        zone, slot = key
        terms = {one: self._find_terms((one, slot)) for one in self._list_ends(slot)}
        wires = [
            wire
            for wire in self.store.config.zones.wires_of(slot)
            if _fit(terms.get(wire.source), terms.get(wire.target))
        ]
        group, is_growing = [zone], True
        while is_growing:
            reached = [
                end
                for wire in wires
                for end in (wire.source, wire.target)
                if wire.source in group or wire.target in group
            ]
            grown = sorted(dict.fromkeys([*group, *reached]))
            is_growing = grown != group
            group = grown
        return tuple(group), tuple(wire for wire in wires if wire.source in group)

    def start(self, group: tuple[int, ...], wires: tuple[Wire, ...], slot: int) -> None:
        """Queue the auction of zones whose books are closed and stored."""
        key, zeros = (group[0], slot), (0,) * len(group)
        coupling = Coupling(
            group, wires, zeros, zeros, (0,) * len(wires), 0, is_done=False, welfare=0, rent=0
        )
        self.store.couplings.put(key, coupling)
        self.store.coupling_queue.put((*self.store.coupling_queue.get(), key))

    def count_levels(self, key: SlotKey) -> int:
        """Return how many prices the books of an auction have, which every step looks at."""
        coupling = self._get(key)
        places = [(zone, key[1], side) for zone in coupling.zones for side in Side]
        return sum(count_levels(self.store.levels.get(place)) for place in places)

    def step(self, key: SlotKey, steps_max: int) -> tuple[ZonalClearing | None, int]:
        """Go so many steps on; return the result once there is none left, and the steps taken."""
        coupling = self._get(key)
        books = [self._to_zone_book((zone, key[1])) for zone in coupling.zones]
        lines = [
            Line(
                coupling.zones.index(wire.source),
                coupling.zones.index(wire.target),
                wire.capacity,
                wire.wheeling,
            )
            for wire in coupling.wires
        ]
        cursor = ZonalCursor(
            coupling.bought, coupling.sold, coupling.flows, coupling.steps, is_done=coupling.is_done
        )
        cursor = step_zones(books, lines, cursor, steps_max)
        found = finish_zones(books, lines, cursor) if cursor.is_done else None
        worth = (0, 0) if found is None else (found.welfare, found.congestion_rent)
        self.store.couplings.put(
            key,
            structs.replace(
                coupling,
                bought=cursor.bought_wh,
                sold=cursor.sold_wh,
                flows=cursor.flows,
                steps=cursor.steps,
                is_done=cursor.is_done,
                welfare=worth[0],
                rent=worth[1],
            ),
        )
        if found is not None:
            self.drop_from_queue(key)
        return found, cursor.steps - coupling.steps

    def pay_lines(self, key: SlotKey) -> None:
        """Pay wheeling to the operators where lines begin and the rent to the fund, once all zones are
        filled."""
        store, coupling = self.store, self._get(key)
        left = sum(self._energy_of((zone, key[1])) for zone in coupling.zones)
        for wire, flow in zip(coupling.wires, coupling.flows, strict=True):
            wheeling = compute_value(flow, wire.wheeling)
            self.escrow.refund(store.config.zones.wheeling_pot(wire.source), wheeling)
            left -= wheeling
        assert left == coupling.rent, "buyers pay sellers, wheeling and rent"
        self.escrow.refund(store.config.grid_fund, coupling.rent)
        flows = list(zip(coupling.wires, coupling.flows, strict=True))
        store.config.zones.note_flows(key[1], flows, coupling.rent)
        store.deposit(events.ZonesCleared(key[1], coupling.zones, coupling.welfare, coupling.rent))

    def zones_of(self, key: SlotKey, book: Book) -> tuple[int, ...]:
        """Return the zones that are cleared together with a book's, its own alone where there is no other."""
        return (key[0],) if book.lead is None else self._get((book.lead, key[1])).zones

    def dissolve(self, key: SlotKey) -> None:
        """Forget an auction that is halted."""
        self.store.couplings.remove(key)
        self.drop_from_queue(key)

    def drop_from_queue(self, key: SlotKey) -> None:
        """Take an auction off the queue of those to be priced."""
        queue = self.store.coupling_queue.get()
        self.store.coupling_queue.put(tuple(one for one in queue if one != key))

    def _get(self, key: SlotKey) -> Coupling:
        coupling = self.store.couplings.get(key)
        assert coupling is not None, "zones that are cleared together have an auction"
        return coupling

    def _energy_of(self, key: SlotKey) -> int:
        book = self.store.books.get(key)
        assert book is not None, "a zone of an auction has a book"
        return book.energy

    def _list_ends(self, slot: int) -> list[int]:
        wires = self.store.config.zones.wires_of(slot)
        return sorted(dict.fromkeys(end for wire in wires for end in (wire.source, wire.target)))

    def _find_terms(self, key: SlotKey) -> Terms | None:
        """Return the rules of a zone that may be cleared with others in a slot, None where it may not."""
        market, book = self.store.markets.get(key[0]), self.store.books.get(key)
        if market is None or market.is_halted or (book is not None and book.phase is not Phase.Open):
            return None
        return self.store.make_terms(key[0]) if book is None else book.terms

    def _to_zone_book(self, key: SlotKey) -> ZoneBook:
        book = self.store.books.get(key)
        assert book is not None, "a zone of an auction has a book"
        bids, offers = (to_levels(self.store.levels.get((*key, side))) for side in Side)
        return ZoneBook(bids, offers, book.terms.rules())


def _fit(one: Terms | None, other: Terms | None) -> bool:
    """Tell whether zones with these rules may be cleared together."""
    if one is None or other is None:
        return False
    is_auction = one.kind is other.kind is MarketKind.CallUniform
    return is_auction and one.k_permille == other.k_permille
