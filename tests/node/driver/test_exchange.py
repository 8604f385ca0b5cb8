"""What a node serves its peers, how it catches up with them, and what becomes of those who lie."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from genesis.chain_spec import load_spec
from node.chain.chain import Chain
from node.chain.errors import UnknownBlock
from node.consensus.messages import Decided, encode_message
from node.driver.syncing import ALL_FIELDS
from node.network.errors import PeerGoneError, Penalty, RequestTimeoutError, TooManyRequestsError
from node.network.messages import (
    BlockData,
    BlockRequest,
    BlockResponse,
    BlocksRequest,
    BlocksResponse,
    Consensus,
    Refusal,
    RefusalCode,
    RequestBody,
    ResponseBody,
    Status,
    Transactions,
    WarpRequest,
)
from node.storage.kv import Batch
from node.storage.memory import MemoryKeyValue
from node.sync.downloads import SyncLimits
from runtime.primitives.certificate import decode_certificate
from runtime.primitives.extrinsic import make_unsigned
from tests.node.driver.test_offences import contradiction
from tests.support.chain import account
from tests.support.network import NAMES
from tests.support.node_chain import open_chain, transfer
from tests.support.observer import LIMITS, Node, observer, source, status_of
from tests.support.peers import certify_by, grow, serving, too_few_votes
from tests.support.warping import changing_chain, copy_at

RANGE = LIMITS.range_blocks
PAUSE_S = 0.05
LIAR_STATUS = Status(1, 1_000, bytes(32), 1_000, bytes(32))


async def test_node_far_behind_gets_many_blocks_at_a_time() -> None:
    chain = await source(RANGE + 6)
    async with observer() as node:
        peer = node.network.connect("ahead", status_of(chain), serving(chain))
        assert node.exchange.is_syncing
        assert node.exchange.target == RANGE + 6
        await node.wait(lambda: node.chain.finalized.number == RANGE + 6)
        assert node.chain.finalized.hash == chain.finalized.hash
        starts = [body.start for _, body in node.network.asked if isinstance(body, BlocksRequest)]
        assert starts[:2] == [1, RANGE + 1]
        assert node.network.reports == []
        node.network.disconnect(peer)
    chain.store.close()


def other_body(data: BlockData) -> BlockData:
    return structs.replace(data, body=())


def other_header(data: BlockData) -> BlockData:
    assert data.header is not None
    return structs.replace(data, header=data.header[:40] + bytes([data.header[40] ^ 1]) + data.header[41:])


def bad_vote(data: BlockData) -> BlockData:
    assert data.justification is not None
    return structs.replace(data, justification=data.justification[:-1] + b"\0")


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        other_body,
        other_header,
        too_few_votes,
        bad_vote,
        lambda data: structs.replace(data, justification=None),
        lambda data: structs.replace(data, justification=b"\1\2\3"),
        lambda data: structs.replace(data, header=None),
        lambda data: structs.replace(data, header=b"\1\2\3"),
        lambda data: structs.replace(data, body=None),
    ],
)
async def test_peer_with_bad_blocks_is_reported_and_another_one_asked(spoil: Any) -> None:
    chain = await source(5)
    async with observer() as node:
        liar = node.network.connect("liar", LIAR_STATUS, serving(chain, spoil))
        await node.wait(lambda: (liar, Penalty.BAD_BLOCK) in node.network.reports)
        assert node.chain.finalized.number == 0
        node.network.connect("honest", status_of(chain), serving(chain))
        await node.wait(lambda: node.chain.finalized.number == 5)
        assert {peer for peer, _ in node.network.reports} == {liar}
    chain.store.close()


@pytest.mark.parametrize("answer", [lambda _: BlocksResponse(()), lambda _: None])
async def test_peer_that_is_not_as_far_as_it_says_holds_nobody_up(answer: Any) -> None:
    chain = await source(5)
    async with observer() as node:
        liar = node.network.connect("liar", LIAR_STATUS, answer)
        await node.wait(lambda: node.network.asked != [])
        node.network.connect("honest", status_of(chain), serving(chain))
        await node.wait(lambda: node.chain.finalized.number == 5)
        assert all(peer == liar for peer, _ in node.network.reports)
        assert not node.exchange.is_syncing
    chain.store.close()


async def test_blocks_are_asked_of_several_peers_and_imported_in_order() -> None:
    chain = await source(22)
    async with observer(SyncLimits(3, 4)) as node:
        seen: list[int] = []
        node.chain.on_imported(lambda imported: seen.append(imported.info.number))
        peers = [node.network.connect(f"peer{n}", status_of(chain), serving(chain)) for n in range(5)]
        await node.wait(lambda: node.chain.finalized.number == 22)
        assert seen == list(range(1, 23))
        asked = [(peer, body.start, body.count) for peer, body in node.network.asked]  # type: ignore[union-attr]  # all ask for blocks
        assert {peer for peer, _, _ in asked[:3]} == set(peers[:3])
        assert sorted((start, count) for _, start, count in asked) == [
            (n, min(4, 23 - n)) for n in range(1, 23, 4)
        ]
        assert node.network.reports == []
    chain.store.close()


class Noting(MemoryKeyValue):
    """Notes which writes were to survive power loss."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs: list[bool] = []

    def write(self, batch: Batch, *, sync: bool) -> None:
        super().write(batch, sync=sync)
        self.syncs.append(sync)


