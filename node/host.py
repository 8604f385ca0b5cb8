"""A hosted chain: one chain with its pool, intake, author and finality, started and stopped together.

Responsible for putting the pieces of one chain together over an open store; a process may hold several
hosts. It knows no pallet, no command line and no RPC.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from node.authoring.author import Author
from node.authoring.building import Building
from node.authoring.importer import Importer
from node.authoring.intake import Intake
from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.events import Imported, NewBest
from node.clock import Clock
from node.config import ManualSeal, Seal
from node.consensus.solo import Solo
from node.driver.agreement import AgreementDriver, AgreementSettings
from node.driver.finality import FinalityDriver
from node.driver.reporting import OffenceReporter
from node.driver.surroundings import Wire
from node.driver.vote_keys import VoteKeys
from node.driver.work import ChainWork
from node.network.view import PeersView
from node.pool.pool import Pool
from node.pool.transaction import PoolLimits
from node.telemetry.metrics import ChainMetrics
from node.telemetry.status import Status, report_status
from node.verifier import Verifier
from runtime.primitives.block import PreRuntime
from runtime.primitives.types import Hash

FINALITY_DELAY_MS = 250
"""Between a block and its certificate: wallets lose the inclusion notice when finality follows at once."""

EXECUTION_SHARE = 0.35
"""Of the time between two blocks, what executing one may take where every validator repeats it in turn."""
GC_QUIET_EXTRINSICS = 100
"""Cycles are collected after blocks with fewer extrinsics; under load it takes 6 % of the loop's time."""
GC_BLOCKS_MAX = 256
"""Blocks after which cycles are collected under load too; the service turns automatic collection off."""

