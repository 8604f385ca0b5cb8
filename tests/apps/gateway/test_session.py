"""A gateway at a real node answers each round once, whatever it finds at its start and whatever goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.chain.client import Chain, Signed
from apps.chain.runtime import EventRecord
from apps.chain.sender import Sender
from apps.gateway.journal import Journal
from apps.gateway.rounds import Answer
from apps.gateway.session import LOOK_BACK_BLOCKS, PERIOD
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import Hash
from tests.processes.gateways import KEY, add_feed, answering, as_root, count_answers, until_so, write_config
from tests.processes.running import RunningNode, free_port
from tests.support.chain import BOB, keypair
from tests.support.exchange import Exchange

pytestmark = [pytest.mark.slow, pytest.mark.net]

DEV = ("--dev",)
HEARTBEAT_MS = 3_000
BOB_KEY = keypair("//Bob")
ROUNDS = 2


@asynccontextmanager
async def running(base: Path) -> AsyncIterator[tuple[Chain, RunningNode, Exchange]]:
    """Give a development chain with a quick feed, to which one answer is enough, and an exchange."""
    node = await asyncio.to_thread(RunningNode, base / "node", chain=DEV)
    try:
        async with Chain.connect(f"ws://127.0.0.1:{node.port}") as chain, Exchange() as exchange:
            await add_feed(chain, KEY, HEARTBEAT_MS, quorum=1)
            yield chain, node, exchange
    finally:
        await asyncio.to_thread(node.stop)


def url_of(node: RunningNode) -> str:
    return f"ws://127.0.0.1:{node.port}"


async def ensure_once(chain: Chain) -> None:
    """AssertionError unless Bob answered some rounds in a row, each once, and no call failed."""
    answered, failures = await count_answers(chain, BOB)
    assert failures == []
    rounds = sorted(number for _, number in answered)
    assert set(answered.values()) == {1}
    assert rounds == list(range(rounds[0], rounds[-1] + 1))


async def test_a_gateway_answers_every_round_and_pays_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as (chain, node, exchange):
        before = (await chain.get("System", "Account", BOB))["data"]["free"]
        async with answering(write_config(tmp_path, [url_of(node)], exchange.url), BOB_KEY) as status:
            await until_so(lambda: KEY in status.accepted_ms)
            exchange.price = "5.5"  # a jump of a lone source, which has to say so a few times
            await until_so(lambda: status.feeds[KEY].view.fresh_value == 55_000)
            assert status.list_reasons(status.head_ms or 0) == []
            exchange.price = "-1"
            await until_so(lambda: KEY in status.readings.sources["exchange"].faults)
            assert status.list_warnings() == ["source exchange: out_of_range: -10000 is not in 0 to 1000000"]
        await ensure_once(chain)
        assert (await chain.get("System", "Account", BOB))["data"]["free"] == before
    with Journal(tmp_path / "state") as journal:
        assert journal.list_pending() == ()
        assert {outcome for _, outcome, _ in journal.list_settled()} == {"accepted"}


@pytest.mark.parametrize("was_sent", [False, True, None], ids=["noted", "sent", "included"])
async def test_what_a_killed_gateway_had_noted_is_sent_once(tmp_path: Path, *, was_sent: bool | None) -> None:
    async with running(tmp_path) as (chain, node, exchange):
        now_ms = await chain.get("Timestamp", "Now")
        feed = await chain.get("Oracle", "FeedOf", KEY.encode())
        answer = Answer(feed, KEY, 47_777, now_ms)
        listed = [{"feed": feed, "value": answer.value, "time_ms": now_ms}]
        call = chain.call("Oracle", "submit", answers=listed)
        signed = await chain.sign(call, BOB_KEY, nonce=0, period=PERIOD)
        with Journal(tmp_path / "state") as journal:
            journal.claim(chain.genesis, BOB)
            journal.note(signed, (answer,), now_ms)
        if was_sent is None:
            await Sender(chain, BOB_KEY).resume(signed)
        elif was_sent:
            await chain.submit(signed.extrinsic)
        async with answering(write_config(tmp_path, [url_of(node)], exchange.url), BOB_KEY) as status:
            await until_so(
                lambda: status.feeds.get(KEY) is not None and status.feeds[KEY].answered_value == 47_500
            )
        await ensure_once(chain)
        raws = [one.value for one in await _submitted(chain)]
        assert raws[0]["answers"][0]["value"] == 47_777
    with Journal(tmp_path / "state") as journal:
        assert journal.list_pending() == ()


async def _submitted(chain: Chain) -> list[EventRecord]:
    found: list[EventRecord] = []
    for number in range(1, (await chain.finalized()).number + 1):
        block = await chain.block_hash(number)
        assert block is not None
        found += [one for one in await chain.events(block) if one.name == "Submitted"]
    return found


async def test_a_call_of_long_ago_is_forgotten_and_one_from_ahead_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as (chain, node, exchange):
        text = write_config(tmp_path, [url_of(node)], exchange.url)
        ahead = (await chain.finalized()).number + LOOK_BACK_BLOCKS
        lost = Signed(b"\0", Hash(blake2_256(b"ahead")), 5, ahead, ahead + PERIOD)
        with Journal(tmp_path / "state") as journal:
            journal.note(lost, (), 0)  # noted in 1970: its era is over, wherever the chain is
        async with answering(text, BOB_KEY) as status:
            await until_so(lambda: KEY in status.accepted_ms)
        with Journal(tmp_path / "state") as journal:
            assert journal.list_pending() == ()
            now_ms = await chain.get("Timestamp", "Now")
            journal.note(lost._replace(hash=Hash(bytes(32))), (), now_ms)
        async with answering(text, BOB_KEY) as status:
            await until_so(lambda: "before the last call" in status.node_reason)
            assert status.list_reasons(now_ms)


async def test_the_next_node_is_used_when_one_is_away_or_of_another_chain(tmp_path: Path) -> None:
    async with running(tmp_path) as (chain, node, exchange):
        away = f"ws://127.0.0.1:{free_port()}"
        text = write_config(tmp_path, [away, url_of(node)], exchange.url)
        async with answering(text, BOB_KEY) as status:
            await until_so(lambda: KEY in status.accepted_ms)
            assert status.node == url_of(node)
        await ensure_once(chain)
        other = write_config(tmp_path, [url_of(node)], exchange.url, extra=f'genesis = "0x{"ab" * 32}"')
        async with answering(other, BOB_KEY) as status:
            await until_so(lambda: "another chain" in status.node_reason)


async def test_a_node_that_is_killed_and_comes_back_is_gone_on_with(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as (chain, node, exchange),
        answering(write_config(tmp_path, [url_of(node)], exchange.url), BOB_KEY) as status,
    ):
        await until_so(lambda: KEY in status.accepted_ms)
        await asyncio.to_thread(node.kill)
        second = await asyncio.to_thread(RunningNode, tmp_path / "node", chain=DEV, port=node.port)
        try:
            answered = status.feeds[KEY].answered_round
            await until_so(lambda: status.feeds[KEY].answered_round > answered + ROUNDS)
            _, failures = await count_answers(chain, BOB)
            assert failures == []
        finally:
            await asyncio.to_thread(second.stop)


async def test_a_paused_feed_is_not_answered_and_one_of_another_unit_neither(tmp_path: Path) -> None:
    async with running(tmp_path) as (chain, node, exchange):
        feed = await chain.get("Oracle", "FeedOf", KEY.encode())
        text = write_config(tmp_path, [url_of(node)], exchange.url)
        async with answering(text, BOB_KEY) as status:
            await until_so(lambda: KEY in status.accepted_ms)
            await as_root(chain, chain.call("Oracle", "pause_feed", feed=feed))
            await until_so(lambda: status.feeds[KEY].view.is_paused)
            await as_root(chain, chain.call("Oracle", "resume_feed", feed=feed))
            answered = status.feeds[KEY].answered_round
            await until_so(lambda: status.feeds[KEY].answered_round > answered)
        wrong = text + f'[feeds."{KEY}"]\nunit = "MW"\n'
        async with answering(wrong, BOB_KEY) as status:
            await until_so(lambda: bool(status.wrong))
            assert status.wrong == {KEY: "the chain has it in THB/kWh, the configuration in MW"}


async def test_an_account_that_is_no_provider_sends_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as (chain, node, exchange):
        eve = keypair("//Eve")
        async with answering(write_config(tmp_path, [url_of(node)], exchange.url), eve) as status:
            await until_so(lambda: status.is_known)
            round_ = (status.chain_ms or 0) // HEARTBEAT_MS
            await until_so(lambda: (status.chain_ms or 0) // HEARTBEAT_MS > round_)
            assert "provider: the account is none" in status.list_reasons(status.head_ms or 0)
        assert await chain.next_nonce(eve.account_id) == 0


async def test_an_answer_that_the_chain_refuses_is_counted_and_not_repeated_in_the_round(
    tmp_path: Path,
) -> None:
    """Somebody else answers with the provider's account, which no gateway can know beforehand."""
    async with running(tmp_path) as (chain, node, exchange):
        feed = await chain.get("Oracle", "FeedOf", KEY.encode())
        text = write_config(
            tmp_path, [url_of(node)], exchange.url, extra='genesis = "0x' + chain.genesis.hex() + '"'
        )
        async with answering(text, BOB_KEY) as status:
            await until_so(lambda: KEY in status.accepted_ms)
            before = status.feeds[KEY].answered_round
            await until_so(lambda: status.chain_ms is not None and status.chain_ms // HEARTBEAT_MS > before)
            listed = [{"feed": feed, "value": 1, "time_ms": status.chain_ms}]
            await Sender(chain, BOB_KEY).send(chain.call("Oracle", "submit", answers=listed))
            later = status.feeds[KEY].answered_round
            await until_so(lambda: status.feeds[KEY].answered_round > later + ROUNDS)
        answered, failures = await count_answers(chain, BOB)
        assert set(answered.values()) == {1}
        assert len(failures) <= 1
