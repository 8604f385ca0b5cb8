"""Numbers of sources: read exactly, mapped to a feed's unit, and made whole in its smallest unit.

Exact decimal arithmetic throughout: no binary floating point comes between a source's digits and the chain.
One rounding only, half to even, when a number is made whole.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Any, Final, NamedTuple

from apps.gateway.errors import FaultKind, SourceFault

MAGNITUDE_MAX: Final = 40
"""Decimal digits before or behind the point: an i128 has 39."""
TEXT_MAX: Final = 90
I128_MAX: Final = (1 << 127) - 1
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_EXACT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)


class Scale(NamedTuple):
    """How a source's number becomes the feed's unit: times `factor`, plus `offset`."""

    factor: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)

    def apply(self, raw: Decimal) -> Decimal:
        """Return the number in the feed's unit; SourceFault when it is beyond all measure."""
        result = _EXACT.add(_EXACT.multiply(raw, self.factor), self.offset)
        if not is_sane(result):
            raise SourceFault(FaultKind.NOT_A_NUMBER, f"{raw!s:.40} is beyond all measure")
        return result


def is_sane(number: Decimal) -> bool:
    """Tell whether a number is finite and of a size that arithmetic here keeps exact."""
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number has an exponent"
    small_enough = not number or abs(number.adjusted()) <= MAGNITUDE_MAX
    return small_enough and -2 * MAGNITUDE_MAX <= exponent <= MAGNITUDE_MAX


def read_number(found: Any) -> Decimal:
    """Return the number that a document holds, as a number or as its decimal digits in text; SourceFault."""
    if isinstance(found, str):
        if len(found) > TEXT_MAX or not _NUMBER.fullmatch(found):
            raise SourceFault(FaultKind.NOT_A_NUMBER, f"{found!r:.40} is no number")
        found = parse_decimal(found)
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        raise SourceFault(FaultKind.NOT_A_NUMBER, f"{type(found).__name__} where a number should be")
    number = Decimal(found)
    if not is_sane(number):
        raise SourceFault(FaultKind.NOT_A_NUMBER, "a number beyond all measure")
    return number


def parse_decimal(text: str) -> Decimal:
    """Return the decimal number of a text; a text that is none, or no finite one, becomes NaN."""
    try:
        return Decimal(text)
    except DecimalException:
        return Decimal("NaN")


def to_whole(number: Decimal, decimals: int) -> int:
    """Return a sane number in units of 10^-decimals, rounded half to even; SourceFault beyond an i128."""
    whole = int(_EXACT.to_integral_value(_EXACT.scaleb(number, decimals)))
    if abs(whole) > I128_MAX:
        raise SourceFault(FaultKind.OUT_OF_RANGE, "a number that has no place in 128 bits")
    return whole
