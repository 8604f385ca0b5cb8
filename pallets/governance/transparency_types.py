"""Publications: their kinds, their periods and their records.

Responsible for which period a kind is of, for the records, and for what the pallet asks of a composition. It
knows no pallet, and not what a published root covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from runtime.frame.block_numbers import BlockNumbers
from runtime.frame.dispatch import Origin
from runtime.primitives.scale import MaxLen, Struct, enum_path, u16, u32
from runtime.primitives.types import AccountId, Hash

NAME_MAX: Final = 64
"""Longest name of an issuer, in bytes."""
REASON_MAX: Final = 256
"""Longest reason of a correction, in bytes."""
ISSUERS_MAX: Final = 64
"""Most registered issuers; bounds the answer that lists them."""
VERSIONS_MAX: Final = 16
"""Most versions of a publication; bounds the answer that lists them."""

DAY_MS: Final = 86_400_000
ZONE_MS: Final = 7 * 3_600_000
"""Periods begin at midnight in Bangkok, UTC+7 all year."""

Period: TypeAlias = u32
Version: TypeAlias = u16
Name: TypeAlias = Annotated[bytes, MaxLen(NAME_MAX)]
Reason: TypeAlias = Annotated[bytes, MaxLen(REASON_MAX)]


@enum_path("loam::transparency::Kind")
class Kind(IntEnum):
    """What is published; periods are quarters, months or days since 1970 began, see `period_of`."""

    SecReport = 0
    """Report to the securities commission, of a quarter."""
    ErcReport = 1
    """Report to the energy regulator, of a month."""
    AuditRoot = 2
    """Root of an audit log, of a day."""
    SettlementDigest = 3
    """Digest of what was settled, of a day."""


Kinds: TypeAlias = Annotated[tuple[Kind, ...], MaxLen(len(Kind))]


class Issuer(Struct, path="loam::transparency::Issuer"):
    """Who publishes, and which kinds, ascending."""

    name: Name
    kinds: Kinds


class Publication(Struct, path="loam::transparency::Publication"):
    """One version: the root of what is published, the hash of the address it is found at, the block, and why
    it takes the place of the version before."""

    root: Hash
    uri_hash: Hash
    number: u32
    reason: Reason


def month_of(day: int) -> int:
    """Return the months from January 1970 to that of a day since 1970, in the Gregorian calendar.

    Counted in years that begin in March, so that the leap day is the last one.
    """
    cycles, day_of_cycle = divmod(day + 719_468, 146_097)
    leaps = day_of_cycle // 1_460 - day_of_cycle // 36_524 + day_of_cycle // 146_096
    year = (day_of_cycle - leaps) // 365
    day_of_year = day_of_cycle - (365 * year + year // 4 - year // 100)
    return (cycles * 400 + year - 1_969) * 12 + (5 * day_of_year + 2) // 153 - 10


def period_of(kind: Kind, now_ms: int) -> int:
    """Return the period of a kind that a time is in."""
    day = (now_ms + ZONE_MS) // DAY_MS
    match kind:
        case Kind.SecReport:
            return month_of(day) // 3
        case Kind.ErcReport:
            return month_of(day)
        case Kind.AuditRoot | Kind.SettlementDigest:
            return day


class Clock(Protocol):
    """Where the time is read."""

    def now_ms(self) -> int:
        """Return the time of the open block in milliseconds."""
        ...


class Registrars(Protocol):
    """Who registers issuers."""

    def ensure_registrar(self, origin: Origin) -> None:
        """BadOrigin unless the origin may."""
        ...


@dataclass(frozen=True, slots=True)
class TransparencyConfig:
    """What the pallet asks."""

    blocks: BlockNumbers
    clock: Clock
    registrars: Registrars


PublicationKey: TypeAlias = tuple[AccountId, Kind, Period]
VersionKey: TypeAlias = tuple[AccountId, Kind, Period, Version]
