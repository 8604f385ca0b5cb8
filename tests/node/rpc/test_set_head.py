"""Taking a development chain back through the RPC layer: below final blocks, with its transactions, its
subscribers and its signing guard."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from node.chain.chain import Chain
from node.config import InstantSeal, IntervalSeal, Seal
from node.host import FINALITY_DELAY_MS
from node.storage.memory import MemoryKeyValue
from runtime.primitives.era import mortal_era
from runtime.primitives.tree import Tree
from tests.support.chain import ALICE, BOB
from tests.support.node_chain import check_now, open_chain, snapshot, transfer
from tests.support.node_rpc import DevNode

pytestmark = pytest.mark.slow

PARAMS = -32602
BLOCK_ERROR = 8000
CONSENSUS_ERROR = 4000
TURN_S = 0.01
TURNS_MAX = 500


def h(raw: bytes) -> str:
    return "0x" + raw.hex()


def nonce_of(node: DevNode, who: bytes) -> int:
    found: int = node.chain.api.runtime.pallet("System").get_account(who).nonce  # type: ignore[attr-defined]  # System
    return found


async def send(node: DevNode, nonce: int, **how: Any) -> str:
    raw = transfer(node.chain.api, "//Alice", BOB, nonce=nonce, **how)
    await node.call("author_submitExtrinsic", h(raw))
    return h(raw)


def assert_whole(chain: Chain) -> None:
    """The state that the chain reads has the root that its tree and its head's header have."""
    head, root, state = snapshot(chain)
    assert chain.head.header.state_root == root == Tree.from_items(state.items()).root
    assert chain.hash_at(chain.head.number) == head
    assert chain.hash_at(chain.head.number + 1) is None


@pytest.mark.slow
@pytest.mark.parametrize("finalized", [0, 2, 4, 6])
@pytest.mark.parametrize("target", [0, 1, 3, 5, 6])
async def test_chain_goes_back_and_on_from_any_block_whatever_is_final(target: int, finalized: int) -> None:
    async with DevNode() as node:
        states = [snapshot(node.chain)]
        for number in range(1, 7):
            await send(node, number - 1)
            await node.block(finalize=number == finalized)
            states.append(snapshot(node.chain))
        assert await node.call("dev_setHead", target) == h(states[target][0])
        assert snapshot(node.chain) == states[target]
        assert node.chain.finalized.number == min(target, finalized)
        assert_whole(node.chain)
        assert nonce_of(node, ALICE) == target
        await node.block()
        assert (node.chain.head.number, nonce_of(node, ALICE)) == (target + 1, 6)
        assert_whole(node.chain)


async def test_block_is_named_by_number_by_hash_or_by_how_far_back() -> None:
    async with DevNode() as node:
        blocks = [h(node.chain.head.hash)] + [await node.block() for _ in range(4)]
        assert await node.call("dev_setHead", -1) == blocks[3]
        assert await node.call("dev_setHead", blocks[2]) == blocks[2]
        assert await node.call("dev_setHead", 2) == blocks[2], "the head itself is no error"
        assert await node.call("dev_setHead", 0) == blocks[0]
        assert await node.call("chain_getBlockHash") == blocks[0]
        for gone in blocks[1:]:
            assert await node.call("chain_getHeader", gone) is None
            assert await node.call("chain_getBlock", gone) is None


async def test_blocks_that_are_not_there_or_not_kept_are_refused_and_nothing_happens() -> None:
    async with DevNode(window=2) as node:
        blocks = [await node.block(finalize=True) for _ in range(5)]
        before = snapshot(node.chain)
        for wrong in (6, -6, -1000, blocks[0], 1, 2, "0x" + "77" * 32):
            code, message, _ = await node.fail("dev_setHead", wrong)
            assert code == BLOCK_ERROR, message
        unreadable: list[object] = ["best", "0x00", None, 1.5, True, {}, [], 1 << 32, -(1 << 32)]
        for bad in unreadable:
            assert (await node.fail("dev_setHead", bad))[0] == PARAMS
        assert snapshot(node.chain) == before
        assert h(node.chain.finalized.hash) == blocks[-1]
        assert await node.call("dev_setHead", 3) == blocks[2], "as far as states are kept"
        assert_whole(node.chain)


async def test_block_of_another_branch_is_refused() -> None:
    async with DevNode() as node:
        first = await node.block()
        other = await node.block()
        assert await node.call("dev_setHead", first) == first
        await node.block()
        assert (await node.fail("dev_setHead", other))[0] == BLOCK_ERROR


