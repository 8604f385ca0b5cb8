"""Several nodes of one chain in one process, on the real clock, with an in-memory wire that can be cut."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from genesis.chain_spec import ChainSpec, load_spec
from node.chain.chain import Chain
from node.clock import SystemClock
from node.config import IntervalSeal
from node.consensus.pbft import Times
from node.driver.agreement import AgreementSettings
from node.driver.signer import GuardedSigner
from node.driver.vote_keys import VoteKeys
from node.host import Agreement, ChainHost, HostSettings
from node.pool.transaction import compute_limits
from node.storage.guard import CopiedKeys, GuardFile
from node.storage.kv import KeyValue
from node.storage.memory import MemoryKeyValue
from node.telemetry.metrics import NodeMetrics
from node.verifier import Verifier
from runtime.primitives.block import Block
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.types import Hash
from tests.support.node_chain import open_chain

NAMES = ("Alice", "Bob", "Charlie", "Dave")
BLOCK_MS = 150
TIMES = Times(view=500, view_max=2_000, repeat=200)
PATIENCE_S = 20.0


class SeatKeys:
    """The vote keys of a seat; what they signed is remembered in a file, or not at all."""

    def __init__(self, uri: str) -> None:
        self.guard: GuardFile | None = None
        self.copied: CopiedKeys | None = None
        self.genesis = Hash(bytes(32))
        self._pairs: dict[bytes, Keypair] = {}
        self.add(uri)

    def add(self, uri: str) -> Keypair:
        """Hold another key."""
        pair = Keypair.from_uri(uri, Scheme.ED25519)
        self._pairs[pair.public] = pair
        return pair

    def forget(self, uri: str) -> None:
        """Hold a key no more."""
        del self._pairs[Keypair.from_uri(uri, Scheme.ED25519).public]

    def list(self) -> Sequence[bytes]:
        return tuple(self._pairs)

    def open(self, public: bytes) -> GuardedSigner:
        return GuardedSigner(self._pairs[public], self.genesis, self.guard)


class Seat:
    """One node of a network: a hosted chain and its end of the wire."""

    def __init__(self, network: "LocalNetwork", name: str, spec: ChainSpec, *, is_validator: bool) -> None:
        self.name = name
        self.kv: KeyValue = MemoryKeyValue()
        self.rejected: list[tuple[str, str]] = []
        self.is_cut = False
        self.is_running = False
        self.keys = SeatKeys(f"//{name}")
        self._network = network
        self._spec = spec
        self._is_validator = is_validator
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Run the node over whatever its store holds."""
        ready = asyncio.Event()
        self._stop.clear()
        self._running = tasks.create_task(self._run(ready))
        await ready.wait()

    async def _run(self, ready: asyncio.Event) -> None:
        async with Verifier(0) as verifier, asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(verifier.run())]
            clock = SystemClock()
            self.host = ChainHost(
                open_chain(self.kv, spec=self._spec),
                keys=self._make_keys,
                verifier=verifier,
                clock=clock,
                settings=HostSettings(IntervalSeal(None), BLOCK_MS, compute_limits(), False, False),
                metrics=NodeMetrics(name="n", version="0", role=4, started_ms=0).add_chain("local"),
                agreement=Agreement(
                    self, AgreementSettings(BLOCK_MS, TIMES), lambda *found: self.rejected.append(found)
                ),
            )
            assert self.host.agreement is not None
            self.is_running = True
            work += [
                tasks.create_task(self.host.intake.run()),
                tasks.create_task(self.host.agreement.run()),
                tasks.create_task(self.host.reporter.run()),
            ]
            ready.set()
            await self._stop.wait()
            self.is_running = False
            for task in work:
                task.cancel()
        stored = list(self.kv.iterate())
        self.host.chain.store.close()
        self.kv = MemoryKeyValue()
        self.kv.write(stored, sync=True)

    def _make_keys(self, chain: Chain) -> VoteKeys:
        if not self._is_validator:
            return VoteKeys(None)
        self.keys.genesis = chain.genesis_hash
        authorities = {one.key for one in chain.api.authority_set().authorities}
        held = self.keys.list()
        first = self.keys.open(next((k for k in held if k in authorities), held[0]))
        return VoteKeys(first, self.keys, self.keys.copied)

    async def stop(self) -> None:
        """Stop the node; what it stored stays."""
        self._stop.set()
        if self._running is not None:
            await self._running
            self._running = None

    # --- the wire

    def broadcast(self, data: bytes) -> None:
        for other in self._network.seats:
            if other is not self:
                self._deliver(other, data)

    def relay(self, peer: str, data: bytes) -> None:
        """Everybody is connected to everybody."""

    def send(self, peer: str, data: bytes) -> None:
        self._deliver(self._network.seat(peer), data)

    def _deliver(self, other: "Seat", data: bytes) -> None:
        if not self.is_cut and not other.is_cut and other.is_running:
            asyncio.get_running_loop().call_later(0.002, other.hear, self.name, data)

    def hear(self, peer: str, data: bytes) -> None:
        if self.is_running and not self.is_cut and self.host.agreement is not None:
            self.host.agreement.hear(peer, data)

    async def fetch_block(self, block_hash: Hash, hint: str | None) -> Block | None:
        await asyncio.sleep(0.002)
        seats = sorted(self._network.seats, key=lambda seat: seat.name != hint)
        for seat in seats:
            if seat is self or seat.is_cut or self.is_cut or not seat.is_running:
                continue
            block = seat.host.chain.block(block_hash)
            if block is not None:
                return block
        return None

    @property
    def final(self) -> int:
        """The number of the last final block."""
        return self.host.chain.finalized.number


class LocalNetwork:
    """The validators of a local chain, by default those of the preset, and observers; an async context."""

    def __init__(
        self, observers: int = 0, spec: ChainSpec | None = None, names: Sequence[str] = NAMES
    ) -> None:
        spec = load_spec("local") if spec is None else spec
        self.seats = [Seat(self, name, spec, is_validator=True) for name in names]
        self.seats += [Seat(self, f"observer{n}", spec, is_validator=False) for n in range(observers)]
        self._stack = AsyncExitStack()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._tasks)
        for seat in self.seats:
            await self.start(seat)
        return self

    async def start(self, seat: Seat) -> None:
        """Start a seat that does not run."""
        await seat.start(self._tasks)
        self._stack.push_async_callback(seat.stop)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def seat(self, name: str) -> Seat:
        return next(seat for seat in self.seats if seat.name == name)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds; AssertionError when it takes too long."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():  # noqa: ASYNC110  # chains tell of no condition
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError([(s.name, s.final, s.host.chain.head.number) for s in self.seats]) from None

    async def reach(self, number: int, *seats: Seat) -> None:
        """Wait until these seats, or all, have a final block of this number."""
        await self.wait(lambda: all(seat.final >= number for seat in seats or self.seats))

    def ensure_agreed(self) -> int:
        """AssertionError unless all nodes have the same final blocks; return how many all have."""
        common = min(seat.final for seat in self.seats)
        for number in range(common + 1):
            hashes = {seat.host.chain.hash_at(number) for seat in self.seats}
            assert len(hashes) == 1, f"block {number}"
        return common
