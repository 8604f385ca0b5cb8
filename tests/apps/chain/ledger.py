"""A node's answers about a small chain of whole finalized blocks, for tests of the client and the sender.

What becomes of a submitted transaction is a script: one step for each submission, `include` when it ends.
Bytes are those of the consortium's metadata, so the library's own reading is not what makes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from apps.chain.client import PERIOD, Chain
from apps.chain.connection import ConnectionSettings
from apps.chain.runtime import Runtime, Version
from apps.chain.values import Value, Variant
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import codec
from tests.apps.chain.described import consortium, described, raw_metadata
from tests.apps.chain.fake_node import Fail, FakeNode, Hangup, QuickClock, Then
from tests.support.chain import ALICE

RUNTIME = Runtime(described(), Version(1, 1))
ACCOUNT_KEY = RUNTIME.storage_key("System", "Account", ALICE)
EVENTS_KEY = RUNTIME.storage_key("System", "Events")
INFO = {"weight": {"ref_time": 1, "proof_size": 0}, "class": "Normal", "pays_fee": "Yes"}
FREE = {"free": 5, "reserved": 0, "frozen": 0, "flags": 0}


def block_hash(number: int) -> str:
    return "0x" + blake2_256(b"block%d" % number).hex()


def encoded(pallet: str, item: str, value: Value) -> str:
    data = RUNTIME.codecs.encode(RUNTIME.storage_item(pallet, item).value, value)
    return "0x" + data.hex()


class Ledger:
    """Blocks of submitted transactions, of one account."""

    def __init__(self, *script: str | int) -> None:
        """A script's step is a code to refuse with, or the name of a method below."""
        self.script: deque[str | int] = deque(script)
        self.blocks: list[list[str]] = [[], []]
        self.failing: set[str] = set()
        self.stored: dict[str, str] = {}
        self.upgraded_at: int | None = None
        self.replies: dict[str, Any] = {}
        self.missing: set[str] = set()
        self.hang_ups: set[str] = set()
        self.discarded_below = 0
        self.discards_to_tell: int | None = None
        self.submitted: list[str] = []
        self.node = FakeNode(self.answer)
        self.used = 0

    def answer(self, method: str, params: list[Any]) -> Any:
        """Answer a method as a node does."""
        name = method.partition("_")[2]
        if name in self.hang_ups:
            self.hang_ups.discard(name)
            raise Hangup
        if name in self.replies:
            return self.replies[name]
        if name in self.missing or not hasattr(self, f"on_{name}"):
            raise LookupError(method)
        return getattr(self, f"on_{name}")(*params)

    # --- methods

    def on_getFinalizedHead(self) -> str:  # noqa: N802  # the node's name
        return block_hash(len(self.blocks) - 1)

    def on_getBlockHash(self, number: int | None = None) -> str | None:  # noqa: N802
        wanted = len(self.blocks) - 1 if number is None else number
        return block_hash(wanted) if wanted < len(self.blocks) else None

    def on_getHeader(self, block: str) -> dict[str, Any]:  # noqa: N802
        number = self.number_of(block)
        return {"number": hex(number), "parentHash": block_hash(number - 1) if number else "0x" + "00" * 32}

    def on_getBlock(self, block: str) -> dict[str, Any] | None:  # noqa: N802
        number = self.number_of(block)
        return {"block": {"header": self.on_getHeader(block), "extrinsics": self.blocks[number]}}

    def on_getRuntimeVersion(self, block: str) -> dict[str, int]:  # noqa: N802
        is_new = self.upgraded_at is not None and self.number_of(block) >= self.upgraded_at
        return {"specVersion": 2 if is_new else 1, "transactionVersion": 1}

    def on_subscribeRuntimeVersion(self) -> str:  # noqa: N802
        return "versions"

    def on_unsubscribeRuntimeVersion(self, _: str) -> bool:  # noqa: N802
        return True

    def on_call(self, name: str, data: str, block: str | None = None) -> str:
        assert (name, data) == ("Metadata_metadata_at_version", "0x0f000000")
        opaque: bytes = codec(bytes | None).encode(raw_metadata(15))
        return "0x" + opaque.hex()

    def on_accountNextIndex(self, address: str) -> int:  # noqa: N802
        return self.used

    def on_getStorage(self, key: str, block: str | None = None) -> str | None:  # noqa: N802
        number = len(self.blocks) - 1 if block is None else self.number_of(block)
        if number < self.discarded_below and self.discards_to_tell != 0:
            if self.discards_to_tell is not None:
                self.discards_to_tell -= 1
            raise Fail(4003)
        if key == "0x" + ACCOUNT_KEY.hex():
            nonce = sum(len(one) for one in self.blocks[: number + 1])
            account = {"nonce": nonce, "consumers": 0, "providers": 1, "sufficients": 0, "data": FREE}
            return encoded("System", "Account", account)
        if key == "0x" + EVENTS_KEY.hex():
            events = [self.event_of(index, one) for index, one in enumerate(self.blocks[number])]
            return encoded("System", "Events", events)
        return self.stored.get(key)

    def on_getKeysPaged(self, prefix: str, count: int, start: str | None, block: str) -> list[str]:  # noqa: N802
        keys = sorted(key for key in self.stored if key.startswith(prefix))
        return [key for key in keys if start is None or key > start][:count]

    def on_queryStorageAt(self, keys: list[str], block: str) -> list[dict[str, Any]]:  # noqa: N802
        return [{"block": block, "changes": [[key, self.stored.get(key)] for key in keys]}]

    def on_submitAndWatchExtrinsic(self, extrinsic: str) -> Any:  # noqa: N802
        self.submitted.append(extrinsic)
        step = self.script.popleft() if self.script else "include"
        if isinstance(step, int):
            raise Fail(step)
        return Then(f"watch{len(self.submitted)}", lambda: getattr(self, step)(extrinsic))

    def on_unwatchExtrinsic(self, _: str) -> bool:  # noqa: N802
        return True

    # --- steps of the script

    async def include(self, extrinsic: str) -> None:
        """Put it into a block and say so."""
        self.add(extrinsic)
        await self.say({"finalized": block_hash(len(self.blocks) - 1)})

    async def include_and_hang_up(self, extrinsic: str) -> None:
        """Put it into a block, and end before anybody hears of it."""
        self.add(extrinsic)
        await self.node.sockets[-1].close()

    async def forget(self, extrinsic: str) -> None:
        """End without a trace of it, as a node that is killed."""
        await self.node.sockets[-1].close()

    async def call_invalid(self, extrinsic: str) -> None:
        """Drop it from the pool."""
        await self.say("invalid")

    async def include_and_discard(self, extrinsic: str) -> None:
        """Put it into a block, and two more, and keep only the state of the last."""
        self.add(extrinsic)
        self.blocks += [[], []]
        self.discarded_below = len(self.blocks) - 1
        await self.say({"finalized": block_hash(len(self.blocks) - 3)})

    async def hold(self, extrinsic: str) -> None:
        """Keep it in the pool."""
        await self.say("ready")

    async def supersede(self, extrinsic: str) -> None:
        """Include three others, of its nonce and the next two."""
        for number in range(3):
            self.add(f"{extrinsic}{number:02}")
        await self.say({"usurped": block_hash(0)})

    async def leave_one_block(self, extrinsic: str) -> None:
        """Make empty blocks until one is left in its era, which begins with block 1."""
        self.blocks += [[] for _ in range(PERIOD - len(self.blocks))]
        await self.say("dropped")

    async def leave_no_block(self, extrinsic: str) -> None:
        """Make empty blocks until its era ends."""
        self.blocks += [[] for _ in range(PERIOD + 1 - len(self.blocks))]
        await self.say("dropped")

    # --- parts

    def nonces(self) -> list[int]:
        """Return the nonces of the different transactions in the order of their first submission."""
        decode = consortium().api.decode_extrinsic
        found = [decode(bytes.fromhex(one[2:])) for one in dict.fromkeys(self.submitted)]
        return [next(part for part in one.extra if isinstance(part, int)) for one in found]

    def add(self, extrinsic: str) -> None:
        """Put a transaction into a block of its own."""
        self.blocks.append([extrinsic])
        self.used += 1

    async def say(self, status: Any) -> None:
        """Send a status of the latest submission."""
        await self.node.push(f"watch{len(self.submitted)}", status)

    def number_of(self, block: str) -> int:
        """Return the number of a block."""
        return next(number for number in range(len(self.blocks)) if block_hash(number) == block)

    def event_of(self, index: int, extrinsic: str) -> Value:
        """Return what System says of a transaction."""
        error = {"Module": {"index": 10, "error": b"\2\0\0\0"}}
        failed = {"ExtrinsicFailed": {"dispatch_error": error, "dispatch_info": INFO}}
        name = failed if extrinsic in self.failing else {"ExtrinsicSuccess": {"dispatch_info": INFO}}
        return {"phase": Variant("ApplyExtrinsic", index), "event": {"System": name}, "topics": ()}


@asynccontextmanager
async def connected_to(ledger: Ledger, **limits: Any) -> AsyncIterator[Chain]:
    """Connect to the chain with a clock that does not wait."""
    settings = ConnectionSettings(**limits)
    async with ledger.node as node, Chain.connect(node.url, clock=QuickClock(), settings=settings) as chain:
        yield chain
