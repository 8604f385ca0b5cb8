"""The rules computed alone come to what an independent script found, and orders are yesterday's needs."""

from apps.demo.replay import compute_outcome, plan_orders
from apps.demo.week import HOURS_PER_DAY, WEEK_HOURS
from pallets.energy_trading.orders import Side
from tests.apps.demo.stories import WEEK


def test_week_comes_to_the_balances_of_the_script() -> None:
    outcome, expected = compute_outcome(WEEK, WEEK_HOURS), WEEK.expected
    assert tuple(total.money for total in outcome.totals) == expected.balances
    assert tuple(hour.row for hour in outcome.hours) == expected.hours
    assert (outcome.fees, outcome.wheeling) == (expected.fees, expected.wheeling)
    assert (outcome.grid_cash, outcome.penalties) == (expected.grid, expected.penalties)
    assert outcome.traded_wh == expected.traded_wh


def test_all_money_sums_to_zero() -> None:
    outcome = compute_outcome(WEEK, WEEK_HOURS)
    assert outcome.money + outcome.fees + outcome.wheeling + outcome.grid_cash + outcome.penalties == 0


def test_the_community_does_better_than_its_homes_alone() -> None:
    outcome = compute_outcome(WEEK, WEEK_HOURS)
    assert all(total.saving > 0 for total in outcome.totals)
    assert outcome.money - outcome.alone == sum(total.saving for total in outcome.totals)


def test_orders_are_the_needs_of_the_same_hour_a_day_before() -> None:
    for number in range(WEEK_HOURS):
        before, planned = WEEK.hour(number - HOURS_PER_DAY), plan_orders(WEEK, number)
        assert [one.home for one in planned] == sorted({one.home for one in planned})
        for one in planned:
            need = before.uses[one.home].net_wh
            assert (one.side, one.qty_wh) == (Side.BUY if need > 0 else Side.SELL, abs(need))
            retail = WEEK.hour(number).retail_ticks
            assert one.limit_ticks == (retail if one.side is Side.BUY else WEEK.feed_in_ticks)
        idle = [home for home, use in enumerate(before.uses) if use.net_wh == 0]
        assert not set(idle) & {one.home for one in planned}


def test_a_part_of_the_week_has_the_same_hours() -> None:
    whole, part = compute_outcome(WEEK, 40), compute_outcome(WEEK.skip(30), 10)
    assert part.hours == whole.hours[30:]
