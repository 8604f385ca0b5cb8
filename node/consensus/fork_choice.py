"""Which of several chains to build on: the tree of headers above the last finalized block, and its best leaf.

Responsible for choice alone: headers come checked, and finality comes decided. Weights are the caller's:
one for each block under round robin; one for a primary slot and none for a secondary one under the lottery.
"""

from __future__ import annotations

from typing import NamedTuple

from runtime.primitives.types import Hash


class ForkChoiceError(Exception):
    """The tree refuses a header or a decision; it stays as it was."""


class UnknownParentError(ForkChoiceError):
    """The parent is neither the last finalized block nor above it."""


class UnknownBlockError(ForkChoiceError):
    """The block is not in the tree."""


class WrongNumberError(ForkChoiceError):
    """The number is not the parent's plus one."""


class BelowFinalizedError(ForkChoiceError):
    """The block would stand beside finalized blocks or below them: they are never reverted."""


class TreeFullError(ForkChoiceError):
    """As many blocks wait for finality as the tree may hold."""


class Place(NamedTuple):
    """A block's place in the tree."""

    number: int
    hash: Hash
    parent_hash: Hash


class Path(NamedTuple):
    """The way from one best block to the next: retracted blocks newest first, enacted ones oldest first."""

    retracted: list[Hash]
    enacted: list[Hash]


class Finalized(NamedTuple):
    """What a decision did: final blocks oldest first, dead ones, and the way to the best block."""

    final: list[Hash]
    dead: list[Hash]
    path: Path


class _Node(NamedTuple):
    place: Place
    weight: int


class ForkChoice:
    """The blocks above the last finalized one; at most `blocks_max` of them.

    Raises ValueError where a bound is below one.
    """

    def __init__(self, root: Place, depth_max: int, blocks_max: int) -> None:
        if min(depth_max, blocks_max) < 1:
            raise ValueError("bounds of a tree are at least one")
        self._root = _Node(root, 0)
        self._best = self._root
        self._nodes: dict[Hash, _Node] = {}
        self._depth_max = depth_max
        self._blocks_max = blocks_max

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def root(self) -> Place:
        """The last finalized block."""
        return self._root.place

    @property
    def best(self) -> Place:
        """The block to build on."""
        return self._best.place

    @property
    def may_author(self) -> bool:
        """Tell whether the best chain leaves room above the last finalized block: authors wait otherwise."""
        return self.best.number - self.root.number < self._depth_max

    def import_header(self, place: Place, weight: int = 1, *, is_syncing: bool = False) -> Path:
        """Add a block and return the way to the best one; a known block changes nothing.

        More weight wins, then the greater number; of equals the first seen stays, or while syncing the one of
        the lower hash. Raises ForkChoiceError by its kinds, ValueError where a weight is negative.
        """
        if weight < 0:
            raise ValueError("a weight below zero")
        if place.hash in self._nodes or place.hash == self.root.hash:
            return Path([], [])
        if place.number <= self.root.number:
            raise BelowFinalizedError(f"block {place.number}, and {self.root.number} is final")
        parent = self._find(place.parent_hash)
        if parent is None:
            raise UnknownParentError(f"block {place.number} has an unknown parent")
        if place.number != parent.place.number + 1:
            raise WrongNumberError(f"block {place.number} upon block {parent.place.number}")
        if len(self._nodes) >= self._blocks_max:
            raise TreeFullError(f"{self._blocks_max} blocks wait for finality")
        node = self._nodes[place.hash] = _Node(place, parent.weight + weight)
        return self._move(node) if self._is_better(node, is_syncing=is_syncing) else Path([], [])

    def finalize(self, block_hash: Hash) -> Finalized:
        """Make a block the root, forget what is not above it, and return what changed.

        Raises UnknownBlockError where the tree does not hold the block: the caller stops, as a decision
        against a finalized block needs a third of the weight to be faulty.
        """
        if block_hash == self.root.hash:
            return Finalized([], [], Path([], []))
        target = self._nodes.get(block_hash)
        if target is None:
            raise UnknownBlockError("a decision for a block that the tree does not hold")
        final = self._ancestry(target)[::-1]
        # A parent stands before its children, as blocks come in that order.
        alive = {block_hash}
        for known, node in self._nodes.items():
            if node.place.parent_hash in alive:
                alive.add(known)
        best = max(
            (node for known, node in self._nodes.items() if known in alive),
            key=lambda node: (node.weight, node.place.number),
        )
        path = self._move(self._best if self.best.hash in alive else best)
        dead = [known for known in self._nodes if known not in alive and known not in final]
        self._nodes = {known: self._nodes[known] for known in self._nodes if known in alive - {block_hash}}
        self._root = target
        return Finalized(final, dead, path)

    def is_above(self, block_hash: Hash, ancestor: Hash) -> bool:
        """Tell whether a block of the tree is another or descends from it; O(depth)."""
        node = self._find(block_hash)
        if node is None:
            return False
        return block_hash == ancestor or ancestor in {*self._ancestry(node), self.root.hash}

    def _find(self, block_hash: Hash) -> _Node | None:
        return self._root if block_hash == self.root.hash else self._nodes.get(block_hash)

    def _is_better(self, node: _Node, *, is_syncing: bool) -> bool:
        ours = self._best.weight, self.best.number
        theirs = node.weight, node.place.number
        if theirs == ours:
            return is_syncing and node.place.hash < self.best.hash
        return theirs > ours

    def _move(self, best: _Node) -> Path:
        down, up = self._ancestry(self._best), self._ancestry(best)
        shared = set(down) & set(up)
        self._best = best
        return Path(
            [known for known in down if known not in shared],
            [known for known in reversed(up) if known not in shared],
        )

    def _ancestry(self, node: _Node) -> list[Hash]:
        found: list[Hash] = []
        cursor = node.place.hash
        while (known := self._nodes.get(cursor)) is not None:
            found.append(cursor)
            cursor = known.place.parent_hash
        return found
