"""The errors of the Collateral pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class CollateralLocked(PalletError, index=0):
    """The account is in arrears: what is held stays until they are paid."""


class RequirementNotMet(PalletError, index=1):
    """Less would be held than what the account's meters and sales require."""


class NotHeld(PalletError, index=2):
    """So much is not held of the account."""


class NoArrears(PalletError, index=3):
    """The account owes nothing of this epoch."""


class RequirementMet(PalletError, index=4):
    """As much is held of the account as is required."""


class AlreadyCalled(PalletError, index=5):
    """A margin call of the account is under way."""


class NothingToDo(PalletError, index=6):
    """There is nothing to take, claim or release now."""


class ZeroAmount(PalletError, index=7):
    """The amount is zero."""


class Suspended(PalletError, index=8):
    """The account is in arrears or late with a margin call, and so may not trade."""
