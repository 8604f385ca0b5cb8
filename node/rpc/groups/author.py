"""`author_*`: submitting transactions, following them, and looking into the pool."""

from __future__ import annotations

from collections.abc import Sequence

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
from node.rpc.jsonrpc import RpcError
from node.rpc.methods import batch_of, method, subscription
from node.rpc.subscriptions import Sink
from runtime.frame.validity import InvalidTransaction, TransactionError
from runtime.primitives.scale import DecodeError

ENDS = (Finalized, FinalityTimeout, Usurped, Dropped, Invalid)


class AuthorMethods:
    """The methods of one chain."""

    def __init__(self, context: ChainContext) -> None:
        self._intake = context.intake

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

        def watcher(event: PoolEvent) -> None:
            sink.send(status_json(event))
            if isinstance(event, ENDS):
                sink.close()

        outcome = await self._intake.submit_and_watch(extrinsic, watcher)
        if isinstance(outcome, Exception):
            raise refusal_error(outcome)
        sink.on_close(lambda: self._intake.unwatch(outcome, watcher))

    @method("author_pendingExtrinsics")
    def pending(self) -> list[str]:
        """The ready extrinsics of the pool."""
        pool = self._intake.pool
        return [hex_of(transaction.data) for transaction in (*pool.taken(), *pool.ready())]


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
