"""Authority sets: who certifies blocks, and how a header announces who certifies those behind it.

Responsible for the form in digests. It knows no rule by which a chain chooses its authorities.
"""

from __future__ import annotations

from typing import Annotated, Final

from runtime.primitives.block import Consensus, Header
from runtime.primitives.certificate import ENGINE_ID
from runtime.primitives.scale import Length, Struct, codec, u64


class Authority(Struct):
    """One vote of a certificate: its ed25519 key and its weight."""

    key: Annotated[bytes, Length(32)]
    weight: u64


class AuthoritySet(Struct):
    """Who certifies blocks, in the order that votes are indexed by."""

    set_id: u64
    authorities: tuple[Authority, ...]


_CODEC: Final = codec(AuthoritySet)


def announce(following: AuthoritySet) -> Consensus:
    """Return the digest item that names the set for the blocks behind."""
    return Consensus(ENGINE_ID, _CODEC.encode(following))


def announces_set(header: Header) -> bool:
    """Tell whether a header names a set for the blocks behind it."""
    return any(isinstance(item, Consensus) and item.field_0 == ENGINE_ID for item in header.digest.logs)


def announced_set(header: Header) -> AuthoritySet | None:
    """Return the set that a header names for the blocks behind it, None as a rule; raises DecodeError."""
    found: AuthoritySet | None = None
    for item in header.digest.logs:
        if isinstance(item, Consensus) and item.field_0 == ENGINE_ID:
            found = _CODEC.decode(item.field_1)
    return found
