"""A gateway at one node: it follows the chain's time, and answers what is due until the node is good for no
more.

One call is under way at any time. It is written into the journal between signing and sending, and its fate is
known before the next is thought of: which round it answered follows from the block that took it. What an
earlier session or process has left under way is sent again, byte by byte, before anything else. Together with
the rule of `rounds.py` that leaves no second answer in a round, whenever this process dies.

It ends with an error that says why the node is left; which node comes next is decided in `service.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from apps.chain.client import Chain, Outcome, Signed
from apps.chain.connection import ConnectionSettings
from apps.chain.errors import AnswerError, ClientError, Refused, TransactionFailed, UnknownName
from apps.chain.sender import Sender
from apps.clock import WallClock
from apps.gateway.choice import Choice, choose
from apps.gateway.config import list_feeds, parse_genesis
from apps.gateway.errors import JournalFault, SessionFault
from apps.gateway.faults import distort, is_silent
from apps.gateway.feeds import FeedState, FeedView, read_feed
from apps.gateway.journal import Journal
from apps.gateway.metrics import Metrics
from apps.gateway.rounds import Answer, compute_phase, plan_answers
from apps.gateway.settings import FeedSetting, Main
from apps.gateway.status import ProviderState, Status
from runtime.primitives.crypto import Keypair
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import AccountId, Hash

PERIOD: Final = 16
"""Blocks for which a call may come in: more than a round has on the consortium chain, few enough not to hold
up many."""
BEHIND_MAX_MS: Final = 30_000
"""A node whose best block is older than this is not with the others."""
LOOK_BACK_BLOCKS: Final = 200
"""Blocks whose state every node still has."""
LOST_MS: Final = 600_000
"""A transaction that was noted so long ago has outlived its era on every chain that makes blocks."""
HELD_ROUNDS_MAX: Final = 32
TICK_S: Final = 0.5
REQUEST_S: Final = 5.0
CONNECT_S: Final = 5.0
FEEDS_PAGE: Final = 100
NODE_FAULTS: Final = (ClientError, DecodeError, SessionFault)
"""Why a node is left and another one tried."""

log = structlog.get_logger("gateway")


@dataclass
class Desk:
    """What a gateway keeps while it goes from node to node."""

    config: Main
    signer: Keypair
    journal: Journal
    status: Status
    metrics: Metrics
    clock: WallClock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def account(self) -> AccountId:
        """The provider."""
        return AccountId(self.signer.account_id)


async def run_session(desk: Desk, url: str) -> None:
    """Answer through a node until the gateway stops; one of NODE_FAULTS when the node is good for no more."""
    settings = ConnectionSettings(timeout_s=REQUEST_S, connect_timeout_s=CONNECT_S)
    try:
        async with Chain.connect(url, clock=desk.clock, settings=settings) as chain:
            await _Session(desk, chain, url).run()
    except BaseExceptionGroup as group:
        raise _find_first(group) from group


def _find_first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error that says why a session ended; of several, one that ends the gateway."""
    found: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            found.append(error)
    return next((error for error in found if not isinstance(error, NODE_FAULTS)), found[0])


