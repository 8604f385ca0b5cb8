"""The default waterfall: sources in order, cuts that sum to what is missing, arrears that come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.settlement.waterfall import Arrears, Cover, ShortfallTooLarge, cover, cut_receivers, repay
from runtime.primitives.arithmetic import Underflow

AMOUNT = st.integers(0, 10**20)


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT)
def test_each_source_is_used_up_before_the_next(
    shortfall: int, deposit: int, collateral: int, fund: int
) -> None:
    covered = cover(shortfall, deposit, collateral, fund)
    assert sum(covered) == shortfall
    for given_, has, later in (
        (covered.deposit, deposit, covered[1:]),
        (covered.collateral, collateral, covered[2:]),
        (covered.fund, fund, covered[3:]),
    ):
        assert 0 <= given_ <= has
        assert given_ == has or sum(later) == 0


@pytest.mark.parametrize(
    ("shortfall", "expected"),
    [
        (0, Cover(0, 0, 0, 0)),
        (10, Cover(10, 0, 0, 0)),
        (11, Cover(10, 1, 0, 0)),
        (35, Cover(10, 20, 5, 0)),
        (60, Cover(10, 20, 30, 0)),
        (61, Cover(10, 20, 30, 1)),
    ],
)
def test_order_is_deposit_collateral_fund_receivers(shortfall: int, expected: Cover) -> None:
    assert cover(shortfall, 10, 20, 30) == expected


@given(st.lists(AMOUNT, max_size=10), st.data())
def test_cuts_sum_to_what_is_missing_and_nobody_pays_in(receivable: list[int], data: st.DataObject) -> None:
    haircut = data.draw(st.integers(0, sum(receivable)))
    cuts = cut_receivers(haircut, receivable)
    assert sum(cuts) == haircut
    assert all(0 <= cut <= due for cut, due in zip(cuts, receivable, strict=True))


@given(st.lists(AMOUNT, max_size=5), AMOUNT, AMOUNT)
def test_arrears_go_to_the_receivers_first_and_are_never_overpaid(
    receivers: list[int], fund: int, payment: int
) -> None:
    paid = repay(Arrears(tuple(receivers), fund), payment)
    assert sum(paid.receivers) + paid.fund + paid.unused == payment
    assert sum(paid.receivers) == min(payment, sum(receivers))
    assert paid.unused == max(0, payment - sum(receivers) - fund)
    assert min(*paid.left.receivers, paid.left.fund, 0) == 0
    assert sum(paid.left.receivers) + paid.left.fund + payment - paid.unused == sum(receivers) + fund


def test_more_missing_than_receivable_is_refused() -> None:
    assert cut_receivers(6, [1, 2, 3]) == [1, 2, 3]
    with pytest.raises(ShortfallTooLarge):
        cut_receivers(7, [1, 2, 3])
    with pytest.raises(ShortfallTooLarge):
        cut_receivers(1, [])


def test_amounts_below_zero_are_refused() -> None:
    for place in range(4):
        amounts = [0, 0, 0, 0]
        amounts[place] = -1
        with pytest.raises(Underflow):
            cover(*amounts)
    with pytest.raises(Underflow):
        cut_receivers(1, [2, -1])
    with pytest.raises(Underflow):
        cut_receivers(-1, [2])
    with pytest.raises(Underflow):
        repay(Arrears((1,), 1), -1)
