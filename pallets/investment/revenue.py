"""How the revenue of a pool is shared by those who paid for it, however often shares change hands.

Responsible for the sum due to each share and for what of it each holder took. It knows neither the project
nor where money is kept.

Revenue raises one sum, `due_per_share`, in units of 10^-18; what the division leaves is carried into the next
revenue. A holder's claim is floor(shares · due / 10^18) less what stood there when the holder last claimed or
the shares last changed. Shares change only after both sides have claimed, so a claim costs the same whatever
has happened in between.

Invariants: paid + undistributed = received; the shares of all holders sum to the pool's. The floor that is
taken away may be cut deeper than the one that is claimed, by less than one unit for each change of shares; so
a claim is limited to what is undistributed, and the pool never pays what it has not received.
"""

from typing import Final, NamedTuple

from runtime.primitives.arithmetic import (
    U128_MAX,
    DivisionByZero,
    checked_add,
    checked_sub,
    ensure_within,
)

SCALE: Final = 10**18


class Pool(NamedTuple):
    """The pool's books: all shares, what is due to each, the remainder carried, and money in and out."""

    shares: int = 0
    due_per_share: int = 0
    carry: int = 0
    received: int = 0
    paid: int = 0

    @property
    def undistributed(self) -> int:
        """Money received and not claimed."""
        return self.received - self.paid


class Holding(NamedTuple):
    """A holder's shares and what of their due is settled."""

    shares: int = 0
    settled: int = 0


def add_revenue(pool: Pool, amount: int) -> Pool:
    """Return the books after revenue; raises DivisionByZero without a share, Underflow and Overflow."""
    received = checked_add(pool.received, ensure_within(amount, U128_MAX), U128_MAX)
    if pool.shares == 0:
        raise DivisionByZero("nobody has a share")
    raised, carry = divmod(amount * SCALE + pool.carry, pool.shares)
    return pool._replace(due_per_share=pool.due_per_share + raised, carry=carry, received=received)


def claim(pool: Pool, holding: Holding) -> tuple[int, Pool, Holding]:
    """Return what a holder may take now and the books after it, nothing being a valid claim."""
    due = _compute_due(pool, holding.shares) - holding.settled
    amount = min(due, pool.undistributed)
    return amount, pool._replace(paid=pool.paid + amount), holding._replace(settled=holding.settled + amount)


def add_shares(pool: Pool, holding: Holding, shares: int) -> tuple[int, Pool, Holding]:
    """Return what the holder's claim pays and the books once further shares are paid for."""
    total = checked_add(pool.shares, ensure_within(shares, U128_MAX), U128_MAX)
    amount, pool, holding = claim(pool, holding)
    return amount, pool._replace(shares=total), _hold(pool, holding, holding.shares + shares)


def withdraw_shares(pool: Pool, holding: Holding, shares: int) -> tuple[int, Pool, Holding]:
    """Return what the holder's claim pays and the books once shares are given back; raises Underflow."""
    left = checked_sub(holding.shares, ensure_within(shares, U128_MAX), U128_MAX)
    amount, pool, holding = claim(pool, holding)
    return amount, pool._replace(shares=pool.shares - shares), _hold(pool, holding, left)


def move_shares(
    pool: Pool, giver: Holding, taker: Holding, shares: int
) -> tuple[tuple[int, int], Pool, tuple[Holding, Holding]]:
    """Return what both claims pay and the books once shares have changed hands; raises Underflow.

    Giver and taker are different holders.
    """
    left = checked_sub(giver.shares, ensure_within(shares, U128_MAX), U128_MAX)
    from_giver, pool, giver = claim(pool, giver)
    from_taker, pool, taker = claim(pool, taker)
    holdings = (_hold(pool, giver, left), _hold(pool, taker, taker.shares + shares))
    return (from_giver, from_taker), pool, holdings


def _compute_due(pool: Pool, shares: int) -> int:
    """Return all that was ever due to so many shares, rounded down."""
    return shares * pool.due_per_share // SCALE


def _hold(pool: Pool, holding: Holding, shares: int) -> Holding:
    """Return the holding with another number of shares and the same claim: none, or what was not paid."""
    unpaid = _compute_due(pool, holding.shares) - holding.settled
    assert unpaid >= 0, "no holder takes more than is due"
    return Holding(shares, _compute_due(pool, shares) - unpaid)
