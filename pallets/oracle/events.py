"""The events of the Oracle pallet; no behaviour."""

from __future__ import annotations

from pallets.oracle.track_record import Outcome
from pallets.oracle.types import Answers, Fault, FeedId, FeedKey
from runtime.frame.event import Event
from runtime.primitives.scale import i128, u8, u16, u32, u64, u128
from runtime.primitives.types import AccountId


class FeedAdded(Event, index=0):
    """A feed was added."""

    feed: FeedId
    key: FeedKey


class FeedChanged(Event, index=1):
    """A feed has other rules."""

    feed: FeedId


class FeedPaused(Event, index=2):
    """A feed takes no more answers and has no value for others."""

    feed: FeedId


class FeedResumed(Event, index=3):
    """A feed takes answers again."""

    feed: FeedId


class Submitted(Event, index=4):
    """A provider answered feeds, in their smallest units, with the milliseconds since 1970 of each."""

    provider: AccountId
    answers: Answers


class ReportAccepted(Event, index=5):
    """Providers agreed on the value of a feed's round, in its smallest unit; `answers` of them had not
    answered yet."""

    feed: FeedId
    round: u64
    value: i128
    answers: u8
    sender: AccountId


class Aggregated(Event, index=6):
    """A feed has a value: the median of `count` answers, in its smallest unit; `spread` is between the
    largest and the smallest that is no outlier."""

    feed: FeedId
    round: u64
    value: i128
    count: u8
    spread: u128


class FeedStale(Event, index=7):
    """The last value of a feed is no longer fresh; it was measured then, in milliseconds since 1970."""

    feed: FeedId
    measured_ms: u64


class Outlier(Event, index=8):
    """A provider's answer was too far off the median of a round: a strike."""

    feed: FeedId
    round: u64
    provider: AccountId


class AnswerMissed(Event, index=9):
    """A provider gave no answer in a round, or one measured long before it: a strike."""

    feed: FeedId
    round: u64
    provider: AccountId
    outcome: Outcome


class ProviderSlashed(Event, index=10):
    """A provider lost a part of its bond to the treasury."""

    provider: AccountId
    amount: u128
    fault: Fault


class ProviderRemoved(Event, index=11):
    """A provider answers no more; what was left of its bond is free again."""

    provider: AccountId
    bond: u128
    fault: Fault


class QualityUpdated(Event, index=12):
    """A provider's score over its last 360 rounds of every feed has moved, in permille."""

    provider: AccountId
    score_permille: u16
    expected: u32


class ProviderAdded(Event, index=13):
    """A provider was added and its bond is held."""

    provider: AccountId
    bond: u128


class ProviderChanged(Event, index=14):
    """A provider signs with another key or names other sources."""

    provider: AccountId


class BondRestored(Event, index=15):
    """A provider made its bond whole again, by this amount."""

    provider: AccountId
    amount: u128
