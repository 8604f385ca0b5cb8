"""What an order may look like, shared by the call auction and the continuous book: its side and its bands.

Responsible for refusing sizes and prices that a market does not take; it knows no other order.
"""

from enum import IntEnum
from typing import NamedTuple

from runtime.primitives.arithmetic import U32_MAX, U64_MAX
from runtime.primitives.scale import enum_path


@enum_path("pallet_market::Side")
class Side(IntEnum):
    """Which way energy goes; the numbers are those of storage."""

    BUY = 0
    SELL = 1


class OrderError(ValueError):
    """An order that a market refuses; the subclasses bear the names of the pallet's errors."""


class QtyOutOfRange(OrderError):
    """The size is below the market's least or above its most."""

    def __init__(self, qty_wh: int, low: int, high: int) -> None:
        super().__init__(f"{qty_wh} Wh is not within {low} to {high}")
        self.qty_wh, self.low, self.high = qty_wh, low, high


class PriceOutOfBand(OrderError):
    """The limit is below the market's floor or above its cap."""

    def __init__(self, ticks: int, low: int, high: int) -> None:
        super().__init__(f"{ticks} ticks is not within {low} to {high}")
        self.ticks, self.low, self.high = ticks, low, high


class TickSize(OrderError):
    """The limit is no multiple of the market's price step."""

    def __init__(self, ticks: int, step: int) -> None:
        super().__init__(f"{ticks} ticks is no multiple of {step}")
        self.ticks, self.step = ticks, step


class Bands(NamedTuple):
    """Least and most size in Wh, least and most limit in ticks, all inclusive, and the price step."""

    qty_min: int = 1
    qty_max: int = U64_MAX
    price_min: int = 0
    price_max: int = U32_MAX
    price_step: int = 1


WIDEST: Bands = Bands()
"""What the types hold; an order of 0 Wh is none."""


def ensure_order(bands: Bands, qty_wh: int, limit_ticks: int) -> None:
    """Raise QtyOutOfRange, PriceOutOfBand or TickSize unless a market with these bands takes the order."""
    if not bands.qty_min <= qty_wh <= bands.qty_max:
        raise QtyOutOfRange(qty_wh, bands.qty_min, bands.qty_max)
    if not bands.price_min <= limit_ticks <= bands.price_max:
        raise PriceOutOfBand(limit_ticks, bands.price_min, bands.price_max)
    if limit_ticks % bands.price_step:
        raise TickSize(limit_ticks, bands.price_step)
