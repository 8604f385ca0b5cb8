"""The events of the Compliance pallet; no behaviour."""

from pallets.compliance.compliance_types import LicenceId, LicenceKind, Roles, Tier, Withdrawal
from pallets.compliance.office import Commitment
from runtime.frame.event import Event
from runtime.primitives.scale import u64
from runtime.primitives.types import AccountId


class OfficerRegistered(Event, index=0):
    """An officer has these roles from now on, and no others; none at all: it is an officer no more."""

    who: AccountId
    roles: Roles


class KycFiled(Event, index=1):
    """An officer looks into who an account belongs to."""

    who: AccountId


class KycAttested(Event, index=2):
    """An officer attested who an account belongs to, up to a tier and a time in milliseconds since 1970."""

    who: AccountId
    tier: Tier
    expires_ms: u64


class KycRevoked(Event, index=3):
    """An officer revoked what was attested of an account, or refused to attest it."""

    who: AccountId
    how: Withdrawal


class KycExpired(Event, index=4):
    """What was attested of an account has expired."""

    who: AccountId


class LicenceIssued(Event, index=5):
    """A licence was issued, up to a time in milliseconds since 1970."""

    licence: LicenceId
    holder: AccountId
    kind: LicenceKind
    expires_ms: u64


class LicenceSuspended(Event, index=6):
    """A licence is out of force until it is restored."""

    licence: LicenceId


class LicenceRestored(Event, index=7):
    """A suspended licence is in force again."""

    licence: LicenceId


class LicenceRevoked(Event, index=8):
    """A licence is out of force for ever."""

    licence: LicenceId


class LicenceExpired(Event, index=9):
    """A licence has expired."""

    licence: LicenceId


class FreezeProposed(Event, index=10):
    """An officer proposed to freeze or thaw an account, which the hash does not tell."""

    officer: AccountId
    order: Commitment


class ProposalLapsed(Event, index=11):
    """No second officer confirmed a proposal in time."""

    order: Commitment


class AccountFrozen(Event, index=12):
    """Two officers froze an account: it makes no call that is regulated."""

    who: AccountId


class AccountThawed(Event, index=13):
    """Two officers thawed an account."""

    who: AccountId
