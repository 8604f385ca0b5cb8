"""Imbalances: cash sums to zero, netting shares exactly, pages of every size agree, refused terms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.energy_trading.units import compute_value
from pallets.settlement.imbalance import (
    Delivery,
    FeedInAboveRetail,
    Row,
    SettleCursor,
    Sums,
    Terms,
    count_page,
    measure_page,
    settle,
    settle_page,
    start_settling,
)
from runtime.primitives.arithmetic import U32_MAX, U64_MAX, Overflow, Underflow

WH = st.integers(0, 3_000)
DELIVERIES = st.lists(st.builds(Delivery, WH, WH, WH, WH), max_size=15)
TERMS = st.builds(
    Terms,
    st.integers(0, 22_000),
    st.integers(22_000, 58_000),
    st.integers(0, 1_000),
    st.integers(0, 500),
    st.integers(0, 10_000),
    st.booleans(),
)
PLAIN = Terms(22_000, 57_982, 0, 0, 0, has_netting=True)


@given(TERMS, DELIVERIES)
def test_all_cash_sums_to_zero(terms: Terms, deliveries: list[Delivery]) -> None:
    rows, end = settle(terms, deliveries)
    assert sum(row.net for row in rows) + end.grid_cash + end.penalty_pot == 0
    assert end.penalty_pot == sum(row.penalty for row in rows) >= 0


@given(TERMS, DELIVERIES)
def test_the_smaller_side_is_netted_completely_and_both_sides_alike(
    terms: Terms, deliveries: list[Delivery]
) -> None:
    rows, end = settle(terms, deliveries)
    long = [row for row in rows if row.deviation_wh > 0]
    short = [row for row in rows if row.deviation_wh < 0]
    surplus, shortage = sum(row.deviation_wh for row in long), -sum(row.deviation_wh for row in short)
    assert end.netted_wh == (min(surplus, shortage) if terms.has_netting else 0)
    assert sum(row.netted_wh for row in long) == sum(row.netted_wh for row in short) == end.netted_wh
    assert (end.grid_buys_wh, end.grid_sells_wh) == (surplus - end.netted_wh, shortage - end.netted_wh)
    for row in rows:
        assert row.netted_wh >= 0
        assert row.grid_wh >= 0
        assert row.netted_wh + row.grid_wh == abs(row.deviation_wh)


@given(TERMS, DELIVERIES)
def test_netting_makes_nobody_worse_off(terms: Terms, deliveries: list[Delivery]) -> None:
    netted, _ = settle(terms._replace(has_netting=True), deliveries)
    alone, _ = settle(terms._replace(has_netting=False), deliveries)
    assert all(with_it.net >= without.net for with_it, without in zip(netted, alone, strict=True))


def settle_in_pages(terms: Terms, deliveries: list[Delivery], size: int) -> tuple[list[Row], SettleCursor]:
    pages = [deliveries[at : at + size] for at in range(0, len(deliveries), size)]
    sums = Sums()
    for page in pages:
        sums = count_page(sums, page)
    cursor = start_settling(terms, sums)
    if cursor.needs_measuring:
        for page in pages:
            cursor = measure_page(cursor, page)
    rows = []
    for page in pages:
        part, cursor = settle_page(cursor, page)
        rows += part
    return rows, cursor


@given(TERMS, DELIVERIES, st.integers(1, 6))
def test_pages_of_every_size_give_the_same_settlement(
    terms: Terms, deliveries: list[Delivery], size: int
) -> None:
    assert settle_in_pages(terms, deliveries, size) == settle(terms, deliveries)


def test_wh_that_remain_go_one_each_in_list_order_of_the_larger_side() -> None:
    deliveries = [Delivery(0, 0, 0, 10), Delivery(0, 0, 8, 0), Delivery(0, 0, 0, 10), Delivery(0, 0, 0, 10)]
    rows, end = settle(PLAIN, deliveries)
    assert [row.netted_wh for row in rows] == [3, 8, 3, 2]
    assert end.grid_buys_wh == 22


def test_penalty_is_for_what_exceeds_the_larger_tolerance() -> None:
    terms = Terms(22_000, 57_982, 50, 50, 1_000, has_netting=False)
    rows, _ = settle(
        terms, [Delivery(0, 1_000, 0, 700), Delivery(0, 10_000, 0, 9_400), Delivery(0, 0, 0, 50)]
    )
    assert [row.excess_wh for row in rows] == [250, 100, 0]
    assert rows[0].penalty == compute_value(250, 57_982) // 10


def test_what_is_sold_and_bought_is_no_deviation_once_delivered() -> None:
    rows, end = settle(PLAIN, [Delivery(1_000, 0, 1_000, 0), Delivery(0, 1_000, 0, 1_000)])
    assert [row.net for row in rows] == [0, 0]
    assert end.grid_cash == 0


def test_slot_without_accounts_is_settled_at_once() -> None:
    rows, end = settle(PLAIN, [])
    assert (rows, end.grid_cash, end.needs_measuring) == ([], 0, False)


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (PLAIN._replace(feed_in_ticks=57_983), FeedInAboveRetail),
        (PLAIN._replace(feed_in_ticks=-1), Underflow),
        (PLAIN._replace(retail_ticks=U32_MAX + 1), Overflow),
        (PLAIN._replace(tolerance_permille=1_001), Overflow),
        (PLAIN._replace(tolerance_min_wh=-1), Underflow),
        (PLAIN._replace(penalty_bps=10_001), Overflow),
    ],
)
def test_terms_outside_their_ranges_are_refused(terms: Terms, error: type[Exception]) -> None:
    with pytest.raises(error):
        settle(terms, [])


@pytest.mark.parametrize("place", range(4))
def test_energy_outside_its_type_is_refused(place: int) -> None:
    energies = [0, 0, 0, 0]
    energies[place] = -1
    with pytest.raises(Underflow):
        count_page(Sums(), [Delivery(*energies)])
    energies[place] = U64_MAX + 1
    with pytest.raises(Overflow):
        count_page(Sums(), [Delivery(*energies)])


def test_settling_before_all_is_measured_is_a_broken_invariant() -> None:
    deliveries = [Delivery(0, 0, 0, 10), Delivery(0, 0, 8, 0)]
    with pytest.raises(AssertionError):
        settle_page(start_settling(PLAIN, count_page(Sums(), deliveries)), deliveries)
