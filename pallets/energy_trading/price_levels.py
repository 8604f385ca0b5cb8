"""The sums of a side of a book, price by price, as they are kept in storage: packed, the best price first.

Responsible for finding, raising and lowering a price without touching the others. Every order changes one of
up to thousands, so they are bytes and no records: 16 for each, ticks u32, Wh u64 and orders u32, all
little-endian. It knows neither orders nor zones.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct as Packing
from typing import Final

from pallets.energy_trading.levels import Level
from pallets.energy_trading.orders import Side

_LEVEL: Final = Packing("<IQI")
_TICKS: Final = Packing("<I")
LEVEL_BYTES: Final = _LEVEL.size


def count_levels(packed: bytes) -> int:
    """Return how many prices there are."""
    return len(packed) // LEVEL_BYTES


def list_levels(packed: bytes) -> Iterator[tuple[int, int, int]]:
    """Give ticks, Wh and orders of each price, the best first."""
    return _LEVEL.iter_unpack(packed)


def to_levels(packed: bytes) -> list[Level]:
    """Return prices and sums as the auction takes them."""
    return [Level(ticks, qty) for ticks, qty, _ in _LEVEL.iter_unpack(packed)]


def sum_levels(packed: bytes) -> tuple[int, int]:
    """Return Wh and orders of all prices together."""
    qty = orders = 0
    for _, more, count in _LEVEL.iter_unpack(packed):
        qty += more
        orders += count
    return qty, orders


def best_ticks(packed: bytes) -> int | None:
    """Return the best price, None where there is none."""
    return _TICKS.unpack_from(packed)[0] if packed else None


def raise_level(packed: bytes, side: Side, ticks: int, qty: int) -> bytes:
    """Return the levels with one more order at a price."""
    at = _find(packed, side, ticks)
    end, orders = at, 1
    if at < len(packed) and _TICKS.unpack_from(packed, at)[0] == ticks:
        _, before, count = _LEVEL.unpack_from(packed, at)
        end, qty, orders = at + LEVEL_BYTES, before + qty, count + 1
    return b"".join((packed[:at], _LEVEL.pack(ticks, qty, orders), packed[end:]))


def lower_level(packed: bytes, side: Side, ticks: int, qty: int, *, is_gone: bool) -> bytes:
    """Return the levels with so many Wh less at a price, and an order less if it goes."""
    at = _find(packed, side, ticks)
    end = at + LEVEL_BYTES
    found, before, orders = _LEVEL.unpack_from(packed, at)
    assert found == ticks, "every order that waits has its price"
    orders -= is_gone
    rest = _LEVEL.pack(ticks, before - qty, orders) if orders else b""
    return b"".join((packed[:at], rest, packed[end:]))


def _find(packed: bytes, side: Side, ticks: int) -> int:
    """Return the offset at which a price stands, or would."""
    low, high = 0, len(packed) // LEVEL_BYTES
    ticks_at = _TICKS.unpack_from
    is_buy = side is Side.BUY
    while low < high:
        middle = (low + high) // 2
        one = ticks_at(packed, middle * LEVEL_BYTES)[0]
        if one > ticks if is_buy else one < ticks:
            low = middle + 1
        else:
            high = middle
    return low * LEVEL_BYTES
