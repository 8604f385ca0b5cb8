"""The events of the Privacy pallet; no behaviour."""

from pallets.compliance.office import Commitment, Purpose
from pallets.compliance.privacy_types import (
    BreachId,
    Category,
    RequestId,
    RequestKind,
    RetentionAction,
    Risk,
    VaultKey,
)
from runtime.frame.event import Event
from runtime.primitives.scale import u16, u64
from runtime.primitives.types import AccountId


class ConsentGiven(Event, index=0):
    """An account consented to a version of a text."""

    who: AccountId
    purpose: Purpose
    version: u16


class ConsentWithdrawn(Event, index=1):
    """An account withdrew its consent."""

    who: AccountId
    purpose: Purpose


class DsrFiled(Event, index=2):
    """A data subject asked for something; the answer is due at a time in milliseconds since 1970."""

    request: RequestId
    kind: RequestKind
    due_ms: u64


class DsrVerified(Event, index=3):
    """It is verified that a request is the subject's own."""

    request: RequestId


class DsrAnswered(Event, index=4):
    """A request was answered."""

    request: RequestId


class DsrOverdue(Event, index=5):
    """A request was not answered in time."""

    request: RequestId


class ErasureConfirmed(Event, index=6):
    """The vault has destroyed a subject's key and salt; what is left is this commitment."""

    request: RequestId
    tombstone: Commitment


class BreachReported(Event, index=7):
    """A breach of personal data was found; notice is due at a time in milliseconds since 1970."""

    breach: BreachId
    due_ms: u64


class BreachAssessed(Event, index=8):
    """It was assessed what a breach means for the people concerned."""

    breach: BreachId
    risk: Risk


class BreachNotified(Event, index=9):
    """A breach was notified to those who must know."""

    breach: BreachId


class BreachClosed(Event, index=10):
    """A breach that harms nobody was closed."""

    breach: BreachId


class BreachOverdue(Event, index=11):
    """A breach was not dealt with in time."""

    breach: BreachId


class RetentionSet(Event, index=12):
    """Records of a category are kept so many days from now on."""

    category: Category
    days: u16
    action: RetentionAction


class RetentionStarted(Event, index=13):
    """The period of a record began; it ends at a time in milliseconds since 1970."""

    record: Commitment
    category: Category
    due_ms: u64


class RetentionDue(Event, index=14):
    """The period of a record is over: what is to be done to it."""

    record: Commitment
    category: Category
    action: RetentionAction


class VaultKeySet(Event, index=15):
    """The vault signs with this ed25519 key from now on."""

    key: VaultKey
