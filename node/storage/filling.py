"""Filling a database that holds no chain yet: a state in parts, then what makes it the database of a chain.

Responsible for this: a kill at any moment leaves the database unfilled, or filled and whole. The record that
makes it filled is in the last write, which holds nothing of the state. It must not know where the state comes
from, nor whether it is right.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

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
    encode_body,
    encode_chain_facts,
    encode_head,
    encode_meta_number,
    encode_number,
    parse_header_start,
    seal,
)
from node.storage.kv import Change, Entry, KeyValue

CLEAR_CHUNK_ENTRIES = 100_000


class FirstBlock(NamedTuple):
    """A block that the chain in a database begins with, with its certificate if it has one."""

    header: bytes
    body: tuple[bytes, ...]
    justification: bytes | None = None


class Milestone(NamedTuple):
    """A header that is kept although its block may be below the first one, with its certificate."""

    header: bytes
    justification: bytes | None


class Filling:
    """Fills one unfilled database; all its methods are durable on return and for one thread."""

    def __init__(self, kv: KeyValue) -> None:
        """Begin, and clear what an earlier filling left half-done."""
        assert not is_filled(kv)
        self._kv = kv
        self.clear()

    def clear(self) -> None:
        """Take back all that was added."""
        for column in Column.ALL:
            _clear_column(self._kv, column)

    def add(self, entries: Iterable[Entry]) -> None:
        """Write a part of the state, which fits into memory."""
        self._kv.write([(Column.STATE + key, value) for key, value in entries], sync=True)

    def finish(
        self,
        facts: ChainFacts,
        genesis: FirstBlock,
        later: FirstBlock | None,
        milestones: Sequence[Milestone],
    ) -> None:
        """Make the database that of a chain: the state added is the one after `later`, or after genesis.

        Blocks between the two are a gap. `milestones` are the marked blocks up to the last of the two.
        """
        _, number = parse_header_start((later or genesis).header)
        head = BlockRef(number, compute_block_hash((later or genesis).header))
        batch = [*_store_first(genesis)]
        if later is not None:
            batch += [*_store_first(later), (META_FIRST, encode_meta_number(META_FIRST, number))]
        for milestone in milestones:
            batch += _store_milestone(milestone)
        batch += [
            (META_MARKED, encode_meta_number(META_MARKED, number)),
            (META_HEAD, encode_head(Head(head, number))),
            (META_CHAIN, encode_chain_facts(facts)),
        ]
        self._kv.write(batch, sync=True)


def is_filled(kv: KeyValue) -> bool:
    """Tell whether a database holds a chain."""
    return kv.get(META_CHAIN) is not None


def store_block(block: BlockRef, header: bytes, body: tuple[bytes, ...]) -> Iterator[Change]:
    """Yield the records that every known block has."""
    body_key = build_block_key(Column.BODY, block)
    yield build_block_key(Column.HEADER, block), header
    yield body_key, encode_body(body_key, body)
    yield Column.NUMBER + block.hash, encode_number(block.number)


def store_justification(block: BlockRef, justification: bytes) -> Change:
    """Return the record of a block's certificate."""
    key = build_block_key(Column.JUSTIFICATION, block)
    return key, seal(key, justification)


def store_mark(block: BlockRef) -> Change:
    """Return the record that makes a final block a milestone."""
    key = Column.MILESTONE + encode_number(block.number)
    return key, seal(key, block.hash)


def _store_first(block: FirstBlock) -> Iterator[Change]:
    ref = _refer(block.header)
    yield from store_block(ref, block.header, block.body)
    yield Column.CANONICAL + encode_number(ref.number), ref.hash
    if block.justification is not None:
        yield store_justification(ref, block.justification)


def _store_milestone(milestone: Milestone) -> Iterator[Change]:
    ref = _refer(milestone.header)
    yield build_block_key(Column.HEADER, ref), milestone.header
    if milestone.justification is not None:
        yield store_justification(ref, milestone.justification)
    yield store_mark(ref)


def _refer(header: bytes) -> BlockRef:
    return BlockRef(parse_header_start(header)[1], compute_block_hash(header))


def _clear_column(kv: KeyValue, column: bytes) -> None:
    stop = bytes([column[0] + 1])
    while keys := list(islice(kv.keys(column, stop), CLEAR_CHUNK_ENTRIES)):
        kv.write([(key, None) for key in keys], sync=True)
