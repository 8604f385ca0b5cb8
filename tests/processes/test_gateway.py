"""Four gateways as processes on one node: a value becomes fresh and stays so, one lies, one is killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from apps.chain.client import Chain
from tests.processes.gateways import KEY, GatewayProcess, add_feed, count_answers, until_so, write_config
from tests.processes.running import RunningNode, free_port
from tests.support.exchange import Exchange

pytestmark = [pytest.mark.slow, pytest.mark.net]

HEARTBEAT_MS = 6_000
QUORUM = 3
HONEST = ("Alice", "Bob", "Charlie")
LIAR = "Dave"
KILLS = 4
KILL_APART_S = 5.3
"""No whole part of a round, so that each kill finds the gateway at another place."""


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
        for _ in range(KILLS):
            await asyncio.to_thread(bob.kill)
            await asyncio.to_thread(bob.start)
            await asyncio.sleep(KILL_APART_S)
            assert (await read(chain))["latest"]["value"] in {47_500, 48_000}
        assert await strikes_of(chain, started[LIAR]) >= KILLS // 2
        told = await asyncio.to_thread(bob.health)
        assert told is not None
        assert told["healthy"], told["reasons"]

        answered, failures = await count_answers(chain, bob.account)
        rounds = sorted(number for _, number in answered)
        assert failures == []
        assert set(answered.values()) == {1}
        assert rounds == list(range(rounds[0], rounds[-1] + 1))
        assert await strikes_of(chain, bob) <= 1  # it may have come too late for the first round
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
