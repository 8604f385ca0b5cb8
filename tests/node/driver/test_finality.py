"""The finality driver of a lone authority when it cannot keep up with its chain."""

import asyncio

import pytest
from structlog.testing import capture_logs

from node.config import InstantSeal
from node.driver.finality import FinalityDriver
from node.host import FINALITY_DELAY_MS
from tests.support.node_rpc import DevNode

INPUTS = 2
BLOCKS = 5
TURN_S = 0.01
TURNS_MAX = 500


async def test_blocks_beyond_the_full_queue_are_told_and_final_with_a_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.driver.finality.INPUTS_MAX", INPUTS)
    async with DevNode(seal=InstantSeal()) as node:
        with capture_logs() as logs:
            assert isinstance(node.host.finality, FinalityDriver)
            async with node.host.finality.paused():
                for _ in range(BLOCKS):
                    await node.block()
        stalled = [one for one in logs if one["event"] == "finality_stalled"]
        held = BLOCKS - len(stalled)
        assert [one["waiting"] for one in stalled] == [INPUTS] * len(stalled)
        assert INPUTS <= held <= INPUTS + 1  # one may have been taken out before the pause
        await node.block()
        for _ in range(TURNS_MAX):
            node.clock.advance(FINALITY_DELAY_MS)
            await asyncio.sleep(TURN_S)
            if node.chain.finalized.number == BLOCKS + 1:
                break
        assert node.chain.finalized.hash == node.chain.head.hash
