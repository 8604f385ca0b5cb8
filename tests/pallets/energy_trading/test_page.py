"""The page about the market says what the program does: its example runs, its table of worked books holds."""

import re
from pathlib import Path

import pytest

from pallets.energy_trading.fills import Rationing, clear
from pallets.energy_trading.levels import Order, Rules

PAGE = (Path(__file__).parents[3] / "docs" / "energy-market.md").read_text(encoding="utf-8")


def test_example_of_a_gain_by_misreporting_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})


@pytest.mark.parametrize(
    ("bids", "offers", "rules", "price", "bid_fills", "offer_fills"),
    [
        ([(1_000_000, 45_450)], [(1_000_000, 45_000)], Rules(500, 100), 45_000, [1_000_000], [1_000_000]),
        ([(1_000_000, 45_000)], [(1_000_000, 45_000)], Rules(500, 100), None, [0], [0]),
        ([(500, 45_001)], [(500, 22_000)], Rules(), 33_500, [500], [500]),
        ([(400, 45_000)], [(300, 22_000), (300, 26_000)], Rules(), 26_000, [400], [300, 100]),
        ([(67, 30_000), (67, 30_000), (66, 30_000)], [(100, 25_000)], Rules(), 30_000, [34, 33, 33], [100]),
        (
            [(2_600, 42_218), (900, 57_982)],
            [(2_500, 22_000), (1_000, 31_000)],
            Rules(500, 100, 10_700),
            31_102,
            [2_600, 900],
            [2_500, 1_000],
        ),
    ],
)
def test_worked_books_of_the_page(
    bids: list[tuple[int, int]],
    offers: list[tuple[int, int]],
    rules: Rules,
    price: int | None,
    bid_fills: list[int],
    offer_fills: list[int],
) -> None:
    found = clear([Order(*one) for one in bids], [Order(*one) for one in offers], rules, Rationing.PRO_RATA)
    assert (found.clearing.price if found.clearing else None) == price
    assert (found.bid_fills, found.offer_fills) == (bid_fills, offer_fills)


def test_a_tie_is_served_by_time_where_a_market_says_so() -> None:
    bids = [Order(67, 30_000), Order(67, 30_000), Order(66, 30_000)]
    assert clear(bids, [Order(100, 25_000)], Rules(), Rationing.TIME).bid_fills == [67, 33, 0]
