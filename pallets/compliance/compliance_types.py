"""Records and configuration of the Compliance pallet: identities, licences, freezes; no behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from pallets.compliance.office import DAY_MS, Clock, Commitment, Consents, Purpose, Role
from runtime.frame.permissions import Activity, AuditLog
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.scale import Enum, Length, MaxLen, Struct, enum_path, u32, u64, u128
from runtime.primitives.types import AccountId

NEVER: Final = U64_MAX
"""The expiry of what does not expire."""
LICENCES_PER_HOLDER_MAX: Final = 8
"""Most licences of one account that stand or may stand again; bounds what a check reads."""
OFFICERS_MAX: Final = 256
"""Most officers of a chain."""
PROPOSAL_MS: Final = 7 * DAY_MS
"""How long one officer's proposal to freeze or thaw waits for a second officer."""
SALT_BYTES: Final = 32

LicenceId: TypeAlias = u32
LicenceIds: TypeAlias = Annotated[tuple[LicenceId, ...], MaxLen(LICENCES_PER_HOLDER_MAX)]
Roles: TypeAlias = Annotated[tuple[Role, ...], MaxLen(len(Role))]
Country: TypeAlias = Annotated[bytes, Length(2)]
Salt: TypeAlias = Annotated[bytes, Length(SALT_BYTES)]


@enum_path("pallet_compliance::Tier")
class Tier(IntEnum):
    """How well an account's owner is known."""

    Unknown = 0
    Basic = 1
    Enhanced = 2
    Institutional = 3


@enum_path("pallet_compliance::KycStatus")
class KycStatus(IntEnum):
    """Where an identity stands; an account of which nothing is stored has none."""

    Pending = 0
    Verified = 1
    Expired = 2
    Suspended = 3
    Rejected = 4


@enum_path("pallet_compliance::LicenceKind")
class LicenceKind(IntEnum):
    """What a licence allows."""

    Trading = 0
    Generation = 1
    Grid = 2


@enum_path("pallet_compliance::LicenceStatus")
class LicenceStatus(IntEnum):
    """Where a licence stands."""

    Active = 0
    Suspended = 1
    Revoked = 2
    Expired = 3


@enum_path("pallet_compliance::Withdrawal")
class Withdrawal(IntEnum):
    """How an identity is revoked: until an officer attests it again, or until it is filed anew."""

    Suspend = 0
    Reject = 1


class Kyc(Struct, path="pallet_compliance::Kyc"):
    """What was attested of an account: never who, only how well that is known, until when, and a commitment
    to the evidence. `daily_limit`: e-money that it may send in a day, None for its tier's."""

    tier: Tier
    status: KycStatus
    expires_ms: u64
    evidence: Commitment
    country: Country
    daily_limit: u128 | None


class Licence(Struct, path="pallet_compliance::Licence"):
    """A licence of one account, with a commitment to the deed."""

    kind: LicenceKind
    holder: AccountId
    status: LicenceStatus
    expires_ms: u64
    deed: Commitment


class Freeze(Struct, path="pallet_compliance::Freeze"):
    """That an account is frozen: since when, and by which two officers."""

    since_ms: u64
    proposer: AccountId
    confirmer: AccountId


class Proposal(Struct, path="pallet_compliance::Proposal"):
    """One officer's half of a freeze or thaw; whom it is about only the hash knows."""

    officer: AccountId
    expires_ms: u64


class SentToday(Struct, path="pallet_compliance::SentToday"):
    """How much e-money an account sent on its last day of sending."""

    day: u32
    amount: u128


class KycDue(Struct, index=0, variant="Kyc"):
    """An identity expires."""

    field_0: AccountId


class LicenceDue(Struct, index=1, variant="Licence"):
    """A licence expires."""

    field_0: LicenceId


class ProposalDue(Struct, index=2, variant="Proposal"):
    """A proposal has waited long enough."""

    field_0: Commitment


Due: TypeAlias = Annotated[KycDue | LicenceDue | ProposalDue, Enum("pallet_compliance::Due")]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an activity takes: a tier at least, and a licence and a consent where they are needed."""

    tier: Tier
    licence: LicenceKind | None = None
    consent: Purpose | None = None


class StandingListener(Protocol):
    """Who wants to know that an account may have lost a right."""

    def on_standing_lost(self, who: AccountId) -> None:
        """Hear that an account was frozen, or that its tier fell or a licence of it ended; must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class ComplianceConfig:
    """`requirements` of activities, none for those that are left out; `daily_limits`: e-money that a tier may
    send in a day, in smallest units, unlimited for those that are left out. `consents` and `audit` are asked
    for when a call is made, since their pallets stand on this one; so are `listeners`."""

    clock: Clock
    consents: Callable[[], Consents]
    audit: Callable[[], AuditLog]
    requirements: Mapping[Activity, Requirement]
    daily_limits: Mapping[Tier, int]
    listeners: Callable[[], Sequence[StandingListener]] = tuple


@dataclass(frozen=True, slots=True)
class GenesisCompliance:
    """Officers with their roles, and accounts with their tiers and licences, none of which expire."""

    officers: tuple[tuple[AccountId, tuple[Role, ...]], ...] = ()
    attested: tuple[tuple[AccountId, Tier, tuple[LicenceKind, ...]], ...] = ()


NOBODY_ATTESTED: Final = GenesisCompliance()
