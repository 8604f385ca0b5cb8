"""Energy, price, money and delivery slots as whole numbers whose products never round.

Responsible for the conversions between them and for nothing else; it knows no market.

Energy is in Wh, as meter registers count. A price is in ticks of 0.0001 THB per kWh, as tariffs are quoted.
Money has 12 decimals. So a value is energy · price · 10^5 and a fee in basis points energy · price · bps ·
10, both whole for every input; with energy in u64, prices in u32 and fees up to 100 % both fit u128, which
`test_largest_value_and_fee_fit_u128` checks.
"""

from functools import lru_cache
from typing import Final

from runtime.primitives.arithmetic import U32_MAX, U64_MAX, U128_MAX, checked_mul, ensure_within

ENERGY_MAX_WH: Final = U64_MAX
PRICE_MAX_TICKS: Final = U32_MAX
FEE_MAX_BPS: Final = 10_000

MONEY_PER_THB: Final = 10**12
MONEY_PER_SATANG: Final = 10**10
MONEY_PER_WH_TICK: Final = 10**5
"""10^12 over 1,000 Wh in a kWh and 10,000 ticks in a baht."""
MONEY_PER_WH_TICK_BPS: Final = 10
"""The above over 10,000 basis points."""

SLOT_MS: Final = 900_000
"""A quarter of an hour, in which Thai demand is metered; slots of UTC and of UTC+7 begin together."""


class NotWholeSatang(ValueError):
    """An amount is no multiple of a satang, 0.01 THB; `excess` is what is too much."""

    def __init__(self, amount: int, excess: int) -> None:
        super().__init__(f"{amount} exceeds whole satang by {excess}")
        self.amount = amount
        self.excess = excess


def compute_value(energy_wh: int, price_ticks: int) -> int:
    """Return the exact money for energy at a price; raises Underflow or Overflow outside u64 and u32."""
    ensure_within(energy_wh, ENERGY_MAX_WH)
    ensure_within(price_ticks, PRICE_MAX_TICKS)
    return energy_wh * price_ticks * MONEY_PER_WH_TICK


def compute_fee(energy_wh: int, price_ticks: int, fee_bps: int) -> int:
    """Return the exact share of a value in basis points, 0 to 10,000; raises Underflow or Overflow."""
    ensure_within(energy_wh, ENERGY_MAX_WH)
    ensure_within(price_ticks, PRICE_MAX_TICKS)
    ensure_within(fee_bps, FEE_MAX_BPS)
    return energy_wh * price_ticks * fee_bps * MONEY_PER_WH_TICK_BPS


def to_satang(amount: int) -> int:
    """Return whole satang of an amount of money; raises NotWholeSatang rather than round."""
    satang, excess = divmod(ensure_within(amount, U128_MAX), MONEY_PER_SATANG)
    if excess:
        raise NotWholeSatang(amount, excess)
    return satang


def from_satang(satang: int) -> int:
    """Return the money of whole satang."""
    return checked_mul(satang, MONEY_PER_SATANG, U128_MAX)


@lru_cache(maxsize=16)  # every order asks for the slot of the same moment
def compute_slot(unix_ms: int, slot_ms: int = SLOT_MS) -> int:
    """Return the slot, a u32, that a moment lies in: the moment over the length, rounded down."""
    assert slot_ms > 0, "a slot has a length"
    ensure_within(unix_ms, U64_MAX)
    return ensure_within(unix_ms // slot_ms, U32_MAX)


def slot_start_ms(slot: int, slot_ms: int = SLOT_MS) -> int:
    """Return the first moment of a slot."""
    assert slot_ms > 0, "a slot has a length"
    return ensure_within(slot, U32_MAX) * slot_ms
