"""Track records: 360 rounds and not one more, strikes among them, quality of what was counted."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.oracle.track_record import (
    ROUNDS,
    STRIKES,
    Counts,
    Outcome,
    Rating,
    TrackRecord,
    count,
    count_strikes,
    mark_slashed,
    note,
    owes_slash,
    rate,
)


def record_of(*outcomes: Outcome, first: int = 1_000) -> TrackRecord:
    found: TrackRecord | None = None
    for number, outcome in enumerate(outcomes, first):
        found = note(found, number, outcome)
    assert found is not None
    return found


@dataclass
class Model:
    """The same as a list of all that ever happened."""

    rounds: list[tuple[int, Outcome]] = field(default_factory=list)

    def counts(self) -> Counts:
        newest = self.rounds[-1][0]
        kept = [outcome for number, outcome in self.rounds if newest - number < ROUNDS]
        missing, stale = kept.count(Outcome.Missing), kept.count(Outcome.Stale)
        wrong, outlier = kept.count(Outcome.OutOfRange), kept.count(Outcome.Outlier)
        submitted = len(kept) - missing
        return Counts(len(kept), submitted, submitted - wrong, submitted - stale, submitted - wrong - outlier)

    def strikes(self) -> int:
        newest = self.rounds[-1][0]
        return sum(number > newest - ROUNDS and outcome in STRIKES for number, outcome in self.rounds)


@given(st.lists(st.tuples(st.integers(1, 200), st.sampled_from(Outcome)), min_size=1, max_size=40))
def test_record_counts_what_a_list_of_all_rounds_counts(steps: list[tuple[int, Outcome]]) -> None:
    model, record, number = Model(), None, 0
    for ahead, outcome in steps:
        number += ahead
        model.rounds.append((number, outcome))
        record = note(record, number, outcome)
        assert count(record) == model.counts()
        assert count_strikes(record) == model.strikes()


def test_round_is_remembered_for_360_rounds_and_not_one_more() -> None:
    record = record_of(Outcome.Missing)
    assert count_strikes(note(record, record.newest + ROUNDS - 1, Outcome.Counted)) == 1
    assert count_strikes(note(record, record.newest + ROUNDS, Outcome.Counted)) == 0


def test_gap_of_any_length_costs_no_memory() -> None:
    record = note(record_of(Outcome.Missing), (1 << 64) - 1, Outcome.Outlier)
    assert count(record) == Counts(1, 1, 1, 1, 0)


def test_round_that_is_not_newer_is_a_broken_invariant() -> None:
    record = record_of(Outcome.Counted)
    with pytest.raises(AssertionError):
        note(record, record.newest, Outcome.Counted)


@pytest.mark.parametrize(
    ("outcome", "strikes"),
    [
        (Outcome.Counted, 0),
        (Outcome.OutOfRange, 0),
        (Outcome.Missing, 1),
        (Outcome.Stale, 1),
        (Outcome.Outlier, 1),
    ],
)
def test_silence_old_news_and_outliers_are_strikes(outcome: Outcome, strikes: int) -> None:
    assert count_strikes(record_of(outcome)) == strikes


def test_slash_is_owed_once_for_360_rounds() -> None:
    record = record_of(*[Outcome.Missing] * 9)
    assert not owes_slash(record, 10)
    record = note(record, record.newest + 1, Outcome.Missing)
    assert owes_slash(record, 10)
    paid = mark_slashed(record)
    for number in range(paid.newest + 1, paid.newest + ROUNDS):
        paid = note(paid, number, Outcome.Missing)
        assert not owes_slash(paid, 10)
    assert owes_slash(note(paid, paid.newest + 1, Outcome.Missing), 10)


def test_quality_has_four_parts_of_which_the_score_is_the_mean() -> None:
    outcomes = [Outcome.Counted] * 4 + [Outcome.Missing] * 2 + [Outcome.OutOfRange, Outcome.Stale]
    rating = rate(count(record_of(*outcomes, Outcome.Outlier, Outcome.Outlier)))
    # 10 rounds: 8 answers, 7 in range, 7 in time, 5 of the 7 no outliers.
    assert rating == Rating(validity=875, accuracy=714, timeliness=875, completeness=800)
    assert rating.score == (875 + 714 + 875 + 800) // 4


def test_who_submits_nothing_has_no_quality() -> None:
    assert rate(count(record_of(Outcome.Missing))) == Rating(0, 0, 0, 0)
    assert rate(count(None)).score == 0


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=30))
def test_quality_is_between_nothing_and_everything(outcomes: list[Outcome]) -> None:
    rating = rate(count(record_of(*outcomes)))
    assert all(0 <= part <= 1_000 for part in (*rating, rating.score))


def test_faultless_provider_has_the_whole_quality() -> None:
    assert rate(count(record_of(*[Outcome.Counted] * 3))) == Rating(1_000, 1_000, 1_000, 1_000)
