"""The pool keeps nonce order, replaces only for more, and forgets what the chain has."""

import pytest

from node.pool.errors import (
    AlreadyImported,
    CycleDetected,
    FutureRejected,
    NoTagsProvided,
    TemporarilyBanned,
    TooLowPriority,
)
from node.pool.pool import Pool
from node.pool.transaction import PRIORITY_MAX, Changes, PoolLimits, Status
from node.pool.watch import Dropped, Finalized, Future, InBlock, Invalid, Ready, Retracted, Usurped
from tests.node.pool.building import (
    ALICE,
    BOB,
    CHARLIE,
    check_invariants,
    names,
    tag,
    tagged,
    transaction,
)

BLOCK_1 = b"1" * 32
BLOCK_2 = b"2" * 32


def make_chain(count: int, account: bytes = ALICE) -> Pool:
    pool = Pool()
    for nonce in range(count):
        pool.submit(transaction(account, nonce), 0)
    return pool


def test_first_nonce_is_ready() -> None:
    pool = Pool()
    outcome = pool.submit(transaction(), 0)
    assert outcome.status is Status.READY
    assert outcome.changes == Changes()
    assert names(pool.ready()) == [b"A0 tip 0 size 100"]


def test_nonce_gap_waits_and_is_promoted_in_order() -> None:
    pool = Pool()
    assert pool.submit(transaction(nonce=2), 0).status is Status.FUTURE
    assert pool.submit(transaction(nonce=1), 0).status is Status.FUTURE
    assert pool.take(10) == []
    outcome = pool.submit(transaction(nonce=0), 0)
    assert outcome.changes.promoted == (transaction(nonce=1).hash, transaction(nonce=2).hash)
    assert [tx.provides[0] for tx in pool.take(10)] == [tag(ALICE, nonce) for nonce in range(3)]
    check_invariants(pool)


def test_promotion_of_a_chain_as_long_as_the_pool_needs_no_recursion() -> None:
    limits = PoolLimits(ready_count=5000, future_count=5000, future_bytes=1 << 30, per_sender=5000)
    pool = Pool(limits)
    for nonce in range(4999, 0, -1):
        pool.submit(transaction(nonce=nonce), 0)
    outcome = pool.submit(transaction(nonce=0), 0)
    assert len(outcome.changes.promoted) == 4999
    changes = pool.remove_invalid([transaction(nonce=0).hash], 0)
    assert len(changes.demoted) == 4999
    check_invariants(pool)


def test_order_is_by_priority_then_arrival() -> None:
    pool = Pool()
    for account, tip in ((ALICE, 1), (BOB, 5), (CHARLIE, 1), (b"D" * 32, PRIORITY_MAX)):
        pool.submit(transaction(account, tip=tip), 0)
    assert [tx.hash[:1] for tx in pool.ready()] == [b"D", b"B", b"A", b"C"]
    assert [tx.hash[:1] for tx in pool.take(10)] == [b"D", b"B", b"A", b"C"]


def test_high_tip_does_not_overtake_its_own_predecessor() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=0, tip=1), 0)
    pool.submit(transaction(nonce=1, tip=100), 0)
    pool.submit(transaction(BOB, tip=50), 0)
    expected = [b"B0 tip 50 size 100", b"A0 tip 1 size 100", b"A1 tip 100 size 100"]
    assert names(pool.ready()) == expected
    assert names(pool.take(1)) + names(pool.take(1)) + names(pool.take(1)) == expected


def test_same_nonce_needs_a_higher_tip() -> None:
    pool = Pool()
    pool.submit(transaction(tip=5), 0)
    for tip in (4, 5):
        with pytest.raises(TooLowPriority) as caught:
            pool.submit(transaction(tip=tip, size=99), 0)
        assert (caught.value.code, caught.value.old, caught.value.new) == (1014, 5, tip)
        assert caught.value.message == f"Priority is too low: (5 vs {tip})"
    assert len(pool) == 1
    outcome = pool.submit(transaction(tip=6), 0)
    assert outcome.changes.usurped == (transaction(tip=5).hash,)
    assert names(pool.ready()) == [b"A0 tip 6 size 100"]
    check_invariants(pool)