async def test_range_is_durable_when_it_is_carried_out_and_no_single_block_before() -> None:
    chain, kv = await source(5), Noting()
    async with observer(kv=kv) as node:
        filled = len(kv.syncs)
        node.network.connect("ahead", status_of(chain), serving(chain))
        await node.wait(lambda: node.chain.finalized.number == 5 and kv.syncs[-1])
        assert kv.syncs[filled:] == [*[False] * 10, True], "each block is inserted and made final"
        assert node.exchange.queued_blocks == 0
    chain.store.close()


def too_late(_: RequestBody) -> ResponseBody | None:
    raise RequestTimeoutError("no response")


def too_busy(_: RequestBody) -> ResponseBody | None:
    raise TooManyRequestsError


def gone(_: RequestBody) -> ResponseBody | None:
    raise PeerGoneError("gone")


@pytest.mark.slow
@pytest.mark.parametrize("answer", [too_late, too_busy, gone])
async def test_peer_that_does_not_answer_is_left_alone_and_another_one_asked(answer: Any) -> None:
    chain = await source(5)
    async with observer() as node:
        node.network.connect("slow", status_of(chain), answer)
        await node.wait(lambda: node.network.asked != [])
        await asyncio.sleep(0.3)
        assert len(node.network.asked) == 1, "no busy loop"
        assert node.exchange.is_syncing
        node.network.connect("honest", status_of(chain), serving(chain))
        await node.wait(lambda: node.chain.finalized.number == 5)
        assert node.network.reports == []
    chain.store.close()


async def test_peers_that_go_after_the_end_begin_nothing() -> None:
    chain = await source(20)
    async with observer(SyncLimits(1, 4)) as node:
        peers = [node.network.connect(name, LIAR_STATUS, serving(chain)) for name in ("one", "two")]
    asked = len(node.network.asked)
    for peer in peers:
        node.network.disconnect(peer)
    await asyncio.sleep(0.05)
    assert len(node.network.asked) == asked
    chain.store.close()


async def test_full_node_hears_a_block_without_asking_for_it() -> None:
    """What makes announcements of blocks needless: agreement itself sends a certificate that is missing."""
    chain = await source(1)
    async with observer() as node:
        peer = node.network.connect("next", status_of(chain), serving(chain))
        block_hash = chain.hash_at(1)
        assert block_hash is not None
        node.network.answers[peer] = lambda _: BlockResponse(serving(chain)(BlocksRequest(1, 1, 7)).blocks[0])
        decided = Decided(certify_by(chain, 1, block_hash))
        node.network.say(peer, Consensus(encode_message(decided)))
        await node.wait(lambda: node.chain.finalized.number == 1)
        assert not any(isinstance(body, BlocksRequest) for _, body in node.network.asked)
    chain.store.close()


