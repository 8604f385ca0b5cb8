"""A gateway at a real node answers each round once, whatever it finds at its start and whatever goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from apps.chain.client import Chain, Signed
from apps.chain.runtime import EventRecord
from apps.chain.sender import Sender
from apps.gateway.journal import Journal
from apps.gateway.rounds import Answer
from apps.gateway.session import LOOK_BACK_BLOCKS, PERIOD
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.processes.gateways import add_feed, answering, as_root, count_answers, until_so, write_config
from tests.processes.running import RunningNode, free_port
from tests.support.chain import BOB, keypair
from tests.support.exchange import Exchange

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.xdist_group("gateway")]

DEV = ("--dev",)
HEARTBEAT_MS = 3_000
BOB_KEY = keypair("//Bob")
ROUNDS = 2


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A development node for all tests here that leave it running."""
    with RunningNode(tmp_path_factory.mktemp("gateway") / "node", chain=DEV) as node:
        yield node


class Stage(NamedTuple):
    """A chain with a quick feed of the test's own, to which one answer is enough, and an exchange."""

    chain: Chain
    url: str
    exchange: Exchange
    key: str
    feed: int
    start: int
    folder: Path

    def config(self, *nodes: str, extra: str = "") -> str:
        """Return a configuration of the feed, for the stage's node where no other is named."""
        return write_config(self.folder, nodes or (self.url,), self.exchange.url, key=self.key, extra=extra)

    async def ensure_once(self) -> None:
        """AssertionError unless Bob answered the feed, each round once, and no call failed."""
        answered, failures = await count_answers(self.chain, BOB, self.start)
        assert failures == []
        assert {feed for feed, _ in answered} == {self.feed}
        assert set(answered.values()) == {1}


@asynccontextmanager
async def staged(node: RunningNode, folder: Path) -> AsyncIterator[Stage]:
    url = f"ws://127.0.0.1:{node.port}"
    async with Chain.connect(url) as chain, Exchange() as exchange:
        start = (await chain.finalized()).number + 1
        key = f"test/{await chain.get('Oracle', 'FeedCount')}"
        feed = await add_feed(chain, key, HEARTBEAT_MS, quorum=1)
        yield Stage(chain, url, exchange, key, feed, start, folder)


async def test_a_gateway_answers_what_its_source_says_and_pays_nothing(
    shared: RunningNode, tmp_path: Path
) -> None:
    async with staged(shared, tmp_path) as stage:
        chain, key = stage.chain, stage.key
        before = (await chain.get("System", "Account", BOB))["data"]["free"]
        async with answering(stage.config(), BOB_KEY) as status:
            await until_so(lambda: key in status.accepted_ms)
            stage.exchange.price = "5.5"  # a jump of a lone source, which has to say so a few times
            await until_so(lambda: status.feeds[key].view.fresh_value == 55_000)
            assert status.list_reasons(status.head_ms or 0) == []
            stage.exchange.price = "-1"
            await until_so(lambda: key in status.readings.sources["exchange"].faults)
            assert status.list_warnings() == ["source exchange: out_of_range: -10000 is not in 0 to 1000000"]
        await stage.ensure_once()
        assert (await chain.get("System", "Account", BOB))["data"]["free"] == before
    with Journal(tmp_path / "state") as journal:
        assert journal.list_pending() == ()
        assert {outcome for _, outcome, _ in journal.list_settled()} == {"accepted"}


@pytest.mark.parametrize("was_sent", [False, True, None], ids=["noted", "sent", "included"])
async def test_what_a_killed_gateway_had_noted_is_sent_once(
    shared: RunningNode, tmp_path: Path, *, was_sent: bool | None
) -> None:
    async with staged(shared, tmp_path) as stage:
        chain = stage.chain
        now_ms = await chain.get("Timestamp", "Now")
        answer = Answer(stage.feed, stage.key, 47_777, now_ms)
        listed = [{"feed": stage.feed, "value": answer.value, "time_ms": now_ms}]
        call = chain.call("Oracle", "submit", answers=listed)
        signed = await chain.sign(call, BOB_KEY, nonce=await chain.next_nonce(BOB), period=PERIOD)
        with Journal(tmp_path / "state") as journal:
            journal.claim(chain.genesis, BOB)
            journal.note(signed, (answer,), now_ms)
        if was_sent is None:
            await Sender(chain, BOB_KEY).resume(signed)
        elif was_sent:
            await chain.submit(signed.extrinsic)
        async with answering(stage.config(), BOB_KEY) as status:
            await until_so(lambda: stage.key in status.feeds)
            await until_so(lambda: status.feeds[stage.key].answered_value == 47_500)
        await stage.ensure_once()
        first = (await _list_submitted(stage))[0]
        assert first.value["answers"] == ({"feed": stage.feed, "value": 47_777, "time_ms": now_ms},)
    with Journal(tmp_path / "state") as journal:
        assert journal.list_pending() == ()


async def _list_submitted(stage: Stage) -> list[EventRecord]:
    found: list[EventRecord] = []
    for number in range(stage.start, (await stage.chain.finalized()).number + 1):
        block = await stage.chain.block_hash(number)
        assert block is not None
        found += [one for one in await stage.chain.events(block) if one.name == "Submitted"]
    return found


