"""What was measured: load and generation of the homes, and the weather, hour by hour, with a tariff's prices.

Responsible for reading the files beside it; `data/SOURCES.md` says where they come from. It knows no market
and no chain.

An hour is numbered from the first of the week; the 24 before it, numbered below zero, are history.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from pallets.energy_trading.levels import Rules
from pallets.settlement.tariff import (
    OFF_PEAK_TICKS,
    ON_PEAK_TICKS,
    PEAK_END_HOUR,
    PEAK_FIRST_HOUR,
    SATURDAY,
)

DATA: Final = Path(__file__).parent / "data"
HOMES_FILE: Final = "homes17_week_hourly.csv"
WEATHER_FILE: Final = "weather_week_hourly.csv"
EXPECTED_FILE: Final = "replay_homes15_week.json"
HOURS_PER_DAY: Final = 24
WEEK_HOURS: Final = 168
DAYS: Final = (
    *("Sunday 28 May", "Monday 29 May", "Tuesday 30 May", "Wednesday 31 May"),
    *("Thursday 1 June", "Friday 2 June", "Saturday 3 June"),
)
"""The days of the week, in 2017 as far as the source tells."""


class WeekError(Exception):
    """The files of the week are damaged: this is a fault of the installation."""


class Use(NamedTuple):
    """What a home used and what its roof gave in an hour, in Wh."""

    load_wh: int
    generated_wh: int

    @property
    def net_wh(self) -> int:
        """What the home takes from others, below zero what it gives them."""
        return self.load_wh - self.generated_wh


class Weather(NamedTuple):
    """The weather of an hour, and the carbon intensity of the grid: 0.1 °C, %, W/m², 0.1 g CO₂ per kWh.

    Irradiance is diffuse and direct together.
    """

    temperature_dc: int
    humidity_percent: int
    irradiance_w_m2: int
    carbon_dg_per_kwh: int


class Hour(NamedTuple):
    """One hour: the grid's retail price in ticks, what each home did, and the weather."""

    retail_ticks: int
    uses: tuple[Use, ...]
    weather: Weather


class Expected(NamedTuple):
    """What an independent script found of the whole week.

    `balances` are of the homes, in order; `hours` are price in ticks, Wh traded and netted, and Wh that the
    grid bought and sold. Money is in units of 10⁻¹² THB.
    """

    balances: tuple[int, ...]
    fees: int
    wheeling: int
    grid: int
    penalties: int
    traded_wh: int
    hours: tuple[tuple[int | None, int, int, int, int], ...]


class Week(NamedTuple):
    """The homes by name, the rules of their market, and all hours; the first day is history.

    `skipped` hours of the week lie before the first one, where it is only a part of the week.
    """

    homes: tuple[str, ...]
    rules: Rules
    feed_in_ticks: int
    hours: tuple[Hour, ...]
    expected: Expected
    skipped: int = 0

    def hour(self, number: int) -> Hour:
        """Return an hour of the week, or with a number from -24 to -1 of the day before it."""
        assert -HOURS_PER_DAY <= number < WEEK_HOURS - self.skipped, "an hour of the week or the day before"
        return self.hours[number + HOURS_PER_DAY]

    def skip(self, hours: int) -> Week:
        """Return the rest of the week from an hour on."""
        assert 0 <= hours < WEEK_HOURS - self.skipped, "an hour is left"
        return self._replace(hours=self.hours[hours:], skipped=self.skipped + hours)

    def name_hour(self, number: int) -> str:
        """Return day and time of an hour's beginning."""
        day, hour = divmod(self.skipped + number, HOURS_PER_DAY)
        return f"{DAYS[day]}, {hour:02}:00"


def load_week(folder: Path = DATA) -> Week:
    """Return the week in the files of a folder; WeekError when one is missing or damaged."""
    try:
        document = json.loads((folder / EXPECTED_FILE).read_text(encoding="utf-8"))
        return _make_week(document, _read(folder / HOMES_FILE), _read(folder / WEATHER_FILE))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise WeekError(f"{folder}: the measurements of the week cannot be read: {error}") from error


def _make_week(document: dict[str, Any], rows: list[dict[str, int]], weather: list[dict[str, int]]) -> Week:
    params = document["params"]
    homes = tuple(document["final_balance"])
    first = params["first_idx"] - HOURS_PER_DAY
    numbers = [first + place for place in range(HOURS_PER_DAY + WEEK_HOURS)]
    if [row["idx"] for row in rows] != numbers or [row["idx"] for row in weather] != numbers:
        raise ValueError("hours are missing or out of order")
    if [row[0] for row in document["slots"]] != numbers[HOURS_PER_DAY:]:
        raise ValueError("the expected hours are not those of the week")
    return Week(
        homes,
        Rules(params["k_permille"], params["fee_bps"], params["wheeling_tick"]),
        params["feed_in_tick"],
        tuple(_make_hour(homes, row, sky) for row, sky in zip(rows, weather, strict=True)),
        Expected(
            balances=tuple(int(document["final_balance"][home]) for home in homes),
            fees=int(document["fees"]),
            wheeling=int(document["wheeling"]),
            grid=int(document["grid"]),
            penalties=int(document["penalties"]),
            traded_wh=int(document["traded_wh"]),
            hours=tuple((row[1], row[2], row[3], row[4], row[5]) for row in document["slots"]),
        ),
    )


def _make_hour(homes: tuple[str, ...], row: dict[str, int], sky: dict[str, int]) -> Hour:
    """Return an hour; the source numbers hours by their end and days of the week from Monday, 1; 8 is a
    holiday."""
    is_workday = 0 < row["day_type"] <= SATURDAY
    is_on_peak = is_workday and PEAK_FIRST_HOUR <= row["hour_ending"] - 1 < PEAK_END_HOUR
    return Hour(
        ON_PEAK_TICKS if is_on_peak else OFF_PEAK_TICKS,
        tuple(Use(row[f"{home}_load_wh"], row[f"{home}_pv_wh"]) for home in homes),
        Weather(
            sky["temp_c_x10"],
            sky["rh_pct"],
            sky["diffuse_wm2"] + sky["direct_wm2"],
            sky["carbon_g_per_kwh_x10"],
        ),
    )


def _read(path: Path) -> list[dict[str, int]]:
    with path.open(encoding="ascii", newline="") as file:
        return [{key: int(value) for key, value in row.items()} for row in csv.DictReader(file)]
