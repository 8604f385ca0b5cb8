"""Small books for property tests, and answers by brute force."""

from collections.abc import Iterator, Sequence
from itertools import product

from hypothesis import strategies as st

from pallets.energy_trading.levels import Order, Rules, collect_levels, compute_effective_bid
from pallets.energy_trading.orders import Side
from pallets.energy_trading.zonal import Line, ZoneBook

TINY_SIDE = st.lists(st.builds(Order, st.integers(1, 2), st.integers(0, 6)), max_size=3)
SIDE = st.lists(st.builds(Order, st.integers(1, 500), st.integers(20, 40)), max_size=12)
RULES = st.builds(
    Rules,
    st.sampled_from([0, 250, 500, 999, 1000]),
    st.sampled_from([0, 1, 100, 2500, 10_000]),
    st.integers(0, 8),
)
FREE = Rules()


def to_zone(bids: Sequence[Order], offers: Sequence[Order], rules: Rules = FREE) -> ZoneBook:
    return ZoneBook(collect_levels(Side.BUY, bids), collect_levels(Side.SELL, offers), rules)


def all_fills(orders: Sequence[Order]) -> Iterator[tuple[int, ...]]:
    return product(*(range(order.qty_wh + 1) for order in orders))


def best_welfare_of_imports(
    bids: Sequence[Order], offers: Sequence[Order], rules: Rules
) -> dict[int, tuple[int, int]]:
    """For each import of a zone, the greatest welfare of all fills, and the largest purchase that has it."""
    best: dict[int, tuple[int, int]] = {}
    for bought in all_fills(bids):
        worth = sum(
            qty * compute_effective_bid(order.limit_ticks, rules)
            for qty, order in zip(bought, bids, strict=True)
        )
        for sold in all_fills(offers):
            cost = sum(qty * order.limit_ticks for qty, order in zip(sold, offers, strict=True))
            found = (worth - cost, sum(bought))
            imported = sum(bought) - sum(sold)
            best[imported] = max(best.get(imported, found), found)
    return best


def brute_force_zones(
    books: Sequence[tuple[Sequence[Order], Sequence[Order]]], lines: Sequence[Line], rules: Rules = FREE
) -> tuple[int, int]:
    """The greatest welfare over all fills and flows, and the largest volume that has it."""
    tables = [best_welfare_of_imports(bids, offers, rules) for bids, offers in books]
    best = (0, 0)
    for flows in product(*(range(line.capacity_wh + 1) for line in lines)):
        imports = [0] * len(books)
        welfare = volume = 0
        for line, flow in zip(lines, flows, strict=True):
            imports[line.target] += flow
            imports[line.source] -= flow
            welfare -= flow * line.wheeling_ticks
        for table, imported in zip(tables, imports, strict=True):
            if imported not in table:
                break
            welfare += table[imported][0]
            volume += table[imported][1]
        else:
            best = max(best, (welfare, volume))
    return best
