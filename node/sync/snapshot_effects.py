"""What goes into the download of a state, and what it asks to be done.

As in effects.py, peers are names, and who connects, stores and tells is the driver's matter.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from node.sync.effects import Fault, Peer, PeerLeft, PeerSaid, Penalise, Tick
from node.sync.warp import FollowedBlock, Fragment
from runtime.primitives.types import Hash

Entries: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Storage keys and values."""


# --- inputs


class ProofServed(NamedTuple):
    """The fragments with which a request was answered; `is_complete` when the last is of a block to take."""

    request: int
    fragments: tuple[Fragment, ...]
    is_complete: bool


class ChunkServed(NamedTuple):
    """The entries with which a request was answered, and what is said to prove them."""

    request: int
    entries: Entries
    proof: bytes


class BodyServed(NamedTuple):
    """The extrinsics with which a request was answered."""

    request: int
    body: tuple[bytes, ...]


class RequestFailed(NamedTuple):
    """A request that brought nothing."""

    request: int
    fault: Fault


class Stored(NamedTuple):
    """The oldest entries that were to be stored are."""


SnapshotInput: TypeAlias = (
    PeerSaid | PeerLeft | ProofServed | ChunkServed | BodyServed | RequestFailed | Stored | Tick
)


# --- effects


class AskProof(NamedTuple):
    """Ask for what leads from a block to a later one; answered by `ProofServed` or `RequestFailed`, once."""

    request: int
    peer: Peer
    start: int


class AskChunk(NamedTuple):
    """Ask for entries of a state from a path on; answered by `ChunkServed` or `RequestFailed`, once."""

    request: int
    peer: Peer
    block_hash: Hash
    start: bytes
    length: int


class AskBody(NamedTuple):
    """Ask for a block's extrinsics; answered by `BodyServed` or `RequestFailed`, once."""

    request: int
    peer: Peer
    block_hash: Hash


class Store(NamedTuple):
    """Store entries of the state; answered by `Stored`, in the order of these."""

    entries: Entries


class Clear(NamedTuple):
    """Take back all that was stored, in its order among `Store`."""


class Complete(NamedTuple):
    """The state is stored: take the block as the first; the last of all effects.

    `set_changes` are the blocks up to it that announce authorities, in order.
    """

    block: FollowedBlock
    body: tuple[bytes, ...]
    set_changes: tuple[FollowedBlock, ...]


class GiveUp(NamedTuple):
    """No state can be had; the last of all effects."""

    reason: str


SnapshotEffect: TypeAlias = AskProof | AskChunk | AskBody | Store | Clear | Penalise | Complete | GiveUp
