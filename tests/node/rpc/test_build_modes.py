"""How blocks come about, changed through the RPC layer while the node runs."""

import asyncio
from dataclasses import replace

import pytest

from node.config import InstantSeal, IntervalSeal, ManualSeal, Seal
from node.host import FINALITY_DELAY_MS
from node.rpc.groups.dev import DevMethods
from node.rpc.jsonrpc import RpcError
from tests.support.chain import ALICE, BOB
from tests.support.node_chain import transfer
from tests.support.node_rpc import DevNode

pytestmark = pytest.mark.slow

PARAMS = -32602
TURN_S = 0.005
TURNS_MAX = 400
PERIOD_MS = 1_000


async def send(node: DevNode, nonce: int) -> str:
    raw = "0x" + transfer(node.chain.api, "//Alice", BOB, nonce=nonce).hex()
    await node.call("author_submitExtrinsic", raw)
    return raw


async def settle(node: DevNode, *, ms: int = 0) -> int:
    """Let time pass and every task have its turns; return the best number."""
    node.clock.advance(ms)
    for _ in range(20):
        await asyncio.sleep(TURN_S)
    return node.chain.head.number


async def wait_number(node: DevNode, number: int, *, step_ms: int = 0) -> None:
    for _ in range(TURNS_MAX):
        if node.chain.head.number >= number:
            break
        node.clock.advance(step_ms)
        await asyncio.sleep(TURN_S)
    assert node.chain.head.number == number


@pytest.mark.parametrize("mode", ["Instant", "instant"])
async def test_each_transaction_makes_a_block_once_the_mode_is_instant(mode: str) -> None:
    async with DevNode(builds=True) as node:
        await send(node, 0)
        assert await settle(node) == 0, "blocks are made by hand only"
        assert await node.call("dev_setBlockBuildMode", mode) is None
        await wait_number(node, 1)
        await send(node, 1)
        await wait_number(node, 2)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["Batch", "batch"])
async def test_blocks_are_made_by_interval_once_the_mode_is_batch(mode: str) -> None:
    async with DevNode(builds=True) as node:
        await node.call("dev_setBlockBuildMode", mode)
        await wait_number(node, 2, step_ms=PERIOD_MS // 4)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["Manual", "manual"])
@pytest.mark.parametrize("seal", [InstantSeal(), IntervalSeal(None)], ids=["instant", "interval"])
async def test_no_block_is_made_by_itself_once_the_mode_is_manual(seal: Seal, mode: str) -> None:
    async with DevNode(builds=True, seal=seal) as node:
        await send(node, 0)
        await wait_number(node, 1, step_ms=PERIOD_MS // 4)
        await node.call("dev_setBlockBuildMode", mode)
        assert not node.host.intake.is_drained, "nobody takes transactions, so none may wait for that"
        raw = await send(node, 1)
        assert await settle(node, ms=3 * PERIOD_MS) == 1
        assert await node.call("author_pendingExtrinsics") == [raw]
        await node.block()
        assert (node.chain.head.number, await node.call("author_pendingExtrinsics")) == (2, [])


async def test_what_the_open_block_held_is_in_the_pool_again() -> None:
    async with DevNode(builds=True, seal=IntervalSeal(None)) as node:
        raw = await send(node, 0)
        for _ in range(TURNS_MAX):
            if node.host.pool.status.taken:
                break
            await asyncio.sleep(TURN_S)
        assert (node.host.pool.status.taken, node.chain.head.number) == (1, 0)
        await node.call("dev_setBlockBuildMode", "Manual")
        assert node.host.pool.status.taken == 0
        assert await node.call("author_pendingExtrinsics") == [raw]
        await node.call("dev_setBlockBuildMode", "Instant")
        await wait_number(node, 1)
        assert await node.call("author_pendingExtrinsics") == []


async def test_finality_follows_by_itself_in_every_mode_but_manual() -> None:
    async with DevNode(builds=True, seal=InstantSeal()) as node:
        await node.call("dev_setBlockBuildMode", "Manual")
        await node.block()
        assert await settle(node, ms=2 * FINALITY_DELAY_MS) == 1
        assert node.chain.finalized.number == 0
        await node.call("dev_setBlockBuildMode", "Instant")
        await send(node, 0)
        await wait_number(node, 2)
        for _ in range(TURNS_MAX):
            node.clock.advance(FINALITY_DELAY_MS)
            await asyncio.sleep(TURN_S)
            if node.chain.finalized.number == 2:
                break
        assert node.chain.finalized == node.chain.head


async def test_blocks_made_by_hand_become_final_when_the_mode_is_no_longer_manual() -> None:
    async with DevNode(builds=True) as node:
        await node.block()
        await node.call("dev_setBlockBuildMode", "Instant")
        for _ in range(TURNS_MAX):
            node.clock.advance(FINALITY_DELAY_MS)
            await asyncio.sleep(TURN_S)
            if node.chain.finalized.number == 1:
                break
        assert node.chain.finalized.number == 1


async def test_many_changes_while_blocks_are_made_lose_no_transaction() -> None:
    async with DevNode(builds=True) as node:
        for nonce in range(30):
            await send(node, nonce)
            await node.call("dev_setBlockBuildMode", ("Batch", "Instant", "Manual")[nonce % 3])
            node.clock.advance(PERIOD_MS // 3)
            await asyncio.sleep(0)
        await node.call("dev_setBlockBuildMode", "Manual")
        await node.block()
        system = node.chain.api.runtime.pallet("System")
        assert system.get_account(ALICE).nonce == 30  # type: ignore[attr-defined]  # System
        assert node.host.building.seal == ManualSeal()


async def test_node_that_is_no_authority_has_no_mode() -> None:
    async with DevNode(builds=True) as node:
        observer = DevMethods(replace(node.context, is_authority=False), node.host)
        with pytest.raises(RpcError, match="makes no blocks"):
            await observer.set_block_build_mode("Instant")
        assert node.host.building.seal == ManualSeal()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["", "BATCH", "interval", 1, None, ["Batch"], {}])
async def test_other_modes_are_refused_and_nothing_changes(mode: object) -> None:
    async with DevNode(builds=True) as node:
        assert (await node.fail("dev_setBlockBuildMode", mode))[0] == PARAMS
        assert (await node.fail("dev_setBlockBuildMode"))[0] == PARAMS
        assert node.host.building.seal == ManualSeal()
        await send(node, 0)
        assert await settle(node, ms=PERIOD_MS) == 0
