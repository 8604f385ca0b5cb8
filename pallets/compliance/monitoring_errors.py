"""The errors of the Monitoring pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class NotOfficer(PalletError, index=0):
    """Only an officer of cases can do this."""


class RuleRejected(PalletError, index=1):
    """A rule against money laundering forbids this transfer."""


class TransferHeld(PalletError, index=2):
    """A rule against money laundering holds this transfer: an officer must clear it first."""


class BadRule(PalletError, index=3):
    """The rule would find everything or nothing, or remember too much."""


class UnknownRule(PalletError, index=4):
    """No rule of this kind is set."""


class UnknownCase(PalletError, index=5):
    """There is no case with this id."""


class WrongState(PalletError, index=6):
    """From where the case stands now, this cannot follow."""


class AlreadyExpired(PalletError, index=7):
    """The expiry must lie ahead."""
