"""What a gateway sends at a block, and when it keeps quiet, with a chain that a test makes up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from apps.chain.client import BlockRef, Chain, Outcome, Signed
from apps.chain.errors import Expired, Refused, RpcFailure, Superseded, TransactionFailed, UnknownName
from apps.chain.runtime import DispatchFailure
from apps.chain.sender import Sender
from apps.chain.values import Encoded, Variant
from apps.gateway.errors import SessionFault
from apps.gateway.journal import Journal
from apps.gateway.metrics import Metrics
from apps.gateway.readings import Readings
from apps.gateway.session import BEHIND_MAX_MS, Desk, _Session
from apps.gateway.settings import Fault
from apps.gateway.status import Status
from runtime.primitives.types import Hash
from tests.support.chain import BOB, keypair
from tests.support.gateway import BASE, KEY, NOW_MS, ROUND, HandClock, parse, source

OTHER = "load/grid"
BOND = 1_000
LATE_MS = 3_000
"""So far into the round every provider answers."""


def feed(number: int, key: str, **changes: Any) -> dict[str, Any]:
    """Return a feed as the runtime API answers."""
    return {
        "feed": number,
        "key": key,
        "unit": "THB/kWh",
        "decimals": 4,
        "is_paused": False,
        "state": Variant("Insufficient"),
        "latest": None,
        "heartbeat_ms": 10_000,
        "fresh_ms": 15_000,
        "usable_ms": 300_000,
        "deviation_bps": 50,
        "outlier_ppm": 50_000,
        "least": 0,
        "greatest": 1_000_000,
    } | changes


class MadeUpChain:
    """Answers as a node does; what is sent ends as the test says."""

    def __init__(self) -> None:
        self.genesis = Hash(bytes(32))
        self.now_ms = NOW_MS + LATE_MS
        self.feeds = [feed(0, KEY), feed(1, OTHER)]
        self.provider: dict[str, Any] | None = {"key": bytes(32), "bond": BOND, "strikes": (), "score": 1_000}
        self.raw: dict[str, Any] | None = None
        self.has_oracle = True
        self.sent: list[Any] = []
        self.end: DispatchFailure | TransactionFailed | None = None

    async def get(self, pallet: str, item: str, *_: object, at: Hash | None = None) -> Any:
        return self.now_ms if (pallet, item) == ("Timestamp", "Now") else self.raw

    async def ask(self, api: str, method: str, *_: object) -> Any:
        if not self.has_oracle:
            raise UnknownName("there is no function feeds of OracleApi")
        return self.feeds if method == "feeds" else self.provider

    def constant(self, pallet: str, name: str) -> int:
        return BOND

    def call(self, pallet: str, name: str, /, **arguments: Any) -> Encoded:
        self.sent.append((f"{pallet}.{name}", arguments["answers"]))
        return Encoded(0, b"")

    async def send(self, _: Encoded, *, note: Callable[[Signed], Awaitable[None]]) -> Outcome:
        """Stand for the sender."""
        number = len(self.sent)
        await note(Signed(b"", Hash(bytes([number]) * 32), number, 1, 17))
        if isinstance(self.end, TransactionFailed):
            raise self.end
        return Outcome(BlockRef(5, Hash(bytes(32))), 1, (), self.end)


class Stage:
    """A gateway at a block of the chain."""

    def __init__(self, chain: MadeUpChain, journal: Journal, fault: Fault | None, unit: str | None) -> None:
        extra = "" if fault is None else f'fault.kind = "{fault.kind}"\n'
        text = extra + BASE + f'[sources.exchange.values."{OTHER}"]\nat = "/load"\n'
        config = parse(text + ("" if unit is None else f'[feeds."{KEY}"]\nunit = "{unit}"\n'))
        self.chain, self.clock = chain, HandClock(chain.now_ms)
        readings = Readings([("exchange", (KEY, OTHER))])
        state = readings.sources["exchange"]
        state.readings = source("x", "4.75").readings | source("x", "8", key=OTHER).readings
        self.status = Status("5G", NOW_MS, 15_000, 5_000, readings, config.fault)
        metrics = Metrics(["exchange"], [KEY, OTHER])
        self.desk = Desk(config, keypair("//Bob"), journal, self.status, metrics, self.clock)

    async def turn(self) -> None:
        """Begin a session, see a block, and do what is due; the next session finds what this one left."""
        session = _Session(self.desk, cast(Chain, self.chain), "ws://a")
        session._sender = cast(Sender, self.chain)
        await session._see_head()
        await session._refresh()
        await session._learn_answered()
        self.status.feeds = session._feeds
        await session._turn()

    def answers(self) -> list[list[tuple[int, int]]]:
        """Return (feed, value) of the calls that were sent."""
        return [[(one["feed"], one["value"]) for one in listed] for _, listed in self.chain.sent]

    def count(self, name: str, **labels: str) -> float:
        return self.desk.metrics.registry.get_sample_value(f"loam_gateway_{name}_total", labels) or 0.0


@pytest.fixture
def chain() -> MadeUpChain:
    return MadeUpChain()


@contextmanager
def staged(
    chain: MadeUpChain, folder: Path, fault: Fault | None = None, unit: str | None = None
) -> Iterator[Stage]:
    with Journal(folder) as journal:
        yield Stage(chain, journal, fault, unit)


async def test_all_that_is_due_goes_into_one_call_that_is_noted_and_settled(
    chain: MadeUpChain, tmp_path: Path
) -> None:
    with staged(chain, tmp_path) as stage:
        await stage.turn()
        (answered,) = stage.answers()
        assert sorted(answered) == [(0, 47_500), (1, 80_000)]
        ((noted, outcome, block),) = stage.desk.journal.list_settled()
        assert (len(noted.answers), outcome, block) == (2, "accepted", 5)
        assert stage.status.feeds[KEY].answered_round == ROUND
        assert stage.count("answers", feed=KEY) == 1
        await stage.turn()
        assert len(chain.sent) == 1


async def test_a_round_that_the_chain_has_an_answer_in_is_left_alone(
    chain: MadeUpChain, tmp_path: Path
) -> None:
    chain.raw = {"round": ROUND, "value": 1, "time_ms": NOW_MS}
    with staged(chain, tmp_path) as stage:
        await stage.turn()
        assert chain.sent == []


async def test_what_was_answered_through_another_node_is_not_answered_again_at_one_that_lags(
    chain: MadeUpChain, tmp_path: Path
) -> None:
    with staged(chain, tmp_path) as stage:
        await stage.turn()
        chain.now_ms -= 10_000
        chain.raw = {"round": ROUND - 2, "value": 1, "time_ms": NOW_MS}
        await stage.turn()
        assert len(chain.sent) == 1
        assert stage.status.feeds[KEY].answered_round == ROUND


@pytest.mark.parametrize(("late_ms", "is_sent"), [(BEHIND_MAX_MS, True), (BEHIND_MAX_MS + 1, False)])
async def test_nothing_is_sent_through_a_node_that_is_behind(
    chain: MadeUpChain, tmp_path: Path, late_ms: int, *, is_sent: bool
) -> None:
    with staged(chain, tmp_path) as stage:
        stage.clock.moment_ms = chain.now_ms + late_ms
        await stage.turn()
        assert bool(chain.sent) is is_sent
        assert any("own clock" in one for one in stage.status.list_warnings())


@pytest.mark.parametrize("bond", [None, BOND * 9 // 10 - 1, BOND * 9 // 10])
async def test_who_cannot_answer_sends_nothing(chain: MadeUpChain, tmp_path: Path, bond: int | None) -> None:
    chain.provider = None if bond is None or chain.provider is None else chain.provider | {"bond": bond}
    with staged(chain, tmp_path) as stage:
        await stage.turn()
        assert bool(chain.sent) is (bond == BOND * 9 // 10)


async def test_what_the_chain_refuses_is_counted_and_left_alone_for_the_round(
    chain: MadeUpChain, tmp_path: Path
) -> None:
    chain.end = DispatchFailure("Oracle", "FeedPaused", "The feed is paused.")
    with staged(chain, tmp_path) as stage:
        await stage.turn()
        await stage.turn()
        assert len(chain.sent) == 1
        assert stage.count("refusals", error="Oracle.FeedPaused") == 1
        assert stage.count("submissions", result="refused") == 1
        assert stage.status.feeds[KEY].held_round == ROUND + 1
        assert KEY not in stage.status.accepted_ms


@pytest.mark.parametrize(
    ("end", "calls"),
    [(Refused(RpcFailure(1010, "no")), 1), (Expired("late"), 2), (Superseded("another"), 2)],
    ids=["refused", "expired", "superseded"],
)
async def test_only_a_call_that_the_node_refuses_holds_its_feeds_up(
    chain: MadeUpChain, tmp_path: Path, end: TransactionFailed, calls: int
) -> None:
    chain.end = end
    with staged(chain, tmp_path) as stage:
        await stage.turn()
        await stage.turn()
        assert len(chain.sent) == calls
        assert {outcome for _, outcome, _ in stage.desk.journal.list_settled()} == {
            type(end).__name__.lower()
        }


async def test_a_gateway_that_plays_dead_sends_nothing_and_one_that_lies_sends_lies(
    chain: MadeUpChain, tmp_path: Path
) -> None:
    with staged(chain, tmp_path, Fault("dead")) as stage:
        await stage.turn()
        assert chain.sent == []
    with staged(chain, tmp_path, Fault("lying")) as stage:
        await stage.turn()
        assert dict(stage.answers()[0]) == {0: 71_250, 1: 120_000}


async def test_a_feed_in_another_unit_is_left_out_and_the_others_are_answered(
    chain: MadeUpChain, tmp_path: Path
) -> None:
    with staged(chain, tmp_path, unit="MW") as stage:
        await stage.turn()
        assert stage.answers() == [[(1, 80_000)]]
        assert list(stage.status.wrong) == [KEY]


async def test_a_chain_without_an_oracle_is_left(chain: MadeUpChain, tmp_path: Path) -> None:
    chain.has_oracle = False
    with staged(chain, tmp_path) as stage, pytest.raises(SessionFault, match="without an oracle"):
        await stage.turn()


async def test_rules_are_read_again_in_each_round(chain: MadeUpChain, tmp_path: Path) -> None:
    with staged(chain, tmp_path) as stage:
        session = _Session(stage.desk, cast(Chain, chain), "ws://a")
        session._sender = cast(Sender, chain)
        await session._see_head()
        await session._refresh()
        chain.feeds = [feed(0, KEY, is_paused=True), feed(1, OTHER, is_paused=True)]
        await session._turn()
        assert len(chain.sent) == 1
        chain.now_ms += 10_000
        await session._see_head()
        await session._turn()
        assert len(chain.sent) == 1
        assert session._feeds[KEY].view.is_paused
        assert stage.desk.account == BOB


async def test_a_node_of_another_chain_is_left(chain: MadeUpChain, tmp_path: Path) -> None:
    with staged(chain, tmp_path) as stage:
        stage.desk.journal.claim(Hash(b"\1" * 32), BOB)
        async with asyncio.timeout(5):
            with pytest.raises(SessionFault, match="the node is of the chain"):
                await _Session(stage.desk, cast(Chain, chain), "ws://a").run()
