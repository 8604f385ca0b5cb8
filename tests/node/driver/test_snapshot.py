"""A state is fetched from peers into a database, in order and to the end, or nothing of it counts."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import pytest
from structlog.testing import capture_logs

from node.clock import SystemClock
from node.driver import snapshot
from node.driver.snapshot import SnapshotDriver, describe
from node.network.errors import Penalty, RequestTimeoutError
from node.network.messages import (
    BlockData,
    BlockRequest,
    BlockResponse,
    RequestBody,
    ResponseBody,
    StateRequest,
    StateResponse,
    Status,
    WarpFragment,
    WarpRequest,
    WarpResponse,
)
from node.network.service import Network
from node.storage.columns import Column
from node.storage.filling import Filling
from node.storage.kv import Batch, KeyValue, WriteFailedError
from node.storage.memory import MemoryKeyValue
from node.sync.snapshot import SnapshotDownload, SnapshotLimits, SnapshotProgress
from node.sync.snapshot_effects import Complete, GiveUp
from tests.node.storage.test_failing_writes import FailingKeyValue
from tests.support.peers import Answer, FakeNetwork
from tests.support.states import BODY, Served, begin, served_at

LIMITS = SnapshotLimits(chunk_entries=40)
PATIENCE_S = 15.0
STATUS = Status(1, 60, bytes(32), 60, bytes(32))
Spoil = Callable[[ResponseBody], ResponseBody]


def block() -> Served:
    return served_at(48, 300)


def serve(spoil: Spoil = lambda response: response) -> Answer:
    """Answer as an honest peer does, or with every response spoiled."""

    def answer(body: RequestBody) -> ResponseBody:
        match body:
            case WarpRequest():
                fragments = tuple(WarpFragment(*fragment) for fragment in block().fragments)
                return spoil(WarpResponse(fragments, True))
            case StateRequest(_, start, count):
                return spoil(StateResponse(*block().read(start, count)))
            case BlockRequest(block_hash):
                return spoil(BlockResponse(BlockData(block_hash, None, BODY, None)))
            case _:
                raise AssertionError(body)

    return answer


def stored(kv: KeyValue) -> dict[bytes, bytes]:
    return {key[1:]: value for key, value in kv.iterate(Column.STATE, b"t")}


class Peers(FakeNetwork):
    """Peers that come as soon as somebody listens."""

    def __init__(self, **waiting: Answer) -> None:
        super().__init__()
        self.waiting = waiting


async def fetch(network: Peers, kv: KeyValue, limits: SnapshotLimits = LIMITS) -> Complete | GiveUp:
    clock = SystemClock()
    download = SnapshotDownload(begin(), limits, int(clock.monotonic() * 1000))
    driver = SnapshotDriver(cast(Network, network), download, Filling(kv), clock)
    for name, answer in network.waiting.items():
        network.connect(name, STATUS, answer)
    async with asyncio.timeout(PATIENCE_S):
        return await driver.run()


async def test_state_is_stored_when_the_end_is_told() -> None:
    kv, network = MemoryKeyValue(), Peers(a=serve(), b=serve(), c=serve())
    done = await fetch(network, kv)
    assert isinstance(done, Complete)
    assert (done.block.header, done.body) == (block().header, BODY)
    assert stored(kv) == block().state
    assert network.reports == []
    assert {peer for peer, body in network.asked if isinstance(body, StateRequest)} == {"a", "b", "c"}


def other_value(response: ResponseBody) -> ResponseBody:
    if isinstance(response, StateResponse) and response.entries:
        key, value = response.entries[0]
        return StateResponse(((key, value + b"!"), *response.entries[1:]), response.proof)
    return response


def other_body(response: ResponseBody) -> ResponseBody:
    if isinstance(response, BlockResponse):
        return BlockResponse(BlockData(response.block.hash, None, (b"other",), None))
    return response


def no_body(response: ResponseBody) -> ResponseBody:
    if isinstance(response, BlockResponse):
        return BlockResponse(BlockData(response.block.hash, b"header", None, None))
    return response


def other_votes(response: ResponseBody) -> ResponseBody:
    if isinstance(response, WarpResponse):
        first = response.fragments[0]
        return WarpResponse((WarpFragment(first.header, first.certificate[:-1] + b"\0"),), True)
    return response


@pytest.mark.parametrize("spoil", [other_value, other_body, no_body, other_votes])
async def test_liar_is_reported_and_the_others_serve(spoil: Spoil) -> None:
    kv, network = MemoryKeyValue(), Peers(liar=serve(spoil), good=serve())
    assert isinstance(await fetch(network, kv), Complete)
    assert stored(kv) == block().state
    assert network.reports == [("liar", Penalty.BAD_BLOCK)]


async def test_peer_that_does_not_answer_is_not_waited_for() -> None:
    def stall(_: RequestBody) -> ResponseBody:
        raise RequestTimeoutError("no response")

    kv, network = MemoryKeyValue(), Peers(slow=stall, good=serve())
    assert isinstance(await fetch(network, kv), Complete)
    assert stored(kv) == block().state


async def test_without_a_state_it_ends_in_time() -> None:
    network = Peers(refuses=lambda _: None)
    given_up = await fetch(network, MemoryKeyValue(), SnapshotLimits(patience_ms=100))
    assert given_up == GiveUp("no peer has served anything new for 0 s")


async def test_failed_write_ends_it() -> None:
    kv = FailingKeyValue(MemoryKeyValue(), 2, is_done=False)
    with pytest.raises(ExceptionGroup) as caught:
        await fetch(Peers(a=serve()), kv)
    assert caught.group_contains(WriteFailedError)


class SlowKeyValue(MemoryKeyValue):
    """Takes its time to write."""

    def __init__(self) -> None:
        super().__init__()
        self.open = 0

    def write(self, batch: Batch, *, sync: bool) -> None:
        self.open += 1
        time.sleep(0.05)
        super().write(batch, sync=sync)
        self.open -= 1


async def test_no_write_is_under_way_when_it_was_stopped() -> None:
    kv = SlowKeyValue()
    task = asyncio.create_task(fetch(Peers(a=serve()), kv))  # noqa: TID251  # it is cancelled below
    while not kv.open:  # noqa: ASYNC110  # a store tells of no write
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert kv.open == 0
    assert len(stored(kv)) < 300


async def test_progress_is_told_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "REPORT_S", 0.02)
    with capture_logs() as logs:
        await fetch(Peers(refuses=lambda _: None), MemoryKeyValue(), SnapshotLimits(patience_ms=300))
    assert "state_downloading" in [line["event"] for line in logs]


def test_line_of_progress_has_the_speed_since_the_last_one() -> None:
    before, now = SnapshotProgress(None, 0, 0, 0, 1), SnapshotProgress(48, 100, 51_200, 40, 2)
    assert describe(now, before) == {
        "number": 48,
        "percent": 40,
        "entries": 100,
        "state_kib": 50,
        "download_kib": 10.0,
        "peers": 2,
    }
    assert describe(before, now)["download_kib"] == 0, "it began anew"
