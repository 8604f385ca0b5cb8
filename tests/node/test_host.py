"""A hosted chain after a restart."""

import asyncio

import pytest

from node.config import InstantSeal, IntervalSeal, ManualSeal, Seal
from node.host import FINALITY_DELAY_MS
from node.storage.memory import MemoryKeyValue
from tests.support.node_chain import make_block, open_chain
from tests.support.node_rpc import DevNode

TURN_S = 0.01
TURNS_MAX = 500


async def stopped_before_finality() -> MemoryKeyValue:
    """The database of a node that made two blocks and ended before either was final."""
    kv = MemoryKeyValue()
    chain = open_chain(kv)
    make_block(chain)
    await chain.wait_stored(make_block(chain).info.hash)
    return kv


@pytest.mark.parametrize("seal", [InstantSeal(), IntervalSeal(None)], ids=["instant", "interval"])
async def test_blocks_that_a_restart_came_between_are_certified_without_a_new_one(seal: Seal) -> None:
    async with DevNode(chain=open_chain(await stopped_before_finality()), seal=seal) as node:
        head = node.chain.head
        assert (head.number, node.chain.finalized.number) == (2, 0)
        for _ in range(TURNS_MAX):
            node.clock.advance(FINALITY_DELAY_MS)
            await asyncio.sleep(TURN_S)
            if node.chain.finalized == head:
                break
        assert node.chain.finalized == head


async def test_blocks_sealed_by_hand_are_finalized_by_hand_after_a_restart_too() -> None:
    async with DevNode(chain=open_chain(await stopped_before_finality()), seal=ManualSeal()) as node:
        node.clock.advance(FINALITY_DELAY_MS)
        await asyncio.sleep(2 * FINALITY_DELAY_MS / 1000)
        assert node.chain.finalized.number == 0
        assert await node.call("engine_finalizeBlock", "0x" + node.chain.head.hash.hex())
        assert node.chain.finalized == node.chain.head
