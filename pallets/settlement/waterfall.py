"""What covers a debt that its debtor cannot pay: deposit, collateral, default fund, and then the receivers.

Responsible for the order and for the shares; it moves no money and remembers no debt.

Each source is used up before the next is touched. What none covers is cut from those who would receive money
in the slot, in proportion to what they would receive, floor and one unit each in list order, so the cuts sum
to exactly what is missing and nobody pays in for somebody else's debt. What fund and receivers bore stays
owed to them: a payment in arrears goes to the receivers first, in the proportion of their cuts, then to the
fund.
"""

from collections.abc import Sequence
from typing import NamedTuple

from runtime.primitives.arithmetic import Underflow
from runtime.primitives.proportion import share_all


class ShortfallTooLarge(ValueError):
    """More is missing than all receivers together would get: the slot's cash did not sum to zero."""


class Cover(NamedTuple):
    """What each source gives towards a debt; the last is cut from the receivers."""

    deposit: int
    collateral: int
    fund: int
    haircut: int


class Arrears(NamedTuple):
    """What a debtor owes after the waterfall: to each receiver, in the slot's order, and to the fund."""

    receivers: tuple[int, ...]
    fund: int


class Repayment(NamedTuple):
    """Where a payment in arrears goes, and what is still owed."""

    receivers: tuple[int, ...]
    fund: int
    unused: int
    left: Arrears


def cover(shortfall: int, deposit: int, collateral: int, fund: int) -> Cover:
    """Return what each source gives; raises Underflow for amounts below zero."""
    if min(shortfall, deposit, collateral, fund) < 0:
        raise Underflow("debts and sources are natural numbers")
    given = []
    left = shortfall
    for source in (deposit, collateral, fund):
        given.append(min(left, source))
        left -= given[-1]
    return Cover(given[0], given[1], given[2], left)


def cut_receivers(haircut: int, receivable: Sequence[int]) -> list[int]:
    """Return what each receiver goes without, none more than it would get; raises ShortfallTooLarge."""
    if min(receivable, default=0) < 0:
        raise Underflow("a receiver gets nothing or more")
    if haircut > sum(receivable):
        raise ShortfallTooLarge(f"{haircut} is missing of {sum(receivable)}")
    return share_all(haircut, receivable)


def repay(arrears: Arrears, payment: int) -> Repayment:
    """Return how a payment is divided; what exceeds the debt is `unused`. Raises Underflow below zero."""
    owed = sum(arrears.receivers)
    to_receivers = share_all(min(payment, owed), arrears.receivers)
    to_fund = min(payment - sum(to_receivers), arrears.fund)
    left = Arrears(
        tuple(due - paid for due, paid in zip(arrears.receivers, to_receivers, strict=True)),
        arrears.fund - to_fund,
    )
    return Repayment(tuple(to_receivers), to_fund, payment - sum(to_receivers) - to_fund, left)
