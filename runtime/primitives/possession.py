"""The proof that who registers session keys has their secrets.

Responsible for what is signed, by clients and nodes that make the proof and by the chain that checks it: each
key signs a tag and the account that registers it, the signatures stand one after the other in the order of
the keys. Source: RFC-0048 of the Polkadot fellowship, sp_core::pop.
"""

from __future__ import annotations

from typing import Final

POSSESSION_TAG: Final = b"POP_"


def possession_message(owner: bytes) -> bytes:
    """Return what a key signs for the account that registers it, 32 bytes on our chains."""
    return POSSESSION_TAG + owner
