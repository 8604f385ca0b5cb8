"""Every limit of the pool holds, at the limit and one beyond it."""

import pytest

from node.pool.bans import BanList
from node.pool.errors import ImmediatelyDropped
from node.pool.pool import Pool
from node.pool.queue import EVICTED_MAX
from node.pool.transaction import PoolLimits, Status, compute_limits
from node.pool.verified import VerifiedCache
from node.pool.watch import Dropped, FinalityTimeout, Finalized, Ready, Watchers
from tests.node.pool.building import ALICE, BOB, CHARLIE, check_invariants, names, tagged, transaction


def account(number: int) -> bytes:
    return number.to_bytes(32, "big")


def submit(pool: Pool, number: int, tip: int = 0, size: int = 100) -> bytes:
    tx = transaction(account(number), tip=tip, size=size, name=b"%d" % number)
    pool.submit(tx, 0)
    return tx.hash


def make_full(tips: list[int]) -> Pool:
    pool = Pool(PoolLimits(ready_count=len(tips)))
    for number, tip in enumerate(tips):
        submit(pool, number, tip)
    return pool


def test_default_limits_are_those_of_the_flags() -> None:
    assert compute_limits() == PoolLimits()
    assert PoolLimits().ready_count == 8192
    assert PoolLimits().future_count == 819
    assert PoolLimits().ready_bytes == 20 * 1024 * 1024
    assert PoolLimits().future_bytes == 2 * 1024 * 1024
    assert PoolLimits().ban_ms == 30 * 60 * 1000
    assert PoolLimits().ban_count == 18022
    assert compute_limits(pool_limit=5).future_count == 1


def test_full_ready_queue_refuses_what_pays_no_more() -> None:
    pool = make_full([3, 2, 2])
    with pytest.raises(ImmediatelyDropped) as caught:
        submit(pool, 9, tip=2)
    assert (caught.value.code, caught.value.message) == (1016, "Immediately Dropped")
    assert caught.value.data == "The transaction couldn't enter the pool because of the limit"
    assert (caught.value.limit, caught.value.maximum) == ("ready", 3)
    assert len(pool) == 3


def test_full_ready_queue_drops_the_newest_of_the_least_priority() -> None:
    pool = make_full([3, 2, 2, 5])
    outcome = pool.submit(transaction(account(9), tip=3, name=b"9"), 0)
    assert [one.rstrip(b".") for one in outcome.changes.dropped] == [b"2"]
    assert names(pool.ready()) == [b"3", b"0", b"9", b"1"]
    check_invariants(pool)


def test_dropped_transaction_is_not_banned() -> None:
    pool = make_full([1, 2])
    submit(pool, 9, tip=3)
    pool.on_block_included(b"b" * 32, 1, [tx.hash for tx in pool.take(2)])
    assert submit(pool, 0, tip=1) in pool


def test_dropped_transaction_takes_its_followers_along() -> None:
    pool = Pool(PoolLimits(ready_count=3))
    for nonce, tip in ((0, 1), (1, 50)):
        pool.submit(transaction(nonce=nonce, tip=tip), 0, watch=True)
    pool.submit(transaction(BOB, tip=2), 0)
    pool.watchers.drain()
    outcome = pool.submit(transaction(CHARLIE, tip=3), 0)
    assert len(outcome.changes.dropped) == 2
    assert [type(event) for event in pool.watchers.drain()] == [Dropped, Dropped]
    assert [tx.hash[:1] for tx in pool.ready()] == [b"C", b"B"]
    check_invariants(pool)


def test_newcomer_never_drops_what_it_depends_on() -> None:
    pool = Pool(PoolLimits(ready_count=2))
    pool.submit(transaction(nonce=0, tip=1), 0)
    pool.submit(transaction(BOB, tip=2), 0)
    outcome = pool.submit(transaction(nonce=1, tip=3), 0)
    assert outcome.changes.dropped == (transaction(BOB, tip=2).hash,)
    with pytest.raises(ImmediatelyDropped):
        pool.submit(transaction(nonce=2, tip=9), 0)
    assert len(pool.ready()) == 2
    check_invariants(pool)


def test_open_block_is_never_dropped() -> None:
    pool = make_full([1, 1])
    pool.take(2)
    with pytest.raises(ImmediatelyDropped):
        submit(pool, 9, tip=9)
    pool.restore()
    submit(pool, 9, tip=9)
    check_invariants(pool)


def test_replacement_in_a_full_queue_needs_no_room() -> None:
    pool = make_full([1, 1])
    pool.submit(transaction(account(0), tip=2, name=b"new"), 0)
    assert names(pool.ready()) == [b"new", b"1"]
    check_invariants(pool)


