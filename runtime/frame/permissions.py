"""What the rules of a market's supervision are asked: may an account do this, what money goes where, what
must stand in the audit log.

A pallet that is supervised asks under these Protocols; which pallet answers, and by which rules, is the
composition's business. It knows no rule.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

from runtime.frame.event import Event
from runtime.primitives.types import AccountId


class Activity(IntEnum):
    """What an account may need a permission for."""

    Receive = 0
    """To get what another sends or owes."""
    SendWatt = 1
    """To send e-money to another account, or give it back for money."""
    Trade = 2
    """To buy or sell energy."""
    Generate = 3
    """To feed energy into the grid for money."""
    Operate = 4
    """To run a part of the grid."""
    PublishMeter = 5
    """To have readings of one's meter stand on the chain."""


class Movement(NamedTuple):
    """An amount, in smallest units, that goes from one account to another."""

    sender: AccountId
    receiver: AccountId
    amount: int


class Permissions(Protocol):
    """Who may do what."""

    def ensure(self, who: AccountId, activity: Activity) -> None:
        """Raise the error that says what an account lacks for an activity; nothing where it lacks nothing."""
        ...


class MovementMonitor(Protocol):
    """Who looks at movements of money."""

    def screen(self, movement: Movement) -> None:
        """Take a movement into account that is about to be made; raises the error of one that may not be."""
        ...


class AuditLog(Protocol):
    """Where what a regulator must find again is written down, for ever and in order."""

    def note(self, pallet: int, event: Event) -> None:
        """Write down an event that the pallet with this index deposits next."""
        ...
