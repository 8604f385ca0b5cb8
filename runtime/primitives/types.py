"""Identities that every layer shares: account ids and hashes, as distinct types over bytes."""

from typing import Annotated, NewType

from runtime.primitives.shape import Length, Path, describe

AccountId = NewType("AccountId", bytes)
"""32 bytes; the public key for sr25519 and ed25519 accounts."""

Hash = NewType("Hash", bytes)
"""32 bytes."""

describe(AccountId, Annotated[bytes, Length(32), Path("sp_core::crypto::AccountId32")])
describe(Hash, Annotated[bytes, Length(32), Path("primitive_types::H256")])

ZERO_HASH = Hash(bytes(32))