def test_same_waiting_nonce_needs_a_higher_tip() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=3, tip=5), 0)
    with pytest.raises(TooLowPriority):
        pool.submit(transaction(nonce=3, tip=5, size=99), 0)
    outcome = pool.submit(transaction(nonce=3, tip=6), 0)
    assert outcome.status is Status.FUTURE
    assert outcome.changes.usurped == (transaction(nonce=3, tip=5).hash,)
    check_invariants(pool)


def test_replacement_must_outbid_all_that_it_replaces_together() -> None:
    pool = Pool()
    pool.submit(tagged(b"x", provides=(b"x",), tip=3), 0)
    pool.submit(tagged(b"y", provides=(b"y",), tip=4), 0)
    with pytest.raises(TooLowPriority) as caught:
        pool.submit(tagged(b"xy", provides=(b"x", b"y"), tip=7), 0)
    assert caught.value.old == 7
    pool.submit(tagged(b"xy", provides=(b"x", b"y"), tip=8), 0)
    assert names(pool.ready()) == [b"xy"]
    check_invariants(pool)


def test_replacement_keeps_the_followers_of_the_same_tag() -> None:
    pool = make_chain(3)
    pool.submit(transaction(nonce=1, tip=9), 0)
    assert [tx.provides[0][-4:] for tx in pool.ready()] == [n.to_bytes(4, "little") for n in range(3)]
    check_invariants(pool)


def test_followers_of_a_tag_that_the_replacement_lacks_wait() -> None:
    pool = Pool()
    pool.submit(tagged(b"old", provides=(b"x", b"y")), 0)
    pool.submit(tagged(b"follower", provides=(b"z",), requires=(b"y",)), 0)
    outcome = pool.submit(tagged(b"new", provides=(b"x",), tip=1), 0)
    assert [one.rstrip(b".") for one in outcome.changes.demoted] == [b"follower"]
    assert names(pool.future()) == [b"follower"]
    check_invariants(pool)


def test_transaction_in_the_open_block_is_not_replaced() -> None:
    pool = make_chain(1)
    pool.take(1)
    with pytest.raises(TooLowPriority) as caught:
        pool.submit(transaction(tip=1000), 0)
    assert caught.value.old == PRIORITY_MAX


def test_replacing_what_one_depends_on_is_a_cycle() -> None:
    pool = Pool()
    pool.submit(tagged(b"first", provides=(b"x",)), 0)
    pool.submit(tagged(b"second", provides=(b"y",), requires=(b"x",)), 0)
    with pytest.raises(CycleDetected) as caught:
        pool.submit(tagged(b"third", provides=(b"x", b"z"), requires=(b"y",), tip=9), 0)
    assert (caught.value.code, caught.value.message, caught.value.data) == (1015, "Cycle Detected", None)
    check_invariants(pool)


def test_waiting_transaction_never_replaces_what_it_waits_for() -> None:
    pool = Pool()
    pool.submit(tagged(b"waiting", provides=(b"x", b"y"), requires=(b"z",), tip=9), 0)
    outcome = pool.submit(tagged(b"comes", provides=(b"x", b"z")), 0)
    assert [one.rstrip(b".") for one in outcome.changes.usurped] == [b"waiting"]
    assert names(pool.ready()) == [b"comes"]
    check_invariants(pool)


def test_promoted_transaction_competes_for_its_tag() -> None:
    for tip, winner in ((1, b"ready"), (3, b"waiting")):
        pool = Pool()
        pool.submit(tagged(b"waiting", provides=(b"x",), requires=(b"z",), tip=tip), 0)
        pool.submit(tagged(b"ready", provides=(b"x",), tip=2), 0)
        pool.submit(tagged(b"z", provides=(b"z",)), 0)
        assert winner in names(pool.ready())
        assert len(pool) == 2
        check_invariants(pool)


def test_waiting_transaction_may_not_undercut_a_ready_one() -> None:
    pool = Pool()
    pool.submit(tagged(b"ready", provides=(b"x",), tip=2), 0)
    with pytest.raises(TooLowPriority):
        pool.submit(tagged(b"waiting", provides=(b"x",), requires=(b"z",), tip=2), 0)


def test_duplicate_is_refused_wherever_the_first_is() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=0), 0)
    pool.submit(transaction(nonce=2), 0)
    pool.take(1)
    for nonce in (0, 2):
        with pytest.raises(AlreadyImported) as caught:
            pool.submit(transaction(nonce=nonce), 0)
        assert caught.value.code == 1013
        assert caught.value.message == "Transaction Already Imported"
        assert caught.value.data == "0x" + transaction(nonce=nonce).hash.hex()


