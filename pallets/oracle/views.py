"""What screens and other pallets read of an oracle; it changes nothing.

Responsible for telling fresh values from stale ones and for the answers of the runtime API. Time is the
moment that a reading is made for: nothing stored says that a value is fresh, so nothing can go on saying so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pallets.oracle import track_record
from pallets.oracle.freshness import WINDOWS, measure_freshness
from pallets.oracle.rounds import round_at
from pallets.oracle.store import OracleStore
from pallets.oracle.types import HISTORY_ROUNDS, FeedId, FeedStatus, RoundValue
from runtime.frame.feeds import Fresh, Insufficient, Reading, Stale
from runtime.frame.oracle_api import FeedState, FeedView, FreshnessView, ProviderView, RoundView, StrikesView
from runtime.primitives.types import AccountId

WHOLE_PERMILLE = 1_000


@dataclass(frozen=True, slots=True)
class Views:
    """Readings of one pallet instance."""

    store: OracleStore

    def read(self, feed: FeedId, now_ms: int) -> Reading:
        """Return what stands under a feed at a moment."""
        found, value = self.store.feed.get(feed), self.store.value.get(feed)
        if found is None or value is None or found.status is FeedStatus.Paused:
            return Insufficient()
        age_ms = now_ms - value.measured_ms
        if age_ms > found.rules.usable_ms:
            return Insufficient()
        kind = Fresh if age_ms <= found.rules.fresh_ms else Stale
        return kind(value.value, value.measured_ms, value.spread, value.count)

    def view_feed(self, feed: FeedId, now_ms: int) -> FeedView:
        """Return a feed, which must exist, as the runtime API tells it."""
        found = self.store.get_feed(feed)
        rules, value = found.rules, self.store.value.get(feed)
        return FeedView(
            feed,
            found.key.decode(errors="replace"),
            rules.unit.decode(errors="replace"),
            rules.decimals,
            found.status is FeedStatus.Paused,
            _state_of(self.read(feed, now_ms)),
            None if value is None else _view_round(value),
            None if value is None else _consistency(value),
            rules.quorum,
            rules.heartbeat_ms,
            rules.fresh_ms,
            rules.usable_ms,
            rules.deviation_bps,
            rules.outlier_ppm,
            rules.least,
            rules.greatest,
        )

    def list_rounds(self, feed: FeedId, before: int | None, limit: int, now_ms: int) -> tuple[RoundView, ...]:
        """Return at most so many rounds of a feed, the newest first, those before one of them."""
        found: list[RoundView] = []
        for value in self._rounds_before(feed, before, now_ms):
            if len(found) == limit:
                break
            found.append(_view_round(value))
        return tuple(found)

    def view_freshness(self, feed: FeedId, now_ms: int) -> FreshnessView:
        """Return how fresh a feed was in its last 360 windows that are over, each a heartbeat long."""
        rules = self.store.get_feed(feed).rules
        number = round_at(rules, now_ms)
        times = [
            moment
            for value in self._rounds_before(feed, number + 1, now_ms)
            for moment in (value.last_ms, value.first_ms)
        ]
        start_ms = (number - WINDOWS) * rules.heartbeat_ms
        found = measure_freshness(times[::-1], start_ms, WINDOWS, rules.heartbeat_ms)
        return FreshnessView(*found, found.permille, found.meets_target)

    def view_quality(self, who: AccountId) -> ProviderView | None:
        """Return a provider as the runtime API tells it, None when the account is none."""
        found = self.store.provider.get(who)
        if found is None:
            return None
        quality = self.store.quality.get(who)
        rating = track_record.rate(
            track_record.Counts(
                quality.expected, quality.submitted, quality.valid, quality.in_time, quality.accurate
            )
        )
        records = ((feed, self.store.strikes.get(feed, who)) for feed in range(self.store.feed_count.get()))
        strikes = tuple(
            StrikesView(feed, track_record.count_strikes(record))
            for feed, record in records
            if record is not None
        )
        return ProviderView(
            who,
            found.key,
            found.endpoints,
            found.bond,
            rating.score,
            *rating,
            quality.expected,
            strikes,
        )

    def _rounds_before(self, feed: FeedId, before: int | None, now_ms: int) -> Iterator[RoundValue]:
        """Yield the remembered rounds that have a value, the newest first."""
        newest = round_at(self.store.get_feed(feed).rules, now_ms)
        start = newest if before is None else min(newest, before - 1)
        for number in range(start, newest - HISTORY_ROUNDS, -1):
            value = self.store.history.get(feed, number % HISTORY_ROUNDS)
            if value is not None and value.round == number:
                yield value


def _state_of(reading: Reading) -> FeedState:
    match reading:
        case Fresh():
            return FeedState.Fresh
        case Stale():
            return FeedState.Stale
        case Insufficient():
            return FeedState.Insufficient


def _view_round(value: RoundValue) -> RoundView:
    return RoundView(
        value.round,
        value.value,
        value.spread,
        value.count,
        value.oldest_ms,
        value.measured_ms,
        value.last_ms,
    )


def _consistency(value: RoundValue) -> int:
    """Return 1,000 less the spread in thousandths of the value, rounded down, at least 0."""
    size = abs(value.value)
    if size == 0:
        return 0 if value.spread else WHOLE_PERMILLE
    return max(0, WHOLE_PERMILLE - value.spread * WHOLE_PERMILLE // size)
