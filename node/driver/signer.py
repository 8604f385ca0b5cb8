"""Signing votes under the guard: the record is durable before the signature leaves this module.

Responsible for one authority key. The rule is node.consensus.guard's, the file node.storage.guard's.
"""

from __future__ import annotations

import asyncio

from node.consensus.guard import (
    RECORD,
    GuardRecord,
    GuardRefused,
    MaySign,
    MustNotSign,
    Position,
    SignedBefore,
    judge,
)
from node.storage.guard import GuardFile
from node.storage.kv import CorruptionError
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote, vote_message
from runtime.primitives.crypto import Keypair
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash


class GuardedSigner:
    """Signs commit votes with one ed25519 key."""

    def __init__(self, keypair: Keypair, genesis: Hash, guard: GuardFile | None) -> None:
        """Read the guard; None keeps it in memory, for chains that leave nothing behind."""
        self.public = keypair.public
        self._keypair = keypair
        self._genesis = genesis
        self._guard = guard
        stored = None if guard is None else guard.load()
        self._last: GuardRecord | None = None if stored is None else _decode(stored)
        self._signing = asyncio.Lock()

    async def sign(self, wanted: Certificate, index: int) -> Certificate:
        """Return the certificate with this key's vote; GuardRefused when an earlier signature forbids it."""
        message = vote_message(self._genesis, wanted)
        position = Position(wanted.instance, wanted.view, STEP_COMMIT)
        async with self._signing:  # two at once could store their records in the wrong order
            vote = IndexedVote(index, await self._signature(position, message))
        return Certificate(
            wanted.set_id, wanted.instance, wanted.number, wanted.view, wanted.block_hash, (vote,)
        )

    async def _signature(self, position: Position, message: bytes) -> bytes:
        match judge(self._last, position, message):
            case MaySign():
                record = GuardRecord(*position, message, self._keypair.sign(message))
                if self._guard is not None:
                    await asyncio.to_thread(self._guard.store, RECORD.encode(record))
                self._last = record
                return record.signature
            case SignedBefore(signature):
                return signature
            case MustNotSign(reason):
                raise GuardRefused(reason)


def _decode(stored: bytes) -> GuardRecord:
    try:
        record: GuardRecord = RECORD.decode(stored)
    except DecodeError as error:
        raise CorruptionError(f"the signing guard holds no record of this program: {error}") from error
    return record
