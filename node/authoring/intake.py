"""The way of a transaction from bytes to the pool: cheap checks, signature, validation, admission; and its
statuses.

Responsible for deciding in order of cost, for keeping the pool in step with the chain, and for handing
status events to whoever watches. It knows no transport: submissions come as bytes, refusals leave as
exceptions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.events import NewBest, Retracted
from node.clock import Clock
from node.pool.errors import PoolError
from node.pool.pool import Pool
from node.pool.transaction import PoolTransaction
from node.pool.verified import VerifiedCache
from node.pool.watch import PoolEvent
from node.verifier import CAPACITY_JOBS, Verifier
from runtime.frame.extension import Extrinsic
from runtime.frame.validity import (
    InvalidReason,
    InvalidTransaction,
    TransactionError,
)
from runtime.primitives.crypto import verify
from runtime.primitives.extrinsic import SignatureJob
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash

Refusal: TypeAlias = DecodeError | TransactionError | PoolError
"""Why a transaction is not taken: bytes, validity, or the pool's rules."""
Watcher: TypeAlias = Callable[[PoolEvent], None]
BACKLOG_MAX = 10_000
"""Ready transactions that an author at work may be behind, about a second's; more come in when it has
caught up."""
PACE_S = 0.005
"""Pause between looks at the backlog."""
TRANSACTIONS_PER_TURN = 200
"""Transactions decoded, and as many admitted, between two turns of the event loop: some 5 ms."""


class _Submission:
    """Transactions that came together and are answered together."""

    __slots__ = ("future", "raws", "remaining", "results", "watcher")

    def __init__(self, raws: Sequence[bytes], future: asyncio.Future[None], watcher: Watcher | None) -> None:
        self.raws = raws
        self.results: list[Hash | Refusal] = []
        self.remaining = len(raws)
        self.future = future
        self.watcher = watcher

    def settle(self, count: int) -> None:
        """Note that so many transactions are decided; the last one wakes who waits."""
        self.remaining -= count
        if self.remaining == 0 and not self.future.done():
            self.future.set_result(None)


class _Checked(msgspec.Struct, frozen=True, gc=False):
    """A decoded transaction whose signature is being, or has been, verified."""

    submission: _Submission
    position: int
    extrinsic: Extrinsic
    job: SignatureJob


