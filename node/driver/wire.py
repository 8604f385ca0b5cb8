"""The wire of agreement over a peer-to-peer network: consensus messages out, blocks in.

It must not know what the messages say. A block is believed when its header has the hash asked for and its
extrinsics are looked at by whoever imports it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from node.network.errors import Penalty, RequestError
from node.network.identity import PeerId
from node.network.messages import BlockData, BlockFields, BlockRequest, Consensus
from node.network.service import Network
from runtime.primitives.block import Block, decode_header, hash_header
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash

FETCH_TIMEOUT_S = 5.0
FETCH_PATIENCE_S = 0.3
"""After this the next peer is asked as well: a view lasts two seconds at first, and the hinted peer may have
been paused since."""

log = structlog.get_logger("p2p")


class NetworkWire:
    """One chain's end of the wire."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def broadcast(self, data: bytes) -> None:
        """Send a consensus message to all peers."""
        self._network.broadcast(Consensus(data))

    def relay(self, peer: str, data: bytes) -> None:
        """Pass a right message on to all peers but the one it came from."""
        self._network.broadcast(Consensus(data), PeerId(peer))

    def send(self, peer: str, data: bytes) -> None:
        """Send a consensus message to one peer."""
        self._network.send(PeerId(peer), Consensus(data))

    async def fetch_block(self, block_hash: Hash, hint: str | None) -> Block | None:
        """Get a block from a peer, the hinted one first; None when none has it in time.

        Who does not answer soon is not waited for: the next is asked besides, and the first answer counts.
        """
        left = _order((info.peer for info in self._network.peers()), hint)
        answers: asyncio.Queue[Block | None] = asyncio.Queue(len(left) or 1)
        block: Block | None = None
        waiting = 0
        async with asyncio.TaskGroup() as group:
            asking = []
            while block is None and (left or waiting):
                if left:
                    asking.append(group.create_task(self._ask(left.pop(0), block_hash, answers)))
                    waiting += 1
                try:
                    async with asyncio.timeout(FETCH_PATIENCE_S if left else None):
                        block = await answers.get()
                except TimeoutError:
                    continue
                waiting -= 1
            for task in asking:
                task.cancel()
        return block

    async def _ask(self, peer: PeerId, block_hash: Hash, answers: asyncio.Queue[Block | None]) -> None:
        """Put a peer's block into the answers, or None where it has none or tells something else."""
        fields = int(BlockFields.HEADER | BlockFields.BODY)
        try:
            response = await self._network.request(peer, BlockRequest(block_hash, fields), FETCH_TIMEOUT_S)
        except RequestError as error:
            log.debug("block_not_fetched", peer=peer, reason=str(error))
            answers.put_nowait(None)
            return
        block = decode_block(response.block)
        if block is None or hash_header(block.header) != block_hash:
            self._network.report(peer, Penalty.BAD_RESPONSE)
            block = None
        answers.put_nowait(block)


def decode_block(data: BlockData) -> Block | None:
    """Return the block of a response, None when a part is missing or damaged."""
    if data.header is None or data.body is None:
        return None
    try:
        header = decode_header(data.header)
    except DecodeError:
        return None
    return Block(header, data.body)


def _order(peers: Iterable[PeerId], hint: str | None) -> list[PeerId]:
    return sorted(peers, key=lambda peer: peer != hint)
