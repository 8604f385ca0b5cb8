"""The packed sums of a book's prices are what a dictionary of them would be, whatever comes and goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.energy_trading.levels import Level
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import (
    LEVEL_BYTES,
    best_ticks,
    count_levels,
    list_levels,
    lower_level,
    raise_level,
    sum_levels,
    to_levels,
)

ORDERS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 2**40), st.booleans()), max_size=40)


@given(st.sampled_from(list(Side)), ORDERS)
def test_levels_are_the_sums_of_the_orders_from_the_best_on(
    side: Side, orders: list[tuple[int, int, bool]]
) -> None:
    packed, waiting = b"", []
    for ticks, qty, leaves in orders:
        packed = raise_level(packed, side, ticks, qty)
        waiting.append((ticks, qty))
        if leaves:
            gone, size = waiting.pop(len(waiting) // 2)
            packed = lower_level(packed, side, gone, size, is_gone=True)
    prices = sorted(dict.fromkeys(ticks for ticks, _ in waiting), reverse=side is Side.BUY)
    sums = [[qty for one, qty in waiting if one == ticks] for ticks in prices]
    assert list(list_levels(packed)) == [(t, sum(q), len(q)) for t, q in zip(prices, sums, strict=True)]
    assert to_levels(packed) == [Level(t, sum(q)) for t, q in zip(prices, sums, strict=True)]
    assert count_levels(packed) * LEVEL_BYTES == len(packed)
    assert sum_levels(packed) == (sum(qty for _, qty in waiting), len(waiting))
    assert best_ticks(packed) == (prices[0] if prices else None)


@pytest.mark.parametrize("side", list(Side))
def test_partial_fill_leaves_the_order_and_the_greatest_values_fit(side: Side) -> None:
    packed = raise_level(b"", side, 2**32 - 1, 2**64 - 1)
    assert list(list_levels(lower_level(packed, side, 2**32 - 1, 2**64 - 2, is_gone=False))) == [
        (2**32 - 1, 1, 1)
    ]


@pytest.mark.parametrize("ticks", [9, 11])
def test_price_without_an_order_cannot_be_lowered(ticks: int) -> None:
    packed = raise_level(raise_level(b"", Side.SELL, 10, 5), Side.SELL, 12, 5)
    with pytest.raises(AssertionError, match="has its price"):
        lower_level(packed, Side.SELL, ticks, 1, is_gone=True)
