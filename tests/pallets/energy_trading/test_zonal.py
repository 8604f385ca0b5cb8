"""Zonal clearing: brute force on small networks, a proof of optimality by prices on large ones, refused
networks.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.energy_trading.clearing import compute_clearing
from pallets.energy_trading.levels import EmptyLevel, Level, Order, Rules, collect_levels
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import MONEY_PER_WH_TICK
from pallets.energy_trading.zonal import (
    ZONES_MAX,
    DuplicateLine,
    Line,
    MixedRules,
    TooManyZones,
    UnknownZone,
    ZonalClearing,
    ZoneBook,
    ZoneClearing,
    clear_zones,
    finish_zones,
    start_zones,
    step_zones,
)
from runtime.primitives.arithmetic import Overflow, Underflow
from runtime.primitives.hashing import blake2_512
from tests.pallets.energy_trading.books import FREE, RULES, SIDE, TINY_SIDE, brute_force_zones, to_zone

EMPTY = ZoneBook([], [], FREE)


def draw_lines(data: st.DataObject, zones: int, capacity_max: int, lines_max: int) -> list[Line]:
    ends = [(a, b) for a in range(zones) for b in range(zones) if a != b]
    chosen = data.draw(st.lists(st.sampled_from(ends), unique=True, max_size=lines_max)) if ends else []
    return [
        Line(a, b, data.draw(st.integers(0, capacity_max)), data.draw(st.integers(0, 6))) for a, b in chosen
    ]


@settings(max_examples=60)
@given(st.lists(st.tuples(TINY_SIDE, TINY_SIDE), min_size=1, max_size=3), st.data())
def test_welfare_is_that_of_brute_force_and_volume_the_largest_with_it(
    books: list[tuple[list[Order], list[Order]]], data: st.DataObject
) -> None:
    lines = draw_lines(data, len(books), 2, 4)
    found = clear_zones([to_zone(*book) for book in books], lines)
    assert (found.welfare, found.volume_wh) == brute_force_zones(books, lines)
    ensure_equilibrium([to_zone(*book) for book in books], lines, found)


@settings(max_examples=60)
@given(st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=6), RULES, st.data())
def test_prices_prove_that_no_other_flow_is_better(
    books: list[tuple[list[Order], list[Order]]], rules: Rules, data: st.DataObject
) -> None:
    zones = [to_zone(*book, rules) for book in books]
    lines = draw_lines(data, len(books), 800, 12)
    ensure_equilibrium(zones, lines, clear_zones(zones, lines))


@settings(max_examples=60)
@given(st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=5), RULES, st.integers(1, 4), st.data())
def test_steps_in_portions_of_every_size_end_where_one_call_does(
    books: list[tuple[list[Order], list[Order]]], rules: Rules, portion: int, data: st.DataObject
) -> None:
    zones = [to_zone(*book, rules) for book in books]
    lines = draw_lines(data, len(books), 800, 10)
    cursor = start_zones(zones, lines)
    while not cursor.is_done:
        before, cursor = cursor, step_zones(zones, lines, cursor, portion)
        assert cursor.steps <= before.steps + portion
    assert finish_zones(zones, lines, cursor) == clear_zones(zones, lines)


def test_market_is_priced_only_when_no_step_is_left() -> None:
    zones = [sell(10, 100), buy(10, 200)]
    cursor = step_zones(zones, [Line(0, 1, 10, 10)], start_zones(zones, [Line(0, 1, 10, 10)]), 1)
    assert not cursor.is_done
    with pytest.raises(AssertionError):
        finish_zones(zones, [Line(0, 1, 10, 10)], cursor)


def test_large_network_is_in_equilibrium() -> None:
    stream = blake2_512(b"network")
    draws = (blake2_512(stream + number.to_bytes(4, "big"))[0:4] for number in range(10**6))

    def draw(low: int, high: int) -> int:
        return low + int.from_bytes(next(draws), "big") % (high - low + 1)

    zones = []
    for _ in range(16):
        bids, offers = ([Order(draw(1, 5_000), draw(20_000, 60_000)) for _ in range(40)] for _ in Side)
        zones.append(to_zone(bids, offers))
    ends = [(a, b) for a in range(16) for b in range(16) if a != b and draw(0, 4) < 2]
    lines = [Line(a, b, draw(0, 20_000), (0, 500, 10_700)[draw(0, 2)]) for a, b in ends]
    found = clear_zones(zones, lines)
    assert max(found.flows) > 0
    ensure_equilibrium(zones, lines, found)


def ensure_equilibrium(zones: list[ZoneBook], lines: list[Line], found: ZonalClearing) -> None:
    """Flows are feasible and conserve energy, and prices support them: together that proves the optimum."""
    for line, flow in zip(lines, found.flows, strict=True):
        assert 0 <= flow <= line.capacity_wh
    rent = 0
    for number, (book, zone) in enumerate(zip(zones, found.zones, strict=True)):
        flows = list(zip(lines, found.flows, strict=True))
        arriving = sum(flow for line, flow in flows if line.target == number)
        leaving = sum(flow for line, flow in flows if line.source == number)
        assert zone.bought_wh - zone.sold_wh == arriving - leaving
        ensure_zone_is_served_by_its_price(book, found, number)
        if zone.price is not None:
            rent += zone.price * (zone.bought_wh - zone.sold_wh)
    for line, flow in zip(lines, found.flows, strict=True):
        rent -= flow * line.wheeling_ticks
        here, there = found.zones[line.source].price, found.zones[line.target].price
        if here is not None and there is not None:
            assert flow == line.capacity_wh or there - here <= line.wheeling_ticks
            assert flow == 0 or there - here >= line.wheeling_ticks
    assert found.congestion_rent == rent * MONEY_PER_WH_TICK
    assert rent >= 0
    assert found.volume_wh == sum(zone.bought_wh for zone in found.zones)


def ensure_zone_is_served_by_its_price(book: ZoneBook, found: ZonalClearing, number: int) -> None:
    zone = found.zones[number]
    if zone.price is None:
        assert (zone.bought_wh, zone.sold_wh, zone.bids, zone.offers) == (0, 0, None, None)
        return
    assert zone.low is not None
    assert zone.high is not None
    assert zone.low <= zone.price <= zone.high
    factor = 10_000 + book.rules.fee_bps
    for ticks, _ in book.bids:
        effective = (ticks - book.rules.wheeling_ticks) * 10_000 // factor
        if effective > zone.price:
            assert zone.bids is not None
            assert ticks >= zone.bids.low
        if effective < zone.price and zone.bids is not None:
            assert ticks < zone.bids.low
    for ticks, _ in book.offers:
        if ticks < zone.price:
            assert zone.offers is not None
            assert ticks <= zone.offers.high
        if ticks > zone.price and zone.offers is not None:
            assert ticks > zone.offers.high
    ensure_margins(book, zone)


def ensure_margins(book: ZoneBook, zone: ZoneClearing) -> None:
    """What is accepted is all that is better than the margin, and the margin's part."""
    for margin, total in ((zone.bids, zone.bought_wh), (zone.offers, zone.sold_wh)):
        if margin is None:
            assert total == 0
            continue
        side = book.bids if margin.side is Side.BUY else book.offers
        better = [
            qty
            for ticks, qty in side
            if (ticks > margin.high if margin.side is Side.BUY else ticks < margin.low)
        ]
        at_margin = [qty for ticks, qty in side if margin.low <= ticks <= margin.high]
        assert sum(better) + margin.accepted == total
        assert sum(at_margin) == margin.total
        assert 0 < margin.accepted <= margin.total
        if margin.accepted < margin.total and margin.side is Side.SELL:
            assert margin.low == zone.price


