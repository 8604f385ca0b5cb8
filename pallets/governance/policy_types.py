"""Policy messages: what one chain may order another to do, within bounds, and what both ends ask for.

Responsible for the kinds of a message, for their bounds and for the records of both ends. It knows no pallet
and no chain. The byte of a payload's kind is its index here, and is never used again for something else.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from runtime.frame.dispatch import Origin, Weight
from runtime.primitives.scale import Enum, MaxLen, Struct, enum_path, u16, u32, u64
from runtime.primitives.types import AccountId

FEE_MAX_BPS: Final = 1_000
"""Highest market fee, in parts of ten thousand."""
PRICE_MAX_TICKS: Final = 100_000
"""Highest price: 10 THB per kWh in ticks of 0.0001 THB."""
FACTOR_MAX: Final = 1_000
"""Largest pricing factor k, in thousandths: the seller's price alone counts."""
LIFETIME_MAX_MS: Final = 90 * 24 * 3_600_000
"""Longest time from the sending of a message to its expiry; bounds how long it lies with either end."""
MESSAGES_MAX: Final = 32
"""Most messages to one chain that are not acknowledged, and most from one chain that wait for their veto."""
ACKS_KEPT: Final = 64
"""How many outcomes of a chain's messages are kept, for proofs of them."""
SEATS_MAX: Final = 16
"""Most regulators who may veto."""

ChainNumber: TypeAlias = u32
Nonce: TypeAlias = u64
ZoneId: TypeAlias = u16


class MarketFee(Struct, index=0, variant="MarketFee"):
    """The market's fee, in basis points."""

    fee_bps: u16


class Wheeling(Struct, index=1, variant="Wheeling"):
    """What a way from zone to zone costs, in ticks per kWh."""

    source: ZoneId
    dest: ZoneId
    price_ticks: u32


class PriceBand(Struct, index=2, variant="PriceBand"):
    """The lowest and highest price of a zone's orders, in ticks per kWh."""

    zone: ZoneId
    floor_ticks: u32
    cap_ticks: u32


class Zone(Struct, index=3, variant="Zone"):
    """A zone's pricing factor in thousandths, and whether it is traded in."""

    zone: ZoneId
    factor: u16
    is_open: bool


class OracleFeed(Struct, index=4, variant="OracleFeed"):
    """Whether a feed of the oracle is in use."""

    feed: u32
    is_enabled: bool


class Issuer(Struct, index=5, variant="Issuer"):
    """Whether an account issues certificates."""

    who: AccountId
    is_admitted: bool


class Halt(Struct, index=6, variant="Halt"):
    """Whether the market stands still."""

    is_halted: bool


Payload: TypeAlias = Annotated[
    MarketFee | Wheeling | PriceBand | Zone | OracleFeed | Issuer | Halt, Enum("loam::policy::Payload")
]


class Message(Struct, path="loam::policy::Message"):
    """An order to a chain: it has effect from `not_before_ms` on and none after `expires_ms`, by the time of
    the chain that receives it."""

    chain: ChainNumber
    nonce: Nonce
    payload: Payload
    not_before_ms: u64
    expires_ms: u64


@enum_path("loam::policy::Outcome")
class Outcome(IntEnum):
    """What became of a message."""

    Applied = 0
    Vetoed = 1
    Expired = 2
    Refused = 3


Vetoes: TypeAlias = Annotated[tuple[AccountId, ...], MaxLen(SEATS_MAX)]
Nonces: TypeAlias = Annotated[tuple[Nonce, ...], MaxLen(MESSAGES_MAX)]
SettledNonces: TypeAlias = Annotated[tuple[Nonce, ...], MaxLen(ACKS_KEPT)]


class Waiting(Struct, path="loam::policy::Waiting"):
    """A received message, who vetoed it so far, and until when that is possible."""

    message: Message
    closes_ms: u64
    vetoes: Vetoes


def is_within_bounds(payload: Payload) -> bool:
    """Tell whether a payload orders only what any chain may be ordered."""
    match payload:
        case MarketFee(fee_bps=fee):
            return fee <= FEE_MAX_BPS
        case Wheeling(source=source, dest=dest, price_ticks=price):
            return source != dest and price <= PRICE_MAX_TICKS
        case PriceBand(floor_ticks=floor, cap_ticks=cap):
            return floor <= cap <= PRICE_MAX_TICKS
        case Zone(factor=factor):
            return factor <= FACTOR_MAX
        case OracleFeed() | Issuer() | Halt():
            return True


def subject_of(payload: Payload) -> Hashable:
    """Return what a payload is about; messages about the same have effect in the order of their nonces."""
    match payload:
        case MarketFee() | Halt():
            return type(payload)
        case Wheeling(source=source, dest=dest):
            return Wheeling, source, dest
        case PriceBand(zone=zone):
            return PriceBand, zone
        case Zone(zone=zone):
            return Zone, zone
        case OracleFeed(feed=feed):
            return OracleFeed, feed
        case Issuer(who=who):
            return Issuer, who


class Clock(Protocol):
    """Where the time is read."""

    def now_ms(self) -> int:
        """Return the time of the open block in milliseconds."""
        ...


class Bridge(Protocol):
    """Who brings what another chain's state was proven to hold."""

    def ensure_relayed(self, origin: Origin, chain: int) -> None:
        """BadOrigin unless the origin speaks for a proven state of that chain."""
        ...


class PolicyOrigins(Protocol):
    """Who decides on policy."""

    def ensure_policy(self, origin: Origin) -> None:
        """BadOrigin unless the origin may send policy messages."""
        ...


class RegulatorSeats(Protocol):
    """Who sits for the regulators."""

    def ensure_regulator(self, origin: Origin) -> AccountId:
        """Return the seat that the origin speaks for; BadOrigin where it holds none."""
        ...


class PolicyTarget(Protocol):
    """What carries out policy on the chain that receives it."""

    def apply_policy(self, payload: Payload) -> None:
        """Carry out an order; raises DispatchError or ArithmeticFailure where the chain cannot, and what it
        changed until then is undone."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxConfig:
    """The chain that decides."""

    clock: Clock
    origins: PolicyOrigins
    bridge: Bridge


@dataclass(frozen=True, slots=True)
class InboxConfig:
    """The chain that obeys: its number, how long, in milliseconds, regulators may veto, how many of them stop
    an order, and the most weight that the target uses for one."""

    clock: Clock
    bridge: Bridge
    seats: RegulatorSeats
    target: PolicyTarget
    target_weight: Weight
    chain: int
    veto_ms: int = 24 * 3_600_000
    vetoes_needed: int = 2
