"""Four gateways as processes on one node: a value becomes fresh and stays so, one lies, one is killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apps.chain.client import Chain
from tests.processes.gateways import KEY, GatewayProcess, add_feed, count_answers, until_so, write_config
from tests.processes.running import RunningNode, free_port
from tests.support.exchange import Exchange

pytestmark = [pytest.mark.slow, pytest.mark.net]

HEARTBEAT_MS = 8_000
QUORUM = 3
HONEST = ("Alice", "Bob", "Charlie")
LIAR = "Dave"
KILLED_AFTER_S = (0.3, 2.9, 1.7, 0.9)
"""Seconds after an answer of its own, or anybody's: before and while the next one is made."""
ANSWER_MS = 4_000
"""What a gateway that is up needs to answer a round, generously."""


class Absence(NamedTuple):
    """When a gateway was killed and when it was back, by the chain's time."""

    from_ms: int
    until_ms: int

    def excuses(self, number: int) -> bool:
        """Tell whether it was not there for long enough of a round to answer it."""
        start_ms, end_ms = number * HEARTBEAT_MS, (number + 1) * HEARTBEAT_MS
        return self.from_ms < start_ms + ANSWER_MS and self.until_ms > end_ms - ANSWER_MS


async def interrupt(chain: Chain, gateway: GatewayProcess, pause_s: float) -> Absence:
    """Kill a gateway a while after the next round has its value, and wait until it is back."""
    number = (await read(chain))["latest"]["round"]
    async with asyncio.timeout(60), chain.follow_best() as heads:
        async for _ in heads:
            if (await read(chain))["latest"]["round"] > number:
                break
    await asyncio.sleep(pause_s)
    from_ms = await chain.get("Timestamp", "Now")
    await asyncio.to_thread(gateway.kill)
    await asyncio.to_thread(gateway.start)
    told: dict[str, Any] | None = None
    async with asyncio.timeout(60):
        while told is None or told["node"] is None:
            await asyncio.sleep(0.1)
            told = await asyncio.to_thread(gateway.health)
    assert (await read(chain))["latest"]["value"] in {47_500, 48_000}
    return Absence(from_ms, await chain.get("Timestamp", "Now"))


@contextmanager
def gateways(base: Path, node: str, exchange: str) -> Iterator[dict[str, GatewayProcess]]:
    with ExitStack() as stack:
        started: dict[str, GatewayProcess] = {}
        for name in (*HONEST, LIAR):
            folder = base / name
            flags = ("--fault", "lying") if name == LIAR else ()
            started[name] = GatewayProcess(
                folder, f"//{name}", write_config(folder, [node], exchange), *flags
            )
            stack.callback(started[name].stop)
        yield started


@asynccontextmanager
async def network(base: Path) -> AsyncIterator[tuple[Chain, Exchange, dict[str, GatewayProcess]]]:
    node = await asyncio.to_thread(RunningNode, base / "node", chain=("--dev",))
    try:
        url = f"ws://127.0.0.1:{node.port}"
        async with Chain.connect(url) as chain, Exchange() as exchange:
            await add_feed(chain, KEY, HEARTBEAT_MS, QUORUM)
            with gateways(base, url, exchange.url) as started:
                yield chain, exchange, started
    finally:
        await asyncio.to_thread(node.stop)


async def read(chain: Chain) -> Any:
    return await chain.ask("OracleApi", "feed", KEY)


async def wait_value(chain: Chain, value: int) -> None:
    """Return once a value is the chain's, and fresh."""
    async with asyncio.timeout(60), chain.follow_best() as heads:
        async for _ in heads:
            found = await read(chain)
            if found["state"].name == "Fresh" and found["latest"]["value"] == value:
                return


async def strikes_of(chain: Chain, gateway: GatewayProcess) -> int:
    found = await chain.ask("OracleApi", "quality", gateway.account)
    return sum(one["strikes"] for one in found["strikes"])


async def test_a_liar_moves_nothing_and_a_killed_gateway_leaves_neither_gap_nor_double(
    tmp_path: Path,
) -> None:
    async with network(tmp_path) as (chain, exchange, started):
        await wait_value(chain, 47_500)
        exchange.price = "4.80"
        await wait_value(chain, 48_000)
        liar = await asyncio.to_thread(started[LIAR].health)
        assert liar is not None
        assert "plays a fault on purpose: lying" in liar["warnings"]

        bob = started["Bob"]
        absences = [await interrupt(chain, bob, pause_s) for pause_s in KILLED_AFTER_S]
        assert await strikes_of(chain, started[LIAR]) > await strikes_of(chain, started["Alice"])

        answered, failures = await count_answers(chain, bob.account)
        assert failures == []
        assert set(answered.values()) == {1}
        rounds = {number for _, number in answered}
        missing = set(range(min(rounds), max(rounds))) - rounds
        assert all(any(one.excuses(number) for one in absences) for number in missing)
        assert (await read(chain))["state"].name == "Fresh"


async def test_a_gateway_ends_in_order_on_a_signal_and_says_when_its_port_is_taken(tmp_path: Path) -> None:
    away = f"ws://127.0.0.1:{free_port()}"
    text = write_config(tmp_path, [away], "http://127.0.0.1:1/")
    gateway = GatewayProcess(tmp_path, "//Bob", text)
    try:
        told: list[dict[str, Any]] = []

        def is_up() -> bool:
            found = gateway.health()
            told.extend([found] if found is not None else [])
            return found is not None and "cannot be reached" in found["reasons"][0]

        await asyncio.to_thread(lambda: asyncio.run(until_so(is_up)))
        assert told[-1]["healthy"] is False
        second = GatewayProcess(
            tmp_path / "second", "//Bob", text.replace(f"{tmp_path}/state", f"{tmp_path}/other")
        )
        second_text = (tmp_path / "second" / "gateway.toml").read_text()
        second.kill()
        taken = second_text.replace(f"port = {second.port}", f"port = {gateway.port}")
        (tmp_path / "second" / "gateway.toml").write_text(taken)
        second.start()
        assert await asyncio.to_thread(second.process.wait, 30) == 8
        (tmp_path / "second" / "gateway.toml").write_text(second_text.replace("/other", "/state"))
        second.start()
        assert await asyncio.to_thread(second.process.wait, 30) == 1
        assert "another gateway uses" in second.log.read_text()
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.process.wait, 30) == 0
    finally:
        gateway.stop()
