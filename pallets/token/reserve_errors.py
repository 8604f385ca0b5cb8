"""The errors of the WattReserve pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class ReserveStale(PalletError, index=0):
    """There is no report of the reserve, or it is too old: see `ReportAgeMax`."""


class ReserveInsufficient(PalletError, index=1):
    """There would be more WATT than the reported reserve covers."""


class CapExceeded(PalletError, index=2):
    """More would be minted today than `MintCap` allows."""


class AlreadyApproved(PalletError, index=3):
    """The attestor has approved this already."""


class NotWholeSatang(PalletError, index=4):
    """The amount is zero or no whole number of satang (0.01 baht)."""


class Paused(PalletError, index=5):
    """Minting is paused."""


class NotAttestor(PalletError, index=6):
    """Only an attestor of the reserve can do this."""


class WrongAttestors(PalletError, index=7):
    """There must be three attestors, all different."""


class ReportFromFuture(PalletError, index=8):
    """The report is of a time that is still to come."""


class ReportNotNewer(PalletError, index=9):
    """A report of this time or a later one counts already."""


class PaidTooMuch(PalletError, index=10):
    """The report names more redemptions than are confirmed on this chain."""


class UnknownRequest(PalletError, index=11):
    """No request for new WATT with this number is waiting."""


class UnknownRedemption(PalletError, index=12):
    """No redemption with this number is waiting."""


class TooManyRequests(PalletError, index=13):
    """Too many requests for new WATT are waiting: see `MintRequestsMax`."""


class TooManyRedemptions(PalletError, index=14):
    """Too many redemptions of this account are waiting: see `RedemptionsMax`."""