@given(SIDE, SIDE, RULES)
def test_single_zone_clears_as_the_call_auction(bids: list[Order], offers: list[Order], rules: Rules) -> None:
    (zone,) = (found := clear_zones([to_zone(bids, offers, rules)], [])).zones
    single = compute_clearing(collect_levels(Side.BUY, bids), collect_levels(Side.SELL, offers), rules)
    if single is None:
        assert (zone.price, found.volume_wh, found.welfare) == (None, 0, 0)
        return
    assert (zone.price, zone.low, zone.high) == (single.price, single.low, single.high)
    assert (zone.bids, zone.offers) == (single.bids, single.offers)
    assert (found.volume_wh, found.welfare) == (single.volume_wh, single.welfare)


def sell(qty_wh: int, ticks: int) -> ZoneBook:
    return to_zone([], [Order(qty_wh, ticks)])


def buy(qty_wh: int, ticks: int) -> ZoneBook:
    return to_zone([Order(qty_wh, ticks)], [])


def test_saturated_line_parts_the_prices_and_earns_a_rent() -> None:
    zones = [sell(1_000, 22_000), to_zone([Order(500, 45_000)], [Order(500, 40_000)])]
    found = clear_zones(zones, [Line(0, 1, 300, 0)])
    assert found.flows == (300,)
    assert [zone.price for zone in found.zones] == [22_000, 40_000]
    assert found.congestion_rent == 300 * 18_000 * MONEY_PER_WH_TICK


