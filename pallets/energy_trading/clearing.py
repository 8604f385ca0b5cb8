"""The call auction: one price for a zone and a slot, found from the sums of the price levels alone.

Responsible for which volume is traded, at what price, and where each side stops being accepted. It knows no
order and no account: `fills.py` divides the levels.

The rule. Bids are ranked by what the limit leaves for energy, offers by price; they trade while a bid is at
least the offer, so the volume is the largest one of greatest welfare. Let lo be the larger of the last
accepted offer and the best bid that is not fully accepted, hi the smaller of the last accepted bid and the
best offer that is not fully accepted. Every price from lo to hi clears the market (it is a Walrasian
equilibrium): whoever is better than the price is filled completely, whoever is worse not at all. lo <= hi,
because each accepted bid is at least each accepted offer, and acceptance stopped where the next bid is below
the next offer. The price is lo + (hi - lo) · k / 1,000, rounded down.

The cost is linear in the levels, whatever the number of orders. Incentives: the rule is efficient, pays each
side within its limit and needs no subsidy, so it cannot be strategy-proof as well (Myerson and Satterthwaite
1983); docs/energy-market.md says how much a trader could gain.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pallets.energy_trading.levels import (
    WHOLE_PERMILLE,
    Ladder,
    Level,
    Margin,
    Rules,
    ensure_levels,
    to_effective_levels,
)
from pallets.energy_trading.orders import Side


class Clearing(NamedTuple):
    """What an auction has found; `welfare` is in ticks · Wh, of effective bids less offers."""

    price: int
    low: int
    high: int
    volume_wh: int
    welfare: int
    bids: Margin
    offers: Margin


def compute_clearing(bids: Sequence[Level], offers: Sequence[Level], rules: Rules) -> Clearing | None:
    """Return the clearing of a book, None where no bid reaches an offer.

    Levels are of limits, from the best to the worst. Raises LevelOutOfOrder, EmptyLevel, and Underflow or
    Overflow for prices outside u32 and rules outside their ranges.
    """
    rules.ensure_valid()
    ensure_levels(Side.BUY, bids)
    ensure_levels(Side.SELL, offers)
    demand, supply = Ladder(to_effective_levels(bids, rules)), Ladder(offers)
    volume_wh, welfare = match(demand, supply)
    bid_margin, offer_margin = demand.margin(Side.BUY, rules), supply.margin(Side.SELL, rules)
    if bid_margin is None or offer_margin is None:
        return None
    low, high = find_interval(demand, supply)
    assert low is not None, "an accepted offer bounds the price from below"
    assert high is not None, "an accepted bid bounds the price from above"
    price = interpolate(low, high, rules.k_permille)
    return Clearing(price, low, high, volume_wh, welfare, bid_margin, offer_margin)


def match(demand: Ladder, supply: Ladder) -> tuple[int, int]:
    """Accept both sides while the bid is at least the offer; return the volume and the welfare."""
    volume_wh = welfare = 0
    while True:
        bid, offer = demand.head, supply.head
        if bid is None or offer is None or bid < offer:
            return volume_wh, welfare
        qty_wh = min(demand.left, supply.left)
        demand.take(qty_wh)
        supply.take(qty_wh)
        volume_wh += qty_wh
        welfare += qty_wh * (bid - offer)


def find_interval(demand: Ladder, supply: Ladder) -> tuple[int | None, int | None]:
    """Return the least and the greatest price that fits what is accepted; None where nothing bounds it."""
    lows = [ticks for ticks in (supply.last, demand.head) if ticks is not None]
    highs = [ticks for ticks in (demand.last, supply.head) if ticks is not None]
    return max(lows, default=None), min(highs, default=None)


def interpolate(low: int, high: int, k_permille: int) -> int:
    """Return the price at k of the interval, rounded down.

    With it rounded alike everywhere, prices of two zones that differ by at most a whole wheeling charge at
    both ends of their intervals still do so in between.
    """
    assert low <= high, "the interval has a price"
    return low + (high - low) * k_permille // WHOLE_PERMILLE
