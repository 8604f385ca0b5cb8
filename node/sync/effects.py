"""What goes into the download of blocks, and what it asks to be done.

Peers are names here, blocks are decoded; who connects, decodes, verifies and executes is the driver's matter.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

from runtime.primitives.block import Block
from runtime.primitives.certificate import Certificate

Peer: TypeAlias = str


class CertifiedBlock(NamedTuple):
    """A block with its certificate, neither of them checked; `size` is the bytes that it came in."""

    block: Block
    certificate: Certificate
    size: int


class Fault(Enum):
    """Why a request brought nothing."""

    STALLED = "did not answer in time"
    REFUSED = "refused"
    BUSY = "has too much to do"
    GONE = "went before it answered"
    DAMAGED = "sent what cannot be decoded"


class Offence(Enum):
    """What a peer is to be penalised for."""

    BAD_BLOCK = "sent a block that is not of the chain"
    NOT_KEPT = "has not the blocks that it says it has"
    WENT_BACK = "says that its last final block is no longer final"
    BAD_PROOF = "sent a header that the authorities have not certified"
    BAD_STATE = "sent what is not the state of the block asked for"
    OLD_OFFER = "offers the state of a block far below its last final one"


# --- inputs


class PeerSaid(NamedTuple):
    """A peer is there, or still there, and says which block is its last final one."""

    peer: Peer
    final: int


class PeerLeft(NamedTuple):
    """A peer is gone."""

    peer: Peer


class Served(NamedTuple):
    """The blocks with which a request was answered, in the order in which they came."""

    request: int
    blocks: tuple[CertifiedBlock, ...]


class Failed(NamedTuple):
    """A request that brought nothing."""

    request: int
    fault: Fault


class Advanced(NamedTuple):
    """The last final block of this node, whoever brought it."""

    final: int


class ImportEnded(NamedTuple):
    """The import asked for is over, at its end or before it; `is_bad` when a block was wrong."""

    is_bad: bool


class Tick(NamedTuple):
    """Time has passed; expected about once a second."""


SyncInput: TypeAlias = PeerSaid | PeerLeft | Served | Failed | Advanced | ImportEnded | Tick


# --- effects


class Ask(NamedTuple):
    """Ask a peer for blocks with certificates; answered by `Served` or `Failed` with this number, once."""

    request: int
    peer: Peer
    start: int
    length: int


class Import(NamedTuple):
    """Check and carry out these blocks, which follow the last final one; answered by `ImportEnded`."""

    blocks: tuple[CertifiedBlock, ...]


class Penalise(NamedTuple):
    """Let a peer's score suffer."""

    peer: Peer
    offence: Offence


SyncEffect: TypeAlias = Ask | Import | Penalise
