"""A full node of the local preset among fake peers, with everything but a transport and processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from genesis.chain_spec import load_spec
from node.chain.chain import Chain
from node.clock import Clock, SystemClock
from node.config import IntervalSeal
from node.driver.agreement import AgreementSettings
from node.driver.exchange import Exchange, describe_status
from node.driver.state_server import StateServer
from node.driver.syncing import SyncDriver
from node.driver.vote_keys import VoteKeys
from node.driver.wire import NetworkWire
from node.host import Agreement, ChainHost, HostSettings
from node.network.identity import PeerId
from node.network.messages import RequestBody, Status
from node.network.service import Network
from node.pool.transaction import compute_limits
from node.storage.kv import KeyValue
from node.sync.downloads import SyncLimits
from node.tasks import OwnTasks
from node.telemetry.metrics import NodeMetrics
from node.verifier import Verifier
from tests.support.network import BLOCK_MS, TIMES
from tests.support.node_chain import open_chain
from tests.support.peers import FakeNetwork, grow

PATIENCE_S = 15.0
LIMITS = SyncLimits()


class Node:
    """An observer of the local preset among fake peers."""

    def __init__(
        self, network: FakeNetwork, host: ChainHost, exchange: Exchange, states: StateServer
    ) -> None:
        self.network = network
        self.host = host
        self.exchange = exchange
        self.states = states
        self.chain = host.chain

    async def wait(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110  # chains tell of no condition
                await asyncio.sleep(0.01)

    async def ask(self, body: RequestBody) -> Any:
        return await self.network.requests[type(body)](PeerId("somebody"), body)


@asynccontextmanager
async def observer(
    limits: SyncLimits = LIMITS, kv: KeyValue | None = None, clock: Clock | None = None, window: int = 256
) -> AsyncIterator[Node]:
    """Run the node over a store, one in memory by default; the clock is that of what it serves of states."""
    network = FakeNetwork()
    shown = cast(Network, network)
    async with Verifier(0) as verifier, asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(verifier.run())]
        host = ChainHost(
            open_chain(kv, spec=load_spec("local"), window=window),
            keys=lambda _: VoteKeys(None),
            verifier=verifier,
            clock=SystemClock(),
            settings=HostSettings(IntervalSeal(None), BLOCK_MS, compute_limits(), False, False),
            metrics=NodeMetrics(name="n", version="0", role=4, started_ms=0).add_chain("local"),
            agreement=Agreement(NetworkWire(shown), AgreementSettings(BLOCK_MS, TIMES), lambda *_: None),
        )
        assert host.agreement is not None
        sync = SyncDriver(shown, host.chain, host.agreement, SystemClock(), limits)
        exchange = Exchange(shown, host.chain, host.agreement, host.intake, OwnTasks(tasks), sync)
        work += [tasks.create_task(host.intake.run()), tasks.create_task(host.agreement.run())]
        states = StateServer(
            shown, host.chain, host.author.held, OwnTasks(tasks), SystemClock() if clock is None else clock
        )
        async with states.running(), exchange.running():
            yield Node(network, host, exchange, states)
        for task in work:
            task.cancel()
    host.chain.store.close()


async def source(blocks: int) -> Chain:
    """Return a chain of so many final blocks."""
    chain = open_chain(spec=load_spec("local"))
    await grow(chain, blocks)
    return chain


def status_of(chain: Chain) -> Status:
    return describe_status(chain, is_authority=True)
