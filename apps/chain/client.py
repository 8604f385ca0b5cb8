"""A chain, as programs use it: what it stores, what its runtime answers, what happened in its blocks.

`Chain.connect(url)` is the way in. Responsible for asking the right node methods and for the runtime that
fits the block: it follows upgrades, and blocks of the past are read with the runtime of their time. Sending
transactions so that each takes effect once is `sender.py`'s.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, NamedTuple

from apps.chain.answers import as_bytes, as_hash, to_hex
from apps.chain.connection import Connection, ConnectionSettings, Json, Subscription
from apps.chain.errors import AnswerError, ClientError, RpcFailure
from apps.chain.metadata import decode_metadata
from apps.chain.runtime import DispatchFailure, EventRecord, Runtime, Version
from apps.chain.transaction import Terms, hash_of, sign_call
from apps.chain.values import Encoded, Value
from apps.clock import Clock, SystemClock
from runtime.primitives.crypto import Keypair
from runtime.primitives.era import mortal_era
from runtime.primitives.scale import DecodeError, codec
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import ZERO_HASH, AccountId, Hash

METADATA_VERSION: Final = 15
PERIOD: Final = 64
"""Blocks for which a transaction may be included, as wallets have it."""
PAGE_MAX: Final = 1000
"""Entries that a node lists at once."""
RUNTIMES_MAX: Final = 4
VERSIONS_MAX: Final = 4096
"""Blocks whose runtime's version is remembered."""
CONTENTS_MAX: Final = 8
"""Blocks that are remembered whole."""
_RETRY_S: Final = 1.0
_OPAQUE: Final = codec(bytes | None)


class BlockRef(NamedTuple):
    """A block by number and hash."""

    number: int
    hash: Hash


class Signed(NamedTuple):
    """A transaction that may be included after block `born` and before block `dies`."""

    extrinsic: bytes
    hash: Hash
    nonce: int
    born: int
    dies: int


class Outcome(NamedTuple):
    """What became of a transaction: where it is, its events, and why its call failed if it did."""

    block: BlockRef
    extrinsic: int
    events: tuple[EventRecord, ...]
    failure: DispatchFailure | None

    @property
    def is_success(self) -> bool:
        """Whether the call took effect."""
        return self.failure is None


class _Content(NamedTuple):
    """A block, and the runtime that executed it."""

    runtime: Runtime
    extrinsics: tuple[bytes, ...]
    events: tuple[EventRecord, ...]


