"""The errors of the Settlement pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class EpochOpen(PalletError, index=0):
    """The epoch is not over yet, or one of its slots is being settled."""


class NothingToDo(PalletError, index=1):
    """There is nothing to settle, net or claim now."""


class BadTariff(PalletError, index=2):
    """Feed-in must not exceed retail, the tolerance not 1,000 permille, the penalty not 10,000 bps."""


class UnknownZone(PalletError, index=3):
    """There is no such zone in service."""


class SlotBegun(PalletError, index=4):
    """Prices can be set for slots to come only."""


class NotCleared(PalletError, index=5):
    """The market still works on the slot."""


class MetersMissing(PalletError, index=6):
    """Meters are still to be read, and their deadline has not passed."""


class TariffPending(PalletError, index=8):
    """Slots from before the last change of the tariff are still to be settled; try again in some slots."""


class TokenPaused(PalletError, index=7):
    """The token cannot be moved at present; settlement waits."""
