"""The storage of the Oracle pallet as its parts share it, and its lookups; no rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pallets.oracle import errors
from pallets.oracle.track_record import TrackRecord
from pallets.oracle.types import (
    Expiry,
    Feed,
    FeedId,
    FeedStatus,
    OpenRound,
    Provider,
    Quality,
    RawAnswer,
    RoundValue,
)
from runtime.frame.dispatch import PalletError
from runtime.frame.event import Event
from runtime.frame.storage import DoubleMap, Map, Value
from runtime.primitives.types import AccountId

BoundError: TypeAlias = Callable[[type[PalletError]], PalletError]
"""Binds an error to the pallet instance whose storage this is."""
Deposit: TypeAlias = Callable[[Event], None]
"""Deposits an event of the pallet instance."""


@dataclass(frozen=True, slots=True)
class OracleStore:
    """The bound storage items of one pallet instance."""

    feed: Map[FeedId, Feed | None]
    feed_count: Value[int]
    raw: DoubleMap[FeedId, AccountId, RawAnswer | None]
    value: Map[FeedId, RoundValue | None]
    history: DoubleMap[FeedId, int, RoundValue | None]
    open_round: Map[FeedId, OpenRound | None]
    provider: Map[AccountId, Provider | None]
    members: Value[tuple[AccountId, ...]]
    strikes: DoubleMap[FeedId, AccountId, TrackRecord | None]
    quality: Map[AccountId, Quality]
    stale_queue: Value[tuple[Expiry, ...]]
    error: BoundError

    def get_feed(self, feed: FeedId) -> Feed:
        """Return a feed; UnknownFeed when there is none."""
        found = self.feed.get(feed)
        if found is None:
            raise self.error(errors.UnknownFeed)
        return found

    def get_active(self, feed: FeedId) -> Feed:
        """Return a feed that takes answers; UnknownFeed or FeedPaused otherwise."""
        found = self.get_feed(feed)
        if found.status is FeedStatus.Paused:
            raise self.error(errors.FeedPaused)
        return found

    def get_provider(self, who: AccountId) -> Provider:
        """Return a provider; NotMember when the account is none."""
        found = self.provider.get(who)
        if found is None:
            raise self.error(errors.NotMember)
        return found

    def queue_expiry(self, feed: FeedId, at_ms: int | None) -> None:
        """Note when the value of a feed stops being fresh, in place of what was noted; None: never."""
        others = [entry for entry in self.stale_queue.get() if entry.feed != feed]
        if at_ms is not None:
            others.append(Expiry(at_ms, feed))
        self.stale_queue.put(tuple(sorted(others, key=lambda entry: (entry.at_ms, entry.feed))))
