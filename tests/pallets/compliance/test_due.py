"""What falls due comes up once it is due, never before, in bounded parts and without a loss."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.compliance.due import (
    DUE_PER_BLOCK_MAX,
    NOTHING_DUE,
    QUARTER_MS,
    WALK_MAX,
    DueQueue,
    QueueState,
)
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.state import MemoryBackend, State
from runtime.frame.storage import TWOX_64_CONCAT, DoubleMap, Value, storage
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.scale import u32, u64

START = 1_700_000_000_000


class Diary(Pallet[None]):
    """What is due."""

    entries: DoubleMap[u64, u64, u32 | None] = storage(TWOX_64_CONCAT, TWOX_64_CONCAT)
    progress: Value[QueueState] = storage(default=NOTHING_DUE)


@dataclass
class Book:
    queue: DueQueue[int]
    backend: MemoryBackend
    state: State

    def take(self, now: int) -> list[int]:
        """Take what is due in a block of its own."""
        found = self.queue.take_due(now).entries
        self.queue.check()
        self.backend.apply(self.state.drain())
        return found


@pytest.fixture
def book() -> Book:
    return make_book()


def make_book() -> Book:
    backend = MemoryBackend()
    state = State(backend)
    diary = RuntimeBuilder(state).add(Diary, index=1, name="Diary", config=None)
    return Book(DueQueue(diary.entries, diary.progress), backend, state)


@pytest.mark.parametrize("late", [1, QUARTER_MS - 1, QUARTER_MS])
def test_entry_comes_up_with_the_quarter_in_which_it_is_due_and_not_before(book: Book, late: int) -> None:
    due = (START // QUARTER_MS + 3) * QUARTER_MS + late
    book.queue.add(START, due, 7)
    whole = -(-due // QUARTER_MS) * QUARTER_MS
    assert book.take(whole - 1) == []
    assert book.take(whole) == [7]
    assert book.take(whole + 10 * QUARTER_MS) == []


def test_what_is_due_already_comes_up_at_once(book: Book) -> None:
    book.queue.add(START, START - 10 * QUARTER_MS, 7)
    assert book.take(START) == [7]


def test_what_is_due_already_comes_up_although_its_quarter_is_over(book: Book) -> None:
    book.queue.add(START, START + 5 * QUARTER_MS, 1)
    assert book.take(START + QUARTER_MS) == []
    book.queue.add(START + QUARTER_MS, START, 2)
    assert book.take(START + 2 * QUARTER_MS) == [2]


def test_block_takes_as_many_as_the_limit_and_the_next_one_goes_on(book: Book) -> None:
    for number in range(DUE_PER_BLOCK_MAX + 1):
        book.queue.add(START, START + 1, number)
    now = START + QUARTER_MS
    mark = book.state.mark()
    assert book.queue.take_due(now).looked == 2
    book.state.rollback(mark)
    first, second = book.take(now), book.take(now)
    assert (len(first), len(second)) == (DUE_PER_BLOCK_MAX, 1)
    assert sorted(first + second) == list(range(DUE_PER_BLOCK_MAX + 1))


def test_chain_that_stood_still_walks_over_so_many_quarters_in_a_block(book: Book) -> None:
    first = START // QUARTER_MS
    book.queue.add(START, (first + WALK_MAX) * QUARTER_MS, 7)
    now = START + 10_000 * QUARTER_MS
    assert book.take(now) == []
    assert book.take(now) == [7]


def test_idle_queue_writes_nothing_and_walks_over_nothing(book: Book) -> None:
    assert book.queue.take_due(START) == ([], 0)
    assert book.state.pending() == []
    book.queue.add(START, START - QUARTER_MS, 1)
    assert book.take(START) == [1]
    later = START + 10**9 * QUARTER_MS
    book.queue.add(later, later + QUARTER_MS, 2)
    assert book.take(later + 2 * QUARTER_MS) == [2]


def test_time_far_beyond_any_calendar_can_be_due(book: Book) -> None:
    book.queue.add(START, U64_MAX, 7)
    assert book.take(START + 10 * QUARTER_MS) == []


STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(-3_000_000, 13_500_000)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_nothing_is_early_nothing_is_lost_nothing_comes_twice(steps: list[tuple[int, int]]) -> None:
    book, now, dues = make_book(), START, dict[int, int]()
    seen: list[int] = []
    for number, (steps_on, offset) in enumerate(steps):
        now += steps_on * 300_000
        dues[number] = now + offset
        book.queue.add(now, dues[number], number)
        found = book.take(now)
        assert all(dues[one] <= now for one in found)
        seen += found
    for _ in range(60):
        now += QUARTER_MS
        found = book.take(now)
        assert all(dues[one] <= now for one in found)
        seen += found
    assert sorted(seen) == list(range(len(steps)))