class Chain:
    """One chain through one connection; made by `connect`."""

    def __init__(self, connection: Connection, clock: Clock, genesis: Hash, runtime: Runtime) -> None:
        self.connection = connection
        self.clock = clock
        self.genesis = genesis
        self.runtime = runtime
        self._runtimes = OrderedDict({runtime.version.spec_version: runtime})
        self._versions: OrderedDict[Hash, int] = OrderedDict()
        self._contents: OrderedDict[Hash, _Content] = OrderedDict()
        self._reading = asyncio.Lock()
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str, *, clock: Clock | None = None, settings: ConnectionSettings | None = None
    ) -> AsyncIterator[Chain]:
        """Connect to a node's WebSocket address for as long as the context lasts; ConnectionLost when it
        cannot be reached in time."""
        time = SystemClock() if clock is None else clock
        async with Connection(url, time, settings or ConnectionSettings()) as connection:
            genesis = as_hash(await connection.request("chain_getBlockHash", 0))
            best = as_hash(await connection.request("chain_getBlockHash"))
            version = _as_version(await connection.request("state_getRuntimeVersion", to_hex(best)))
            chain = cls(connection, time, genesis, await _load_runtime(connection, best, version))
            await chain._group.__aenter__()
            chain.start(chain._follow_upgrades())
            try:
                yield chain
            finally:
                for task in tuple(chain._running):
                    task.cancel()
                await chain._group.__aexit__(None, None, None)

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Let work go on beside the caller, until the chain is left at the latest."""
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    # --- blocks

    async def finalized(self) -> BlockRef:
        """Return the last finalized block."""
        return await self.ref(as_hash(await self.connection.request("chain_getFinalizedHead")))

    async def best(self) -> BlockRef:
        """Return the best block."""
        return await self.ref(as_hash(await self.connection.request("chain_getBlockHash")))

    async def ref(self, block: Hash) -> BlockRef:
        """Return the number of a block with its hash; AnswerError when the node does not know it."""
        header = await self._header(block)
        try:
            return BlockRef(int(header["number"], 16), block)
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError("a header names its number") from error

    async def block_hash(self, number: int) -> Hash | None:
        """Return the hash of the best chain's block of a number, None while there is none."""
        found = await self.connection.request("chain_getBlockHash", number)
        return None if found is None else as_hash(found)

    async def extrinsics(self, block: Hash) -> tuple[bytes, ...]:
        """Return the extrinsics of a block in order; AnswerError when the node does not know it."""
        return (await self._content(block)).extrinsics

    async def events(self, block: Hash) -> tuple[EventRecord, ...]:
        """Return the events of a block in order."""
        return (await self._content(block)).events

    def follow_finalized(self) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to the headers of finalized blocks, as JSON; some are missing after a lost connection."""
        method = "chain_subscribeFinalizedHeads"
        return self.connection.subscribe(method, unsubscribe="chain_unsubscribeFinalizedHeads")

    def follow_best(self) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to the headers of best blocks, as JSON; some are missing after a lost connection."""
        return self.connection.subscribe("chain_subscribeNewHeads", unsubscribe="chain_unsubscribeNewHeads")

    async def outcome(self, block: BlockRef, extrinsic: bytes) -> Outcome | None:
        """Return what became of a transaction in a block, None when it is not in it."""
        content = await self._content(block.hash)
        if extrinsic not in content.extrinsics:
            return None
        index = content.extrinsics.index(extrinsic)
        events = tuple(one for one in content.events if one.extrinsic == index)
        failed = [one.value for one in events if (one.pallet, one.name) == ("System", "ExtrinsicFailed")]
        failure = content.runtime.describe_failure(failed[0]["dispatch_error"]) if failed else None
        return Outcome(block, index, events, failure)

    # --- state

    async def get(self, pallet: str, item: str, *keys: Value, at: Hash | None = None) -> Value:
        """Return the value of an entry in the state of a block, by default the best one."""
        runtime = await self.runtime_at(at)
        if len(keys) != (count := len(runtime.storage_item(pallet, item).keys)):
            raise TypeError(f"{pallet}.{item} has {count} keys, got {len(keys)}")
        return runtime.decode_value(
            pallet, item, await self._stored(runtime.storage_key(pallet, item, *keys), at)
        )

    async def entries(
        self, pallet: str, item: str, *keys: Value, at: Hash | None = None, page: int = 256
    ) -> AsyncIterator[tuple[tuple[Value, ...], Value]]:
        """Yield keys and value of each entry of a map, of those that begin with `keys`; all of one block."""
        assert 0 < page <= PAGE_MAX, f"a page has 1 to {PAGE_MAX} entries"
        block = at or (await self.best()).hash
        runtime = await self.runtime_at(block)
        prefix = runtime.storage_key(pallet, item, *keys)
        last: str | None = None
        while True:
            listed = await self.connection.request(
                "state_getKeysPaged", to_hex(prefix), page, last, to_hex(block)
            )
            if not listed:
                return
            sets = await self.connection.request("state_queryStorageAt", listed, to_hex(block))
            for key, value in _changes(sets):
                yield runtime.decode_keys(pallet, item, key), runtime.decode_value(pallet, item, value)
            last = listed[-1]

    def constant(self, pallet: str, name: str) -> Value:
        """Return the value of a constant."""
        return self.runtime.constant(pallet, name)

    async def ask(self, api: str, method: str, *arguments: Value, at: Hash | None = None) -> Value:
        """Return what a function of a runtime API answers at a block, by default the best one."""
        runtime = await self.runtime_at(at)
        told = runtime.api(api, method)
        data = runtime.encode_arguments(told, arguments)
        name = f"{api}_{method}"
        answer = await self.connection.request("state_call", name, to_hex(data), *_optional(at))
        return runtime.codecs.decode(told.output, as_bytes(answer))

    # --- transactions

    def call(self, pallet: str, name: str, /, **arguments: Value) -> Encoded:
        """Return a call, to be signed or given as an argument of another one."""
        return self.runtime.call(pallet, name, **arguments)

    async def next_nonce(self, account: AccountId) -> int:
        """Return the next nonce of an account, its transactions in the pool counted."""
        answer = await self.connection.request("system_accountNextIndex", encode_address(account, 42))
        if not isinstance(answer, int):
            raise AnswerError("a nonce is a number")
        return answer

    async def sign(
        self, call: Encoded, signer: Keypair, *, nonce: int, tip: int = 0, period: int = PERIOD
    ) -> Signed:
        """Return a transaction that may be included in the next `period` blocks, a power of two."""
        now = await self.finalized()
        era = mortal_era(period, now.number)
        born = era.birth(now.number)
        birth = now.hash if born == now.number else await self.block_hash(born)
        assert birth is not None, "the blocks before the last finalized one are known"
        terms = Terms(nonce, tip, era, birth)
        extrinsic = sign_call(self.runtime, self.genesis, call, signer, terms)
        return Signed(extrinsic, hash_of(extrinsic), nonce, now.number, era.death(now.number))

    async def submit(self, extrinsic: bytes) -> Hash:
        """Give a transaction to the node's pool; return its hash."""
        return as_hash(await self.connection.request("author_submitExtrinsic", to_hex(extrinsic)))

    def watch(self, extrinsic: bytes) -> AbstractAsyncContextManager[Subscription]:
        """Submit a transaction and subscribe to its statuses, as JSON."""
        return self.connection.subscribe(
            "author_submitAndWatchExtrinsic",
            to_hex(extrinsic),
            unsubscribe="author_unwatchExtrinsic",
            resumes=False,
        )

    # --- runtimes

    async def runtime_at(self, block: Hash | None) -> Runtime:
        """Return the runtime that reads the state of a block: the one that executes the block after it."""
        if block is None:
            return self.runtime
        spec = self._versions.get(block)
        if spec is None or spec not in self._runtimes:
            return await self._learn(block)
        return self._runtimes[spec]

    async def _learn(self, block: Hash) -> Runtime:
        version = _as_version(await self.connection.request("state_getRuntimeVersion", to_hex(block)))
        if version.spec_version not in self._runtimes:
            made = await _load_runtime(self.connection, block, version)
            while len(self._runtimes) >= RUNTIMES_MAX:
                self._runtimes.popitem(last=False)
            self._runtimes[version.spec_version] = made
        while len(self._versions) >= VERSIONS_MAX:
            self._versions.popitem(last=False)
        self._versions[block] = version.spec_version
        return self._runtimes[version.spec_version]

    async def _follow_upgrades(self) -> None:
        while True:
            try:
                async with self.connection.subscribe(
                    "state_subscribeRuntimeVersion", unsubscribe="state_unsubscribeRuntimeVersion"
                ) as versions:
                    async for version in versions:
                        await self._follow(_as_version(version))
            except ClientError:
                await self.clock.sleep(_RETRY_S)

    async def _follow(self, version: Version) -> None:
        if version.spec_version != self.runtime.version.spec_version:
            best = await self.best()
            self.runtime = await self._learn(best.hash)

    # --- asking

    async def _content(self, block: Hash) -> _Content:
        async with self._reading:  # the many transactions of one block ask for it at the same time
            known = self._contents.get(block)
            if known is not None:
                return known
            made = await self._read_content(block)
            while len(self._contents) >= CONTENTS_MAX:
                self._contents.popitem(last=False)
            self._contents[block] = made
            return made

    async def _read_content(self, block: Hash) -> _Content:
        """Read a block with the runtime that executed it, which its parent's state names."""
        found = await self.connection.request("chain_getBlock", to_hex(block))
        try:
            extrinsics = tuple(as_bytes(one) for one in found["block"]["extrinsics"])
            parent = as_hash(found["block"]["header"]["parentHash"])
        except (TypeError, KeyError) as error:
            raise AnswerError(f"the node does not know block {to_hex(block)}") from error
        runtime = await self.runtime_at(block if parent == ZERO_HASH else parent)
        stored = await self._stored(runtime.storage_key("System", "Events"), block)
        return _Content(runtime, extrinsics, runtime.decode_events(stored))

    async def _header(self, block: Hash) -> dict[str, Json]:
        header = await self.connection.request("chain_getHeader", to_hex(block))
        if not isinstance(header, dict):
            raise AnswerError(f"the node does not know block {to_hex(block)}")
        return header

    async def _stored(self, key: bytes, at: Hash | None) -> bytes | None:
        found = await self.connection.request("state_getStorage", to_hex(key), *_optional(at))
        return None if found is None else as_bytes(found)


