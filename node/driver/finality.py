"""The finality driver: feeds an engine with blocks, timers and votes, and performs its effects in order.

Responsible for the order of durability: a block is durable before it is voted for, the guard's record
before the vote is used, a certificate before its block is called final. It knows no rule of agreement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import structlog

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.errors import ConflictingCertificate, UnknownBlock
from node.chain.events import NewBest
from node.clock import Clock
from node.consensus.effects import (
    BlockImported,
    Effect,
    Engine,
    Finalize,
    Input,
    SetTimer,
    SignVote,
    TimerFired,
    VoteSigned,
)
from node.consensus.guard import GuardRefused
from node.driver.signer import GuardedSigner
from runtime.primitives.authority_set import Authority
from runtime.primitives.certificate import Certificate
from runtime.primitives.types import Hash

INPUTS_MAX = 4096
"""Inputs that may wait; block imports are the only source, so more means that finality stands still."""

CarryOut: TypeAlias = Callable[[Certificate], Awaitable[None]]
"""Verifies a certificate and makes its block final, durably."""

log = structlog.get_logger("finality")


class FinalityDriver:
    """Runs one engine for one chain."""

    def __init__(
        self,
        chain: Chain,
        engine: Engine,
        signer: GuardedSigner | None,
        clock: Clock,
        carry_out: CarryOut,
        *,
        automatic: bool = True,
    ) -> None:
        """Feed the engine with the chain's best blocks, the one that it stands on to begin with; without
        `automatic` only `finalize_now` finalizes."""
        self._chain = chain
        self._engine = engine
        self._carry_out = carry_out
        self._signer = signer
        self._clock = clock
        self._inputs: asyncio.Queue[Input] = asyncio.Queue(INPUTS_MAX)
        self._deadline_ms: int | None = None
        self._busy = asyncio.Lock()
        self._automatic = False
        chain.on_best(self._on_best)
        self.set_automatic(on=automatic)

    @property
    def public(self) -> bytes | None:
        """The public key that votes are signed with; None for an observer."""
        return None if self._signer is None else self._signer.public

    async def run(self) -> None:
        """Drive the engine for ever."""
        await self._perform(self._engine.start(self._now()))
        while True:
            event = await self._next_input()
            async with self._busy:
                await self._perform(self._engine.handle(event, self._now()))

    def set_automatic(self, *, on: bool) -> None:
        """Feed the engine with best blocks from now on, the one that the chain stands on to begin with, or do
        not; what it was fed with before stays."""
        if on and not self._automatic and self._chain.head.number > self._chain.finalized.number:
            self._note_block(self._chain.head)
        self._automatic = on

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Let no vote be made and nothing be final meanwhile; to be asked for before the head is held."""
        async with self._busy:
            yield

    async def finalize_now(self, block_hash: Hash) -> None:
        """Vote for a block at once, as chains sealed by hand do; UnknownBlock or GuardRefused when it
        cannot be."""
        async with self._busy:
            await self._finalize_now(block_hash)

    def authority_index(self) -> int | None:
        """Return the place of this node's key in the set that certifies the next block, None for an
        observer."""
        return self._index_in(self._chain.api.authority_set().authorities)

    async def _finalize_now(self, block_hash: Hash) -> None:
        header = self._chain.header(block_hash)
        if header is None:
            raise UnknownBlock(f"no block has the hash 0x{block_hash.hex()}")
        if header.number == 0:
            raise UnknownBlock("the genesis block is final from the start")
        if self._signer is None:
            raise GuardRefused("this node has no vote key")
        with self._chain.runtime_at(header.parent_hash) as api:
            current = api.authority_set()
        index = self._index_in(current.authorities)
        if index is None:
            raise GuardRefused("this node's key is no authority")
        await self._chain.wait_stored(block_hash)
        wanted = Certificate(current.set_id, header.number, header.number, 0, block_hash, ())
        certificate = await self._signer.sign(wanted, index)
        await self._carry_out(certificate)

    def _index_in(self, authorities: tuple[Authority, ...]) -> int | None:
        if self._signer is None:
            return None
        for index, authority in enumerate(authorities):
            if authority.key == self._signer.public:
                return index
        return None

    def _on_best(self, best: NewBest) -> None:
        if self._automatic and best.info.number > self._chain.finalized.number:
            self._note_block(best.info)

    def _note_block(self, info: BlockInfo) -> None:
        with self._chain.runtime_at(info.header.parent_hash) as api:
            current = api.authority_set()
        index = self._index_in(current.authorities)
        block = BlockImported(info.number, info.hash, current.set_id, index)
        try:
            self._inputs.put_nowait(block)
        except asyncio.QueueFull:
            log.error("finality_stalled", waiting=INPUTS_MAX)  # noqa: TRY400  # no fault of the code

    async def _next_input(self) -> Input:
        if self._deadline_ms is None:
            return await self._inputs.get()
        left = max(0, self._deadline_ms - self._now()) / 1000
        try:
            async with asyncio.timeout(left):
                return await self._inputs.get()
        except TimeoutError:
            self._deadline_ms = None
            return TimerFired()

    async def _perform(self, effects: list[Effect]) -> None:
        pending = list(effects)
        while pending:
            match pending.pop(0):
                case SetTimer(at_ms):
                    self._deadline_ms = at_ms
                case SignVote(certificate, index):
                    signed = await self._sign(SignVote(certificate, index))
                    pending = self._engine.handle(signed, self._now()) + pending
                case Finalize(certificate):
                    await self._finalize(certificate)

    async def _finalize(self, certificate: Certificate) -> None:
        try:
            await self._carry_out(certificate)
        except UnknownBlock as gone:  # a later certificate has overtaken it
            log.warning("certificate_unused", number=certificate.number, reason=str(gone))
        except ConflictingCertificate as broken:
            log.error("finality_broken", number=certificate.number, reason=str(broken))  # noqa: TRY400  # no fault here

    async def _sign(self, effect: SignVote) -> VoteSigned:
        assert self._signer is not None, "only an authority is asked to vote"
        if self._chain.header(effect.certificate.block_hash) is None:
            return VoteSigned(None)  # a development chain has taken the block back
        await self._chain.wait_stored(effect.certificate.block_hash)
        try:
            return VoteSigned(await self._signer.sign(effect.certificate, effect.authority))
        except GuardRefused as refused:
            log.error("vote_refused", number=effect.certificate.number, reason=str(refused))  # noqa: TRY400
            return VoteSigned(None)

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1000)
