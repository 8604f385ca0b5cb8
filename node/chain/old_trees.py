"""Trees of final blocks of the past, for proofs: walked to block by block, from whichever tree is nearest.

Responsible for the walk, and for keeping the last tree that was asked for, so that who reads proofs of one
block after the other pays for each block once and not for all that came later. What is kept shares with the
head's tree what both have, and is dropped when nobody asked for a while. It must not know what a proof is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final, NamedTuple

from node.storage.blocks import BlockStore
from runtime.primitives.tree import Tree

KEPT_BLOCKS: Final = 256
"""Blocks that become final without a question before the kept tree is dropped: some minutes."""


class _Kept(NamedTuple):
    number: int
    hash: bytes
    tree: Tree
    asked_at: int
    """The last final block when it was asked for."""


class OldTrees:
    """The trees of one store's final blocks."""

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._kept: _Kept | None = None

    def tree_at(self, number: int, final: int, newest: Tree) -> Tree:
        """Return the tree after a final block whose state is kept; costs the changes of the blocks between it
        and the nearest known tree. `newest` is that of the last final block, and its caller's no more."""
        at, tree = self._nearest(number, final, newest)
        for later in range(at, number, -1):
            tree.update(self._store.undo(later))
        for later in range(at + 1, number + 1):
            tree.update(list(self._redo(later)))
        block_hash = self._store.hash_by_number(number)
        assert block_hash is not None, "a final block has a hash"
        self._kept = _Kept(number, block_hash, tree.fork(), final)
        return tree

    def on_finalized(self, number: int) -> None:
        """Drop what nobody asked for since long."""
        if self._kept is not None and number - self._kept.asked_at > KEPT_BLOCKS:
            self._kept = None

    def _nearest(self, number: int, final: int, newest: Tree) -> tuple[int, Tree]:
        """Return the tree to begin with; one that is kept must still be of the chain, and of a kept state."""
        kept = self._kept
        if kept is None or abs(kept.number - number) >= final - number:
            return final, newest
        if kept.number < self._store.oldest_state():
            return final, newest
        if self._store.hash_by_number(kept.number) != kept.hash:
            return final, newest
        return kept.number, kept.tree.fork()

    def _redo(self, number: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Give what each key holds after the block that changed it."""
        with closing(self._store.state_at(number)) as state:
            for change in self._store.undo(number):
                yield change[0], state.get(change[0])
