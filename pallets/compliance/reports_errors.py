"""The errors of the Reports pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class NotOfficer(PalletError, index=0):
    """Only an officer with the role for it can do this."""


class UnknownReport(PalletError, index=1):
    """There is no report of this kind and period."""


class RootMismatch(PalletError, index=2):
    """The report's rows have another root."""


class TooEarly(PalletError, index=3):
    """The period is not over."""


class WrongState(PalletError, index=4):
    """From where the report stands now, this cannot follow."""


class BadPeriod(PalletError, index=5):
    """This number names no period: see `draft_report`."""
