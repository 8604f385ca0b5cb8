"""What the market asks of others, and the constants of a composition.

Responsible for the Protocols that other pallets fill in: zones, permissions, collateral, regulators, time,
listeners. It knows none of these pallets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pallets.energy_trading.market_types import Limits, SlotKey, Wire
from runtime.frame.dispatch import Origin, Weight
from runtime.frame.fungible import Reservable
from runtime.frame.fungibles import HoldableAsset
from runtime.frame.permissions import Permissions
from runtime.primitives.types import AccountId


class Clock(Protocol):
    """Where the time of the block is read."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970: the open block's time, before it is set its parent's."""
        ...


class ZoneSource(Protocol):
    """The zones of the grid."""

    def operator_of(self, zone: int) -> AccountId | None:
        """Return the account of a zone's operator, None when there is no such zone in service."""
        ...

    def wheeling_of(self, zone: int) -> int:
        """Return what a buyer pays for the grid inside a zone, in ticks."""
        ...

    def wheeling_pot(self, zone: int) -> AccountId:
        """Return the pot that gets a zone's wheeling."""
        ...

    def wires_of(self, slot: int) -> Sequence[Wire]:
        """Return the lines between zones in service that take energy in a slot."""
        ...

    def note_flows(self, slot: int, flows: Sequence[tuple[Wire, int]], rent: int) -> None:
        """Hear what an auction sends over lines, in Wh, and which rent it pays into the fund."""
        ...

    def note_curtailed(self, zone: int, slot: int, permille: int, refunded: int) -> None:
        """Hear that a slot is curtailed, and how much buyers got back."""
        ...

    def forget_slot(self, slot: int) -> None:
        """Hear that a slot is archived in some zone."""
        ...


class Collateral(Protocol):
    """Whether sellers are good for what they offer."""

    def covers(self, who: AccountId, key: SlotKey, sold_wh: int) -> bool:
        """Tell whether an account's collateral covers that it sells so much in a slot of a zone."""
        ...


class TradingPermissions(Permissions, Protocol):
    """Who may trade."""

    def ensure_in_good_standing(self, who: AccountId) -> None:
        """Raise the error that keeps an account from trading whatever it is allowed to; the account makes the
        call, and whether it is allowed to make it was asked before its dispatch."""
        ...


class Regulators(Protocol):
    """Who sits for a regulator."""

    def is_regulator(self, who: AccountId) -> bool:
        """Tell whether an account is a regulator's seat."""
        ...


class SlotListener(Protocol):
    """Who wants to know when a slot's trading is over."""

    def on_cleared(self, zone: int, slot: int) -> None:
        """Hear that no order of a slot will trade any more; must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class MarketConfig:
    """Pots are endowed at genesis; `gate_stagger_ms` sets the gates of neighbouring zone ids apart.

    `permissions` is asked for the activity Trade of who is traded for without making the call. `governance`
    raises unless an origin may set markets, `compliance` unless it may set limits. A halt takes the zone's
    operator, or `regulators_needed` of the regulators. `hook_weight` bounds what a hook uses of a
    block; `archive_ms` is how long rows and positions stay after a slot.
    """

    asset: HoldableAsset
    currency: Reservable
    clock: Clock
    permissions: TradingPermissions
    zones: ZoneSource
    collateral: Collateral
    regulators: Regulators
    governance: Callable[[Origin], None]
    compliance: Callable[[Origin], None]
    listeners: Callable[[], Sequence[SlotListener]]
    market_pot: AccountId
    treasury_pot: AccountId
    grid_fund: AccountId
    slot_ms: int
    default_limits: Limits
    registration_deposit: int
    hook_weight: Weight
    regulators_needed: int = 3
    gate_stagger_ms: int = 1_000
    archive_ms: int = 604_800_000
