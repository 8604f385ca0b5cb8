"""`engine_*` and `dev_*`: blocks and storage by hand, time travel there and back, on dev chains only.

Names and parameters of `dev_*` are those of chopsticks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from node.authoring.author import EmptyBlock
from node.authoring.rehearsal import Unbuildable
from node.chain.errors import ConflictingCertificate, UnknownBlock
from node.chain.events import Imported
from node.config import InstantSeal, IntervalSeal, ManualSeal, Seal
from node.consensus.guard import GuardRefused
from node.rpc.groups.author import refusal_error
from node.rpc.groups.context import ChainContext, hex_of
from node.rpc.groups.dry_run import DryRun, dry_run
from node.rpc.groups.overrides import StorageValues, make_item
from node.rpc.jsonrpc import INVALID_PARAMS, RpcError
from node.rpc.methods import method
from node.rpc.params import MAX_U32, Bound, Hash32, Integer
from node.storage.blocks import TooManyUnfinalizedError
from node.storage.states import StateDiscarded
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi
from runtime.primitives.block import PreRuntime
from runtime.primitives.crypto import verify
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


SEALS: dict[str, Seal] = {"batch": IntervalSeal(None), "instant": InstantSeal(), "manual": ManualSeal()}
"""Substrate's word for each of chopsticks' modes."""
Mode = Literal["Batch", "Instant", "Manual", "batch", "instant", "manual"]


class Workbench(Protocol):
    """What a developer may do to a chain beside making blocks."""

    async def set_storage(self, item: PreRuntime) -> Imported:
        """Make a block that sets storage by hand; Unbuildable when the chain could not go on."""
        ...

    async def set_head(self, block_hash: Hash) -> None:
        """Take the chain back to a block; UnknownBlock or StateDiscarded when it cannot be."""
        ...

    async def set_seal(self, seal: Seal) -> None:
        """Make blocks in another way from now on."""
        ...


class DevMethods:
    """The methods of one dev chain."""

    def __init__(self, context: ChainContext, bench: Workbench) -> None:
        self._context = context
        self._bench = bench

    @method("engine_createBlock", dev=True)
    async def create_block(
        self,
        create_empty: bool,  # noqa: FBT001  # JSON-RPC parameters are positional
        finalize: bool,  # noqa: FBT001  # JSON-RPC parameters are positional
        parent_hash: Hash32 | None = None,
    ) -> dict[str, object]:
        """Make a block of what the pool holds; with `finalize` it is final when the call returns."""
        self._ensure_best(parent_hash)
        try:
            with _making():
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
            with _making():
                await self._context.author.create(create_empty=True)
        return hex_of(chain.head.hash)

    @method("dev_timeTravel", dev=True)
    def time_travel(self, time: int) -> int:
        """Let the next block have this time in milliseconds since 1970; returns it."""
        if not 0 < time <= TIME_MAX_MS:
            raise RpcError(-32602, f"Invalid params: the time must be from 1 to {TIME_MAX_MS}, not {time}")
        self._context.author.travel_to(time)
        return time

    @method("dev_setStorage", dev=True)
    async def set_storage(self, values: StorageValues, block_hash: Hash32 | None = None) -> str:
        """Set storage values in a block of their own, which holds no transactions; returns its hash.

        `values` are pairs of raw key and raw value, or pallets with their items by name and JSON values;
        null removes an entry, and `$removePrefix` lists items of a pallet that lose all of theirs.
        """
        self._ensure_best(block_hash)
        with self._context.runtime(None) as api:
            item = make_item(api, values)
        try:
            with _making():
                made = await self._bench.set_storage(item)
        except Unbuildable as error:
            text = f"Invalid params: the chain could not go on with these values: {error}"
            raise RpcError(INVALID_PARAMS, text) from error
        return hex_of(made.info.hash)

    @method("dev_setHead", dev=True)
    async def set_head(self, hash_or_number: Hash32 | Annotated[int, Integer(-MAX_U32, MAX_U32)]) -> str:
        """Take the chain back to a block of the best branch, finalized ones above it too; returns its hash.

        A negative number counts back from the best block. Transactions that are still valid are in the pool
        again, as far as it has room. No block is voted for twice under one number: new blocks are final only
        with the first one above all that were voted for.
        """
        block = self._find(hash_or_number)
        try:
            await self._bench.set_head(block)
        except (UnknownBlock, StateDiscarded) as error:
            raise RpcError(BLOCK_ERROR, f"head cannot be set: {error}") from error
        return hex_of(block)

    @method("dev_setBlockBuildMode", dev=True)
    async def set_block_build_mode(self, mode: Mode) -> None:
        """Make blocks by interval (`Batch`), whenever there is a transaction (`Instant`), or only when asked
        for (`Manual`); those sealed by hand are finalized by hand."""
        if not self._context.is_authority:
            raise RpcError(CONSENSUS_ERROR, "this node is no authority and makes no blocks")
        await self._bench.set_seal(SEALS[mode.lower()])

    @method("dev_dryRun", dev=True)
    def dry_run(self, options: DryRun) -> dict[str, object]:
        """Outcome of an extrinsic, or of a call as if an address had signed it, in a block after a given one,
        and the storage that it would change as [key, old, new]; nothing stays."""
        wanted = options.ensure_supported()
        at = self._context.chain.head.hash if options.at is None else self._find(options.at)
        with self._context.runtime(at) as api:
            parent = self._context.chain.header(at)
            assert parent is not None, "a block with a state has a header"
            return dry_run(api, (parent.number, at), wanted, lambda one: self._is_signed(api, one))

    def _is_signed(self, api: RuntimeApi, extrinsic: Extrinsic) -> bool:
        job = api.signature_job(extrinsic)
        return self._context.intake.is_verified(extrinsic, job) or verify(*job)

    def _ensure_best(self, block: bytes | None) -> None:
        if block is not None and block != self._context.chain.head.hash:
            raise RpcError(BLOCK_ERROR, "blocks are made on the best block only")

    def _find(self, block: bytes | int) -> Hash:
        """Return the hash of a block of the best branch by number, negative to count back, or by hash."""
        if isinstance(block, bytes):
            return Hash(block)
        number = block if block >= 0 else self._context.chain.head.number + block
        found = self._context.chain.hash_at(number)
        if found is None:
            raise RpcError(BLOCK_ERROR, f"there is no block {number} on the best branch")
        return found

    async def _finalize(self, block: Hash) -> None:
        try:
            await self._context.finalize(block)
        except (UnknownBlock, StateDiscarded, ConflictingCertificate) as error:
            raise RpcError(BLOCK_ERROR, f"block cannot be finalized: {error}") from error
        except GuardRefused as error:
            raise RpcError(CONSENSUS_ERROR, f"block cannot be finalized: {error}") from error


@contextmanager
def _making() -> Iterator[None]:
    """Tell the caller when there are so many blocks to be finalized that no other can be made."""
    try:
        yield
    except TooManyUnfinalizedError as error:
        raise RpcError(BLOCK_ERROR, f"no block can be made: {error}; finalize some first") from error
