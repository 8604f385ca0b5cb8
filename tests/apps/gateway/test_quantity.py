"""Numbers of sources become whole numbers of a feed exactly, or are refused."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.quantity import I128_MAX, Scale, read_number, to_whole

SANE = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=12)


@pytest.mark.parametrize(
    ("found", "number"),
    [
        (7, "7"),
        (Decimal("4.75"), "4.75"),
        ("4.75", "4.75"),
        ("-0.5", "-0.5"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
    ],
)
def test_numbers_and_their_digits_in_text_are_read(found: Any, number: str) -> None:
    assert read_number(found) == Decimal(number)


@pytest.mark.parametrize(
    "found",
    [
        *(None, True, False, [], [1], {}, 1.5),
        *("", " 1", "1 ", "+1", "1,5", "0x10", "1_000", "one", "NaN", "Infinity", "-inf", "٣", "1" * 100),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")),
        *(Decimal("1e41"), Decimal("1e-81"), Decimal("1e999999"), "1e99", "1" * 41),
    ],
    ids=repr,
)
def test_what_is_no_number_or_beyond_all_measure_is_refused(found: Any) -> None:
    with pytest.raises(SourceFault) as caught:
        read_number(found)
    assert caught.value.kind is FaultKind.NOT_A_NUMBER


@given(SANE, SANE, SANE, st.integers(0, 18))
def test_a_mapped_number_is_off_by_half_a_unit_at_most(
    raw: Decimal, factor: Decimal, offset: Decimal, decimals: int
) -> None:
    exact = (Fraction(raw) * Fraction(factor) + Fraction(offset)) * 10**decimals
    try:
        whole = to_whole(Scale(factor, offset).apply(raw), decimals)
    except SourceFault:
        assert abs(exact) > I128_MAX // 2
    else:
        assert abs(exact - whole) <= Fraction(1, 2)


def test_halves_are_rounded_to_even() -> None:
    found = [to_whole(Decimal(text), 0) for text in ("0.5", "1.5", "2.5", "-0.5", "-1.5", "2.51")]
    assert found == [0, 2, 2, 0, -2, 3]


def test_no_binary_fraction_comes_between() -> None:
    assert to_whole(Scale(Decimal("0.1")).apply(Decimal(3)), 18) == 3 * 10**17
    assert to_whole(Decimal("0.1234567890123456785"), 18) == 123_456_789_012_345_678


def test_the_largest_i128_is_taken_and_one_more_is_not() -> None:
    assert to_whole(Decimal(I128_MAX), 0) == I128_MAX
    with pytest.raises(SourceFault, match="128 bits"):
        to_whole(Decimal(I128_MAX + 1), 0)


def test_a_scale_that_makes_a_number_too_large_is_refused() -> None:
    with pytest.raises(SourceFault, match="beyond all measure"):
        Scale(Decimal("1e30")).apply(Decimal("1e30"))
