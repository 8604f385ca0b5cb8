"""Tasks of a component in its owner's group."""

import asyncio

import pytest

from node.tasks import OwnTasks


async def test_group_that_has_ended_takes_nothing_more_and_nothing_is_left_over() -> None:
    async with asyncio.TaskGroup() as group:
        own = OwnTasks(group)
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    with pytest.raises(asyncio.CancelledError):
        own.start(work())  # warnings are errors: the coroutine must not be left unawaited
    await asyncio.sleep(0)
    assert done == []


async def test_end_waits_for_what_it_cancels() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            seen.append("over")

    async with asyncio.TaskGroup() as group:
        own = OwnTasks(group)
        own.start(work())
        await asyncio.sleep(0)
        await own.end()
        assert seen == ["over"]
