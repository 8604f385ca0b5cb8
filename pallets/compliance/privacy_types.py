"""Records and configuration of the Privacy pallet: consents, requests, breaches, retention; no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from pallets.compliance.office import DAY_MS, HOUR_MS, Clock, Commitment, Officers, Purpose
from runtime.frame.permissions import AuditLog
from runtime.frame.storage import Map
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.scale import Enum, Length, Struct, enum_path, u16, u32, u64
from runtime.primitives.types import AccountId, Hash

ANSWER_MS: Final = 30 * DAY_MS
"""PDPA s. 30: a request is answered within 30 days."""
ERASURE_MS: Final = 90 * DAY_MS
"""PDPC notice of November 2024: erasure, copies and backups included, within 90 days."""
BREACH_MS: Final = 72 * HOUR_MS
"""PDPA s. 37: a breach is notified within 72 hours."""
STATEMENT_MS: Final = DAY_MS
"""How old a signed consent may be when it is recorded."""
NEVER: Final = U64_MAX
"""The expiry of a consent that does not expire."""

RequestId: TypeAlias = u32
BreachId: TypeAlias = u32
VaultKey: TypeAlias = Annotated[bytes, Length(32)]
VaultSignature: TypeAlias = Annotated[bytes, Length(64)]


class Consent(Struct, path="pallet_privacy::Consent"):
    """A consent to a version of a text: when it was given, until when, and when it was withdrawn."""

    version: u16
    given_ms: u64
    expires_ms: u64
    withdrawn_ms: u64 | None = None


class Statement(Struct, path="pallet_privacy::Statement"):
    """What somebody signs who consents without a transaction of their own."""

    purpose: Purpose
    version: u16
    expires_ms: u64
    signed_ms: u64


@enum_path("pallet_privacy::RequestKind")
class RequestKind(IntEnum):
    """What a data subject may ask for; PDPA s. 30 to 36."""

    Access = 0
    Portability = 1
    Rectify = 2
    Erase = 3
    Restrict = 4
    Object = 5


@enum_path("pallet_privacy::RequestState")
class RequestState(IntEnum):
    """Where a request stands; an overdue one is still owed an answer."""

    Filed = 0
    Verified = 1
    Fulfilled = 2
    Refused = 3
    Overdue = 4


@enum_path("pallet_privacy::Refusal")
class Refusal(IntEnum):
    """Why a request is refused; PDPA s. 39 has the reasons recorded."""

    LegalObligation = 0
    """Another law has the data kept, as those against money laundering do."""
    NotIdentified = 1
    """It cannot be told that the request is the subject's own."""
    Unfounded = 2
    """The law gives no such right here."""
    RightsOfOthers = 3
    """The answer would harm somebody else."""


class Request(Struct, path="pallet_privacy::Request"):
    """A request of a data subject: a commitment to its text, its deadline, and how it was answered."""

    subject: AccountId
    kind: RequestKind
    text: Commitment
    filed_ms: u64
    due_ms: u64
    state: RequestState = RequestState.Filed
    is_verified: bool = False
    answered_ms: u64 | None = None
    answer: Commitment | None = None
    refusal: Refusal | None = None


class Fulfilled(Struct, index=0, variant="Fulfilled"):
    """The request was met; a commitment to what was answered."""

    field_0: Commitment


class Refused(Struct, index=1, variant="Refused"):
    """The request was refused, for a reason."""

    field_0: Refusal


Answer: TypeAlias = Annotated[Fulfilled | Refused, Enum("pallet_privacy::Answer")]


@enum_path("pallet_privacy::Risk")
class Risk(IntEnum):
    """What a breach means for the people concerned; PDPA s. 37."""

    Unlikely = 0
    """No harm is likely: nobody need be notified."""
    Likely = 1
    """The regulator is notified."""
    High = 2
    """The regulator and the people concerned are notified."""


@enum_path("pallet_privacy::BreachState")
class BreachState(IntEnum):
    """Where a breach stands."""

    Detected = 0
    Assessed = 1
    Notified = 2
    Closed = 3


class Breach(Struct, path="pallet_privacy::Breach"):
    """A breach of personal data: a commitment to its record, when it was found, until when it is notified."""

    record: Commitment
    detected_ms: u64
    due_ms: u64
    state: BreachState = BreachState.Detected
    risk: Risk | None = None
    notified_ms: u64 | None = None
    notice: Commitment | None = None


@enum_path("pallet_privacy::Category")
class Category(IntEnum):
    """What kind of record is kept in the vault."""

    AuditTrail = 0
    MoneyLaundering = 1
    Identity = 2
    PersonalData = 3
    MeterData = 4


@enum_path("pallet_privacy::RetentionAction")
class RetentionAction(IntEnum):
    """What is done to a record whose time is over."""

    Erase = 0
    Anonymise = 1
    Archive = 2


class Retention(Struct, path="pallet_privacy::Retention"):
    """How many days records of a category are kept, and what is done then."""

    days: u16
    action: RetentionAction


class Retained(Struct, path="pallet_privacy::Retained"):
    """A record that is kept until a time."""

    category: Category
    due_ms: u64


class RequestDue(Struct, index=0, variant="Request"):
    """An answer is due."""

    field_0: RequestId


class BreachDue(Struct, index=1, variant="Breach"):
    """A notice is due."""

    field_0: BreachId


class RecordDue(Struct, index=2, variant="Record"):
    """A record has been kept long enough."""

    field_0: Commitment


Due: TypeAlias = Annotated[RequestDue | BreachDue | RecordDue, Enum("pallet_privacy::Due")]


class Blocks(Protocol):
    """What the pallet needs of System."""

    @property
    def block_hash(self) -> Map[int, Hash]:
        """The hashes of blocks, that of genesis among them."""
        ...


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """What the pallet asks; `audit` is asked for when a call is made."""

    clock: Clock
    blocks: Blocks
    officers: Officers
    audit: Callable[[], AuditLog]
