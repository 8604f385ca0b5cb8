"""Integer arithmetic whose every bound and every rounding is named; knows numbers, not what they measure.

Python integers do not overflow, so a width is a limit that is checked: `checked_*` raises where a
fixed-width machine would overflow, `saturating_*` stops at the bound. A division takes a `Rounding`.
Fractions are integers over a fixed denominator with Substrate's names and semantics (sp-arithmetic:
`PerThing`, `FixedU128`); all results are exact before the one rounding.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Self

U8_MAX = 2**8 - 1
U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
U128_MAX = 2**128 - 1


class ArithmeticFailure(ArithmeticError):
    """An integer operation has no result; `index` is the variant of sp-runtime's `ArithmeticError`."""

    index: ClassVar[int]


class Underflow(ArithmeticFailure):
    """The result would be below zero."""

    index = 0


class Overflow(ArithmeticFailure):
    """The result would exceed its width."""

    index = 1


class DivisionByZero(ArithmeticFailure):
    """The divisor is zero."""

    index = 2


class Rounding(Enum):
    """What a division does with a remainder; the two nearest kinds differ only in an exact half."""

    DOWN = "down"
    UP = "up"
    NEAREST_PREF_DOWN = "nearest, half down"
    NEAREST_PREF_UP = "nearest, half up"
    NEAREST_PREF_EVEN = "nearest, half to even"


def ensure_within(value: int, limit: int) -> int:
    """Return `value`, which is then in 0..`limit`; raises Underflow or Overflow."""
    if value < 0:
        raise Underflow(f"{value} is below zero")
    if value > limit:
        raise Overflow(f"{value} exceeds {limit}")
    return value


def checked_add(a: int, b: int, limit: int) -> int:
    """Return a + b within 0..`limit`; raises Overflow."""
    return ensure_within(a + b, limit)


def checked_sub(a: int, b: int, limit: int) -> int:
    """Return a - b within 0..`limit`; raises Underflow."""
    return ensure_within(a - b, limit)


def checked_mul(a: int, b: int, limit: int) -> int:
    """Return a · b within 0..`limit`; raises Overflow."""
    return ensure_within(a * b, limit)


def saturating_add(a: int, b: int, limit: int) -> int:
    """Return a + b, or the nearest bound of 0..`limit`."""
    return _clamp(a + b, limit)


def saturating_sub(a: int, b: int, limit: int) -> int:
    """Return a - b, or the nearest bound of 0..`limit`."""
    return _clamp(a - b, limit)


def saturating_mul(a: int, b: int, limit: int) -> int:
    """Return a · b, or the nearest bound of 0..`limit`."""
    return _clamp(a * b, limit)


def div_rounded(dividend: int, divisor: int, rounding: Rounding) -> int:
    """Return the quotient of two naturals, rounded as named; raises DivisionByZero."""
    assert dividend >= 0, "dividend is a natural number"
    assert divisor >= 0, "divisor is a natural number"
    if divisor == 0:
        raise DivisionByZero("division by zero")
    quotient, remainder = divmod(dividend, divisor)
    return quotient + _rounds_up(quotient, remainder, divisor, rounding)


def mul_div(a: int, b: int, c: int, rounding: Rounding) -> int:
    """Return a · b over c, exact before the rounding, of naturals; raises DivisionByZero."""
    return div_rounded(a * b, c, rounding)


