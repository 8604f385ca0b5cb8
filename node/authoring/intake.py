"""The way of a transaction from bytes to the pool: cheap checks, signature, validation, admission; and its
statuses.

Responsible for deciding in order of cost, for keeping the pool in step with the chain, and for handing
status events to whoever watches. It knows no transport: submissions come as bytes, refusals leave as
exceptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from node.chain.chain import BlockInfo, Chain, Imported
from node.clock import Clock
from node.pool.errors import PoolError
from node.pool.pool import Pool
from node.pool.transaction import Outcome, PoolTransaction
from node.pool.verified import VerifiedCache
from node.pool.watch import PoolEvent
from node.verifier import Verifier
from runtime.frame.extension import Extrinsic
from runtime.frame.validity import (
    InvalidReason,
    InvalidTransaction,
    TransactionError,
    TransactionSource,
)
from runtime.primitives.crypto import verify
from runtime.primitives.extrinsic import SignatureJob
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash

Refusal: TypeAlias = DecodeError | TransactionError | PoolError
"""Why a transaction is not taken: bytes, validity, or the pool's rules."""
Watcher: TypeAlias = Callable[[PoolEvent], None]
VALIDATIONS_PER_TURN = 200
"""Transactions validated between two turns of the event loop, some 3 ms."""


class Intake:
    """Submits transactions and follows what becomes of them."""

    def __init__(
        self, chain: Chain, pool: Pool, verifier: Verifier, clock: Clock, *, mock: bool = False
    ) -> None:
        self.chain = chain
        self.pool = pool
        self.source = TransactionSource.External
        self._verifier = verifier
        self._clock = clock
        self._mock = mock
        self._verified = VerifiedCache()
        self._watchers: dict[bytes, list[Watcher]] = {}
        self._arrived = asyncio.Event()
        chain.on_imported(self._on_imported)
        chain.on_finalized(self._on_finalized)

    # --- submitting

    async def submit(self, raws: Sequence[bytes]) -> list[Hash | Refusal]:
        """Take transactions in; return a hash or a refusal for each, in order."""
        results: list[Hash | Refusal] = []
        waiting: list[tuple[int, Extrinsic, SignatureJob]] = []
        for raw in raws:
            checked = self._check(raw)
            if isinstance(checked, tuple):
                waiting.append((len(results), *checked))
                results.append(checked[0].hash)
            else:
                results.append(checked)
        if waiting:
            await self._verifier.wait_capacity()
            valid = await self._verify([job for _, _, job in waiting])
            for turn, ((index, extrinsic, job), good) in enumerate(zip(waiting, valid, strict=True), 1):
                results[index] = self._admit(extrinsic, job, good=bool(good), watch=False)
                if turn % VALIDATIONS_PER_TURN == 0:
                    await asyncio.sleep(0)
        self.pump()
        return results

    async def submit_and_watch(self, raw: bytes, watcher: Watcher) -> Hash | Refusal:
        """Take one transaction in; on success the watcher gets every status from the first on."""
        checked = self._check(raw)
        if not isinstance(checked, tuple):
            return checked
        extrinsic, job = checked
        (good,) = await self._verify([job])
        self._watchers.setdefault(extrinsic.hash, []).append(watcher)
        outcome = self._admit(extrinsic, job, good=bool(good), watch=True)
        if isinstance(outcome, Exception):
            self.unwatch(extrinsic.hash, watcher)
        self.pump()
        return outcome

    def unwatch(self, transaction: bytes, watcher: Watcher) -> None:
        """Stop a watcher; the transaction goes on."""
        watchers = self._watchers.get(transaction, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            self._watchers.pop(transaction, None)
            self.pool.watchers.unwatch(transaction)

    # --- for the author and for block import

    async def wait_ready(self, timeout_s: float | None) -> None:
        """Return when a transaction may have become ready, or after the time."""
        self._arrived.clear()
        if self.pool.status.ready > self.pool.status.taken:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return

    def is_verified(self, extrinsic: Extrinsic, job: SignatureJob) -> bool:
        """Tell whether a signature is right; one that the pool has checked is not checked again."""
        if self._verified.has(extrinsic.hash, job.message):
            return True
        return self._mock_accepts(job) or verify(*job)

    def pump(self) -> None:
        """Hand pending status events to their watchers."""
        for event in self.pool.watchers.drain():
            for watcher in tuple(self._watchers.get(event.transaction, ())):
                watcher(event)
            if event.transaction not in self.pool.watchers:
                self._watchers.pop(event.transaction, None)

    # --- inside

    def _check(self, raw: bytes) -> tuple[Extrinsic, SignatureJob] | Refusal:
        """Do what needs no signature check: size, duplicates, bans, decoding."""
        try:
            hash_ = Hash(blake2_256(raw))
            self.pool.check(hash_, len(raw), self._clock.now_ms())
            extrinsic = self.chain.api.decode_extrinsic(raw, hash_)
            if extrinsic.signer is None:
                return extrinsic, NO_JOB
            return extrinsic, self.chain.api.signature_job(extrinsic)
        except (DecodeError, TransactionError, PoolError) as refusal:
            return refusal

    async def _verify(self, jobs: list[SignatureJob]) -> bytes:
        signed = [job for job in jobs if job is not NO_JOB and not self._mock_accepts(job)]
        answers = iter(await self._verifier.verify_many(signed) if signed else b"")
        return bytes(1 if job is NO_JOB or self._mock_accepts(job) else next(answers) for job in jobs)

    def _mock_accepts(self, job: SignatureJob) -> bool:
        """With --mock-signatures, accept the signature 0xdeadbeef followed by 0xcd, as chopsticks does."""
        return self._mock and job.signature.startswith(MOCK_SIGNATURE)

    def _admit(self, extrinsic: Extrinsic, job: SignatureJob, *, good: bool, watch: bool) -> Hash | Refusal:
        now = self._clock.now_ms()
        if not good:
            self.pool.remove_invalid([extrinsic.hash], now)
            return InvalidTransaction(InvalidReason.BadProof)
        if job is not NO_JOB:
            self._verified.add(extrinsic.hash, job.message)
        try:
            self._submit(extrinsic, now, watch=watch)
        except (TransactionError, PoolError) as refusal:
            return refusal
        self._arrived.set()
        return extrinsic.hash

    def _submit(self, extrinsic: Extrinsic, now: int, *, watch: bool) -> Outcome:
        return self.pool.submit(self._pooled(extrinsic), now, watch=watch)

    def _pooled(self, extrinsic: Extrinsic) -> PoolTransaction:
        validity = self.chain.api.validate(extrinsic)
        return PoolTransaction(
            hash=extrinsic.hash,
            data=extrinsic.data,
            sender=extrinsic.signer,
            provides=validity.provides,
            requires=validity.requires,
            priority=validity.priority,
            longevity=validity.longevity,
            propagate=validity.propagate,
            payload=extrinsic,
        )

    def _on_imported(self, imported: Imported) -> None:
        if not imported.is_best:
            return
        for block_hash in imported.retracted:
            self._take_back(block_hash)
        now = self._clock.now_ms()
        hashes = [extrinsic.hash for extrinsic in imported.extrinsics]
        self.pool.on_block_included(imported.info.hash, imported.info.number, hashes)
        self.pool.expire(imported.info.number, now)
        self.pump()

    def _on_finalized(self, info: BlockInfo) -> None:
        self.pool.on_finalized(info.hash)
        self.pump()

    def _take_back(self, block_hash: Hash) -> None:
        """Return the transactions of a block that left the best chain to the pool, as far as they are
        valid."""
        block = self.chain.block(block_hash)
        assert block is not None, "a retracted block is known"
        pooled: list[PoolTransaction] = []
        for raw in block.extrinsics:
            try:
                extrinsic = self.chain.api.decode_extrinsic(raw)
                if extrinsic.signer is not None:
                    pooled.append(self._pooled(extrinsic))
            except (DecodeError, TransactionError):
                continue
        self.pool.on_retracted(block_hash, pooled)


NO_JOB = SignatureJob(-1, b"", b"", b"")
"""Stands in for the signature of an unsigned transaction."""
MOCK_SIGNATURE = b"\xde\xad\xbe\xef" + b"\xcd" * 60
