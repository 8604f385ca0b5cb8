"""What the driver of agreement needs of its surroundings: peers to talk to, and a chain to work on.

Responsible for these two Protocols; a network and a chain's parts fulfil them, and tests stand in for either.
It must not know what is agreed on.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from node.chain.branches import BlockInfo
from runtime.primitives.block import Block
from runtime.primitives.certificate import Certificate
from runtime.primitives.crypto import SignatureCheck
from runtime.primitives.evidence import Evidence
from runtime.primitives.types import Hash

Peer: TypeAlias = str


class Wire(Protocol):
    """The peers, as far as agreement needs them."""

    def broadcast(self, data: bytes) -> None:
        """Send a consensus message to all peers."""
        ...

    def relay(self, peer: Peer, data: bytes) -> None:
        """Pass a right message on to all peers but the one it came from."""
        ...

    def send(self, peer: Peer, data: bytes) -> None:
        """Send a consensus message to one peer."""
        ...

    async def fetch_block(self, block_hash: Hash, hint: Peer | None) -> Block | None:
        """Get a block from a peer, the hinted one first; None when none has it in time."""
        ...


class Work(Protocol):
    """What is done to the chain: building, importing and finalizing, one at a time."""

    async def fill(self, parent: Hash, time_ms: int) -> None:
        """Put transactions into the block of this time that `build` will make, until cancelled."""
        ...

    async def build(self, parent: Hash) -> BlockInfo:
        """Make a block on a parent, or return one on it that is known and best."""
        ...

    async def import_block(self, block: Block, *, is_binding: bool) -> None:
        """Take a block in; InvalidBlock, UnknownBlock or BlockAhead."""
        ...

    async def finalize(self, certificate: Certificate, check: SignatureCheck) -> None:
        """Carry a certificate out, durably; `check` may remember signatures that it has found right."""
        ...

    def report(self, evidence: Evidence) -> None:
        """Bring the proof that an authority broke the protocol before the chain."""
        ...
