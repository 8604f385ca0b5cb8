"""What an authority signs on the way to a decision: votes and claims, and where in the protocol they stand.

Responsible for the form of signed statements and for the bytes that their signatures cover, which engines,
drivers and the chain that judges evidence have in common. It must not know what follows from a statement.

The steps of a view, in the order in which one validator may take them, are also positions of the signing
guard: a proposal, a PREPARE, a COMMIT, and at last the wish for the next view. A view change to v stands at
step 4 of view v - 1, so nothing of an older view can be signed after it.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple, TypeAlias

from runtime.primitives.certificate import Signature, vote_message
from runtime.primitives.scale import Enum, Struct, codec, u8, u16, u32, u64
from runtime.primitives.types import Hash

STEP_PROPOSE: Final = 1
STEP_PREPARE: Final = 2
STEP_VIEW_CHANGE: Final = 4
CLAIM_DOMAIN: Final = b"loam:view"
UNSIGNED: Final = bytes(64)


class Position(NamedTuple):
    """Where in the protocol a message stands."""

    instance: int
    view: int
    step: int


class Value(Struct, path="loam::consensus::Value"):
    """What is agreed on: a block."""

    number: u32
    hash: Hash


class Vote(Struct, index=0):
    """One validator's vote at one step of one view; a proposal carries one of step 1."""

    set_id: u64
    instance: u64
    number: u32
    view: u64
    block_hash: Hash
    step: u8
    index: u16
    signature: Signature

    @property
    def value(self) -> Value:
        """The block voted for."""
        return Value(self.number, self.block_hash)


class Prepared(Struct, path="loam::consensus::Prepared"):
    """That a quorum prepared a block in a view, as claimed by one who saw it."""

    view: u64
    number: u32
    block_hash: Hash


class Claim(Struct, index=1):
    """The signed part of a view change: to which view, and what the signer saw prepared in the latest one.

    A quorum of them, without their certificates, justifies a proposal.
    """

    set_id: u64
    instance: u64
    view: u64
    prepared: Prepared | None
    index: u16
    signature: Signature


Statement: TypeAlias = Annotated[Vote | Claim, Enum("loam::consensus::Statement")]
"""What is signed."""


class _Claimed(Struct):
    domain: bytes
    genesis: Hash
    set_id: u64
    instance: u64
    view: u64
    prepared: Prepared | None


_CLAIMED = codec(_Claimed)


def signed_bytes(genesis: Hash, statement: Statement) -> bytes:
    """Return what the signature of a vote or claim covers: everything but the index and itself."""
    if isinstance(statement, Vote):
        return vote_message(genesis, statement, statement.step)
    return _CLAIMED.encode(
        _Claimed(
            CLAIM_DOMAIN,
            genesis,
            statement.set_id,
            statement.instance,
            statement.view,
            statement.prepared,
        )
    )


def position_of(statement: Statement) -> Position:
    """Return where in the protocol a statement stands, for the signing guard."""
    if isinstance(statement, Vote):
        return Position(statement.instance, statement.view, statement.step)
    return Position(statement.instance, statement.view - 1, STEP_VIEW_CHANGE)
