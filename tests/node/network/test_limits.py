"""Rates and scores: Substrate's numbers, and exactness at the limits."""

from hypothesis import given
from hypothesis import strategies as st

from node.network.errors import SCORE_MAX, SCORE_MIN, Penalty
from node.network.limits import (
    BANNED_BELOW,
    MINUTE_MS,
    Allowance,
    TokenBucket,
    add_score,
    decay_score,
    is_banned,
)
from node.network.messages import RULES, Kind


def test_a_minutes_worth_may_come_at_once_and_no_more() -> None:
    bucket = TokenBucket(3, 0)
    assert [bucket.take(1, 0) for _ in range(4)] == [True, True, True, False]


def test_tokens_come_back_with_time() -> None:
    bucket = TokenBucket(3, 0)
    assert bucket.take(3, 0)
    assert not bucket.take(1, MINUTE_MS // 3 - 1)
    assert bucket.take(1, MINUTE_MS // 3)
    assert not bucket.take(1, MINUTE_MS // 3)


def test_unused_tokens_do_not_pile_up() -> None:
    bucket = TokenBucket(3, 0)
    assert not bucket.take(4, 100 * MINUTE_MS)
    assert bucket.take(3, 100 * MINUTE_MS)
    assert not bucket.take(1, 100 * MINUTE_MS)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1, MINUTE_MS)
    assert bucket.take(1, MINUTE_MS)
    assert not bucket.take(1, 0)
    assert not bucket.take(1, MINUTE_MS - 1)


@given(st.integers(1, 1000), st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 50)), max_size=50))
def test_a_bucket_never_gives_more_than_its_rate(rate: int, steps: list[tuple[int, int]]) -> None:
    bucket = TokenBucket(rate, 0)
    now_ms, taken = 0, 0
    for passed, amount in steps:
        now_ms += passed
        if bucket.take(amount, now_ms):
            taken += amount
    assert taken * MINUTE_MS <= rate * (MINUTE_MS + now_ms)


def test_messages_are_counted_by_kind() -> None:
    allowance = Allowance(RULES, 0)
    limit = RULES[Kind.PING].count_per_minute
    assert all(allowance.take(Kind.PING, 1, 0) for _ in range(limit))
    assert not allowance.take(Kind.PING, 1, 0)
    assert allowance.take(Kind.PONG, 1, 0)


def test_bytes_are_counted_too() -> None:
    allowance = Allowance(RULES, 0)
    rule = RULES[Kind.TRANSACTIONS]
    times = rule.bytes_per_minute // rule.size_max
    assert times < rule.count_per_minute
    assert all(allowance.take(Kind.TRANSACTIONS, rule.size_max, 0) for _ in range(times))
    assert not allowance.take(Kind.TRANSACTIONS, rule.size_max, 0)


def test_scores_are_substrates() -> None:
    assert BANNED_BELOW == -1_524_713_356
    assert is_banned(BANNED_BELOW - 1)
    assert not is_banned(BANNED_BELOW)
    assert Penalty.WRONG_GENESIS.change == SCORE_MIN == -(2**31)
    assert Penalty.BAD_BLOCK.change == -(2**29)
    assert Penalty.TIMEOUT.change == -(2**10)


def test_a_score_decays_as_substrates_does() -> None:
    """The numbers in the documentation of `INVERSE_DECREMENT` there."""
    assert decay_score(SCORE_MIN, 3544) == 0
    assert decay_score(SCORE_MIN, 3543) != 0
    assert decay_score(SCORE_MAX, 3544) == 0
    assert decay_score(SCORE_MAX, 3543) != 0
    assert is_banned(decay_score(SCORE_MIN, 68))
    assert not is_banned(decay_score(SCORE_MIN, 69))
    assert abs(decay_score(SCORE_MIN, 139)) <= 2**30 <= abs(decay_score(SCORE_MIN, 138))


@given(st.integers(SCORE_MIN, SCORE_MAX), st.integers(0, 300), st.integers(0, 300))
def test_decay_goes_to_zero_and_may_be_taken_in_parts(score: int, first: int, second: int) -> None:
    decayed = decay_score(score, first)
    assert abs(decayed) <= abs(score)
    assert decayed * score >= 0
    assert decay_score(decayed, second) == decay_score(score, first + second)


@given(st.integers(SCORE_MIN, SCORE_MAX), st.sampled_from(Penalty))
def test_scores_stay_in_the_range_of_i32(score: int, penalty: Penalty) -> None:
    assert SCORE_MIN <= add_score(score, penalty.change) <= SCORE_MAX


def test_penalties_with_one_number_are_different_penalties() -> None:
    assert len(Penalty) == 12
    assert len({penalty.reason for penalty in Penalty}) == len(Penalty)
    assert add_score(SCORE_MIN, -1) == SCORE_MIN
    assert add_score(SCORE_MAX, 1) == SCORE_MAX


def test_a_flood_is_a_ban_after_23_messages() -> None:
    score, count = 0, 0
    while not is_banned(score):
        score = add_score(score, Penalty.FLOOD.change)
        count += 1
    assert count == 23
