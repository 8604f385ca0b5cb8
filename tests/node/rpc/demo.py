"""A small table of methods for the tests: every feature of the server once, and no chain behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from node.rpc.jsonrpc import RawJson, RpcError
from node.rpc.methods import Methods, batch_of, method, subscription
from node.rpc.openrpc import Introspection
from node.rpc.params import BlockNumber, Bound, Hash32
from node.rpc.server import Page, RpcConfig, RpcServer, serve
from node.rpc.subscriptions import Publisher, Sink
from node.storage.kv import ClosedError


@dataclass(frozen=True, slots=True)
class NewBlock:
    count: int = 1
    time_ms: int | None = None
    transactions: tuple[bytes, ...] = ()


class Demo:
    """Fake methods with real names, and some with failures built in."""

    def __init__(self) -> None:
        self.heads = Publisher()
        self.submitted: list[bytes] = []
        self.batches: list[int] = []
        self.collected: list[list[int]] = []
        self.sizes: list[int] = []
        self.closed = 0
        self.release = asyncio.Event()

    @method("system_health")
    def health(self) -> dict[str, object]:
        """Peers and whether the node is syncing."""
        return {"peers": 0, "isSyncing": False, "shouldHavePeers": False}

    @method("chain_getBlockHash", aliases=["chain_getHead"])
    def block_hash(
        self, number: BlockNumber | Annotated[list[BlockNumber], Bound(10)] | None = None
    ) -> str | list[str] | None:
        """Hash of the best block, of a block by number, or of several."""
        if isinstance(number, list):
            return [f"0x{one:064x}" for one in number]
        return f"0x{number or 7:064x}"

    @method("chain_getHeader")
    def header(self, at: Hash32 | None = None) -> str | None:
        """Header of a block; null when unknown."""
        return at.hex() if at is not None else None

    @method("state_getKeysPaged", aliases=["state_getKeysPagedAt"])
    def keys_paged(
        self, prefix: bytes, count: int, start_key: bytes | None = None, at: Hash32 | None = None
    ) -> list[str]:
        """Keys after `startKey`."""
        return [prefix.hex(), str(count), "" if start_key is None else start_key.hex()]

    @method("author_submitExtrinsic")
    def submit(self, extrinsic: bytes) -> str:
        """Submit one extrinsic."""
        if extrinsic == b"\xff":
            raise RpcError(1010, "Invalid Transaction", "Transaction is outdated")
        self.submitted.append(extrinsic)
        return "0x" + extrinsic.hex()

    @batch_of("author_submitExtrinsic")
    def submit_many(self, extrinsics: Sequence[bytes]) -> list[object]:
        self.batches.append(len(extrinsics))
        return [
            RpcError(1012, "Transaction is temporarily banned") if one == b"\xff" else "0x" + one.hex()
            for one in extrinsics
        ]

    @method("test_collect")
    async def collect(self, value: int) -> int:
        """Keep a number."""
        self.collected.append([value])
        return value

    @batch_of("test_collect")
    async def collect_many(self, values: Sequence[int]) -> list[object]:
        await asyncio.sleep(0)
        self.collected.append(list(values))
        return [RpcError(7, "seven") if value == 7 else value for value in values]

    @method("dev_newBlock", unsafe=True)
    def new_block(self, options: NewBlock | None = None) -> list[object]:
        """Make blocks."""
        chosen = options or NewBlock()
        return [chosen.count, chosen.time_ms, len(chosen.transactions)]

    @method("test_later")
    async def later(self, value: object = None) -> object:
        """Answer after a turn of the loop."""
        await asyncio.sleep(0.001)
        return value

    @method("test_wait")
    async def wait(self) -> str:
        """Answer when the test says so."""
        await self.release.wait()
        return "released"

    @method("test_busy")
    def busy(self, rounds: int = 10_000) -> int:
        """Use the processor for a while."""
        return sum(range(rounds))

    @method("test_fail")
    def fail(self) -> None:
        """Raise what nobody expects."""
        raise ZeroDivisionError("planted")

    @method("test_failClosed")
    def fail_closed(self) -> None:
        """Find the database closed."""
        raise ClosedError("the database may not be used any more")

    @method("test_failLater")
    async def fail_later(self) -> None:
        """Raise what nobody expects, later."""
        await asyncio.sleep(0)
        raise KeyError("planted")

    @method("test_unencodable")
    def unencodable(self) -> object:
        """Return what JSON cannot say."""
        return 2**70

    @method("test_big")
    def big(self, size: int) -> str:
        """Return a text of that many characters."""
        self.sizes.append(size)
        return "x" * size

    @method("test_raw")
    def raw(self) -> RawJson:
        """Return text that is JSON already."""
        return RawJson(b'{"raw":1}')

    @subscription(
        "chain_subscribeNewHeads",
        aliases=["chain_subscribeNewHead", "subscribe_newHead"],
        unsubscribe=["chain_unsubscribeNewHeads", "chain_unsubscribeNewHead"],
        notification="chain_newHead",
    )
    def subscribe_heads(self, sink: Sink) -> None:
        """The best header now, then each new one."""
        sink.send({"number": "0x0"})
        self.heads.add(sink)
        sink.on_close(self._count_closed)

    @subscription(
        "state_subscribeStorage", unsubscribe=["state_unsubscribeStorage"], notification="state_storage"
    )
    async def subscribe_storage(self, sink: Sink, keys: Annotated[list[bytes], Bound(5)]) -> None:
        """The values of keys, now and when they change."""
        await asyncio.sleep(0)
        if not keys:
            raise RpcError(4002, "no keys")
        sink.send([key.hex() for key in keys])

    def _count_closed(self) -> None:
        self.closed += 1


@contextlib.asynccontextmanager
async def running(config: RpcConfig | None = None) -> AsyncIterator[tuple[RpcServer, Demo]]:
    """Serve the demo on a free port."""
    demo = Demo()
    methods = Methods(demo)
    methods.add(Introspection(methods, title="demo", version="1"))
    pages = {"/health": lambda: Page(200, b"{}"), "/health/readiness": lambda: Page(500, b"")}
    config = config or RpcConfig(port=0)
    async with asyncio.TaskGroup() as tasks, serve(methods, config, tasks, pages=pages) as server:
        yield server, demo
