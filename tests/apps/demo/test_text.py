"""Figures read as people write them, rounded half away from zero."""

import pytest

from apps.demo.text import (
    MINUS,
    show_baht,
    show_grid,
    show_kwh,
    show_price,
    show_share,
    show_thb,
    show_time,
)

THB = 10**12


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (1_234_567 * THB, "1,234,567.00"),
        (THB // 200, "0.01"),
        (THB // 200 - 1, "0.00"),
        (-THB // 200, f"{MINUS}0.01"),
        (-94_367_938_826_000, f"{MINUS}94.37"),
    ],
)
def test_money_has_two_decimals(amount: int, text: str) -> None:
    assert show_baht(amount) == text


def test_money_shows_a_plus_where_asked_for() -> None:
    assert show_baht(THB, signed=True) == "+1.00"
    assert show_baht(0, signed=True) == "0.00"
    assert show_thb(-THB, signed=True) == f"{MINUS}฿1.00"
    assert show_thb(THB) == "฿1.00"


@pytest.mark.parametrize(("energy", "text"), [(0, "0.0"), (49, "0.0"), (50, "0.1"), (1_234_567, "1,234.6")])
def test_energy_has_one_decimal(energy: int, text: str) -> None:
    assert show_kwh(energy) == text


def test_price_has_four_decimals() -> None:
    assert show_price(57_982) == "5.7982"
    assert show_price(5) == "0.0005"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (1, 3, "33.3 %"),
        (2, 3, "66.7 %"),
        (-1, 3, f"{MINUS}33.3 %"),
        (1, -3, f"{MINUS}33.3 %"),
        (-1, 10**6, "0.0 %"),
        (5, 0, "\N{EN DASH}"),
    ],
)
def test_share_is_in_percent(part: int, whole: int, text: str) -> None:
    assert show_share(part, whole) == text


def test_other_figures() -> None:
    assert show_grid(1_234_567_890_000) == "1.2346"
    assert show_time(59.4) == "59 s"
    assert show_time(1_008.2) == "16 min 48 s"
