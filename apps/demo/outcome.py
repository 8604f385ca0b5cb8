"""What came of the week: for each hour and each home energy, trade and money, and their sums.

Responsible for what figures mean and how they add up. It knows neither who found them, a chain's blocks or a
computation, nor how they are shown. Energy is in Wh, prices in ticks of 0.0001 THB per kWh, money in units of
10⁻¹² THB: above zero received, below zero paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pallets.energy_trading.units import compute_value


class HomeHour(NamedTuple):
    """One home in one hour.

    `deviation_wh` is what it delivered beyond its trades, below zero what was missing; `netted_wh` of it was
    exchanged with neighbours. `energy` is paid or received for trades, `fee` and `wheeling` are paid on
    purchases, `imbalance` is for the deviation.
    """

    load_wh: int = 0
    generated_wh: int = 0
    bought_wh: int = 0
    sold_wh: int = 0
    deviation_wh: int = 0
    netted_wh: int = 0
    energy: int = 0
    fee: int = 0
    wheeling: int = 0
    imbalance: int = 0

    @property
    def money(self) -> int:
        """All that the hour brought or cost."""
        return self.energy - self.fee - self.wheeling + self.imbalance

    @property
    def net_wh(self) -> int:
        """What the home took from others, below zero what it gave them."""
        return self.load_wh - self.generated_wh


class HourOutcome(NamedTuple):
    """One hour: the grid's prices, that of the market if there was trade, and the sums of the settlement."""

    feed_in_ticks: int
    retail_ticks: int
    price_ticks: int | None
    traded_wh: int
    netted_wh: int
    grid_buys_wh: int
    grid_sells_wh: int
    grid_cash: int
    penalties: int
    homes: tuple[HomeHour, ...]

    @property
    def row(self) -> tuple[int | None, int, int, int, int]:
        """The figures that an independent script tells of the hour, too."""
        return (self.price_ticks, self.traded_wh, self.netted_wh, self.grid_buys_wh, self.grid_sells_wh)


class HomeTotal(NamedTuple):
    """A home's week; `alone` is what it would have paid or received without neighbours, `retail_bill` what of
    it is for energy that it took."""

    name: str
    load_wh: int
    generated_wh: int
    bought_wh: int
    sold_wh: int
    netted_out_wh: int
    netted_in_wh: int
    energy: int
    fee: int
    wheeling: int
    imbalance: int
    alone: int
    retail_bill: int

    @property
    def money(self) -> int:
        """All that the week brought or cost."""
        return self.energy - self.fee - self.wheeling + self.imbalance

    @property
    def saving(self) -> int:
        """By how much better the home did than alone."""
        return self.money - self.alone


class Outcome(NamedTuple):
    """The week, or its first hours."""

    homes: tuple[str, ...]
    hours: tuple[HourOutcome, ...]

    @property
    def totals(self) -> tuple[HomeTotal, ...]:
        """The sums of each home, in order."""
        return tuple(_add_up(name, place, self.hours) for place, name in enumerate(self.homes))

    @property
    def fees(self) -> int:
        """What buyers paid the market."""
        return sum(home.fee for hour in self.hours for home in hour.homes)

    @property
    def wheeling(self) -> int:
        """What buyers paid for the wires."""
        return sum(home.wheeling for hour in self.hours for home in hour.homes)

    @property
    def grid_cash(self) -> int:
        """What the grid was paid for energy, less what it paid."""
        return sum(hour.grid_cash for hour in self.hours)

    @property
    def penalties(self) -> int:
        """What deviations cost beyond the energy."""
        return sum(hour.penalties for hour in self.hours)

    @property
    def traded_wh(self) -> int:
        """Energy sold in auctions."""
        return sum(hour.traded_wh for hour in self.hours)

    @property
    def netted_wh(self) -> int:
        """Energy exchanged among neighbours when hours were settled."""
        return sum(hour.netted_wh for hour in self.hours)

    @property
    def money(self) -> int:
        """What all homes together received, or paid if below zero."""
        return sum(total.money for total in self.totals)

    @property
    def alone(self) -> int:
        """What all homes together would have had without the community."""
        return sum(total.alone for total in self.totals)


def compute_alone(net_wh: int, feed_in_ticks: int, retail_ticks: int) -> int:
    """Return what an hour brings or costs a home that knows only the grid."""
    if net_wh > 0:
        return -compute_value(net_wh, retail_ticks)
    return compute_value(-net_wh, feed_in_ticks)


def list_differences(found: Outcome, wanted: Outcome) -> list[str]:
    """Return a sentence for each hour whose figures are not the wanted ones, naming homes; none: equal."""
    if found.homes != wanted.homes:
        return ["the homes are not the same"]
    if len(found.hours) != len(wanted.hours):
        return [f"{len(found.hours)} hours are settled, {len(wanted.hours)} should be"]
    pairs = enumerate(zip(found.hours, wanted.hours, strict=True))
    return [_tell_difference(number, found.homes, *pair) for number, pair in pairs if pair[0] != pair[1]]


def _tell_difference(number: int, names: Sequence[str], found: HourOutcome, wanted: HourOutcome) -> str:
    homes = zip(names, found.homes, wanted.homes, strict=True)
    differing = ", ".join(name for name, one, other in homes if one != other) or "no home"
    return f"hour {number}: found {found.row}, expected {wanted.row}; differing: {differing}"


def _add_up(name: str, place: int, hours: Iterable[HourOutcome]) -> HomeTotal:
    mine = [(hour, hour.homes[place]) for hour in hours]
    return HomeTotal(
        name,
        sum(one.load_wh for _, one in mine),
        sum(one.generated_wh for _, one in mine),
        sum(one.bought_wh for _, one in mine),
        sum(one.sold_wh for _, one in mine),
        sum(one.netted_wh for _, one in mine if one.deviation_wh > 0),
        sum(one.netted_wh for _, one in mine if one.deviation_wh < 0),
        sum(one.energy for _, one in mine),
        sum(one.fee for _, one in mine),
        sum(one.wheeling for _, one in mine),
        sum(one.imbalance for _, one in mine),
        sum(compute_alone(one.net_wh, hour.feed_in_ticks, hour.retail_ticks) for hour, one in mine),
        sum(compute_value(max(one.net_wh, 0), hour.retail_ticks) for hour, one in mine),
    )
