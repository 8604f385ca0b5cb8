"""Session: who the validators are and with which keys they vote, in the storage where wallets look for it.

Responsible for the validator list that the author index of a block's digest refers to, and for the
authority set that certifies blocks. On chains with a fixed set nothing changes them. Source: pallet_session
(storage names).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from runtime.frame.pallet import Pallet
from runtime.frame.runtime_api import Authority, AuthoritySet
from runtime.frame.storage import TWOX_64_CONCAT, Map, Value, storage
from runtime.primitives.block import Digest, PreRuntime
from runtime.primitives.scale import Length, MaxLen, Struct, u32, u64
from runtime.primitives.types import AccountId

VALIDATORS_MAX = 1000
AUTHOR_ENGINE = b"BABE"
AUTHOR_TAG = 0x02


class SessionKeys(Struct, path="loam_runtime::SessionKeys"):
    """A validator's keys; `grandpa` is the ed25519 key that votes for blocks."""

    grandpa: Annotated[bytes, Length(32)]


class DigestSource(Protocol):
    """Where the block's digest is read from."""

    @property
    def digest(self) -> Value[Digest]:
        """The digest of the open block."""
        ...


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The pallet that keeps the digest."""

    system: DigestSource


class Session(Pallet[SessionConfig]):
    """Validators and their keys."""

    validators: Value[Annotated[tuple[AccountId, ...], MaxLen(VALIDATORS_MAX)]] = storage(
        default=(), docs="The current set of validators."
    )
    current_index: Value[u32] = storage(default=0, docs="Current index of the session.")
    next_keys: Map[AccountId, SessionKeys | None] = storage(
        TWOX_64_CONCAT, docs="The next session keys for a validator."
    )
    set_id: Value[u64] = storage(default=0, docs="Number of changes of the authority set since genesis.")

    def genesis(self, keys: tuple[tuple[AccountId, SessionKeys], ...]) -> None:
        """Set the validators that the chain starts with, in index order."""
        assert 0 < len(keys) <= VALIDATORS_MAX, "a chain starts with at least one validator"
        votes = [session_keys.grandpa for _, session_keys in keys]
        assert len(dict.fromkeys(votes)) == len(votes), "two validators have the same vote key"
        self.validators.put(tuple(who for who, _ in keys))
        for who, session_keys in keys:
            assert not self.next_keys.contains(who), f"validator {who.hex()} is listed twice"
            self.next_keys.put(who, session_keys)

    def authority_set(self) -> AuthoritySet:
        """Return the set that certifies the next block, all weights 1."""
        keys = [self.next_keys.get(who) for who in self.validators.get()]
        return AuthoritySet(self.set_id.get(), tuple(Authority(k.grandpa, 1) for k in keys if k is not None))

    def author(self) -> AccountId | None:
        """Return the author that the open block's digest names, None without one."""
        for item in self.config.system.digest.get().logs:
            if isinstance(item, PreRuntime) and item.field_0 == AUTHOR_ENGINE:
                index = int.from_bytes(item.field_1[1:5], "little")
                validators = self.validators.get()
                return validators[index] if index < len(validators) else None
        return None

    def try_state(self) -> None:
        """AssertionError unless every validator has keys."""
        for who in self.validators.get():
            assert self.next_keys.contains(who), f"validator {who.hex()} has no keys"