async def test_blocks_are_served_by_number_and_hash_as_far_as_they_are_final() -> None:
    async with observer() as node:
        await grow(node.chain, 4)
        found = await node.ask(BlocksRequest(2, 10, ALL_FIELDS))
        assert [data.hash for data in found.blocks] == [node.chain.hash_at(number) for number in (2, 3, 4)]
        third = node.chain.hash_at(3)
        assert third is not None
        by_hash = await node.ask(BlocksRequest(third, 1, ALL_FIELDS))
        assert by_hash.blocks == found.blocks[1:2]
        (data,) = by_hash.blocks
        assert data.justification is not None
        assert decode_certificate(data.justification) == certify_by(node.chain, 3, third)
        one = await node.ask(BlockRequest(third, 1))
        assert one == BlockResponse(BlockData(third, data.header, None, None))


async def test_blocks_that_are_not_there_are_refused_or_left_out() -> None:
    async with observer() as node:
        assert await node.ask(BlocksRequest(7, 10, ALL_FIELDS)) == BlocksResponse(())
        assert isinstance(await node.ask(BlocksRequest(b"\7" * 32, 1, ALL_FIELDS)), Refusal)
        assert isinstance(await node.ask(BlockRequest(b"\7" * 32, ALL_FIELDS)), Refusal)


async def test_transaction_is_told_once_to_those_who_do_not_have_it() -> None:
    async with observer() as node:
        first = node.network.connect("first", status_of(node.chain))
        second = node.network.connect("second", status_of(node.chain))
        raw = transfer(node.chain.api, "//Alice", account("//Bob"), nonce=0)
        node.network.say(first, Transactions((raw,)))
        await node.wait(lambda: node.network.heard_by(second, Transactions) != [])
        node.network.say(second, Transactions((raw,)))
        await asyncio.sleep(0.15)
        assert node.network.heard_by(second, Transactions) == [Transactions((raw,))]
        assert node.network.heard_by(first, Transactions) == []
        late = node.network.connect("late", status_of(node.chain))
        assert node.network.heard_by(late, Transactions) == [Transactions((raw,))]
        assert node.network.reports == []


async def test_bad_signature_costs_the_peer_and_old_or_early_transactions_do_not() -> None:
    async with observer() as node:
        peer = node.network.connect("peer", status_of(node.chain))
        early = transfer(node.chain.api, "//Alice", account("//Bob"), nonce=5)
        node.network.say(peer, Transactions((early, early)))
        await node.wait(lambda: node.host.pool.status.future == 1)
        assert node.network.reports == []
        bad = transfer(node.chain.api, "//Charlie", account("//Bob"), nonce=0, good=False)
        node.network.say(peer, Transactions((bad, b"\1\2\3")))
        await node.wait(lambda: node.network.reports != [])
        assert node.network.reports == [(peer, Penalty.BAD_TRANSACTION)]


def reports(chain: Chain, instance: int, count: int) -> tuple[bytes, ...]:
    """Return reports of offences in an instance, as another node makes them that is as far."""
    make = chain.api.runtime.calls.make
    found = [contradiction(chain.genesis_hash, instance, name, n) for n, name in enumerate(NAMES)]
    made = [make_unsigned(make("Offences", "report_offence_unsigned", one).encoded()) for one in found]
    return tuple(made[:count])


async def advance(node: Node) -> None:
    """Let a node have another final block, and one open above it, as when it follows a chain."""
    async with node.host.author.held():
        await grow(node.chain, 1)


async def test_report_that_came_too_early_is_taken_in_when_its_block_can_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.driver.transactions.EARLY_PAUSE_S", PAUSE_S)
    async with observer() as node:
        peer = node.network.connect("a block ahead", status_of(node.chain))
        other = node.network.connect("other", status_of(node.chain))
        (report,) = reports(node.chain, 3, 1)
        node.network.say(peer, Transactions((report,)))
        await node.wait(lambda: node.host.intake.validations_finished == 1)
        await asyncio.sleep(0.01)  # the verdict is on its way
        await advance(node)
        await node.wait(lambda: node.host.intake.validations_finished == 2)
        assert node.host.pool.status.ready == 0, "block 2 comes next"
        await asyncio.sleep(0.01)
        await advance(node)
        await node.wait(lambda: node.host.pool.status.ready == 1)
        await node.wait(lambda: node.network.heard_by(other, Transactions) == [Transactions((report,))])
        await advance(node)
        await asyncio.sleep(PAUSE_S + 0.1)
        assert node.host.intake.validations_finished == 3, "nothing waits any more"
        assert node.network.reports == []


