"""The errors of the Compliance pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class NotOfficer(PalletError, index=0):
    """Only an officer with the role for it can do this."""


class TierTooLow(PalletError, index=1):
    """The account is not known well enough for this: see `Kyc`."""


class LicenceMissing(PalletError, index=2):
    """The account has no licence for this that is in force."""


class LicenceExpired(PalletError, index=3):
    """The account's licence for this has expired."""


class AccountFrozen(PalletError, index=4):
    """The account is frozen."""


class DailyLimitExceeded(PalletError, index=5):
    """The account would send more e-money today than it may: see `Kyc`."""


class UnknownIdentity(PalletError, index=6):
    """Nothing is attested of this account."""


class UnknownLicence(PalletError, index=7):
    """There is no licence with this id."""


class WrongStatus(PalletError, index=8):
    """From where the identity or licence stands now, this cannot follow."""


class AlreadyExpired(PalletError, index=9):
    """The expiry must lie ahead."""


class TooManyLicences(PalletError, index=10):
    """The account has as many licences as one can have: see `LicencesPerHolder`."""


class TooManyOfficers(PalletError, index=11):
    """There is no room for another officer: see `OfficersMax`."""


class BadRoles(PalletError, index=12):
    """Roles are listed in their order, each once."""


class AlreadyProposed(PalletError, index=13):
    """This hash is proposed already."""


class UnknownProposal(PalletError, index=14):
    """No officer has proposed this, or it has lapsed: account, salt and purpose make the hash."""


class SameOfficer(PalletError, index=15):
    """It takes a second officer to confirm."""


class AlreadyFrozen(PalletError, index=16):
    """The account is frozen already."""


class NotFrozen(PalletError, index=17):
    """The account is not frozen."""


class ConsentMissing(PalletError, index=18):
    """The account has given no consent to this, or has withdrawn it."""
