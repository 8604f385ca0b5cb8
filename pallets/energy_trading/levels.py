"""The book of a call auction as it is kept while it is open: what is wanted and offered at each limit.

Responsible for what a buyer's all-in limit leaves for the energy itself, for the sums of each price level,
and for how much of a side has been accepted. It knows neither the price nor how a level is divided.

An order of the auction is only its size and its limit; whose it is stays with the caller, who keeps orders in
the order of their arrival.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pallets.energy_trading.orders import OrderError, Side
from pallets.energy_trading.units import FEE_MAX_BPS, PRICE_MAX_TICKS
from runtime.primitives.arithmetic import Rounding, ensure_within, mul_div

WHOLE_BPS: Final = 10_000
WHOLE_PERMILLE: Final = 1_000


class Order(NamedTuple):
    """A wish to trade `qty_wh` or less at `limit_ticks` or better; a buyer's includes fee and wheeling."""

    qty_wh: int
    limit_ticks: int


class Level(NamedTuple):
    """All that is wanted, or offered, at one price."""

    ticks: int
    qty_wh: int


class LevelOutOfOrder(OrderError):
    """The levels of a side are not from the best price to the worst, each price once."""


class EmptyLevel(OrderError):
    """A level has no energy in it."""


class Rules(NamedTuple):
    """What an auction adds to the energy's price and where in the interval the price lies.

    `k_permille` of the interval, 0 to 1,000, goes to the sellers. The fee is of the energy's value, up to
    100 %; wheeling is for each kWh. The buyer pays both.
    """

    k_permille: int = 500
    fee_bps: int = 0
    wheeling_ticks: int = 0

    def ensure_valid(self) -> None:
        """Raise Underflow or Overflow where a value is outside its range."""
        ensure_within(self.k_permille, WHOLE_PERMILLE)
        ensure_within(self.fee_bps, FEE_MAX_BPS)
        ensure_within(self.wheeling_ticks, PRICE_MAX_TICKS)


def compute_effective_bid(limit_ticks: int, rules: Rules) -> int:
    """Return the highest price of energy with which fee and wheeling stay within a buyer's limit.

    Rounded down, so never against the buyer; below zero where wheeling alone exceeds the limit.
    """
    return (limit_ticks - rules.wheeling_ticks) * WHOLE_BPS // (WHOLE_BPS + rules.fee_bps)


def compute_least_limit(effective_ticks: int, rules: Rules) -> int:
    """Return the least limit whose effective bid is at least `effective_ticks`, a natural number."""
    grossed = mul_div(effective_ticks, WHOLE_BPS + rules.fee_bps, WHOLE_BPS, Rounding.UP)
    return grossed + rules.wheeling_ticks


def collect_levels(side: Side, orders: Iterable[Order]) -> list[Level]:
    """Return the sums of equal limits, from the best to the worst; linear but for sorting the levels."""
    sums: dict[int, int] = {}
    for qty_wh, limit_ticks in orders:
        sums[limit_ticks] = sums.get(limit_ticks, 0) + qty_wh
    ticks = sorted(sums, reverse=side is Side.BUY)
    return [Level(limit, sums[limit]) for limit in ticks]


def ensure_levels(side: Side, levels: Sequence[Level]) -> None:
    """Raise LevelOutOfOrder, EmptyLevel, Underflow or Overflow unless this is a side of a book."""
    previous: int | None = None
    for ticks, qty_wh in levels:
        ensure_within(ticks, PRICE_MAX_TICKS)
        if qty_wh <= 0:
            raise EmptyLevel(f"{qty_wh} Wh at {ticks} ticks")
        if previous is not None and (ticks >= previous if side is Side.BUY else ticks <= previous):
            raise LevelOutOfOrder(f"{ticks} ticks stands behind {previous}")
        previous = ticks


def to_effective_levels(bids: Sequence[Level], rules: Rules) -> list[Level]:
    """Return bid levels by effective bid: limits with the same one are merged, those below zero are gone."""
    merged: list[Level] = []
    for limit, qty_wh in bids:
        ticks = compute_effective_bid(limit, rules)
        if ticks < 0:
            break
        if merged and merged[-1].ticks == ticks:
            merged[-1] = Level(ticks, merged[-1].qty_wh + qty_wh)
        else:
            merged.append(Level(ticks, qty_wh))
    return merged


class Margin(NamedTuple):
    """Where a side stops being accepted: the limits `low` to `high`, which get `accepted` of `total`.

    Better limits are filled to the last Wh, worse ones get nothing. A whole level is a margin too.
    """

    side: Side
    low: int
    high: int
    accepted: int
    total: int


class Ladder:
    """The levels of one side and how far they have been accepted, from the best price on."""

    __slots__ = ("_levels", "_next", "left")

    def __init__(self, levels: Sequence[Level], accepted_wh: int = 0) -> None:
        self._levels = levels
        self._next = 0
        self.left = levels[0].qty_wh if levels else 0
        """Wh of the level at the head that are not accepted; 0 once there is no more."""
        while accepted_wh > 0:
            assert self.left > 0, "no more is accepted than there is"
            taken_wh = min(accepted_wh, self.left)
            self.take(taken_wh)
            accepted_wh -= taken_wh

    @property
    def head(self) -> int | None:
        """The best price that is not fully accepted; None when all is."""
        return self._levels[self._next].ticks if self._next < len(self._levels) else None

    @property
    def last(self) -> int | None:
        """The worst price of which something is accepted; None when nothing is."""
        place = self._last_place()
        return None if place is None else self._levels[place].ticks

    @property
    def accepted(self) -> int:
        """Wh accepted in all."""
        return sum(qty_wh for _, qty_wh in self._list_accepted())

    @property
    def worth(self) -> int:
        """Ticks · Wh of all that is accepted."""
        return sum(ticks * qty_wh for ticks, qty_wh in self._list_accepted())

    def take(self, qty_wh: int) -> None:
        """Accept so much more of the head, at most what is left of it."""
        assert 0 <= qty_wh <= self.left, "no more than the level has"
        self.left -= qty_wh
        if self.left == 0:
            self._next += 1
            if self._next < len(self._levels):
                self.left = self._levels[self._next].qty_wh

    def margin(self, side: Side, rules: Rules) -> Margin | None:
        """Return where acceptance stops, in limits as orders state them; None when nothing is accepted."""
        place = self._last_place()
        if place is None:
            return None
        ticks, total = self._levels[place]
        accepted = self._taken_of_head() if place == self._next else total
        low = high = ticks
        if side is Side.BUY:
            low, high = compute_least_limit(ticks, rules), compute_least_limit(ticks + 1, rules) - 1
        return Margin(side, low, high, accepted, total)

    def _list_accepted(self) -> list[Level]:
        whole = list(self._levels[: self._next])
        taken = self._taken_of_head()
        return [*whole, Level(self._levels[self._next].ticks, taken)] if taken else whole

    def _taken_of_head(self) -> int:
        if self._next == len(self._levels):
            return 0
        return self._levels[self._next].qty_wh - self.left

    def _last_place(self) -> int | None:
        if self._taken_of_head():
            return self._next
        return self._next - 1 if self._next else None
