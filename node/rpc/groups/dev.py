"""`engine_*` and `dev_*`: blocks by hand and time travel, on dev chains only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from node.authoring.author import EmptyBlock
from node.chain.errors import ConflictingCertificate, UnknownBlock
from node.consensus.guard import GuardRefused
from node.rpc.groups.author import refusal_error
from node.rpc.groups.context import ChainContext, hex_of
from node.rpc.jsonrpc import RpcError
from node.rpc.methods import method
from node.rpc.params import Bound, Hash32
from node.storage.states import StateDiscarded
from runtime.primitives.types import Hash

BLOCKS_MAX = 1000
EMPTY_ERROR = 6000
BLOCK_ERROR = 8000
CONSENSUS_ERROR = 4000
"""Codes of sc-consensus-manual-seal: no such block, and refused by the rules of finality."""
TIME_MAX_MS = (1 << 53) - 1
"""The largest integer that a JavaScript client reads exactly, and far below what a u64 holds."""


@dataclass(frozen=True, slots=True)
class NewBlock:
    """How many blocks, up to which number, with which transactions first."""

    count: int = 1
    to: int | None = None
    transactions: Annotated[list[bytes], Bound(BLOCKS_MAX)] | None = None


class DevMethods:
    """The methods of one dev chain."""

    def __init__(self, context: ChainContext) -> None:
        self._context = context

    @method("engine_createBlock", dev=True)
    async def create_block(
        self,
        create_empty: bool,  # noqa: FBT001  # JSON-RPC parameters are positional
        finalize: bool,  # noqa: FBT001  # JSON-RPC parameters are positional
        parent_hash: Hash32 | None = None,
    ) -> dict[str, object]:
        """Make a block of what the pool holds; with `finalize` it is final when the call returns."""
        if parent_hash is not None and parent_hash != self._context.chain.head.hash:
            raise RpcError(BLOCK_ERROR, "blocks are made on the best block only")
        try:
            made = await self._context.author.create(create_empty=create_empty)
        except EmptyBlock as error:
            raise RpcError(EMPTY_ERROR, str(error)) from error
        if finalize:
            await self._finalize(made.info.hash)
        aux = {"header_only": False, "clear_justification_requests": False, "needs_justification": False}
        aux |= {"bad_justification": False, "is_new_best": made.best is not None}
        return {"hash": hex_of(made.info.hash), "aux": aux}

    @method("engine_finalizeBlock", dev=True)
    async def finalize_block(self, hash: Hash32, justification: bytes | None = None) -> bool:  # noqa: A002  # Substrate's name
        """Finalize a block and its ancestors; the certificate is made by this node's own key."""
        del justification
        await self._finalize(Hash(hash))
        return True

    @method("dev_newBlock", dev=True)
    async def new_block(self, options: NewBlock | None = None) -> str:
        """Make blocks by count or up to a number; returns the hash of the last."""
        chosen = options or NewBlock()
        if chosen.transactions:
            for outcome in await self._context.intake.submit(chosen.transactions):
                if isinstance(outcome, Exception):
                    raise refusal_error(outcome)
        chain = self._context.chain
        count = chosen.count if chosen.to is None else chosen.to - chain.head.number
        if not 0 < count <= BLOCKS_MAX:
            raise RpcError(-32602, f"Invalid params: 1 to {BLOCKS_MAX} blocks can be made, not {count}")
        for _ in range(count):
            await self._context.author.create(create_empty=True)
        return hex_of(chain.head.hash)

    @method("dev_timeTravel", dev=True)
    def time_travel(self, time: int) -> int:
        """Let the next block have this time in milliseconds since 1970; returns it."""
        if not 0 < time <= TIME_MAX_MS:
            raise RpcError(-32602, f"Invalid params: the time must be from 1 to {TIME_MAX_MS}, not {time}")
        self._context.author.travel_to(time)
        return time

    async def _finalize(self, block: Hash) -> None:
        try:
            await self._context.finalize(block)
        except (UnknownBlock, StateDiscarded, ConflictingCertificate) as error:
            raise RpcError(BLOCK_ERROR, f"block cannot be finalized: {error}") from error
        except GuardRefused as error:
            raise RpcError(CONSENSUS_ERROR, f"block cannot be finalized: {error}") from error
