"""What a node serves to peers who want a state: which block, how long, and what it refuses."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from node.authoring.turns import Turns
from node.chain import snapshot
from node.chain.chain import Chain
from node.chain.snapshot import StateSnapshot
from node.driver import state_server
from node.driver.state_server import BEHIND_MAX, IDLE_S, LIFE_S, OFFER_STEP, READERS_MAX
from node.network.identity import PeerId
from node.network.messages import (
    FRAGMENTS_MAX,
    STATE_ENTRIES_MAX,
    Refusal,
    RefusalCode,
    StateRequest,
    StateResponse,
    WarpFragment,
    WarpRequest,
    WarpResponse,
)
from node.storage.columns import BlockRef, Column, build_block_key
from node.storage.memory import MemoryKeyValue
from node.sync.warp import Fragment, WarpProof
from runtime.primitives.tree import LOWEST_PATH, verify_range
from runtime.primitives.types import Hash
from tests.support.clock import ManualClock
from tests.support.node_chain import make_block
from tests.support.observer import Node, observer
from tests.support.warping import fragment_at, genesis_set, grow_changing, list_set_changes

pytestmark = pytest.mark.slow

UNKNOWN, BUSY = Refusal(RefusalCode.UNKNOWN), Refusal(RefusalCode.BUSY)


@asynccontextmanager
async def serving(
    blocks: int, changes: tuple[int, ...] = (), window: int = 256
) -> AsyncIterator[tuple[Node, ManualClock]]:
    clock = ManualClock()
    async with observer(kv=MemoryKeyValue(), clock=clock, window=window) as node:
        await grow_changing(node.chain, blocks, changes)
        yield node, clock


def hash_at(chain: Chain, number: int) -> Hash:
    found = chain.hash_at(number)
    assert found is not None
    return found


async def ask_state(node: Node, number: int, count: int = STATE_ENTRIES_MAX) -> StateResponse | Refusal:
    found: StateResponse | Refusal = await node.ask(
        StateRequest(hash_at(node.chain, number), LOWEST_PATH, count)
    )
    return found


def fragments_of(chain: Chain, *numbers: int) -> tuple[WarpFragment, ...]:
    return tuple(WarpFragment(*fragment_at(chain, number)) for number in numbers)


async def test_proof_has_the_set_changes_and_then_a_block_of_a_round_number() -> None:
    async with serving(40, (3, 20, 35)) as (node, _):
        assert list_set_changes(node.chain) == [3, 20, 35]
        answer = await node.ask(WarpRequest(0))
        assert answer == WarpResponse(fragments_of(node.chain, 3, 20, 32), True)
        assert (await node.ask(WarpRequest(3))).fragments == fragments_of(node.chain, 20, 32)
        assert (await node.ask(WarpRequest(19))).fragments == fragments_of(node.chain, 20, 32)
        assert (await node.ask(WarpRequest(32))).fragments == fragments_of(node.chain, 35, 40)
        proof = WarpProof(node.chain.genesis_hash, 0, genesis_set(node.chain))
        for fragment in answer.fragments:
            proof.follow(Fragment(fragment.header, fragment.certificate))


async def test_block_that_announces_a_set_is_offered_once() -> None:
    async with serving(OFFER_STEP + 2, (OFFER_STEP,)) as (node, _):
        answer = await node.ask(WarpRequest(0))
        assert answer == WarpResponse(fragments_of(node.chain, OFFER_STEP), True)


async def test_who_is_not_behind_gets_nothing() -> None:
    async with serving(20) as (node, _):
        for start in (20, 21, 2**32 - 1):
            assert await node.ask(WarpRequest(start)) == WarpResponse((), True)
    async with serving(0) as (node, _):
        assert await node.ask(WarpRequest(0)) == WarpResponse((), True)


async def test_long_proof_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FRAGMENTS_MAX == 16
    monkeypatch.setattr(state_server, "FRAGMENTS_MAX", 2)
    async with serving(18, (3, 5, 7)) as (node, _):
        first = await node.ask(WarpRequest(0))
        assert first == WarpResponse(fragments_of(node.chain, 3, 5), False)
        assert await node.ask(WarpRequest(5)) == WarpResponse(fragments_of(node.chain, 7, 16), True)
        assert await node.ask(WarpRequest(3)) == WarpResponse(fragments_of(node.chain, 5, 7), False)


@pytest.mark.parametrize("number", [3, 16])
async def test_chain_with_a_certificate_too_few_proves_nothing(number: int) -> None:
    async with serving(18, (3,)) as (node, _):
        key = build_block_key(Column.JUSTIFICATION, BlockRef(number, hash_at(node.chain, number)))
        node.chain.store._kv.write([(key, None)], sync=False)
        assert await node.ask(WarpRequest(0)) == UNKNOWN


async def test_last_block_is_offered_where_the_round_one_is_not_kept() -> None:
    async with serving(20, (), 3) as (node, _):
        assert (await node.ask(WarpRequest(0))).fragments == fragments_of(node.chain, 20)
        assert await ask_state(node, 16) == UNKNOWN
        assert isinstance(await ask_state(node, 20), StateResponse)


async def test_state_is_served_in_chunks_that_prove_themselves() -> None:
    async with serving(18) as (node, _):
        header = node.chain.header(hash_at(node.chain, 16))
        assert header is not None
        found: dict[bytes, bytes] = {}
        start: bytes | None = LOWEST_PATH
        while start is not None:
            answer = await node.ask(StateRequest(hash_at(node.chain, 16), start, 50))
            assert isinstance(answer, StateResponse)
            assert len(answer.entries) <= 50
            start = verify_range(header.state_root, start, answer.entries, answer.proof)
            found |= dict(answer.entries)
            make_block(node.chain)
        with node.chain.store.state_at(16) as state:
            assert found == dict(state.iterate())


async def test_states_that_are_not_there_are_refused() -> None:
    async with serving(20, (), 8) as (node, _):
        unfinal = make_block(node.chain).info.hash
        for block_hash in (unfinal, b"\7" * 32, node.chain.genesis_hash, hash_at(node.chain, 11)):
            assert await node.ask(StateRequest(block_hash, LOWEST_PATH, 1)) == UNKNOWN
        assert node.states.prepared is None
        assert isinstance(await ask_state(node, 12), StateResponse)


async def test_state_too_far_behind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BEHIND_MAX == 256
    monkeypatch.setattr(state_server, "BEHIND_MAX", 4)
    async with serving(20) as (node, _):
        assert await ask_state(node, 15) == UNKNOWN
        assert isinstance(await ask_state(node, 16), StateResponse)
        await grow_changing(node.chain, 12)
        assert isinstance(await ask_state(node, 16), StateResponse), "it is prepared"
        assert (await node.ask(WarpRequest(0))).fragments == fragments_of(node.chain, 32), "and not offered"


async def test_one_state_is_prepared_at_a_time_and_offered_to_all() -> None:
    async with serving(20) as (node, clock):
        assert isinstance(await ask_state(node, 16), StateResponse)
        await grow_changing(node.chain, 14)
        assert await ask_state(node, 32) == BUSY
        assert await ask_state(node, 33) == BUSY
        assert (await node.ask(WarpRequest(0))).fragments == fragments_of(node.chain, 16)
        assert (await node.ask(WarpRequest(16))).fragments == fragments_of(node.chain, 32)
        assert await node.ask(StateRequest(b"\7" * 32, LOWEST_PATH, 1)) == UNKNOWN
        clock.advance(int(IDLE_S * 1000) - 1_000)
        assert await ask_state(node, 32) == BUSY
        clock.advance(1_000)
        assert isinstance(await ask_state(node, 32), StateResponse)
        assert node.states.prepared == 32
        assert await ask_state(node, 16) == BUSY


async def test_unused_state_is_let_go() -> None:
    async with serving(20) as (node, clock):
        await ask_state(node, 16)
        clock.advance(int(IDLE_S * 1000) - 1_000)
        node.states.let_go_unused()
        await ask_state(node, 16)
        clock.advance(int(IDLE_S * 1000) - 1_000)
        node.states.let_go_unused()
        assert node.states.prepared == 16
        clock.advance(1_000)
        node.states.let_go_unused()
        assert node.states.prepared is None


async def test_state_that_somebody_reads_is_not_let_go_before_the_hour() -> None:
    async with serving(20) as (node, clock):
        await ask_state(node, 16)
        held = node.states._held
        assert held is not None
        assert held.snapshot is not None
        held.readers[PeerId("reader")] = None
        clock.advance(int(IDLE_S * 1000))
        node.states.let_go_unused()
        assert await ask_state(node, 17) == BUSY
        assert node.states.prepared == 16
        clock.advance(int(LIFE_S * 1000))
        assert isinstance(await ask_state(node, 17), StateResponse), "readers without end are no reason"
        assert not held.snapshot.is_closed, "he may read to the end"
        assert await ask_state(node, 16) == BUSY


async def test_last_reader_of_a_state_that_was_let_go_closes_it() -> None:
    async with serving(20) as (node, clock):
        await ask_state(node, 16)
        held = node.states._held
        assert held is not None
        assert held.snapshot is not None
        async with node.states._reading, asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(ask_state(node, 16))
            await node.wait(lambda: bool(held.readers))
            clock.advance(int(LIFE_S * 1000))
            node.states.let_go_unused()
            assert node.states.prepared is None
            assert not held.snapshot.is_closed
            node.states._reading.release()
            assert isinstance(await reading, StateResponse)
            await node.states._reading.acquire()
        assert held.snapshot.is_closed


async def test_old_state_is_kept_from_newer_ones_no_longer_than_it_was_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_server, "BEHIND_MAX", 6)
    for behind, blocks in ((6, 0), (4, 4), (0, 12)):
        async with serving(20) as (node, clock):
            number = 20 - behind
            assert isinstance(await ask_state(node, number), StateResponse)
            await grow_changing(node.chain, max(0, blocks - 1))
            clock.advance(int(IDLE_S * 1000) - 1)
            assert isinstance(await ask_state(node, number), StateResponse)
            if blocks:
                clock.advance(1)
                assert await ask_state(node, 20 + blocks - 1) == BUSY
                await grow_changing(node.chain, 1)
            else:
                assert await ask_state(node, 20) == BUSY, "it is prepared for a minute at least"
                clock.advance(1)
            assert isinstance(await ask_state(node, 20 + blocks), StateResponse)


async def test_state_that_is_not_kept_takes_no_others_place() -> None:
    async with serving(20, (), 8) as (node, clock):
        await ask_state(node, 20)
        clock.advance(int(IDLE_S * 1000))
        unfinal = make_block(node.chain).info.hash
        for block_hash in (hash_at(node.chain, 11), unfinal):
            assert await node.ask(StateRequest(block_hash, LOWEST_PATH, 1)) == UNKNOWN
            assert node.states.prepared == 20


async def test_genesis_is_no_state_to_begin_with() -> None:
    async with serving(3) as (node, _):
        assert await ask_state(node, 0) == UNKNOWN
        assert isinstance(await ask_state(node, 1), StateResponse)


async def test_state_that_is_asked_for_for_ever_gives_way_in_the_end() -> None:
    async with serving(20) as (node, clock):
        for _ in range(int(LIFE_S / IDLE_S) * 2):
            assert isinstance(await ask_state(node, 16), StateResponse)
            assert await ask_state(node, 20) == BUSY
            clock.advance(int(IDLE_S * 500))
        assert isinstance(await ask_state(node, 20), StateResponse)


class SlowSnapshot(StateSnapshot):
    """Takes until the gate is open to prepare."""

    gate = asyncio.Event()

    def prepare_steps(self) -> Generator[None, None, None]:
        while not SlowSnapshot.gate.is_set():
            yield
        yield from super().prepare_steps()


async def test_asker_is_told_to_come_again_while_a_state_is_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    SlowSnapshot.gate = asyncio.Event()
    monkeypatch.setattr(state_server, "StateSnapshot", SlowSnapshot)
    monkeypatch.setattr(state_server, "PREPARING_S", 0.05)

    async with serving(20) as (node, _):
        monkeypatch.setattr(state_server, "Turns", TurningTurns)
        assert await ask_state(node, 16) == BUSY
        assert await ask_state(node, 17) == BUSY
        assert node.states.prepared == 16
        SlowSnapshot.gate.set()
        await node.wait(lambda: node.states._held is not None and node.states._held.is_ready.is_set())
        assert isinstance(await ask_state(node, 16), StateResponse)


async def test_old_state_does_not_give_way_while_it_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    SlowSnapshot.gate = asyncio.Event()
    monkeypatch.setattr(state_server, "StateSnapshot", SlowSnapshot)
    monkeypatch.setattr(state_server, "PREPARING_S", 0.05)
    monkeypatch.setattr(state_server, "BEHIND_MAX", 4)
    async with serving(20) as (node, clock):
        monkeypatch.setattr(state_server, "Turns", TurningTurns)
        assert await ask_state(node, 16) == BUSY
        clock.advance(int(IDLE_S * 1000) - 1)
        assert await ask_state(node, 16) == BUSY
        clock.advance(1)
        assert await ask_state(node, 20) == BUSY
        assert node.states.prepared == 16
        SlowSnapshot.gate.set()
        await node.wait(lambda: node.states._held is not None and node.states._held.is_ready.is_set())
        assert isinstance(await ask_state(node, 20), StateResponse)


async def test_state_that_was_closed_before_its_asker_had_his_turn_is_refused() -> None:
    async with serving(20) as (node, _):
        await ask_state(node, 16)
        held = node.states._held
        assert held is not None
        assert held.snapshot is not None
        held.snapshot.close()
        assert await ask_state(node, 16) == UNKNOWN


class TurningTurns(Turns):
    """Pauses after every step, for the clock of these tests stands still."""

    async def pause(self) -> None:
        await asyncio.sleep(0)


async def test_state_that_cannot_be_prepared_is_unknown_and_blocks_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(20) as (node, _):
        monkeypatch.setattr(snapshot, "REPLACED_MAX", 0)
        assert (await node.ask(WarpRequest(0))).fragments == fragments_of(node.chain, 16)
        assert await ask_state(node, 16) == UNKNOWN
        assert node.states.prepared is None
        monkeypatch.undo()
        assert await ask_state(node, 16) == UNKNOWN, "it is not tried again, nor is an older one"
        assert await ask_state(node, 15) == UNKNOWN
        assert (await node.ask(WarpRequest(0))).fragments == fragments_of(node.chain, 20)
        assert isinstance(await ask_state(node, 20), StateResponse), "nothing has changed since"


@pytest.mark.parametrize("limit", ["STATE_KEY_MAX", "STATE_VALUE_MAX"])
async def test_state_that_no_message_holds_is_not_sent(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(20) as (node, _):
        monkeypatch.setattr(state_server, limit, 10)
        assert await ask_state(node, 16) == Refusal(RefusalCode.FAILED)


async def test_chunk_keeps_the_bytes_of_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(20) as (node, _):
        monkeypatch.setattr(state_server, "STATE_BYTES_MAX", 500)
        answer = await ask_state(node, 16)
        assert isinstance(answer, StateResponse)
        assert 0 < sum(len(key) + len(value) for key, value in answer.entries) <= 500


async def test_chunks_are_read_one_by_one_with_a_rest_between(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    sleep = asyncio.sleep

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    async with serving(20) as (node, clock):
        await ask_state(node, 16)
        held = node.states._held
        assert held is not None
        assert held.snapshot is not None
        read = held.snapshot.chunk_steps

        def slow_read(*args: Any) -> Any:
            clock.advance(40)
            return read(*args)

        monkeypatch.setattr(held.snapshot, "chunk_steps", slow_read)
        monkeypatch.setattr(asyncio, "sleep", rest)
        await ask_state(node, 16)
        assert rests == []
        await ask_state(node, 16)
        assert rests == [pytest.approx(0.04)]


async def test_more_readers_than_can_be_served_are_told_to_come_again() -> None:
    async with serving(20) as (node, _):
        await ask_state(node, 16)
        held = node.states._held
        assert held is not None
        held.readers |= {PeerId(f"reader {place}"): None for place in range(READERS_MAX - 1)}
        assert isinstance(await ask_state(node, 16), StateResponse)
        held.readers[PeerId("another")] = None
        assert await ask_state(node, 16) == BUSY


async def test_peer_takes_one_place_among_the_readers() -> None:
    async with serving(20) as (node, _):
        await ask_state(node, 16)
        held = node.states._held
        assert held is not None
        held.readers[PeerId("somebody")] = None
        assert await ask_state(node, 16) == BUSY
        held.readers.clear()
        assert isinstance(await ask_state(node, 16), StateResponse)
