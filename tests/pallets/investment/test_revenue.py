"""Revenue of a pool: never more is paid than came in, whatever the order of claims and changes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.investment.revenue import (
    SCALE,
    Holding,
    Pool,
    add_revenue,
    add_shares,
    claim,
    move_shares,
    withdraw_shares,
)
from runtime.primitives.arithmetic import U128_MAX, DivisionByZero, Overflow, Underflow

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fund", "revenue", "claim", "move", "withdraw"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(0, 1_000),
    ),
    max_size=40,
)


@given(STEPS)
def test_paid_and_undistributed_are_what_came_in_and_nobody_waits_in_vain(
    steps: list[tuple[str, int, int, int]],
) -> None:
    pool = Pool()
    holdings = [Holding()] * 3
    taken = [0] * 3
    due = [Fraction(0)] * 3
    changes = 0
    for step, who, other, amount in steps:
        match step:
            case "fund":
                paid, pool, holdings[who] = add_shares(pool, holdings[who], amount)
                taken[who] += paid
                changes += 1
            case "revenue" if pool.shares:
                pool = add_revenue(pool, amount)
                for holder, holding in enumerate(holdings):
                    due[holder] += Fraction(amount * holding.shares, pool.shares)
            case "claim":
                paid, pool, holdings[who] = claim(pool, holdings[who])
                taken[who] += paid
            case "move" if who != other and amount <= holdings[who].shares:
                both, pool, pair = move_shares(pool, holdings[who], holdings[other], amount)
                holdings[who], holdings[other] = pair
                taken[who] += both[0]
                taken[other] += both[1]
                changes += 2
            case "withdraw" if amount <= holdings[who].shares:
                paid, pool, holdings[who] = withdraw_shares(pool, holdings[who], amount)
                taken[who] += paid
                changes += 1
            case _:
                pass
        assert pool.paid == sum(taken)
        assert pool.undistributed >= 0
        assert pool.shares == sum(holding.shares for holding in holdings)
    for holder, holding in enumerate(holdings):
        paid, pool, _ = claim(pool, holding)
        assert paid >= 0
        assert abs(taken[holder] + paid - due[holder]) <= 1 + 2 * changes


@given(st.lists(st.integers(1, 10**30), min_size=1, max_size=5), st.integers(0, 10**30), st.data())
def test_order_of_claims_changes_nothing(shares: list[int], amount: int, data: st.DataObject) -> None:
    pool, holdings = Pool(), []
    for count in shares:
        _, pool, holding = add_shares(pool, Holding(), count)
        holdings.append(holding)
    pool = add_revenue(pool, amount)
    claims: dict[int, int] = {}
    after = pool
    for holder in data.draw(st.permutations(range(len(shares)))):
        claims[holder], after, _ = claim(after, holdings[holder])
    assert claims == {holder: claim(pool, holding)[0] for holder, holding in enumerate(holdings)}
    assert 0 <= after.undistributed * SCALE <= len(shares) * SCALE + after.carry


def test_remainder_is_carried_until_it_makes_a_unit() -> None:
    _, pool, holding = add_shares(Pool(), Holding(), 3 * SCALE)
    for _ in range(3):
        pool = add_revenue(pool, 1)
    assert claim(pool, holding)[0] == 3


def test_shares_that_come_late_have_no_part_in_earlier_revenue() -> None:
    _, pool, early = add_shares(Pool(), Holding(), 10)
    pool = add_revenue(pool, 100)
    paid, pool, late = add_shares(pool, Holding(), 10)
    assert paid == 0
    assert claim(pool, late)[0] == 0
    pool = add_revenue(pool, 100)
    assert (claim(pool, early)[0], claim(pool, late)[0]) == (150, 50)


def test_second_claim_gets_nothing() -> None:
    _, pool, holding = add_shares(Pool(), Holding(), 10)
    amount, pool, holding = claim(add_revenue(pool, 100), holding)
    assert amount == 100
    assert claim(pool, holding)[0] == 0


def test_pool_never_pays_what_rounding_would_take_from_nowhere() -> None:
    _, pool, a = add_shares(Pool(), Holding(), 5)
    first, pool, a = claim(add_revenue(pool, 2), a)
    _, pool, (a, b) = move_shares(pool, a, Holding(), 2)
    assert (a.settled, b.settled) == (1, 0)  # 1.2 and 0.8 rounded down: one unit less than was paid
    pool = add_revenue(pool, 3)
    second, pool, a = claim(pool, a)
    third, pool, b = claim(pool, b)
    assert (first, second, third) == (2, 2, 1)
    assert pool.undistributed == 0
    assert claim(add_revenue(pool, 5), b)[0] == 3  # and what was cut is still due


def test_revenue_without_shares_is_refused() -> None:
    with pytest.raises(DivisionByZero):
        add_revenue(Pool(), 1)


def test_more_shares_than_held_are_neither_moved_nor_withdrawn() -> None:
    _, pool, holding = add_shares(Pool(), Holding(), 5)
    with pytest.raises(Underflow):
        move_shares(pool, holding, Holding(), 6)
    with pytest.raises(Underflow):
        withdraw_shares(pool, holding, 6)
    with pytest.raises(Underflow):
        move_shares(pool, holding, Holding(), -1)
    with pytest.raises(Underflow):
        withdraw_shares(pool, holding, -1)


def test_amounts_outside_their_type_are_refused() -> None:
    _, pool, holding = add_shares(Pool(), Holding(), 5)
    with pytest.raises(Underflow):
        add_revenue(pool, -1)
    with pytest.raises(Overflow):
        add_revenue(pool, U128_MAX + 1)
    with pytest.raises(Underflow):
        add_shares(pool, holding, -1)
    with pytest.raises(Overflow):
        add_shares(pool, holding, U128_MAX)
