"""The measurements of the week: what is read, what is refused, and that nothing was changed in copying."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.demo.week import (
    DATA,
    EXPECTED_FILE,
    HOMES_FILE,
    HOURS_PER_DAY,
    WEATHER_FILE,
    WEEK_HOURS,
    WeekError,
    load_week,
)
from pallets.settlement.tariff import OFF_PEAK_TICKS, ON_PEAK_TICKS

VECTORS = Path(__file__).parents[2] / "vectors" / "data"


@pytest.mark.parametrize("name", [HOMES_FILE, EXPECTED_FILE])
def test_files_are_those_that_the_pallets_are_tested_with(name: str) -> None:
    assert (DATA / name).read_bytes() == (VECTORS / name).read_bytes()


def test_files_tell_source_and_licence() -> None:
    text = (DATA / "SOURCES.md").read_text(encoding="utf-8")
    assert all(name in text for name in (HOMES_FILE, EXPECTED_FILE, WEATHER_FILE))
    assert "MIT License" in text


def test_week_has_eight_days_of_fifteen_homes() -> None:
    week = load_week()
    assert len(week.homes) == 15
    assert len(week.hours) == HOURS_PER_DAY + WEEK_HOURS
    assert all(len(hour.uses) == 15 for hour in week.hours)
    assert (week.rules.k_permille, week.rules.fee_bps, week.rules.wheeling_ticks) == (500, 100, 2_000)
    assert week.feed_in_ticks == 22_000


def test_peak_is_from_nine_to_ten_on_workdays_only() -> None:
    week = load_week()
    peaks = [number for number in range(WEEK_HOURS) if week.hour(number).retail_ticks == ON_PEAK_TICKS]
    assert peaks == [24 * day + hour for day in range(1, 6) for hour in range(9, 22)]
    assert week.hour(0).retail_ticks == OFF_PEAK_TICKS


def test_a_part_of_the_week_has_the_day_before_it_as_history() -> None:
    week = load_week()
    part = week.skip(30)
    assert part.hour(0) == week.hour(30)
    assert part.hour(-24) == week.hour(6)
    assert part.skip(2).hour(0) == week.hour(32)
    assert part.name_hour(0) == "Monday 29 May, 06:00"


@pytest.mark.parametrize("number", [-25, WEEK_HOURS])
def test_no_hour_is_outside_the_week(number: int) -> None:
    with pytest.raises(AssertionError):
        load_week().hour(number)


def test_the_last_hour_of_a_part_is_the_last_of_the_week() -> None:
    part = load_week().skip(WEEK_HOURS - 1)
    part.hour(0)
    with pytest.raises(AssertionError):
        part.hour(1)


def cut(text: str) -> str:
    return text.replace("\n7300,", "\n9300,", 1)


def letter(text: str) -> str:
    return text.replace("\n7300,", "\n7300x,", 1)


def shorten(text: str) -> str:
    return text[:200]


@pytest.mark.parametrize("damage", [cut, letter, shorten, lambda _: ""])
@pytest.mark.parametrize("name", [HOMES_FILE, WEATHER_FILE, EXPECTED_FILE])
def test_a_damaged_file_is_refused(name: str, damage: Callable[[str], str], tmp_path: Path) -> None:
    shutil.copytree(DATA, tmp_path / "data")
    path = tmp_path / "data" / name
    text = path.read_text(encoding="utf-8")
    path.write_text(damage(text.replace("[7300,", "[9300,", 1)), encoding="utf-8")
    with pytest.raises(WeekError, match="cannot be read"):
        load_week(tmp_path / "data")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeekError):
        load_week(tmp_path)