def test_zone_without_orders_passes_energy_on_at_a_price() -> None:
    found = clear_zones([sell(10, 100), EMPTY, buy(10, 200)], [Line(0, 1, 9, 20), Line(1, 2, 9, 30)])
    assert found.flows == (9, 9)
    assert found.welfare == 9 * 50
    low, middle, high = (zone.price for zone in found.zones)
    assert low is not None
    assert middle is not None
    assert high is not None
    assert middle - low >= 20
    assert high - middle >= 30


def test_later_energy_turns_an_earlier_flow_back() -> None:
    zones = [
        to_zone([Order(10, 250)], [Order(10, 100)]),
        to_zone([Order(10, 300)], [Order(10, 150)]),
    ]
    found = clear_zones(zones, [Line(0, 1, 10, 10), Line(1, 0, 10, 10)])
    assert found.flows == (0, 0)
    assert found.welfare == 10 * 150 + 10 * 150


def test_trade_that_gains_nothing_is_made() -> None:
    found = clear_zones([sell(10, 100), buy(10, 110)], [Line(0, 1, 10, 10)])
    assert (found.volume_wh, found.welfare, found.flows) == (10, 0, (10,))


def test_trade_that_does_not_pay_the_wheeling_is_not_made() -> None:
    found = clear_zones([sell(10, 100), buy(10, 109)], [Line(0, 1, 10, 10)])
    assert (found.volume_wh, found.flows, [zone.price for zone in found.zones]) == (0, (0,), [None, None])


def test_no_zone_is_no_market() -> None:
    assert clear_zones([], []) == ZonalClearing((), (), 0, 0, 0, 0)


def test_circle_of_lines_that_cost_nothing_ends() -> None:
    zones = [sell(10, 100), EMPTY, buy(10, 200)]
    lines = [Line(a, b, 5, 0) for a in range(3) for b in range(3) if a != b]
    found = clear_zones(zones, lines)
    assert found.volume_wh == 10
    ensure_equilibrium(zones, lines, found)


@pytest.mark.parametrize(
    ("zones", "lines", "error"),
    [
        ([EMPTY] * (ZONES_MAX + 1), [], TooManyZones),
        ([EMPTY] * 2, [Line(0, 2, 1, 1)], UnknownZone),
        ([EMPTY] * 2, [Line(-1, 1, 1, 1)], UnknownZone),
        ([EMPTY] * 2, [Line(1, 1, 1, 1)], UnknownZone),
        ([EMPTY] * 2, [Line(0, 1, 1, 1), Line(0, 1, 2, 3)], DuplicateLine),
        ([EMPTY] * 2, [Line(0, 1, -1, 1)], Underflow),
        ([EMPTY] * 2, [Line(0, 1, 1, -1)], Underflow),
        ([EMPTY] * 2, [Line(0, 1, 2**64, 1)], Overflow),
        ([EMPTY, ZoneBook([], [], Rules(0))], [], MixedRules),
        ([ZoneBook([Level(1, 0)], [], FREE)], [], EmptyLevel),
        ([ZoneBook([], [], Rules(1_001))], [], Overflow),
    ],
)
def test_networks_that_are_none_are_refused(
    zones: list[ZoneBook], lines: list[Line], error: type[Exception]
) -> None:
    with pytest.raises(error):
        clear_zones(zones, lines)


def test_as_many_zones_as_the_limit_are_taken() -> None:
    assert len(clear_zones([EMPTY] * ZONES_MAX, []).zones) == ZONES_MAX
