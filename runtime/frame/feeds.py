"""What a pallet is told when it asks for a measured value: a fresh one, a stale one, or that there is none.

Other pallets ask under `Feeds` and so do not know who measures. A value is a whole number of the feed's
smallest unit. It knows no pallet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Fresh:
    """A value that may decide: `measured_ms` since 1970, `spread` between its largest and smallest answer
    that is no outlier."""

    value: int
    measured_ms: int
    spread: int
    answers: int


@dataclass(frozen=True, slots=True)
class Stale:
    """The last value, too old to decide anything by, young enough to be shown or to be a fallback."""

    value: int
    measured_ms: int
    spread: int
    answers: int


@dataclass(frozen=True, slots=True)
class Insufficient:
    """There is no such feed, it is paused, or no quorum agreed on a value for too long."""


Reading: TypeAlias = Fresh | Stale | Insufficient


class Feeds(Protocol):
    """Where measured values are read."""

    def get(self, key: bytes) -> Reading:
        """Return what stands under a feed's key at the time of the open block."""
        ...
