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

Question = tuple[str, list[object]]
"""A method and its parameters."""


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


class _RuntimeVersion(msgspec.Struct, rename="camel"):
    spec_version: int
    transaction_version: int


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
        questions: list[Question] = [
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

    async def submit(self, node: NodeRecord, extrinsics: Sequence[bytes]) -> list[bool]:
        """Return of each extrinsic whether the node has taken it into its pool; none where it is silent."""
        questions: list[Question] = [("author_submitExtrinsic", [f"0x{raw.hex()}"]) for raw in extrinsics]
        try:
            answers = await self._post(node, questions)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return [False] * len(extrinsics)
        return ["result" in answer for answer in answers]

    async def get_next_nonce(self, node: NodeRecord, address: str) -> int | None:
        """Return the next nonce of an account, waiting transactions counted; None without an answer."""
        try:
            (answer,) = await self._call(node, [("system_accountNextIndex", [address])])
            return msgspec.convert(answer, int)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    async def get_signed_tail(self, node: NodeRecord) -> bytes | None:
        """Return what a transaction signs besides itself; None without an answer.

        That is the versions, the genesis hash, and that hash again as the block from which an immortal one
        counts.
        """
        try:
            genesis, version = await self._call(
                node, [("chain_getBlockHash", [0]), ("state_getRuntimeVersion", [])]
            )
            versions = msgspec.convert(version, _RuntimeVersion)
            root = bytes.fromhex(msgspec.convert(genesis, str).removeprefix("0x"))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        numbers = (versions.spec_version, versions.transaction_version)
        return b"".join(number.to_bytes(4, "little") for number in numbers) + root * 2

    async def _call(self, node: NodeRecord, questions: Sequence[Question]) -> list[object]:
        """Return the results of a batch of calls in their order; ValueError when one has none."""
        answers = await self._post(node, questions)
        if not all("result" in answer for answer in answers):
            raise ValueError("a call has failed")
        return [answer["result"] for answer in answers]

    async def _post(self, node: NodeRecord, questions: Sequence[Question]) -> list[dict[str, object]]:
        """Return the answers to a batch of calls in their order; ValueError when one is missing."""
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(questions)
        ]
        async with self._session.post(f"http://127.0.0.1:{node.rpc_port}", json=batch) as response:
            data = await response.content.read(ANSWER_BYTES_MAX)
        answers = msgspec.json.decode(data, type=list[dict[str, object]])
        found = {answer.get("id"): answer for answer in answers}
        if set(found) != set(range(len(batch))):
            raise ValueError("an answer is missing")
        return [found[number] for number in range(len(batch))]
