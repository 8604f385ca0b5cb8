"""Session of the public chain: validators rotate, with keys that are queued one session ahead.

Responsible for sessions of a fixed number of blocks, for the keys of validators and who owns them, and for
disabled validators. Who validates is decided by the session manager. Names of storage, calls, events and
errors are pallet_session's of polkadot-stable2503.

Invariant (checked by `try_state`): a key has one owner, whose keys name it; disabled validators are in order,
and no more than the set bears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Protocol, TypeAlias

from pallets.staking import weights
from pallets.staking.fractions import disabled_max
from pallets.staking.types import VALIDATORS_MAX, SessionKeys
from runtime.frame.account import Accounts
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError, Weight, ensure_signed
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet
from runtime.frame.storage import TWOX_64_CONCAT, Map, Value, storage
from runtime.primitives.crypto import Scheme, verify
from runtime.primitives.possession import possession_message
from runtime.primitives.scale import Length, MaxLen, u32
from runtime.primitives.types import AccountId

PROOF_MAX: Final = 1024
"""Most bytes of a proof that a call may carry; a right one has 64 for each key."""
SIGNATURE_BYTES: Final = 64
KEY_TYPES: Final = (b"gran", b"babe")

KeyTypeId: TypeAlias = Annotated[bytes, Length(4)]
PublicKey: TypeAlias = Annotated[bytes, MaxLen(33)]
Keyed: TypeAlias = Annotated[tuple[tuple[AccountId, SessionKeys], ...], MaxLen(VALIDATORS_MAX)]


class SessionManager(Protocol):
    """Who decides the validators of sessions."""

    def new_session(self, index: int) -> tuple[AccountId, ...] | None:
        """Plan a session; return its validators where they may differ from the last."""
        ...

    def start_session(self, index: int) -> None:
        """Start a session."""
        ...

    def end_session(self, index: int) -> None:
        """End a session."""
        ...


@dataclass(frozen=True, slots=True)
class RotationConfig:
    """A session has `period` blocks. `on_new_session` is told whether the set changed, the validators with
    keys of the session that begins, and those of the one after."""

    accounts: Accounts
    manager: SessionManager
    period: int
    on_new_session: Callable[[bool, Keyed, Keyed], None]

    def __post_init__(self) -> None:
        """Refuse sessions without a block."""
        assert self.period > 0, "a session has blocks"


class Session(Pallet[RotationConfig]):
    """Validators and their keys."""

    validators: Value[Annotated[tuple[AccountId, ...], MaxLen(VALIDATORS_MAX)]] = storage(
        default=(), docs="The current set of validators."
    )
    current_index: Value[u32] = storage(default=0, docs="Current index of the session.")
    queued_changed: Value[bool] = storage(
        default=False, docs="Whether the queued set or what stands behind it differs from the current one."
    )
    queued_keys: Value[Keyed] = storage(default=(), docs="The validators of the next session, with keys.")
    disabled_validators: Value[Annotated[tuple[tuple[u32, u32], ...], MaxLen(VALIDATORS_MAX)]] = storage(
        default=(), docs="Indices of disabled validators in order, with how severely each offended."
    )
    next_keys: Map[AccountId, SessionKeys | None] = storage(
        TWOX_64_CONCAT, docs="The next session keys for a validator."
    )
    key_owner: Map[tuple[KeyTypeId, PublicKey], AccountId | None] = storage(
        TWOX_64_CONCAT, docs="The owner of a key."
    )

    class NewSession(Event, index=0):
        """A session has begun."""

        session_index: u32

    class ValidatorDisabled(Event, index=1):
        """A validator is disabled until its set changes."""

        validator: AccountId

    class ValidatorReenabled(Event, index=2):
        """A validator is enabled again, for another offended more severely."""

        validator: AccountId

    class InvalidProof(PalletError, index=0):
        """The proof is not the signatures by which the keys name the sender as their owner."""

    class NoAssociatedValidatorId(PalletError, index=1):
        """The sender cannot be a validator."""

    class DuplicatedKey(PalletError, index=2):
        """Somebody has one of these keys already."""

    class NoKeys(PalletError, index=3):
        """The sender has no keys."""

    class NoAccount(PalletError, index=4):
        """The sender's account does not exist, or cannot be held to exist."""

    def genesis(self, keys: Keyed) -> None:
        """Set the keys that the chain starts with; the manager names the validators, else they are all."""
        for who, session_keys in keys:
            self._put_keys(who, session_keys)
            self.config.accounts.inc_consumers(who)
        first = self.config.manager.new_session(0) or tuple(who for who, _ in keys)
        second = self.config.manager.new_session(1) or first
        self.validators.put(first)
        self.queued_keys.put(self._with_keys(second))
        self.config.manager.start_session(0)

    def on_initialize(self, number: int) -> Weight:
        """Begin a session in the first block after the last one's."""
        if number % self.config.period == 0:
            self.rotate()
        return weights.STAKING_HOOKS

    @call(0, weight=weights.STAKING_CALL)
    def set_keys(self, origin: Origin, keys: SessionKeys, proof: Annotated[bytes, MaxLen(PROOF_MAX)]) -> None:
        """Set the sender's keys, from the session after the next on. The proof is each key's signature for
        the sender's account, one after the other."""
        who = ensure_signed(origin)
        message = possession_message(who)
        parts = [proof[:SIGNATURE_BYTES], proof[SIGNATURE_BYTES:]]
        publics = (keys.grandpa, keys.babe)
        if not all(
            verify(Scheme.ED25519, key, part, message) for key, part in zip(publics, parts, strict=True)
        ):
            raise self.InvalidProof
        is_new = not self.next_keys.contains(who)
        if is_new and not self.config.accounts.can_accrue_consumers(who, 1):
            raise self.NoAccount
        self._put_keys(who, keys)
        if is_new:
            self.config.accounts.inc_consumers(who)

    @call(1, weight=weights.STAKING_CALL)
    def purge_keys(self, origin: Origin) -> None:
        """Give up the sender's keys, from the session after the next on."""
        who = ensure_signed(origin)
        keys = self.next_keys.get(who)
        if keys is None:
            raise self.NoKeys
        for entry in _typed(keys):
            self.key_owner.remove(entry)
        self.next_keys.remove(who)
        self.config.accounts.dec_consumers(who)

    def rotate(self) -> None:
        """End the session, begin the one that is queued, and queue the one after."""
        index, changed, queued = self.current_index.get(), self.queued_changed.get(), self.queued_keys.get()
        manager = self.config.manager
        manager.end_session(index)
        self.validators.put(tuple(who for who, _ in queued))
        if changed:
            self.disabled_validators.kill()
        index += 1
        self.current_index.put(index)
        manager.start_session(index)
        planned = manager.new_session(index + 1)
        following = self._with_keys(self.validators.get() if planned is None else planned)
        self.queued_keys.put(following)
        self.queued_changed.put(planned is not None or following != queued)
        self.deposit(self.NewSession(index))
        self.config.on_new_session(changed, queued, following)

    def report_offence(self, validator: AccountId, severity: int) -> None:
        """Disable a validator of the current set, in place of the mildest offender if the set bears no
        more."""
        validators = self.validators.get()
        if validator not in validators:
            return
        index, disabled = validators.index(validator), dict(self.disabled_validators.get())
        is_disabled = index in disabled
        if not is_disabled and len(disabled) >= disabled_max(len(validators)):
            mildest = min(disabled, key=lambda one: (disabled[one], one), default=None)
            if mildest is None or disabled[mildest] >= severity:
                return
            del disabled[mildest]
            self.deposit(self.ValidatorReenabled(validators[mildest]))
        disabled[index] = max(severity, disabled.get(index, 0))
        self.disabled_validators.put(tuple(sorted(disabled.items())))
        if not is_disabled:
            self.deposit(self.ValidatorDisabled(validator))

    def try_state(self) -> None:
        """AssertionError unless keys and owners agree and no more are disabled than may be."""
        owners = {entry: who for who, keys in self.next_keys.items() if keys for entry in _typed(keys)}
        assert owners == dict(self.key_owner.items()), "a key has another owner"
        disabled = [index for index, _ in self.disabled_validators.get()]
        assert disabled == sorted(dict.fromkeys(disabled)), "the disabled are not in order"
        assert len(disabled) <= disabled_max(len(self.validators.get())), "too many are disabled"

    def _with_keys(self, validators: tuple[AccountId, ...]) -> Keyed:
        """Return the validators that have keys, with them."""
        found = ((who, self.next_keys.get(who)) for who in validators)
        return tuple((who, keys) for who, keys in found if keys is not None)

    def _put_keys(self, who: AccountId, keys: SessionKeys) -> None:
        old = self.next_keys.get(who)
        for entry in _typed(keys):
            if self.key_owner.get(entry) not in {None, who}:
                raise self.DuplicatedKey
        for entry in () if old is None else _typed(old):
            self.key_owner.remove(entry)
        for entry in _typed(keys):
            self.key_owner.put(entry, who)
        self.next_keys.put(who, keys)


def _typed(keys: SessionKeys) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(zip(KEY_TYPES, (keys.grandpa, keys.babe), strict=True))
