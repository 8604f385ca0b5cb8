"""Which paths of a state are still wanted: the space of paths in parts, each to be fetched from its start on.

Responsible for covering the whole space once, though answers overrun the end of their part, come twice, or
never. It must not know peers, nor what lies under a path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.primitives.tree_proof import HASH_BYTES

PARTS: Final = 16
PATHS: Final = 1 << 8 * HASH_BYTES
"""How many paths there are; behind the last one the state ends."""
_SPARE: Final = 16
"""Entries asked for beyond the estimate of what a part still has."""


@dataclass(slots=True)
class Part:
    """Paths from `start`, up to but without `end`; asked for while `request` is set."""

    start: int
    end: int
    request: int | None = None


class PathSpace:
    """The parts of one state."""

    def __init__(self) -> None:
        step = PATHS // PARTS
        self._parts = [Part(place * step, (place + 1) * step) for place in range(PARTS)]
        self._entries = 0

    @property
    def is_covered(self) -> bool:
        """Whether nothing is wanted any more."""
        return not self._parts

    @property
    def covered_percent(self) -> int:
        """How much of the space is covered, rounded down; about as much of the state as well."""
        return 100 - (sum(part.end - part.start for part in self._parts) * 100 + PATHS - 1) // PATHS

    def reserve(self, request: int) -> Part | None:
        """Take the first part that nobody was asked for; None where there is none."""
        for part in self._parts:
            if part.request is None:
                part.request = request
                return part
        return None

    def release(self, request: int) -> None:
        """Let the part of a request wait again, if it is still wanted."""
        for part in self._parts:
            if part.request == request:
                part.request = None

    def cover(self, start: int, end: int, entries: int) -> None:
        """Note that the paths from `start` up to but without `end` are there, so many entries."""
        for part in self._parts:
            if start <= part.start < end:
                part.start = min(end, part.end)
        self._parts = [part for part in self._parts if part.start < part.end]
        self._entries += entries

    def estimate(self, part: Part, count_max: int) -> int:
        """Return how many entries to ask for, so that little of the answer lies behind the part's end."""
        wanted = sum(one.end - one.start for one in self._parts)
        covered = PATHS - wanted
        if not covered:
            return count_max
        expected = self._entries * (part.end - part.start) // covered
        return max(1, min(count_max, expected + expected // 8 + _SPARE))
