"""Signing under the guard: the record is durable before the signature leaves this module.

Responsible for one authority key. The rule is node.consensus.guard's, the file node.storage.guard's. With the
last signature goes what its author has seen prepared, in one file that is replaced whole: a COMMIT and the
PREPAREs that it stands on are never found without each other. The file names its key. To another key it is as
good as missing, and goes with that key's first signature: what the earlier key signed was for sets that the
other one was not in, so it can contradict nothing any more.
"""

from __future__ import annotations

import asyncio

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
    judge,
)
from node.storage.guard import GuardFile
from node.storage.kv import CorruptionError
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote, vote_message
from runtime.primitives.crypto import Keypair
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
        raw = None if guard is None else guard.load()
        stored = None if raw is None else _decode(raw, self.public)
        self.is_new = guard is not None and stored is None
        if stored is not None:
            self.last, self.prepared = stored

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

    def has_lost_prepared(self, instance: int) -> bool:
        """Tell whether the key has committed in an instance to what nobody here knows any more."""
        if self.last is None or self.last.instance != instance or self.last.step != STEP_COMMIT:
            return False
        seen = self.prepared
        return seen is None or (seen.instance, seen.view) != (instance, self.last.view)

    async def _sign(self, position: Position, message: bytes) -> bytes:
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


def _decode(stored: bytes, key: bytes) -> tuple[GuardRecord, Certificate | None] | None:
    """Read the record of a key, None where it is another's; earlier releases kept one without its key, and
    those that had one authority nothing prepared."""
    try:
        named: KeyState = KEY_STATE.decode(stored)
    except DecodeError:
        pass
    else:
        if named.magic == KEY_MAGIC:
            return (named.state.last, named.state.prepared) if named.key == key else None
    try:
        state: GuardState = STATE.decode(stored)
    except DecodeError:
        try:
            record: GuardRecord = RECORD.decode(stored)
        except DecodeError as error:
            raise CorruptionError(f"the signing guard holds no record of this program: {error}") from error
        return record, None
    return state.last, state.prepared
