"""The pool against a model that knows only nonces, and its invariants under arbitrary tags and tight limits.

The model keeps one transaction for each (account, nonce) and works out everything else from the nonces of the
chain: it has no queues, no tags and no order.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from node.pool.errors import PoolError, TemporarilyBanned, TooLowPriority
from node.pool.pool import Pool
from node.pool.transaction import LONGEVITY_MAX, Changes, PoolLimits, PoolTransaction, Status
from node.pool.watch import (
    Dropped,
    Finalized,
    Future,
    InBlock,
    Invalid,
    PoolEvent,
    Ready,
    Retracted,
    Usurped,
)
from tests.node.pool.building import ALICE, BOB, CHARLIE, check_invariants, tag, tagged, transaction

ACCOUNTS = (ALICE, BOB, CHARLIE)
accounts = st.sampled_from(ACCOUNTS)
BAN_MS = 1000


@dataclass
class Held:
    tx: PoolTransaction
    nonce: int
    sequence: int
    end: int
    taken: bool = False


class Slot(NamedTuple):
    account: bytes
    nonce: int


@dataclass
class Chain:
    nonces: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(ACCOUNTS, 0))
    blocks: list[tuple[bytes, list[tuple[Slot, PoolTransaction]]]] = field(default_factory=list)
    finalized: int = 0


class NoncePool(RuleBasedStateMachine):
    """Submissions, open blocks, own and foreign blocks, forks, expiry: the pool is what the nonces say."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool(PoolLimits(ban_ms=BAN_MS))
        self.chain = Chain()
        self.slots: dict[Slot, Held] = {}
        self.bans: dict[bytes, int] = {}
        self.now_ms = 0
        self.number = 0
        self.counter = 0
        self.last_events: dict[bytes, PoolEvent] = {}

    # The model

    def is_ready(self, slot: Slot) -> bool:
        held = self.slots.get(slot)
        if held is None:
            return False
        if held.taken or slot.nonce == self.chain.nonces[slot.account]:
            return True
        return self.is_ready(Slot(slot.account, slot.nonce - 1))

    def order(self) -> list[bytes]:
        """Best first among those whose predecessor is on the chain, in the open block or already listed."""
        done = {slot for slot, held in self.slots.items() if held.taken}
        result: list[bytes] = []
        while True:
            candidates = [
                (-held.tx.priority, held.sequence, slot)
                for slot, held in self.slots.items()
                if slot not in done
                and (
                    slot.nonce == self.chain.nonces[slot.account]
                    or Slot(slot.account, slot.nonce - 1) in done
                )
            ]
            if not candidates:
                return result
            slot = min(candidates)[2]
            done.add(slot)
            result.append(self.slots[slot].tx.hash)

    def make(self, account: bytes, nonce: int, tip: int, longevity: int) -> PoolTransaction:
        self.counter += 1
        return transaction(
            account,
            nonce,
            chain_nonce=self.chain.nonces[account],
            tip=tip,
            longevity=longevity,
            name=b"%d %s" % (self.counter, account[:1]),
        )

    def renew(self, tx: PoolTransaction, slot: Slot) -> PoolTransaction:
        """The same transaction validated on the chain as it is now."""
        return transaction(
            slot.account,
            slot.nonce,
            chain_nonce=self.chain.nonces[slot.account],
            tip=tx.priority,
            longevity=tx.longevity,
            name=tx.hash,
        )

    def forget(self, changes: Changes) -> None:
        assert not changes.usurped
        assert not changes.dropped

    # Rules

    @rule(
        account=accounts,
        ahead=st.integers(0, 4),
        tip=st.integers(0, 3),
        longevity=st.sampled_from([1, 2, 5, LONGEVITY_MAX]),
        watch=st.booleans(),
    )
    def submit(self, account: bytes, ahead: int, tip: int, longevity: int, watch: bool) -> None:
        slot = Slot(account, self.chain.nonces[account] + ahead)
        tx = self.make(account, slot.nonce, tip, longevity)
        old = self.slots.get(slot)
        if old is not None and (old.taken or old.tx.priority >= tip):
            with pytest.raises(TooLowPriority):
                self.pool.submit(tx, self.now_ms, watch=watch)
            return
        ready_before = {one for one in self.slots if self.is_ready(one)}
        self.slots[slot] = Held(tx, slot.nonce, self.counter, self.number + longevity)
        outcome = self.pool.submit(tx, self.now_ms, watch=watch)
        assert outcome.status is (Status.READY if self.is_ready(slot) else Status.FUTURE)
        assert outcome.changes.usurped == ((old.tx.hash,) if old else ())
        promoted = {one for one in self.slots if self.is_ready(one)} - ready_before - {slot}
        assert set(outcome.changes.promoted) == {self.slots[one].tx.hash for one in promoted}

    @rule(data=st.data())
    @precondition(lambda self: self.slots)
    def submit_again(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(sorted(self.slots.values(), key=lambda one: one.sequence)))
        with pytest.raises(PoolError) as caught:
            self.pool.submit(held.tx, self.now_ms)
        assert caught.value.code == 1013

    @rule(limit=st.integers(0, 4))
    def take(self, limit: int) -> None:
        expected = self.order()[:limit]
        assert [tx.hash for tx in self.pool.take(limit)] == expected
        for held in self.slots.values():
            held.taken = held.taken or held.tx.hash in expected

    @rule(data=st.data())
    def untake(self, data: st.DataObject) -> None:
        taken = sorted((one for one in self.slots.values() if one.taken), key=lambda one: one.sequence)
        chosen = data.draw(st.lists(st.sampled_from(taken), unique_by=id)) if taken else []
        for held in chosen:
            held.taken = False
        self.forget(self.pool.untake([held.tx.hash for held in chosen]))

    @rule()
    def restore(self) -> None:
        for held in self.slots.values():
            held.taken = False
        self.forget(self.pool.restore())

    @rule(account=st.none() | accounts)
    def include(self, account: bytes | None) -> None:
        """A block with what is taken and valid, and a foreign transaction of the account."""
        included: list[tuple[Slot, PoolTransaction]] = []
        tags = []
        stale: list[bytes] = []
        for slot in sorted(one for one, held in self.slots.items() if held.taken):
            if slot.nonce == self.chain.nonces[slot.account]:
                included.append((slot, self.slots.pop(slot).tx))
                self.chain.nonces[slot.account] += 1
        if account is not None:
            slot = Slot(account, self.chain.nonces[account])
            tags.append(tag(*slot))
            if slot in self.slots:
                stale.append(self.slots.pop(slot).tx.hash)
            included.append((slot, self.make(account, slot.nonce, 0, LONGEVITY_MAX)))
            self.chain.nonces[account] += 1
        self.number += 1
        self.counter += 1
        block = b"block %d" % self.counter
        self.chain.blocks.append((block, included))
        changes = self.pool.on_block_included(block, self.number, [tx.hash for _, tx in included], tags)
        assert list(changes.invalid) == stale
        self.forget(changes)

    @rule()
    @precondition(lambda self: len(self.chain.blocks) > self.chain.finalized)
    def retract(self) -> None:
        block, included = self.chain.blocks.pop()
        for held in self.slots.values():
            held.taken = False
        for slot, _ in included:
            self.chain.nonces[slot.account] = min(self.chain.nonces[slot.account], slot.nonce)
        renewed = []
        for slot, tx in included:
            again = self.renew(tx, slot)
            renewed.append(again)
            self.counter += 1
            self.slots[slot] = Held(again, slot.nonce, self.counter, self.number + tx.longevity)
        assert self.pool.on_retracted(block, renewed) == []
        for slot, held in sorted(self.slots.items()):
            if held.tx not in renewed:
                held.tx = self.renew(held.tx, slot)
                held.end = self.number + held.tx.longevity
                assert self.pool.revalidate(held.tx) is not None

    @rule()
    @precondition(lambda self: len(self.chain.blocks) > self.chain.finalized)
    def finalize(self) -> None:
        block, included = self.chain.blocks[self.chain.finalized]
        self.chain.finalized += 1
        self.pool.on_finalized(block)
        for _, tx in included:
            assert tx.hash not in self.pool.watchers

    @rule(data=st.data())
    @precondition(lambda self: self.slots)
    def remove_invalid(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.slots)))
        held = self.slots.pop(slot)
        self.bans[held.tx.hash] = self.now_ms + BAN_MS
        changes = self.pool.remove_invalid([held.tx.hash], self.now_ms)
        assert changes.invalid == (held.tx.hash,)
        with pytest.raises(TemporarilyBanned):
            self.pool.check(held.tx.hash, 1, self.now_ms + BAN_MS - 1)
        self.forget(changes)

    @rule(blocks=st.integers(0, 2))
    def expire(self, blocks: int) -> None:
        self.number += blocks
        stale = {slot for slot, held in self.slots.items() if held.end <= self.number and not held.taken}
        expected = {self.slots.pop(slot).tx.hash for slot in stale}
        changes = self.pool.expire(self.number, self.now_ms)
        assert set(changes.invalid) == expected
        self.forget(changes)

    @rule(ms=st.integers(0, BAN_MS))
    def wait(self, ms: int) -> None:
        self.now_ms += ms
        for one in [one for one, end in self.bans.items() if end <= self.now_ms]:
            del self.bans[one]
            self.pool.check(one, 1, self.now_ms)

    # What must hold after every step

    @invariant()
    def pool_is_what_the_nonces_say(self) -> None:
        check_invariants(self.pool)
        ready = {slot for slot in self.slots if self.is_ready(slot)}
        status = self.pool.status
        assert status.ready == len(ready)
        assert status.future == len(self.slots) - len(ready)
        assert status.taken == sum(held.taken for held in self.slots.values())
        assert [tx.hash for tx in self.pool.ready()] == self.order()
        assert {tx.hash for tx in self.pool.future()} == {
            self.slots[slot].tx.hash for slot in self.slots if slot not in ready
        }

    @invariant()
    def next_index_is_the_first_gap(self) -> None:
        for account, nonce in self.chain.nonces.items():
            expected = nonce
            while self.is_ready(Slot(account, expected)):
                expected += 1
            assert self.pool.next_index(account, nonce) == expected

    @invariant()
    def events_follow_the_order_of_statuses(self) -> None:
        for event in self.pool.watchers.drain():
            last = self.last_events.get(event.transaction)
            assert type(event) in FOLLOWERS[type(last)], (last, event)
            self.last_events[event.transaction] = event
        for held in self.slots.values():
            if held.tx.hash in self.pool.watchers:
                ready = self.is_ready(Slot(held.tx.provides[0][:32], held.nonce))
                assert type(self.last_events[held.tx.hash]) is (Ready if ready else Future)