async def test_of_each_peer_so_many_early_reports_wait_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.driver.transactions.EARLY_MAX", 2)
    monkeypatch.setattr("node.driver.transactions.EARLY_TRIES", 1)
    monkeypatch.setattr("node.driver.transactions.EARLY_PAUSE_S", PAUSE_S)
    async with observer() as node:
        finished = 0
        for name in ("one", "other", "goes", "gone"):
            peer = node.network.connect(name, status_of(node.chain))
            node.network.say(peer, Transactions(reports(node.chain, 90 + finished, 3)))
            finished += 3
            if name == "gone":
                node.network.disconnect(peer)
            await node.wait(lambda: node.host.intake.validations_finished == finished)  # noqa: B023  # waited for
            await asyncio.sleep(0.01)  # the verdicts are on their way
            if name == "goes":
                node.network.disconnect(peer)
        await advance(node)
        await node.wait(lambda: node.host.intake.validations_finished == finished + 4)
        await advance(node)
        await asyncio.sleep(PAUSE_S + 0.1)
        assert node.host.intake.validations_finished == finished + 4, "each was tried once more"


async def test_transaction_of_a_block_is_not_taken_in_again() -> None:
    async with observer() as node:
        peer = node.network.connect("peer", status_of(node.chain))
        raw = transfer(node.chain.api, "//Alice", account("//Bob"), nonce=0)
        chain = await source(3)
        node.network.connect("ahead", status_of(chain), serving(chain))
        await node.wait(lambda: node.chain.finalized.number == 3)
        scheduled = node.host.intake.validations_scheduled
        included = [data for number in (1, 2, 3) for data in _body(chain, number)]
        node.network.say(peer, Transactions(tuple(included)))
        await asyncio.sleep(0.1)
        assert node.host.intake.validations_scheduled == scheduled
        node.network.say(peer, Transactions((raw,)))
        await node.wait(lambda: node.host.intake.validations_scheduled == scheduled + 1)
        chain.store.close()


def _body(chain: Chain, number: int) -> tuple[bytes, ...]:
    block_hash = chain.hash_at(number)
    assert block_hash is not None
    block = chain.block(block_hash)
    assert block is not None
    return block.extrinsics


async def test_node_that_began_with_a_state_goes_on_from_it_and_refuses_what_it_never_had() -> None:
    chain = await changing_chain(30, (4,))
    async with observer(kv=copy_at(chain, 16)) as node:
        assert node.chain.finalized.number == 16
        node.network.connect("ahead", status_of(chain), serving(chain))
        await node.wait(lambda: node.chain.finalized.number == 30)
        assert node.chain.finalized.hash == chain.finalized.hash
        assert node.chain.head.header.state_root == chain.head.header.state_root
        assert node.network.reports == []
        assert [node.chain.hash_at(number) for number in (0, 16)] == [chain.hash_at(0), chain.hash_at(16)]
        assert [node.chain.hash_at(number) for number in (1, 4, 15)] == [None] * 3
        for start in (1, 15):
            assert await node.ask(BlocksRequest(start, 10, ALL_FIELDS)) == Refusal(RefusalCode.UNKNOWN)
        assert [one.hash for one in (await node.ask(BlocksRequest(16, 2, 1))).blocks] == [
            chain.hash_at(16),
            chain.hash_at(17),
        ]
        old = chain.hash_at(4)
        assert old is not None
        assert await node.ask(BlockRequest(old, 1)) == Refusal(RefusalCode.UNKNOWN)
        assert await node.ask(BlocksRequest(old, 1, 1)) == Refusal(RefusalCode.UNKNOWN)
        with pytest.raises(UnknownBlock):
            node.chain.view(old)
        assert (await node.ask(WarpRequest(0))).fragments[0].header == chain.store.header(old)
    chain.store.close()


async def test_who_refuses_blocks_it_never_had_is_not_penalised_and_others_serve() -> None:
    chain = await changing_chain(30)
    young = open_chain(copy_at(chain, 16), spec=load_spec("local"))

    def refuse(_: RequestBody) -> ResponseBody | None:
        return None

    async with observer() as node:
        node.network.connect("young", status_of(young), refuse)
        node.network.connect("old", status_of(chain), serving(chain))
        await node.wait(lambda: node.chain.finalized.number == 30)
        assert node.network.reports == []
    chain.store.close()
    young.store.close()
