"""Opening a chain's database: creation from genesis, recovery of a damaged one, the walk over the last
blocks.

Responsible for never standing on blocks or a state that were not verified: what LevelDB gives back after
damage is checked by hashes on a copy, the newest blocks are walked at every start, and the state's root is
compared with the header when the chain is built on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from node.storage.blocks import BlockStore, NotFilledError
from node.storage.columns import BlockRef, ChainFacts
from node.storage.filling import is_filled
from node.storage.kv import CorruptionError, KeyValue, MissingError
from node.storage.leveldb import LevelDbKeyValue
from node.storage.recovery import open_or_recover
from node.storage.verify import cut_back_to_good
from runtime.primitives.authority_set import announces_set
from runtime.primitives.block import (
    Header,
    compute_extrinsics_root,
    decode_header,
    encode_header,
    hash_header,
)
from runtime.primitives.scale import DecodeError
from runtime.primitives.tree import Tree

START_DEPTH = 32
"""Blocks walked at a start; a full block takes some 10 ms, and a restart shall take no more than seconds."""

log = structlog.get_logger("db")


class Genesis(NamedTuple):
    """What a new database is filled with; the state is asked for only then."""

    header: Header
    load_state: Callable[[], Mapping[bytes, bytes]]
    spec_name: str


@contextmanager
def open_store(
    path: Path, genesis: Genesis, window: int | None, cache_bytes: int = 0
) -> Iterator[BlockStore]:
    """Lend the block store of a chain, created when new; raises a StorageError when it cannot be trusted.

    `window` is how many finalized blocks keep their state, 0 all of them; None takes what it was created
    with; `cache_bytes` bounds what of the state may be kept in memory.
    """
    genesis_hash = hash_header(genesis.header)
    kv, recovery = open_or_recover(path, genesis_hash, _check_recovered)
    if recovery is not None:
        log.warning("database_recovered", lost_writes=recovery.lost_writes, damaged=str(recovery.damaged))
    with ExitStack() as stack:
        stack.callback(kv.close)
        store = _fill_or_open(kv, genesis, genesis_hash, window, cache_bytes)
        del genesis  # a large one is not to stay in memory as long as the store is open
        stack.callback(store.close)
        _walk(store)
        _mark_set_changes(store)
        if store.first_block:
            log.info("history_begins", number=store.first_block, reason="the state came from peers")
        yield store


def holds_chain(path: Path) -> bool:
    """Tell whether there is a database that was filled; one that is damaged counts as such.

    Raises a StorageError as `open_store` does.
    """
    try:
        with LevelDbKeyValue(path, None, create=False) as kv:
            return is_filled(kv)
    except MissingError:
        return False
    except CorruptionError:
        return True


def is_body_right(header: bytes, body: tuple[bytes, ...]) -> bool:
    """Tell whether extrinsics have the root that a SCALE header names."""
    try:
        return decode_header(header).extrinsics_root == compute_extrinsics_root(body)
    except DecodeError:
        return False


def _fill_or_open(
    kv: KeyValue, genesis: Genesis, genesis_hash: bytes, window: int | None, cache_bytes: int
) -> BlockStore:
    try:
        return BlockStore(kv, window=window, genesis=genesis_hash, cache_bytes=cache_bytes)
    except NotFilledError:
        facts = ChainFacts(genesis_hash, genesis.spec_name, window or 0)
        entries = sorted(genesis.load_state().items())
        header = encode_header(genesis.header)
        return BlockStore.create(kv, header, (), entries, facts, cache_bytes=cache_bytes)


def _walk(store: BlockStore) -> None:
    cut = cut_back_to_good(store, is_body_right, START_DEPTH)
    if cut is not None:
        log.error("chain_cut_back", newest=cut.newest.number, to=cut.target.number, fault=cut.fault)


def _mark_set_changes(store: BlockStore) -> None:
    """List the blocks that announce authorities where a release that did not has made some final."""
    marked, final = store.marked(), store.finalized().number
    if marked >= final:
        return
    found: list[BlockRef] = []
    for number in range(max(marked + 1, store.first_block), final + 1):
        block_hash = store.hash_by_number(number)
        header = None if block_hash is None else store.header(block_hash)
        if block_hash is None or header is None:
            raise CorruptionError(f"block {number} has lost its header")
        if announces_set(decode_header(header)):
            found.append(BlockRef(number, block_hash))
    store.mark(found, final)
    log.info("set_changes_listed", first=marked + 1, last=final, found=len(found))


def _check_recovered(kv: KeyValue) -> None:
    """Refuse a recovered copy whose newest blocks or state do not follow from their hashes."""
    store = BlockStore(kv)
    try:
        cut_back_to_good(store, is_body_right, START_DEPTH)
        finalized = store.finalized()
        raw = store.header(finalized.hash)
        root = Tree.from_items(store.state_iter()).root
        if raw is None or decode_header(raw).state_root != root:
            raise CorruptionError(f"the recovered state is not that of block {finalized.number}")
    finally:
        store.close()