@dataclass(frozen=True, slots=True, order=True)
class PerThing:
    """A fraction from 0 to 1, `parts` of `ACCURACY`; the base of the four kinds, not used itself."""

    ACCURACY: ClassVar[int] = 1

    parts: int

    def __post_init__(self) -> None:
        """Refuse parts outside 0..ACCURACY with Underflow or Overflow."""
        ensure_within(self.parts, self.ACCURACY)

    @classmethod
    def zero(cls) -> Self:
        """Return the fraction 0."""
        return cls(0)

    @classmethod
    def one(cls) -> Self:
        """Return the fraction 1."""
        return cls(cls.ACCURACY)

    @classmethod
    def from_percent(cls, percent: int) -> Self:
        """Return `percent` hundredths, exactly; raises Overflow above 100."""
        return cls(percent * cls.ACCURACY // 100)

    @classmethod
    def from_rational(cls, numerator: int, denominator: int, rounding: Rounding) -> Self:
        """Return numerator over denominator; raises Overflow above 1 and DivisionByZero."""
        return cls(mul_div(numerator, cls.ACCURACY, denominator, rounding))

    def mul(self, value: int, rounding: Rounding) -> int:
        """Return this fraction of the natural `value`, never more than `value`."""
        return mul_div(value, self.parts, self.ACCURACY, rounding)

    def saturating_reciprocal_mul(self, value: int, rounding: Rounding, limit: int) -> int:
        """Return `value` over this fraction, or `limit` where it is larger or the fraction is 0."""
        if self.parts == 0:
            return limit
        return min(mul_div(value, self.ACCURACY, self.parts, rounding), limit)

    def left_from_one(self) -> Self:
        """Return 1 - this."""
        return type(self)(self.ACCURACY - self.parts)

    def saturating_add(self, other: Self) -> Self:
        """Return this + other, at most 1."""
        return type(self)(min(self.parts + other.parts, self.ACCURACY))

    def saturating_sub(self, other: Self) -> Self:
        """Return this - other, at least 0."""
        return type(self)(max(self.parts - other.parts, 0))

    def times(self, other: Self, rounding: Rounding) -> Self:
        """Return the product of two fractions."""
        return type(self)(mul_div(self.parts, other.parts, self.ACCURACY, rounding))


class Percent(PerThing):
    """Hundredths, u8."""

    __slots__ = ()
    ACCURACY = 100


class Permill(PerThing):
    """Millionths, u32."""

    __slots__ = ()
    ACCURACY = 10**6


class Perbill(PerThing):
    """Thousand-millionths, u32."""

    __slots__ = ()
    ACCURACY = 10**9


class Perquintill(PerThing):
    """10^-18 parts, u64."""

    __slots__ = ()
    ACCURACY = 10**18


@dataclass(frozen=True, slots=True, order=True)
class FixedU128:
    """A non-negative fixed-point number, `inner` of 10^-18, within u128."""

    DENOMINATOR: ClassVar[int] = 10**18

    inner: int

    def __post_init__(self) -> None:
        """Refuse an inner value outside u128 with Underflow or Overflow."""
        ensure_within(self.inner, U128_MAX)

    @classmethod
    def zero(cls) -> Self:
        """Return the number 0."""
        return cls(0)

    @classmethod
    def one(cls) -> Self:
        """Return the number 1."""
        return cls(cls.DENOMINATOR)

    @classmethod
    def from_integer(cls, value: int) -> Self:
        """Return `value`; raises Underflow or Overflow."""
        return cls(value * cls.DENOMINATOR)

    @classmethod
    def from_rational(cls, numerator: int, denominator: int, rounding: Rounding) -> Self:
        """Return numerator over denominator; raises Overflow and DivisionByZero."""
        return cls(mul_div(numerator, cls.DENOMINATOR, denominator, rounding))

    def mul_int(self, value: int, rounding: Rounding) -> int:
        """Return this times the natural `value`, unbounded."""
        return mul_div(self.inner, value, self.DENOMINATOR, rounding)

    def checked_mul(self, other: Self, rounding: Rounding) -> Self:
        """Return this · other; raises Overflow."""
        return type(self)(mul_div(self.inner, other.inner, self.DENOMINATOR, rounding))

    def checked_div(self, other: Self, rounding: Rounding) -> Self:
        """Return this over other; raises Overflow and DivisionByZero."""
        return type(self)(mul_div(self.inner, self.DENOMINATOR, other.inner, rounding))

    def saturating_mul(self, other: Self, rounding: Rounding) -> Self:
        """Return this · other, at most the largest number."""
        return type(self)(min(mul_div(self.inner, other.inner, self.DENOMINATOR, rounding), U128_MAX))

    def saturating_add(self, other: Self) -> Self:
        """Return this + other, at most the largest number."""
        return type(self)(min(self.inner + other.inner, U128_MAX))

    def saturating_sub(self, other: Self) -> Self:
        """Return this - other, at least 0."""
        return type(self)(max(self.inner - other.inner, 0))


def _clamp(value: int, limit: int) -> int:
    return 0 if value < 0 else min(value, limit)


def _rounds_up(quotient: int, remainder: int, divisor: int, rounding: Rounding) -> bool:
    match rounding:
        case Rounding.DOWN:
            return False
        case Rounding.UP:
            return remainder > 0
        case Rounding.NEAREST_PREF_DOWN:
            return 2 * remainder > divisor
        case Rounding.NEAREST_PREF_UP:
            return 2 * remainder >= divisor
        case Rounding.NEAREST_PREF_EVEN:
            return 2 * remainder + (quotient & 1) > divisor
