"""Session: who the validators are and with which keys they vote, in the storage where wallets look for it.

Responsible for the validator list that the author index of a block's digest refers to, for the authority set
that certifies blocks, for the latest sets before it, and for the calls by which validators change their keys.
Another pallet says when the set changes, and who may hold keys. Source: pallet_session (names of storage,
calls, events and errors).

There is one set of keys at a time: what `set_keys` queues is in force from the next block on. So `NextKeys`,
`KeyOwner` and `QueuedKeys` all tell of the set that certifies the next block.

Invariant (checked by `try_state`): every validator has keys, no two the same; the three above agree; the past
sets are the latest, without a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias

from pallets.core import weights
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError, ensure_signed
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import TWOX_64_CONCAT, Map, Value, storage
from runtime.primitives.authority_set import Authority, AuthoritySet, announce
from runtime.primitives.block import Digest, DigestItem, PreRuntime
from runtime.primitives.committee import LeaderRule, rotate
from runtime.primitives.crypto import Scheme, verify
from runtime.primitives.possession import possession_message
from runtime.primitives.scale import Length, MaxLen, Struct, u32, u64
from runtime.primitives.types import AccountId

VALIDATORS_MAX = 1000
PROOF_MAX = 1024
"""Most bytes of a proof that a call may carry; a right one has 64."""
VOTE_KEY_TYPE = b"gran"
"""The key type that wallets and keystores know of keys that vote for finality."""
AUTHOR_ENGINE = b"BABE"
AUTHOR_TAG = 0x02


class SessionKeys(Struct, path="loam_runtime::SessionKeys"):
    """A validator's keys; `grandpa` is the ed25519 key that votes for blocks."""

    grandpa: Annotated[bytes, Length(32)]


KeyTypeId: TypeAlias = Annotated[bytes, Length(4)]
PublicKey: TypeAlias = Annotated[bytes, MaxLen(33)]
Keyed: TypeAlias = Annotated[tuple[tuple[AccountId, SessionKeys], ...], MaxLen(VALIDATORS_MAX)]


class DigestKeeper(Protocol):
    """The block's digest."""

    @property
    def digest(self) -> Value[Digest]:
        """The digest of the open block."""
        ...

    def deposit_log(self, item: DigestItem) -> None:
        """Add an item to the block's digest."""
        ...


class KeyHolders(Protocol):
    """Who may hold keys, and what queues a change of them for the end of the block; they raise the errors of
    their pallet."""

    def is_key_holder(self, who: AccountId) -> bool:
        """Tell whether an account has keys, or will have after this block."""
        ...

    def owner_of_key(self, vote_key: bytes) -> AccountId | None:
        """Return who has a key, or will have after this block."""
        ...

    def change_key(self, who: AccountId, vote_key: bytes) -> None:
        """Let a key holder vote with a key that nobody has, from the next block on."""
        ...

    def give_up_key(self, who: AccountId) -> None:
        """Let a key holder leave the validators, from the next block on."""
        ...


