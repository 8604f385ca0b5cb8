"""The pots of the consortium: accounts that no key can sign for, and what must be in them from the start.

A pot exists for ever, so that a payment into it cannot fail; a chain spec endows it like any account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from genesis.config import SpecError
from runtime.frame.account import pot_account
from runtime.primitives.types import AccountId

TREASURY: Final = pot_account(b"treasury")
"""What the chain itself earns: slashed bonds of the oracle's providers in GRID, fees in WATT."""

GRID_POTS: Final[Mapping[str, AccountId]] = {"the treasury": TREASURY}
"""Pots that hold the native token."""


def ensure_endowed(
    accounts: Mapping[str, AccountId], endowed: Iterable[tuple[AccountId, int]], minimum: int, path: str
) -> None:
    """Raise a SpecError that names the first of these accounts which has less than a minimum at genesis."""
    found = dict(endowed)
    for name, account in accounts.items():
        has = found.get(account, 0)
        if has < minimum:
            raise SpecError(f"{path}: {name}, account 0x{account.hex()}, needs {minimum}, has {has}")
