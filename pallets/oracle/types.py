"""Records and configuration of the Oracle pallet: feeds, answers, values, providers; no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from pallets.oracle.statement import Signature
from pallets.oracle.track_record import Outcome
from runtime.frame.dispatch import Origin, ensure_root
from runtime.frame.fungible import Reservable
from runtime.frame.storage import Map
from runtime.primitives.scale import Length, MaxLen, Struct, enum_path, i128, u8, u16, u32, u64, u128
from runtime.primitives.types import AccountId, Hash

FEEDS_MAX: Final = 32
"""Most feeds of a chain; every block looks at each."""
PROVIDERS_MAX: Final = 31
"""Most providers, as libocr has it."""
KEY_BYTES_MAX: Final = 32
UNIT_BYTES_MAX: Final = 16
DECIMALS_MAX: Final = 18
HISTORY_ROUNDS: Final = 360
"""Rounds whose values are kept: an hour of ten seconds each."""
HEARTBEAT_MIN_MS: Final = 1_000
AGE_MAX_MS: Final = 7 * 86_400_000
"""Nothing measured is usable for more than a week."""
STRIKES_SLASH: Final = 10
STRIKES_REMOVE: Final = 30
STRIKES_SLASH_PPM: Final = 10_000
EQUIVOCATION_SLASH_PPM: Final = 100_000
BOND_MIN_PPM: Final = 900_000
"""With less than this part of the bond a provider answers no more: it has to restore it first."""
QUALITY_STEP_PERMILLE: Final = 10
"""So much a score moves before an event tells of it."""

FeedId: TypeAlias = u32
FeedKey: TypeAlias = Annotated[bytes, MaxLen(KEY_BYTES_MAX)]
PublicKey: TypeAlias = Annotated[bytes, Length(32)]


@enum_path("pallet_oracle::HoldReason")
class HoldReason(IntEnum):
    """Why the pallet holds somebody's balance."""

    Bond = 0


@enum_path("pallet_oracle::FeedStatus")
class FeedStatus(IntEnum):
    """Whether a feed takes answers."""

    Active = 0
    Paused = 1


@enum_path("pallet_oracle::Fault")
class Fault(IntEnum):
    """Why a provider was slashed or removed."""

    Governance = 0
    Strikes = 1
    Equivocation = 2


class FeedRules(Struct, path="pallet_oracle::FeedRules"):
    """How a feed is answered.

    A value is a whole number of 10^-`decimals` `unit`, from `least` to `greatest`. A round lasts
    `heartbeat_ms` and needs `quorum` answers, measured at most `fresh_ms` before it began. A value is fresh
    for `fresh_ms` and usable for `usable_ms`. An answer is an outlier when it is off the median by more than
    `outlier_ppm` millionths of it. Gateways answer at the start of a round when their value has moved by
    more than `deviation_bps` since their last answer.
    """

    unit: Annotated[bytes, MaxLen(UNIT_BYTES_MAX)]
    decimals: u8
    quorum: u8
    heartbeat_ms: u32
    fresh_ms: u32
    usable_ms: u32
    deviation_bps: u32
    outlier_ppm: u32
    least: i128
    greatest: i128


class Feed(Struct, path="pallet_oracle::Feed"):
    """A measured quantity under its key."""

    key: FeedKey
    rules: FeedRules
    status: FeedStatus = FeedStatus.Active


class Answer(Struct, path="pallet_oracle::Answer"):
    """What a provider measured for a feed, in the feed's smallest unit, at `time_ms` since 1970."""

    feed: FeedId
    value: i128
    time_ms: u64


class RawAnswer(Struct, path="pallet_oracle::RawAnswer"):
    """A provider's latest answer to a feed and the round it was given in."""

    round: u64
    value: i128
    time_ms: u64


class RoundValue(Struct, path="pallet_oracle::RoundValue"):
    """What a round came to: `count` answers, `spread` between the largest and the smallest that is no
    outlier, the earliest and the median moment of measurement, and when the chain first and last computed
    the value."""

    round: u64
    value: i128
    spread: u128
    count: u8
    oldest_ms: u64
    measured_ms: u64
    first_ms: u64
    last_ms: u64


class Judged(Struct, path="pallet_oracle::Judged"):
    """A provider that answered in a round, and what became of its answer."""

    provider: AccountId
    outcome: Outcome


class OpenRound(Struct, path="pallet_oracle::OpenRound"):
    """The latest round that got a value, until it is over and its providers are credited or struck."""

    round: u64
    judged: Annotated[tuple[Judged, ...], MaxLen(PROVIDERS_MAX)]


class Provider(Struct, path="pallet_oracle::Provider"):
    """Who answers: its ed25519 key for statements, the hash of the list of its sources, what is left of its
    bond, and since when it answers."""

    key: PublicKey
    endpoints: Hash
    bond: u128
    joined_ms: u64


class Quality(Struct, path="pallet_oracle::Quality"):
    """A provider's last 360 rounds of every feed together, and the score that an event told last, in
    permille."""

    expected: u32 = 0
    submitted: u32 = 0
    valid: u32 = 0
    in_time: u32 = 0
    accurate: u32 = 0
    announced_permille: u16 = 0


class Expiry(Struct, path="pallet_oracle::Expiry"):
    """When the value of a feed stops being fresh, in milliseconds since 1970."""

    at_ms: u64
    feed: FeedId


class ReportSignature(Struct, path="pallet_oracle::ReportSignature"):
    """One provider's ed25519 signature of a report."""

    provider: AccountId
    signature: Signature


Answers: TypeAlias = Annotated[tuple[Answer, ...], MaxLen(FEEDS_MAX)]
ReportSignatures: TypeAlias = Annotated[tuple[ReportSignature, ...], MaxLen(PROVIDERS_MAX)]


class Clock(Protocol):
    """Where the time of the block is read."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970: the open block's time, before it is set its parent's."""
        ...


class BlockHashes(Protocol):
    """Where the hash of genesis is read, which every statement names."""

    @property
    def block_hash(self) -> Map[int, Hash]:
        """The hashes of blocks, that of genesis among them."""
        ...


@dataclass(frozen=True, slots=True)
class OracleConfig:
    """`bond` in the currency's smallest unit is held from each provider; what is slashed goes to `treasury`,
    an account that exists for ever. `governance` raises unless an origin may set feeds and providers."""

    currency: Reservable
    clock: Clock
    blocks: BlockHashes
    treasury: AccountId
    bond: int
    governance: Callable[[Origin], None] = ensure_root


@dataclass(frozen=True, slots=True)
class GenesisProvider:
    """A provider that a chain starts with; its bond is held from its balance."""

    who: AccountId
    key: bytes
    endpoints: Hash


@dataclass(frozen=True, slots=True)
class GenesisFeed:
    """A feed that a chain starts with."""

    key: bytes
    rules: FeedRules
