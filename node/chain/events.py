"""What a chain tells those who listen: blocks that became known, and moves of the best branch."""

from __future__ import annotations

from typing import NamedTuple

from node.chain.branches import BlockInfo
from runtime.frame.extension import Extrinsic
from runtime.primitives.types import Hash


class Included(NamedTuple):
    """A block that has joined the best branch, the hashes of its extrinsics, and the tags that those provide
    which came from elsewhere than the pool."""

    info: BlockInfo
    extrinsics: tuple[Hash, ...]
    tags: tuple[bytes, ...]


class Retracted(NamedTuple):
    """A block that has left the best branch, and its extrinsics: it may be forgotten already."""

    hash: Hash
    extrinsics: tuple[bytes, ...]


class NewBest(NamedTuple):
    """The best block is another now: which blocks left its branch, newest first, and which joined it, oldest
    first; the last of these is the best block, or there are none, and the branch is shorter than it was."""

    info: BlockInfo
    retracted: tuple[Retracted, ...]
    enacted: tuple[Included, ...]


class Imported(NamedTuple):
    """A block has become known; `best` says what that did to the best branch, if anything."""

    info: BlockInfo
    extrinsics: tuple[Extrinsic, ...]
    best: NewBest | None