def test_transaction_without_tags_is_refused() -> None:
    with pytest.raises(NoTagsProvided) as caught:
        Pool().submit(tagged(b"none", provides=()), 0)
    assert caught.value.code == 1019


def test_pool_that_takes_no_future_refuses_it() -> None:
    pool = Pool(PoolLimits(accepts_future=False))
    pool.submit(transaction(nonce=0), 0)
    with pytest.raises(FutureRejected) as caught:
        pool.submit(transaction(nonce=2), 0)
    assert caught.value.code == 1021


def test_taken_transactions_stay_until_included_and_unlock_their_followers() -> None:
    pool = make_chain(3)
    assert len(pool.take(2)) == 2
    assert pool.status.taken == 2
    assert len(pool) == 3
    assert names(pool.ready()) == [b"A2 tip 0 size 100"]
    assert len(pool.taken()) == 2
    check_invariants(pool)


def test_untaken_transaction_goes_first_again_and_blocks_its_followers() -> None:
    pool = make_chain(3)
    first = pool.take(1)[0]
    check_invariants(pool)
    pool.untake([first.hash])
    check_invariants(pool)
    assert names(pool.ready())[0] == first.hash.rstrip(b".")
    assert len(pool.take(10)) == 3


def test_restore_gives_back_the_whole_open_block() -> None:
    pool = make_chain(4)
    before = pool.ready()
    pool.take(3)
    pool.restore()
    assert pool.ready() == before
    assert pool.status.taken == 0
    check_invariants(pool)


def test_follower_taken_after_an_invalid_one_waits_when_given_back() -> None:
    pool = make_chain(3)
    taken = pool.take(2)
    changes = pool.remove_invalid([taken[0].hash], 0)
    assert changes.demoted == ()
    assert pool.status.taken == 1
    check_invariants(pool)
    changes = pool.untake([taken[1].hash])
    assert changes.demoted == (taken[1].hash, transaction(nonce=2).hash)
    assert pool.ready() == []
    check_invariants(pool)


def test_included_transactions_leave_and_their_tags_count_as_satisfied() -> None:
    pool = make_chain(2)
    pool.submit(transaction(nonce=3), 0)
    pool.on_block_included(BLOCK_1, 1, [tx.hash for tx in pool.take(2)])
    assert len(pool) == 1
    # Validated before the block came: it requires a tag that only the block knows.
    outcome = pool.submit(transaction(nonce=2), 0)
    assert outcome.status is Status.READY
    assert outcome.changes.promoted == (transaction(nonce=3).hash,)
    check_invariants(pool)


def test_tags_of_old_blocks_are_forgotten() -> None:
    pool = make_chain(1)
    pool.on_block_included(BLOCK_1, 1, [transaction().hash])
    pool.on_block_included(BLOCK_2, 2, [])
    assert pool.submit(transaction(nonce=1), 0).status is Status.READY
    pool.on_block_included(b"3" * 32, 3, [])
    assert pool.submit(transaction(nonce=1, account=BOB), 0).status is Status.FUTURE
    pool.remove_invalid([transaction(nonce=1).hash], 0)
    assert pool.submit(transaction(nonce=1, size=99), 0).status is Status.FUTURE
    check_invariants(pool)


def test_foreign_block_promotes_followers_and_ends_rivals() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=0), 0, watch=True)
    pool.submit(transaction(nonce=1), 0)
    pool.submit(transaction(BOB, nonce=1), 0)
    changes = pool.on_block_included(BLOCK_1, 1, [b"?" * 32], [tag(ALICE, 0), tag(BOB, 0)])
    assert changes.invalid == (transaction(nonce=0).hash,)
    assert changes.promoted == (transaction(BOB, nonce=1).hash,)
    assert pool.watchers.drain()[-1] == Invalid(transaction(nonce=0).hash)
    assert len(pool.ready()) == 2
    check_invariants(pool)


def test_foreign_block_may_include_what_waits_here() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=1), 0, watch=True)
    pool.submit(transaction(nonce=2), 0)
    waiting = transaction(nonce=1).hash
    changes = pool.on_block_included(BLOCK_1, 1, [b"?" * 32, waiting], [tag(ALICE, 0)])
    assert changes.promoted == (transaction(nonce=2).hash,)
    assert pool.watchers.drain() == [Future(waiting), InBlock(waiting, BLOCK_1, 1)]
    check_invariants(pool)


