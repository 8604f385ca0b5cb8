"""A full node that joins late catches up with a long chain, though a peer lies about height and votes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from node.clock import SystemClock
from node.config import Config
from node.network.identity import PeerId
from node.network.messages import BlockData, BlocksRequest, BlocksResponse, Status
from node.network.multiaddr import Multiaddr
from node.network.service import Network
from node.network.settings import NetworkSettings
from node.service import open_chain
from runtime.primitives.crypto import Keypair, Scheme
from tests.processes.running import RunningNode, free_port
from tests.support.peers import describe_blocks, grow, too_few_votes

BLOCKS = 520
PATIENCE_S = 90.0
CLAIM = Status(1, 1_000_000, bytes(32), 1_000_000, bytes(32))

pytestmark = [pytest.mark.slow, pytest.mark.net]


async def make_chain(base: Path) -> tuple[bytes, list[BlockData]]:
    """Fill a node's database; return the genesis hash, and the blocks with a vote too few for each."""
    with open_chain(Config(chain="local", base_path=str(base))) as (_, chain):
        await grow(chain, BLOCKS)
        return chain.genesis_hash, describe_blocks(chain, 1, BLOCKS, too_few_votes)


@asynccontextmanager
async def liar(genesis: bytes, blocks: list[BlockData]) -> AsyncIterator[str]:
    """Let a peer serve certificates that lack a vote; yield its address."""
    keypair = Keypair.from_seed(b"\7" * 32, Scheme.ED25519)

    async def serve(_: PeerId, request: BlocksRequest) -> BlocksResponse:
        assert isinstance(request.start, int)
        return BlocksResponse(tuple(blocks[request.start - 1 : request.start - 1 + request.count]))

    async with asyncio.TaskGroup() as tasks:
        settings = NetworkSettings(listen=(Multiaddr("ip4", "127.0.0.1", 0, None),))
        network = Network(settings, keypair, genesis, tasks, status=lambda: CLAIM, clock=SystemClock())
        network.on_request(BlocksRequest, serve)
        async with network.running():
            yield str(network.addresses[0])


async def start(stack: AsyncExitStack, base: Path, *flags: str) -> RunningNode:
    """Start a full node beside the event loop."""
    own = ("--port", str(free_port()), "--workers", "0", *flags)
    node = await asyncio.to_thread(RunningNode, base, *own, chain=("--chain", "local"))
    stack.push_async_callback(asyncio.to_thread, node.stop)
    return node


async def wait(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # a process tells of no condition
            await asyncio.sleep(0.1)


async def test_full_node_catches_up_with_a_long_chain_though_a_peer_lies(tmp_path: Path) -> None:
    genesis, spoiled = await make_chain(tmp_path / "honest")
    async with AsyncExitStack() as stack:
        lying = await stack.enter_async_context(liar(genesis, spoiled))
        honest = await start(stack, tmp_path / "honest")
        assert (await asyncio.to_thread(honest.finalized))[0] == BLOCKS
        (address,) = await asyncio.to_thread(honest.rpc, "system_localListenAddresses")
        boot = ("--bootnodes", lying, "--bootnodes", address.replace("0.0.0.0", "127.0.0.1"))
        late = await start(stack, tmp_path / "late", *boot)
        await wait(lambda: late.finalized()[0] == BLOCKS)
        assert late.finalized() == honest.finalized()
        await wait(lambda: not late.rpc("system_health")["isSyncing"])
        state = late.rpc("system_syncState")
        assert state == {"startingBlock": 0, "currentBlock": BLOCKS, "highestBlock": BLOCKS}
        await wait(lambda: "sync_ended" in late.log.read_text())
    text = late.log.read_text()
    assert "peer_sent_bad_block" in text
