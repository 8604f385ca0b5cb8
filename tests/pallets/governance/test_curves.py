"""Curves never rise, and the delay is where passing begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.governance.curves import (
    BILLION,
    Curve,
    LinearDecreasing,
    Reciprocal,
    SteppedDecreasing,
    compute_delay,
    compute_threshold,
    is_passing,
)

ROUNDING = 10
"""More parts than all roundings of a curve together move a point."""
PARTS = st.integers(0, BILLION)
CURVES: list[Curve] = [
    LinearDecreasing(BILLION, 500_000_000, BILLION),
    LinearDecreasing(607_142_857, 0, 500_000_000),
    LinearDecreasing(0, 300_000_000, 300_000_000),
    SteppedDecreasing(800_000_000, 300_000_000, 100_000_000, 150_000_000),
    SteppedDecreasing(500_000_000, 500_000_000, 0, 0),
    Reciprocal(31_250_000, 36_330_683, 139_845_532),
    Reciprocal(222_222_224, 333_333_335, -166_666_668),
]


@pytest.mark.parametrize("curve", CURVES)
@given(a=PARTS, b=PARTS)
def test_threshold_is_a_part_and_never_rises(curve: Curve, a: int, b: int) -> None:
    early, late = sorted((a, b))
    assert BILLION >= compute_threshold(curve, early) >= compute_threshold(curve, late) >= 0


@pytest.mark.parametrize("curve", CURVES)
@given(y=PARTS)
def test_what_passes_before_the_end_passes_from_the_delay_on(curve: Curve, y: int) -> None:
    delay = compute_delay(curve, y)
    assert 0 <= delay <= BILLION
    if delay + ROUNDING < BILLION:
        assert is_passing(curve, delay + ROUNDING, y)
    if delay > ROUNDING and y > ROUNDING:
        assert not is_passing(curve, delay - ROUNDING, y - ROUNDING)


def test_reciprocal_without_a_divisor_asks_for_everything() -> None:
    assert compute_threshold(Reciprocal(1, 0, 0), 0) == BILLION
    assert compute_delay(Reciprocal(1, 0, 5), 5) == BILLION


def test_step_falls_at_the_end_of_its_period() -> None:
    curve = CURVES[3]
    assert compute_threshold(curve, 149_999_999) == 800_000_000
    assert compute_threshold(curve, 150_000_000) == 700_000_000