log = structlog.get_logger("substrate")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What the operator chose for one chain."""

    seal: Seal
    block_time_ms: int
    pool_limits: PoolLimits
    mock_signatures: bool
    check_state: bool


class Finality(Protocol):
    """What makes blocks of a chain final."""

    @property
    def public(self) -> bytes | None:
        """The public key that votes are signed with; None for an observer."""
        ...

    def authority_index(self) -> int | None:
        """Return this node's place among the authorities, None for an observer."""
        ...

    async def run(self) -> None:
        """Work for ever."""
        ...

    async def finalize_now(self, block_hash: Hash) -> None:
        """Make a block final at once, where one authority may; UnknownBlock or GuardRefused."""
        ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the authorities of a chain reach one another and agree; `on_rejected` hears of bad messages."""

    wire: Wire
    settings: AgreementSettings
    on_rejected: Callable[[str, str], None]


class ChainHost:
    """One running chain."""

    def __init__(
        self,
        chain: Chain,
        *,
        keys: Callable[[Chain], VoteKeys],
        verifier: Verifier,
        clock: Clock,
        settings: HostSettings,
        metrics: ChainMetrics,
        agreement: Agreement | None = None,
    ) -> None:
        """Host an opened chain; without `agreement` its one authority finalizes alone."""
        self.settings = settings
        self.metrics = metrics
        self.chain = chain
        self.peers: PeersView | None = None
        self._clock = clock
        self._sealed_at = clock.monotonic()
        for info in self.chain.replay():
            log.info("block_replayed", number=info.number, hash=info.hash)
        self.started_at = self.chain.head.number
        self.pool = Pool(settings.pool_limits, self.chain.head.number)
        self.intake = Intake(self.chain, self.pool, verifier, clock, mock=settings.mock_signatures)
        vote_keys = keys(self.chain)
        self.author = Author(
            self.chain,
            self.intake,
            clock,
            self._authority_index,
            metrics.block_construction_s.observe,
        )
        self.building = Building(self.author, settings.seal, settings.block_time_ms)
        self.importer = Importer(
            self.chain,
            verifier,
            clock,
            self.author.held,
            is_verified=self.intake.is_verified,
            known=self.intake.get_pooled,
        )
        self.finality: Finality
        self.agreement: AgreementDriver | None = None
        self._alone: FinalityDriver | None = None
        self.reporter = OffenceReporter(self.chain, self.intake.submit)
        if agreement is not None:
            self.finality = self.agreement = AgreementDriver(
                self.chain,
                ChainWork(
                    self.author,
                    self.importer,
                    self.reporter,
                    EXECUTION_SHARE * agreement.settings.block_time_ms / 1000,
                ),
                agreement.wire,
                vote_keys,
                clock,
                agreement.settings,
                on_rejected=agreement.on_rejected,
            )
        else:
            self.finality = self._alone = FinalityDriver(
                self.chain,
                Solo(FINALITY_DELAY_MS),
                vote_keys.current,
                clock,
                self.importer.finalize,
                automatic=not isinstance(settings.seal, ManualSeal),
            )
        self.author.stand_by()
        self.chain.on_imported(self._on_imported)
        self.chain.on_best(self._on_best)
        self.chain.on_finalized(self._on_finalized)

    @property
    def signs_with(self) -> bytes | None:
        """The public key with which this node votes; None for an observer."""
        return self.finality.public

    @property
    def is_authority(self) -> bool:
        """Whether this node's key may author."""
        return self._authority_index() is not None

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Run author, finality and status reports in a task group, which the first failed write ends."""
        tasks.create_task(self._stand_on_storage(), name="storage")
        tasks.create_task(self.intake.run(), name="intake")
        tasks.create_task(self.finality.run(), name="finality")
        tasks.create_task(self.reporter.run(), name="offences")
        tasks.create_task(report_status(self.read_status), name="status")
        if self.agreement is None and self.is_authority:  # where several agree, the engine says who builds
            tasks.create_task(self.building.run(), name="building")

    # --- what developers do to their chain, which must have one authority

    async def set_storage(self, item: PreRuntime) -> Imported:
        """Make a block that sets storage by hand and nothing else; Unbuildable when the chain could not go
        on."""
        assert self._alone is not None, "other authorities would not follow"
        made = await self.author.override(item, checks_state=self.settings.check_state)
        self.intake.revalidate()
        return made

    async def set_head(self, block_hash: Hash) -> None:
        """Take the chain back to a block of the best branch, below final ones too.

        UnknownBlock or StateDiscarded when it cannot be. The signing guard stays: what takes the place of
        blocks that were voted for is final only when a later block is.
        """
        assert self._alone is not None, "other authorities would not follow"
        async with self._alone.paused(), self.author.held():
            await self.chain.revert(block_hash)
        self.intake.revalidate()

    async def set_seal(self, seal: Seal) -> None:
        """Make blocks in another way from now on; those sealed by hand are finalized by hand."""
        assert self._alone is not None, "where several agree, the engine says who builds"
        await self.building.switch(seal)
        self._alone.set_automatic(on=not isinstance(seal, ManualSeal))

    def read_status(self) -> Status:
        """Return the numbers of the status line."""
        head, final, peers = self.chain.head, self.chain.finalized, self.peers
        if peers is None:
            return Status(0, head.number, head.hash, final.number, final.hash)
        target = peers.target if peers.is_syncing else None
        count, traffic = len(peers.connected()), peers.count_traffic()
        return Status(count, head.number, head.hash, final.number, final.hash, target, *traffic)

    def measure(self) -> None:
        """Bring the gauges up to date; whoever shows them calls this first."""
        metrics, best = self.metrics, self.chain.head.number
        metrics.best_height.set(best)
        metrics.finalized_height.set(self.chain.finalized.number)
        metrics.sync_target_height.set(best)
        if self.peers is not None:
            self._measure_peers(self.peers)
        metrics.leaves.set(len(self.chain.store.leaves()))
        metrics.ready_transactions.set(self.pool.status.ready)
        metrics.validations_scheduled.set(self.intake.validations_scheduled)
        metrics.validations_finished.set(self.intake.validations_finished)
        metrics.database_cache_bytes.set(self.chain.store.memory_bytes())

    def _measure_peers(self, peers: PeersView) -> None:
        metrics, (received, sent) = self.metrics, peers.count_traffic()
        metrics.sync_target_height.set(max(self.chain.head.number, peers.target))
        metrics.is_major_syncing.set(peers.is_syncing)
        metrics.sync_queued_blocks.set(peers.queued_blocks)
        metrics.peers.set(len(peers.connected()))
        metrics.received_bytes.set(received)
        metrics.sent_bytes.set(sent)

    async def _stand_on_storage(self) -> None:
        """Wait for ever, or for the failure of a write: nothing can be made or answered after one."""
        await asyncio.wrap_future(self.chain.store.broken())

    def _authority_index(self) -> int | None:
        return self.finality.authority_index()

    def _on_imported(self, imported: Imported) -> None:
        info = imported.info
        now = self._clock.monotonic()
        log.info(
            "block_imported",
            number=info.number,
            hash=info.hash,
            parent=info.header.parent_hash,
            extrinsics=len(imported.extrinsics),
            interval_ms=int((now - self._sealed_at) * 1000),
        )
        self._sealed_at = now
        if self.settings.check_state:
            with self.chain.runtime_at(info.hash) as api:
                api.try_state()
        self.metrics.proposed_transactions.set(len(imported.extrinsics))
        if len(imported.extrinsics) < GC_QUIET_EXTRINSICS or info.number % GC_BLOCKS_MAX == 0:
            gc.collect(1)

    def _on_best(self, best: NewBest) -> None:
        if best.retracted:
            log.info(
                "best_branch_changed",
                number=best.info.number,
                hash=best.info.hash,
                retracted=len(best.retracted),
            )

    def _on_finalized(self, info: BlockInfo) -> None:
        log.debug("block_finalized", number=info.number, hash=info.hash)
