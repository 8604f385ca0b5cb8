"""The finalized blocks one after the other, none left out, and the chain's time, which others wait for.

It must not know what is in a block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from apps.chain.client import Chain
from apps.chain.connection import Subscription
from apps.chain.errors import ClientError, SubscriptionOverflow
from apps.chain.runtime import EventRecord
from apps.demo.errors import Stalled

OnBlock = Callable[[int, Sequence[EventRecord]], None]
RETRY_S: Final = 0.5
STALL_S: Final = 60.0
"""A network that agrees on nothing for so long has failed."""


class Follower:
    """Reads block after block of one chain, from a number on."""

    def __init__(self, chain: Chain, first: int, slot_ms: int, on_block: OnBlock) -> None:
        self._chain = chain
        self._next = first
        self._slot_ms = slot_ms
        self._on_block = on_block
        self._moved = asyncio.Condition()
        self.now_ms = 0

    @property
    def slot(self) -> int:
        """The slot that the last block read lies in."""
        return self.now_ms // self._slot_ms

    @property
    def number(self) -> int:
        """The number of the last block read."""
        return self._next - 1

    async def run(self) -> None:
        """Read blocks until cancelled; Stalled when none has become final for long."""
        while True:
            try:
                async with self._chain.follow_finalized() as heads:
                    await self._follow(heads)
            except SubscriptionOverflow:
                continue
            except ClientError:
                await self._chain.clock.sleep(RETRY_S)

    async def wait_for(self, is_reached: Callable[[], bool]) -> None:
        """Return as soon as something holds after a block."""
        async with self._moved:
            await self._moved.wait_for(is_reached)

    async def wait_slot(self, slot: int) -> None:
        """Return once a block of a slot, or of a later one, is final."""
        await self.wait_for(lambda: self.slot >= slot)

    async def _follow(self, heads: Subscription) -> None:
        while True:
            try:
                async with asyncio.timeout(STALL_S):
                    head = await anext(heads)
            except TimeoutError as error:
                raise Stalled(
                    f"no block has become final for {STALL_S:.0f} s after #{self.number}"
                ) from error
            await self._read_to(int(head["number"], 16))

    async def _read_to(self, number: int) -> None:
        while self._next <= number:
            block = await self._chain.block_hash(self._next)
            assert block is not None, "a finalized block has those before it"
            events = await self._chain.events(block)
            now_ms = await self._chain.get("Timestamp", "Now", at=block)
            async with self._moved:
                self._on_block(self._next, events)
                self.now_ms = now_ms
                self._next += 1
                self._moved.notify_all()
