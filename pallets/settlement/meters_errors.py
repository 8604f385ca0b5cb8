"""The errors of the Meters pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class UnknownMeter(PalletError, index=0):
    """There is no meter with this id."""


class BadSignature(PalletError, index=1):
    """The reading is not signed with the meter's key for this chain."""


class RegisterNotMonotone(PalletError, index=2):
    """A register runs backwards: it shows less than at the last reading."""


class SequenceGap(PalletError, index=3):
    """A reading before this one is missing: numbers and slots follow one another."""


class CapacityExceeded(PalletError, index=4):
    """The meter counted more than 120 % of what its capacity allows in a slot, or a load gave energy."""


class TooLate(PalletError, index=5):
    """The slot is too long ago."""


class Duplicate(PalletError, index=6):
    """The meter was read for this slot, or with this number, already."""


class NotYourMeter(PalletError, index=7):
    """Only the operator of the meter's zone can do this."""


class FutureSlot(PalletError, index=8):
    """The slot is not over yet."""


class SlotSettling(PalletError, index=9):
    """The slot is being settled; send the reading again in some blocks."""


class MeterExists(PalletError, index=10):
    """A meter with this id is registered."""


class TooManyMeters(PalletError, index=11):
    """The account has as many meters as one may have: see `OwnerMetersMax`."""


class UnknownZone(PalletError, index=12):
    """There is no such zone in service."""


class NoCapacity(PalletError, index=13):
    """A meter has a capacity above 0 W."""


class MeterRetired(PalletError, index=15):
    """The meter is retired from this slot on."""


class StillNeeded(PalletError, index=16):
    """The meter is not retired, or its last readings can still be corrected."""


class NoReadings(PalletError, index=14):
    """The batch is empty."""
