"""The tree of blocks above the last finalized one, in memory.

Responsible for parents, leaves, and which blocks die when one is finalized. It must not know storage.
"""

from collections.abc import Iterator
from typing import NamedTuple

from node.storage.columns import BlockRef

UNFINALIZED_MAX = 1 << 16
"""Blocks above the finalized one, all forks together; some days of a chain whose finality has stopped."""


class UnfinalizedBlock(NamedTuple):
    """A block above the finalized one."""

    number: int
    hash: bytes
    parent: bytes

    @property
    def ref(self) -> BlockRef:
        """Number and hash."""
        return BlockRef(self.number, self.hash)


class ForkTree:
    """Unfinalized blocks, each a descendant of the root, which is finalized."""

    def __init__(self, root: BlockRef) -> None:
        self.root = root
        self._blocks: dict[bytes, UnfinalizedBlock] = {}
        self._children: dict[bytes, list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._blocks

    def get(self, block_hash: bytes) -> UnfinalizedBlock | None:
        """Return the unfinalized block, or None."""
        return self._blocks.get(block_hash)

    def is_attachable(self, block: UnfinalizedBlock) -> bool:
        """Tell whether the block's parent is the root or in the tree, one number below."""
        parent = self._blocks.get(block.parent)
        parent_ref = self.root if parent is None else parent.ref
        return parent_ref == BlockRef(block.number - 1, block.parent)

    def insert(self, block: UnfinalizedBlock) -> None:
        """Add an attachable block that is not in the tree yet."""
        assert block.hash not in self._blocks
        assert self.is_attachable(block)
        self._blocks[block.hash] = block
        self._children.setdefault(block.parent, []).append(block.hash)

    def finalize(self, block_hash: bytes) -> list[BlockRef]:
        """Make a child of the root the root; return the blocks that die with it, in number order."""
        block = self._blocks[block_hash]
        assert block.parent == self.root.hash
        siblings = [child for child in self._children.pop(self.root.hash) if child != block_hash]
        dead: list[BlockRef] = []
        for sibling in siblings:
            dead.extend(self._pop_subtree(sibling))
        del self._blocks[block_hash]
        self.root = block.ref
        return sorted(dead)

    def clear(self, root: BlockRef) -> list[BlockRef]:
        """Drop every unfinalized block and take another root; return the dropped, in number order."""
        dead = sorted(block.ref for block in self._blocks.values())
        self._blocks.clear()
        self._children.clear()
        self.root = root
        return dead

    def leaves(self) -> list[BlockRef]:
        """Return the blocks without children, highest first; the root when there is nothing above it."""
        found = [block.ref for block in self._blocks.values() if block.hash not in self._children]
        return sorted(found, reverse=True) or [self.root]

    def blocks(self) -> list[UnfinalizedBlock]:
        """Return all blocks, parents before children."""
        return sorted(self._blocks.values())

    def _pop_subtree(self, block_hash: bytes) -> Iterator[BlockRef]:
        waiting = [block_hash]
        while waiting:
            block = self._blocks.pop(waiting.pop())
            waiting.extend(self._children.pop(block.hash, ()))
            yield block.ref
