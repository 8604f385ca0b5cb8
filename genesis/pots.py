"""The pots of the consortium: accounts that no key can sign for, and what must be in them from the start.

A pot exists for ever, so that a payment into it cannot fail; a chain spec endows it like any account with the
minimum balance of what it is paid in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from genesis.config import SpecError
from pallets.energy_trading.grid_types import wheeling_pot_of
from runtime.frame.account import pot_account
from runtime.primitives.types import AccountId

TREASURY: Final = pot_account(b"treasury")
"""What the chain earns: slashed bonds of the oracle's providers in GRID, fees of the market in WATT."""
MARKET_POT: Final = pot_account(b"enmarket")
"""What buyers have paid for slots that are not settled."""
GRID_FUND: Final = pot_account(b"gridfund")
"""The congestion rent of zones that are cleared together."""
SETTLEMENT_POT: Final = pot_account(b"settlmnt")
"""What came in for an epoch and is to be paid out with it."""
PENALTY_POT: Final = pot_account(b"penalty_")
"""Penalties for deviations."""
COLLATERAL_FUND: Final = pot_account(b"collfund")
"""The default fund, and what debtors have paid to receivers that went without."""

GRID_POTS: Final[Mapping[str, AccountId]] = {"the treasury": TREASURY}
"""Pots that hold the native token."""
WATT_POTS: Final[Mapping[str, AccountId]] = {
    "the treasury": TREASURY,
    "the market's pot": MARKET_POT,
    "the grid's fund": GRID_FUND,
    "the settlement pot": SETTLEMENT_POT,
    "the penalty pot": PENALTY_POT,
    "the default fund": COLLATERAL_FUND,
}
"""Pots that hold e-money, on every chain."""


def watt_pots(zones: Iterable[int]) -> dict[str, AccountId]:
    """Return the pots that hold e-money on a chain that starts with these zones."""
    return {**WATT_POTS, **{f"the wheeling pot of zone {zone}": wheeling_pot_of(zone) for zone in zones}}


def ensure_endowed(
    accounts: Mapping[str, AccountId], balance_of: Callable[[AccountId], int], minimum: int, path: str
) -> None:
    """Raise a SpecError that names the first of these accounts which has less than a minimum at genesis."""
    for name, account in accounts.items():
        has = balance_of(account)
        if has < minimum:
            raise SpecError(f"{path}: {name}, account 0x{account.hex()}, needs {minimum}, has {has}")
