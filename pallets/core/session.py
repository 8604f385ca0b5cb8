"""Session: who the validators are and with which keys they vote, in the storage where wallets look for it.

Responsible for the validator list that the author index of a block's digest refers to, and for the
authority set that certifies blocks. Another pallet says when they change. Source: pallet_session (storage and
event names).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from runtime.frame.event import Event
from runtime.frame.pallet import Pallet
from runtime.frame.runtime_api import Authority, AuthoritySet
from runtime.frame.storage import TWOX_64_CONCAT, Map, Value, storage
from runtime.primitives.block import Consensus, Digest, DigestItem, PreRuntime
from runtime.primitives.certificate import ENGINE_ID
from runtime.primitives.scale import Length, MaxLen, Struct, codec, u32, u64
from runtime.primitives.types import AccountId

VALIDATORS_MAX = 1000
AUTHOR_ENGINE = b"BABE"
AUTHOR_TAG = 0x02


class SessionKeys(Struct, path="loam_runtime::SessionKeys"):
    """A validator's keys; `grandpa` is the ed25519 key that votes for blocks."""

    grandpa: Annotated[bytes, Length(32)]


class DigestKeeper(Protocol):
    """The block's digest."""

    @property
    def digest(self) -> Value[Digest]:
        """The digest of the open block."""
        ...

    def deposit_log(self, item: DigestItem) -> None:
        """Add an item to the block's digest."""
        ...


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The pallet that keeps the digest."""

    system: DigestKeeper


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

    class NewSession(Event, index=0):
        """Another set of validators certifies from the next block on; the index counts the sets."""

        session_index: u32

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

    def validators_with_keys(self) -> tuple[tuple[AccountId, bytes], ...]:
        """Return the validators and their vote keys in index order."""
        keys = ((who, self.next_keys.get(who)) for who in self.validators.get())
        return tuple((who, found.grandpa) for who, found in keys if found is not None)

    def change_set(self, members: tuple[tuple[AccountId, bytes], ...]) -> None:
        """Let other validators, with their vote keys, certify the next block; the digest names them."""
        assert 0 < len(members) <= VALIDATORS_MAX
        staying = {who: None for who, _ in members}
        for who in self.validators.get():
            if who not in staying:
                self.next_keys.remove(who)
        for who, vote_key in members:
            if self.next_keys.get(who) != SessionKeys(vote_key):
                self.next_keys.put(who, SessionKeys(vote_key))
        self.validators.put(tuple(who for who, _ in members))
        self.set_id.put(self.set_id.get() + 1)
        self.current_index.put(self.current_index.get() + 1)
        item = Consensus(ENGINE_ID, codec(AuthoritySet).encode(self.authority_set()))
        self.config.system.deposit_log(item)
        self.deposit(self.NewSession(self.current_index.get()))

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
