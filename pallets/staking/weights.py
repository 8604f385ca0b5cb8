"""Weights of the staking pallets: a placeholder until they are measured; no chain is composed of them yet."""

from typing import Final

from runtime.frame.dispatch import NO_WEIGHT

STAKING_CALL: Final = NO_WEIGHT
STAKING_HOOKS: Final = NO_WEIGHT