def test_retracted_transactions_come_back_in_front_of_their_followers() -> None:
    pool = make_chain(2)
    pool.take(2)
    included = [transaction(nonce=0), transaction(nonce=1)]
    pool.on_block_included(BLOCK_1, 1, [tx.hash for tx in included])
    pool.submit(transaction(nonce=2, tip=9), 0)
    pool.submit(transaction(nonce=3, tip=9), 0)
    assert pool.on_retracted(BLOCK_1, included) == []
    assert [tx.provides[0] for tx in pool.take(10)] == [tag(ALICE, nonce) for nonce in range(4)]
    check_invariants(pool)


def test_followers_wait_when_the_retracted_transaction_does_not_come_back() -> None:
    pool = make_chain(1)
    pool.on_block_included(BLOCK_1, 1, [transaction().hash])
    pool.submit(transaction(nonce=1), 0)
    pool.submit(transaction(nonce=2), 0)
    pool.on_retracted(BLOCK_1, [])
    assert pool.ready() == []
    assert len(pool.future()) == 2
    assert pool.submit(transaction(nonce=1, tip=1), 0).status is Status.FUTURE
    check_invariants(pool)


def test_retracted_transaction_that_is_refused_ends_its_watch() -> None:
    pool = make_chain(1)
    pool.take(1)
    pool.watchers.watch(transaction().hash)
    pool.on_block_included(BLOCK_1, 1, [transaction().hash])
    refused = pool.on_retracted(BLOCK_1, [tagged(b"A0 tip 0 size 100", provides=())])
    assert [type(error) for _, error in refused] == [NoTagsProvided]
    assert pool.watchers.drain()[-1] == Dropped(transaction().hash)
    check_invariants(pool)


def test_retracted_transaction_loses_against_a_better_paying_one() -> None:
    pool = make_chain(1)
    pool.on_block_included(BLOCK_1, 1, [transaction().hash])
    pool.submit(transaction(tip=5), 0)
    refused = pool.on_retracted(BLOCK_1, [transaction()])
    assert [type(error) for _, error in refused] == [TooLowPriority]
    check_invariants(pool)


def test_expiry_is_at_the_last_block_of_the_longevity() -> None:
    pool = Pool(best_number=10)
    pool.submit(transaction(longevity=5), 0)
    pool.submit(transaction(nonce=1), 0)
    assert pool.expire(14, 0) == Changes()
    changes = pool.expire(15, 0)
    assert changes.invalid == (transaction().hash,)
    assert changes.demoted == (transaction(nonce=1).hash,)
    with pytest.raises(TemporarilyBanned):
        pool.submit(transaction(longevity=5), 0)
    check_invariants(pool)


def test_open_block_does_not_expire() -> None:
    pool = Pool()
    pool.submit(transaction(longevity=1), 0)
    pool.take(1)
    assert pool.expire(5, 0) == Changes()
    pool.restore()
    assert pool.expire(6, 0).invalid == (transaction().hash,)


def test_invalid_transaction_is_banned_for_the_ban_time() -> None:
    pool = make_chain(1)
    pool.remove_invalid([transaction().hash], 1000)
    with pytest.raises(TemporarilyBanned) as caught:
        pool.submit(transaction(), 1000 + 1_800_000 - 1)
    assert (caught.value.code, caught.value.message) == (1012, "Transaction is temporarily banned")
    assert pool.submit(transaction(), 1000 + 1_800_000).status is Status.READY


def test_hash_can_be_banned_before_it_was_pooled() -> None:
    pool = Pool()
    pool.remove_invalid([transaction().hash], 0)
    with pytest.raises(TemporarilyBanned):
        pool.check(transaction().hash, 100, 1)


def test_revalidation_moves_between_the_queues_and_keeps_the_place() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=5, chain_nonce=5), 0)
    pool.submit(transaction(BOB), 0)
    outcome = pool.revalidate(transaction(nonce=5, chain_nonce=4))
    assert outcome is not None
    assert outcome.status is Status.FUTURE
    check_invariants(pool)
    outcome = pool.revalidate(transaction(nonce=5, chain_nonce=5))
    assert outcome is not None
    assert outcome.status is Status.READY
    assert [tx.hash[:1] for tx in pool.ready()] == [b"A", b"B"]
    assert pool.revalidate(transaction(CHARLIE)) is None
    pool.take(1)
    assert pool.revalidate(transaction(nonce=5, chain_nonce=5)) is None
    check_invariants(pool)


