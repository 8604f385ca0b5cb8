"""A committee with real keys, and statements signed by its members, for tests of the consensus modules."""

from collections.abc import Iterable

from msgspec import structs

from node.consensus.checks import check_message
from node.consensus.messages import Proposal, ViewChange
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote
from runtime.primitives.committee import Committee, rotate
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.statements import (
    STEP_PREPARE,
    STEP_PROPOSE,
    UNSIGNED,
    Claim,
    Prepared,
    Value,
    Vote,
    signed_bytes,
)
from runtime.primitives.types import Hash

GENESIS = Hash(b"\x11" * 32)
INSTANCE = 5
SET_ID = 3
KEYS = tuple(Keypair.from_seed(bytes([n]) * 32, Scheme.ED25519) for n in range(1, 22))
A = Value(INSTANCE, Hash(b"\xaa" * 32))
B = Value(INSTANCE, Hash(b"\xbb" * 32))
QUORUM = (0, 1, 2)
"""Enough of four."""


def committee(count: int = 4, *, set_id: int = SET_ID, genesis: Hash = GENESIS) -> Committee:
    return Committee(genesis, set_id, [(key.public, 1) for key in KEYS[:count]], rotate)


def vote(step: int, index: int, value: Value = A, view: int = 0) -> Vote:
    unsigned = Vote(SET_ID, INSTANCE, value.number, view, value.hash, step, index, UNSIGNED)
    return structs.replace(unsigned, signature=KEYS[index].sign(signed_bytes(GENESIS, unsigned)))


def prepare(index: int, value: Value = A, view: int = 0) -> Vote:
    return vote(STEP_PREPARE, index, value, view)


def commit(index: int, value: Value = A, view: int = 0) -> Vote:
    return vote(STEP_COMMIT, index, value, view)


def certificate(
    value: Value = A, view: int = 0, step: int = STEP_PREPARE, indices: Iterable[int] = QUORUM
) -> Certificate:
    votes = tuple(IndexedVote(index, vote(step, index, value, view).signature) for index in indices)
    return Certificate(SET_ID, INSTANCE, value.number, view, value.hash, votes)


def claim(index: int, view: int = 1, prepared: Prepared | None = None) -> Claim:
    unsigned = Claim(SET_ID, INSTANCE, view, prepared, index, UNSIGNED)
    return structs.replace(unsigned, signature=KEYS[index].sign(signed_bytes(GENESIS, unsigned)))


def change(index: int, view: int = 1, seen: Certificate | None = None) -> ViewChange:
    """Return a view change whose author saw the block of a certificate prepared."""
    return ViewChange(claim(index, view, None if seen is None else claimed(seen)), seen)


def claimed(seen: Certificate) -> Prepared:
    return Prepared(seen.view, seen.number, seen.block_hash)


def leader(view: int, count: int = 4) -> int:
    return rotate(INSTANCE, view, count)


def proposal(
    value: Value = A, view: int = 0, claims: Iterable[Claim] = (), seen: Certificate | None = None
) -> Proposal:
    return Proposal(vote(STEP_PROPOSE, leader(view), value, view), tuple(claims), seen)


def is_right(message: Vote | ViewChange | Proposal, members: Committee | None = None) -> bool:
    """Tell whether all signatures of a message are right; Rejected when its form is not."""
    return all(verify(*check) for check in check_message(message, INSTANCE, members or committee()))
