"""What a true reading changes in a slot that was settled with something else in its place.

Responsible for the difference that is still to be paid, and for nothing else; it knows neither balances nor
meters. What was netted inside the community stays: the others were paid by it. The whole change is traded
with the grid, as if it had been known, at the slot's prices; so is the penalty. A correction of a correction
depends on the first and the last reading only.
"""

from __future__ import annotations

from typing import NamedTuple

from pallets.energy_trading.units import compute_value
from pallets.settlement.imbalance import Delivery, Terms, compute_penalty


class Correction(NamedTuple):
    """What the account gets from the grid, and pays more as a penalty; both may be below zero."""

    cash: int
    penalty: int

    @property
    def net(self) -> int:
        """What the account receives, or pays if below zero."""
        return self.cash - self.penalty


def correct(terms: Terms, before: Delivery, after: Delivery, netted_wh: int) -> Correction:
    """Return what is to be paid when a delivery turns out to be another one; the contract is the same.

    `netted_wh` is what the account gave to the community in the slot, below zero what it took.
    """
    cash = _trade_with_grid(terms, after, netted_wh) - _trade_with_grid(terms, before, netted_wh)
    return Correction(cash, compute_penalty(terms, after)[1] - compute_penalty(terms, before)[1])


def _trade_with_grid(terms: Terms, delivery: Delivery, netted_wh: int) -> int:
    """Return what an account receives for what the grid takes, or pays below zero for what it gives."""
    grid_wh = delivery.deviation_wh - netted_wh
    if grid_wh > 0:
        return compute_value(grid_wh, terms.feed_in_ticks)
    return -compute_value(-grid_wh, terms.retail_ticks)
