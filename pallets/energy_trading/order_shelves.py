"""Active orders by number, sixteen numbers to a storage entry.

Responsible for reading and writing one of them without touching the others. Orders that follow one another come
in one block and mostly go in one, so a shelf is written once where sixteen entries would be; hashing, proving and
storing an entry is most of what an order costs. It knows nothing of what an order means.

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
_MASK_BYTES: Final = SHELF_ORDERS // 8
_SIDES: Final = tuple(Side)

ShelfId: TypeAlias = u64
Shelf: TypeAlias = Annotated[bytes, MaxLen(_MASK_BYTES + SHELF_ORDERS * _ORDER.size)]


@dataclass(frozen=True, slots=True)
class OrderShelves:
    """The active orders of one market instance."""

    shelves: Map[ShelfId, Shelf]

    def get(self, order_id: OrderId) -> Order | None:
        """Return an order, None where none of this number is active."""
        number, place = divmod(order_id, SHELF_ORDERS)
        shelf = self.shelves.get(number)
        mask, at = _locate(shelf, place)
        return _unpack(shelf, at) if mask >> place & 1 else None

    def contains(self, order_id: OrderId) -> bool:
        """Tell whether an order is active."""
        number, place = divmod(order_id, SHELF_ORDERS)
        return bool(_mask_of(self.shelves.get(number)) >> place & 1)

    def put(self, order_id: OrderId, order: Order) -> None:
        """Set the order of a number."""
        number, place = divmod(order_id, SHELF_ORDERS)
        shelf = self.shelves.get(number)
        mask, at = _locate(shelf, place)
        rest = shelf[at + _ORDER.size :] if mask >> place & 1 else shelf[at:]
        self.shelves.put(number, _join(mask | 1 << place, shelf[_MASK_BYTES:at], _pack(order), rest))

    def remove(self, order_id: OrderId) -> None:
        """Remove an active order; a shelf without one goes."""
        number, place = divmod(order_id, SHELF_ORDERS)
        shelf = self.shelves.get(number)
        mask, at = _locate(shelf, place)
        assert mask >> place & 1, "the order is active"
        left = mask & ~(1 << place)
        if left:
            self.shelves.put(number, _join(left, shelf[_MASK_BYTES:at], b"", shelf[at + _ORDER.size :]))
        else:
            self.shelves.remove(number)

    def items(self) -> Iterator[tuple[OrderId, Order]]:
        """Yield numbers and orders, shelf after shelf in the order of their raw keys."""
        for number, shelf in self.shelves.items():
            at, mask = _MASK_BYTES, _mask_of(shelf)
            for place in range(SHELF_ORDERS):
                if mask >> place & 1:
                    yield number * SHELF_ORDERS + place, _unpack(shelf, at)
                    at += _ORDER.size


def _mask_of(shelf: bytes) -> int:
    return int.from_bytes(shelf[:_MASK_BYTES], "little")


def _locate(shelf: bytes, place: int) -> tuple[int, int]:
    """Return the bits of a shelf, and where the order of a place lies, or would."""
    mask = _mask_of(shelf)
    return mask, _MASK_BYTES + (mask & (1 << place) - 1).bit_count() * _ORDER.size


def _join(mask: int, before: bytes, order: bytes, after: bytes) -> bytes:
    return b"".join((mask.to_bytes(_MASK_BYTES, "little"), before, order, after))


def _pack(order: Order) -> bytes:
    one = order
    where = (one.who, one.zone, one.slot, one.side)
    return _ORDER.pack(*where, one.qty, one.limit, one.filled, one.day, one.page)


def _unpack(shelf: bytes, at: int) -> Order:
    who, zone, slot, side, qty, limit, filled, day, page = _ORDER.unpack_from(shelf, at)
    return Order(AccountId(who), zone, slot, _SIDES[side], qty, limit, filled, day, page)
