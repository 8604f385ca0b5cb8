"""What a provider answers: the median of sources that keep to the feed's rules, and no lone surprise."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.choice import Choice, Verdict, choose
from apps.gateway.errors import FaultKind
from apps.gateway.feeds import FeedView
from apps.gateway.readings import READINGS_MAX, Poll, Reading, SourceState
from apps.gateway.settings import FeedSetting
from pallets.oracle.median import is_outlier
from tests.support.gateway import KEY, NOW_MS, VIEW, source

ANY = FeedSetting()


def choose_now(*sources: SourceState, view: FeedView = VIEW, setting: FeedSetting = ANY) -> Verdict:
    return choose(view, setting, sources, NOW_MS)


def faults(verdict: Verdict) -> dict[str, FaultKind]:
    return {name: fault.kind for name, fault in verdict.judged.items() if fault is not None}


def test_one_source_is_answered_with_its_newest_reading() -> None:
    assert choose_now(source("a", "4.70", "4.75")).choice == Choice(47_500, NOW_MS, 1)


def test_several_sources_have_the_median_as_on_the_chain() -> None:
    found = choose_now(
        source("a", "4.74"), source("b", "4.76", ages_ms=(900,)), source("c", "4.75", ages_ms=(500,))
    )
    assert found.choice == Choice(47_500, NOW_MS - 500, 3)
    found = choose_now(source("a", "4.74"), source("b", "4.76"))
    assert found.choice == Choice(47_600, NOW_MS, 2)


def test_what_was_measured_after_the_chains_time_waits_for_it() -> None:
    ahead = source("a", "4.70", "4.75", ages_ms=(500, -1))
    assert choose_now(ahead).choice == Choice(47_000, NOW_MS - 500, 1)
    assert choose_now(source("a", "4.75", ages_ms=(-1,))).choice is None


def test_what_would_not_count_in_the_next_round_any_more_is_left_out_at_the_end_of_this_one() -> None:
    reading = source("a", "4.75", ages_ms=(VIEW.fresh_ms,))
    assert choose(VIEW, ANY, (reading,), NOW_MS).choice is not None
    assert choose(VIEW, ANY, (source("a", "4.75", ages_ms=(VIEW.fresh_ms + 1,)),), NOW_MS).choice is None
    assert choose(VIEW, ANY, (reading,), NOW_MS + 7_499).choice is not None
    assert choose(VIEW, ANY, (reading,), NOW_MS + 7_500).choice is None


@pytest.mark.parametrize(
    ("number", "is_taken"), [("0", True), ("100", True), ("100.0001", False), ("-0.0001", False)]
)
def test_a_value_outside_of_the_range_is_refused_and_its_source_marked(
    number: str, *, is_taken: bool
) -> None:
    verdict = choose_now(source("a", number))
    assert (verdict.choice is not None) is is_taken
    assert faults(verdict) == ({} if is_taken else {"a": FaultKind.OUT_OF_RANGE})
    beside = choose_now(source("a", number), source("b", "50"), source("c", "50"))
    assert beside.choice is not None
    assert beside.choice.value == 500_000


def test_a_number_without_a_place_in_128_bits_is_out_of_range() -> None:
    assert faults(choose_now(source("a", "1e39"))) == {"a": FaultKind.OUT_OF_RANGE}


def test_of_three_sources_the_one_off_the_others_is_left_out_and_marked() -> None:
    verdict = choose_now(source("a", "4.75"), source("b", "9.99"), source("c", "4.76"))
    assert verdict.choice == Choice(47_600, NOW_MS, 2)
    assert faults(verdict) == {"b": FaultKind.OUTLIER}
    assert verdict.judged["a"] is None


def test_of_two_that_contradict_each_other_the_chain_decides() -> None:
    sources = source("a", "4.75"), source("b", "9.99")
    assert choose_now(*sources).choice is None
    assert set(faults(choose_now(*sources))) == {"a", "b"}
    verdict = choose_now(*sources, view=VIEW._replace(fresh_value=47_000))
    assert verdict.choice == Choice(47_500, NOW_MS, 1)
    assert faults(verdict) == {"b": FaultKind.OUTLIER}
    assert choose_now(*sources, view=VIEW._replace(fresh_value=700_000)).choice is None


def test_fewer_sources_than_wanted_are_not_answered_with() -> None:
    wanted = FeedSetting(sources_min=2)
    assert choose_now(source("a", "4.75"), source("b", "4.76"), setting=wanted).choice is not None
    verdict = choose_now(source("a", "4.75"), source("b", "101"), setting=wanted)
    assert verdict.choice is None
    assert verdict.reason == "1 of at least 2 sources usable"
    assert choose_now().choice is None


def test_a_jump_of_one_source_is_believed_when_it_has_said_so_long_enough() -> None:
    known = VIEW._replace(fresh_value=47_500)
    first = choose_now(source("a", "4.75", "4.75", "9.50"), view=known)
    assert first.choice is None
    assert faults(first) == {"a": FaultKind.JUMP}
    assert choose_now(source("a", "4.75", "9.50", "9.51"), view=known).choice is None
    assert choose_now(source("a", "9.50", "9.51", "9.50"), view=known).choice == Choice(95_000, NOW_MS, 1)
    assert choose_now(source("a", "9.50"), view=known, setting=FeedSetting(confirm=1)).choice is not None


def test_a_jump_that_a_second_source_confirms_is_believed_at_once() -> None:
    known = VIEW._replace(fresh_value=47_500)
    assert choose_now(source("a", "9.50"), source("b", "9.51"), view=known).choice == Choice(
        95_100, NOW_MS, 2
    )


def test_without_a_fresh_value_on_the_chain_nothing_is_a_jump() -> None:
    assert choose_now(source("a", "9.50")).choice is not None


def test_readings_are_bounded_and_older_ones_do_not_follow_newer_ones() -> None:
    state = SourceState("a", (KEY,))
    for n in range(READINGS_MAX + 5):
        state.take(Poll({KEY: Reading(Decimal(n), n)}), n)
    state.take(Poll({KEY: Reading(Decimal(99), 3)}), 100)
    kept = state.between(KEY, 0, NOW_MS)
    assert len(kept) == READINGS_MAX
    assert kept[-1].number == READINGS_MAX + 4


HONEST = st.integers(470_000, 480_000)


@given(st.lists(HONEST, min_size=2, max_size=6), st.lists(st.integers(0, 1_000_000), max_size=5), st.data())
def test_liars_among_the_sources_do_not_move_the_value_beyond_the_honest_ones(
    honest: list[int], lies: list[int], data: st.DataObject
) -> None:
    lies = lies[: (len(honest) - 1) // 2]
    numbers = data.draw(st.permutations(honest + lies))
    sources = [source(f"s{n}", str(Decimal(value).scaleb(-4))) for n, value in enumerate(numbers)]
    verdict = choose_now(*sources, view=VIEW._replace(outlier_ppm=50_000))
    assert verdict.choice is not None
    assert min(honest) <= verdict.choice.value <= max(honest)


@given(
    st.lists(st.integers(-10, 1_100_000), max_size=5),
    st.none() | st.integers(0, 1_000_000),
    st.integers(1, 4),
)
def test_what_is_chosen_keeps_to_the_rules_whatever_sources_say(
    numbers: list[int], known: int | None, confirm: int
) -> None:
    sources = [source(f"s{n}", str(Decimal(value).scaleb(-4))) for n, value in enumerate(numbers)]
    view = VIEW._replace(fresh_value=known)
    choice = choose_now(*sources, view=view, setting=FeedSetting(confirm=confirm)).choice
    if choice is not None:
        assert VIEW.least <= choice.value <= VIEW.greatest
        assert choice.value in numbers
        if choice.sources == 1 and confirm > 1 and known is not None:
            assert not is_outlier(choice.value, known, VIEW.outlier_ppm)
