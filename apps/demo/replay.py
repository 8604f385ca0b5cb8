"""What should come of the week by the rules of the market alone: the orders of the homes, and the outcome.

Responsible for the plan of orders, which the chain is given too, and for the computation that the chain's
figures are compared with. It knows no chain: clearing and imbalance are the pallets' pure algorithms, which
are tested against other people's.

A home wants to buy what it took in the same hour of the day before, up to the retail price, or to sell what
it gave, at the feed-in price or better.
"""

from __future__ import annotations

from typing import NamedTuple

from apps.demo.outcome import HomeHour, HourOutcome, Outcome
from apps.demo.week import HOURS_PER_DAY, Week
from pallets.energy_trading.fills import Rationing, clear, compute_payment
from pallets.energy_trading.levels import Order
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_value
from pallets.settlement.imbalance import Delivery, Row, Terms, settle


class PlannedOrder(NamedTuple):
    """An order of a home for an hour; `home` is its place among the homes."""

    home: int
    side: Side
    qty_wh: int
    limit_ticks: int


class _Trade(NamedTuple):
    bought_wh: int = 0
    sold_wh: int = 0
    energy: int = 0
    fee: int = 0
    wheeling: int = 0


def plan_orders(week: Week, number: int) -> tuple[PlannedOrder, ...]:
    """Return the orders of an hour in the order of the homes; who took and gave nothing has none."""
    retail_ticks = week.hour(number).retail_ticks
    planned = []
    for home, use in enumerate(week.hour(number - HOURS_PER_DAY).uses):
        if use.net_wh > 0:
            planned.append(PlannedOrder(home, Side.BUY, use.net_wh, retail_ticks))
        elif use.net_wh < 0:
            planned.append(PlannedOrder(home, Side.SELL, -use.net_wh, week.feed_in_ticks))
    return tuple(planned)


def compute_outcome(week: Week, hours: int) -> Outcome:
    """Return what the first hours of the week come to."""
    return Outcome(week.homes, tuple(compute_hour(week, number) for number in range(hours)))


def compute_hour(week: Week, number: int) -> HourOutcome:
    """Return what an hour comes to: trade by yesterday's need, settlement by today's meters."""
    hour = week.hour(number)
    price_ticks, trades = _trade(week, plan_orders(week, number))
    deliveries = [
        Delivery(trade.bought_wh, trade.sold_wh, use.load_wh, use.generated_wh)
        for use, trade in zip(hour.uses, trades, strict=True)
    ]
    terms = Terms(week.feed_in_ticks, hour.retail_ticks, 0, 0, 0, has_netting=True)
    rows, end = settle(terms, deliveries)
    return HourOutcome(
        week.feed_in_ticks,
        hour.retail_ticks,
        price_ticks,
        sum(trade.bought_wh for trade in trades),
        end.netted_wh,
        end.grid_buys_wh,
        end.grid_sells_wh,
        end.grid_cash,
        end.penalty_pot,
        tuple(_make_home_hour(*parts) for parts in zip(hour.uses, trades, rows, strict=True)),
    )


def _make_home_hour(use: tuple[int, int], trade: _Trade, row: Row) -> HomeHour:
    return HomeHour(
        *use, trade.bought_wh, trade.sold_wh, row.deviation_wh, row.netted_wh, *trade[2:], row.imbalance_cash
    )


def _trade(week: Week, planned: tuple[PlannedOrder, ...]) -> tuple[int | None, list[_Trade]]:
    """Return the price of an auction, None without one, and what each home traded."""
    sides = {side: [one for one in planned if one.side is side] for side in Side}
    books = {side: [Order(one.qty_wh, one.limit_ticks) for one in ones] for side, ones in sides.items()}
    auction = clear(books[Side.BUY], books[Side.SELL], week.rules, Rationing.PRO_RATA)
    trades = [_Trade()] * len(week.homes)
    if auction.clearing is None:
        return None, trades
    price_ticks = auction.clearing.price
    for one, order, fill in zip(sides[Side.BUY], books[Side.BUY], auction.bid_fills, strict=True):
        paid = compute_payment(order, fill, price_ticks, week.rules)
        trades[one.home] = _Trade(fill, 0, -paid.energy, paid.fee, paid.wheeling)
    for one, fill in zip(sides[Side.SELL], auction.offer_fills, strict=True):
        trades[one.home] = _Trade(0, fill, compute_value(fill, price_ticks))
    return price_ticks, trades
