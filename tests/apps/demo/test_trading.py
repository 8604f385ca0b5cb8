"""Orders go out as soon as the day before is measured, each side home by home, each after the one before."""

import asyncio
from typing import Any, cast

from apps.chain.values import Encoded
from apps.demo.cast import make_home
from apps.demo.follower import Follower
from apps.demo.replay import plan_orders
from apps.demo.stage import Stage
from apps.demo.trading import Trading
from pallets.energy_trading.orders import Side
from runtime.primitives.crypto import Keypair
from tests.apps.demo.stories import WEEK

HOMES = [make_home(name) for name in WEEK.homes]
PLACES = {home.account: place for place, home in enumerate(HOMES)}
FIRST_SLOT, ZONE = 1_000, 1


class FakeStage:
    """Remembers calls; one is final once others had their turn."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str, Any]] = []
        self.under_way: set[tuple[int, str]] = set()

    def call(self, pallet: str, name: str, /, **arguments: Any) -> Any:
        assert pallet == "Market"
        return name, arguments

    async def send(self, key: Keypair, name: str, what: str, call: Encoded) -> None:
        place = PLACES[key.account_id]
        assert WEEK.homes[place] == name
        deed, arguments = cast("tuple[str, Any]", call)
        self.sent.append((place, deed, arguments))
        mark = (arguments.get("slot", -1), arguments.get("side", ""))
        assert mark not in self.under_way, "the one before is final"
        self.under_way.add(mark)
        for _ in range(3):
            await asyncio.sleep(0)
        self.under_way.remove(mark)


class FakeFollower:
    """Every slot is reached at once, and remembered."""

    def __init__(self) -> None:
        self.waited: list[int] = []

    async def wait_slot(self, slot: int) -> None:
        self.waited.append(slot)


def describe(number: int) -> list[tuple[int, dict[str, Any]]]:
    return [
        (
            one.home,
            {
                "zone": ZONE,
                "slot": FIRST_SLOT + number,
                "side": one.side.name,
                "qty": one.qty_wh,
                "limit": one.limit_ticks,
                "flags": 0,
            },
        )
        for one in plan_orders(WEEK, number)
    ]


async def test_the_first_day_is_one_transaction_of_each_home_in_turn() -> None:
    stage = FakeStage()
    await Trading(cast("Stage", stage), WEEK, HOMES, ZONE, FIRST_SLOT, 48).place_first_day()
    planned = [one for number in range(24) for one in describe(number)]
    assert [(place, deed) for place, deed, _ in stage.sent] == [
        (place, "submit_orders") for place in range(len(HOMES))
    ]
    for place, _, arguments in stage.sent:
        assert arguments["orders"] == [order for home, order in planned if home == place]


async def test_later_orders_follow_the_hour_a_day_before_it_in_the_order_of_the_homes() -> None:
    stage, follower = FakeStage(), FakeFollower()
    trading = Trading(cast("Stage", stage), WEEK, HOMES, ZONE, FIRST_SLOT, 48)
    await trading.run(cast("Follower", follower))
    assert follower.waited == [FIRST_SLOT + number - 24 + 1 for number in range(24, 48)]
    for number in range(24, 48):
        for side in Side:
            wanted = [one for one in describe(number) if one[1]["side"] == side.name]
            found = [
                (place, arguments)
                for place, _, arguments in stage.sent
                if (arguments["slot"], arguments["side"]) == (FIRST_SLOT + number, side.name)
            ]
            assert found == wanted


async def test_a_short_run_has_no_later_orders() -> None:
    stage, follower = FakeStage(), FakeFollower()
    await Trading(cast("Stage", stage), WEEK, HOMES, ZONE, FIRST_SLOT, 3).run(cast("Follower", follower))
    assert (stage.sent, follower.waited) == ([], [])
