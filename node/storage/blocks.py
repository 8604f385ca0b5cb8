"""The blocks of one chain and its finalized state, on a key-value store.

Responsible for what a node must find again after any kill: every finalized block with its certificate, the
state after the last of them and after the `window` blocks below it, and the unfinalized blocks above. It
must not know what a block means: the caller says what it changed.

Threads: all methods are called from one thread (the event loop's); reads answer at once, writes are handed
to one writer thread and answer by a `concurrent.futures.Future`. What a future has confirmed survives power
loss. A failed write ends all use of the store: stop the process and open it again.

The flat state on disk may be ahead of a caller who has not yet seen a finalization confirmed. A caller who
lays the changes of its unfinalized branch over `state_get` reads right all the same, because what that
block changed is in its own branch; a branch that died with the finalization must not be read any more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import chain, islice
from typing import NamedTuple, Self

from node.storage.columns import (
    META_CHAIN,
    META_FIRST,
    META_HEAD,
    META_MARKED,
    BlockRef,
    ChainFacts,
    Column,
    Head,
    build_block_key,
    compute_block_hash,
    decode_block_key,
    decode_body,
    decode_chain_facts,
    decode_meta_number,
    encode_head,
    encode_meta_number,
    encode_number,
    ensure_header,
    parse_header_start,
    unseal,
)
from node.storage.filling import (
    Filling,
    FirstBlock,
    Milestone,
    store_block,
    store_justification,
    store_mark,
)
from node.storage.forks import UNFINALIZED_MAX, ForkTree, UnfinalizedBlock
from node.storage.kv import Change, CorruptionError, Entry, KeyValue, StorageError, WrongGenesisError
from node.storage.recent_state import RecentState
from node.storage.state_cache import StateCache
from node.storage.states import (
    StateAt,
    StateDiscarded,
    encode_history,
    iterate_flat,
    load_head,
)
from node.storage.undo import encode_undo, has_undo, iterate_undo, undo_range
from node.storage.writer import Writer

STATE_WINDOW = 256
"""Substrate's default of --state-pruning."""
ARCHIVE = 0
"""The window that keeps every state."""

GENESIS_CHUNK_ENTRIES = 10_000

StateChanges = Mapping[bytes, bytes | None]
"""Storage key → new value, None to delete; not to be changed once handed over."""


class PruningMismatchError(StorageError):
    """The database was created with another --state-pruning."""

    def __init__(self, stored: int, asked: int) -> None:
        super().__init__(
            f"the database was created with --state-pruning {describe_window(stored)}, not "
            f"{describe_window(asked)}; the mode cannot be changed"
        )
        self.stored = stored
        self.asked = asked


class NotFilledError(StorageError):
    """The database holds no genesis block yet."""


class TooManyUnfinalizedError(StorageError):
    """No more blocks fit above the finalized one."""


class Finality(NamedTuple):
    """What makes a block final, and what it changed; see `BlockStore.finalize`."""

    block: BlockRef
    justification: bytes | None
    changes: StateChanges
    old_values: StateChanges | None = None
    is_milestone: bool = False


class _Pending(NamedTuple):
    """A block that is known but whose write is not confirmed yet."""

    header: bytes
    body: tuple[bytes, ...]
    done: Future[None]


