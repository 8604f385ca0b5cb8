"""Weights of the governance pallets: a placeholder until they are measured."""

from typing import Final

from runtime.frame.dispatch import NO_WEIGHT

TREASURY_SPEND_LOCAL: Final = NO_WEIGHT
TREASURY_REMOVE_APPROVAL: Final = NO_WEIGHT
TREASURY_SPEND: Final = NO_WEIGHT
TREASURY_PAYOUT: Final = NO_WEIGHT
TREASURY_CHECK_STATUS: Final = NO_WEIGHT
TREASURY_VOID_SPEND: Final = NO_WEIGHT
TREASURY_INITIALIZE: Final = NO_WEIGHT
TREASURY_SPEND_FUNDS: Final = NO_WEIGHT
TREASURY_SPEND_FUNDS_PER_APPROVAL: Final = NO_WEIGHT
