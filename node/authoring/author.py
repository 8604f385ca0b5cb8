"""The author: opens a block on the head, executes ready transactions into it as they come, seals it in time.

Responsible for when a block is made (by interval, instantly, by hand), for its timestamp and author digest,
and for leaving the event loop its turns while it works. It knows no pallet: the time goes in as inherent
data. A transaction whose call crashes, by a fault of its pallet, is dropped and banned, since every node
would call a block with it invalid; the block is begun again without it. So is one that writes what its type
cannot hold, which shows when the block ends: the block is begun again with half as many, until one is alone.

The block's time is the slot's, fixed when the block is opened. One lock covers everything that moves the
head.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from node.authoring.intake import Intake
from node.authoring.rehearsal import Plan, rehearse
from node.authoring.turns import URGENT_SLICE_S, Turns
from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.events import Imported
from node.chain.execution import CONTENT_FAULTS
from node.chain.open_block import OpenBlock
from node.chain.rules import TIME_ENGINE, get_time
from node.clock import Clock
from node.pool.transaction import PoolTransaction
from runtime.frame.executive import InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.frame.validity import InvalidReason, InvalidTransaction, TransactionError
from runtime.primitives.block import DigestItem, PreRuntime
from runtime.primitives.types import Hash

T = TypeVar("T")
AUTHOR_ENGINE = b"BABE"
AUTHOR_TAG = 0x02
TIMESTAMP_INHERENT = b"timstap0"
SLICE_S = 0.01
"""How long transactions are executed between two turns of the event loop."""
ARRIVAL_WAIT_S = 0.05
"""How long a block that is being filled goes without a look at what it stands on."""
TAKEN_AT_ONCE = 25
"""Transactions taken from the pool between two looks at the clock, about 1 ms."""

log = structlog.get_logger("author")


class EmptyBlock(Exception):
    """There is nothing to include and an empty block was not asked for."""


class Author:
    """Makes the blocks of one authority."""

    def __init__(
        self,
        chain: Chain,
        intake: Intake,
        clock: Clock,
        authority_index: Callable[[], int | None],
        on_constructed: Callable[[float], None],
    ) -> None:
        """Author for a chain; `on_constructed` hears the seconds that each block took to build."""
        self.chain = chain
        self.intake = intake
        self.lock = asyncio.Lock()
        self._time_offset_ms = 0
        self._clock = clock
        self._authority_index = authority_index
        self._on_constructed = on_constructed
        self._worked_s = 0.0
        self._time_ms = 0
        self._block: OpenBlock | None = None
        self._full = False

    # --- modes

    async def run_interval(self, period_ms: int) -> None:
        """Make a block at every multiple of the period, for ever."""
        self.intake.is_drained = True
        while True:
            now = self._clock.now_ms()
            slot = now - now % period_ms + period_ms
            while (left := slot - self._clock.now_ms()) > 0:
                async with self.lock:
                    self._ensure_open(slot)
                    filled = self._fill()
                if filled:
                    await asyncio.sleep(0)
                else:
                    await self.intake.wait_arrival(left / 1000)
            async with self.lock:
                self._ensure_open(slot)
                await self._seal()

    async def run_instant(self) -> None:
        """Make a block whenever there is a ready transaction, for ever."""
        self.intake.is_drained = True
        while True:
            if not self.intake.pool.status.ready:
                await self.intake.wait_arrival(None)
            async with self.lock:
                self._open(self._now())
                if self._fill():
                    await self._finish()
                    continue
                self.stand_by()
            await self.intake.wait_arrival(None)

    async def create(self, *, create_empty: bool) -> Imported:
        """Make one block now; EmptyBlock when there is nothing for it and `create_empty` is false."""
        async with self.lock:
            if not create_empty and not self.intake.pool.status.ready:
                raise EmptyBlock("the pool has no ready transaction; ask for an empty block to get one")
            return await self._make()

    async def fill_on(self, parent: Hash, time_ms: int, budget_s: float) -> None:
        """Execute transactions into a block of this time as they come, until cancelled, or until something
        stands on the parent; for at most so long, since every validator has to execute them too."""
        self.intake.is_drained = True
        try:
            while True:
                async with self.lock:
                    if not await self._stand_on(parent):
                        return
                    self._ensure_open(time_ms)
                    filled = self._worked_s < budget_s and self._fill()
                if filled:
                    await asyncio.sleep(0)
                else:
                    await self.intake.wait_arrival(ARRIVAL_WAIT_S)
        finally:
            self.intake.is_drained = False

    async def build_on(self, parent: Hash) -> BlockInfo:
        """Make a block on a live block, of what `fill_on` has put into it or of one slice of transactions; or
        return the best block when that stands on it, or when the parent is not alive any more."""
        async with self.lock:
            if not await self._stand_on(parent):
                return self.chain.head
            if self._block is None or self._block is not self.chain.open:
                self._open(self._now())
                self._fill()
            made = await self._seal()
            self.stand_by()
            return made.info

    async def override(self, item: PreRuntime, *, checks_state: bool) -> Imported:
        """Make one block now, without transactions, whose digest has one more item: what it sets by hand.

        Unbuildable when the chain could not go on after it; then nothing has happened.
        """
        async with self.lock:
            time = self._time_after_head(self._now())
            plans = (self._plan(time, (item,)), self._plan(time + 1))
            rehearse(self.chain, plans, checks_state=checks_state)
            self._open(time, (item,))
            made = await self._seal()
            self.stand_by()
            return made

    async def remove(self, transactions: Sequence[Hash]) -> list[Hash]:
        """Remove transactions from the pool, and from the open block, and ban them; return those that were
        there."""
        async with self.lock:
            pool = self.intake.pool
            found = [one for one in transactions if one in pool]
            taken = {transaction.hash for transaction in pool.taken()}
            if not taken.isdisjoint(found):
                self.stand_by()  # a block without them is opened in the next turn
            pool.remove_invalid(transactions, self._clock.now_ms())
            self.intake.pump()
            return found

    def travel_to(self, time_ms: int) -> None:
        """Let the chain's time be this now, and go on from there; it never goes back behind the last
        block."""
        self._time_offset_ms = time_ms - self._clock.now_ms()

    def stand_by(self) -> None:
        """Open a block for validation only, which is abandoned when a real one is made."""
        self._block = None
        self.intake.pool.restore()
        self.chain.open_block(())

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Leave the head to somebody else who moves it; afterwards a block is open on it again."""
        async with self.lock:
            try:
                yield
            finally:
                if self.chain.open is None:
                    self.stand_by()

    # --- steps

    async def _stand_on(self, parent: Hash) -> bool:
        """Let the head be a block; false when the best one stands on it, or when it is not alive any more."""
        head = self.chain.head
        if head.header.parent_hash == parent:
            return False
        if head.hash != parent:
            await self._run(self.chain.switch_steps(parent))
        return self.chain.head.hash == parent

    async def _make(self) -> Imported:
        self._open(self._now())
        return await self._finish()

    async def _finish(self) -> Imported:
        while self._fill():  # noqa: ASYNC110  # turns for others, not a wait
            await asyncio.sleep(0)
        made = await self._seal()
        self.stand_by()
        return made

    def _now(self) -> int:
        return self._clock.now_ms() + self._time_offset_ms

    def _ensure_open(self, slot_ms: int) -> None:
        """Open the slot's block unless it is open; a block made in between has abandoned it."""
        if self._block is None or self._block is not self.chain.open:
            self._open(slot_ms + self._time_offset_ms)

    def _time_after_head(self, time_ms: int) -> int:
        return max(time_ms, get_time(self.chain.head.header) + 1)

    def _plan(self, time: int, extra: tuple[DigestItem, ...] = ()) -> Plan:
        """Return the digest of a block with a time, and the data for its inherents."""
        return Plan((*self._logs(time), *extra), {TIMESTAMP_INHERENT: time.to_bytes(8, "little")})

    def _open(self, time_ms: int, extra: tuple[DigestItem, ...] = ()) -> None:
        """Open a block at a time, at least one millisecond after its parent's."""
        time = self._time_after_head(time_ms)
        plan = self._plan(time, extra)
        self._full = False
        self._worked_s = 0.0
        self._time_ms = time
        self.intake.pool.restore()
        block = self.chain.open_block(plan.logs)
        block.push_inherents(plan.inherents)
        self._block = block

    def _logs(self, time: int) -> tuple[DigestItem, ...]:
        """Return author and time, in this order: wallets look for the author in the first item alone."""
        index = self._authority_index()
        logs: tuple[DigestItem, ...] = (PreRuntime(TIME_ENGINE, time.to_bytes(8, "little")),)
        if index is None:
            return logs
        slot = self.chain.head.number + 1
        place = bytes([AUTHOR_TAG]) + index.to_bytes(4, "little") + slot.to_bytes(8, "little")
        return (PreRuntime(AUTHOR_ENGINE, place), *logs)

    def _fill(self) -> bool:
        """Execute ready transactions into the open block for one slice; tell whether there was any."""
        began = now = self._clock.monotonic()
        found = False
        while not self._full and now < began + SLICE_S and (taken := self.intake.pool.take(TAKEN_AT_ONCE)):
            found = True
            self._execute(taken)
            now = self._clock.monotonic()
        self._worked_s += now - began
        return found

    def _execute(self, taken: list[PoolTransaction]) -> None:
        block = self._block
        assert block is not None
        for position, transaction in enumerate(taken):
            extrinsic = transaction.payload
            assert isinstance(extrinsic, Extrinsic)
            if not self.chain.api.has_decoded(extrinsic):  # an upgrade came between: its signature is void
                self.intake.pool.remove_invalid([transaction.hash], self._clock.now_ms())
                continue
            try:
                block.push(extrinsic)
            except TransactionError as error:
                reason = error.reason if isinstance(error, InvalidTransaction) else None
                if reason is InvalidReason.ExhaustsResources:
                    self._full = True
                    self.intake.pool.untake([later.hash for later in taken[position:]])
                    return
                if reason is InvalidReason.Future:
                    continue  # its predecessor was in an abandoned block; it stays for the next one
                self.intake.pool.remove_invalid([transaction.hash], self._clock.now_ms())
            except CONTENT_FAULTS:
                self._drop_crashed(transaction)
                self._open(self._time_ms)  # whatever the call left behind goes with the block
                return

    async def _seal(self) -> Imported:
        began = self._clock.monotonic()
        await asyncio.wrap_future(self.chain.store.room())
        made = await self._seal_what_can_be()
        took_s = self._worked_s + self._clock.monotonic() - began
        self._on_constructed(took_s)
        log.debug(
            "block_prepared",
            number=made.info.number,
            hash=made.info.hash,
            parent=made.info.header.parent_hash,
            extrinsics=len(made.extrinsics),
            took_ms=int(took_s * 1000),
        )
        return made

    async def _seal_what_can_be(self) -> Imported:
        """Seal the open block, or begin it again with fewer transactions while it cannot be."""
        while True:
            try:
                return await self._run(self.chain.seal_steps())
            except (InvalidBlock, *CONTENT_FAULTS):
                taken = self.intake.pool.taken()
                if self.chain.open is None or not taken:
                    raise
                if len(taken) == 1:
                    self._drop_crashed(taken[0])
                self._open(self._time_ms)
                await self._fill_with(len(taken) // 2)

    async def _fill_with(self, count: int) -> None:
        while count > 0 and (taken := self.intake.pool.take(min(count, TAKEN_AT_ONCE))):
            self._execute(taken)
            count -= len(taken)
            await asyncio.sleep(0)

    async def _run(self, steps: Generator[None, None, T]) -> T:
        """Run what a block waits for to its end, with turns of the event loop in between."""
        return await Turns(self._clock.monotonic, URGENT_SLICE_S).run(steps)

    def _drop_crashed(self, transaction: PoolTransaction) -> None:
        """Drop and ban a transaction by whose fault a block cannot be made; called while it is handled."""
        extrinsic = transaction.payload
        assert isinstance(extrinsic, Extrinsic)
        log.exception("transaction_crashed", call=_name_call(extrinsic), hash=extrinsic.hash)  # noqa: LOG004  # see above
        self.intake.pool.remove_invalid([transaction.hash], self._clock.now_ms())


def _name_call(extrinsic: Extrinsic) -> str:
    return f"{extrinsic.call.spec.pallet}.{extrinsic.call.spec.name}"