class _Session:
    """One connection's worth of answers."""

    def __init__(self, desk: Desk, chain: Chain, url: str) -> None:
        self._desk = desk
        self._chain = chain
        self._url = url
        self._sender = Sender(chain, desk.signer, period=PERIOD)
        self._phase_ms = compute_phase(desk.account)
        self._keys = list_feeds(desk.config)
        self._feeds: dict[str, FeedState] = {}
        self._chain_ms = 0
        self._heard_s = desk.clock.monotonic()
        self._news = asyncio.Event()
        self._refreshed = -1

    async def run(self) -> None:
        """Answer until the gateway stops."""
        desk = self._desk
        expected = parse_genesis(desk.config)
        if expected is not None and expected != self._chain.genesis:
            raise SessionFault(f"{self._url} is of another chain, 0x{self._chain.genesis.hex()}")
        desk.journal.claim(self._chain.genesis, desk.account)
        await self._see_head()
        await self._refresh()
        await self._learn_answered()
        desk.status.node, desk.status.feeds = self._url, self._feeds
        log.info("node_used", node=self._url, genesis=self._chain.genesis, feeds=len(self._feeds))
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._follow()), group.create_task(self._watch())]
            await self._answer()
            for one in others:
                one.cancel()

    # --- the chain's time

    async def _follow(self) -> None:
        async with self._chain.follow_best() as heads:
            async for _ in heads:
                await self._see_head()

    async def _see_head(self) -> None:
        status, clock = self._desk.status, self._desk.clock
        self._chain_ms = await self._chain.get("Timestamp", "Now")
        self._heard_s = clock.monotonic()
        status.head_ms, status.chain_ms = clock.now_ms(), self._chain_ms
        was_off = _is_off(status.skew_ms, status.skew_max_ms)
        status.skew_ms = status.head_ms - self._chain_ms
        if _is_off(status.skew_ms, status.skew_max_ms) and not was_off:
            log.warning("clock_skew", skew_ms=status.skew_ms, node=self._url)
        self._news.set()

    async def _watch(self) -> None:
        """SessionFault when the node has said nothing for too long; wakes the other task to see that it is
        over."""
        while True:
            await self._desk.clock.sleep(TICK_S)
            if self._desk.stopping.is_set():
                self._news.set()
            silent_s = self._desk.clock.monotonic() - self._heard_s
            if silent_s * 1_000 > self._desk.config.stall_ms:
                raise SessionFault(f"{self._url} has sent no block for {silent_s:.0f} s")

    # --- what the chain says

    async def _refresh(self) -> None:
        """Read the rules and values of the feeds, and how the provider stands."""
        try:
            found = await self._chain.ask("OracleApi", "feeds", None, FEEDS_PAGE)
            quality = await self._chain.ask("OracleApi", "quality", self._desk.account)
            bond_full = self._chain.constant("Oracle", "Bond")
        except UnknownName as error:
            raise SessionFault(f"{self._url} is of a chain without an oracle: {error}") from error
        views = {view.key: view for view in map(read_feed, found)}
        wrong: dict[str, str] = {}
        for key in self._keys:
            setting = self._setting(key)
            if key not in views:
                wrong[key] = "the chain has no such feed"
            elif setting.unit is not None and setting.unit != views[key].unit:
                wrong[key] = f"the chain has it in {views[key].unit}, the configuration in {setting.unit}"
            elif key in self._feeds:
                self._feeds[key].view = views[key]
            else:
                self._feeds[key] = self._take_over(views[key])
        for key in wrong:
            self._feeds.pop(key, None)
        self._note_wrong(wrong)
        self._note_provider(quality, bond_full)
        self._refreshed = self._round()

    def _take_over(self, view: FeedView) -> FeedState:
        """Return a feed with what earlier sessions know of it: this node may be behind the one before."""
        known = self._desk.status.feeds.get(view.key)
        return FeedState(view) if known is None else replace(known, view=view)

    def _note_wrong(self, wrong: dict[str, str]) -> None:
        for key, reason in wrong.items():
            if self._desk.status.wrong.get(key) != reason:
                log.error("feed_not_answered", feed=key, reason=reason)
        self._desk.status.wrong = wrong

    def _note_provider(self, quality: object, bond_full: int) -> None:
        status = self._desk.status
        before = status.provider
        status.provider = None if quality is None else _read_provider(quality, bond_full)
        expected = self._desk.config.provider.oracle_key
        found = status.provider
        status.key_differs = (
            found is not None and expected is not None and found.key != bytes.fromhex(expected[2:])
        )
        if found is None and (before is not None or not status.is_known):
            log.error("not_a_provider", account=status.account)
        elif found is not None and not found.can_answer and (before is None or before.can_answer):
            log.error("bond_too_low", bond=found.bond, full=found.bond_full)
        elif (
            found is not None
            and before is not None
            and sum(found.strikes.values()) > sum(before.strikes.values())
        ):
            log.warning("struck", strikes=sum(found.strikes.values()), score=found.score)
        status.is_known = True

    async def _learn_answered(self) -> None:
        """Read which rounds the provider has answered, whoever sent the answer."""
        for feed in self._feeds.values():
            raw = await self._chain.get("Oracle", "Raw", feed.view.feed, self._desk.account)
            if raw is not None and raw["round"] >= feed.answered_round:
                feed.answered_round, feed.answered_value = raw["round"], raw["value"]

    # --- answering

    async def _answer(self) -> None:
        await self._finish_pending()
        while not self._desk.stopping.is_set():
            await self._news.wait()
            self._news.clear()
            if not self._desk.stopping.is_set():
                await self._turn()

    async def _turn(self) -> None:
        """Send what is due at the chain's time, if anything, and wait for its fate."""
        if self._round() != self._refreshed:
            await self._refresh()
        now_ms = self._desk.clock.now_ms()
        choices = self._choose()
        if now_ms - self._chain_ms > BEHIND_MAX_MS or is_silent(self._desk.config.fault, now_ms):
            return
        provider = self._desk.status.provider
        if provider is None or not provider.can_answer:
            return
        planned = plan_answers(self._feeds, choices, self._chain_ms, self._phase_ms)
        if planned:
            views = {key: feed.view for key, feed in self._feeds.items()}
            await self._send(distort(self._desk.config.fault, planned, views))

    def _choose(self) -> dict[str, Choice]:
        status, choices = self._desk.status, dict[str, Choice]()
        now_ms = self._desk.clock.now_ms()
        for key, feed in self._feeds.items():
            sources = status.readings.of_feed(key)
            verdict = choose(feed.view, self._setting(key), sources, self._chain_ms)
            for source in sources:
                if source.name in verdict.judged:
                    source.refuse(key, verdict.judged[source.name], now_ms)
            if verdict.choice is None:
                status.held[key] = verdict.reason
            else:
                status.held.pop(key, None)
                choices[key] = verdict.choice
        return choices

    async def _send(self, answers: tuple[Answer, ...]) -> None:
        """Answer feeds by one call."""
        listed = [{"feed": one.feed, "value": one.value, "time_ms": one.time_ms} for one in answers]
        call = self._chain.call("Oracle", "submit", answers=listed)
        noted: list[Signed] = []

        async def note(signed: Signed) -> None:
            now_ms = self._desk.clock.now_ms()
            await asyncio.to_thread(self._desk.journal.note, signed, answers, now_ms)
            noted.append(signed)

        begun_s = self._desk.clock.monotonic()
        with suppress(TransactionFailed):
            await self._settle(self._sender.send(call, note=note), answers, noted)
        self._desk.metrics.landing.observe(self._desk.clock.monotonic() - begun_s)

    async def _finish_pending(self) -> None:
        """Find out what became of the calls that an earlier session or process left under way."""
        for noted in self._desk.journal.list_pending():
            signed = noted.signed
            final = await self._chain.finalized()
            age_ms = self._desk.clock.now_ms() - noted.noted_ms
            if final.number < signed.born and age_ms < LOST_MS:
                raise SessionFault(
                    f"{self._url} is at block {final.number}, before the last call, #{signed.born}"
                )
            if final.number < signed.born or final.number - signed.born > LOOK_BACK_BLOCKS:
                log.info("call_forgotten", extrinsic=signed.hash, born=signed.born, finalized=final.number)
                await self._close(signed.hash, "past", None)
                continue
            log.info("call_resumed", extrinsic=signed.hash, nonce=signed.nonce)
            with suppress(TransactionFailed):
                await self._settle(self._sender.resume(signed), noted.answers, [signed])

    async def _settle(
        self, delivery: Awaitable[Outcome], answers: tuple[Answer, ...], noted: list[Signed]
    ) -> None:
        """Wait for the fate of a call, and note it; TransactionFailed when it has not come in."""
        try:
            outcome = await delivery
        except TransactionFailed as failed:
            name = type(failed).__name__.lower()
            log.warning("call_failed", result=name, reason=str(failed))
            await self._close(noted[0].hash, name, None)
            if isinstance(failed, Refused):
                self._hold(answers)
            await self._learn_answered()
            raise
        block_ms = await self._chain.get("Timestamp", "Now", at=outcome.block.hash)
        failure = "accepted" if outcome.failure is None else str(outcome.failure)
        await self._close(noted[0].hash, failure, outcome.block.number)
        if outcome.failure is not None:
            log.warning(
                "answer_refused", error=failure, docs=outcome.failure.docs, block=outcome.block.number
            )
            self._desk.metrics.refusals.labels(failure).inc()
            self._hold(answers)
            await self._learn_answered()
            return
        self._accept(answers, block_ms)

    def _accept(self, answers: tuple[Answer, ...], block_ms: int) -> None:
        now_ms = self._desk.clock.now_ms()
        for one in answers:
            self._desk.metrics.answers.labels(one.key).inc()
            self._desk.status.accepted_ms[one.key] = now_ms
            if one.key in self._feeds:
                self._feeds[one.key].note_answer(one.value, block_ms)
        log.info("answered", feeds=len(answers), block_ms=block_ms)

    def _hold(self, answers: tuple[Answer, ...]) -> None:
        for one in answers:
            if one.key in self._feeds:
                self._feeds[one.key].note_refusal(self._chain_ms, HELD_ROUNDS_MAX)

    async def _close(self, transaction: Hash, outcome: str, block: int | None) -> None:
        self._desk.metrics.submissions.labels("refused" if "." in outcome else outcome).inc()
        await asyncio.to_thread(self._desk.journal.settle, transaction, outcome, block)

    def _setting(self, key: str) -> FeedSetting:
        return self._desk.config.feeds.get(key) or FeedSetting()

    def _round(self) -> int:
        """Return the number of the shortest round at the chain's time."""
        heartbeats = [feed.view.heartbeat_ms for feed in self._feeds.values()]
        return self._chain_ms // min(heartbeats, default=10_000)


def _is_off(skew_ms: int | None, most_ms: int) -> bool:
    return skew_ms is not None and abs(skew_ms) > most_ms


def _read_provider(answer: object, bond_full: int) -> ProviderState:
    try:
        assert isinstance(answer, dict), "a provider is a record"
        strikes = {one["feed"]: one["strikes"] for one in answer["strikes"]}
        return ProviderState(answer["key"], answer["bond"], bond_full, strikes, answer["score"])
    except (KeyError, TypeError) as error:
        raise AnswerError(f"a provider is described otherwise than this program knows: {error}") from error


__all__ = ["NODE_FAULTS", "Desk", "JournalFault", "run_session"]
