"""Curves: how much approval or support a referendum needs, falling over its decision period.

Responsible for the arithmetic alone, in parts per billion and rounded as Substrate does. It knows no
referendum. Source: pallet_referenda::Curve.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from runtime.primitives.arithmetic import Rounding, div_rounded
from runtime.primitives.scale import Enum, Struct, i64, u32

BILLION = 1_000_000_000
"""One, in parts per billion: of a Perbill, and of the fixed-point numbers of `Reciprocal`."""


class LinearDecreasing(Struct, index=0):
    """From `ceil` at the start down to `floor` at `length`, then level; each in parts per billion."""

    length: u32
    floor: u32
    ceil: u32


class SteppedDecreasing(Struct, index=1):
    """From `begin` down by `step` at the end of every `period`, never below `end`; parts per billion."""

    begin: u32
    end: u32
    step: u32
    period: u32


class Reciprocal(Struct, index=2):
    """`factor` / (x + `x_offset`) + `y_offset`, each in billionths and signed."""

    factor: i64
    x_offset: i64
    y_offset: i64


Curve: TypeAlias = Annotated[
    LinearDecreasing | SteppedDecreasing | Reciprocal, Enum("pallet_referenda::types::Curve")
]


def compute_threshold(curve: Curve, x: int) -> int:
    """Return the least part per billion that passes at `x` parts per billion of the decision period."""
    match curve:
        case LinearDecreasing(length=length, floor=floor, ceil=ceil):
            passed = BILLION if length == 0 else min(x, length) * BILLION // length
            return ceil - passed * (ceil - floor) // BILLION
        case SteppedDecreasing(begin=begin, end=end, step=step, period=period):
            steps = 0 if period == 0 else x // period
            return max(end, begin - min(begin, step * steps))
        case Reciprocal(factor=factor, x_offset=x_offset, y_offset=y_offset):
            divisor = x + x_offset
            if divisor == 0:
                return BILLION
            return min(BILLION, max(0, factor * BILLION // divisor + y_offset))


def is_passing(curve: Curve, x: int, y: int) -> bool:
    """Answer whether `y` parts per billion are enough at `x` parts per billion of the decision period."""
    return y >= compute_threshold(curve, x)


def compute_delay(curve: Curve, y: int) -> int:
    """Return from which part per billion of the decision period on `y` is enough; all of it where never."""
    match curve:
        case LinearDecreasing(length=length, floor=floor, ceil=ceil):
            if y >= ceil:
                return 0
            if y < floor:
                return BILLION
            return div_rounded((ceil - y) * BILLION, ceil - floor, Rounding.UP) * length // BILLION
        case SteppedDecreasing(begin=begin, end=end, step=step, period=period):
            if y >= begin:
                return 0
            reached = y >= end and step > 0
            return min(BILLION, period * div_rounded(begin - y, step, Rounding.UP)) if reached else BILLION
        case Reciprocal(factor=factor, x_offset=x_offset, y_offset=y_offset):
            divisor = y - y_offset
            reached = divisor > 0
            return min(BILLION, max(0, -(-factor * BILLION // divisor) - x_offset)) if reached else BILLION
