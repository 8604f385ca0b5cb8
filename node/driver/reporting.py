"""Reports of offences: what the engine finds against a validator becomes a transaction, until it is final.

Responsible for handing each piece of evidence to the chain of this node, as an unsigned transaction that is
gossiped like any other, and for doing so again while no final block has it: a block that held it may be
retracted, and a pool may drop it. What the chain has, or would refuse, is forgotten here; so is what is
found again after a restart. It must not know what evidence says, nor what becomes of an offender.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from runtime.frame.api import UnknownApi
from runtime.primitives.evidence import Evidence
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import codec
from runtime.primitives.types import Hash

PENDING_MAX: Final = 256
"""Pieces of evidence that wait for a final block; the oldest goes when another comes. Engines report each
validator once for each block."""
MAKE_REPORT: Final = "OffencesApi_make_report"

_EVIDENCE = codec(Evidence)
_ANSWER = codec(bytes | None)

log = structlog.get_logger("agreement")


class OffenceReporter:
    """Reports offences to one chain."""

    def __init__(
        self, chain: Chain, submit: Callable[[Sequence[bytes]], Awaitable[Sequence[object]]]
    ) -> None:
        """`submit` takes transactions in and answers each with its hash or a refusal."""
        self._chain = chain
        self._submit = submit
        self._pending: dict[bytes, bool] = {}
        self._woken = asyncio.Event()
        chain.on_finalized(self._on_finalized)

    @property
    def pending(self) -> int:
        """How many pieces of evidence no final block has yet."""
        return len(self._pending)

    def report(self, evidence: Evidence) -> None:
        """See to it that the chain gets a piece of evidence."""
        encoded = _EVIDENCE.encode(evidence)
        if encoded in self._pending:
            return
        if len(self._pending) >= PENDING_MAX:
            del self._pending[next(iter(self._pending))]
        self._pending[encoded] = False
        self._woken.set()

    async def run(self) -> None:
        """Report what is found, for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._chain.finalized.number == 0:
                continue  # only a block on the genesis knows its hash, which signatures cover
            for encoded in tuple(self._pending):
                await self._report(encoded)

    async def _report(self, encoded: bytes) -> None:
        transaction = self._make(self._chain.finalized.hash, encoded)
        if transaction is None:
            self._pending.pop(encoded, None)
            return
        await self._submit([transaction])  # refused where the pool or a block has it already
        if self._pending.get(encoded) is False:
            self._pending[encoded] = True
            log.info("offence_reported", hash=blake2_256(transaction))

    def _make(self, block_hash: Hash, encoded: bytes) -> bytes | None:
        """Return the transaction that reports evidence, None where the state after a block needs none."""
        with self._chain.runtime_at(block_hash) as api:
            try:
                answer = api.call(MAKE_REPORT, encoded)
            except UnknownApi:
                return None  # a chain that judges nobody
        made: bytes | None = _ANSWER.decode(answer)
        return made

    def _on_finalized(self, info: BlockInfo) -> None:
        del info
        if self._pending:
            self._woken.set()
