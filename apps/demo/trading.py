"""The orders of the week: each home's own, as soon as the same hour of the day before is measured.

Responsible for when orders go out and in which order. Equal orders are filled in proportion, and what does
not divide goes to those that arrived first; so that a run can be compared to the last unit, the bids of an
hour arrive in the order of the homes, and so do the offers: each waits until the one before it is final.
There is a day for that. It decides nothing about prices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from apps.chain.values import Encoded, Value
from apps.demo.cast import Home
from apps.demo.follower import Follower
from apps.demo.replay import PlannedOrder, plan_orders
from apps.demo.stage import Stage
from apps.demo.week import HOURS_PER_DAY, Week
from pallets.energy_trading.orders import Side

BATCH_MAX: Final = 64
"""Orders of one transaction, as the market has it."""


class Trading:
    """The orders of the homes for slots from a first one on."""

    def __init__(
        self, stage: Stage, week: Week, homes: Sequence[Home], zone: int, first_slot: int, hours: int
    ) -> None:
        self._stage = stage
        self._week = week
        self._homes = tuple(homes)
        self._zone = zone
        self._first_slot = first_slot
        self._hours = hours

    async def place_first_day(self) -> None:
        """Place the orders of the first day, for which all is measured: a home's in one transaction."""
        planned = [
            (number, order)
            for number in range(min(HOURS_PER_DAY, self._hours))
            for order in plan_orders(self._week, number)
        ]
        for place, home in enumerate(self._homes):
            orders = [self._describe(number, order) for number, order in planned if order.home == place]
            assert len(orders) <= BATCH_MAX, "a day's orders fit"
            if orders:
                call = self._stage.call("Market", "submit_orders", orders=orders)
                await self._stage.send(home.key, home.name, "place the orders of the first day", call)

    async def run(self, follower: Follower) -> None:
        """Place the orders of the other hours, each when the hour a day before it is over."""
        async with asyncio.TaskGroup() as group:
            for number in range(HOURS_PER_DAY, self._hours):
                await follower.wait_slot(self._first_slot + number - HOURS_PER_DAY + 1)
                for side in Side:
                    group.create_task(self._place_side(number, side))

    async def _place_side(self, number: int, side: Side) -> None:
        for order in plan_orders(self._week, number):
            if order.side is side:
                home = self._homes[order.home]
                what = f"place an order for hour {number}"
                await self._stage.send(home.key, home.name, what, self._order(number, order))

    def _order(self, number: int, order: PlannedOrder) -> Encoded:
        return self._stage.call("Market", "submit_order", **self._describe(number, order))

    def _describe(self, number: int, order: PlannedOrder) -> dict[str, Value]:
        return {
            "zone": self._zone,
            "slot": self._first_slot + number,
            "side": order.side.name,
            "qty": order.qty_wh,
            "limit": order.limit_ticks,
            "flags": 0,
        }
