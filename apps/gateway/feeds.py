"""Feeds as the chain describes them, and which of their rounds this provider has answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from apps.chain.errors import AnswerError
from apps.chain.values import Value, Variant


class FeedView(NamedTuple):
    """A feed's rules, and its value where that is fresh: whole numbers of 10^-`decimals` `unit`."""

    feed: int
    key: str
    unit: str
    decimals: int
    is_paused: bool
    heartbeat_ms: int
    fresh_ms: int
    usable_ms: int
    deviation_bps: int
    outlier_ppm: int
    least: int
    greatest: int
    fresh_value: int | None
    latest_round: int | None
    latest_measured_ms: int | None

    def round_at(self, moment_ms: int) -> int:
        """Return the number of the round at a moment."""
        return moment_ms // self.heartbeat_ms

    def earliest_at(self, moment_ms: int) -> int:
        """Return the earliest moment of measurement that counts in the round at a moment."""
        return self.round_at(moment_ms) * self.heartbeat_ms - self.fresh_ms


@dataclass
class FeedState:
    """A feed, and this provider's part in it: the last round that it answered and with what, as the chain has
    it.

    `held_round` is the first round in which it may be answered again after a refusal.
    """

    view: FeedView
    answered_round: int = -1
    answered_value: int | None = None
    held_round: int = 0
    refusals: int = 0

    def is_open(self, chain_ms: int) -> bool:
        """Tell whether the round at a moment still wants an answer of this provider."""
        number = self.view.round_at(chain_ms)
        return not self.view.is_paused and number > self.answered_round and number >= self.held_round

    def has_moved(self, value: int) -> bool:
        """Tell whether a value is off the last answer by more than the feed's deviation."""
        last = self.answered_value
        return last is None or abs(value - last) * 10_000 > self.view.deviation_bps * abs(last)

    def note_answer(self, value: int, block_ms: int) -> None:
        """Note that a block of a moment took the answer."""
        self.answered_round = max(self.answered_round, self.view.round_at(block_ms))
        self.answered_value = value
        self.refusals = 0

    def note_refusal(self, chain_ms: int, rounds_max: int) -> None:
        """Leave the feed alone for a round, and for twice as many after each refusal in a row."""
        self.refusals += 1
        wait = min(1 << (self.refusals - 1), rounds_max)
        self.held_round = self.view.round_at(chain_ms) + wait


def read_feed(answer: Value) -> FeedView:
    """Return a feed from what `OracleApi` answers; AnswerError when the answer has another form."""
    try:
        state, latest = answer["state"], answer["latest"]
        is_fresh = isinstance(state, Variant) and state.name == "Fresh"
        return FeedView(
            feed=answer["feed"],
            key=answer["key"],
            unit=answer["unit"],
            decimals=answer["decimals"],
            is_paused=answer["is_paused"],
            heartbeat_ms=answer["heartbeat_ms"],
            fresh_ms=answer["fresh_ms"],
            usable_ms=answer["usable_ms"],
            deviation_bps=answer["deviation_bps"],
            outlier_ppm=answer["outlier_ppm"],
            least=answer["least"],
            greatest=answer["greatest"],
            fresh_value=latest["value"] if latest is not None and is_fresh else None,
            latest_round=None if latest is None else latest["round"],
            latest_measured_ms=None if latest is None else latest["measured_ms"],
        )
    except (KeyError, TypeError) as error:
        raise AnswerError(f"a feed is described otherwise than this program knows: {error}") from error
