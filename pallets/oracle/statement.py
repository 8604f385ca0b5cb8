"""What a provider signs off chain: that a feed had a value in a round, and when it was measured.

Responsible for the bytes under such a signature; it knows no rule of who may sign. A provider signs one
statement for each feed and round: two different ones are a proof against it, on whichever chain of the same
genesis they turn up. Whoever signs needs this module's layout and the chain's genesis hash, nothing else.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from runtime.primitives.crypto import SIGNATURE_LENGTH, Scheme, verify
from runtime.primitives.scale import Length, Struct, codec, i128, u32, u64
from runtime.primitives.types import Hash

DOMAIN: Final = b"loam:oracle:statement"
"""Sets these bytes apart from everything else that a key may sign."""

Signature: TypeAlias = Annotated[bytes, Length(SIGNATURE_LENGTH)]


class Statement(Struct, path="pallet_oracle::Statement"):
    """A feed's value in a round, in the feed's smallest unit, measured at `time_ms` since 1970."""

    feed: u32
    round: u64
    value: i128
    time_ms: u64


class SignedStatement(Struct, path="pallet_oracle::SignedStatement"):
    """A statement with an ed25519 signature of one provider."""

    statement: Statement
    signature: Signature


class _Message(Struct):
    domain: bytes
    genesis: Hash
    statement: Statement


def make_message(genesis: Hash, statement: Statement) -> bytes:
    """Return the bytes that are signed: SCALE of the domain, the chain's genesis hash and the statement."""
    return codec(_Message).encode(_Message(DOMAIN, genesis, statement))


def is_signed_by(key: bytes, genesis: Hash, statement: Statement, signature: bytes) -> bool:
    """Tell whether a signature of a statement is an ed25519 key's."""
    return verify(Scheme.ED25519, key, signature, make_message(genesis, statement))


def contradict(first: Statement, second: Statement) -> bool:
    """Tell whether nobody honest signs both: one feed, one round, and they differ."""
    return (first.feed, first.round) == (second.feed, second.round) and first != second