async def _load_runtime(connection: Connection, block: Hash, version: Version) -> Runtime:
    """Return the runtime that metadata of a block describes: version 15, or 14 where there is no other."""
    wanted = METADATA_VERSION.to_bytes(4, "little")
    try:
        answer = await connection.request(
            "state_call", "Metadata_metadata_at_version", to_hex(wanted), to_hex(block)
        )
        found: bytes | None = _OPAQUE.decode(as_bytes(answer))
    except RpcFailure:
        found = None
    except DecodeError as error:
        raise AnswerError("metadata is not what its function promises") from error
    if found is None:
        found = as_bytes(await connection.request("state_getMetadata", to_hex(block)))
    return Runtime(decode_metadata(found), version)


def _optional(block: Hash | None) -> list[str]:
    return [] if block is None else [to_hex(block)]


def _as_version(answer: Json) -> Version:
    try:
        version = Version(answer["specVersion"], answer["transactionVersion"])
    except (TypeError, KeyError) as error:
        raise AnswerError("a runtime's version has numbers of its specification and transactions") from error
    if any(type(number) is not int or number >> 32 for number in version):
        raise AnswerError("versions are numbers of 32 bits")
    return version


def _changes(sets: Json) -> list[tuple[bytes, bytes | None]]:
    try:
        return [
            (as_bytes(key), None if value is None else as_bytes(value)) for key, value in sets[0]["changes"]
        ]
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise AnswerError("values of a block come as pairs of key and value") from error
