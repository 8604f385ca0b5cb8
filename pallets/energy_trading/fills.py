"""What each order of a cleared auction gets, who trades with whom, and what a buyer pays: in pages of any
size.

Responsible for dividing the marginal level of a side and for nothing that decides the price. A caller reads
the orders of a side in the order of their arrival, as many at a time as fit its budget, and keeps the cursor
between two steps; the fills are the same for every size of page.

Who is better than the margin is filled, who is worse gets nothing; `TIME` serves the marginal level as it
arrived, `PRO_RATA` gives each the floor of size · accepted over the level's sum, and the Wh that remain one
each as they arrived. The latter reads the side twice: `measure_page` over all pages first, if
`needs_measuring`, then `fill_page`.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from pallets.energy_trading.clearing import Clearing, compute_clearing
from pallets.energy_trading.levels import Margin, Order, Rules, collect_levels, compute_effective_bid
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_fee, compute_value
from runtime.primitives.proportion import Proportion, measure, share, start_sharing
from runtime.primitives.scale import enum_path


@enum_path("pallet_market::Rationing")
class Rationing(IntEnum):
    """How a level that is only partly accepted is divided."""

    TIME = 0
    PRO_RATA = 1


class FillCursor(NamedTuple):
    """How far a side has come; `time_left` Wh of the margin are free under TIME, else see the proportion."""

    margin: Margin
    time_left: int
    proportion: Proportion | None

    @property
    def needs_measuring(self) -> bool:
        """Answer whether the side must be read by `measure_page` before the next `fill_page`."""
        return self.proportion is not None and not self.proportion.is_measured


def start_filling(margin: Margin, rationing: Rationing) -> FillCursor:
    """Return the cursor before the first page of a side."""
    if rationing is Rationing.TIME:
        return FillCursor(margin, margin.accepted, None)
    return FillCursor(margin, 0, start_sharing(margin.accepted, margin.total))


def measure_page(cursor: FillCursor, page: Sequence[Order]) -> FillCursor:
    """Return the cursor after the next page of the first reading.

    Raises Overflow when the orders exceed the sums from which the margin came.
    """
    assert cursor.proportion is not None, "only shares in proportion are measured"
    low, high = cursor.margin.low, cursor.margin.high
    weights = [qty_wh for qty_wh, limit in page if low <= limit <= high]
    return cursor._replace(proportion=measure(cursor.proportion, weights))


def fill_page(cursor: FillCursor, page: Sequence[Order]) -> tuple[list[int], FillCursor]:
    """Return the Wh that each order of the next page gets, and the cursor after it."""
    _, low, high, _, _ = cursor.margin
    if cursor.margin.side is Side.BUY:
        fills = [qty_wh if limit > high else 0 for qty_wh, limit in page]
    else:
        fills = [qty_wh if limit < low else 0 for qty_wh, limit in page]
    places = [place for place, (_, limit) in enumerate(page) if low <= limit <= high]
    if not places:
        return fills, cursor
    shares, cursor = _share_margin(cursor, [page[place].qty_wh for place in places])
    for place, qty_wh in zip(places, shares, strict=True):
        fills[place] = qty_wh
    return fills, cursor


def _share_margin(cursor: FillCursor, weights: Sequence[int]) -> tuple[list[int], FillCursor]:
    if cursor.proportion is not None:
        shares, proportion = share(cursor.proportion, weights)
        return shares, cursor._replace(proportion=proportion)
    left = cursor.time_left
    shares = []
    for weight in weights:
        shares.append(min(weight, left))
        left -= shares[-1]
    return shares, cursor._replace(time_left=left)


def fill_side(margin: Margin, orders: Sequence[Order], rationing: Rationing) -> list[int]:
    """Return the Wh that each order of a whole side gets."""
    cursor = start_filling(margin, rationing)
    if cursor.needs_measuring:
        cursor = measure_page(cursor, orders)
    return fill_page(cursor, orders)[0]


class Auction(NamedTuple):
    """A clearing and the fills of every bid and offer, in their order; without a clearing all are 0."""

    clearing: Clearing | None
    bid_fills: list[int]
    offer_fills: list[int]


def clear(bids: Sequence[Order], offers: Sequence[Order], rules: Rules, rationing: Rationing) -> Auction:
    """Return what a whole auction gives at once; orders stand in the order of their arrival."""
    clearing = compute_clearing(collect_levels(Side.BUY, bids), collect_levels(Side.SELL, offers), rules)
    if clearing is None:
        return Auction(None, [0] * len(bids), [0] * len(offers))
    return Auction(
        clearing,
        fill_side(clearing.bids, bids, rationing),
        fill_side(clearing.offers, offers, rationing),
    )


class Filled(NamedTuple):
    """An order, by its place in the order of arrival, and the Wh that it got."""

    place: int
    qty_wh: int


class Trade(NamedTuple):
    """A row of the list of trades, with the places of both orders."""

    bid: int
    offer: int
    qty_wh: int


class PairCursor(NamedTuple):
    """The next bid and offer in rank order, and what of each is paired already."""

    bid: int = 0
    bid_paired: int = 0
    offer: int = 0
    offer_paired: int = 0


def rank(side: Side, orders: Sequence[Order], fills: Sequence[int], rules: Rules) -> list[Filled]:
    """Return the filled orders from the best price to the worst, equal ones as they arrived."""
    filled = [Filled(place, qty_wh) for place, qty_wh in enumerate(fills) if qty_wh]
    if side is Side.SELL:
        return sorted(filled, key=lambda one: orders[one.place].limit_ticks)
    return sorted(filled, key=lambda one: -compute_effective_bid(orders[one.place].limit_ticks, rules))


def pair_page(
    bids: Sequence[Filled], offers: Sequence[Filled], cursor: PairCursor, rows_max: int
) -> tuple[list[Trade], PairCursor]:
    """Return the next rows of the trades and the cursor after them; no row where all is paired.

    Both lists hold the same energy, so there are at most as many rows as orders less one.
    """
    assert rows_max > 0, "a page has a row"
    rows: list[Trade] = []
    bid, bid_paired, offer, offer_paired = cursor
    while bid < len(bids) and len(rows) < rows_max:
        buyer, seller = bids[bid], offers[offer]
        qty_wh = min(buyer.qty_wh - bid_paired, seller.qty_wh - offer_paired)
        rows.append(Trade(buyer.place, seller.place, qty_wh))
        bid_paired += qty_wh
        offer_paired += qty_wh
        if bid_paired == buyer.qty_wh:
            bid, bid_paired = bid + 1, 0
        if offer_paired == seller.qty_wh:
            offer, offer_paired = offer + 1, 0
    return rows, PairCursor(bid, bid_paired, offer, offer_paired)


class Payment(NamedTuple):
    """What a buyer pays for its fill, by receiver, and what of its escrow comes back.

    The escrow is size · limit: `refund` is what the filled part needed less than the limit, `released` the
    escrow of the part that is not filled.
    """

    energy: int
    fee: int
    wheeling: int
    refund: int
    released: int

    @property
    def total(self) -> int:
        """All that leaves the buyer."""
        return self.energy + self.fee + self.wheeling


def compute_payment(order: Order, filled_wh: int, price_ticks: int, rules: Rules) -> Payment:
    """Return the exact payment of a bid; with refund and release it is the escrow.

    The refund is not negative: the price is at most the bid's effective bid, and that was rounded down.
    """
    assert 0 <= filled_wh <= order.qty_wh, "no more than was wanted"
    energy = compute_value(filled_wh, price_ticks)
    fee = compute_fee(filled_wh, price_ticks, rules.fee_bps)
    wheeling = compute_value(filled_wh, rules.wheeling_ticks)
    refund = compute_value(filled_wh, order.limit_ticks) - energy - fee - wheeling
    assert refund >= 0, "no buyer pays more than the limit"
    return Payment(energy, fee, wheeling, refund, compute_value(order.qty_wh - filled_wh, order.limit_ticks))
