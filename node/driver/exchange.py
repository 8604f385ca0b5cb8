"""One chain among its peers: what it serves, and what it tells of itself.

Responsible for joining a network to chain, agreement, transactions and the download of blocks. The rules of
certificates and blocks are the agreement driver's, those of downloads are in `node.sync`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from node.authoring.intake import Intake
from node.chain.chain import Chain
from node.driver.agreement import AgreementDriver
from node.driver.syncing import SyncDriver
from node.driver.transactions import TransactionGossip
from node.network.handlers import PeerInfo
from node.network.identity import PeerId
from node.network.messages import (
    BlockData,
    BlockFields,
    BlockRequest,
    BlockResponse,
    BlocksRequest,
    BlocksResponse,
    Consensus,
    Refusal,
    RefusalCode,
    Role,
    Status,
    cut_blocks,
)
from node.network.multiaddr import MultiaddrError, parse_multiaddr
from node.network.service import Network
from node.tasks import OwnTasks
from runtime.primitives.block import encode_header
from runtime.primitives.certificate import encode_certificate
from runtime.primitives.types import Hash

STATUS_S: Final = 2.0

log = structlog.get_logger("sync")


def describe_status(chain: Chain, *, is_authority: bool) -> Status:
    """Return where a chain stands, for its peers."""
    role = Role.AUTHORITY if is_authority else Role.FULL
    best, final = chain.head, chain.finalized
    return Status(int(role), best.number, best.hash, final.number, final.hash)


class Exchange:
    """See the module."""

    def __init__(
        self,
        network: Network,
        chain: Chain,
        agreement: AgreementDriver,
        intake: Intake,
        tasks: OwnTasks,
        sync: SyncDriver,
    ) -> None:
        self._network = network
        self._chain = chain
        self._agreement = agreement
        self._tasks = tasks
        self._sync = sync
        self._transactions = TransactionGossip(network, intake, tasks)
        network.on_message(Consensus, self._on_consensus)
        network.on_connected(self._on_connected)
        network.on_disconnected(self._on_disconnected)
        network.on_request(BlocksRequest, self._serve_blocks)
        network.on_request(BlockRequest, self._serve_block)

    @property
    def target(self) -> int:
        """The highest final block that a peer credibly says it has, or this node's own."""
        return self._sync.target

    @property
    def is_syncing(self) -> bool:
        """Whether this node is far behind a peer."""
        return self._sync.is_syncing

    @property
    def queued_blocks(self) -> int:
        """How many downloaded blocks are not final here yet."""
        return self._sync.queued_blocks

    def connected(self) -> list[PeerInfo]:
        """Return the connected peers."""
        return self._network.peers()

    def addresses(self) -> list[str]:
        """Return where peers can reach this node."""
        return [str(address) for address in self._network.addresses]

    def add_reserved(self, address: str) -> PeerId:
        """Stay connected to the peer at an address; MultiaddrError, also when it names no peer."""
        parsed = parse_multiaddr(address)
        if parsed.peer is None:
            raise MultiaddrError("the address of a reserved node ends with /p2p/ and its peer id")
        self._network.add_reserved(parsed)
        return parsed.peer

    def remove_reserved(self, peer: PeerId) -> None:
        """Treat a peer as any other."""
        self._network.remove_reserved(peer)

    def reserved(self) -> list[PeerId]:
        """Return the reserved nodes."""
        return list(self._network.reserved())

    def count_traffic(self) -> tuple[int, int]:
        """Return the bytes received and sent."""
        return self._network.count_traffic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take part in the network while the context is open."""
        self._tasks.start(self._transactions.run())
        self._tasks.start(self._tell_status())
        self._tasks.start(self._sync.run())
        try:
            yield
        finally:
            await self._tasks.end()

    # --- what peers say

    def _on_consensus(self, peer: PeerId, message: Consensus) -> None:
        if not self._agreement.hear(peer, message.data):
            log.debug("consensus_message_dropped", peer=peer)

    def _on_connected(self, info: PeerInfo) -> None:
        self._agreement.greet(info.peer)

    def _on_disconnected(self, peer: PeerId) -> None:
        self._agreement.forget(peer)

    # --- what this node says

    async def _tell_status(self) -> None:
        while True:
            await asyncio.sleep(STATUS_S)
            is_authority = self._agreement.authority_index() is not None
            self._network.broadcast(describe_status(self._chain, is_authority=is_authority))

    async def _serve_blocks(self, peer: PeerId, request: BlocksRequest) -> BlocksResponse | Refusal:
        del peer
        number = request.start if isinstance(request.start, int) else self._number_of(request.start)
        if number is None or number in self._chain.store.gap():
            return Refusal(RefusalCode.UNKNOWN)
        found: list[BlockData] = []
        for each in range(number, min(number + request.count, self._chain.finalized.number + 1)):
            block_hash = self._chain.hash_at(each)
            data = None if block_hash is None else self._describe(block_hash, request.fields)
            if data is None:
                break
            found.append(data)
            await asyncio.sleep(0)
        return BlocksResponse(cut_blocks(tuple(found)))

    async def _serve_block(self, peer: PeerId, request: BlockRequest) -> BlockResponse | Refusal:
        del peer
        data = self._describe(Hash(request.hash), request.fields)
        return Refusal(RefusalCode.UNKNOWN) if data is None else BlockResponse(data)

    def _number_of(self, block_hash: bytes) -> int | None:
        header = self._chain.header(Hash(block_hash))
        if header is None or self._chain.hash_at(header.number) != block_hash:
            return None
        return header.number

    def _describe(self, block_hash: Hash, fields: int) -> BlockData | None:
        block = self._chain.block(block_hash)
        if block is None:
            return None
        certificate = self._chain.certificate(block_hash) if fields & BlockFields.JUSTIFICATION else None
        return BlockData(
            block_hash,
            encode_header(block.header) if fields & BlockFields.HEADER else None,
            block.extrinsics if fields & BlockFields.BODY else None,
            None if certificate is None else encode_certificate(certificate),
        )
