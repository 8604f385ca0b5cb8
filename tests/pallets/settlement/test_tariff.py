"""Tariffs: blocks meet without a gap, VAT is exact, hours of peak begin and end to the millisecond."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.energy_trading.units import MONEY_PER_SATANG, MONEY_PER_THB, compute_value
from pallets.settlement.tariff import (
    OFF_PEAK_TICKS,
    ON_PEAK_TICKS,
    RESIDENTIAL_1_1,
    Block,
    TariffError,
    compute_block_bill,
    compute_block_cost,
    compute_block_increase,
    compute_month,
    compute_retail_ticks,
    compute_tou_bill,
    is_on_peak,
)
from runtime.primitives.arithmetic import Overflow, Underflow

MONDAY_9 = 1_780_279_200_000  # 2026-06-01 09:00 in Bangkok
HOUR = 3_600_000
DAY = 24 * HOUR


@given(st.integers(0, 10**7))
def test_one_wh_more_costs_the_rate_of_its_block(energy_wh: int) -> None:
    step = compute_block_cost(energy_wh + 1, RESIDENTIAL_1_1) - compute_block_cost(energy_wh, RESIDENTIAL_1_1)
    end = 0
    for size, ticks in RESIDENTIAL_1_1:
        end += size if size is not None else 10**9
        if energy_wh < end:
            assert step == compute_value(1, ticks)
            return


@given(st.integers(0, 10**9), st.integers(0, 10**5), st.integers(0, 10**5))
def test_vat_is_exact_where_the_service_is_in_whole_satang(wh: int, surcharge: int, satang: int) -> None:
    bill = compute_block_bill(wh, RESIDENTIAL_1_1, surcharge, satang * MONEY_PER_SATANG)
    assert bill.vat * 100 == bill.subtotal * 7
    assert 2 * abs(bill.total_satang * MONEY_PER_SATANG - bill.total) <= MONEY_PER_SATANG


def test_vat_is_rounded_down_elsewhere() -> None:
    assert compute_block_bill(0, RESIDENTIAL_1_1, 0, 99).vat == 6


def test_paper_rounds_half_a_satang_up() -> None:
    service = MONEY_PER_SATANG // 2
    assert compute_block_bill(0, RESIDENTIAL_1_1, 0, service, vat_bps=0).total_satang == 1
    assert compute_block_bill(0, RESIDENTIAL_1_1, 0, service - 1, vat_bps=0).total_satang == 0


def test_time_of_use_bill_has_both_rates() -> None:
    bill = compute_tou_bill(1_000, 2_000, 0, 0)
    assert bill.energy == (57_982 + 2 * 26_369) * MONEY_PER_THB // 10_000


@pytest.mark.parametrize(
    ("moment", "is_peak"),
    [
        (MONDAY_9 - 1, False),
        (MONDAY_9, True),
        (MONDAY_9 + 13 * HOUR - 1, True),
        (MONDAY_9 + 13 * HOUR, False),
        (MONDAY_9 + 4 * DAY, True),
        (MONDAY_9 + 5 * DAY, False),
        (MONDAY_9 + 6 * DAY + 3 * HOUR, False),
        (MONDAY_9 + 7 * DAY, True),
    ],
)
def test_peak_is_monday_to_friday_from_9_to_22_local(moment: int, *, is_peak: bool) -> None:
    assert is_on_peak(moment) is is_peak
    assert not is_on_peak(moment, is_holiday=True)
    assert compute_retail_ticks(moment) == (ON_PEAK_TICKS if is_peak else OFF_PEAK_TICKS)


@pytest.mark.parametrize(
    "blocks",
    [
        (),
        (Block(5, 1),),
        (Block(None, 1), Block(None, 2)),
        (Block(0, 1), Block(None, 2)),
        (Block(-1, 1), Block(None, 2)),
    ],
)
def test_blocks_that_are_no_schedule_are_refused(blocks: tuple[Block, ...]) -> None:
    with pytest.raises(TariffError):
        compute_block_cost(10, blocks)


def test_numbers_outside_their_ranges_are_refused() -> None:
    with pytest.raises(Underflow):
        compute_block_cost(-1, RESIDENTIAL_1_1)
    with pytest.raises(Underflow):
        compute_tou_bill(-1, 0, 0, 0)
    with pytest.raises(Underflow):
        compute_block_bill(0, RESIDENTIAL_1_1, 0, -1)
    with pytest.raises(Overflow):
        compute_block_bill(0, RESIDENTIAL_1_1, 0, 0, vat_bps=10_001)
    with pytest.raises(Underflow):
        is_on_peak(-1)


@given(st.integers(0, 10**7), st.lists(st.integers(0, 10**6), max_size=5))
def test_a_month_taken_in_parts_costs_what_it_costs_at_once(first: int, parts: list[int]) -> None:
    used, cost = first, compute_block_cost(first, RESIDENTIAL_1_1)
    for part in parts:
        cost += compute_block_increase(used, part, RESIDENTIAL_1_1)
        used += part
    assert cost == compute_block_cost(used, RESIDENTIAL_1_1)


@given(st.integers(0, 20_000_000_000))
def test_month_is_the_calendars_of_local_time(unix_s: int) -> None:
    local = datetime.fromtimestamp(unix_s, UTC) + timedelta(hours=7)
    assert compute_month(unix_s * 1_000) == (local.year - 1970) * 12 + local.month - 1


def test_month_begins_at_local_midnight() -> None:
    first_ms = MONDAY_9 - 9 * HOUR
    assert compute_month(first_ms) - compute_month(first_ms - 1) == 1
    assert compute_month(0) == 0
    with pytest.raises(Underflow):
        compute_month(-1)
