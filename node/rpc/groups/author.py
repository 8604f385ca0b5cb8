"""`author_*`: submitting transactions, following them, and looking into the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from node.authoring.intake import Refusal
from node.pool.errors import PoolError
from node.pool.watch import (
    Broadcast,
    Dropped,
    FinalityTimeout,
    Finalized,
    Future,
    InBlock,
    Invalid,
    PoolEvent,
    Ready,
    Retracted,
    Usurped,
)
from node.rpc.groups.context import ChainContext, hex_of
from node.rpc.jsonrpc import INVALID_PARAMS, RpcError
from node.rpc.methods import batch_of, method, subscription
from node.rpc.params import Bound, Hash32
from node.rpc.subscriptions import Sink
from runtime.frame.validity import InvalidTransaction, TransactionError
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash

REMOVED_MAX = 1000
ENDS = (Finalized, FinalityTimeout, Usurped, Dropped, Invalid)


@dataclass(frozen=True, slots=True)
class ExtrinsicOrHash:
    """What names a transaction: its hash or its bytes."""

    hash: Hash32 | None = None
    extrinsic: bytes | None = None


class AuthorMethods:
    """The methods of one chain."""

    def __init__(self, context: ChainContext) -> None:
        self._intake = context.intake
        self._in_block_s = context.in_block_s
        self._author = context.author

    @method("author_submitExtrinsic")
    async def submit(self, extrinsic: bytes) -> str:
        """Submit an extrinsic to the pool; returns its hash."""
        (outcome,) = await self._intake.submit([extrinsic])
        if isinstance(outcome, Exception):
            raise refusal_error(outcome)
        return hex_of(outcome)

    @batch_of("author_submitExtrinsic")
    async def submit_many(self, extrinsics: Sequence[bytes]) -> list[object]:
        """Submit many extrinsics at once."""
        outcomes = await self._intake.submit(extrinsics)
        return [refusal_error(o) if isinstance(o, Exception) else hex_of(o) for o in outcomes]

    @subscription(
        "author_submitAndWatchExtrinsic",
        unsubscribe=["author_unwatchExtrinsic"],
        notification="author_extrinsicUpdate",
    )
    async def submit_and_watch(self, sink: Sink, extrinsic: bytes) -> None:
        """Submit an extrinsic and follow its statuses until it is finalized or gone."""
        clock = asyncio.get_running_loop()
        shown_until = 0.0

        def show(event: PoolEvent) -> None:
            sink.send(status_json(event))
            if isinstance(event, ENDS):
                sink.close()

        def watcher(event: PoolEvent) -> None:
            nonlocal shown_until
            if isinstance(event, Finalized) and clock.time() < shown_until:
                clock.call_at(shown_until, show, event)
                return
            if isinstance(event, InBlock):
                shown_until = clock.time() + self._in_block_s
            show(event)

        outcome = await self._intake.submit_and_watch(extrinsic, watcher)
        if isinstance(outcome, Exception):
            raise refusal_error(outcome)
        sink.on_close(lambda: self._intake.unwatch(outcome, watcher))

    @method("author_pendingExtrinsics")
    def pending(self) -> list[str]:
        """The ready extrinsics of the pool."""
        pool = self._intake.pool
        return [hex_of(transaction.data) for transaction in (*pool.taken(), *pool.ready())]

    @method("author_removeExtrinsic", unsafe=True)
    async def remove(self, bytes_or_hash: Annotated[list[ExtrinsicOrHash], Bound(REMOVED_MAX)]) -> list[str]:
        """Remove transactions, each given by `hash` or `extrinsic`, from the pool and ban them for a while;
        returns the hashes of those that were in it."""
        hashes = list(dict.fromkeys(_hash_of(one) for one in bytes_or_hash))
        return [hex_of(one) for one in await self._author.remove(hashes)]


def _hash_of(one: ExtrinsicOrHash) -> Hash:
    if one.hash is not None and one.extrinsic is None:
        return one.hash
    if one.extrinsic is not None and one.hash is None:
        return Hash(blake2_256(one.extrinsic))
    raise RpcError(INVALID_PARAMS, "Invalid params: each entry has either `hash` or `extrinsic`")


def status_json(event: PoolEvent) -> object:  # noqa: C901, PLR0911  # one arm per status
    """Return a transaction status as JSON-RPC shows it."""
    match event:
        case Future():
            return "future"
        case Ready():
            return "ready"
        case Broadcast(peers=peers):
            return {"broadcast": list(peers)}
        case InBlock(block=block):
            return {"inBlock": hex_of(block)}
        case Retracted(block=block):
            return {"retracted": hex_of(block)}
        case Finalized(block=block):
            return {"finalized": hex_of(block)}
        case FinalityTimeout(block=block):
            return {"finalityTimeout": hex_of(block)}
        case Usurped(by=by):
            return {"usurped": hex_of(by)}
        case Dropped():
            return "dropped"
        case Invalid():
            return "invalid"


def refusal_error(refusal: Refusal) -> RpcError:
    """Return the JSON-RPC error that clients know for a refusal."""
    match refusal:
        case PoolError():
            return RpcError(refusal.code, refusal.message, refusal.data)
        case InvalidTransaction():
            return RpcError(1010, "Invalid Transaction", refusal.message())
        case TransactionError():
            return RpcError(1011, "Unknown Transaction Validity", refusal.message())
        case DecodeError():
            return RpcError(1001, f"Extrinsic has invalid format: {refusal}")
