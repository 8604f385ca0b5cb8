"""The transaction pool: what is ready for the next block, in which order, and what still waits.

Responsible for admission, bans, expiry, and for following the chain: what a block includes leaves, what a
retracted block had comes back. Order and dependencies are `node.pool.graph`'s. Synchronous and sans-IO:
times and block numbers come in as arguments. It knows no extrinsics, pallets or signatures: the caller has
verified and validated what it submits, and says so by tags, priority and longevity (Substrate's
ValidTransaction). A transaction *provides* tags and *requires* tags; with CheckNonce these are account ‖
nonce.

A moment of one transaction: `submit` → ready or future → `take` (open block) → `on_block_included` →
`on_finalized`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from node.pool.bans import BanList
from node.pool.errors import (
    AlreadyImported,
    FutureRejected,
    ImmediatelyDropped,
    NoTagsProvided,
    PoolError,
    TemporarilyBanned,
)
from node.pool.graph import Graph
from node.pool.queue import FUTURE, READY, SEQUENCE_BITS, TAKEN, Entry, compute_key
from node.pool.transaction import (
    NO_CHANGES,
    Changes,
    Outcome,
    PoolLimits,
    PoolStatus,
    PoolTransaction,
    Status,
)
from node.pool.watch import Dropped, Invalid, Watchers

NONCE_END: Final = 2**32
"""Nonces are u32."""

_READY_ALONE: Final = Outcome(Status.READY)
_FUTURE_ALONE: Final = Outcome(Status.FUTURE)


class Pool:
    """Transactions that are not yet in a block of the best chain."""

    def __init__(self, limits: PoolLimits | None = None, best_number: int = 0) -> None:
        self.limits: Final = limits or PoolLimits()
        self.watchers: Final = Watchers()
        self._graph = Graph(self.limits, self.watchers)
        self._bans = BanList(self.limits.ban_ms, self.limits.ban_count)
        self._sequence = 0
        self._best_number = best_number
        self._earliest_end: int | None = None  # no entry expires before this block

    def __len__(self) -> int:
        return len(self._graph.ready.entries) + len(self._graph.future.entries)

    def __contains__(self, transaction: bytes) -> bool:
        return self._graph.find(transaction) is not None

    def get(self, transaction: bytes) -> PoolTransaction | None:
        """Return the transaction of this hash if it is in the pool."""
        entry = self._graph.find(transaction)
        return None if entry is None else entry.tx

    @property
    def status(self) -> PoolStatus:
        """Occupation of the pool."""
        graph = self._graph
        return PoolStatus(
            ready=len(graph.ready.entries),
            ready_bytes=graph.ready.bytes,
            future=len(graph.future.entries),
            future_bytes=graph.future.bytes,
            taken=graph.taken_count,
        )

    def check(self, transaction: bytes, size: int, now_ms: int) -> None:
        """Raise the PoolError that makes verifying a transaction of this hash and size in bytes pointless."""
        graph = self._graph
        if transaction in graph.ready.entries or transaction in graph.future.entries:
            raise AlreadyImported(transaction)
        if self._bans.is_banned(transaction, now_ms):
            raise TemporarilyBanned
        if size > self.limits.transaction_bytes:
            raise ImmediatelyDropped("transaction_bytes", self.limits.transaction_bytes)

    def submit(self, tx: PoolTransaction, now_ms: int, *, watch: bool = False) -> Outcome:
        """Take the verified and validated transaction in, or raise a PoolError and change nothing.

        Watching begins before the first event. When too many are watched, only the watch is refused.
        """
        self.check(tx.hash, len(tx.data), now_ms)
        self._sequence += 1
        status = self._import(tx, self._sequence, watch=watch)
        changes = self._graph.drain_log()
        if changes is NO_CHANGES:
            return _READY_ALONE if status is Status.READY else _FUTURE_ALONE
        return Outcome(status, changes)

    def take(self, limit: int) -> list[PoolTransaction]:
        """Move up to `limit` transactions into the open block, best first, and return them in that order.

        They stay in the pool until a block includes them, or the author gives them back or calls them
        invalid.
        """
        return self._graph.take(limit)

    def untake(self, transactions: Iterable[bytes]) -> Changes:
        """Take these out of the open block again, for a later one.

        What depends on them waits behind them, except what is taken itself: give that back too.
        """
        self._graph.untake(transactions)
        self._graph.compact()
        return self._graph.drain_log()

    def restore(self) -> Changes:
        """Give back everything taken: the open block was abandoned. O(pool), free when nothing is taken."""
        if not self._graph.taken_count:
            return NO_CHANGES
        return self.untake([tx.hash for tx in self.taken()])

    def taken(self) -> list[PoolTransaction]:
        """Return what is in the open block, in order of arrival. O(pool)."""
        return [entry.tx for entry in self._graph.ready.entries.values() if entry.state == TAKEN]

    def ready(self) -> list[PoolTransaction]:
        """Return all that `take` would give, in that order, without taking it. O(n log n)."""
        return self._graph.list_ready()

    def future(self) -> list[PoolTransaction]:
        """Return what waits for a missing tag, in the order in which the waiting began. O(n)."""
        return [entry.tx for entry in self._graph.future.entries.values()]

    def next_index(self, tag_prefix: bytes, nonce: int) -> int:
        """Return the first nonce from `nonce` on for which no ready transaction provides prefix ‖ u32 LE."""
        providers = self._graph.providers
        while nonce < NONCE_END and tag_prefix + nonce.to_bytes(4, "little") in providers:
            nonce += 1
        return nonce

    def on_block_included(
        self, block: bytes, number: int, transactions: Sequence[bytes], tags: Iterable[bytes] = ()
    ) -> Changes:
        """Let go what the new best block contains, and promote what waited for it.

        `transactions` are the hashes of all its extrinsics in their order; `tags` are those provided by
        extrinsics that this pool does not hold. A pooled transaction that provides a satisfied tag is
        stale: invalid.
        """
        self._best_number = number
        graph = self._graph
        entries, wanted = graph.ready.entries, graph.wanted
        providers, future_providers = graph.providers, graph.future_providers
        satisfied = list(tags)
        if self.watchers:
            for index, one in enumerate(transactions):
                self.watchers.on_included(one, block, index)
        for one in transactions:
            entry = entries.get(one) or graph.future.entries.get(one)
            if entry is None:
                continue
            graph.remove(entry)
            satisfied += entry.tx.provides
        graph.add_recent(block, satisfied)
        touched = [tag for tag in satisfied if tag in wanted or tag in future_providers or tag in providers]
        self._drop_stale(touched)
        graph.provide(touched)
        if 4 * len(entries) < 3 * graph.ready.count_max:
            graph.ready.forget_order()
        graph.compact()
        return graph.drain_log()

    def on_retracted(
        self, block: bytes, transactions: Sequence[PoolTransaction]
    ) -> list[tuple[bytes, PoolError]]:
        """Take back what a block had that left the best chain, in the order it stood there.

        What is taken is given back first: the open block stood on what has gone.
        The caller has validated the others anew, and leaves out (and gives to `remove_invalid`) those that
        failed. Returns those the pool refuses. Call it for the retracted blocks, oldest first, so that
        what waits for others comes after them, then report the enacted.
        """
        self._graph.untake([tx.hash for tx in self.taken()] if self._graph.taken_count else ())
        self.watchers.on_retracted(block)
        tags = self._graph.drop_recent(block)
        tags += [tag for tx in transactions for tag in tx.provides]
        refused: list[tuple[bytes, PoolError]] = []
        for tx in transactions:
            if tx.hash in self:
                continue
            self._sequence += 1
            try:
                self._import(tx, self._sequence, watch=False)
            except PoolError as error:
                refused.append((tx.hash, error))
                self.watchers.end(Dropped(tx.hash))
        self._graph.lose_tags(tags)
        self._graph.drain_log()
        return refused

    def on_finalized(self, block: bytes) -> None:
        """Tell the watchers of the block's transactions; call it for each finalized block, oldest first."""
        self.watchers.on_finalized(block)

    def expire(self, best_number: int, now_ms: int) -> Changes:
        """Remove and ban what is valid until this block only, except what is in the open block."""
        self._best_number = best_number
        if self._earliest_end is None or best_number < self._earliest_end:
            return NO_CHANGES
        changes = self.remove_invalid(
            [
                entry.tx.hash
                for entry in self._entries()
                if entry.valid_till <= best_number and entry.state != TAKEN
            ],
            now_ms,
        )
        self._earliest_end = min((entry.valid_till for entry in self._entries()), default=None)
        return changes

    def remove_invalid(self, transactions: Iterable[bytes], now_ms: int) -> Changes:
        """Remove and ban these, pooled or not, and tell their watchers; what depends on them waits."""
        graph = self._graph
        lost: list[bytes] = []
        for one in transactions:
            self._bans.ban(one, now_ms)
            entry = graph.find(one)
            if entry is not None:
                graph.invalidate(entry)
                lost += entry.tx.provides
            else:
                self.watchers.end(Invalid(one))
        graph.lose_tags(lost)
        graph.compact()
        return graph.drain_log()

    def revalidate(self, tx: PoolTransaction) -> Outcome | None:
        """Give a pooled transaction its new validity; it keeps its place among equals.

        None if it is not in the pool, or in the open block. Raises the PoolError because of which it had to
        leave.
        """
        graph = self._graph
        entry = graph.find(tx.hash)
        if entry is None or entry.state == TAKEN:
            return None
        graph.remove(entry)
        try:
            status = self._import(tx, entry.key & ((1 << SEQUENCE_BITS) - 1), watch=False)
        except PoolError:
            self.watchers.end(Dropped(tx.hash))
            graph.lose_tags(entry.tx.provides)
            graph.drain_log()
            raise
        graph.lose_tags(entry.tx.provides)
        graph.compact()
        return Outcome(status, graph.drain_log())

    def _import(self, tx: PoolTransaction, sequence: int, *, watch: bool) -> Status:
        if not tx.provides:
            raise NoTagsProvided
        graph = self._graph
        missing = graph.get_missing(tx.requires) if tx.requires else None
        end = self._best_number + tx.longevity
        entry = Entry(tx, compute_key(tx.priority, sequence), FUTURE if missing else READY, end, missing)
        if missing is None:
            graph.import_ready(entry, watch=watch)
        elif self.limits.accepts_future:
            graph.import_future(entry, watch=watch)
        else:
            raise FutureRejected
        if self._earliest_end is None or end < self._earliest_end:
            self._earliest_end = end
        return Status.READY if missing is None else Status.FUTURE

    def _drop_stale(self, tags: list[bytes]) -> None:
        """Remove what provides a tag that the chain has satisfied already."""
        graph = self._graph
        for tag in tags:
            for stale in (graph.providers.get(tag), graph.future_providers.get(tag)):
                if stale is not None:
                    graph.invalidate(stale)
                    graph.lose_tags(stale.tx.provides)

    def _entries(self) -> Iterable[Entry]:
        yield from self._graph.ready.entries.values()
        yield from self._graph.future.entries.values()