async def test_transactions_are_in_the_pool_again_and_watched_ones_are_told() -> None:
    async with DevNode() as node:
        await node.block()
        raw = transfer(node.chain.api, "//Alice", BOB, nonce=0)
        feed = await node.call("author_submitAndWatchExtrinsic", h(raw))
        block = await node.block()
        await send(node, 1)
        await node.block()
        await node.call("dev_setHead", 1)
        assert len(await node.call("author_pendingExtrinsics")) == 2
        assert {"retracted": block} in node.results(feed)
        again = await node.block()
        assert node.results(feed)[-1] == {"inBlock": again}
        assert len((await node.call("chain_getBlock", again))["block"]["extrinsics"]) == 3


async def test_of_more_transactions_than_a_sender_may_have_the_first_ones_come_back() -> None:
    async with DevNode() as node:
        await node.block()
        room = node.host.pool.limits.per_sender
        for nonce in range(room):
            await send(node, nonce)
            if nonce % 30 == 29:
                await node.block()
        raw = transfer(node.chain.api, "//Alice", BOB, nonce=room)
        feed = await node.call("author_submitAndWatchExtrinsic", h(raw))
        block = await node.block()
        await node.call("dev_setHead", 1)
        assert node.host.pool.status.ready == room
        assert node.host.pool.status.future == 0, "nothing waits for what did not come back"
        assert node.results(feed) == ["ready", {"inBlock": block}, {"retracted": block}, "dropped"]
        await node.block()
        assert nonce_of(node, ALICE) == room


async def test_transactions_that_began_with_a_block_that_is_gone_do_not_come_back() -> None:
    async with DevNode() as node:
        await node.block()
        await node.block()
        era = mortal_era(64, 2)
        included = await send(node, 0, era=era)
        await node.block()
        waiting = h(transfer(node.chain.api, "//Bob", ALICE, nonce=0, era=era))
        await node.call("author_submitExtrinsic", waiting)
        assert await node.call("author_pendingExtrinsics") == [waiting]
        await node.call("dev_setHead", 1)
        node.clock.advance(1)
        made = await node.block()
        assert await node.call("author_pendingExtrinsics") == []
        body = (await node.call("chain_getBlock", made))["block"]["extrinsics"]
        assert included not in body
        assert waiting not in body
        other = open_chain()
        for number in (1, 2):
            found = node.chain.block(node.chain.hash_at(number) or node.chain.genesis_hash)
            assert found is not None
            assert other.import_block(found.header, found.extrinsics, lambda *_: False) is not None


async def test_subscribers_hear_of_the_block_and_of_those_that_follow() -> None:
    async with DevNode() as node:
        best = await node.call("chain_subscribeNewHeads")
        final = await node.call("chain_subscribeFinalizedHeads")
        key = h(node.chain.api.runtime.pallet("System").account.raw_key(BOB))  # type: ignore[attr-defined]  # System
        values = await node.call("state_subscribeStorage", [key])
        first = await node.call("state_getStorage", key)
        for number in range(3):
            await send(node, number)
            await node.block(finalize=number == 2)
        await node.call("dev_setHead", 0)
        assert [int(head["number"], 16) for head in node.results(best)] == [0, 1, 2, 3, 0]
        assert [int(head["number"], 16) for head in node.results(final)] == [0, 1, 2, 3, 0]
        assert node.results(values)[-1]["changes"] == [[key, first]]
        assert await node.call("chain_getFinalizedHead") == await node.call("chain_getBlockHash", 0)
        await node.block()
        assert int(node.results(best)[-1]["number"], 16) == 1


# --- the signing guard


async def test_no_block_is_voted_for_under_a_number_that_was_voted_for() -> None:
    async with DevNode() as node:
        for number in range(1, 4):
            await node.block(finalize=number == 3)
        await node.call("dev_setHead", 1)
        for number in (2, 3):
            block = await node.block()
            code, message, _ = await node.fail("engine_finalizeBlock", block)
            assert (code, node.chain.finalized.number) == (CONSENSUS_ERROR, 1), (number, message)
        block = await node.block()
        assert await node.call("engine_finalizeBlock", block)
        assert (node.chain.finalized.number, h(node.chain.finalized.hash)) == (4, block)
        assert_whole(node.chain)


async def wait_final(node: DevNode, number: int) -> None:
    for _ in range(TURNS_MAX):
        node.clock.advance(FINALITY_DELAY_MS)
        await asyncio.sleep(TURN_S)
        if node.chain.finalized.number >= number:
            break
    assert node.chain.finalized.number == number


