"""Each round is answered once, at its start or a moment later, all feeds together."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.choice import Choice
from apps.gateway.feeds import FeedState
from apps.gateway.rounds import GRACE_MS, PHASE_MAX_MS, Answer, compute_phase, plan_answers
from tests.support.gateway import KEY, NOW_MS, ROUND, VIEW

OTHER = "weather/temperature"
SLOW = VIEW._replace(feed=3, key=OTHER, heartbeat_ms=60_000, fresh_ms=900_000, usable_ms=900_000)
PHASE_MS = 1_000


def feed(answered: int = ROUND - 1, value: int | None = 47_500) -> FeedState:
    return FeedState(VIEW, answered, value)


def plan(
    feeds: Mapping[str, FeedState],
    value: int = 47_500,
    into_ms: int = 0,
    ready: tuple[str, ...] = (KEY, OTHER),
) -> tuple[Answer, ...]:
    choices = {key: Choice(value, NOW_MS, 1) for key in ready if key in feeds}
    return plan_answers(feeds, choices, NOW_MS + into_ms, PHASE_MS)


def test_a_value_that_stands_still_is_answered_at_the_providers_own_moment() -> None:
    assert plan({KEY: feed()}, into_ms=PHASE_MS - 1) == ()
    assert plan({KEY: feed()}, into_ms=PHASE_MS) == (Answer(0, KEY, 47_500, NOW_MS),)


@pytest.mark.parametrize(
    ("value", "is_moved"), [(47_500, False), (47_737, False), (47_738, True), (47_262, True)]
)
def test_a_value_that_has_moved_by_more_than_the_deviation_is_answered_at_once(
    value: int, *, is_moved: bool
) -> None:
    assert bool(plan({KEY: feed()}, value)) is is_moved


def test_the_first_answer_ever_waits_for_nothing() -> None:
    assert plan({KEY: feed(-1, None)})


def test_a_round_that_is_answered_is_left_alone() -> None:
    assert plan({KEY: feed(ROUND)}, 99_999, into_ms=9_999) == ()
    assert plan({KEY: feed(ROUND)}, 99_999, into_ms=10_000)


def test_a_paused_feed_is_left_alone() -> None:
    assert plan({KEY: FeedState(VIEW._replace(is_paused=True))}, into_ms=5_000) == ()


def test_feeds_that_are_due_go_together_and_one_that_is_not_does_not() -> None:
    slow = FeedState(SLOW, SLOW.round_at(NOW_MS) - 1, 47_500)
    assert [one.feed for one in plan({KEY: feed(), OTHER: slow}, into_ms=PHASE_MS)] == [0, 3]
    slow.note_answer(47_500, NOW_MS)
    assert [one.feed for one in plan({KEY: feed(), OTHER: slow}, into_ms=PHASE_MS)] == [0]


def test_for_a_feed_that_lacks_a_reading_the_others_wait_a_little() -> None:
    feeds = {KEY: feed(), OTHER: FeedState(VIEW._replace(feed=1, key=OTHER), ROUND - 1, 1)}
    assert plan(feeds, into_ms=GRACE_MS - 1, ready=(KEY,)) == ()
    assert [one.feed for one in plan(feeds, into_ms=GRACE_MS, ready=(KEY,))] == [0]


def test_for_a_feed_that_was_not_answered_before_either_nobody_waits() -> None:
    feeds = {KEY: feed(), OTHER: FeedState(VIEW._replace(feed=1, key=OTHER), ROUND - 2, 1)}
    assert [one.feed for one in plan(feeds, into_ms=PHASE_MS, ready=(KEY,))] == [0]


def test_after_refusals_a_feed_is_left_alone_for_twice_as_many_rounds_each_time() -> None:
    state = feed(ROUND - 1)
    held = []
    for _ in range(7):
        state.note_refusal(NOW_MS, 32)
        held.append(state.held_round - ROUND)
    assert held == [1, 2, 4, 8, 16, 32, 32]
    assert not state.is_open(NOW_MS + 319_999)
    assert state.is_open(NOW_MS + 320_000)
    state.note_answer(1, NOW_MS + 320_000)
    assert state.refusals == 0


def test_providers_answer_at_moments_of_their_own() -> None:
    phases = {compute_phase(bytes([n]) * 32) for n in range(64)}
    assert len(phases) > 32
    assert all(0 <= phase < PHASE_MAX_MS for phase in phases)


@given(
    st.lists(st.tuples(st.integers(1, 2_500), st.integers(0, 4), st.integers(0, 2**20)), max_size=80),
    st.integers(0, PHASE_MAX_MS - 1),
)
def test_no_round_gets_two_answers_however_late_they_come_in(
    blocks: list[tuple[int, int, int]], phase_ms: int
) -> None:
    """Blocks come at any distance; an answer lands some blocks later, as on a busy chain or after a crash."""
    state = FeedState(VIEW)
    answered: list[int] = []
    waiting: tuple[int, int] | None = None
    chain_ms = NOW_MS
    for step_ms, delay, value in blocks:
        chain_ms += step_ms
        if waiting is not None:
            left, sent = waiting
            waiting = (left - 1, sent)
            if left == 0:
                answered.append(VIEW.round_at(chain_ms))
                state.note_answer(sent, chain_ms)
                waiting = None
        if waiting is None:
            choice = Choice(value, chain_ms, 1)
            if plan_answers({KEY: state}, {KEY: choice}, chain_ms, phase_ms):
                waiting = (delay, value)
    assert len(set(answered)) == len(answered)


def test_with_a_block_each_second_no_round_is_missed() -> None:
    state = FeedState(VIEW)
    answered: list[int] = []
    for second in range(600):
        chain_ms = NOW_MS + second * 1_000
        if plan_answers({KEY: state}, {KEY: Choice(5, chain_ms, 1)}, chain_ms, PHASE_MAX_MS - 1):
            state.note_answer(5, chain_ms + 1_000)
            answered.append(VIEW.round_at(chain_ms + 1_000))
    assert answered == list(range(ROUND, ROUND + 60))
