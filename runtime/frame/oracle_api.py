"""The runtime API of measured values: feeds, their history, and how good their providers are.

Responsible for its names and types as clients know them; the pallet that answers is a Protocol. Lists come in
pages of at most `PAGE_MAX`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from runtime.frame.api import PAGE_MAX, Api, ApiMethod
from runtime.primitives.scale import Struct, enum_path, i128, u8, u16, u32, u64, u128
from runtime.primitives.types import AccountId, Hash


@enum_path("loam::oracle::FeedState")
class FeedState(IntEnum):
    """What stands under a feed: a value that may decide, an old one, or none."""

    Fresh = 0
    Stale = 1
    Insufficient = 2


class RoundView(Struct, path="loam::oracle::RoundView"):
    """The value of a round in the feed's smallest unit, with moments in milliseconds since 1970."""

    round: u64
    value: i128
    spread: u128
    count: u8
    oldest_ms: u64
    measured_ms: u64
    updated_ms: u64


class FeedView(Struct, path="loam::oracle::FeedView"):
    """A feed as screens show it.

    A value is a whole number of 10^-`decimals` `unit`. `consistency_permille` is 1,000 less the spread in
    thousandths of the value, None without one.
    """

    feed: u32
    key: str
    unit: str
    decimals: u8
    is_paused: bool
    state: FeedState
    latest: RoundView | None
    consistency_permille: u16 | None
    quorum: u8
    heartbeat_ms: u32
    fresh_ms: u32
    usable_ms: u32
    deviation_bps: u32
    outlier_ppm: u32
    least: i128
    greatest: i128


class FreshnessView(Struct, path="loam::oracle::FreshnessView"):
    """Of the last windows of a heartbeat, how many had at their end a value at most a heartbeat old; the
    share is rounded down, the target 95 % without rounding."""

    fresh: u16
    windows: u16
    permille: u16
    meets_target: bool


class StrikesView(Struct, path="loam::oracle::StrikesView"):
    """A provider's strikes in the last 360 rounds of a feed."""

    feed: u32
    strikes: u16


class ProviderView(Struct, path="loam::oracle::ProviderView"):
    """A provider: its key, its bond, and the parts of its quality in permille over `expected` rounds."""

    provider: AccountId
    key: bytes
    endpoints: Hash
    bond: u128
    score: u16
    validity: u16
    accuracy: u16
    timeliness: u16
    completeness: u16
    expected: u32
    strikes: tuple[StrikesView, ...]


class OracleSource(Protocol):
    """Where measured values are read."""

    def view_feed(self, key: str) -> FeedView | None:
        """Return a feed by its key, None when there is none."""
        ...

    def list_feeds(self, after: int | None, limit: int) -> tuple[FeedView, ...]:
        """Return feeds in order of their number, those after one of them."""
        ...

    def list_rounds(self, key: str, before: int | None, limit: int) -> tuple[RoundView, ...]:
        """Return rounds of a feed that have a value, the newest first, those before one of them."""
        ...

    def view_freshness(self, key: str) -> FreshnessView | None:
        """Return how fresh a feed was, None when there is none; reads its whole history."""
        ...

    def view_quality(self, who: AccountId) -> ProviderView | None:
        """Return a provider, None when the account is none."""
        ...

    def list_providers(self) -> tuple[AccountId, ...]:
        """Return all providers, in order of their accounts."""
        ...


def oracle_api(source: OracleSource) -> Api:
    """Return `OracleApi`."""
    return Api(
        "OracleApi",
        1,
        (
            ApiMethod(
                "feed",
                (("key", str),),
                FeedView | None,
                source.view_feed,
                "A feed by its key.",
                is_live=True,
            ),
            ApiMethod(
                "feeds",
                (("after", u32 | None), ("limit", u32)),
                tuple[FeedView, ...],
                lambda after, limit: source.list_feeds(after, min(limit, PAGE_MAX)),
                "Feeds in order of their number, those after one of them.",
            ),
            ApiMethod(
                "history",
                (("key", str), ("before", u64 | None), ("limit", u32)),
                tuple[RoundView, ...],
                lambda key, before, limit: source.list_rounds(key, before, min(limit, PAGE_MAX)),
                "Rounds of a feed that have a value, the newest first, those before one of them.",
            ),
            ApiMethod(
                "freshness",
                (("key", str),),
                FreshnessView | None,
                source.view_freshness,
                "How often a feed was fresh in its last 360 windows of a heartbeat.",
            ),
            ApiMethod(
                "quality",
                (("provider", AccountId),),
                ProviderView | None,
                source.view_quality,
                "How good a provider is, None when the account is none.",
            ),
            ApiMethod(
                "providers", (), tuple[AccountId, ...], source.list_providers, "All providers of the oracle."
            ),
        ),
        "Measured values and who measures them.",
        rpc="oracle",
    )
