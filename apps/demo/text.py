"""How figures read: baht, energy, prices, shares, times.

It must not know what the figures are of. Rounding is half away from zero, to the last digit shown.
"""

from __future__ import annotations

from typing import Final

from pallets.energy_trading.units import MONEY_PER_SATANG

DASH: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
WH_PER_TENTH: Final = 100
"""Of a kilowatt-hour."""
GRID_UNIT: Final = 10**12


def show_baht(amount: int, *, signed: bool = False) -> str:
    """Return money as baht and satang: 1,234.50; with a plus above zero where asked for."""
    return _sign(amount, signed=signed) + _with_places(_round(abs(amount), MONEY_PER_SATANG), 2)


def show_thb(amount: int, *, signed: bool = False) -> str:
    """Return money with the sign of the baht: ฿1,234.50."""
    return f"{_sign(amount, signed=signed)}฿{_with_places(_round(abs(amount), MONEY_PER_SATANG), 2)}"


def show_kwh(energy_wh: int) -> str:
    """Return energy in kWh with one decimal: 1,234.5."""
    return _sign(energy_wh) + _with_places(_round(abs(energy_wh), WH_PER_TENTH), 1)


def show_price(ticks: int) -> str:
    """Return a price in baht per kWh with four decimals, as tariffs are quoted: 2.4127."""
    return _with_places(ticks, 4)


def show_share(part: int, whole: int) -> str:
    """Return a share in percent with one decimal, a dash where there is no whole."""
    if whole == 0:
        return DASH
    permille = _round(abs(part) * 1_000, abs(whole))
    is_negative = (part < 0) != (whole < 0) and permille > 0
    return (MINUS if is_negative else "") + _with_places(permille, 1) + " %"


def show_grid(amount: int) -> str:
    """Return an amount of GRID with four decimals."""
    return _sign(amount) + _with_places(_round(abs(amount), GRID_UNIT // 10_000), 4)


def show_time(seconds: float) -> str:
    """Return a span as minutes and seconds: 16 min 48 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _sign(amount: int, *, signed: bool = False) -> str:
    if amount < 0:
        return MINUS
    return "+" if signed and amount > 0 else ""


def _round(amount: int, unit: int) -> int:
    return (2 * amount + unit) // (2 * unit)


def _with_places(number: int, places: int) -> str:
    whole, rest = divmod(number, 10**places)
    return f"{whole:,}.{rest:0{places}}"