class BlockStore:
    """Blocks, forks and state of one chain; see the module for the rules."""

    def __init__(
        self,
        kv: KeyValue,
        *,
        window: int | None = None,
        genesis: bytes | None = None,
        cache_bytes: int = 0,
    ) -> None:
        """Open a filled store; None takes the window or the genesis hash that it was created with.

        `cache_bytes` bounds what is kept of the state in memory once `load_state` has gone through it.
        Raises NotFilledError, WrongGenesisError, PruningMismatchError or CorruptionError.
        """
        facts_record = kv.get(META_CHAIN)
        head = load_head(kv)
        if facts_record is None or head is None:
            raise NotFilledError("the database holds no genesis block yet")
        self.facts = decode_chain_facts(facts_record)
        if genesis is not None and genesis != self.facts.genesis:
            raise WrongGenesisError(genesis, self.facts.genesis)
        if window is not None and window != self.facts.window:
            raise PruningMismatchError(self.facts.window, window)
        self._kv = kv
        self._head = head
        self._pending: dict[bytes, _Pending] = {}
        self.first_block = decode_meta_number(META_FIRST, kv.get(META_FIRST))
        """The lowest block from which on all are kept; below it there is the genesis block alone."""
        self._forks, stale = _load_forks(kv, head.block)
        if stale:
            kv.write(chain.from_iterable(map(_drop_block, stale)), sync=True)
        self._writer = Writer()
        self._is_synced = True
        self._cache = StateCache(cache_bytes)

    @classmethod
    def create(
        cls,
        kv: KeyValue,
        header: bytes,
        body: Sequence[bytes],
        state: Iterable[Entry],
        facts: ChainFacts,
        *,
        cache_bytes: int = 0,
    ) -> Self:
        """Fill an unfilled store with the genesis block and its state, and open it; durable on return."""
        assert compute_block_hash(header) == facts.genesis
        filling = Filling(kv)
        entries = iter(state)
        while batch := list(islice(entries, GENESIS_CHUNK_ENTRIES)):
            filling.add(batch)
        filling.finish(facts, FirstBlock(header, tuple(body)), None, ())
        return cls(kv, cache_bytes=cache_bytes)

    # Writing

    def insert_block(
        self, block_hash: bytes, header: bytes, body: tuple[bytes, ...], *, sync: bool = True
    ) -> Future[None]:
        """Add a block whose parent is known; a known block is left as it is.

        Raises ValueError when header and hash disagree or the parent is unknown, TooManyUnfinalizedError.
        """
        if (pending := self._pending.get(block_hash)) is not None:
            return pending.done
        if block_hash in self._forks or self._is_canonical(block_hash):
            return _completed()
        block = self._attach(block_hash, header)
        batch = chain(store_block(block.ref, header, body), _store_unfinalized(block))
        sync = sync and self._is_synced
        done = self._writer.submit(f"insert block {block.number}", lambda: self._kv.write(batch, sync=sync))
        self._hold(block_hash, header, body, done)
        return done

    def finalize(
        self,
        number: int,
        block_hash: bytes,
        justification: bytes | None,
        changes: StateChanges,
        old_values: StateChanges | None = None,
        *,
        is_milestone: bool = False,
        sync: bool = True,
    ) -> Future[tuple[BlockRef, ...]]:
        """Make the next unfinalized block final; the future yields the blocks that died, their data gone.

        `changes` is the block's difference to its parent's state; `old_values` says what each of these keys
        held before (None: the writer looks it up, some µs each). A milestone is listed by `milestones`.
        Raises ValueError when the block is not an unfinalized child of the last block that was finalized.
        """
        block = self._forks.get(block_hash)
        if block is None or block.number != number or block.parent != self._forks.root.hash:
            raise ValueError(
                f"block {number} (0x{block_hash.hex()}) is not a child of the last finalized one"
            )
        finality = Finality(block.ref, justification, changes, old_values, is_milestone)
        return self._submit_finality(finality, (), sync=sync)

    def append(
        self, header: bytes, body: tuple[bytes, ...], finality: Finality, *, sync: bool = True
    ) -> Future[tuple[BlockRef, ...]]:
        """Insert a child of the last finalized block and make it final, in one write; for imports.

        Without sync, all is durable once a later write with sync is; raises as the two single steps do.
        """
        block, root = finality.block, self._forks.root
        if parse_header_start(header) != (root.hash, block.number) or block.number != root.number + 1:
            raise ValueError(f"block {block.number} is not a child of the last finalized one")
        if block.hash in self._forks:
            return self._submit_finality(finality, (), sync=sync)
        self._attach(block.hash, header)
        done = self._submit_finality(finality, store_block(block, header, body), sync=sync)
        self._hold(block.hash, header, body, _follow(done))
        return done

    def revert(self, count: int) -> Future[BlockRef]:
        """Drop all unfinalized blocks and the last `count` finalized ones; the future yields the new head.

        Raises StateDiscarded when the undo records do not reach so far. Await all earlier futures first.
        """
        (newest, newest_hash), oldest = self._head
        if self._forks.root.hash != newest_hash:
            raise ValueError("a finalization is still being written")
        if not 0 <= count <= newest - oldest:
            raise StateDiscarded(newest - count, oldest, newest)
        target = BlockRef(newest - count, self._load_canonical(newest - count))
        dead = self._forks.clear(target)

        def job() -> BlockRef:
            self._kv.write(chain.from_iterable(map(_drop_block, dead)), sync=count == 0)
            for number in range(newest, target.number, -1):
                self._undo_block(number)
            return target

        return self._writer.submit(f"revert to block {target.number}", job)

    def mark(self, milestones: Sequence[BlockRef], upto: int) -> None:
        """Make final blocks milestones: those up to a number that should have been; durable on return."""
        batch = [*map(store_mark, milestones), (META_MARKED, encode_meta_number(META_MARKED, upto))]
        self._writer.submit("mark milestones", lambda: self._kv.write(batch, sync=True)).result()

    @contextmanager
    def unsynced(self) -> Iterator[None]:
        """Sync nothing for a while, and everything at its end; for bulk imports, in which nobody votes.

        A kill in between may lose the newest writes, never one in the middle.
        """
        self._is_synced = False
        try:
            yield
        finally:
            self._is_synced = True
            self._writer.submit("sync", lambda: self._kv.write((), sync=True)).result()

    def ensure_room_above(self) -> None:
        """Raise TooManyUnfinalizedError unless one more block fits above the finalized one."""
        if len(self._forks) >= UNFINALIZED_MAX:
            raise TooManyUnfinalizedError(f"there are {UNFINALIZED_MAX} blocks above the finalized one")

    def room(self) -> Future[None]:
        """Return a future that is done when the next write would not block the caller."""
        return self._writer.room()

    def broken(self) -> Future[None]:
        """Return a future that never ends but with the exception of the first write that failed."""
        return self._writer.broken()

    def close(self) -> None:
        """Finish the queued writes and close the key-value store."""
        self._writer.close()
        self._kv.close()

    def memory_bytes(self) -> int:
        """Return how much memory the database itself takes: cached blocks and unflushed writes."""
        return self._kv.memory_bytes()

    # Reading blocks

    def finalized(self) -> BlockRef:
        """Return the last block whose finality is durable."""
        return self._head.block

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the SCALE header of a known block, its hash checked."""
        if (pending := self._pending.get(block_hash)) is not None:
            return pending.header
        block = self._find(block_hash)
        record = None if block is None else self._kv.get(build_block_key(Column.HEADER, block))
        return None if block is None or record is None else ensure_header(block, record)

    def body(self, block_hash: bytes) -> tuple[bytes, ...] | None:
        """Return the extrinsics of a known block."""
        if (pending := self._pending.get(block_hash)) is not None:
            return pending.body
        block = self._find(block_hash)
        if block is None:
            return None
        key = build_block_key(Column.BODY, block)
        record = self._kv.get(key)
        return None if record is None else decode_body(key, record)

    def justification(self, block_hash: bytes) -> bytes | None:
        """Return the certificate of a finalized block, if it was given one of its own."""
        block = self._find(block_hash)
        return None if block is None else self._load_justification(block)

    def hash_by_number(self, number: int) -> bytes | None:
        """Return the hash of the finalized block with the number, or None."""
        return self._kv.get(Column.CANONICAL + encode_number(number))

    def number_by_hash(self, block_hash: bytes) -> int | None:
        """Return the number of a known block, or None."""
        if (block := self._forks.get(block_hash)) is not None:
            return block.number
        if (pending := self._pending.get(block_hash)) is not None:
            return parse_header_start(pending.header)[1]
        record = self._kv.get(Column.NUMBER + block_hash)
        return None if record is None else int.from_bytes(record, "big")

    def gap(self) -> range:
        """Return the numbers of the blocks that are not kept, between genesis and the first of the others."""
        return range(1, self.first_block)

    def marked(self) -> int:
        """Return the last final block of which is known whether it is a milestone."""
        return decode_meta_number(META_MARKED, self._kv.get(META_MARKED))

    def milestones(self, start: int, stop: int) -> Iterator[Milestone]:
        """Yield the milestones with start ≤ number < stop, in order; raises CorruptionError."""
        keys = Column.MILESTONE + encode_number(start), Column.MILESTONE + encode_number(stop)
        for key, record in self._kv.iterate(*keys):
            block = BlockRef(int.from_bytes(key[1:], "big"), unseal(key, record))
            header = self._kv.get(build_block_key(Column.HEADER, block))
            if header is None:
                raise CorruptionError(f"the header of milestone {block.number} is missing")
            yield Milestone(ensure_header(block, header), self._load_justification(block))

    def leaves(self) -> list[BlockRef]:
        """Return the ends of all branches, highest first; the finalized block when there is none above it."""
        return self._forks.leaves()

    def unfinalized(self) -> list[UnfinalizedBlock]:
        """Return the blocks above the finalized one, parents before children."""
        return self._forks.blocks()

    # Reading state

    def state_get(self, key: bytes) -> bytes | None:
        """Return the value of a storage key after the last finalized block."""
        value = self._cache.get(key)
        return self._kv.get(Column.STATE + key) if value is None else value

    def load_state(self) -> Iterator[Entry]:
        """Yield the whole state as `state_iter` does, and keep in memory what there is room for."""
        return self._cache.fill(self.state_iter())

    def state_iter(self, prefix: bytes = b"", start_after: bytes | None = None) -> Iterator[Entry]:
        """Yield (storage key, value) after the last finalized block, in key order."""
        start = prefix if start_after is None else max(prefix, start_after + b"\0")
        return iterate_flat(self._kv, prefix, start)

    def state_at(self, number: int) -> StateAt:
        """Return a view of the state after a finalized block, to be closed; raises StateDiscarded."""
        return StateAt(self._kv, number, is_archive=self.facts.window == ARCHIVE)

    def recent_state(self, number: int) -> RecentState:
        """Return a state to be read as a whole, to be closed; raises StateDiscarded."""
        return RecentState(self._kv, number)

    def undo(self, number: int) -> Iterator[Change]:
        """Yield what each key held before the finalized block changed it, in key order.

        Raises StateDiscarded when the record is not kept any more.
        """
        if not has_undo(self._kv, number):
            raise StateDiscarded(number - 1, self._head.oldest_state, self._head.block.number)
        return iterate_undo(self._kv, number)

    def oldest_state(self) -> int:
        """Return the number of the lowest block whose state can be read."""
        return self._head.oldest_state

    # Leaves of the above

    def _find(self, block_hash: bytes) -> BlockRef | None:
        number = self.number_by_hash(block_hash)
        return None if number is None else BlockRef(number, block_hash)

    def _load_justification(self, block: BlockRef) -> bytes | None:
        key = build_block_key(Column.JUSTIFICATION, block)
        record = self._kv.get(key)
        return None if record is None else unseal(key, record)

    def _is_canonical(self, block_hash: bytes) -> bool:
        number = self.number_by_hash(block_hash)
        return number is not None and self.hash_by_number(number) == block_hash

    def _hold(self, block_hash: bytes, header: bytes, body: tuple[bytes, ...], done: Future[None]) -> None:
        """Answer for the block from memory until its write is confirmed."""
        self._pending[block_hash] = _Pending(header, body, done)
        done.add_done_callback(lambda _: self._pending.pop(block_hash, None))

    def _submit_finality(
        self, finality: Finality, block_records: Iterable[Change], *, sync: bool
    ) -> Future[tuple[BlockRef, ...]]:
        dead = tuple(self._forks.finalize(finality.block.hash))
        sync = sync and self._is_synced

        def job() -> tuple[BlockRef, ...]:
            head = self._advance(finality.block)
            batch = chain(block_records, self._build_finality(finality, head), *map(_drop_block, dead))
            self._kv.write(batch, sync=sync)
            self._cache.update(finality.changes)
            self._head = head
            return dead

        return self._writer.submit(f"finalize block {finality.block.number}", job)

    def _advance(self, block: BlockRef) -> Head:
        window, oldest = self.facts.window, self._head.oldest_state
        return Head(block, oldest if window == ARCHIVE else max(oldest, block.number - window))

    def _build_finality(self, finality: Finality, head: Head) -> Iterator[Change]:
        block, justification, changes, known_values, is_milestone = finality
        if known_values is None:
            old_values = self._load_values(changes)
        else:
            old_values = {key: known_values[key] for key in changes}
        yield build_block_key(Column.UNFINALIZED, block), None
        yield Column.CANONICAL + encode_number(block.number), block.hash
        if justification is not None:
            yield store_justification(block, justification)
        if is_milestone:
            yield store_mark(block)
        yield META_MARKED, encode_meta_number(META_MARKED, block.number)
        yield from _store_state(changes)
        yield from encode_undo(block.number, old_values)
        if self.facts.window == ARCHIVE:
            yield from encode_history(block.number, old_values)
        for number in range(self._head.oldest_state + 1, head.oldest_state + 1):
            yield from self._drop_undo(number)
        yield META_HEAD, encode_head(head)

    def _attach(self, block_hash: bytes, header: bytes) -> UnfinalizedBlock:
        parent, number = parse_header_start(header)
        block = UnfinalizedBlock(number, block_hash, parent)
        if compute_block_hash(header) != block_hash:
            raise ValueError("the header does not have this hash")
        if not self._forks.is_attachable(block):
            raise ValueError(f"block {number} does not stand on the finalized block or one above it")
        self.ensure_room_above()
        self._forks.insert(block)
        return block

    def _load_canonical(self, number: int) -> bytes:
        block_hash = self.hash_by_number(number)
        if block_hash is None:
            raise CorruptionError(f"block {number} is missing in the canonical chain")
        return block_hash

    def _load_values(self, changes: StateChanges) -> StateChanges:
        get = self._kv.get
        return {key: get(Column.STATE + key) for key in changes}

    def _drop_undo(self, number: int) -> Iterator[Change]:
        return ((key, None) for key in self._kv.keys(*undo_range(number)))

    def _undo_block(self, number: int) -> None:
        """Take the last finalized block back, in the writer thread."""
        block = BlockRef(number, self._load_canonical(number))
        parent = Head(BlockRef(number - 1, self._load_canonical(number - 1)), self._head.oldest_state)
        old_values = dict(iterate_undo(self._kv, number))
        history = encode_history(number, old_values) if self.facts.window == ARCHIVE else ()
        batch: list[Change] = [
            *_store_state(old_values),
            *self._drop_undo(number),
            *((key, None) for key, _ in history),
            *_drop_block(block),
            (Column.CANONICAL + encode_number(number), None),
            (build_block_key(Column.JUSTIFICATION, block), None),
            (Column.MILESTONE + encode_number(number), None),
            (META_MARKED, encode_meta_number(META_MARKED, parent.block.number)),
            (META_HEAD, encode_head(parent)),
        ]
        self._kv.write(batch, sync=True)
        self._cache.update(old_values)
        self._head = parent


def describe_window(window: int) -> str:
    """Return the window as it is written on the command line."""
    return "archive" if window == ARCHIVE else str(window)


def _store_unfinalized(block: UnfinalizedBlock) -> Iterator[Change]:
    yield build_block_key(Column.UNFINALIZED, block.ref), block.parent


def _drop_block(block: BlockRef) -> Iterator[Change]:
    for column in (Column.HEADER, Column.BODY, Column.UNFINALIZED):
        yield build_block_key(column, block), None
    yield Column.NUMBER + block.hash, None


def _store_state(changes: StateChanges) -> Iterator[Change]:
    return ((Column.STATE + key, value) for key, value in changes.items())


def _load_forks(kv: KeyValue, finalized: BlockRef) -> tuple[ForkTree, list[BlockRef]]:
    """Return the tree of unfinalized blocks and those that hang in the air and can only be dropped."""
    forks = ForkTree(finalized)
    stale: list[BlockRef] = []
    for key, parent in kv.iterate(Column.UNFINALIZED, bytes([Column.UNFINALIZED[0] + 1])):
        block = decode_block_key(key)
        candidate = UnfinalizedBlock(block.number, block.hash, parent)
        if forks.is_attachable(candidate) and _is_whole(kv, candidate):
            forks.insert(candidate)
        else:
            stale.append(block)
    return forks, stale


def _is_whole(kv: KeyValue, block: UnfinalizedBlock) -> bool:
    body_key = build_block_key(Column.BODY, block.ref)
    header, body = kv.get(build_block_key(Column.HEADER, block.ref)), kv.get(body_key)
    if header is None or body is None or compute_block_hash(header) != block.hash:
        return False
    try:
        decode_body(body_key, body)
    except CorruptionError:
        return False
    return parse_header_start(header) == (block.parent, block.number)


def _follow(done: Future[tuple[BlockRef, ...]]) -> Future[None]:
    follower: Future[None] = Future()

    def copy(finished: Future[tuple[BlockRef, ...]]) -> None:
        error = finished.exception()
        if error is None:
            follower.set_result(None)
        else:
            follower.set_exception(error)

    done.add_done_callback(copy)
    return follower


def _completed() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future
