"""A development node without sockets: a hosted chain sealed by hand, and its RPC methods behind the real
dispatcher."""

import asyncio
import json
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from genesis.chain_spec import load_spec
from node.chain.chain import Chain
from node.config import ManualSeal, Seal
from node.driver.signer import GuardedSigner
from node.driver.vote_keys import VoteKeys
from node.host import ChainHost, HostSettings
from node.keystore import Keystore
from node.pool.transaction import PoolLimits, compute_limits
from node.rpc.dispatch import Caller, Dispatcher, NoObserver
from node.rpc.groups.author import AuthorMethods
from node.rpc.groups.chain import ChainMethods
from node.rpc.groups.context import ChainContext
from node.rpc.groups.dev import DevMethods
from node.rpc.groups.keys import KeyMethods, SessionKey
from node.rpc.groups.runtime import add_runtime_methods
from node.rpc.groups.spec import ChainSpecMethods
from node.rpc.groups.state import StateMethods
from node.rpc.groups.system import SystemMethods
from node.rpc.jsonrpc import Limits
from node.rpc.methods import Methods
from node.rpc.openrpc import Introspection
from node.rpc.subscriptions import Sink, SubscriptionTable
from node.telemetry.levels import LogFilter
from node.telemetry.metrics import NodeMetrics
from node.verifier import Verifier
from runtime.primitives.crypto import Scheme
from tests.support.clock import ManualClock
from tests.support.node_chain import AUTHORITY, open_chain

NOTICE_S = 30
SETTLE_TURNS = 2_000
"""Turns of the event loop after which something awaited counts as missing."""


class DevNode:
    """An async context; leaving it ends every task."""

    def __init__(
        self,
        *,
        window: int = 256,
        limits: PoolLimits | None = None,
        seal: Seal | None = None,
        reloadable: bool = False,
        chain: Chain | None = None,
        check_state: bool = True,
        builds: bool = False,
    ) -> None:
        """With `builds` the node makes blocks on its own as `seal` says."""
        self._builds = builds
        self.clock = ManualClock()
        self.chain = open_chain(window=window) if chain is None else chain
        self.notices: list[dict[str, Any]] = []
        self.keystore = Keystore(None)
        self.log_filter = LogFilter({}) if reloadable else None
        self._settings = HostSettings(
            ManualSeal() if seal is None else seal, 1_000, limits or compute_limits(), False, check_state
        )
        self._stack = AsyncExitStack()
        self._tasks = asyncio.TaskGroup()
        self._stop = asyncio.Event()
        self._pushed = asyncio.Event()

    async def __aenter__(self) -> Self:
        verifier = await self._stack.enter_async_context(Verifier(0))
        await self._tasks.__aenter__()
        self.running = [self._tasks.create_task(verifier.run())]
        metrics = NodeMetrics(name="Loam Node", version="0", role=4, started_ms=0)
        self.host = ChainHost(
            self.chain,
            keys=lambda chain: VoteKeys(GuardedSigner(AUTHORITY, chain.genesis_hash, None)),
            verifier=verifier,
            clock=self.clock,
            settings=self._settings,
            metrics=metrics.add_chain("dev"),
        )
        self._bind()
        self.running += [
            self._tasks.create_task(self.host.intake.run()),
            self._tasks.create_task(self.host.finality.run()),
        ]
        if self._builds:
            self.running.append(self._tasks.create_task(self.host.building.run()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self.running:
            assert not task.done(), "a task of the node has ended"
            task.cancel()
        await self._tasks.__aexit__(kind, error, trace)
        await self._stack.aclose()
        self.chain.store.close()

    def _bind(self) -> None:
        spec = load_spec("dev")
        self.context = context = ChainContext(
            name=spec.name,
            id=spec.id,
            chain_type=spec.chain_type,
            properties=spec.properties,
            node_name="Loam Node",
            node_version="0",
            peer_id="",
            chain=self.chain,
            intake=self.host.intake,
            author=self.host.author,
            finalize=self.host.finality.finalize_now,
            is_authority=True,
            is_dev=True,
            log_filter=self.log_filter,
        )
        groups = (ChainMethods, StateMethods, SystemMethods, AuthorMethods, ChainSpecMethods)
        self.methods = Methods(*(group(context) for group in groups), DevMethods(context, self.host))
        keys = SessionKey("gran", Scheme.ED25519)
        self.methods.add(KeyMethods(self.keystore, [keys], signs_with=AUTHORITY.public))
        add_runtime_methods(self.methods, context)
        self.methods.add(Introspection(self.methods, title=spec.name, version="0"))
        self.dispatcher = Dispatcher(
            self.methods, limits=Limits(), now=self.clock.monotonic, observer=NoObserver()
        )
        self.table = SubscriptionTable(self)
        self.caller = Caller("1.2.3.4", "ws", True, self.table)

    # --- the sending side of the one connection

    def push(self, notice: bytes) -> None:
        self.notices.append(json.loads(notice)["params"])
        self._pushed.set()

    def overflow(self) -> None:
        raise AssertionError("a reader was too slow")

    # --- calls

    async def send_raw(self, body: bytes) -> bytes | None:
        """Return the bytes of the answer to a body."""
        opened: list[Sink] = []
        answer = await self.dispatcher.answer(await self.dispatcher.read(body), self.caller, opened)
        for sink in opened:
            sink.announce()
        return answer

    async def send(self, name: str, *params: object) -> dict[str, Any]:
        """Return the whole answer to a call."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": list(params)}).encode()
        answer = await self.send_raw(body)
        assert answer is not None
        decoded: dict[str, Any] = json.loads(answer)
        return decoded

    async def call(self, name: str, *params: object) -> Any:
        """Return the result of a call that must succeed."""
        answer = await self.send(name, *params)
        assert "error" not in answer, (name, answer["error"])
        return answer["result"]

    async def fail(self, name: str, *params: object) -> tuple[int, str, object]:
        """Return code, message and data of a call that must fail."""
        answer = await self.send(name, *params)
        assert "error" in answer, (name, answer)
        error = answer["error"]
        return error["code"], error["message"], error.get("data")

    def results(self, subscription: object) -> list[Any]:
        """Return what a subscription has sent so far."""
        return [notice["result"] for notice in self.notices if notice["subscription"] == subscription]

    async def wait_results(self, subscription: object, count: int) -> list[Any]:
        """Return what a subscription has sent once there are so many."""
        for _ in range(SETTLE_TURNS):
            if len(self.results(subscription)) >= count:
                break
            await asyncio.sleep(0)
        return self.results(subscription)

    async def heard(self, subscription: object, count: int) -> list[Any]:
        """Return what a subscription has sent once there are so many, however long that takes; for notices
        that a timer brings. TimeoutError when they do not come."""
        async with asyncio.timeout(NOTICE_S):
            while len(self.results(subscription)) < count:
                self._pushed.clear()
                await self._pushed.wait()
        return self.results(subscription)

    async def block(self, *, finalize: bool = False) -> str:
        """Seal a block a second later; return its hash."""
        self.clock.advance(1_000)
        made = await self.call("engine_createBlock", True, finalize)
        block: str = made["hash"]
        return block
