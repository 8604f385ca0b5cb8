"""Rounds: when a feed gets a value, how long it is fresh, and what a round costs whom."""

import pytest
from msgspec import structs

from pallets.oracle import events
from pallets.oracle.track_record import Outcome, count_strikes
from pallets.oracle.types import (
    HISTORY_ROUNDS,
    STRIKES_REMOVE,
    STRIKES_SLASH,
    Answer,
    Fault,
    GenesisFeed,
    RoundValue,
)
from pallets.token.balances_types import LockReasons
from runtime.frame.dispatch import ROOT
from runtime.frame.feeds import Fresh, Insufficient, Stale
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE
from tests.support.oracle import (
    BOND,
    ENDOWMENT,
    LOAD,
    LOAD_KEY,
    PRICE,
    PRICE_KEY,
    PROVIDERS,
    RULES,
    TREASURY,
    Panel,
    oracle_chain,
)

HONEST = {ALICE: 45_000, BOB: 45_100, CHARLIE: 45_200}


def strikes(panel: Panel, who: AccountId, feed: int = PRICE) -> int:
    record = panel.oracle.strikes.get(feed, who)
    return 0 if record is None else count_strikes(record)


def play(panel: Panel, rounds: int, *, feeds: tuple[int, ...] = (PRICE,), dave: int | None = None) -> None:
    """Let three honest providers answer for some rounds, and Dave with a value, or not at all."""
    for _ in range(rounds):
        values = HONEST if dave is None else {**HONEST, DAVE: dave}
        for feed in feeds:
            panel.answer(values, feed)
        panel.next_round()


def bond(panel: Panel, who: AccountId) -> int:
    return panel.oracle.store.get_provider(who).bond


# --- values


def test_quorum_gives_a_value_at_the_end_of_the_block(panel: Panel) -> None:
    panel.answer({ALICE: 45_000, BOB: 46_000})
    assert not panel.closing_events()
    assert panel.oracle.get(PRICE_KEY) == Insufficient()
    panel.answer({CHARLIE: 47_000}, age_ms=1)
    measured, round_number = panel.now_ms - 1_000, panel.round
    assert panel.oracle.get(PRICE_KEY) == Insufficient()
    assert panel.closing_events() == [events.Aggregated(PRICE, round_number, 46_000, 3, 2_000)]
    assert panel.oracle.get(PRICE_KEY) == Fresh(46_000, measured, 2_000, 3)


def test_every_later_answer_of_the_round_counts_too(panel: Panel) -> None:
    first = panel.agree(45_000, 45_010, 45_020)
    assert (first.value, first.count) == (45_010, 3)
    panel.answer({DAVE: 45_030})
    panel.chain.next_block()
    second = panel.oracle.value.get(PRICE)
    assert second is not None
    assert (second.value, second.count, second.spread) == (45_020, 4, 30)
    assert (second.first_ms, second.last_ms) == (first.first_ms, first.first_ms + 1_000)


def test_answers_of_a_round_do_not_count_in_the_next(panel: Panel) -> None:
    panel.answer({ALICE: 45_000, BOB: 45_000})
    panel.next_round()
    panel.answer({CHARLIE: 45_000})
    panel.chain.next_block()
    assert panel.oracle.get(PRICE_KEY) == Insufficient()


def test_answer_counts_when_measured_up_to_the_fresh_age_before_its_round_began(panel: Panel) -> None:
    panel.answer({ALICE: 1, BOB: 1})
    panel.answer({CHARLIE: 1}, age_ms=RULES.fresh_ms + 1)
    panel.chain.next_block()
    assert panel.oracle.get(PRICE_KEY) == Insufficient()
    panel.answer({DAVE: 1}, age_ms=RULES.fresh_ms + 1_000)
    panel.chain.next_block()
    found = panel.oracle.value.get(PRICE)
    assert found is not None
    assert found.count == 3


