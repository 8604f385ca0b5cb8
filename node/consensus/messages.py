"""What validators say to one another: votes, view changes, proposals, and where they stand.

Responsible for the messages' form; what is signed in them is `runtime.primitives.statements`. It must not
know what makes a message right (`checks`) nor what follows from it (`pbft`). All are SCALE: parts of them go
on chain as evidence.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from runtime.primitives.certificate import AUTHORITIES_MAX, Certificate
from runtime.primitives.scale import Enum, MaxLen, Struct, codec, u64
from runtime.primitives.statements import Claim, Statement, Vote


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
_MESSAGE = codec(Message)


def encode_message(message: Vote | ViewChange | Proposal | Status | Decided) -> bytes:
    """Return the SCALE bytes of a message."""
    return _MESSAGE.encode(message)


def decode_message(data: bytes) -> Vote | ViewChange | Proposal | Status | Decided:
    """Return the message that exactly these bytes encode; DecodeError otherwise."""
    message: Vote | ViewChange | Proposal | Status | Decided = _MESSAGE.decode(data)
    return message


def get_statement(message: Vote | ViewChange | Proposal) -> Statement:
    """Return what the sender of a message signed."""
    match message:
        case Vote():
            return message
        case ViewChange():
            return message.claim
        case Proposal():
            return message.vote
