"""Proportional shares of a whole number that leave nothing over, worked out in pages of any size.

Responsible for one rule and for nothing that is shared by it: each gets the floor of `amount` · weight over
the sum of all weights, and the units that the floors leave go to the first in the list, one each. How many
are left is known only when every weight has been seen, so the list is read twice: `measure` it, then `share`
it. Both take pages, and the shares do not depend on where the pages begin.

Nobody gets more than their weight while `amount` is at most the sum: below it a floor is below its weight,
so one unit more still fits. Fewer units are left than there are weights above zero, each of which takes one,
so the list never ends before they are given out.
"""

from collections.abc import Sequence
from typing import NamedTuple

from runtime.primitives.arithmetic import DivisionByZero, Overflow, Underflow


class Proportion(NamedTuple):
    """How far a sharing has come: `unmeasured` weight to be read, `left_over` units to be handed out."""

    amount: int
    total: int
    unmeasured: int
    left_over: int

    @property
    def is_measured(self) -> bool:
        """Answer whether every weight has been read once."""
        return self.unmeasured == 0


def start_sharing(amount: int, total: int) -> Proportion:
    """Return the state before the first page; raises unless 0 <= `amount` <= `total`, the sum of the weights.

    Nothing, and all of it, need no measuring: the floors are exact.
    """
    if amount < 0 or total < 0:
        raise Underflow(f"cannot share {amount} over {total}")
    if total == 0 and amount > 0:
        raise DivisionByZero(f"nobody takes a part of {amount}")
    if amount > total:
        raise Overflow(f"{amount} exceeds the weights' sum {total}")
    if amount in {0, total}:
        return Proportion(amount, total, 0, 0)
    return Proportion(amount, total, total, amount)


def measure(state: Proportion, weights: Sequence[int]) -> Proportion:
    """Return the state after the next page of the first reading; raises Overflow beyond the announced sum."""
    if state.is_measured:
        return state
    amount, total, unmeasured, left_over = state
    for weight in weights:
        unmeasured -= weight
        left_over -= amount * weight // total
    if unmeasured < 0:
        raise Overflow(f"the weights exceed their announced sum {total} by {-unmeasured}")
    return Proportion(amount, total, unmeasured, left_over)


def share(state: Proportion, weights: Sequence[int]) -> tuple[list[int], Proportion]:
    """Return the shares of the next page of the second reading, floor and one unit, and the state after it.

    Weights of zero get nothing. The list must have been measured.
    """
    assert state.is_measured, "every weight is measured before the first share"
    amount, total, _, left_over = state
    if total == 0:
        return [0] * len(weights), state
    shares = []
    for weight in weights:
        part = amount * weight // total
        if left_over > 0 and weight > 0:
            part += 1
            left_over -= 1
        shares.append(part)
    return shares, Proportion(amount, total, 0, left_over)


def share_all(amount: int, weights: Sequence[int]) -> list[int]:
    """Return the shares of the whole list at once."""
    state = measure(start_sharing(amount, sum(weights)), weights)
    return share(state, weights)[0]