def test_whether_an_answer_counts_does_not_depend_on_when_the_others_come(panel: Panel) -> None:
    panel.answer({ALICE: 1}, age_ms=RULES.fresh_ms)
    panel.answer({BOB: 1})
    panel.chain.next_block(9)
    panel.answer({CHARLIE: 1})
    panel.chain.next_block()
    found = panel.oracle.value.get(PRICE)
    assert found is not None
    assert found.count == 3


def test_one_old_answer_does_not_make_the_value_old(panel: Panel) -> None:
    panel.answer({ALICE: 1, BOB: 1})
    panel.answer({CHARLIE: 1}, age_ms=RULES.fresh_ms)
    now_ms = panel.now_ms
    panel.chain.next_block()
    found = panel.oracle.value.get(PRICE)
    assert found is not None
    assert (found.oldest_ms, found.measured_ms) == (now_ms - RULES.fresh_ms, now_ms)
    assert isinstance(panel.oracle.get(PRICE_KEY), Fresh)


def test_one_old_answer_does_not_make_the_value_stale_earlier(panel: Panel) -> None:
    panel.answer({ALICE: 1, BOB: 1})
    panel.answer({CHARLIE: 1}, age_ms=RULES.fresh_ms)
    panel.chain.next_block(RULES.fresh_ms // 1_000)
    assert [entry.feed for entry in panel.oracle.stale_queue.get()] == [PRICE]


def test_answers_that_do_not_count_do_not_age_the_value() -> None:
    panel = Panel(oracle_chain(providers=(*PROVIDERS, EVE), others=()))
    panel.next_round()
    for age_ms, who in enumerate((ALICE, BOB, CHARLIE)):
        panel.answer({who: 1}, age_ms=age_ms)
    panel.answer({DAVE: 1, EVE: 1}, age_ms=RULES.fresh_ms + 1)
    now_ms = panel.now_ms
    panel.chain.next_block()
    found = panel.oracle.value.get(PRICE)
    assert found is not None
    assert (found.count, found.measured_ms, found.oldest_ms) == (3, now_ms - 1, now_ms - 2)
    panel.chain.close_block()


def test_feeds_have_values_of_their_own(panel: Panel) -> None:
    panel.answer(HONEST)
    panel.answer(dict.fromkeys(HONEST, 15_420), LOAD)
    panel.chain.next_block()
    assert [panel.oracle.get(key).value for key in (PRICE_KEY, LOAD_KEY)] == [45_100, 15_420]  # type: ignore[union-attr]  # fresh
    assert panel.oracle.get(b"no such feed") == Insufficient()


def test_value_is_fresh_then_stale_then_gone(panel: Panel) -> None:
    found = panel.agree(45_000, 45_000, 45_000)
    seconds_fresh, seconds_usable = RULES.fresh_ms // 1_000, RULES.usable_ms // 1_000
    panel.chain.next_block(seconds_fresh - 1)
    assert panel.oracle.get(PRICE_KEY) == Fresh(45_000, found.measured_ms, 0, 3)
    panel.chain.next_block()
    assert panel.oracle.get(PRICE_KEY) == Stale(45_000, found.measured_ms, 0, 3)
    panel.chain.next_block(seconds_usable - seconds_fresh - 1)
    assert isinstance(panel.oracle.get(PRICE_KEY), Stale)
    panel.chain.next_block()
    assert panel.oracle.get(PRICE_KEY) == Insufficient()


def test_stale_value_is_told_once(panel: Panel) -> None:
    found = panel.agree(45_000, 45_000, 45_000)
    told = []
    for _ in range(40):
        panel.chain.next_block()
        age_ms = panel.now_ms - found.measured_ms
        told += [(one, age_ms) for one in panel.block_events() if isinstance(one, events.FeedStale)]
    # A block's first hook knows the time of the block before it, in which the value was already stale.
    assert told == [(events.FeedStale(PRICE, found.measured_ms), RULES.fresh_ms + 2_000)]
    assert panel.oracle.stale_queue.get() == ()


def test_value_that_is_renewed_in_time_is_never_told_to_be_stale(panel: Panel) -> None:
    for _ in range(5):
        panel.answer(HONEST)
        for _ in range(10):
            panel.chain.next_block()
            assert not [event for event in panel.block_events() if isinstance(event, events.FeedStale)]


def test_history_keeps_360_rounds(panel: Panel) -> None:
    number, oracle = panel.round, panel.oracle
    value = panel.agree(45_000, 45_000, 45_000)
    assert oracle.history.get(PRICE, number % HISTORY_ROUNDS) == value
    oracle.history.put(PRICE, number % HISTORY_ROUNDS, structs.replace(value, round=number - HISTORY_ROUNDS))
    panel.next_round()
    panel.answer(HONEST)
    panel.chain.next_block()
    assert len(dict(oracle.history.items_of(PRICE))) == 2
    assert [view.round for view in oracle.list_rounds(PRICE_KEY.decode(), None, 9)] == [number + 1]


# --- strikes


def test_silence_is_a_strike_when_the_round_is_over(panel: Panel) -> None:
    number = panel.round
    panel.answer(HONEST)
    panel.chain.next_block(9)
    assert strikes(panel, DAVE) == 0
    panel.chain.next_block()
    missed = events.AnswerMissed(PRICE, number, DAVE, Outcome.Missing)
    assert missed in panel.closing_events()
    assert [strikes(panel, who) for who in PROVIDERS] == [0, 0, 0, 1]
    assert not panel.oracle.open_round.contains(PRICE)


def test_outlier_is_a_strike_up_to_which_it_is_none(panel: Panel) -> None:
    panel.answer({ALICE: 100_000, BOB: 100_000, CHARLIE: 100_000, DAVE: 105_000})
    panel.next_round()
    panel.answer({ALICE: 100_000, BOB: 100_000, CHARLIE: 100_000, DAVE: 105_001})
    number = panel.round
    panel.next_round()
    assert strikes(panel, DAVE) == 0
    assert events.Outlier(PRICE, number, DAVE) in panel.closing_events()
    assert [strikes(panel, who) for who in PROVIDERS] == [0, 0, 0, 1]


def test_old_news_is_a_strike(panel: Panel) -> None:
    panel.answer(HONEST)
    panel.answer({DAVE: 45_000}, age_ms=RULES.fresh_ms + 1)
    number = panel.round
    panel.next_round()
    assert events.AnswerMissed(PRICE, number, DAVE, Outcome.Stale) in panel.closing_events()
    assert [strikes(panel, who) for who in PROVIDERS] == [0, 0, 0, 1]


def test_answer_after_the_value_is_in_time_while_the_round_lasts(panel: Panel) -> None:
    panel.answer(HONEST)
    panel.chain.next_block(9)
    panel.answer({DAVE: 45_000})
    panel.chain.next_block(2)
    assert strikes(panel, DAVE) == 0


def test_round_without_a_value_strikes_nobody(panel: Panel) -> None:
    for _ in range(3):
        panel.answer({ALICE: 45_000, BOB: 45_000})
        panel.next_round()
    panel.chain.next_block()
    assert not list(panel.oracle.strikes.items())


def test_value_that_a_new_range_shuts_out_is_no_strike(panel: Panel) -> None:
    panel.answer({**HONEST, DAVE: 46_000})
    panel.chain.ok(ROOT, "Oracle.set_feed", PRICE_KEY, structs.replace(RULES, greatest=45_500))
    panel.next_round()
    panel.chain.next_block()
    assert strikes(panel, DAVE) == 0
    view = panel.oracle.view_quality(DAVE)
    assert view is not None
    assert (view.validity, view.completeness) == (0, 1_000)


def test_provider_that_joined_during_a_round_is_not_expected_in_it(panel: Panel) -> None:
    panel.answer(HONEST)
    panel.chain.next_block()
    panel.chain.ok(ROOT, "Oracle.add_provider", EVE, bytes(32), bytes(32))
    panel.next_round()
    panel.answer(HONEST)
    panel.next_round()
    assert strikes(panel, EVE) == 0
    panel.chain.next_block()
    assert strikes(panel, EVE) == 1


@pytest.mark.parametrize("dave", [None, 90_000])
def test_tenth_strike_costs_a_hundredth_of_the_bond_and_the_next_ones_nothing(
    panel: Panel, dave: int | None
) -> None:
    play(panel, STRIKES_SLASH, dave=dave)
    assert bond(panel, DAVE) == BOND
    paid = panel.chain.pallets.balances.total_balance(TREASURY)
    closing = panel.closing_events()
    assert events.ProviderSlashed(DAVE, BOND // 100, Fault.Strikes) in closing
    assert panel.chain.pallets.balances.total_balance(TREASURY) == paid + BOND // 100
    assert panel.chain.pallets.balances.total_balance(DAVE) == ENDOWMENT - BOND // 100
    play(panel, STRIKES_SLASH, dave=dave)
    panel.chain.next_block()
    assert bond(panel, DAVE) == BOND - BOND // 100


def test_thirtieth_strike_costs_the_seat_and_the_rest_of_the_bond_is_free(panel: Panel) -> None:
    play(panel, STRIKES_REMOVE)
    assert panel.oracle.members.get() == tuple(sorted(PROVIDERS))
    rest = BOND - BOND // 100
    assert events.ProviderRemoved(DAVE, rest, Fault.Strikes) in panel.closing_events()
    assert panel.oracle.members.get() == tuple(sorted((ALICE, BOB, CHARLIE)))
    assert panel.chain.pallets.balances.reserved_balance(DAVE) == 0
    assert panel.chain.pallets.balances.total_balance(DAVE) == ENDOWMENT - BOND // 100
    assert not [who for (_, who), _ in panel.oracle.strikes.items() if who == DAVE]
    assert panel.oracle.view_quality(DAVE) is None
    assert panel.agree(45_000, 45_000, 45_000).count == 3


def test_strikes_are_counted_feed_by_feed(panel: Panel) -> None:
    play(panel, STRIKES_SLASH - 1, feeds=(PRICE, LOAD))
    panel.chain.next_block()
    assert [strikes(panel, DAVE, feed) for feed in (PRICE, LOAD)] == [STRIKES_SLASH - 1] * 2
    assert bond(panel, DAVE) == BOND


def test_block_removes_one_provider_for_its_strikes_and_a_later_one_the_next() -> None:
    feed = GenesisFeed(PRICE_KEY, structs.replace(RULES, quorum=2))
    panel = Panel(oracle_chain((feed,)))
    panel.next_round()
    for _ in range(STRIKES_REMOVE):
        panel.answer({ALICE: 45_000, BOB: 45_000})
        panel.next_round()
    panel.chain.next_block()
    assert len(panel.oracle.members.get()) == 3
    panel.answer({ALICE: 45_000, BOB: 45_000})
    panel.next_round()
    panel.chain.next_block()
    assert panel.oracle.members.get() == tuple(sorted((ALICE, BOB)))
    panel.chain.close_block()


def test_slash_takes_no_more_than_is_left_of_the_bond(panel: Panel) -> None:
    oracle, left = panel.oracle, BOND // 1_000
    panel.chain.pallets.balances.release(oracle.panel.reason, DAVE, BOND - left)
    oracle.provider.put(DAVE, structs.replace(oracle.store.get_provider(DAVE), bond=left))
    play(panel, STRIKES_SLASH)
    assert events.ProviderSlashed(DAVE, left, Fault.Strikes) in panel.closing_events()
    assert bond(panel, DAVE) == 0


def test_frozen_balance_cannot_be_slashed_and_stays_held(panel: Panel) -> None:
    panel.chain.pallets.balances.set_lock(b"locklock", DAVE, ENDOWMENT, LockReasons.All)
    play(panel, STRIKES_SLASH)
    assert events.ProviderSlashed(DAVE, 0, Fault.Strikes) in panel.closing_events()
    assert bond(panel, DAVE) == BOND


# --- quality


def test_quality_of_a_provider_is_over_all_feeds(panel: Panel) -> None:
    play(panel, 2, feeds=(PRICE, LOAD))
    panel.answer({**HONEST, DAVE: 45_000})
    panel.answer({**HONEST, DAVE: 90_000}, LOAD)
    panel.next_round()
    panel.chain.next_block()
    view = panel.oracle.view_quality(DAVE)
    assert view is not None
    assert (view.validity, view.accuracy, view.timeliness, view.completeness) == (1_000, 500, 1_000, 333)
    assert (view.score, view.expected) == ((1_000 + 500 + 1_000 + 333) // 4, 6)
    assert [(one.feed, one.strikes) for one in view.strikes] == [(PRICE, 2), (LOAD, 3)]


def test_quality_is_told_when_it_moves_by_a_hundredth(panel: Panel) -> None:
    play(panel, 1)
    told = [event for event in panel.closing_events() if isinstance(event, events.QualityUpdated)]
    assert [(one.provider, one.score_permille) for one in told] == [
        (who, 1_000) for who in sorted((ALICE, BOB, CHARLIE))
    ]
    play(panel, 1, dave=45_000)
    told = [event for event in panel.closing_events() if isinstance(event, events.QualityUpdated)]
    assert told == [events.QualityUpdated(DAVE, 875, 2)]
    play(panel, 1, dave=45_000)
    told = [event for event in panel.closing_events() if isinstance(event, events.QualityUpdated)]
    assert told == [events.QualityUpdated(DAVE, (3_000 + 666) // 4, 3)]


def test_quality_that_moves_by_less_is_not_told(panel: Panel) -> None:
    play(panel, 30, dave=45_000)
    assert not panel.closing_events()
    play(panel, 1)
    told = [event for event in panel.closing_events() if isinstance(event, events.QualityUpdated)]
    assert told == []
    play(panel, 1)
    told = [event for event in panel.closing_events() if isinstance(event, events.QualityUpdated)]
    assert told == [events.QualityUpdated(DAVE, (3_000 + 937) // 4, 32)]


def test_paused_feed_has_no_value_and_its_round_strikes_nobody(panel: Panel) -> None:
    panel.agree(45_000, 45_000, 45_000)
    panel.chain.ok(ROOT, "Oracle.pause_feed", PRICE)
    assert panel.oracle.get(PRICE_KEY) == Insufficient()
    panel.next_round()
    panel.chain.next_block(20)
    assert strikes(panel, DAVE) == 0
    panel.chain.ok(ROOT, "Oracle.resume_feed", PRICE)
    assert panel.oracle.get(PRICE_KEY) == Insufficient()
    panel.agree(46_000, 46_000, 46_000)
    assert isinstance(panel.oracle.get(PRICE_KEY), Fresh)


def test_feed_that_is_paused_in_the_block_of_its_answers_gets_no_value(panel: Panel) -> None:
    panel.answer(HONEST)
    panel.chain.ok(ROOT, "Oracle.pause_feed", PRICE)
    assert panel.closing_events() == []
    assert panel.oracle.value.get(PRICE) is None


def test_chain_that_stood_still_goes_on_with_the_round_of_its_time(panel: Panel) -> None:
    panel.answer(HONEST)
    panel.chain.close_block()
    panel.chain.number += 10_000
    panel.chain.open_block()
    panel.answer(HONEST)
    panel.chain.next_block()
    assert strikes(panel, DAVE) == 1
    found = panel.oracle.value.get(PRICE)
    assert isinstance(found, RoundValue)
    assert found.round == panel.round


def test_answer_of_the_last_block_of_a_round_counts_in_it(panel: Panel) -> None:
    panel.chain.next_block(9)
    number = panel.round
    panel.answer({**HONEST, DAVE: 45_000})
    panel.chain.next_block()
    assert panel.round == number + 1
    panel.chain.ok(DAVE, "Oracle.submit", (Answer(PRICE, 90_000, panel.now_ms),))
    panel.chain.next_block()
    assert [strikes(panel, who) for who in PROVIDERS] == [0, 0, 0, 0]
