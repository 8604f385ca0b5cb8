"""Reporting periods end at midnight in Bangkok, in every month of every year."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.compliance.office import DAY_MS, day_of, start_of_day_ms
from pallets.compliance.periods import YEAR_MAX, YEAR_MIN, count_days, end_of_period_ms, is_period

BANGKOK = timezone(timedelta(hours=7))


def milliseconds(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=BANGKOK).timestamp()) * 1_000


@given(st.integers(1, 9_998), st.integers(1, 12))
def test_days_are_those_of_the_calendar(year: int, month: int) -> None:
    first = datetime(year, month, 1, tzinfo=UTC)
    assert count_days(year, month) == (first - datetime(1970, 1, 1, tzinfo=UTC)).days


@pytest.mark.parametrize(
    ("number", "months", "year", "month"),
    [
        (12 * 2026 + 0, 1, 2026, 2),
        (12 * 2026 + 1, 1, 2026, 3),
        (12 * 2024 + 1, 1, 2024, 3),
        (12 * 2026 + 11, 1, 2027, 1),
        (4 * 2026 + 0, 3, 2026, 4),
        (4 * 2026 + 2, 3, 2026, 10),
        (4 * 2026 + 3, 3, 2027, 1),
        (2026, 12, 2027, 1),
    ],
)
def test_period_ends_with_its_last_month(number: int, months: int, year: int, month: int) -> None:
    assert end_of_period_ms(number, months) == milliseconds(year, month)


@pytest.mark.parametrize("months", [1, 3, 12])
def test_periods_are_those_of_the_years_that_reports_are_of(months: int) -> None:
    per_year = 12 // months
    assert is_period(YEAR_MIN * per_year, months)
    assert not is_period(YEAR_MIN * per_year - 1, months)
    assert is_period((YEAR_MAX + 1) * per_year - 1, months)
    assert not is_period((YEAR_MAX + 1) * per_year, months)


@given(st.integers(0, 10**6))
def test_day_begins_at_midnight_in_bangkok(day: int) -> None:
    start = start_of_day_ms(day)
    assert (day_of(start - 1), day_of(start), day_of(start + DAY_MS - 1)) == (day - 1, day, day)
    assert (start + 7 * 3_600_000) % DAY_MS == 0
