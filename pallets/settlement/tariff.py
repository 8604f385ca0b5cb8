"""Retail tariffs: what a month's energy costs by blocks or by time of use, with surcharge, service and VAT.

Responsible for the arithmetic of a bill and for the hours of peak; rates come in, and the ones below are
those that the metropolitan utility (MEA) published, with their dates. It knows no account.

Rates are in ticks of 0.0001 THB per kWh and energy in Wh, so energy, surcharge and VAT of a bill are exact
wherever the service charge is in whole satang; VAT is rounded down otherwise. Paper shows two decimals, half
up.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from pallets.energy_trading.units import FEE_MAX_BPS, MONEY_PER_SATANG, compute_value
from runtime.primitives.arithmetic import (
    U128_MAX,
    Rounding,
    Underflow,
    div_rounded,
    ensure_within,
    mul_div,
)

VAT_BPS: Final = 700
WHOLE_BPS: Final = 10_000

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
BANGKOK_MS: Final = 7 * HOUR_MS
"""Local time is UTC+7 all the year."""
PEAK_FIRST_HOUR: Final = 9
PEAK_END_HOUR: Final = 22
MONDAY_OFFSET: Final = 3
"""The first of January 1970 was a Thursday; days of the week count from Monday, 0."""
SATURDAY: Final = 5
DAYS_TO_1970: Final = 719_468
"""From the first of March of the year 0, when the years of the algorithm below begin."""
ERA_DAYS: Final = 146_097
"""The days of 400 years."""


class TariffError(ValueError):
    """Blocks that are no schedule."""


class Block(NamedTuple):
    """A stretch of consumption and its rate; the last block of a schedule has no end."""

    size_wh: int | None
    ticks: int


RESIDENTIAL_1_1: Final = (
    Block(15_000, 23_488),
    Block(10_000, 29_882),
    Block(10_000, 32_405),
    Block(65_000, 36_237),
    Block(50_000, 37_171),
    Block(250_000, 42_218),
    Block(None, 44_217),
)
"""MEA, small homes, progressive rate in force from the bills of November 2015."""

ON_PEAK_TICKS: Final = 57_982
OFF_PEAK_TICKS: Final = 26_369
"""Homes below 22 kV with a time-of-use meter, rates of 2026."""


class Bill(NamedTuple):
    """The parts of a bill in money."""

    energy: int
    surcharge: int
    service: int
    vat: int

    @property
    def subtotal(self) -> int:
        """All that VAT is charged on."""
        return self.energy + self.surcharge + self.service

    @property
    def total(self) -> int:
        """What is owed."""
        return self.subtotal + self.vat

    @property
    def total_satang(self) -> int:
        """What paper shows: rounded to the nearest satang, half up."""
        return div_rounded(self.total, MONEY_PER_SATANG, Rounding.NEAREST_PREF_UP)


def ensure_schedule(blocks: Sequence[Block]) -> None:
    """Raise TariffError unless every block but the last has a size above zero and the last has no end."""
    sizes = [block.size_wh for block in blocks]
    if not sizes or sizes[-1] is not None:
        raise TariffError("the last block of a schedule has no end")
    if not all(size is not None and size > 0 for size in sizes[:-1]):
        raise TariffError("a block before the last has no size")


def compute_block_cost(energy_wh: int, blocks: Sequence[Block]) -> int:
    """Return the exact cost of a month's energy by progressive blocks; raises TariffError and Underflow."""
    ensure_schedule(blocks)
    if energy_wh < 0:
        raise Underflow(f"{energy_wh} Wh were used")
    cost, left_wh = 0, energy_wh
    for size_wh, ticks in blocks:
        part_wh = left_wh if size_wh is None else min(left_wh, size_wh)
        cost += compute_value(part_wh, ticks)
        left_wh -= part_wh
    return cost


def compute_block_increase(used_wh: int, more_wh: int, blocks: Sequence[Block]) -> int:
    """Return the exact cost of more energy in a month in which some was used; raises as the cost does."""
    return compute_block_cost(used_wh + more_wh, blocks) - compute_block_cost(used_wh, blocks)


def compute_block_bill(
    energy_wh: int, blocks: Sequence[Block], surcharge_ticks: int, service: int, vat_bps: int = VAT_BPS
) -> Bill:
    """Return the bill of a month by progressive blocks; `service` is in money, VAT at most 100 %."""
    energy = compute_block_cost(energy_wh, blocks)
    return _add_charges(energy, energy_wh, surcharge_ticks, service, vat_bps)


def compute_tou_bill(
    peak_wh: int, off_peak_wh: int, surcharge_ticks: int, service: int, vat_bps: int = VAT_BPS
) -> Bill:
    """Return the bill of a month by time of use at the rates above."""
    energy = compute_value(peak_wh, ON_PEAK_TICKS) + compute_value(off_peak_wh, OFF_PEAK_TICKS)
    return _add_charges(energy, peak_wh + off_peak_wh, surcharge_ticks, service, vat_bps)


def _add_charges(energy: int, energy_wh: int, surcharge_ticks: int, service: int, vat_bps: int) -> Bill:
    ensure_within(service, U128_MAX)
    ensure_within(vat_bps, FEE_MAX_BPS)
    surcharge = compute_value(energy_wh, surcharge_ticks)
    vat = mul_div(energy + surcharge + service, vat_bps, WHOLE_BPS, Rounding.DOWN)
    return Bill(energy, surcharge, service, vat)


def is_on_peak(unix_ms: int, *, is_holiday: bool = False) -> bool:
    """Answer whether a moment is on peak: Monday to Friday, 09:00 to 22:00 local, public holidays excepted.

    The caller knows the holidays.
    """
    local_ms = ensure_within(unix_ms, U128_MAX) + BANGKOK_MS
    day, of_day_ms = divmod(local_ms, DAY_MS)
    is_workday = (day + MONDAY_OFFSET) % 7 < SATURDAY and not is_holiday
    return is_workday and PEAK_FIRST_HOUR <= of_day_ms // HOUR_MS < PEAK_END_HOUR


def compute_month(unix_ms: int) -> int:
    """Return the local calendar month of a moment, counted from January 1970.

    Source: Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
    """
    day = (ensure_within(unix_ms, U128_MAX) + BANGKOK_MS) // DAY_MS + DAYS_TO_1970
    era, of_era = divmod(day, ERA_DAYS)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    months_from_march = (5 * of_year + 2) // 153
    return (era * 400 + year) * 12 + months_from_march + 2 - 1_970 * 12


@lru_cache(maxsize=256)  # every offer asks for the rate of its slot, and all are for few slots
def compute_retail_ticks(unix_ms: int, *, is_holiday: bool = False) -> int:
    """Return the time-of-use rate of a moment."""
    return ON_PEAK_TICKS if is_on_peak(unix_ms, is_holiday=is_holiday) else OFF_PEAK_TICKS
