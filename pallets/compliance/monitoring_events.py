"""The events of the Monitoring pallet; none names whom a case or flag is about. No behaviour."""

from pallets.compliance.monitoring_types import Action, CaseId, FlagId, RuleKind
from runtime.frame.event import Event
from runtime.primitives.scale import u32, u64, u128
from runtime.primitives.types import AccountId


class RuleSet(Event, index=0):
    """A rule against money laundering is in force: see `Rule`."""

    kind: RuleKind
    threshold: u128
    window_s: u32
    action: Action


class RuleRemoved(Event, index=1):
    """A rule against money laundering is no longer in force."""

    kind: RuleKind


class TransferFlagged(Event, index=2):
    """Rules found a transfer that was made; officers find it under this number."""

    flag: FlagId


class TransferCleared(Event, index=3):
    """An officer lets one transfer of up to an amount through, until a time in milliseconds since 1970."""

    who: AccountId
    amount: u128
    expires_ms: u64


class CaseOpened(Event, index=4):
    """A case was opened."""

    case: CaseId


class CaseReviewed(Event, index=5):
    """A case is under review."""

    case: CaseId


class CaseClosed(Event, index=6):
    """A case was decided."""

    case: CaseId
