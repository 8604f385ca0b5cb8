"""What the pallets of supervision share: the roles of officers, the clock, the days that the law counts.

It stores nothing. A day is one of Bangkok's, where the law counts them: it begins at 17:00 UTC.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from runtime.primitives.scale import Length, enum_path
from runtime.primitives.types import AccountId

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
DAY_OFFSET_MS: Final = 7 * HOUR_MS

Commitment: TypeAlias = Annotated[bytes, Length(32)]
"""What stands on chain for a record that is kept elsewhere: see `commitment`."""


@enum_path("pallet_compliance::Role")
class Role(IntEnum):
    """What an officer may do."""

    Identity = 0
    """To attest who an account belongs to."""
    Licensing = 1
    """To issue licences and take them away."""
    Freezing = 2
    """To freeze accounts, with a second officer."""
    Cases = 3
    """To set rules against money laundering and to lead cases."""
    Privacy = 4
    """To answer data subjects, report breaches and count retention periods."""
    Reporting = 5
    """To submit reports."""
    Oversight = 6
    """To accept reports or return them: the regulators' own."""


@enum_path("pallet_privacy::Purpose")
class Purpose(IntEnum):
    """What somebody may consent to; what a contract or the law asks for needs no consent."""

    MeterPublication = 0
    """That readings of a meter stand on the chain."""
    Research = 1
    """That data are used for research."""
    Marketing = 2
    """That offers are sent."""
    Sharing = 3
    """That data are given to other companies."""


class Clock(Protocol):
    """Where the time is read."""

    def now_ms(self) -> int:
        """Return the time of the open block, before its timestamp that of its parent."""
        ...


class Officers(Protocol):
    """Who holds an office."""

    def is_officer(self, who: AccountId, role: Role) -> bool:
        """Tell whether an account is an officer with a role."""
        ...


class Consents(Protocol):
    """Where consents are read."""

    def has_consent(self, who: AccountId, purpose: Purpose) -> bool:
        """Tell whether an account's consent for a purpose is in force now."""
        ...


def day_of(now_ms: int) -> int:
    """Return the number of the day, counted from 1 January 1970 in Bangkok."""
    return (now_ms + DAY_OFFSET_MS) // DAY_MS


def start_of_day_ms(day: int) -> int:
    """Return when a day begins."""
    return day * DAY_MS - DAY_OFFSET_MS