def test_revalidation_that_no_longer_fits_removes() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=0), 0, watch=True)
    pool.submit(transaction(nonce=1), 0)
    pool.submit(tagged(b"other", provides=(b"other",), tip=5), 0)
    with pytest.raises(TooLowPriority):
        pool.revalidate(tagged(b"A0 tip 0 size 100", provides=(b"other",), sender=ALICE))
    assert pool.watchers.drain()[-1] == Dropped(transaction().hash)
    assert names(pool.future()) == [b"A1 tip 0 size 100"]
    check_invariants(pool)


def test_next_index_skips_ready_and_open_nonces_only() -> None:
    pool = make_chain(3)
    pool.submit(transaction(nonce=5), 0)
    assert pool.next_index(ALICE, 0) == 3
    pool.take(2)
    assert pool.next_index(ALICE, 0) == 3
    assert pool.next_index(ALICE, 7) == 7
    assert pool.next_index(BOB, 4) == 4
    pool.submit(transaction(nonce=3), 0)
    pool.submit(transaction(nonce=4), 0)
    assert pool.next_index(ALICE, 0) == 6


def test_next_index_ends_at_the_last_nonce() -> None:
    pool = Pool()
    pool.submit(transaction(nonce=2**32 - 1, chain_nonce=2**32 - 1), 0)
    assert pool.next_index(ALICE, 2**32 - 1) == 2**32


def test_watched_life_of_a_transaction() -> None:
    pool = Pool()
    one = transaction(nonce=1)
    pool.submit(one, 0, watch=True)
    pool.submit(transaction(nonce=0), 0)
    pool.take(2)
    pool.on_block_included(BLOCK_1, 1, [b"inherent".ljust(32), transaction(nonce=0).hash, one.hash])
    pool.on_retracted(BLOCK_1, [transaction(nonce=0), one])
    pool.on_block_included(BLOCK_2, 1, [transaction(nonce=0).hash, one.hash])
    pool.on_finalized(BLOCK_2)
    assert pool.watchers.drain() == [
        Future(one.hash),
        Ready(one.hash),
        InBlock(one.hash, BLOCK_1, 2),
        Retracted(one.hash, BLOCK_1),
        Ready(one.hash),
        InBlock(one.hash, BLOCK_2, 1),
        Finalized(one.hash, BLOCK_2, 1),
    ]
    assert pool.watchers.drain() == []
    assert len(pool.watchers) == 0


def test_usurped_watcher_learns_by_whom() -> None:
    pool = Pool()
    pool.submit(transaction(), 0, watch=True)
    pool.submit(transaction(tip=1), 0, watch=True)
    assert pool.watchers.drain() == [
        Ready(transaction().hash),
        Usurped(transaction().hash, transaction(tip=1).hash),
        Ready(transaction(tip=1).hash),
    ]


def test_refused_transaction_is_not_watched_and_does_not_end_the_first_watch() -> None:
    pool = Pool()
    pool.submit(transaction(), 0, watch=True)
    with pytest.raises(AlreadyImported):
        pool.submit(transaction(), 0, watch=True)
    with pytest.raises(TooLowPriority):
        pool.submit(transaction(size=99), 0, watch=True)
    assert len(pool.watchers) == 1


def test_watcher_of_a_transaction_that_never_came_back_hears_that_it_is_invalid() -> None:
    pool = Pool()
    pool.submit(transaction(), 0, watch=True)
    pool.on_block_included(BLOCK_1, 1, [transaction().hash])
    pool.on_retracted(BLOCK_1, [])
    pool.remove_invalid([transaction().hash], 0)
    assert pool.watchers.drain()[-2:] == [
        Retracted(transaction().hash, BLOCK_1),
        Invalid(transaction().hash),
    ]


def test_unwatched_transactions_cause_no_events() -> None:
    pool = make_chain(3)
    pool.take(1)
    pool.on_block_included(BLOCK_1, 1, [transaction().hash])
    assert pool.watchers.drain() == []


def test_heap_does_not_grow_by_replacement() -> None:
    pool = Pool()
    for tip in range(5000):
        pool.submit(transaction(tip=tip), 0)
    assert len(pool._graph._heap) <= 1026
    check_invariants(pool)
