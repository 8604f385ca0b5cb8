"""Fractions: how much of their stake validators lose for an offence, by how many offend together.

Responsible for the rules only: pure functions of numbers. Source: the offences of pallet_babe, pallet_grandpa
and pallet_im_online; sp_staking::offence.
"""

from runtime.primitives.arithmetic import Perbill, Rounding


def equivocation_fraction(offenders: int, validators: int) -> Perbill:
    """Return min((3k / n)², 1) for k of n validators that signed two things where one is allowed."""
    assert 0 <= offenders <= validators, "offenders are validators"
    if validators == 0:
        return Perbill.zero()
    part = Perbill.from_rational(min(3 * offenders, validators), validators, Rounding.DOWN)
    return part.times(part, Rounding.DOWN)


def unresponsiveness_fraction(offenders: int, validators: int) -> Perbill:
    """Return min(3(k - (n / 10 + 1)) / n, 1) · 7 % for k of n validators that were silent; a tenth and one
    more may be without loss."""
    assert 0 <= offenders <= validators, "offenders are validators"
    excess = offenders - (validators // 10 + 1)
    if excess <= 0:
        return Perbill.zero()
    part = Perbill.from_rational(min(3 * excess, validators), validators, Rounding.DOWN)
    return part.times(Perbill.from_percent(7), Rounding.DOWN)


def disabled_max(validators: int) -> int:
    """Return how many validators of a set may be disabled at once: as many as it tolerates, (n - 1) / 3."""
    return max(0, (validators - 1) // 3)
