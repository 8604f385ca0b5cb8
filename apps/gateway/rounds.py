"""When a provider answers, and which feeds go together.

Pure. The only time here is the chain's: that of its best block. A block's time never goes back, so the block
that takes an answer is in the round that was seen, or in a later one; an answer is sent only while the last
answered round lies before the one that is seen. So no round is answered twice, whenever the answer comes in.

A feed is answered at the start of its round when its value has moved by more than the feed's deviation, and a
moment later otherwise, each provider at another one. Feeds that are due together go into one call; for one
that still lacks a reading, though it was answered in the round before, the others wait a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from apps.gateway.choice import Choice
from apps.gateway.feeds import FeedState

PHASE_MAX_MS: Final = 2_000
"""Providers spread over so much of a round."""
GRACE_MS: Final = 2_500
"""So long into a round the feeds that are ready wait for those that are not."""


class Answer(NamedTuple):
    """What is sent for a feed: the chain's number of it, its key, a whole number, a moment since 1970."""

    feed: int
    key: str
    value: int
    time_ms: int


def compute_phase(account: bytes) -> int:
    """Return how many milliseconds into a round a provider answers, the same ones always."""
    return int.from_bytes(account[:8], "little") % PHASE_MAX_MS


def plan_answers(
    feeds: Mapping[str, FeedState], choices: Mapping[str, Choice], chain_ms: int, phase_ms: int
) -> tuple[Answer, ...]:
    """Return the answers that are to be sent now, none or all that are ready."""
    waiting = {key: feed for key, feed in feeds.items() if feed.is_open(chain_ms)}
    ready = {key: feed for key, feed in waiting.items() if key in choices}
    if not any(_is_time(feed, choices[key], chain_ms, phase_ms) for key, feed in ready.items()):
        return ()
    if any(_is_awaited(feed, chain_ms) for key, feed in waiting.items() if key not in ready):
        return ()
    return tuple(
        Answer(feed.view.feed, key, choices[key].value, choices[key].measured_ms)
        for key, feed in ready.items()
    )


def _is_time(feed: FeedState, choice: Choice, chain_ms: int, phase_ms: int) -> bool:
    into_ms = chain_ms % feed.view.heartbeat_ms
    return into_ms >= min(phase_ms, feed.view.heartbeat_ms // 4) or feed.has_moved(choice.value)


def _is_awaited(feed: FeedState, chain_ms: int) -> bool:
    """Tell whether a feed without a reading may still get one in time."""
    number = feed.view.round_at(chain_ms)
    into_ms = chain_ms % feed.view.heartbeat_ms
    return feed.answered_round == number - 1 and into_ms < min(GRACE_MS, feed.view.heartbeat_ms // 4)
