"""A queue of what falls due at a time: nothing is early, nothing is forgotten, a block does a bounded part.

Responsible for the order and the bounds. What falls due it does not know. An entry lies at the first quarter
of an hour that is not before its time, and comes up with the first block whose parent has reached that. If
more falls due than one block takes, the next ones go on. A chain that stood still walks over the quarters
that it missed, those of a day in each block.

Adding costs the same however much waits, so an obligation is never refused for a full queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

from pallets.compliance.office import MINUTE_MS
from runtime.frame.storage import DoubleMap, Value
from runtime.primitives.arithmetic import U64_MAX, Rounding, checked_add, div_rounded
from runtime.primitives.scale import Struct, u32, u64

DUE_PER_BLOCK_MAX: Final = 50
"""Most entries that one block handles."""
QUARTER_MS: Final = 15 * MINUTE_MS
WALK_MAX: Final = 96
"""Most quarters of an hour that one block looks into: a day's."""

Quarter: TypeAlias = u64
"""Quarters of an hour since 1970."""
Number: TypeAlias = u64

T = TypeVar("T")


class QueueState(Struct, path="pallet_compliance::QueueState"):
    """The quarter to look into next, the number of the next entry, and how many wait."""

    quarter: Quarter = 0
    following: Number = 0
    waiting: u32 = 0


NOTHING_DUE: Final = QueueState()


class Taken(NamedTuple, Generic[T]):
    """What a block takes: entries, and into how many quarters it looked."""

    entries: list[T]
    looked: int


@dataclass(frozen=True, slots=True)
class DueQueue(Generic[T]):
    """A queue over the storage of one pallet: entries by minute and number, and its state."""

    entries: DoubleMap[int, int, T | None]
    state: Value[QueueState]

    def add(self, now_ms: int, due_ms: int, entry: T) -> None:
        """Let an entry come up once it is due; at once, where it is due already."""
        state = self.state.get()
        quarter = state.quarter if state.waiting else now_ms // QUARTER_MS
        place = max(quarter, div_rounded(due_ms, QUARTER_MS, Rounding.UP))
        self.entries.put(place, state.following, entry)
        following = checked_add(state.following, 1, U64_MAX)
        self.state.put(QueueState(quarter, following, state.waiting + 1))

    def take_due(self, now_ms: int) -> Taken[T]:
        """Remove and return what is due, at most `DUE_PER_BLOCK_MAX`; in the order of quarters, and within
        one in that of the storage."""
        state = self.state.get()
        now, quarter = now_ms // QUARTER_MS, state.quarter
        found: list[T] = []
        looked = 0
        while self._goes_on(state, found, looked) and quarter <= now:
            room = DUE_PER_BLOCK_MAX - len(found)
            taken = self._take(quarter, room)
            found += taken
            looked += 1
            quarter += len(taken) < room
        if looked:
            self.state.put(QueueState(quarter, state.following, state.waiting - len(found)))
        return Taken(found, looked)

    def check(self) -> None:
        """AssertionError unless the number of entries is right and none was passed over."""
        state = self.state.get()
        places = [place for place, _ in self.entries.items()]
        assert len(places) == state.waiting, f"{state.waiting} wait, {len(places)} are listed"
        assert all(quarter >= state.quarter for quarter, _ in places), "an entry was passed over"
        assert all(number < state.following for _, number in places), "an entry has a number to come"

    def _goes_on(self, state: QueueState, found: list[T], looked: int) -> bool:
        return len(found) < min(DUE_PER_BLOCK_MAX, state.waiting) and looked < WALK_MAX

    def _take(self, quarter: int, limit: int) -> list[T]:
        listed = list(islice(self.entries.items_of(quarter), limit))
        for number, _ in listed:
            self.entries.remove(quarter, number)
        return [entry for _, entry in listed if entry is not None]
