"""What validators say to one another: votes, view changes, proposals, and where they stand.

Responsible for the messages' form and for what their signatures cover. It must not know what makes a message
right (`checks`) nor what follows from it (`pbft`). All are SCALE: parts of them go on chain as evidence.

The steps of a view, in the order in which one validator may take them, are also positions of the signing
guard: a proposal, a PREPARE, a COMMIT, and at last the wish for the next view. A view change to v stands at
step 4 of view v - 1, so nothing of an older view can be signed after it.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from node.consensus.guard import Position
from runtime.primitives.certificate import (
    AUTHORITIES_MAX,
    Certificate,
    Signature,
    vote_message,
)
from runtime.primitives.scale import Enum, MaxLen, Struct, codec, u8, u16, u32, u64
from runtime.primitives.types import Hash

STEP_PROPOSE: Final = 1
STEP_PREPARE: Final = 2
STEP_VIEW_CHANGE: Final = 4
CLAIM_DOMAIN: Final = b"loam:view"
UNSIGNED: Final = bytes(64)


class Value(Struct):
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


class Prepared(Struct):
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


class ViewChange(Struct, index=1):
    """A claim with the PREPAREs that prove it."""

    claim: Claim
    certificate: Certificate | None


class Proposal(Struct, index=2):
    """A leader's block; above view 0 with a quorum of claims, and the PREPAREs of the highest one."""

    vote: Vote
    claims: Annotated[tuple[Claim, ...], MaxLen(AUTHORITIES_MAX)]
    certificate: Certificate | None


class Status(Struct, index=3):
    """Where a node stands, unsigned: a hint that it can be helped, or can help."""

    instance: u64
    view: u64


class Decided(Struct, index=4):
    """The certificate of a decision, for one who is behind."""

    certificate: Certificate


Message: TypeAlias = Annotated[
    Vote | ViewChange | Proposal | Status | Decided, Enum("loam::consensus::Message")
]
Statement: TypeAlias = Annotated[Vote | Claim, Enum("loam::consensus::Statement")]
"""What is signed."""


class _Claimed(Struct):
    domain: bytes
    genesis: Hash
    set_id: u64
    instance: u64
    view: u64
    prepared: Prepared | None


_MESSAGE = codec(Message)
_CLAIMED = codec(_Claimed)


def encode_message(message: Vote | ViewChange | Proposal | Status | Decided) -> bytes:
    """Return the SCALE bytes of a message."""
    return _MESSAGE.encode(message)


def decode_message(data: bytes) -> Vote | ViewChange | Proposal | Status | Decided:
    """Return the message that exactly these bytes encode; DecodeError otherwise."""
    message: Vote | ViewChange | Proposal | Status | Decided = _MESSAGE.decode(data)
    return message


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


def get_statement(message: Vote | ViewChange | Proposal) -> Statement:
    """Return what the sender of a message signed."""
    match message:
        case Vote():
            return message
        case ViewChange():
            return message.claim
        case Proposal():
            return message.vote
