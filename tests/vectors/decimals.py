"""Decimal numbers of vector files as whole numbers of a smaller unit."""

from fractions import Fraction


def scale_decimal(text: str, scale: int) -> int:
    """Return a decimal number times `scale`; ValueError unless that is whole."""
    scaled = Fraction(text) * scale
    if scaled.denominator != 1:
        raise ValueError(f"{text} is not whole in units of 1/{scale}")
    return scaled.numerator
