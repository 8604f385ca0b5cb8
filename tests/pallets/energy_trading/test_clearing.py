"""The call auction: the rule's properties on random books, brute force on small ones, and refused books."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.energy_trading.clearing import Clearing, compute_clearing
from pallets.energy_trading.fills import (
    Auction,
    PairCursor,
    Rationing,
    clear,
    compute_payment,
    fill_page,
    measure_page,
    pair_page,
    rank,
    start_filling,
)
from pallets.energy_trading.levels import (
    EmptyLevel,
    Ladder,
    Level,
    LevelOutOfOrder,
    Margin,
    Order,
    Rules,
    collect_levels,
    compute_effective_bid,
    compute_least_limit,
)
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_value
from runtime.primitives.arithmetic import U32_MAX, Overflow, Underflow
from tests.pallets.energy_trading.books import FREE, RULES, SIDE, TINY_SIDE, best_welfare_of_imports

RATIONING = st.sampled_from(Rationing)


def price_of(bids: Sequence[Order], offers: Sequence[Order], rules: Rules = FREE) -> Clearing | None:
    return clear(bids, offers, rules, Rationing.TIME).clearing


@dataclass(frozen=True)
class Outcome:
    """What properties compare: where nothing is traded the interval is what the heads of the book leave."""

    volume: int
    low: int
    high: int


def outcome(bids: Sequence[Order], offers: Sequence[Order], rules: Rules) -> Outcome:
    found = price_of(bids, offers, rules)
    if found is not None:
        return Outcome(found.volume_wh, found.low, found.high)
    effective = [compute_effective_bid(order.limit_ticks, rules) for order in bids]
    low = max((one for one in effective if one >= 0), default=-1)
    return Outcome(0, low, min((order.limit_ticks for order in offers), default=U32_MAX + 1))


@given(SIDE, SIDE, RULES, RATIONING)
def test_as_much_is_bought_as_sold_and_as_the_volume(
    bids: list[Order], offers: list[Order], rules: Rules, rationing: Rationing
) -> None:
    auction = clear(bids, offers, rules, rationing)
    volume = auction.clearing.volume_wh if auction.clearing else 0
    assert sum(auction.bid_fills) == sum(auction.offer_fills) == volume
    assert all(0 <= fill <= order.qty_wh for fill, order in zip(auction.bid_fills, bids, strict=True))
    assert all(0 <= fill <= order.qty_wh for fill, order in zip(auction.offer_fills, offers, strict=True))


@given(SIDE, SIDE, RULES, RATIONING)
def test_nobody_trades_beyond_the_limit_and_the_escrow_is_divided_completely(
    bids: list[Order], offers: list[Order], rules: Rules, rationing: Rationing
) -> None:
    auction = clear(bids, offers, rules, rationing)
    if auction.clearing is None:
        return
    price = auction.clearing.price
    for order, fill in zip(bids, auction.bid_fills, strict=True):
        payment = compute_payment(order, fill, price, rules)
        assert payment.total <= compute_value(fill, order.limit_ticks)
        escrow = compute_value(order.qty_wh, order.limit_ticks)
        assert payment.total + payment.refund + payment.released == escrow
        assert min(payment) >= 0
    for order, fill in zip(offers, auction.offer_fills, strict=True):
        assert fill == 0 or price >= order.limit_ticks


@given(SIDE, SIDE, RULES, RATIONING)
def test_orders_better_than_the_price_are_filled_and_worse_ones_are_not(
    bids: list[Order], offers: list[Order], rules: Rules, rationing: Rationing
) -> None:
    auction = clear(bids, offers, rules, rationing)
    if auction.clearing is None:
        assert max((compute_effective_bid(order.limit_ticks, rules) for order in bids), default=-1) < min(
            (order.limit_ticks for order in offers), default=U32_MAX + 1
        )
        return
    for price in {auction.clearing.low, auction.clearing.price, auction.clearing.high}:
        for order, fill in zip(bids, auction.bid_fills, strict=True):
            effective = compute_effective_bid(order.limit_ticks, rules)
            assert fill == order.qty_wh if effective > price else effective == price or fill == 0
        for order, fill in zip(offers, auction.offer_fills, strict=True):
            ticks = order.limit_ticks
            assert fill == order.qty_wh if ticks < price else ticks == price or fill == 0


@given(TINY_SIDE, TINY_SIDE, st.builds(Rules, st.just(500), st.sampled_from([0, 2500]), st.integers(0, 2)))
def test_welfare_is_that_of_brute_force_and_volume_the_largest_with_it(
    bids: list[Order], offers: list[Order], rules: Rules
) -> None:
    found = price_of(bids, offers, rules)
    welfare, volume = (found.welfare, found.volume_wh) if found else (0, 0)
    kept = [order for order in bids if order.limit_ticks >= rules.wheeling_ticks]
    assert (welfare, volume) == best_welfare_of_imports(kept, offers, rules)[0]


@given(TINY_SIDE, TINY_SIDE, RULES)
def test_interval_is_what_a_sweep_over_every_price_finds(
    bids: list[Order], offers: list[Order], rules: Rules
) -> None:
    auction = clear(bids, offers, rules, Rationing.TIME)
    if auction.clearing is None:
        return
    volume = auction.clearing.volume_wh
    clearing_prices = []
    for price in range(12):
        effective = [(compute_effective_bid(order.limit_ticks, rules), order.qty_wh) for order in bids]
        wanted = [
            sum(qty for e, qty in effective if e > price),
            sum(qty for e, qty in effective if e >= price),
        ]
        given = [
            sum(order.qty_wh for order in offers if order.limit_ticks < price),
            sum(order.qty_wh for order in offers if order.limit_ticks <= price),
        ]
        if max(wanted[0], given[0]) <= volume <= min(wanted[1], given[1]):
            clearing_prices.append(price)
    assert (auction.clearing.low, auction.clearing.high) == (clearing_prices[0], clearing_prices[-1])


@given(SIDE, SIDE, st.builds(Order, st.integers(1, 500), st.integers(20, 40)), RULES)
def test_one_more_bid_lowers_neither_price_nor_volume_and_one_more_offer_raises_no_price(
    bids: list[Order], offers: list[Order], more: Order, rules: Rules
) -> None:
    before = outcome(bids, offers, rules)
    with_bid = outcome([*bids, more], offers, rules)
    assert with_bid.volume >= before.volume
    assert with_bid.low >= before.low
    assert with_bid.high >= before.high or before.volume == 0
    with_offer = outcome(bids, [*offers, more], rules)
    assert with_offer.volume >= before.volume
    assert with_offer.low <= before.low or before.volume == 0
    assert with_offer.high <= before.high


@given(SIDE, SIDE, st.builds(Order, st.integers(1, 500), st.integers(20, 40)), RULES)
def test_one_more_bid_never_lowers_the_price_of_a_market_that_trades(
    bids: list[Order], offers: list[Order], more: Order, rules: Rules
) -> None:
    before = price_of(bids, offers, rules)
    if before is None:
        return
    with_bid, with_offer = price_of([*bids, more], offers, rules), price_of(bids, [*offers, more], rules)
    assert with_bid is not None
    assert with_offer is not None
    assert with_bid.price >= before.price >= with_offer.price


@given(SIDE, SIDE, RULES, st.integers(2, 1000))
def test_scaled_quantities_scale_volume_and_keep_the_price(
    bids: list[Order], offers: list[Order], rules: Rules, factor: int
) -> None:
    before = price_of(bids, offers, rules)
    after = price_of(
        [Order(qty * factor, limit) for qty, limit in bids],
        [Order(qty * factor, limit) for qty, limit in offers],
        rules,
    )
    if before is None:
        assert after is None
        return
    assert after is not None
    assert (after.price, after.low, after.high) == (before.price, before.low, before.high)
    assert (after.volume_wh, after.welfare) == (before.volume_wh * factor, before.welfare * factor)


@given(SIDE, SIDE, RULES, st.data())
def test_order_of_arrival_changes_nothing_but_whom_time_serves(
    bids: list[Order], offers: list[Order], rules: Rules, data: st.DataObject
) -> None:
    shuffled = (data.draw(st.permutations(bids)), data.draw(st.permutations(offers)))
    assert price_of(*shuffled, rules) == price_of(bids, offers, rules)


@given(SIDE, SIDE, RULES, st.data())
def test_an_order_in_two_parts_changes_neither_price_nor_volume(
    bids: list[Order], offers: list[Order], rules: Rules, data: st.DataObject
) -> None:
    parts = []
    for qty_wh, limit in bids:
        first = data.draw(st.integers(0, qty_wh - 1))
        parts += [Order(part, limit) for part in (first, qty_wh - first) if part]
    assert price_of(parts, offers, rules) == price_of(bids, offers, rules)


def fill_in_pages(margin: Margin, orders: Sequence[Order], rationing: Rationing, size: int) -> list[int]:
    pages = [orders[at : at + size] for at in range(0, len(orders), size)]
    cursor = start_filling(margin, rationing)
    if cursor.needs_measuring:
        for page in pages:
            cursor = measure_page(cursor, page)
    fills = []
    for page in pages:
        part, cursor = fill_page(cursor, page)
        fills += part
    return fills


@given(SIDE, SIDE, RULES, RATIONING, st.integers(1, 5))
def test_pages_of_every_size_give_the_same_fills_and_trades(
    bids: list[Order], offers: list[Order], rules: Rules, rationing: Rationing, size: int
) -> None:
    auction = clear(bids, offers, rules, rationing)
    if auction.clearing is None:
        return
    assert fill_in_pages(auction.clearing.bids, bids, rationing, size) == auction.bid_fills
    assert fill_in_pages(auction.clearing.offers, offers, rationing, size) == auction.offer_fills
    buyers = rank(Side.BUY, bids, auction.bid_fills, rules)
    sellers = rank(Side.SELL, offers, auction.offer_fills, rules)
    whole, _ = pair_page(buyers, sellers, PairCursor(), len(bids) + len(offers))
    rows, cursor = [], PairCursor()
    while part := pair_page(buyers, sellers, cursor, size):
        if not part[0]:
            break
        rows += part[0]
        cursor = part[1]
    assert rows == whole
    assert len(rows) < len(buyers) + len(sellers)
    for place, fill in enumerate(auction.bid_fills):
        assert sum(row.qty_wh for row in rows if row.bid == place) == fill
    for place, fill in enumerate(auction.offer_fills):
        assert sum(row.qty_wh for row in rows if row.offer == place) == fill


@given(st.integers(0, 200_000), RULES)
def test_least_limit_is_the_least_whose_effective_bid_is_high_enough(effective: int, rules: Rules) -> None:
    limit = compute_least_limit(effective, rules)
    assert compute_effective_bid(limit, rules) >= effective
    assert compute_effective_bid(limit - 1, rules) < effective


def run(bids: list[tuple[int, int]], offers: list[tuple[int, int]], rules: Rules = FREE) -> Auction:
    return clear([Order(*one) for one in bids], [Order(*one) for one in offers], rules, Rationing.PRO_RATA)


def test_sellers_in_the_money_are_not_rationed_for_the_sake_of_volume() -> None:
    auction = run([(5, 10)], [(3, 4), (3, 8)])
    assert auction.clearing is not None
    assert auction.clearing.price == 8
    assert auction.offer_fills == [3, 2]


def test_fee_and_wheeling_come_out_of_the_buyers_limit() -> None:
    auction = run(
        [(2_600, 42_218), (900, 57_982)], [(2_500, 22_000), (1_000, 31_000)], Rules(500, 100, 10_700)
    )
    assert auction.clearing is not None
    assert (auction.clearing.price, auction.clearing.volume_wh) == (31_102, 3_500)


def test_fee_can_kill_a_trade() -> None:
    assert run([(1_000, 45_000)], [(1_000, 45_000)], Rules(500, 100)).clearing is None


def test_bids_below_the_wheeling_are_dropped_even_against_offers_of_nothing() -> None:
    assert run([(1_000, 9_999)], [(1_000, 0)], Rules(500, 0, 10_000)).clearing is None
    assert run([(1_000, 10_000)], [(1_000, 0)], Rules(500, 0, 10_000)).clearing is not None


@pytest.mark.parametrize(("bids", "offers"), [([], []), ([(1, 1)], []), ([], [(1, 1)])])
def test_empty_sides_clear_nothing(bids: list[tuple[int, int]], offers: list[tuple[int, int]]) -> None:
    assert run(bids, offers) == Auction(None, [0] * len(bids), [0] * len(offers))


@pytest.mark.parametrize(
    ("bids", "offers", "error"),
    [
        ([Level(5, 1), Level(6, 1)], [], LevelOutOfOrder),
        ([Level(5, 1), Level(5, 1)], [], LevelOutOfOrder),
        ([], [Level(6, 1), Level(5, 1)], LevelOutOfOrder),
        ([], [Level(5, 1), Level(5, 1)], LevelOutOfOrder),
        ([Level(5, 0)], [], EmptyLevel),
        ([], [Level(5, -1)], EmptyLevel),
        ([Level(-1, 1)], [], Underflow),
        ([], [Level(U32_MAX + 1, 1)], Overflow),
    ],
)
def test_books_that_are_none_are_refused(
    bids: list[Level], offers: list[Level], error: type[Exception]
) -> None:
    with pytest.raises(error):
        compute_clearing(bids, offers, FREE)


def test_order_of_nothing_is_refused() -> None:
    with pytest.raises(EmptyLevel):
        run([(0, 5)], [(1, 5)])


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        (Rules(-1), Underflow),
        (Rules(1_001), Overflow),
        (Rules(500, -1), Underflow),
        (Rules(500, 10_001), Overflow),
        (Rules(500, 0, -1), Underflow),
        (Rules(500, 0, U32_MAX + 1), Overflow),
    ],
)
def test_rules_outside_their_ranges_are_refused(rules: Rules, error: type[Exception]) -> None:
    with pytest.raises(error):
        compute_clearing([], [], rules)


def test_orders_beyond_the_level_sums_are_noticed() -> None:
    cursor = start_filling(Margin(Side.BUY, 5, 5, 2, 3), Rationing.PRO_RATA)
    with pytest.raises(Overflow):
        measure_page(cursor, [Order(4, 5)])


def test_levels_are_the_sums_of_equal_limits_from_the_best_on() -> None:
    orders = [Order(1, 5), Order(2, 7), Order(3, 5)]
    assert collect_levels(Side.BUY, orders) == [Level(7, 2), Level(5, 4)]
    assert collect_levels(Side.SELL, orders) == [Level(5, 4), Level(7, 2)]


def test_nothing_is_taken_beyond_a_level() -> None:
    ladder = Ladder([Level(5, 2)])
    with pytest.raises(AssertionError):
        ladder.take(3)
    with pytest.raises(AssertionError):
        Ladder([Level(5, 2)], 3)


def test_ladder_goes_on_where_it_was_left() -> None:
    ladder = Ladder([Level(5, 2), Level(6, 4)], 3)
    assert (ladder.head, ladder.left, ladder.last, ladder.accepted, ladder.worth) == (6, 3, 6, 3, 16)
