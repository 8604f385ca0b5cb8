"""Checked and saturating integers, named rounding, per-things and fixed-point numbers."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives import arithmetic
from runtime.primitives.arithmetic import (
    U32_MAX,
    U64_MAX,
    U128_MAX,
    ArithmeticFailure,
    DivisionByZero,
    FixedU128,
    Overflow,
    Perbill,
    Percent,
    Permill,
    Perquintill,
    PerThing,
    Rounding,
    Underflow,
    div_rounded,
    mul_div,
)

LIMITS = [U32_MAX, U64_MAX, U128_MAX]
PER_THINGS = [Percent, Permill, Perbill, Perquintill]
u128s = st.integers(0, U128_MAX)
roundings = st.sampled_from(Rounding)


def round_exactly(value: Fraction, rounding: Rounding) -> int:
    """The definition of each rounding, on exact fractions."""
    low, distance = floor(value), value - floor(value)
    match rounding:
        case Rounding.DOWN:
            return low
        case Rounding.UP:
            return ceil(value)
        case Rounding.NEAREST_PREF_DOWN:
            return low + (distance > Fraction(1, 2))
        case Rounding.NEAREST_PREF_UP:
            return low + (distance >= Fraction(1, 2))
        case Rounding.NEAREST_PREF_EVEN:
            return round(value)


def test_failures_carry_substrates_variant_index() -> None:
    assert [failure.index for failure in (Underflow, Overflow, DivisionByZero)] == [0, 1, 2]
    assert all(issubclass(failure, ArithmeticFailure) for failure in (Underflow, Overflow, DivisionByZero))


@pytest.mark.parametrize(("name", "bits"), [("U8", 8), ("U16", 16), ("U32", 32), ("U64", 64), ("U128", 128)])
def test_widths_are_the_largest_unsigned_integers(name: str, bits: int) -> None:
    assert getattr(arithmetic, f"{name}_MAX") == (1 << bits) - 1


@pytest.mark.parametrize("limit", LIMITS)
class TestBounds:
    def test_add_reaches_the_limit_and_not_beyond(self, limit: int) -> None:
        assert arithmetic.checked_add(limit - 1, 1, limit) == limit
        with pytest.raises(Overflow):
            arithmetic.checked_add(limit, 1, limit)
        assert arithmetic.saturating_add(limit, 1, limit) == limit

    def test_sub_reaches_zero_and_not_below(self, limit: int) -> None:
        assert arithmetic.checked_sub(7, 7, limit) == 0
        with pytest.raises(Underflow):
            arithmetic.checked_sub(7, 8, limit)
        assert arithmetic.saturating_sub(7, 8, limit) == 0

    def test_mul_reaches_the_limit_and_not_beyond(self, limit: int) -> None:
        assert arithmetic.checked_mul(limit, 1, limit) == limit
        with pytest.raises(Overflow):
            arithmetic.checked_mul(limit, 2, limit)
        assert arithmetic.saturating_mul(limit, 2, limit) == limit

    def test_ensure_within_takes_the_closed_range(self, limit: int) -> None:
        assert arithmetic.ensure_within(0, limit) == 0
        assert arithmetic.ensure_within(limit, limit) == limit
        with pytest.raises(Underflow):
            arithmetic.ensure_within(-1, limit)
        with pytest.raises(Overflow):
            arithmetic.ensure_within(limit + 1, limit)


@given(u128s, u128s)
def test_saturating_equals_checked_where_checked_has_a_result(a: int, b: int) -> None:
    for name in ("add", "sub", "mul"):
        saturated = getattr(arithmetic, f"saturating_{name}")(a, b, U128_MAX)
        assert 0 <= saturated <= U128_MAX
        try:
            assert getattr(arithmetic, f"checked_{name}")(a, b, U128_MAX) == saturated
        except Underflow:
            assert saturated == 0
        except Overflow:
            assert saturated == U128_MAX


@pytest.mark.parametrize(
    ("dividend", "expected"),
    [
        (4, (2, 2, 2, 2, 2)),
        (5, (2, 3, 2, 3, 2)),
        (7, (3, 4, 3, 4, 4)),
        (0, (0, 0, 0, 0, 0)),
        (1, (0, 1, 0, 1, 0)),
    ],
)
def test_halves_go_where_the_rounding_says(dividend: int, expected: tuple[int, ...]) -> None:
    assert tuple(div_rounded(dividend, 2, rounding) for rounding in Rounding) == expected


@given(u128s, u128s, st.integers(1, U128_MAX), roundings)
def test_mul_div_is_exact_before_its_one_rounding(a: int, b: int, c: int, rounding: Rounding) -> None:
    assert mul_div(a, b, c, rounding) == round_exactly(Fraction(a * b, c), rounding)


@pytest.mark.parametrize("rounding", Rounding)
def test_division_by_zero_is_a_failure(rounding: Rounding) -> None:
    with pytest.raises(DivisionByZero):
        div_rounded(1, 0, rounding)
    with pytest.raises(DivisionByZero):
        mul_div(0, 1, 0, rounding)


@pytest.mark.parametrize(("dividend", "divisor"), [(-1, 2), (1, -2)])
def test_negative_operands_are_misuse(dividend: int, divisor: int) -> None:
    with pytest.raises(AssertionError):
        div_rounded(dividend, divisor, Rounding.DOWN)


@pytest.mark.parametrize("kind", PER_THINGS)
class TestPerThing:
    def test_parts_are_at_most_one(self, kind: type[PerThing]) -> None:
        assert kind(kind.ACCURACY) == kind.one()
        assert kind(0) == kind.zero()
        with pytest.raises(Overflow):
            kind(kind.ACCURACY + 1)
        with pytest.raises(Underflow):
            kind(-1)

    def test_percent_is_exact(self, kind: type[PerThing]) -> None:
        assert kind.from_percent(100) == kind.one()
        assert kind.from_percent(1).mul(100 * kind.ACCURACY, Rounding.DOWN) == kind.ACCURACY
        with pytest.raises(Overflow):
            kind.from_percent(101)
        with pytest.raises(Underflow):
            kind.from_percent(-1)

    def test_rational_above_one_or_over_zero_fails(self, kind: type[PerThing]) -> None:
        assert kind.from_rational(3, 3, Rounding.DOWN) == kind.one()
        with pytest.raises(Overflow):
            kind.from_rational(kind.ACCURACY + 1, kind.ACCURACY, Rounding.DOWN)
        with pytest.raises(DivisionByZero):
            kind.from_rational(0, 0, Rounding.DOWN)

    @given(data=st.data(), value=u128s, rounding=roundings)
    def test_mul_is_exact_and_never_more_than_the_whole(
        self, kind: type[PerThing], data: st.DataObject, value: int, rounding: Rounding
    ) -> None:
        part = kind(data.draw(st.integers(0, kind.ACCURACY)))
        result = part.mul(value, rounding)
        assert result == round_exactly(Fraction(value * part.parts, kind.ACCURACY), rounding)
        assert 0 <= result <= value

    @given(data=st.data(), value=u128s)
    def test_part_and_rest_make_the_whole_when_rounded_opposite(
        self, kind: type[PerThing], data: st.DataObject, value: int
    ) -> None:
        part = kind(data.draw(st.integers(0, kind.ACCURACY)))
        rest = part.left_from_one()
        assert part.mul(value, Rounding.DOWN) + rest.mul(value, Rounding.UP) == value

    @given(data=st.data())
    def test_sum_and_difference_stay_between_zero_and_one(
        self, kind: type[PerThing], data: st.DataObject
    ) -> None:
        a, b = (kind(data.draw(st.integers(0, kind.ACCURACY))) for _ in range(2))
        assert a.saturating_add(b).parts == min(a.parts + b.parts, kind.ACCURACY)
        assert a.saturating_sub(b).parts == max(a.parts - b.parts, 0)
        assert a.times(b, Rounding.UP) <= min(a, b)

    def test_reciprocal_of_zero_is_the_limit(self, kind: type[PerThing]) -> None:
        assert kind.zero().saturating_reciprocal_mul(1, Rounding.DOWN, U64_MAX) == U64_MAX
        assert kind.one().saturating_reciprocal_mul(9, Rounding.DOWN, U64_MAX) == 9
        assert kind.from_percent(50).saturating_reciprocal_mul(9, Rounding.DOWN, U64_MAX) == 18
        assert kind.from_percent(50).saturating_reciprocal_mul(9, Rounding.DOWN, 17) == 17


def test_accuracies_are_substrates() -> None:
    assert [kind.ACCURACY for kind in PER_THINGS] == [100, 10**6, 10**9, 10**18]
    assert FixedU128.DENOMINATOR == 10**18


def test_kinds_of_per_things_are_not_equal_to_each_other() -> None:
    kinds: list[object] = [kind(1) for kind in PER_THINGS]
    assert all(one is other or one != other for one in kinds for other in kinds)
    with pytest.raises(TypeError):
        _ = Perbill(1) < Permill(2)  # type: ignore[operator]  # the point of the test


# sp-arithmetic per_things.rs: 33 % of 10 and of 50 under its four roundings.
@pytest.mark.parametrize(
    ("value", "down", "up", "half_down", "half_up"),
    [(10, 3, 4, 3, 3), (50, 16, 17, 16, 17), (150, 49, 50, 49, 50)],
)
def test_percent_rounds_as_named(value: int, down: int, up: int, half_down: int, half_up: int) -> None:
    third = Percent(33)
    assert third.mul(value, Rounding.DOWN) == down
    assert third.mul(value, Rounding.UP) == up
    assert third.mul(value, Rounding.NEAREST_PREF_DOWN) == half_down
    assert third.mul(value, Rounding.NEAREST_PREF_UP) == half_up


class TestFixedU128:
    def test_inner_fits_u128(self) -> None:
        assert FixedU128(U128_MAX).inner == U128_MAX
        with pytest.raises(Overflow):
            FixedU128(U128_MAX + 1)
        with pytest.raises(Underflow):
            FixedU128(-1)

    def test_integers_and_rationals(self) -> None:
        assert FixedU128.from_integer(3) == FixedU128.from_rational(9, 3, Rounding.DOWN)
        assert FixedU128.from_rational(1, 3, Rounding.DOWN).inner == 333_333_333_333_333_333
        assert FixedU128.from_rational(1, 3, Rounding.UP).inner == 333_333_333_333_333_334
        with pytest.raises(DivisionByZero):
            FixedU128.from_rational(1, 0, Rounding.DOWN)
        with pytest.raises(Overflow):
            FixedU128.from_integer(U128_MAX)

    @given(u128s, u128s, roundings)
    def test_products_are_exact_before_rounding(self, a: int, b: int, rounding: Rounding) -> None:
        expected = round_exactly(Fraction(a * b, 10**18), rounding)
        assert FixedU128(a).mul_int(b, rounding) == expected
        assert FixedU128(a).saturating_mul(FixedU128(b), rounding).inner == min(expected, U128_MAX)
        if expected > U128_MAX:
            with pytest.raises(Overflow):
                FixedU128(a).checked_mul(FixedU128(b), rounding)
        else:
            assert FixedU128(a).checked_mul(FixedU128(b), rounding).inner == expected

    @given(u128s)
    def test_one_is_neutral(self, a: int) -> None:
        number = FixedU128(a)
        assert number.checked_mul(FixedU128.one(), Rounding.DOWN) == number
        assert number.checked_div(FixedU128.one(), Rounding.DOWN) == number
        assert number.saturating_add(FixedU128.zero()) == number

    def test_division_by_zero_and_bounds(self) -> None:
        with pytest.raises(DivisionByZero):
            FixedU128.one().checked_div(FixedU128.zero(), Rounding.DOWN)
        with pytest.raises(Overflow):
            FixedU128(U128_MAX).checked_div(FixedU128(1), Rounding.DOWN)
        assert FixedU128(U128_MAX).saturating_add(FixedU128(1)).inner == U128_MAX
        assert FixedU128(1).saturating_sub(FixedU128(2)).inner == 0
