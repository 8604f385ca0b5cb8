"""Signing under the guard: the record is durable before the signature leaves this module.

Responsible for one authority key. The rule is node.consensus.guard's, the file node.storage.guard's. With the
last signature goes what its author has seen prepared, in one file that is replaced whole: a COMMIT and the
PREPAREs that it stands on are never found without each other. The file names its key, or has a signature by
it where an earlier release wrote it. To another key it is as good as missing, and goes with that key's first
signature, which stands in a later instance: what the earlier key signed was about what is decided by then, so
it can contradict nothing any more. Without that rule, two keys of one set could take turns in one instance,
each time without the other's record.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec import structs

from node.consensus.effects import Resume
from node.consensus.guard import (
    KEY_MAGIC,
    KEY_STATE,
    RECORD,
    STATE,
    GuardRecord,
    GuardRefused,
    GuardState,
    KeyState,
    MaySign,
    MustNotSign,
    SignedBefore,
    encode_unused,
    judge,
)
from node.storage.guard import GuardFile
from node.storage.kv import CorruptionError
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote, vote_message
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.scale import DecodeError
from runtime.primitives.statements import STEP_VIEW_CHANGE, Position, Statement, position_of, signed_bytes
from runtime.primitives.types import Hash


class GuardedSigner:
    """Signs with one ed25519 key."""

    def __init__(self, keypair: Keypair, genesis: Hash, guard: GuardFile | None) -> None:
        """Read the guard; None keeps it in memory, for chains that leave nothing behind."""
        self.public = keypair.public
        self.last: GuardRecord | None = None
        self.prepared: Certificate | None = None
        self._keypair = keypair
        self._genesis = genesis
        self._guard = guard
        self._signing = asyncio.Lock()
        self._other: int | None = None
        raw = None if guard is None else guard.load()
        stored = None if raw is None else _decode(raw)
        self.is_new = guard is not None and (stored is None or not _is_of(self.public, stored))
        if stored is not None and not self.is_new:
            self.last, self.prepared = stored.last, stored.prepared
        elif stored is not None and stored.last.message.find(genesis) >= 0:
            self._other = stored.last.instance

    async def sign(self, wanted: Certificate, index: int) -> Certificate:
        """Return the certificate with this key's vote; GuardRefused when an earlier signature forbids it."""
        message = vote_message(self._genesis, wanted)
        position = Position(wanted.instance, wanted.view, STEP_COMMIT)
        vote = IndexedVote(index, await self._sign(position, message))
        return Certificate(
            wanted.set_id, wanted.instance, wanted.number, wanted.view, wanted.block_hash, (vote,)
        )

    async def sign_statement(self, statement: Statement) -> Statement:
        """Return a statement with this key's signature; GuardRefused when an earlier one forbids it."""
        message = signed_bytes(self._genesis, statement)
        return structs.replace(statement, signature=await self._sign(position_of(statement), message))

    async def keep_prepared(self, prepared: Certificate) -> None:
        """Keep the PREPAREs of a block; durable before the next signature leaves, as the engine needs it."""
        async with self._signing:
            self.prepared = prepared

    def resume(self, instance: int) -> Resume | None:
        """Return where the guard says that the key stands in an instance, None where it signed nothing."""
        if self.last is None or self.last.instance != instance:
            return None
        prepared = self.prepared
        seen = prepared if prepared is not None and prepared.instance == instance else None
        view = self.last.view
        return Resume(view + 1 if self.last.step == STEP_VIEW_CHANGE else view, seen)

    def find_hindrance(self, instance: int) -> str | None:
        """Return why the key may only watch an instance, None where it may sign."""
        if self._is_early(instance):
            return "another key of this node has signed here; this one follows when it is decided"
        if self.last is None or self.last.instance != instance or self.last.step != STEP_COMMIT:
            return None
        seen = self.prepared
        if seen is None or (seen.instance, seen.view) != (instance, self.last.view):
            return "what was committed to is not known"
        return None

    def _is_early(self, instance: int) -> bool:
        """Tell whether a record that this key's would replace is of use still."""
        return self._other is not None and instance <= self._other

    async def _sign(self, position: Position, message: bytes) -> bytes:
        if self._is_early(position.instance):
            raise GuardRefused(f"another key of this node has signed in instance {self._other}")
        async with self._signing:  # two at once could store their records in the wrong order
            match judge(self.last, position, message):
                case MaySign():
                    record = GuardRecord(*position, message, self._keypair.sign(message))
                    if self._guard is not None:
                        state = KeyState(KEY_MAGIC, self.public, GuardState(record, self.prepared))
                        await asyncio.to_thread(self._guard.store, KEY_STATE.encode(state))
                    self.last = record
                    return record.signature
                case SignedBefore(signature):
                    return signature
                case MustNotSign(reason):
                    raise GuardRefused(reason)


def forget_signatures(guard: GuardFile) -> None:
    """Let the key that a guard names begin as one that has never signed, where all nodes take back what it
    signed for; without a record it would find its signatures below that, and never sign again.

    Nothing happens where there is no guard, or it names no key. CorruptionError where it is damaged.
    """
    raw = guard.load()
    key = None if raw is None else _decode(raw).key
    if key is not None:
        guard.store(encode_unused(key))


class _Stored(NamedTuple):
    """What the file holds; without a key where an earlier release wrote it."""

    key: bytes | None
    last: GuardRecord
    prepared: Certificate | None


def _is_of(public: bytes, stored: _Stored) -> bool:
    """Tell whose the record is. One that names no key is of whoever signed it: taken for that of another key,
    it would let that one sign as if it remembered everything."""
    if stored.key is not None:
        return stored.key == public
    return verify(Scheme.ED25519, public, stored.last.signature, stored.last.message)


def _decode(stored: bytes) -> _Stored:
    """Read the record; earlier releases kept one without its key, and those that had one authority nothing
    prepared."""
    try:
        named: KeyState = KEY_STATE.decode(stored)
    except DecodeError:
        pass
    else:
        if named.magic == KEY_MAGIC:
            return _Stored(named.key, named.state.last, named.state.prepared)
    try:
        state: GuardState = STATE.decode(stored)
    except DecodeError:
        try:
            record: GuardRecord = RECORD.decode(stored)
        except DecodeError as error:
            raise CorruptionError(f"the signing guard holds no record of this program: {error}") from error
        return _Stored(None, record, None)
    return _Stored(None, state.last, state.prepared)