class Intake:
    """Submits transactions and follows what becomes of them.

    Submissions of all clients wait in one queue; `run` takes a bounded number of transactions from it
    between two turns of the event loop, so that however many clients push, the author keeps its share of
    the processor.
    """

    def __init__(
        self, chain: Chain, pool: Pool, verifier: Verifier, clock: Clock, *, mock: bool = False
    ) -> None:
        self.chain = chain
        self.pool = pool
        self._verifier = verifier
        self._clock = clock
        self._mock = mock
        self._verified = VerifiedCache()
        self._watchers: dict[bytes, list[Watcher]] = {}
        self._arrived = asyncio.Event()
        self._fresh: deque[_Submission] = deque()
        self._decided: deque[tuple[list[_Checked], bytes]] = deque()
        self._work = asyncio.Event()
        self.is_drained = False
        self.on_admitted: Callable[[bytes, bytes], None] | None = None
        """Hears hash and bytes of every transaction that other nodes may have too."""
        self.validations_scheduled = 0
        self.validations_finished = 0
        chain.on_best(self._on_best)
        chain.on_finalized(self._on_finalized)

    # --- submitting

    async def submit(self, raws: Sequence[bytes]) -> list[Hash | Refusal]:
        """Take transactions in; return a hash or a refusal for each, in order."""
        return await self._enqueue(raws, None) if raws else []

    async def submit_and_watch(self, raw: bytes, watcher: Watcher) -> Hash | Refusal:
        """Take one transaction in; on success the watcher gets every status from the first on."""
        (outcome,) = await self._enqueue([raw], watcher)
        return outcome

    async def run(self) -> None:
        """Work off the submissions for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._decided or self._fresh:
                self._admit_some()
                if self._is_behind():
                    await asyncio.sleep(0 if self._decided else PACE_S)
                elif self._verifier.unverified < CAPACITY_JOBS:
                    self._check_some()
                elif not self._decided:
                    await self._verifier.wait_capacity()
                self.pump()
                await asyncio.sleep(0)

    def unwatch(self, transaction: bytes, watcher: Watcher) -> None:
        """Stop a watcher; the transaction goes on."""
        watchers = self._watchers.get(transaction, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            self._watchers.pop(transaction, None)
            self.pool.watchers.unwatch(transaction)

    # --- for the author and for block import

    async def wait_arrival(self, timeout_s: float | None) -> None:
        """Return when another transaction has been admitted, or after the time."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return

    def is_verified(self, extrinsic: Extrinsic, job: SignatureJob) -> bool:
        """Tell whether a signature is known to be right, so that a block import need not check it again."""
        return self._verified.has(extrinsic.hash, job.message) or self._mock_accepts(job)

    def get_pooled(self, transaction: bytes) -> Extrinsic | None:
        """Return the extrinsic of this hash if it is in the pool and the head's runtime decoded it."""
        found = self.pool.get(transaction)
        if found is None or not isinstance(found.payload, Extrinsic):
            return None
        return found.payload if self.chain.api.has_decoded(found.payload) else None

    def revalidate(self) -> None:
        """Judge every waiting transaction anew, as after values were set by hand or blocks taken back."""
        invalid: list[bytes] = []
        for waiting in (*self.pool.ready(), *self.pool.future()):
            try:
                extrinsic = self.chain.api.decode_extrinsic(waiting.data, Hash(waiting.hash))
                if extrinsic.signer is not None:
                    self._ensure_signed(extrinsic)
                self.pool.revalidate(self._pooled(extrinsic))
            except (DecodeError, TransactionError):
                invalid.append(waiting.hash)
            except PoolError:
                continue  # it has had to leave
        self.pool.remove_invalid(invalid, self._clock.now_ms())
        self._arrived.set()
        self.pump()

    def pump(self) -> None:
        """Hand pending status events to their watchers."""
        events = self.pool.watchers.drain()
        for event in events:
            for watcher in tuple(self._watchers.get(event.transaction, ())):
                watcher(event)
        for event in events:  # not before the last event of each is told
            if event.transaction not in self.pool.watchers:
                self._watchers.pop(event.transaction, None)

    # --- inside

    def _is_behind(self) -> bool:
        """Tell whether the author has so much to do that taking in more would only make all wait longer."""
        status = self.pool.status
        return self.is_drained and status.ready - status.taken > BACKLOG_MAX

    async def _enqueue(self, raws: Sequence[bytes], watcher: Watcher | None) -> list[Hash | Refusal]:
        submission = _Submission(raws, asyncio.get_running_loop().create_future(), watcher)
        self._fresh.append(submission)
        self._work.set()
        await submission.future
        return submission.results

    def _check_some(self) -> None:
        """Decode waiting transactions and hand their signatures to the verifier."""
        checked: list[_Checked] = []
        looked = 0
        now = self._clock.now_ms()
        while self._fresh and looked < TRANSACTIONS_PER_TURN:
            submission = self._fresh.popleft()
            results = submission.results
            refused = 0
            for position, raw in enumerate(submission.raws):
                try:
                    extrinsic, job = self._check(raw, now)
                except (DecodeError, TransactionError, PoolError) as refusal:
                    results.append(refusal)
                    refused += 1
                    continue
                checked.append(_Checked(submission, position, extrinsic, job))
                results.append(extrinsic.hash)
            looked += len(submission.raws)
            submission.settle(refused)
        self._verify(checked)

    def _check(self, raw: bytes, now: int) -> tuple[Extrinsic, SignatureJob]:
        """Do what needs no signature check: size, duplicates, bans, decoding; raises a Refusal."""
        hash_ = Hash(blake2_256(raw))
        self.pool.check(hash_, len(raw), now)
        api = self.chain.api
        extrinsic = api.decode_extrinsic(raw, hash_)
        return extrinsic, NO_JOB if extrinsic.signer is None else api.signature_job(extrinsic)

    def _verify(self, checked: list[_Checked]) -> None:
        """Let the signatures be checked; what needs no check is decided at once."""
        self.validations_scheduled += len(checked)
        plain: list[_Checked] = []
        signed: list[_Checked] = []
        for one in checked:
            (plain if one.job is NO_JOB or self._mock_accepts(one.job) else signed).append(one)
        if plain:
            self._decide(plain, b"\1" * len(plain))
        if signed:
            self._verifier.submit_many(
                [one.job for one in signed], lambda answers: self._decide(signed, answers)
            )

    def _decide(self, checked: list[_Checked], answers: bytes) -> None:
        self._decided.append((checked, answers))
        self._work.set()

    def _admit_some(self) -> None:
        """Validate verified transactions and put them into the pool."""
        admitted = 0
        now = self._clock.now_ms()
        while self._decided and admitted < TRANSACTIONS_PER_TURN:
            checked, answers = self._decided.popleft()
            admitted += len(checked)
            self.validations_finished += len(checked)
            for one, good in zip(checked, answers, strict=True):
                submission = one.submission
                try:
                    self._admit(one, now, good=bool(good))
                except (TransactionError, PoolError) as refusal:
                    submission.results[one.position] = refusal
                submission.settle(1)

    def _mock_accepts(self, job: SignatureJob) -> bool:
        """With --mock-signatures, accept the signature 0xdeadbeef followed by 0xcd, as chopsticks does."""
        return self._mock and job.signature.startswith(MOCK_SIGNATURE)

    def _admit(self, one: _Checked, now: int, *, good: bool) -> None:
        """Put a transaction whose signature was checked into the pool; raises a Refusal."""
        extrinsic, watcher = one.extrinsic, one.submission.watcher
        if not good:
            self.pool.remove_invalid([extrinsic.hash], now)
            raise InvalidTransaction(InvalidReason.BadProof)
        if one.job is not NO_JOB:
            self._verified.add(extrinsic.hash, one.job.message)
        pooled = self._pooled(extrinsic)
        self.pool.submit(pooled, now, watch=watcher is not None)
        if self.on_admitted is not None and pooled.propagate:
            self.on_admitted(pooled.hash, pooled.data)
        if watcher is not None:
            self._watchers.setdefault(extrinsic.hash, []).append(watcher)
        self._arrived.set()

    def _pooled(self, extrinsic: Extrinsic) -> PoolTransaction:
        validity = self.chain.api.validate(extrinsic)
        return PoolTransaction(
            extrinsic.hash,
            extrinsic.data,
            extrinsic.signer,
            validity.provides,
            validity.requires,
            validity.priority,
            validity.longevity,
            validity.propagate,
            extrinsic,
        )

    def _on_best(self, best: NewBest) -> None:
        if best.retracted:
            included = {extrinsic for block in best.enacted for extrinsic in block.extrinsics}
            self.chain.open_block(())  # validity is that of the next block, which knows its parent's hash
            for block in reversed(best.retracted):  # for what others wait for there must be room
                self._take_back(block, included)
            self.chain.abandon()
        for enacted in best.enacted:
            self.pool.on_block_included(
                enacted.info.hash, enacted.info.number, enacted.extrinsics, enacted.tags
            )
        self.pool.expire(best.info.number, self._clock.now_ms())
        self.pump()

    def _on_finalized(self, info: BlockInfo) -> None:
        self.pool.on_finalized(info.hash)
        self.pump()

    def _take_back(self, block: Retracted, included: set[Hash]) -> None:
        """Return the transactions of a block that left the best chain to the pool, as far as they are valid;
        those that the new branch includes too stay in a block."""
        pooled: list[PoolTransaction] = []
        invalid: list[bytes] = []
        for raw in block.extrinsics:
            try:
                extrinsic = self.chain.api.decode_extrinsic(raw)
                if extrinsic.signer is not None and extrinsic.hash not in included:
                    self._ensure_signed(extrinsic)
                    pooled.append(self._pooled(extrinsic))
            except (DecodeError, TransactionError):
                invalid.append(blake2_256(raw))
        self.pool.on_retracted(block.hash, pooled)
        self.pool.remove_invalid(invalid, self._clock.now_ms())

    def _ensure_signed(self, extrinsic: Extrinsic) -> None:
        """InvalidTransaction unless the signature holds on the head's branch: it is void where the block is
        gone with which a mortal transaction begins."""
        job = self.chain.api.signature_job(extrinsic)
        if not self.is_verified(extrinsic, job) and not verify(*job):
            raise InvalidTransaction(InvalidReason.BadProof)


NO_JOB = SignatureJob(-1, b"", b"", b"")
"""Stands in for the signature of an unsigned transaction."""
MOCK_SIGNATURE = b"\xde\xad\xbe\xef" + b"\xcd" * 60