class SetNotes(Protocol):
    """What another pallet keeps about past sets."""

    def forget_set(self, set_id: int) -> None:
        """Drop what is kept about a set that this pallet remembers no more."""
        ...


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The pallet that keeps the digest; who may hold keys, and who has notes about past sets, both asked for
    when they are needed, for they stand on this pallet; how many sets before the current one are kept; who
    leads, for the nodes that agree and for the judge of their offences."""

    system: DigestKeeper
    holders: Callable[[], KeyHolders] | None = None
    notes: Callable[[], SetNotes] | None = None
    sets_kept: int = 256
    leader: LeaderRule = rotate


class Session(Pallet[SessionConfig]):
    """Validators and their keys."""

    validators: Value[Annotated[tuple[AccountId, ...], MaxLen(VALIDATORS_MAX)]] = storage(
        default=(), docs="The current set of validators."
    )
    current_index: Value[u32] = storage(default=0, docs="Current index of the session.")
    next_keys: Map[AccountId, SessionKeys | None] = storage(
        TWOX_64_CONCAT, docs="The next session keys for a validator."
    )
    queued_keys: Value[Keyed] = storage(
        default=(), docs="The keys of the validators that certify the next block, in index order."
    )
    key_owner: Map[tuple[KeyTypeId, PublicKey], AccountId | None] = storage(
        TWOX_64_CONCAT, docs="The owner of a key."
    )
    past_sets: Map[u64, Keyed | None] = storage(
        TWOX_64_CONCAT, docs="The latest sets of validators before the current one, by number of the set."
    )
    set_id: Value[u64] = storage(default=0, docs="Number of changes of the authority set since genesis.")

    class NewSession(Event, index=0):
        """Another set of validators certifies from the next block on; the index counts the sets."""

        session_index: u32

    class InvalidProof(PalletError, index=0):
        """The proof is not the signature by which the new key names the sender as its owner."""

    class NoAssociatedValidatorId(PalletError, index=1):
        """The sender is no validator of this chain."""

    class DuplicatedKey(PalletError, index=2):
        """Somebody has this key already."""

    class NoKeys(PalletError, index=3):
        """The sender has no keys."""

    @constant
    def sets_kept(self) -> u32:
        """How many sets of validators before the current one are remembered."""
        return self.config.sets_kept

    def genesis(self, keys: tuple[tuple[AccountId, SessionKeys], ...]) -> None:
        """Set the validators that the chain starts with, in index order."""
        assert 0 < len(keys) <= VALIDATORS_MAX, "a chain starts with at least one validator"
        votes = [session_keys.grandpa for _, session_keys in keys]
        assert len(dict.fromkeys(votes)) == len(votes), "two validators have the same vote key"
        self.validators.put(tuple(who for who, _ in keys))
        for who, session_keys in keys:
            assert not self.next_keys.contains(who), f"validator {who.hex()} is listed twice"
            self.next_keys.put(who, session_keys)
            self.key_owner.put((VOTE_KEY_TYPE, session_keys.grandpa), who)
        self.queued_keys.put(keys)

    @call(0, weight=weights.SESSION_SET_KEYS)
    def set_keys(self, origin: Origin, keys: SessionKeys, proof: Annotated[bytes, MaxLen(PROOF_MAX)]) -> None:
        """Vote with other keys from the next block on. For validators.

        The proof is the new key's signature for the sender's account: `author_rotateKeysWithOwner` returns
        both. The validator must have the new key by then; the old one is of no use any more.
        """
        who = ensure_signed(origin)
        holders = self._holders(who)
        if holders is None:
            raise self.NoAssociatedValidatorId
        owner = holders.owner_of_key(keys.grandpa)
        if owner is not None and owner != who:
            raise self.DuplicatedKey
        if not verify(Scheme.ED25519, keys.grandpa, proof, possession_message(who)):
            raise self.InvalidProof
        if owner is None:
            holders.change_key(who, keys.grandpa)

    @call(1, weight=weights.SESSION_PURGE_KEYS)
    def purge_keys(self, origin: Origin) -> None:
        """Give up the keys and the vote: the sender is no validator from the next block on."""
        who = ensure_signed(origin)
        holders = self._holders(who)
        if holders is None:
            raise self.NoKeys
        holders.give_up_key(who)

    @property
    def leader(self) -> LeaderRule:
        """The chain's rule of who proposes: the only place that says it."""
        return self.config.leader

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
        self._remember_set()
        before, after = self.queued_keys.get(), tuple((who, SessionKeys(key)) for who, key in members)
        staying = dict.fromkeys(after)
        gone = [entry for entry in before if entry not in staying]
        known = dict.fromkeys(before)
        for who, keys in gone:
            self.next_keys.remove(who)
            self.key_owner.remove((VOTE_KEY_TYPE, keys.grandpa))
        for who, keys in after:
            if (who, keys) not in known:
                self.next_keys.put(who, keys)
                self.key_owner.put((VOTE_KEY_TYPE, keys.grandpa), who)
        self.queued_keys.put(after)
        self.validators.put(tuple(who for who, _ in members))
        self.set_id.put(self.set_id.get() + 1)
        self.current_index.put(self.current_index.get() + 1)
        self.config.system.deposit_log(announce(self.authority_set()))
        self.deposit(self.NewSession(self.current_index.get()))

    def author(self) -> AccountId | None:
        """Return the author that the open block's digest names, None without one."""
        for item in self.config.system.digest.get().logs:
            if isinstance(item, PreRuntime) and item.field_0 == AUTHOR_ENGINE:
                index = int.from_bytes(item.field_1[1:5], "little")
                validators = self.validators.get()
                return validators[index] if index < len(validators) else None
        return None

    def set_of(self, set_id: int) -> tuple[tuple[AccountId, bytes], ...] | None:
        """Return the validators and vote keys of a set by its number; None when it is to come or
        forgotten."""
        found = self.queued_keys.get() if set_id == self.set_id.get() else self.past_sets.get(set_id)
        return None if found is None else tuple((who, keys.grandpa) for who, keys in found)

    def try_state(self) -> None:
        """AssertionError unless every validator has keys of its own and all that tells of them agrees."""
        for who in self.validators.get():
            assert self.next_keys.contains(who), f"validator {who.hex()} has no keys"
        queued = self.queued_keys.get()
        assert tuple(who for who, _ in queued) == self.validators.get(), "keys and validators differ"
        assert all(self.next_keys.get(who) == keys for who, keys in queued), "a validator has two keys"
        assert sum(1 for _ in self.next_keys.items()) == len(queued), "somebody else has keys"
        owners = {key: who for (_, key), who in self.key_owner.items()}
        assert owners == {keys.grandpa: who for who, keys in queued}, "a key has another owner"
        current, kept = self.set_id.get(), sorted(number for number, _ in self.past_sets.items())
        assert kept == list(range(max(0, current - self.config.sets_kept), current)), "past sets are missing"

    def _holders(self, who: AccountId) -> KeyHolders | None:
        """Return who keeps the keys of an account, None when it may have none."""
        holders = None if self.config.holders is None else self.config.holders()
        return holders if holders is not None and holders.is_key_holder(who) else None

    def _remember_set(self) -> None:
        """Keep the current set among the past ones, in the place of the oldest."""
        current = self.set_id.get()
        self.past_sets.put(current, self.queued_keys.get())
        forgotten = current - self.config.sets_kept
        if forgotten >= 0:
            self.past_sets.remove(forgotten)
            if self.config.notes is not None:
                self.config.notes().forget_set(forgotten)
