"""Who watches a transaction sees it in a block for a while before it hears that the block is final."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from node.pool.watch import Finalized, InBlock, PoolEvent, Ready
from node.rpc.groups.author import AuthorMethods
from node.rpc.subscriptions import Sink, SubscriptionTable
from runtime.primitives.types import Hash

HOLD_S = 0.05
BLOCK = Hash(bytes(32))
IN_BLOCK = InBlock(BLOCK, BLOCK, 0)
FINAL = Finalized(BLOCK, BLOCK, 0)


class Intake:
    """Takes everything, and lets the test say what becomes of it."""

    def __init__(self) -> None:
        self.tell: Any = None

    async def submit_and_watch(self, extrinsic: bytes, watcher: Any) -> Hash:
        self.tell = watcher
        return BLOCK

    def unwatch(self, transaction: Hash, watcher: Any) -> None:
        self.tell = None


class Pushed:
    def __init__(self) -> None:
        self.notices: list[bytes] = []

    def push(self, notice: bytes) -> None:
        self.notices.append(notice)

    def overflow(self) -> None:
        raise AssertionError


async def watch(hold_s: float) -> tuple[Intake, Pushed, Sink]:
    intake, outlet = Intake(), Pushed()
    context = cast("Any", SimpleNamespace(intake=intake, author=None, in_block_s=hold_s))
    sink = SubscriptionTable(outlet).open("author_submitAndWatchExtrinsic", "author_extrinsicUpdate")
    sink.announce()
    await AuthorMethods(context).submit_and_watch(sink, b"")
    return intake, outlet, sink


def tell(intake: Intake, *events: PoolEvent) -> None:
    for event in events:
        intake.tell(event)


async def test_final_is_told_a_while_after_in_block() -> None:
    intake, outlet, sink = await watch(HOLD_S)
    tell(intake, Ready(BLOCK), IN_BLOCK, FINAL)
    assert len(outlet.notices) == 2
    assert not sink.closed
    await asyncio.sleep(HOLD_S * 2)
    assert b"finalized" in outlet.notices[2]
    assert sink.closed


async def test_final_is_told_at_once_when_the_while_is_over() -> None:
    intake, outlet, sink = await watch(HOLD_S)
    tell(intake, IN_BLOCK)
    await asyncio.sleep(HOLD_S * 2)
    tell(intake, FINAL)
    assert len(outlet.notices) == 2
    assert sink.closed


@pytest.mark.parametrize("events", [(IN_BLOCK, FINAL), (FINAL,)])
async def test_nothing_is_held_back_without_a_while(events: tuple[PoolEvent, ...]) -> None:
    intake, outlet, sink = await watch(0.0)
    tell(intake, *events)
    assert len(outlet.notices) == len(events)
    assert sink.closed


async def test_who_does_not_watch_any_more_hears_nothing() -> None:
    intake, outlet, sink = await watch(HOLD_S)
    tell(intake, IN_BLOCK, FINAL)
    sink.close()
    await asyncio.sleep(HOLD_S * 2)
    assert len(outlet.notices) == 1
