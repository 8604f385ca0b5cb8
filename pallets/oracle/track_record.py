"""How well a provider has answered one feed: its last 360 rounds, its strikes among them, its quality.

Responsible for the ring of outcomes and for what is counted from it; it knows neither values nor money. A
round counts when the feed got a value in it: when nobody has one, nobody is to blame.

Each kind of outcome is a row of bits, the newest round lowest, so a row of 45 bytes holds 360 rounds and an
older round falls out at its top.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, NamedTuple, TypeAlias

from msgspec import structs

from runtime.primitives.scale import Length, Struct, enum_path, u64

ROUNDS: Final = 360
"""Rounds that are remembered: an hour of ten seconds each."""
WHOLE_PERMILLE: Final = 1_000

Row: TypeAlias = Annotated[bytes, Length(ROUNDS // 8)]
EMPTY: Final = bytes(ROUNDS // 8)
_MASK: Final = (1 << ROUNDS) - 1


@enum_path("pallet_oracle::Outcome")
class Outcome(IntEnum):
    """What a round made of a provider's answer."""

    Counted = 0
    Missing = 1
    OutOfRange = 2
    Stale = 3
    Outlier = 4


STRIKES: Final = (Outcome.Missing, Outcome.Stale, Outcome.Outlier)
"""Outcomes that cost; a value is out of range only where the range was changed after it had come."""


class TrackRecord(Struct, path="pallet_oracle::TrackRecord"):
    """The rounds up to `newest` in which an answer was expected, and what came of it; `slashed` is the last
    round for whose strikes the provider paid."""

    newest: u64
    expected: Row = EMPTY
    missing: Row = EMPTY
    out_of_range: Row = EMPTY
    stale: Row = EMPTY
    outlier: Row = EMPTY
    slashed: u64 | None = None


class Counts(NamedTuple):
    """Rounds of a record, or sums over several."""

    expected: int
    submitted: int
    valid: int
    in_time: int
    accurate: int


class Rating(NamedTuple):
    """The four parts of quality in permille, rounded down; nothing submitted is worth nothing."""

    validity: int
    accuracy: int
    timeliness: int
    completeness: int

    @property
    def score(self) -> int:
        """The mean of the four, rounded down."""
        return sum(self) // len(self)


def note(record: TrackRecord | None, round_number: int, outcome: Outcome) -> TrackRecord:
    """Return the record with the outcome of a round that is newer than all in it."""
    old = TrackRecord(round_number) if record is None else record
    assert record is None or round_number > record.newest, "rounds come in order"
    ahead = round_number - old.newest
    return TrackRecord(
        round_number,
        _push(old.expected, ahead, is_set=True),
        _push(old.missing, ahead, is_set=outcome is Outcome.Missing),
        _push(old.out_of_range, ahead, is_set=outcome is Outcome.OutOfRange),
        _push(old.stale, ahead, is_set=outcome is Outcome.Stale),
        _push(old.outlier, ahead, is_set=outcome is Outcome.Outlier),
        old.slashed,
    )


def count_strikes(record: TrackRecord) -> int:
    """Return how many of the remembered rounds cost the provider a strike."""
    return _count(record.missing) + _count(record.stale) + _count(record.outlier)


def owes_slash(record: TrackRecord, strikes_max: int) -> bool:
    """Tell whether there are too many strikes and none of the remembered rounds was paid for."""
    if count_strikes(record) < strikes_max:
        return False
    return record.slashed is None or record.newest - record.slashed >= ROUNDS


def mark_slashed(record: TrackRecord) -> TrackRecord:
    """Return the record of a provider that has just paid for its strikes."""
    return structs.replace(record, slashed=record.newest)


def count(record: TrackRecord | None) -> Counts:
    """Return the counts that quality is made of; all zero where there is no record."""
    if record is None:
        return Counts(0, 0, 0, 0, 0)
    expected = _count(record.expected)
    submitted = expected - _count(record.missing)
    valid = submitted - _count(record.out_of_range)
    return Counts(
        expected, submitted, valid, submitted - _count(record.stale), valid - _count(record.outlier)
    )


def rate(counts: Counts) -> Rating:
    """Return the quality of counts."""
    return Rating(
        validity=_permille(counts.valid, counts.submitted),
        accuracy=_permille(counts.accurate, counts.valid),
        timeliness=_permille(counts.in_time, counts.submitted),
        completeness=_permille(counts.submitted, counts.expected),
    )


def _push(row: bytes, ahead: int, *, is_set: bool) -> bytes:
    """Return a row moved on by so many rounds, with the bit of the newest."""
    bits = int.from_bytes(row, "little") << ahead & _MASK if ahead < ROUNDS else 0
    return (bits | is_set).to_bytes(len(row), "little")


def _count(row: bytes) -> int:
    return int.from_bytes(row, "little").bit_count()


def _permille(part: int, whole: int) -> int:
    return part * WHOLE_PERMILLE // whole if whole else 0
