"""Blocks and certificates from elsewhere: one way in, whether they come from a file, a call or a peer.

Responsible for having all unknown signatures of a block verified by the worker processes while this one
executes it, for leaving the event loop its turns, and for holding everything else that moves the head
meanwhile. The rules are the chain's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from node.authoring.turns import Turns
from node.chain.chain import Chain
from node.chain.errors import OffBestBranch
from node.chain.events import Imported
from node.chain.execution import Known, Signed
from node.chain.rules import AHEAD_MAX_MS
from node.clock import Clock
from node.verifier import Verifier
from runtime.frame.executive import InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.primitives.block import Header
from runtime.primitives.certificate import Certificate
from runtime.primitives.crypto import SignatureCheck, verify
from runtime.primitives.extrinsic import SignatureJob

FRAME_SIGNATURES = 256
"""Signatures handed to the verifier at once: it takes 13 ms to check them, and 1 ms to encode them here."""

Hold = Callable[[], AbstractAsyncContextManager[None]]
"""Opens a time in which nobody else moves the head."""


class Importer:
    """Imports blocks into one chain, one at a time."""

    def __init__(
        self,
        chain: Chain,
        verifier: Verifier,
        clock: Clock,
        hold: Hold,
        *,
        is_verified: Callable[[Extrinsic, SignatureJob], bool],
        known: Known | None,
        ahead_max_ms: int | None = AHEAD_MAX_MS,
    ) -> None:
        """`is_verified` tells which signatures need no check; `known` looks into the pool, None without one.

        Blocks may have a time that much after the clock's; None is for chains that travel in time.
        """
        self._chain = chain
        self._verifier = verifier
        self._clock = clock
        self._hold = hold
        self._is_verified = is_verified
        self._known = known
        self._ahead_max_ms = ahead_max_ms

    async def import_block(
        self, header: Header, body: tuple[bytes, ...], *, at_any_time: bool = False
    ) -> Imported | None:
        """Execute a block and take it in; None when it is known already.

        InvalidBlock, UnknownBlock or, unless it may have any time, BlockAhead when it cannot be; then nothing
        has happened.
        """
        async with self._hold():
            await asyncio.wrap_future(self._chain.store.room())
            ahead_max_ms = None if at_any_time else self._ahead_max_ms
            latest = None if ahead_max_ms is None else self._clock.now_ms() + ahead_max_ms
            block = self._chain.begin_import(header, body, time_max_ms=latest, known=self._known)
            if block is None:
                return None
            turns = Turns(self._clock.monotonic)
            with block:
                checks = _Checks(self._verifier, self._is_verified)
                for signed in block.decode_steps():
                    checks.begin(signed)
                    await turns.pause()
                checks.flush()
                await turns.run(block.run_steps())
                await checks.ensure_right()
                return await turns.run(block.commit_steps())

    async def finalize(self, certificate: Certificate, check: SignatureCheck = verify) -> None:
        """Make a certified block final; when it is on another branch than the best one, that gives way first.

        InvalidCertificate, ConflictingCertificate, or UnknownBlock when a later certificate has come before.
        """
        self._chain.ensure_certified(certificate, check)
        try:
            await self._chain.finalize(certificate)
        except OffBestBranch:
            async with self._hold():
                steps = self._chain.switch_steps(certificate.block_hash)
                await Turns(self._clock.monotonic).run(steps)
                await self._chain.finalize(certificate)


class _Checks:
    """The signatures of one block, on their way through the verifier."""

    def __init__(self, verifier: Verifier, is_verified: Callable[[Extrinsic, SignatureJob], bool]) -> None:
        self._verifier = verifier
        self._is_verified = is_verified
        self._waiting: list[Signed] = []
        self._begun: list[tuple[list[Signed], asyncio.Future[bytes]]] = []

    def begin(self, signed: list[Signed]) -> None:
        """Have signatures verified, unless they have been before."""
        is_verified = self._is_verified
        self._waiting += [one for one in signed if not is_verified(one.extrinsic, one.job)]
        if len(self._waiting) >= FRAME_SIGNATURES:
            self.flush()

    def flush(self) -> None:
        """Send off what waits for company."""
        if self._waiting:
            jobs = [one.job for one in self._waiting]
            self._begun.append((self._waiting, self._verifier.verify_many(jobs, urgent=True)))
            self._waiting = []

    async def ensure_right(self) -> None:
        """Wait for every verdict; InvalidBlock unless all signatures are right."""
        for signed, future in self._begun:
            for one, is_right in zip(signed, await future, strict=True):
                if not is_right:
                    raise InvalidBlock("bad signature", one.position)
