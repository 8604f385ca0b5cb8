"""Records and configuration of the Monitoring pallet: rules, windows, flags, cases; no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from pallets.compliance.aml import AMOUNTS_MAX, RECEIVERS_MAX, VELOCITY_MAX
from pallets.compliance.office import Clock, Commitment, Officers
from runtime.frame.block_numbers import BlockNumbers
from runtime.frame.permissions import AuditLog
from runtime.primitives.scale import Enum, MaxLen, Struct, enum_path, u32, u64, u128
from runtime.primitives.types import AccountId

FLAGS_KEPT: Final = 10_000
"""How many of the latest flags are kept for officers."""

CaseId: TypeAlias = u32
FlagId: TypeAlias = u64


@enum_path("pallet_monitoring::RuleKind")
class RuleKind(IntEnum):
    """What a rule looks at in a sender's transfers."""

    Single = 0
    """An amount of the threshold or above."""
    Rolling = 1
    """Amounts below the threshold of `Single` whose sum in the window reaches the threshold."""
    Velocity = 2
    """More transfers in the window than the threshold."""
    Counterparty = 3
    """More different receivers in the window than the threshold."""
    Sanction = 4
    """A sender or receiver that is frozen."""


@enum_path("pallet_monitoring::Action")
class Action(IntEnum):
    """What becomes of a transfer that a rule finds, the mildest first."""

    Flag = 0
    """It is made, and listed for officers."""
    Hold = 1
    """It is made once an officer has cleared it."""
    Reject = 2
    """It is not made."""


class Rule(Struct, path="pallet_monitoring::Rule"):
    """A threshold in smallest units or a number, and a window in seconds; 0 where the kind has none."""

    threshold: u128
    window_s: u32
    action: Action


class Window(Struct, path="pallet_monitoring::Window"):
    """What the rules remember of a sender: amounts, times and receivers, with times in seconds since 1970."""

    amounts: Annotated[tuple[tuple[u64, u128], ...], MaxLen(AMOUNTS_MAX)] = ()
    times: Annotated[tuple[u64, ...], MaxLen(VELOCITY_MAX)] = ()
    receivers: Annotated[tuple[tuple[u64, AccountId], ...], MaxLen(RECEIVERS_MAX)] = ()


class Flagged(Struct, path="pallet_monitoring::Flagged"):
    """Where a transfer stands that rules found: block, index of the extrinsic, and which rules."""

    number: u32
    extrinsic: u32
    rules: Annotated[tuple[RuleKind, ...], MaxLen(len(RuleKind))]


class Clearance(Struct, path="pallet_monitoring::Clearance"):
    """One transfer of up to an amount that an officer lets through, until a time."""

    amount: u128
    expires_ms: u64


@enum_path("pallet_monitoring::CaseState")
class CaseState(IntEnum):
    """Where a case stands."""

    Open = 0
    Review = 1
    Reported = 2
    Dismissed = 3


class Case(Struct, path="pallet_monitoring::Case"):
    """A case: a commitment to its file, and to the report that was made of it."""

    file: Commitment
    state: CaseState
    opened_ms: u64
    report: Commitment | None


class Reported(Struct, index=0, variant="Reported"):
    """The case is reported to the authority; a commitment to the report."""

    field_0: Commitment


class Dismissed(Struct, index=1, variant="Dismissed"):
    """Nothing is to be reported."""


Decision: TypeAlias = Annotated[Reported | Dismissed, Enum("pallet_monitoring::Decision")]


class Freezes(Protocol):
    """Where it is known who is frozen."""

    def is_frozen(self, who: AccountId) -> bool:
        """Tell whether an account is frozen."""
        ...


@dataclass(frozen=True, slots=True)
class MonitoringConfig:
    """What the pallet asks; it looks at the movements of one currency, in its smallest units. `audit` is
    asked for when a call is made."""

    clock: Clock
    blocks: BlockNumbers
    officers: Officers
    audit: Callable[[], AuditLog]
    freezes: Freezes
