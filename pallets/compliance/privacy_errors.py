"""The errors of the Privacy pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class NotOfficer(PalletError, index=0):
    """Only an officer of privacy can do this."""


class ConsentMissing(PalletError, index=1):
    """There is no consent for this purpose that is in force."""


class BadProof(PalletError, index=2):
    """The signature is not that of the account or vault, or not of this statement."""


class AlreadyAnswered(PalletError, index=3):
    """The request is answered, or the breach dealt with, already."""


class TooEarly(PalletError, index=4):
    """Something must be done before: verify the subject, or assess the breach."""


class UnknownRequest(PalletError, index=5):
    """There is no request with this id."""


class AlreadyFiled(PalletError, index=6):
    """The account has a request of this kind that is not answered yet."""


class UnknownBreach(PalletError, index=7):
    """There is no breach with this id."""


class MustNotify(PalletError, index=8):
    """A breach that may harm people is notified, not closed."""


class NotInThePast(PalletError, index=9):
    """The time given lies ahead."""


class AlreadyExpired(PalletError, index=10):
    """The expiry must lie ahead."""


class StatementTooOld(PalletError, index=11):
    """The consent was signed too long ago, or before the account last gave or withdrew it."""


class BadPeriod(PalletError, index=12):
    """Records are kept at least a day."""


class UnknownCategory(PalletError, index=13):
    """No period is set for records of this category."""


class AlreadyRetained(PalletError, index=14):
    """The period of this record is running already."""


class ErasureUnproven(PalletError, index=15):
    """Erasure is answered by `confirm_erasure`, with the vault's proof."""


class NotErasure(PalletError, index=16):
    """The request does not ask for erasure."""
