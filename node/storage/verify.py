"""Walking the finalized chain: does every stored block follow from its hash, is every undo record whole.

Responsible for finding faults that LevelDB cannot see (a block missing in the middle, records that
disagree) and for cutting the chain back to the last good block. It must not know how extrinsics are hashed,
nor what a state is: after a cut the caller compares the state's root with the header.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from node.storage.blocks import BlockStore
from node.storage.columns import BlockRef, parse_header_start
from node.storage.kv import CorruptionError
from node.storage.states import StateDiscarded

START_UP_DEPTH = 256
"""Blocks walked at each start: as many as the default window can take back."""

BodyCheck = Callable[[bytes, tuple[bytes, ...]], bool]
"""Tells whether the extrinsics belong to the SCALE header."""


class WalkedBlock(NamedTuple):
    """One block of a walk; a fault is a sentence for the operator."""

    number: int
    fault: str | None


class CutBack(NamedTuple):
    """The chain was taken back from one block to another because of a fault above the latter."""

    newest: BlockRef
    target: BlockRef
    fault: str


def walk(store: BlockStore, first: int, last: int, is_body_right: BodyCheck) -> Iterator[WalkedBlock]:
    """Check the finalized blocks in the range, both ends included, in order, but for those never had."""
    parent = store.hash_by_number(first - 1) if first else bytes(32)
    gap = store.gap()
    for number in range(first, last + 1):
        if number in gap:
            continue
        block_hash = store.hash_by_number(number)
        fault = _find_fault(store, number, block_hash, parent, is_body_right)
        yield WalkedBlock(number, fault)
        parent = block_hash


def cut_back_to_good(
    store: BlockStore, is_body_right: BodyCheck, depth: int = START_UP_DEPTH
) -> CutBack | None:
    """Walk the last `depth` blocks; take the chain back below the first bad one, if there is one.

    Raises CorruptionError when it cannot be taken back so far: then only a new synchronisation helps.
    """
    newest = store.finalized()
    walked = walk(store, max(0, newest.number - depth + 1), newest.number, is_body_right)
    for number, fault in walked:
        if fault is not None:
            return _cut_back(store, newest, number - 1, fault)
    return None


def _cut_back(store: BlockStore, newest: BlockRef, number: int, fault: str) -> CutBack:
    try:
        target = store.revert(newest.number - number).result()
    except (CorruptionError, StateDiscarded, ValueError) as error:
        raise CorruptionError(f"{fault}; the chain cannot be taken back below it: {error}") from error
    return CutBack(newest, target, fault)


def _find_fault(
    store: BlockStore, number: int, block_hash: bytes | None, parent: bytes | None, is_body_right: BodyCheck
) -> str | None:
    if block_hash is None:
        return f"block {number} is missing in the canonical chain"
    try:
        header, body = store.header(block_hash), store.body(block_hash)
        store.justification(block_hash)
        if number and number > store.oldest_state():
            for _ in store.undo(number):
                pass
    except (CorruptionError, StateDiscarded) as error:
        return str(error)
    if header is None or body is None:
        return f"block {number} has lost its {'header' if header is None else 'body'}"
    found_parent, found_number = parse_header_start(header)
    if found_number != number or (found_parent != parent and number - 1 not in store.gap()):
        return f"block {number} does not follow block {number - 1}"
    if not is_body_right(header, body):
        return f"the extrinsics of block {number} are not those of its header"
    return None
