"""The executed blocks above the last finalized one, all branches together, and the ways between them.

Responsible for ancestry alone; it knows neither runtime nor store. The root is the last block whose
finalization was handed to the store; every block that counts stands above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from runtime.frame.state import Change
from runtime.primitives.block import Header
from runtime.primitives.types import Hash


class BlockInfo(NamedTuple):
    """A block's place: number, hash and header."""

    number: int
    hash: Hash
    header: Header


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """An unfinalized block with what it changed, the hashes of its extrinsics, the tags they provide as far
    as the pool did not know them, and when its body is durable."""

    info: BlockInfo
    changes: list[Change]
    layer: Mapping[bytes, bytes | None]
    extrinsics: tuple[Hash, ...]
    tags: tuple[bytes, ...]
    stored: Future[None]


class Route(NamedTuple):
    """The way between two blocks: what to undo, newest first, and what to redo, oldest first."""

    undone: list[ExecutedBlock]
    redone: list[ExecutedBlock]


class Branches:
    """See the module."""

    def __init__(self, root: BlockInfo) -> None:
        self.root = root
        self._blocks: dict[Hash, ExecutedBlock] = {}

    def __contains__(self, block_hash: Hash) -> bool:
        return block_hash in self._blocks

    def get(self, block_hash: Hash) -> ExecutedBlock | None:
        """Return a block above the last durably finalized one, None for others."""
        return self._blocks.get(block_hash)

    def add(self, block: ExecutedBlock) -> None:
        """Add a block whose parent is the root or known."""
        self._blocks[block.info.hash] = block

    def drop(self, block_hash: Hash) -> None:
        """Forget a block that is final or dead."""
        self._blocks.pop(block_hash, None)

    def find_live(self, block_hash: Hash) -> BlockInfo | None:
        """Return the block if it is the root or stands above it, None otherwise."""
        if block_hash == self.root.hash:
            return self.root
        found = self._blocks.get(block_hash)
        if found is None or not self.is_above(block_hash, self.root.hash):
            return None
        return found.info

    def is_above(self, block_hash: Hash, ancestor: Hash) -> bool:
        """Tell whether a block is another or descends from it."""
        cursor = block_hash
        while cursor != ancestor:
            found = self._blocks.get(cursor)
            if found is None:
                return False
            cursor = found.info.header.parent_hash
        return True

    def ancestry(self, block_hash: Hash) -> list[ExecutedBlock]:
        """Return a block and the unfinalized ones below it, newest first."""
        found: list[ExecutedBlock] = []
        cursor = block_hash
        while (block := self._blocks.get(cursor)) is not None:
            found.append(block)
            cursor = block.info.header.parent_hash
        return found

    def layers(self, block_hash: Hash) -> list[Mapping[bytes, bytes | None]]:
        """Return what the unfinalized blocks up to a block changed, in chain order."""
        return [block.layer for block in reversed(self.ancestry(block_hash))]

    def route(self, start: Hash, end: Hash) -> Route:
        """Return the way from one block to another."""
        down, up = self.ancestry(start), self.ancestry(end)
        shared = {block.info.hash for block in down} & {block.info.hash for block in up}
        undone = [block for block in down if block.info.hash not in shared]
        redone = [block for block in reversed(up) if block.info.hash not in shared]
        return Route(undone, redone)