async def test_finality_by_itself_goes_on_above_what_was_voted_for() -> None:
    async with DevNode(seal=InstantSeal()) as node:
        for _ in range(3):
            await node.block()
        await wait_final(node, 3)
        await node.call("dev_setHead", 1)
        with capture_logs() as logs:
            for _ in range(2):
                await node.block()
            await asyncio.sleep(TURN_S)
            assert node.chain.finalized.number == 1
            await node.block()
            await wait_final(node, 4)
        assert [one for one in logs if one["event"] == "vote_refused"] == []


@pytest.mark.slow
async def test_block_that_waits_for_its_vote_may_be_taken_back() -> None:
    async with DevNode(seal=InstantSeal()) as node:
        await node.block()
        await wait_final(node, 1)
        for _ in range(3):
            await node.block()
        await node.call("dev_setHead", 2)
        node.clock.advance(10 * FINALITY_DELAY_MS)
        await wait_final(node, 2)
        await node.block()
        await wait_final(node, 3)


async def test_block_that_is_being_voted_for_is_final_before_it_is_taken_back() -> None:
    async with DevNode() as node:
        block = await node.block()
        final = await node.call("chain_subscribeFinalizedHeads")
        await asyncio.gather(node.call("engine_finalizeBlock", block), node.call("dev_setHead", 0))
        assert [int(head["number"], 16) for head in node.results(final)] == [0, 1, 0]
        assert_whole(node.chain)


# --- all at once


@pytest.mark.slow
@pytest.mark.parametrize("seal", [InstantSeal(), IntervalSeal(100)], ids=["instant", "interval"])
async def test_chain_stays_whole_while_everything_is_done_to_it_at_once(seal: Seal) -> None:
    async with DevNode(seal=seal, builds=True) as node:

        async def try_to_send(nonce: int) -> None:
            raw = transfer(node.chain.api, "//Alice", BOB, nonce=nonce)
            await node.send("author_submitExtrinsic", h(raw))

        async def pass_time() -> None:
            for _ in range(5):
                node.clock.advance(FINALITY_DELAY_MS // 5)
                await asyncio.sleep(0.001)

        for turn in range(25):
            await asyncio.gather(
                try_to_send(nonce_of(node, ALICE)),
                try_to_send(nonce_of(node, ALICE) + 1),
                node.call("dev_setStorage", {"Session": {"CurrentIndex": turn + 1}}),
                node.call(
                    "dev_setHead", -1 if turn % 3 == 1 else 0 if turn == 14 else node.chain.head.number
                ),
                node.call("dev_newBlock"),
                pass_time(),
            )
        await node.call("dev_setBlockBuildMode", "Manual")
        assert_whole(node.chain)
        other = open_chain()
        for number in range(1, node.chain.head.number + 1):
            found = node.chain.block(node.chain.hash_at(number) or node.chain.genesis_hash)
            assert found is not None
            other.import_block(found.header, found.extrinsics, check_now)
        assert snapshot(other) == snapshot(node.chain)


# --- restart


@pytest.mark.slow
@pytest.mark.parametrize(("target", "finalized"), [(1, 3), (3, 3), (4, 2), (2, 0), (0, 4)])
async def test_chain_is_the_same_after_a_restart(target: int, finalized: int) -> None:
    kv = MemoryKeyValue()
    async with DevNode(chain=open_chain(kv)) as node:
        for number in range(1, 5):
            await send(node, number - 1)
            await node.block(finalize=number == finalized)
        await node.call("dev_setHead", target)
        await node.chain.wait_stored(node.chain.head.hash)
        restarted = open_chain(kv)
        list(restarted.replay())
        assert snapshot(restarted) == snapshot(node.chain)
        assert restarted.finalized == node.chain.finalized
        block = await node.block()
        await node.chain.wait_stored(node.chain.head.hash)
        again = open_chain(kv)
        list(again.replay())
        assert h(again.head.hash) == block
        assert_whole(again)


async def test_values_set_by_hand_are_gone_with_their_block() -> None:
    async with DevNode() as node:
        before = snapshot(node.chain)
        await node.call("dev_setStorage", {"Session": {"CurrentIndex": 7}})
        session: Any = node.chain.api.runtime.pallet("Session")
        assert session.current_index.get() == 7
        await node.call("dev_setHead", 0)
        assert snapshot(node.chain) == before
        session = node.chain.api.runtime.pallet("Session")
        assert session.current_index.get() == 0
