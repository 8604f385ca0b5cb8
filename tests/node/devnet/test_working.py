"""Work with a devnet: it begins when all nodes answer, and each of the two ends the other."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from node.clock import SystemClock
from node.devnet.launching import Working
from node.devnet.readiness import DevnetFailed
from node.devnet.records import DevnetRecord
from node.devnet.schedule import Schedule
from node.devnet.supervisor import Supervisor
from tests.node.devnet.fakes import FakeDevnet, Noted, fake_devnet, make_node

pytestmark = pytest.mark.slow

ENDLESS = 10**9


def run(devnet: FakeDevnet, work: Callable[[DevnetRecord], Awaitable[None]], turns: int = ENDLESS) -> Noted:
    view = Noted(turns)
    supervisor = Supervisor(devnet.state, devnet.control, SystemClock(), view, Schedule(), 30)
    asyncio.run(Working(work, devnet.state).run(supervisor, view.stop))
    return view


def test_work_begins_with_a_devnet_that_answers_and_ends_it(tmp_path: Path) -> None:
    seen: list[DevnetRecord] = []

    async def work(record: DevnetRecord) -> None:
        seen.append(record)

    with fake_devnet(tmp_path, make_node(tmp_path, "a")) as devnet:
        view = run(devnet, work)
        assert view.ready is not None
        assert [node.name for node in seen[0].nodes] == ["a"]
        assert view.stop.is_set()


def test_a_devnet_that_is_told_to_stop_ends_the_work(tmp_path: Path) -> None:
    ended: list[bool] = []

    async def work(_: DevnetRecord) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with fake_devnet(tmp_path, make_node(tmp_path, "a")) as devnet:
        run(devnet, work, turns=2)
    assert ended == [True]


def test_work_that_fails_ends_the_devnet_with_its_own_error(tmp_path: Path) -> None:
    async def work(_: DevnetRecord) -> None:
        raise KeyError("broken")

    with fake_devnet(tmp_path, make_node(tmp_path, "a")) as devnet, pytest.raises(KeyError, match="broken"):
        run(devnet, work)


def test_a_node_that_ends_is_named_though_the_work_fails_first(tmp_path: Path) -> None:
    with fake_devnet(tmp_path, make_node(tmp_path, "a")) as devnet:

        async def work(record: DevnetRecord) -> None:
            process = record.get_node("a").process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            raise ConnectionError("the node is gone")

        with pytest.raises(DevnetFailed, match="a ended unexpectedly"):
            run(devnet, work)


def test_a_node_that_ends_ends_the_work_and_is_named(tmp_path: Path) -> None:
    ended: list[bool] = []
    with fake_devnet(tmp_path, make_node(tmp_path, "a"), make_node(tmp_path, "b")) as devnet:

        async def work(record: DevnetRecord) -> None:
            process = record.get_node("b").process
            assert process is not None
            try:
                os.kill(process.pid, signal.SIGKILL)
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        with pytest.raises(DevnetFailed, match="b ended unexpectedly"):
            run(devnet, work)
    assert ended == [True]