FOLLOWERS: dict[type, set[type]] = {
    type(None): {Future, Ready},
    Future: {Future, Ready, InBlock, Usurped, Dropped, Invalid},
    Ready: {Ready, Future, InBlock, Usurped, Dropped, Invalid},
    InBlock: {Retracted, Finalized},
    Retracted: {Ready, Future, Dropped, Invalid},
    Finalized: set(),
    Usurped: set(),
    Dropped: set(),
    Invalid: set(),
}

TAGS = tuple(b"%d" % number for number in range(6))
tag_sets = st.lists(st.sampled_from(TAGS), max_size=3, unique=True).map(tuple)


class TaggedPool(RuleBasedStateMachine):
    """Any tags, tight limits: whatever comes, the invariants and limits hold and changes tell the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.counter = 0
        self.known: dict[bytes, PoolTransaction] = {}

    @initialize(per_sender=st.integers(1, 6), ready=st.integers(1, 6), future=st.integers(1, 4))
    def start(self, per_sender: int, ready: int, future: int) -> None:
        self.pool = Pool(
            PoolLimits(
                ready_count=ready,
                ready_bytes=ready * 20,
                future_count=future,
                future_bytes=future * 20,
                per_sender=per_sender,
                transaction_bytes=60,
            )
        )

    def members(self) -> set[bytes]:
        graph = self.pool._graph
        return {*graph.ready.entries, *graph.future.entries}

    def hold_true(self, before: set[bytes], changes: Changes, added: set[bytes]) -> None:
        gone = {*changes.usurped, *changes.dropped, *changes.invalid}
        assert before - self.members() <= gone
        assert (self.members() - before) <= added

    @rule(
        provides=tag_sets,
        requires=tag_sets,
        tip=st.integers(0, 4),
        size=st.integers(1, 61),
        sender=st.sampled_from([None, ALICE, BOB]),
        longevity=st.integers(1, 9),
        watch=st.booleans(),
    )
    def submit(
        self,
        provides: tuple[bytes, ...],
        requires: tuple[bytes, ...],
        tip: int,
        size: int,
        sender: bytes | None,
        longevity: int,
        watch: bool,
    ) -> None:
        self.counter += 1
        tx = tagged(
            b"%d" % self.counter,
            provides=provides,
            requires=requires,
            tip=tip,
            size=size,
            sender=sender,
            longevity=longevity,
        )
        before = self.members()
        orders = self.pool.ready(), self.pool.future()
        try:
            outcome = self.pool.submit(tx, 0, watch=watch)
        except PoolError:
            assert self.members() == before
            assert (self.pool.ready(), self.pool.future()) == orders
            assert tx.hash not in self.pool.watchers
            return
        self.known[tx.hash] = tx
        assert tx.hash in self.pool
        self.hold_true(before, outcome.changes, {tx.hash})

    @rule(limit=st.integers(1, 4))
    def take(self, limit: int) -> None:
        expected = self.pool.ready()[:limit]
        assert self.pool.take(limit) == expected

    @rule(data=st.data())
    def untake(self, data: st.DataObject) -> None:
        taken = self.pool.taken()
        chosen = data.draw(st.lists(st.sampled_from(taken), unique_by=id)) if taken else []
        before = self.members()
        self.hold_true(before, self.pool.untake([tx.hash for tx in chosen]), set())

    @rule(data=st.data(), tags=tag_sets)
    def include(self, data: st.DataObject, tags: tuple[bytes, ...]) -> None:
        members = sorted(self.members())
        chosen = data.draw(st.lists(st.sampled_from(members), unique=True)) if members else []
        self.counter += 1
        before = self.members()
        changes = self.pool.on_block_included(b"block", self.counter, chosen, tags)
        self.hold_true(before - set(chosen), changes, set())
        assert not self.members() & set(chosen)

    @rule(data=st.data())
    @precondition(lambda self: self.known)
    def retract(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.known)), unique=True, max_size=3))
        self.pool.on_retracted(b"block", [self.known[one] for one in chosen])

    @rule(data=st.data(), requires=tag_sets, provides=tag_sets, tip=st.integers(0, 4))
    def revalidate(
        self, data: st.DataObject, requires: tuple[bytes, ...], provides: tuple[bytes, ...], tip: int
    ) -> None:
        members = sorted(self.members())
        if not members:
            return
        old = self.known[data.draw(st.sampled_from(members))]
        new = tagged(old.hash, provides=provides, requires=requires, tip=tip, sender=old.sender)
        before = self.members()
        try:
            outcome = self.pool.revalidate(new)
        except PoolError:
            assert old.hash not in self.pool
            return
        if outcome is not None:
            self.known[new.hash] = new
            self.hold_true(before, outcome.changes, set())

    @rule(data=st.data())
    def remove_invalid(self, data: st.DataObject) -> None:
        members = sorted(self.members())
        chosen = data.draw(st.lists(st.sampled_from(members), unique=True)) if members else []
        before = self.members()
        self.hold_true(before, self.pool.remove_invalid(chosen, 0), set())

    @rule(blocks=st.integers(0, 3))
    def expire(self, blocks: int) -> None:
        self.counter += blocks
        before = self.members()
        changes = self.pool.expire(self.counter, 0)
        self.hold_true(before, changes, set())
        for tx in [*self.pool.ready(), *self.pool.future()]:
            entry = self.pool._graph.find(tx.hash)
            assert entry is not None
            assert entry.valid_till > self.counter

    @invariant()
    def invariants_hold(self) -> None:
        check_invariants(self.pool)
        self.pool.watchers.drain()


NoncePool.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TaggedPool.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestNoncePool = pytest.mark.slow(NoncePool.TestCase)
TestTaggedPool = pytest.mark.slow(TaggedPool.TestCase)