async def test_a_call_of_long_ago_is_forgotten_and_one_from_ahead_is_waited_for(
    shared: RunningNode, tmp_path: Path
) -> None:
    async with staged(shared, tmp_path) as stage:
        ahead = (await stage.chain.finalized()).number + LOOK_BACK_BLOCKS
        lost = Signed(b"\0", Hash(blake2_256(b"ahead")), 5, ahead, ahead + PERIOD)
        with Journal(tmp_path / "state") as journal:
            journal.note(lost, (), 0)  # noted in 1970: its era is over, wherever the chain is
        async with answering(stage.config(), BOB_KEY) as status:
            await until_so(lambda: stage.key in status.accepted_ms)
        with Journal(tmp_path / "state") as journal:
            assert journal.list_pending() == ()
            now_ms = await stage.chain.get("Timestamp", "Now")
            journal.note(lost._replace(hash=Hash(bytes(32))), (), now_ms)
        async with answering(stage.config(), BOB_KEY) as status:
            await until_so(lambda: "before the last call" in status.node_reason)
            assert status.list_reasons(now_ms)


async def test_the_next_node_is_used_when_one_is_away_or_of_another_chain(
    shared: RunningNode, tmp_path: Path
) -> None:
    async with staged(shared, tmp_path) as stage:
        away = f"ws://127.0.0.1:{free_port()}"
        async with answering(stage.config(away, stage.url), BOB_KEY) as status:
            await until_so(lambda: stage.key in status.accepted_ms)
            assert status.node == stage.url
        await stage.ensure_once()
        async with answering(stage.config(extra=f'genesis = "0x{"ab" * 32}"'), BOB_KEY) as status:
            await until_so(lambda: "another chain" in status.node_reason)


async def test_a_node_that_is_killed_and_comes_back_is_gone_on_with(tmp_path: Path) -> None:
    node = await asyncio.to_thread(RunningNode, tmp_path / "node", chain=DEV)
    async with staged(node, tmp_path) as stage, answering(stage.config(), BOB_KEY) as status:
        await until_so(lambda: stage.key in status.accepted_ms)
        await asyncio.to_thread(node.kill)
        second = await asyncio.to_thread(RunningNode, tmp_path / "node", chain=DEV, port=node.port)
        try:
            answered = status.feeds[stage.key].answered_round
            await until_so(lambda: status.feeds[stage.key].answered_round > answered + ROUNDS)
            _, failures = await count_answers(stage.chain, BOB, stage.start)
            assert failures == []
        finally:
            await asyncio.to_thread(second.stop)
    await asyncio.to_thread(node.stop)


async def test_a_paused_feed_is_not_answered_and_one_of_another_unit_neither(
    shared: RunningNode, tmp_path: Path
) -> None:
    async with staged(shared, tmp_path) as stage:
        chain, key = stage.chain, stage.key
        async with answering(stage.config(), BOB_KEY) as status:
            await until_so(lambda: key in status.accepted_ms)
            await as_root(chain, chain.call("Oracle", "pause_feed", feed=stage.feed))
            await until_so(lambda: status.feeds[key].view.is_paused)
            await as_root(chain, chain.call("Oracle", "resume_feed", feed=stage.feed))
            answered = status.feeds[key].answered_round
            await until_so(lambda: status.feeds[key].answered_round > answered)
        wrong = stage.config() + f'[feeds."{key}"]\nunit = "MW"\n'
        async with answering(wrong, BOB_KEY) as status:
            await until_so(lambda: bool(status.wrong))
            assert status.wrong == {key: "the chain has it in THB/kWh, the configuration in MW"}


async def test_an_account_that_is_no_provider_sends_nothing(shared: RunningNode, tmp_path: Path) -> None:
    async with staged(shared, tmp_path) as stage:
        eve = keypair("//Eve")
        async with answering(stage.config(), eve) as status:
            await until_so(lambda: status.is_known)
            number = (status.chain_ms or 0) // HEARTBEAT_MS
            await until_so(lambda: (status.chain_ms or 0) // HEARTBEAT_MS > number)
            assert "provider: the account is none" in status.list_reasons(status.head_ms or 0)
        assert await stage.chain.next_nonce(AccountId(eve.account_id)) == 0


async def test_an_answer_that_somebody_else_sent_is_noticed_and_the_next_round_is_answered(
    shared: RunningNode, tmp_path: Path
) -> None:
    """Somebody else answers with the provider's account, which no gateway can know beforehand."""
    async with staged(shared, tmp_path) as stage:
        key = stage.key
        async with answering(stage.config(), BOB_KEY) as status:
            await until_so(lambda: key in status.accepted_ms)
            before = status.feeds[key].answered_round
            await until_so(lambda: (status.chain_ms or 0) // HEARTBEAT_MS > before)
            listed = [{"feed": stage.feed, "value": 1, "time_ms": status.chain_ms}]
            await Sender(stage.chain, BOB_KEY).send(stage.chain.call("Oracle", "submit", answers=listed))
            later = status.feeds[key].answered_round
            await until_so(lambda: status.feeds[key].answered_round > later + ROUNDS)
        answered, failures = await count_answers(stage.chain, BOB, stage.start)
        assert set(answered.values()) == {1}
        assert len(failures) <= 1
