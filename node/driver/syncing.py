"""The driver of the download of blocks: performs what `node.sync.downloads` asks for on one chain and its
network.

Responsible for time, requests, decoding, penalties and the log. Blocks are handed to agreement, which checks
each by its certificate before it is executed; which peer is asked for what is the engine's decision.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import MappingProxyType
from typing import Final

import structlog

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.errors import UnknownBlock
from node.clock import Clock
from node.driver.agreement import AgreementDriver
from node.driver.wire import decode_block
from node.network.errors import (
    Penalty,
    RequestError,
    RequestRefusedError,
    RequestTimeoutError,
    TooManyRequestsError,
)
from node.network.handlers import PeerInfo
from node.network.identity import PeerId
from node.network.messages import BlockData, BlockFields, BlocksRequest, RefusalCode, Status
from node.network.service import Network
from node.sync.downloads import Downloads, SyncLimits
from node.sync.effects import (
    Advanced,
    Ask,
    CertifiedBlock,
    Failed,
    Fault,
    Import,
    ImportEnded,
    Offence,
    PeerLeft,
    PeerSaid,
    Penalise,
    Served,
    SyncEffect,
    SyncInput,
    Tick,
)
from runtime.frame.executive import InvalidBlock
from runtime.primitives.certificate import InvalidCertificate, decode_certificate
from runtime.primitives.scale import DecodeError

TICK_S: Final = 0.5
ANSWER_TIMEOUT_S: Final = 20.0
ALL_FIELDS: Final = int(BlockFields.HEADER | BlockFields.BODY | BlockFields.JUSTIFICATION)
PENALTIES: Final = MappingProxyType(
    {
        Offence.BAD_BLOCK: Penalty.BAD_BLOCK,
        Offence.NOT_KEPT: Penalty.BAD_BLOCK,
        Offence.WENT_BACK: Penalty.BAD_RESPONSE,
        Offence.BAD_PROOF: Penalty.BAD_BLOCK,
        Offence.BAD_STATE: Penalty.BAD_BLOCK,
        Offence.OLD_OFFER: Penalty.BAD_RESPONSE,
    }
)

log = structlog.get_logger("sync")


class SyncDriver:
    """See the module."""

    def __init__(
        self,
        network: Network,
        chain: Chain,
        agreement: AgreementDriver,
        clock: Clock,
        limits: SyncLimits,
    ) -> None:
        self._network = network
        self._chain = chain
        self._agreement = agreement
        self._clock = clock
        self._downloads = Downloads(chain.finalized.number, limits)
        self._effects: deque[SyncEffect] = deque()
        self._wake = asyncio.Event()
        self._began: tuple[int, float] | None = None
        network.on_message(Status, self._on_status)
        network.on_connected(self._on_connected)
        network.on_disconnected(self._on_disconnected)
        chain.on_finalized(self._on_finalized)

    @property
    def target(self) -> int:
        """The highest final block that a peer credibly says it has, or this node's own."""
        return self._downloads.target

    @property
    def is_syncing(self) -> bool:
        """Whether this node is far behind a peer."""
        return self._downloads.is_syncing

    @property
    def queued_blocks(self) -> int:
        """How many downloaded blocks are not final here yet."""
        return self._downloads.kept[0]

    async def run(self) -> None:
        """Perform what the engine asks for, for ever; when this ends, so does all that it began."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._let_time_pass())
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._effects:
                    self._perform(self._effects.popleft(), tasks)

    async def _let_time_pass(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._give(Tick())

    def _on_status(self, peer: PeerId, status: Status) -> None:
        self._give(PeerSaid(peer, status.finalized_number))

    def _on_connected(self, info: PeerInfo) -> None:
        self._on_status(info.peer, info.status)

    def _on_disconnected(self, peer: PeerId) -> None:
        self._give(PeerLeft(peer))

    def _on_finalized(self, info: BlockInfo) -> None:
        self._give(Advanced(info.number))

    def _give(self, event: SyncInput) -> None:
        self._effects += self._downloads.handle(event, int(self._clock.monotonic() * 1000))
        self._wake.set()
        self._note_progress()

    def _perform(self, effect: SyncEffect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case Ask():
                tasks.create_task(self._ask(effect))
            case Import(blocks):
                tasks.create_task(self._import(blocks))
            case Penalise(peer, offence):
                log.debug("peer_penalised", peer=peer, reason=offence.value)
                self._network.report(PeerId(peer), PENALTIES[offence])

    async def _ask(self, ask: Ask) -> None:
        body = BlocksRequest(ask.start, ask.length, ALL_FIELDS)
        try:
            response = await self._network.request(PeerId(ask.peer), body, ANSWER_TIMEOUT_S)
        except RequestError as error:
            log.debug("blocks_not_fetched", peer=ask.peer, start=ask.start, reason=str(error))
            self._give(Failed(ask.request, name_fault(error)))
            return
        try:
            blocks = tuple(decode_certified(data) for data in response.blocks)
        except DecodeError as error:
            log.debug("blocks_not_decoded", peer=ask.peer, start=ask.start, reason=str(error))
            self._give(Failed(ask.request, Fault.DAMAGED))
            return
        self._give(Served(ask.request, blocks))

    async def _import(self, blocks: tuple[CertifiedBlock, ...]) -> None:
        is_bad = False
        try:
            await self._agreement.catch_up([(one.block, one.certificate) for one in blocks])
        except (InvalidCertificate, InvalidBlock) as error:
            log.warning("peer_sent_bad_block", number=self._agreement.instance, reason=str(error))
            is_bad = True
        except UnknownBlock as error:
            log.debug("blocks_not_imported", reason=str(error))
        self._give(ImportEnded(is_bad))

    def _note_progress(self) -> None:
        """Log that catching up has begun or is over."""
        if self.is_syncing == (self._began is not None):
            return
        final, now = self._chain.finalized.number, self._clock.monotonic()
        if self._began is None:
            self._began = (final, now)
            log.info("sync_began", number=final, target=self.target)
            return
        since, began = self._began
        self._began = None
        log.info("sync_ended", number=final, blocks=final - since, took_ms=int((now - began) * 1000))


def decode_certified(data: BlockData) -> CertifiedBlock:
    """Return the certified block of a response; DecodeError where a part is missing or damaged."""
    block = decode_block(data)
    if block is None or data.header is None or data.justification is None:
        raise DecodeError("a part of the block is missing or damaged")
    size = len(data.header) + len(data.justification) + sum(map(len, block.extrinsics))
    return CertifiedBlock(block, decode_certificate(data.justification), size)


def name_fault(error: RequestError) -> Fault:
    """Return why a request brought nothing, as downloads call it."""
    match error:
        case RequestTimeoutError():
            return Fault.STALLED
        case TooManyRequestsError():
            return Fault.BUSY
        case RequestRefusedError(code=code):
            return Fault.BUSY if code == RefusalCode.BUSY else Fault.REFUSED
        case _:
            return Fault.GONE
