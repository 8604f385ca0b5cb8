"""What the grid pallet stores and takes as arguments: zones, lines between them, flows, alerts.

Responsible for shapes, bounds and what they mean. Energy is in Wh of one slot, prices in ticks of 0.0001 THB
per kWh.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

from runtime.frame.account import pot_account
from runtime.primitives.scale import MaxLen, Struct, enum_path, u16, u32, u64
from runtime.primitives.types import AccountId

ZONES_MAX: Final = 32
"""As many as one zonal auction takes."""
LINES_MAX: Final = 128
"""Directed lines in all; every coupled auction looks at each."""
SLOTS_AT_ONCE_MAX: Final = 96
"""Slots whose capacity one call sets: a day of quarter hours."""
LOSS_MAX_PPM: Final = 1_000_000
WHEELING_MAX_TICKS: Final = 1_000_000

ZoneId: TypeAlias = u16
SlotId: TypeAlias = u32
Way: TypeAlias = tuple[ZoneId, ZoneId]
"""From a zone to another."""
SlotIds: TypeAlias = tuple[SlotId, ...]


@enum_path("pallet_grid::OperatorKind")
class OperatorKind(IntEnum):
    """Which authority runs a zone's grid."""

    MEA = 0
    PEA = 1
    EGAT = 2


@enum_path("pallet_grid::ZoneStatus")
class ZoneStatus(IntEnum):
    """Whether a zone may trade."""

    InService = 0
    Suspended = 1


class Zone(Struct, path="pallet_grid::Zone"):
    """A part of the grid with one operator; buyers pay `wheeling` for energy inside it."""

    kind: OperatorKind
    operator: AccountId
    wheeling: u32
    loss_ppm: u32
    status: ZoneStatus


def wheeling_pot_of(zone: int) -> AccountId:
    """Return the account of the pot that gets a zone's wheeling."""
    return pot_account(b"wheel_" + zone.to_bytes(2, "big"))


class Line(Struct, path="pallet_grid::Line"):
    """A way from one zone to another: Wh that fit into a slot, and what each kWh of them costs."""

    capacity: u64
    wheeling: u32


class Flow(Struct, path="pallet_grid::Flow"):
    """What an auction sends over a line in a slot, of the capacity that it had."""

    source: ZoneId
    target: ZoneId
    energy: u64
    capacity: u64


Flows: TypeAlias = Annotated[tuple[Flow, ...], MaxLen(LINES_MAX)]
Ways: TypeAlias = Annotated[tuple[Way, ...], MaxLen(LINES_MAX)]
ZoneIds: TypeAlias = Annotated[tuple[ZoneId, ...], MaxLen(ZONES_MAX)]


@enum_path("pallet_grid::AlertLevel")
class AlertLevel(IntEnum):
    """How much of the grid's capacity is in use: from 80, 90 and 97 % on."""

    Normal = 0
    Advisory = 1
    CurtailFlexible = 2
    Emergency = 3


ALERT_PERMILLE: Final = (
    (970, AlertLevel.Emergency),
    (900, AlertLevel.CurtailFlexible),
    (800, AlertLevel.Advisory),
)


def level_of(share_permille: int) -> AlertLevel:
    """Return the alert level of a share of the grid's capacity that is in use."""
    return next((level for least, level in ALERT_PERMILLE if share_permille >= least), AlertLevel.Normal)


class Alert(Struct, path="pallet_grid::Alert"):
    """An alert in a zone that its operator raised; it stands until the operator clears it."""

    level: AlertLevel
    since_ms: u64


CURTAILMENTS_MAX: Final = 128
"""Slots that wait to be curtailed."""
AHEAD_MAX: Final = 192
"""Slots ahead that may be curtailed: as many as a market opens."""
PERMILLE_MAX: Final = 999


class Curtailment(Struct, path="pallet_grid::Curtailment"):
    """What an operator ordered for a slot: so many permille of every position stay."""

    slot: SlotId
    zone: ZoneId
    permille: u16


Curtailments: TypeAlias = Annotated[tuple[Curtailment, ...], MaxLen(CURTAILMENTS_MAX)]
