"""The rounds of an oracle's feeds: a value of the answers, and the end of a round for its providers.

Responsible for when a round gets its value, what is kept of it, and who had answered when it is over. It
knows no call and no money.

A round is the heartbeat window that holds the time of a block, so every feed has one at any time. Each answer
counts in the round it was given in, when it was measured at most `fresh_ms` before that round began: whether
one counts does not depend on the others, nor on which block of the round brought it. With every answer the
value is the median of all of the round's. The last value stands until the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from pallets.oracle import events, median
from pallets.oracle.panel import Panel
from pallets.oracle.store import Deposit, OracleStore
from pallets.oracle.track_record import Outcome
from pallets.oracle.types import (
    AGE_MAX_MS,
    DECIMALS_MAX,
    HEARTBEAT_MIN_MS,
    HISTORY_ROUNDS,
    Feed,
    FeedId,
    FeedRules,
    FeedStatus,
    Judged,
    OpenRound,
    RoundValue,
)
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of one pallet instance."""

    store: OracleStore
    panel: Panel
    deposit: Deposit

    def aggregate(self, feed: FeedId, now_ms: int) -> None:
        """Give the open round of a feed its value, where enough answers count."""
        found = self.store.feed.get(feed)
        if found is None or found.status is FeedStatus.Paused:
            return
        number = round_at(found.rules, now_ms)
        answers = self._answers_of(feed, number)
        result = median.aggregate(answers, _median_rules(found, number, now_ms), now_ms)
        if result.value is None:
            return
        assert result.oldest_ms is not None, "a value has a time"
        assert result.spread is not None, "a value has a spread"
        outcomes, uncounted = _outcomes(result), (*result.out_of_range, *result.stale)
        judged = tuple(Judged(one.provider, outcomes.get(one.provider, Outcome.Counted)) for one in answers)
        times = sorted(one.timestamp_ms for one in answers if one.provider not in uncounted)
        last = self.store.value.get(feed)
        value = RoundValue(
            number,
            result.value,
            result.spread,
            result.counted,
            result.oldest_ms,
            times[len(times) // 2],
            last.first_ms if last is not None and last.round == number else now_ms,
            now_ms,
        )
        self.store.open_round.put(feed, OpenRound(number, judged))
        self.store.value.put(feed, value)
        self.store.history.put(feed, number % HISTORY_ROUNDS, value)
        self.store.queue_expiry(feed, value.measured_ms + found.rules.fresh_ms)
        self.deposit(events.Aggregated(feed, number, value.value, value.count, value.spread))

    def close_ended(self, feed: FeedId, now_ms: int) -> AccountId | None:
        """End the round of a feed that is over, if any; return the first provider whom it is one strike too
        many for."""
        found, ended = self.store.feed.get(feed), self.store.open_round.get(feed)
        if found is None or ended is None or ended.round >= round_at(found.rules, now_ms):
            return None
        began_ms = ended.round * found.rules.heartbeat_ms
        outcomes = {one.provider: one.outcome for one in ended.judged}
        due = [
            who
            for who in self.store.members.get()
            if self.store.get_provider(who).joined_ms <= began_ms
            and self.panel.note(feed, ended.round, who, outcomes.get(who, Outcome.Missing))
        ]
        self.store.open_round.remove(feed)
        return due[0] if due else None

    def _answers_of(self, feed: FeedId, number: int) -> list[median.Answer[AccountId]]:
        found = ((who, self.store.raw.get(feed, who)) for who in self.store.members.get())
        return [
            median.Answer(who, raw.value, raw.time_ms)
            for who, raw in found
            if raw is not None and raw.round == number
        ]


def round_at(rules: FeedRules, now_ms: int) -> int:
    """Return the number of a feed's round at a moment."""
    return now_ms // rules.heartbeat_ms


def earliest_of(rules: FeedRules, number: int) -> int:
    """Return the earliest moment of measurement that counts in a round."""
    return number * rules.heartbeat_ms - rules.fresh_ms


def is_possible(key: bytes, rules: FeedRules) -> bool:
    """Tell whether a feed could have this key, range and times."""
    return (
        bool(key)
        and rules.decimals <= DECIMALS_MAX
        and rules.least <= rules.greatest
        and HEARTBEAT_MIN_MS <= rules.heartbeat_ms <= rules.fresh_ms <= rules.usable_ms <= AGE_MAX_MS
    )


def may_replace(old: FeedRules, new: FeedRules) -> bool:
    """Tell whether rounds keep their numbers, and values their meaning, under other rules."""
    return (old.heartbeat_ms, old.decimals, old.unit) == (new.heartbeat_ms, new.decimals, new.unit)


def _median_rules(feed: Feed, number: int, now_ms: int) -> median.FeedRules:
    rules = feed.rules
    return median.FeedRules(
        rules.quorum,
        now_ms - earliest_of(rules, number),
        rules.outlier_ppm,
        rules.least,
        rules.greatest,
    )


def _outcomes(result: median.Round[AccountId]) -> dict[AccountId, Outcome]:
    """Return what became of every answer that did not simply count."""
    return {
        **dict.fromkeys(result.out_of_range, Outcome.OutOfRange),
        **dict.fromkeys(result.stale, Outcome.Stale),
        **dict.fromkeys(result.outliers, Outcome.Outlier),
    }
