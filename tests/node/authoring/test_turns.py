"""Work in slices: who else has a turn, and how often."""

import asyncio
from collections.abc import Generator

import pytest

from node.authoring.turns import SLICE_S, URGENT_SLICE_S, Turns

STEPS = 20


@pytest.mark.parametrize("slice_s", [SLICE_S, URGENT_SLICE_S])
@pytest.mark.parametrize("steps_in_slice", [1, 4, STEPS])
async def test_others_have_their_turn_at_the_end_of_each_slice(slice_s: float, steps_in_slice: int) -> None:
    now, done, seen = 0.0, 0, list[int]()

    def work() -> Generator[None, None, str]:
        nonlocal now, done
        for _ in range(STEPS):
            done += 1
            now += slice_s / steps_in_slice * 1.000001
            yield
        return "done"

    async def other() -> None:
        while True:
            seen.append(done)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(other())
        await asyncio.sleep(0)
        assert await Turns(lambda: now, slice_s).run(work()) == "done"
        task.cancel()
    assert seen == list(range(0, STEPS + 1, steps_in_slice))