def test_ready_bytes_hold_exactly() -> None:
    pool = Pool(PoolLimits(ready_bytes=1000))
    submit(pool, 0, tip=1, size=600)
    submit(pool, 1, tip=1, size=400)
    with pytest.raises(ImmediatelyDropped):
        submit(pool, 2, tip=1, size=1)
    submit(pool, 3, tip=2, size=1000)
    assert names(pool.ready()) == [b"3"]
    check_invariants(pool)


def test_refused_newcomer_drops_nobody() -> None:
    pool = Pool(PoolLimits(ready_bytes=1000))
    submit(pool, 0, tip=1, size=100)
    submit(pool, 1, tip=9, size=900)
    with pytest.raises(ImmediatelyDropped):
        submit(pool, 2, tip=5, size=200)
    assert len(pool) == 2
    check_invariants(pool)


@pytest.mark.parametrize(("count", "fits"), [(EVICTED_MAX, True), (EVICTED_MAX + 1, False)])
def test_one_newcomer_drops_a_bounded_number(count: int, *, fits: bool) -> None:
    pool = Pool(PoolLimits(ready_bytes=10 * count))
    for number in range(count):
        submit(pool, number, size=10)
    if fits:
        submit(pool, count, tip=1, size=10 * count)
        assert len(pool) == 1
    else:
        with pytest.raises(ImmediatelyDropped):
            submit(pool, count, tip=1, size=10 * count)
        assert len(pool) == count
    check_invariants(pool)


def test_future_count_holds_and_the_oldest_of_the_least_priority_leaves() -> None:
    pool = Pool(PoolLimits(future_count=2))
    for number, tip in ((1, 1), (2, 1)):
        pool.submit(transaction(account(number), nonce=5, tip=tip, name=b"%d" % number), 0)
    with pytest.raises(ImmediatelyDropped) as caught:
        pool.submit(transaction(account(3), nonce=5, tip=0, name=b"3"), 0)
    assert caught.value.limit == "future"
    outcome = pool.submit(transaction(account(4), nonce=5, tip=1, name=b"4"), 0)
    assert outcome.status is Status.FUTURE
    assert names(pool.future()) == [b"2", b"4"]
    check_invariants(pool)


def test_future_bytes_hold_exactly() -> None:
    pool = Pool(PoolLimits(future_bytes=100))
    pool.submit(transaction(nonce=5, size=100, tip=1), 0)
    with pytest.raises(ImmediatelyDropped):
        pool.submit(transaction(BOB, nonce=5, size=1), 0)
    check_invariants(pool)


def test_demoted_transactions_obey_the_limit_of_the_future_queue() -> None:
    pool = Pool(PoolLimits(future_count=2))
    for nonce in range(5):
        pool.submit(transaction(nonce=nonce, tip=nonce), 0)
    changes = pool.remove_invalid([transaction(nonce=0).hash], 0)
    assert len(changes.demoted) == 4
    assert changes.dropped == (transaction(nonce=1, tip=1).hash, transaction(nonce=2, tip=2).hash)
    assert len(pool.future()) == 2
    check_invariants(pool)


def test_promoted_transaction_finds_no_room() -> None:
    pool = make_full([5, 5, 5])
    pool.submit(transaction(nonce=1, tip=1), 0)
    outcome = pool.submit(transaction(nonce=0, tip=9), 0)
    assert outcome.changes.dropped[1:] == (transaction(nonce=1, tip=1).hash,)
    assert pool.status.future == 0
    check_invariants(pool)


def test_per_sender_limit_counts_ready_and_future() -> None:
    pool = Pool(PoolLimits(per_sender=3))
    for nonce in (0, 1, 5):
        pool.submit(transaction(nonce=nonce), 0)
    with pytest.raises(ImmediatelyDropped) as caught:
        pool.submit(transaction(nonce=6), 0)
    assert (caught.value.limit, caught.value.maximum) == ("per_sender", 3)
    pool.submit(transaction(BOB), 0)
    check_invariants(pool)


def test_ready_transaction_takes_the_place_of_the_senders_newest_waiting_one() -> None:
    pool = Pool(PoolLimits(per_sender=3))
    for nonce in (0, 5, 7):
        pool.submit(transaction(nonce=nonce), 0)
    outcome = pool.submit(transaction(nonce=1), 0)
    assert outcome.changes.dropped == (transaction(nonce=7).hash,)
    pool.submit(transaction(nonce=2), 0)
    with pytest.raises(ImmediatelyDropped):
        pool.submit(transaction(nonce=3), 0)
    check_invariants(pool)


