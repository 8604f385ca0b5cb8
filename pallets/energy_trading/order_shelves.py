"""Active orders by number, sixteen numbers to a storage entry.

Responsible for reading and writing one of them without touching the others. Orders that follow one another
come in one block and mostly go in one, so a shelf is written once where sixteen entries would be; hashing and
storing entries is half of what an order costs. It knows nothing of what an order means.

A shelf is packed: a bit for each number that is there as u16, then these orders in their order, all
little-endian: who 32 bytes, zone u16, slot u32, side u8, qty u64, limit u32, filled u64, day u32, page u32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct as Packing
from typing import Annotated, Final, TypeAlias

from pallets.energy_trading.market_types import Order, OrderId
from pallets.energy_trading.orders import Side
from runtime.frame.storage import Map
from runtime.primitives.scale import MaxLen, u64
from runtime.primitives.types import AccountId

SHELF_ORDERS: Final = 16
"""So few that an order that goes alone rewrites a kilobyte at most."""
_ORDER: Final = Packing("<32sHIBQIQII")
_MASK: Final = Packing("<H")
EMPTY_SHELF: Final = bytes(_MASK.size)
_SIDES: Final = tuple(Side)

ShelfId: TypeAlias = u64
Shelf: TypeAlias = Annotated[bytes, MaxLen(_MASK.size + SHELF_ORDERS * _ORDER.size)]


@dataclass(frozen=True, slots=True)
class OrderShelves:
    """The active orders of one market instance."""

    shelves: Map[ShelfId, Shelf]

    def get(self, order_id: OrderId) -> Order | None:
        """Return an order, None where none of this number is active."""
        shelf, bit = self.shelves.get(order_id // SHELF_ORDERS), 1 << order_id % SHELF_ORDERS
        mask = _MASK.unpack_from(shelf)[0]
        return _unpack(shelf, _place_of(mask, bit)) if mask & bit else None

    def contains(self, order_id: OrderId) -> bool:
        """Tell whether an order is active."""
        mask: int = _MASK.unpack_from(self.shelves.get(order_id // SHELF_ORDERS))[0]
        return bool(mask & 1 << order_id % SHELF_ORDERS)

    def put(self, order_id: OrderId, order: Order) -> None:
        """Set the order of a number."""
        number, bit = order_id // SHELF_ORDERS, 1 << order_id % SHELF_ORDERS
        shelf = self.shelves.get(number)
        mask = _MASK.unpack_from(shelf)[0]
        if bit > mask:  # the youngest, as a new one is
            self.shelves.put(number, b"".join((_MASK.pack(mask | bit), shelf[_MASK.size :], _pack(order))))
            return
        at = _place_of(mask, bit)
        after = at + _ORDER.size if mask & bit else at
        parts = (_MASK.pack(mask | bit), shelf[_MASK.size : at], _pack(order), shelf[after:])
        self.shelves.put(number, b"".join(parts))

    def remove(self, order_id: OrderId) -> None:
        """Remove an active order; a shelf without one goes."""
        assert self.take(order_id) is not None, "the order is active"

    def take(self, order_id: OrderId) -> Order | None:
        """Remove an order and return it, None where none of this number is active; a shelf without one
        goes."""
        number, bit = order_id // SHELF_ORDERS, 1 << order_id % SHELF_ORDERS
        shelf = self.shelves.get(number)
        mask = _MASK.unpack_from(shelf)[0]
        if not mask & bit:
            return None
        at = _place_of(mask, bit)
        if mask == bit:
            self.shelves.remove(number)
        else:
            parts = (_MASK.pack(mask ^ bit), shelf[_MASK.size : at], shelf[at + _ORDER.size :])
            self.shelves.put(number, b"".join(parts))
        return _unpack(shelf, at)

    def items(self) -> Iterator[tuple[OrderId, Order]]:
        """Yield numbers and orders, shelf after shelf in the order of their raw keys."""
        for number, shelf in self.shelves.items():
            at, mask = _MASK.size, _MASK.unpack_from(shelf)[0]
            for place in range(SHELF_ORDERS):
                if mask >> place & 1:
                    yield number * SHELF_ORDERS + place, _unpack(shelf, at)
                    at += _ORDER.size


def _place_of(mask: int, bit: int) -> int:
    """Return where in a shelf an order lies, or would."""
    return _MASK.size + (mask & bit - 1).bit_count() * _ORDER.size


def _pack(order: Order) -> bytes:
    one = order
    where = (one.who, one.zone, one.slot, one.side)
    return _ORDER.pack(*where, one.qty, one.limit, one.filled, one.day, one.page)


def _unpack(shelf: bytes, at: int) -> Order:
    who, zone, slot, side, qty, limit, filled, day, page = _ORDER.unpack_from(shelf, at)
    return Order(AccountId(who), zone, slot, _SIDES[side], qty, limit, filled, day, page)
