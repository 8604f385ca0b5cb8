"""Inflation: how much is issued for an era, from the share of the issuance that is staked.

Responsible for the curve and for the payout of a span of time. It knows numbers only.

Below the ideal stake the yearly inflation rises from its least to its greatest value in a straight line;
above, it decays towards the least, halving its distance for every `falloff` of further stake. The decay is
approximated by straight pieces, all of whose corners are integers, so every node computes the same payout.
Source: Token economics of Polkadot (W3F research), pallet_staking_reward_curve, sp_runtime::curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from runtime.primitives.arithmetic import Perbill, Rounding

MILLION: Final = 1_000_000
YEAR_MS: Final = 31_557_600_000
"""Milliseconds of a Julian year."""


@dataclass(frozen=True, slots=True)
class CurveParameters:
    """Of a reward curve, in millionths; inflations are of the issuance in a year."""

    min_inflation: int
    max_inflation: int
    ideal_stake: int
    falloff: int
    max_piece_count: int

    def __post_init__(self) -> None:
        """Refuse what makes no curve."""
        assert 0 <= self.min_inflation < self.max_inflation <= MILLION, "inflation rises to the ideal stake"
        assert 0 < self.ideal_stake < MILLION, "the ideal stake is a part of the issuance"
        assert 0 < self.falloff <= MILLION, "inflation falls beyond the ideal stake"
        assert self.max_piece_count > 1, "the curve has a piece before and one after the ideal stake"


class Point(NamedTuple):
    """A corner of the curve: staked share and yearly inflation, both in thousand-millionths."""

    staked: int
    inflation: int


Curve = tuple[Point, ...]


class EraPayout(NamedTuple):
    """What is issued for an era: for the stakers, and what remains for the treasury."""

    stakers: int
    remainder: int


def compute_curve(parameters: CurveParameters) -> Curve:
    """Return the corners of the curve, from a share of 0 to one of 1."""
    floor, peak = parameters.min_inflation, parameters.max_inflation
    corners = [(0, floor), (parameters.ideal_stake, peak)]
    piece_max = (peak - floor + MILLION - parameters.ideal_stake) // (parameters.max_piece_count - 1)
    inflation, step = peak, piece_max
    while step:
        following = inflation - step
        staked = MILLION + 1 if following <= floor else _staked_at(parameters, following)
        last_staked, last_inflation = corners[-1]
        if following <= floor or staked - last_staked > piece_max:
            step -= 1
        elif staked >= MILLION:
            rise = (staked - MILLION) * (last_inflation - following) // (staked - last_staked)
            corners.append((MILLION, following + rise))
            break
        else:
            corners.append((staked, following))
            inflation = following
    else:
        corners.append((MILLION, floor))
    return tuple(Point(staked * 1_000, inflation * 1_000) for staked, inflation in corners)


def compute_yearly(curve: Curve, staked: int, issuance: int) -> int:
    """Return a year's payout to stakers at a stake."""
    staked = min(staked, issuance)
    place = next((i for i, point in enumerate(curve) if staked < _of(point.staked, issuance)), len(curve))
    if place in {0, len(curve)}:
        return _of(curve[0 if place == 0 else -1].inflation, issuance)
    before, after = curve[place - 1], curve[place]
    beyond = abs(staked - _of(before.staked, issuance))
    width = max(1, after.staked - before.staked)
    change = beyond * abs(after.inflation - before.inflation) // width
    base = _of(before.inflation, issuance)
    rises = (staked > _of(before.staked, issuance)) == (after.inflation > before.inflation)
    return base + change if rises else max(0, base - change)


def compute_era_payout(curve: Curve, staked: int, issuance: int, duration_ms: int) -> EraPayout:
    """Return what is issued for an era of a duration, a year at most."""
    part = Perbill.from_rational(min(duration_ms, YEAR_MS), YEAR_MS, Rounding.DOWN)
    stakers = part.mul(compute_yearly(curve, staked, issuance), Rounding.NEAREST_PREF_DOWN)
    peak = max(point.inflation for point in curve)
    most = part.mul(_of(peak, issuance), Rounding.NEAREST_PREF_DOWN)
    return EraPayout(stakers, max(0, most - stakers))


def _of(parts: int, amount: int) -> int:
    return Perbill(parts).mul(amount, Rounding.NEAREST_PREF_DOWN)


def _staked_at(parameters: CurveParameters, inflation: int) -> int:
    """Return the share beyond the ideal stake at which the curve has an inflation."""
    peak = parameters.max_inflation - parameters.min_inflation
    halvings = log2_millionths(peak, inflation - parameters.min_inflation)
    return parameters.ideal_stake + parameters.falloff * halvings // MILLION


def log2_millionths(numerator: int, denominator: int) -> int:
    """Return the binary logarithm of a ratio of at least 1, in millionths, rounded down.

    Every squaring of the ratio doubles its logarithm and yields one more binary digit of it.
    """
    assert numerator >= denominator > 0, "the logarithm is not negative"
    digits, precision = 40, 128
    whole = (numerator // denominator).bit_length() - 1
    ratio = (numerator << precision) // (denominator << whole)
    fraction = 0
    for _ in range(digits):
        ratio = ratio * ratio >> precision
        fraction <<= 1
        if ratio >> (precision + 1):
            fraction |= 1
            ratio >>= 1
    return whole * MILLION + (fraction * MILLION >> digits)
