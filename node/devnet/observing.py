"""What the nodes of a devnet say of themselves over their RPC.

It must not know what follows from an answer, or from none.
"""

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

import aiohttp
import msgspec

from node.devnet.records import NodeRecord

ANSWER_S: Final = 2.0
"""A node that takes longer counts as one that does not answer."""
ANSWER_BYTES_MAX: Final = 1024 * 1024


class Seen(NamedTuple):
    """A node's own account: its peer id, best and finalized block, and how many peers it has."""

    peer_id: str
    best: int
    finalized: int
    finalized_hash: str
    peers: int


class _Header(msgspec.Struct):
    number: str


class _Health(msgspec.Struct):
    peers: int


class Observer:
    """Asks nodes; an asynchronous context manager."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def observe(self, nodes: Iterable[NodeRecord]) -> dict[str, Seen]:
        """Return the accounts of the nodes that answer, by name."""
        asked = tuple(nodes)
        answers = await asyncio.gather(*(self._ask_node(node) for node in asked))
        return {node.name: seen for node, seen in zip(asked, answers, strict=True) if seen is not None}

    async def get_block_hash(self, node: NodeRecord, number: int) -> str | None:
        """Return the hash of a node's block, None when it has none or does not answer."""
        try:
            (answer,) = await self._call(node, [("chain_getBlockHash", [number])])
            return msgspec.convert(answer, str | None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    async def _ask_node(self, node: NodeRecord) -> Seen | None:
        questions: list[tuple[str, list[object]]] = [
            ("system_localPeerId", []),
            ("chain_getHeader", []),
            ("chain_getFinalizedHead", []),
            ("system_health", []),
        ]
        try:
            peer_id, best, finalized_hash, health = await self._call(node, questions)
            (finalized,) = await self._call(node, [("chain_getHeader", [finalized_hash])])
            return Seen(
                msgspec.convert(peer_id, str),
                int(msgspec.convert(best, _Header).number, 16),
                int(msgspec.convert(finalized, _Header).number, 16),
                msgspec.convert(finalized_hash, str),
                msgspec.convert(health, _Health).peers,
            )
        except (aiohttp.ClientError, TimeoutError, ValueError):  # what msgspec raises is a ValueError
            return None

    async def _call(self, node: NodeRecord, questions: Sequence[tuple[str, list[object]]]) -> list[object]:
        """Return the results of a batch of calls in their order; ValueError when one has none."""
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(questions)
        ]
        url = f"http://127.0.0.1:{node.rpc_port}"
        async with self._session.post(url, json=batch) as response:
            data = await response.content.read(ANSWER_BYTES_MAX)
        answers = msgspec.json.decode(data, type=list[dict[str, object]])
        found = {answer.get("id"): answer["result"] for answer in answers if "result" in answer}
        if set(found) != set(range(len(batch))):
            raise ValueError("an answer is missing")
        return [found[number] for number in range(len(batch))]
