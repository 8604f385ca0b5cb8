"""Money, energy and slots: exact products, named bounds, refusals."""

import pytest

from pallets.energy_trading import units
from pallets.energy_trading.orders import WIDEST, Bands, PriceOutOfBand, QtyOutOfRange, TickSize, ensure_order
from runtime.primitives.arithmetic import U32_MAX, U64_MAX, U128_MAX, Overflow, Underflow


def test_thousand_kwh_at_4_50_baht_cost_4500_baht_and_1_percent_fee_is_45() -> None:
    assert units.compute_value(1_000_000, 45_000) == 4_500 * units.MONEY_PER_THB
    assert units.compute_fee(1_000_000, 45_000, 100) == 45 * units.MONEY_PER_THB


def test_ten_kwh_at_0_95_baht_cost_9_50_baht_and_not_950() -> None:
    assert units.compute_value(10_000, 9_500) == 950 * units.MONEY_PER_SATANG


def test_largest_value_and_fee_fit_u128() -> None:
    assert units.compute_value(U64_MAX, U32_MAX) <= U128_MAX
    assert units.compute_fee(U64_MAX, U32_MAX, 10_000) == units.compute_value(U64_MAX, U32_MAX)


@pytest.mark.parametrize(
    ("energy_wh", "ticks", "fee_bps", "error"),
    [
        (-1, 1, 1, Underflow),
        (1, -1, 1, Underflow),
        (1, 1, -1, Underflow),
        (U64_MAX + 1, 1, 1, Overflow),
        (1, U32_MAX + 1, 1, Overflow),
        (1, 1, 10_001, Overflow),
    ],
)
def test_numbers_outside_their_types_are_refused(
    energy_wh: int, ticks: int, fee_bps: int, error: type[ArithmeticError]
) -> None:
    with pytest.raises(error):
        units.compute_fee(energy_wh, ticks, fee_bps)
    if 0 <= fee_bps <= 10_000:
        with pytest.raises(error):
            units.compute_value(energy_wh, ticks)


def test_redemption_takes_whole_satang_only() -> None:
    assert units.to_satang(units.from_satang(123)) == 123
    with pytest.raises(units.NotWholeSatang) as caught:
        units.to_satang(units.MONEY_PER_SATANG + 7)
    assert (caught.value.amount, caught.value.excess) == (units.MONEY_PER_SATANG + 7, 7)
    with pytest.raises(Underflow):
        units.to_satang(-units.MONEY_PER_SATANG)
    with pytest.raises(Underflow):
        units.from_satang(-1)
    with pytest.raises(Overflow):
        units.from_satang(U128_MAX)


def test_slot_holds_its_first_moment_and_not_that_of_the_next() -> None:
    slot = units.compute_slot(1_780_000_000_000)
    start = units.slot_start_ms(slot)
    assert start <= 1_780_000_000_000 < start + units.SLOT_MS
    assert units.compute_slot(start - 1) == slot - 1
    assert units.compute_slot(start + units.SLOT_MS) == slot + 1
    assert (7 * 3_600_000) % units.SLOT_MS == 0


def test_moments_beyond_the_last_slot_are_refused() -> None:
    last = units.slot_start_ms(U32_MAX)
    assert units.compute_slot(last) == U32_MAX
    with pytest.raises(Overflow):
        units.compute_slot(last + units.SLOT_MS)
    with pytest.raises(Underflow):
        units.compute_slot(-1)
    with pytest.raises(Overflow):
        units.slot_start_ms(U32_MAX + 1)


BANDS = Bands(100, 1_000_000, 100, 100_000, 10)


@pytest.mark.parametrize(("qty_wh", "ticks"), [(100, 100), (1_000_000, 100_000), (500, 45_000)])
def test_orders_within_the_bands_are_taken(qty_wh: int, ticks: int) -> None:
    ensure_order(BANDS, qty_wh, ticks)


@pytest.mark.parametrize(
    ("qty_wh", "ticks", "error"),
    [
        (0, 45_000, QtyOutOfRange),
        (99, 45_000, QtyOutOfRange),
        (1_000_001, 45_000, QtyOutOfRange),
        (-1, 45_000, QtyOutOfRange),
        (500, 90, PriceOutOfBand),
        (500, 100_010, PriceOutOfBand),
        (500, 45_001, TickSize),
    ],
)
def test_orders_outside_the_bands_are_refused(qty_wh: int, ticks: int, error: type[ValueError]) -> None:
    with pytest.raises(error):
        ensure_order(BANDS, qty_wh, ticks)


@pytest.mark.parametrize(
    ("qty_wh", "ticks", "error"),
    [
        (0, 1, QtyOutOfRange),
        (1, -1, PriceOutOfBand),
        (U64_MAX + 1, 1, QtyOutOfRange),
        (1, U32_MAX + 1, PriceOutOfBand),
    ],
)
def test_widest_bands_are_the_types(qty_wh: int, ticks: int, error: type[ValueError]) -> None:
    ensure_order(WIDEST, 1, 0)
    ensure_order(WIDEST, U64_MAX, U32_MAX)
    with pytest.raises(error):
        ensure_order(WIDEST, qty_wh, ticks)
