"""A year's eras pay what the curve says of a year, whatever their length."""

import pytest

from pallets.staking.inflation import (
    YEAR_MS,
    CurveParameters,
    compute_curve,
    compute_era_payout,
    compute_yearly,
)

CURVE = compute_curve(CurveParameters(25_000, 100_000, 500_000, 50_000, 40))
ISSUANCE = 10**9 * 10**12
STAKED = ISSUANCE // 3
BLOCK_MS = 6_000


@pytest.mark.parametrize("blocks", [1, 100, 14_400])
def test_toy_fault_10_a_year_has_as_many_blocks_as_six_seconds_go_into_it(blocks: int) -> None:
    eras = YEAR_MS // (blocks * BLOCK_MS)
    assert eras * blocks > 5_256_000 - blocks, "6,000 blocks are ten hours"
    yearly = compute_yearly(CURVE, STAKED, ISSUANCE)
    paid = eras * compute_era_payout(CURVE, STAKED, ISSUANCE, blocks * BLOCK_MS).stakers
    assert abs(yearly - paid) < yearly // 100


def test_an_era_pays_no_more_than_a_year() -> None:
    whole = compute_era_payout(CURVE, STAKED, ISSUANCE, YEAR_MS)
    assert compute_era_payout(CURVE, STAKED, ISSUANCE, 2 * YEAR_MS) == whole
    assert whole.stakers == compute_yearly(CURVE, STAKED, ISSUANCE)
    assert sum(whole) == ISSUANCE // 10


def test_most_is_paid_at_the_ideal_stake() -> None:
    ideal = compute_yearly(CURVE, ISSUANCE // 2, ISSUANCE)
    assert ideal == ISSUANCE // 10
    for permille in range(0, 1_001, 50):
        assert compute_yearly(CURVE, ISSUANCE * permille // 1_000, ISSUANCE) <= ideal
    assert compute_yearly(CURVE, 0, ISSUANCE) == ISSUANCE // 40
