"""The space of paths is covered once, in whatever order its parts come and however far answers reach."""

import random  # noqa: TID251  # seeded

import pytest

from node.sync.path_space import PARTS, PATHS, PathSpace

STEP = PATHS // PARTS


def test_parts_are_taken_in_order_and_wait_again_when_released() -> None:
    space = PathSpace()
    taken = [space.reserve(request) for request in range(PARTS)]
    assert [part.start for part in taken if part is not None] == [n * STEP for n in range(PARTS)]
    assert space.reserve(99) is None
    space.release(3)
    again = space.reserve(100)
    assert again is not None
    assert again.start == 3 * STEP
    space.release(77)
    assert space.reserve(101) is None


def test_answer_that_reaches_further_saves_other_parts() -> None:
    space = PathSpace()
    space.reserve(0)
    space.cover(0, 2 * STEP + 5, 100)
    space.release(0)
    first = space.reserve(1)
    assert first is not None
    assert (first.start, first.end) == (2 * STEP + 5, 3 * STEP)
    space.cover(2 * STEP + 5, PATHS, 1)
    assert space.is_covered
    assert space.reserve(2) is None
    assert space.covered_percent == 100


def test_answer_covers_no_part_that_begins_before_it() -> None:
    space = PathSpace()
    space.cover(5, STEP, 10)
    part = space.reserve(0)
    assert part is not None
    assert part.start == 0
    assert space.covered_percent == 0


@pytest.mark.parametrize("seed", range(20))
def test_everything_is_covered_whatever_comes_when(seed: int) -> None:
    dice = random.Random(seed)
    space, open_parts, covered, request = PathSpace(), {}, [], 0
    while not space.is_covered:
        part = space.reserve(request)
        if part is not None and dice.random() < 0.7:
            open_parts[request] = (part.start, part.end)
            request += 1
            continue
        if part is not None:
            space.release(request)
        if open_parts:
            number = dice.choice(sorted(open_parts))
            start, end = open_parts.pop(number)
            space.release(number)
            if dice.random() < 0.8:
                reach = min(PATHS, start + dice.randrange(1, 2 * (end - start) + 2))
                space.cover(start, reach, 1)
                covered.append((start, reach))
    position = 0
    for start, reach in sorted(covered):
        assert start <= position, "nothing between two answers is left out"
        position = max(position, reach)
    assert position == PATHS


def test_estimate_is_a_little_more_than_the_part_holds() -> None:
    space = PathSpace()
    part = space.reserve(0)
    assert part is not None
    assert space.estimate(part, 4096) == 4096, "nothing is known yet"
    space.cover(0, STEP, 1_600)
    second = space.reserve(1)
    assert second is not None
    assert space.estimate(second, 4096) == 1_600 + 200 + 16
    assert space.estimate(second, 1_000) == 1_000
