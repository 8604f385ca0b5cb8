"""One value out of many providers' answers: the median, with what was left out and why.

Responsible for the rule of one round; it remembers nothing and knows no provider but by name.

An answer counts when its value is inside the feed's range and its age is from 0 to the feed's greatest age:
one from the future does not count. The value is the element n // 2 of the n sorted values that count, once n
reaches the quorum. While fewer than half of those that count lie, the value is between the smallest and the
largest honest one; the order of answers is irrelevant. An outlier is off the median by more than so many
millionths of it; it counts in the median, and its provider is told.
"""

from collections.abc import Hashable, Sequence
from enum import IntEnum
from typing import Final, Generic, NamedTuple, TypeVar

from runtime.primitives.arithmetic import U32_MAX, ensure_within

WHOLE_PPM: Final = 1_000_000

Provider = TypeVar("Provider", bound=Hashable)


class OracleError(ValueError):
    """Answers or a feed from which no round can be made."""


class BadQuorum(OracleError):
    """A feed asks for no answer at all."""


class EmptyRange(OracleError):
    """The least value of a feed is above its greatest."""


class AlreadySubmitted(OracleError):
    """A provider has two answers in one round."""


class Status(IntEnum):
    """What a round came to; the numbers are those of storage."""

    FRESH = 0
    INSUFFICIENT_QUORUM = 1


class FeedRules(NamedTuple):
    """How many answers a feed needs, how old they may be, and which values are possible."""

    quorum: int
    max_age_ms: int
    outlier_ppm: int
    least: int
    greatest: int

    def ensure_valid(self) -> None:
        """Raise BadQuorum, EmptyRange, Underflow or Overflow where a feed cannot have such rules."""
        if self.quorum < 1:
            raise BadQuorum(f"a quorum of {self.quorum}")
        if self.least > self.greatest:
            raise EmptyRange(f"{self.least} to {self.greatest}")
        ensure_within(self.max_age_ms, U32_MAX)
        ensure_within(self.outlier_ppm, U32_MAX)


class Answer(NamedTuple, Generic[Provider]):
    """What a provider says it measured, and when."""

    provider: Provider
    value: int
    timestamp_ms: int


class Round(NamedTuple, Generic[Provider]):
    """The outcome; without a quorum there is no value, no time and no outlier.

    `counted` answers made the value. `spread` is the difference between the largest and the smallest of them
    that is no outlier, and says how sure the value is.
    """

    status: Status
    value: int | None
    counted: int
    oldest_ms: int | None
    spread: int | None
    out_of_range: tuple[Provider, ...]
    stale: tuple[Provider, ...]
    outliers: tuple[Provider, ...]


def aggregate(answers: Sequence[Answer[Provider]], rules: FeedRules, now_ms: int) -> Round[Provider]:
    """Return the round at a moment; raises AlreadySubmitted and what `FeedRules.ensure_valid` raises."""
    rules.ensure_valid()
    if len({answer.provider for answer in answers}) < len(answers):
        raise AlreadySubmitted("a provider has two answers")
    in_range = [one for one in answers if rules.least <= one.value <= rules.greatest]
    out_of_range = tuple(one.provider for one in answers if not rules.least <= one.value <= rules.greatest)
    counted = [one for one in in_range if is_usable(one.timestamp_ms, now_ms, rules.max_age_ms)]
    stale = tuple(
        one.provider for one in in_range if not is_usable(one.timestamp_ms, now_ms, rules.max_age_ms)
    )
    if len(counted) < rules.quorum:
        status = Status.INSUFFICIENT_QUORUM
        return Round(status, None, len(counted), None, None, out_of_range, stale, ())
    value = sorted(one.value for one in counted)[len(counted) // 2]
    outliers = tuple(one.provider for one in counted if is_outlier(one.value, value, rules.outlier_ppm))
    inside = [one.value for one in counted if not is_outlier(one.value, value, rules.outlier_ppm)]
    oldest_ms = min(one.timestamp_ms for one in counted)
    spread = max(inside) - min(inside)
    return Round(Status.FRESH, value, len(counted), oldest_ms, spread, out_of_range, stale, outliers)


def is_usable(timestamp_ms: int, now_ms: int, max_age_ms: int) -> bool:
    """Answer whether something measured then may be used now: neither too old nor from the future."""
    return 0 <= now_ms - timestamp_ms <= max_age_ms


def is_outlier(value: int, median: int, outlier_ppm: int) -> bool:
    """Answer whether a value is off the median by more than so many millionths of it; exact."""
    return abs(value - median) * WHOLE_PPM > outlier_ppm * abs(median)
