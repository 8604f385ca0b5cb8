"""Reporting periods as numbers, and when they end.

A period is counted from the year 0 in units of its kind: the third quarter of 2026 is 4 · 2026 + 2. It ends
when a month ends in Bangkok. Pure arithmetic of the Gregorian calendar; no clock, no library's calendar.
"""

from __future__ import annotations

from typing import Final

from pallets.compliance.office import start_of_day_ms

YEAR_MIN: Final = 2_020
YEAR_MAX: Final = 2_999
_MONTHS_PER_YEAR: Final = 12
_DAYS_PER_ERA: Final = 146_097
"""Days in 400 years."""
_EPOCH: Final = 719_468
"""Days from 1 March of the year 0 to 1 January 1970."""


def is_period(number: int, months: int) -> bool:
    """Tell whether a number names a period of so many months in the years that reports may be of."""
    return YEAR_MIN <= number * months // _MONTHS_PER_YEAR <= YEAR_MAX


def end_of_period_ms(number: int, months: int) -> int:
    """Return when a period of so many months ends, in milliseconds since 1970."""
    following = (number + 1) * months
    year, month = divmod(following, _MONTHS_PER_YEAR)
    return start_of_day_ms(count_days(year, month + 1))


def count_days(year: int, month: int) -> int:
    """Return the days from 1 January 1970 to the first of a month, from 1 for January.

    Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, days_from_civil.
    """
    if month <= 2:
        year, month = year - 1, month + 12
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3) + 2) // 5
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_PER_ERA + day_of_era - _EPOCH
