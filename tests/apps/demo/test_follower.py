"""Blocks are read one after the other, none left out, whatever notices are missing; a standstill is said."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from apps.chain.client import Chain
from apps.chain.errors import ClientError, ConnectionLost, SubscriptionOverflow
from apps.chain.runtime import EventRecord
from apps.demo import follower as following
from apps.demo.errors import Stalled
from apps.demo.follower import Follower

SLOT_MS = 4_000


class Heads:
    """Notices of finalized blocks, then an error, or silence."""

    def __init__(self, numbers: Sequence[int], error: ClientError | None) -> None:
        self._numbers = list(numbers)
        self._error = error

    async def __anext__(self) -> dict[str, str]:
        if self._numbers:
            return {"number": hex(self._numbers.pop(0))}
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()
        raise AssertionError


class FakeChain:
    """Block n is of second n; each subscription tells of the next list of numbers."""

    def __init__(self, *lists: tuple[Sequence[int], ClientError | None]) -> None:
        self._lists = list(lists)
        self.slept: list[float] = []
        self.clock = self

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @asynccontextmanager
    async def follow_finalized(self) -> AsyncIterator[Heads]:
        yield Heads(*self._lists.pop(0))

    async def block_hash(self, number: int) -> bytes:
        return number.to_bytes(32, "big")

    async def events(self, block: bytes) -> tuple[EventRecord, ...]:
        return (EventRecord(None, "P", "E", int.from_bytes(block, "big")),)

    async def get(self, pallet: str, item: str, *, at: bytes) -> int:
        assert (pallet, item) == ("Timestamp", "Now")
        return 1_000 * int.from_bytes(at, "big")


def make(chain: FakeChain, first: int) -> tuple[Follower, list[int]]:
    seen: list[int] = []

    def on_block(number: int, events: Sequence[EventRecord]) -> None:
        assert [one.value for one in events] == [number]
        seen.append(number)

    return Follower(cast("Chain", chain), first, SLOT_MS, on_block), seen


async def follow(follower: Follower, until: int) -> None:
    async with asyncio.TaskGroup() as group:
        running: asyncio.Task[Any] = group.create_task(follower.run())
        await follower.wait_for(lambda: follower.number >= until)
        running.cancel()


async def test_blocks_without_a_notice_are_read_too() -> None:
    follower, seen = make(FakeChain(([5, 9, 9, 8, 12], None)), 4)
    await follow(follower, 12)
    assert seen == list(range(4, 13))
    assert (follower.now_ms, follower.slot) == (12_000, 3)


@pytest.mark.parametrize("error", [ConnectionLost("gone"), SubscriptionOverflow(9)])
async def test_a_lost_subscription_is_made_again(error: ClientError) -> None:
    chain = FakeChain(([3], error), ([7], None))
    follower, seen = make(chain, 1)
    await follow(follower, 7)
    assert seen == list(range(1, 8))
    assert bool(chain.slept) == isinstance(error, ConnectionLost)


async def test_a_slot_is_reached_with_its_first_block() -> None:
    follower, seen = make(FakeChain((range(1, 30), None)), 1)
    async with asyncio.TaskGroup() as group:
        running: asyncio.Task[Any] = group.create_task(follower.run())
        await follower.wait_slot(2)
        assert follower.number >= 8
        running.cancel()
    assert seen[:8] == list(range(1, 9))


async def test_a_network_that_stands_still_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "STALL_S", 0.0)
    follower, _ = make(FakeChain(([], None)), 5)
    with pytest.raises(Stalled, match="no block has become final for 0 s after #4"):
        await follower.run()