def test_sender_at_the_limit_may_replace() -> None:
    pool = Pool(PoolLimits(per_sender=2))
    pool.submit(transaction(nonce=0), 0)
    pool.submit(transaction(nonce=2), 0)
    assert pool.submit(transaction(nonce=0, tip=1), 0).changes.dropped == ()
    assert pool.submit(transaction(nonce=2, tip=1), 0).changes.dropped == ()
    check_invariants(pool)


def test_unsigned_transactions_have_no_sender_limit() -> None:
    pool = Pool(PoolLimits(per_sender=1))
    for number in range(3):
        pool.submit(tagged(b"%d" % number, provides=(b"%d" % number,)), 0)
    assert len(pool) == 3


def test_transaction_size_limit() -> None:
    pool = Pool()
    pool.submit(transaction(size=1024 * 1024), 0)
    with pytest.raises(ImmediatelyDropped) as caught:
        pool.check(b"x" * 32, 1024 * 1024 + 1, 0)
    assert caught.value.limit == "transaction_bytes"
    with pytest.raises(ImmediatelyDropped):
        pool.submit(transaction(BOB, size=1024 * 1024 + 1), 0)


def test_ban_list_is_bounded_and_keeps_the_newest() -> None:
    bans = BanList(ban_ms=1000, count_max=8)
    for number in range(8):
        bans.ban(account(number), 0)
    assert len(bans) == 8
    bans.ban(account(8), 1)
    assert len(bans) == 6
    assert bans.is_banned(account(8), 1)
    assert not bans.is_banned(account(0), 1)


def test_full_ban_list_forgets_what_is_over_first() -> None:
    bans = BanList(ban_ms=1000, count_max=2)
    bans.ban(account(0), 0)
    bans.ban(account(1), 500)
    bans.ban(account(2), 1000)
    assert [bans.is_banned(account(number), 1000) for number in range(3)] == [False, True, True]


def test_second_ban_starts_anew() -> None:
    bans = BanList(ban_ms=1000, count_max=8)
    bans.ban(ALICE, 0)
    bans.ban(ALICE, 600)
    assert bans.is_banned(ALICE, 1599)
    assert not bans.is_banned(ALICE, 1600)
    assert ALICE not in bans


def test_watched_transactions_are_bounded() -> None:
    watchers = Watchers(watched_max=2)
    assert watchers.watch(ALICE)
    assert watchers.watch(BOB)
    assert watchers.watch(ALICE)
    assert not watchers.watch(CHARLIE)
    watchers.report(Ready(CHARLIE))
    assert watchers.drain() == []
    assert watchers.unwatch(BOB)
    assert not watchers.unwatch(BOB)
    assert watchers.watch(CHARLIE)


def test_finality_is_awaited_for_a_bounded_number_of_blocks() -> None:
    watchers = Watchers(finality_blocks_max=2)
    for number in range(3):
        watchers.watch(account(number))
        watchers.on_included(account(number), b"block %d" % number, 0)
    assert watchers.drain()[-1] == FinalityTimeout(account(0), b"block 0")
    watchers.on_finalized(b"block 1")
    assert watchers.drain() == [Finalized(account(1), b"block 1", 0)]
    assert len(watchers) == 1


def test_unwatched_transaction_leaves_its_block() -> None:
    watchers = Watchers()
    watchers.watch(ALICE)
    watchers.on_included(ALICE, b"block", 0)
    watchers.drain()
    watchers.unwatch(ALICE)
    watchers.on_finalized(b"block")
    assert watchers.drain() == []


def test_transaction_of_two_blocks_belongs_to_the_last() -> None:
    watchers = Watchers()
    watchers.watch(ALICE)
    watchers.on_included(ALICE, b"one", 0)
    watchers.on_included(ALICE, b"two", 3)
    watchers.on_finalized(b"one")
    watchers.drain()
    watchers.on_finalized(b"two")
    assert watchers.drain() == [Finalized(ALICE, b"two", 3)]


def test_verified_cache_keeps_the_newest_half_and_never_more_than_its_capacity() -> None:
    cache = VerifiedCache(capacity=8)
    for number in range(100):
        cache.add(account(number), b"implied")
        assert len(cache) <= 8
        assert all(cache.has(account(one), b"implied") for one in range(max(0, number - 3), number + 1))
    assert not cache.has(account(90), b"implied")


def test_verified_cache_tells_forks_and_versions_apart() -> None:
    cache = VerifiedCache()
    cache.add(ALICE, b"version 1")
    assert cache.has(ALICE, b"version 1")
    assert not cache.has(ALICE, b"version 2")
    assert not cache.has(BOB, b"version 1")


def test_verified_cache_keeps_what_is_used() -> None:
    cache = VerifiedCache(capacity=8)
    cache.add(ALICE, b"")
    for number in range(100):
        cache.add(account(number), b"")
        assert cache.has(ALICE, b"")
