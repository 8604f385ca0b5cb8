"""Virtual time: a heap of what happens when, one seeded generator, and the trace of a run.

Responsible for order alone: the same seed makes the same events in the same order in every process, which the
hash over all of them shows. It knows nothing of what happens.
"""

from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random  # noqa: TID251 - seeded
from struct import Struct
from typing import Any, Final, TypeAlias

Act: TypeAlias = Callable[[Any, Any], None]
Entry: TypeAlias = tuple[int, int, Act, Any, Any]

_RECORD: Final = Struct("<QBHHI")
_FLUSH_BYTES: Final = 1 << 16

DELIVERED: Final = 1
DECIDED: Final = 2
SIGNED: Final = 3
CRASHED: Final = 4
BOOTED: Final = 5
FAULT: Final = 6


class World:
    """Time in milliseconds, from 0."""

    def __init__(self, seed: int, log: Callable[[str], None] | None = None) -> None:
        self.random = Random(seed)
        self.now = 0
        self.queue: list[Entry] = []
        self.order = 0
        self.delivered = 0
        self.is_over = False
        self.log = log
        self._trace = bytearray()
        self._hash = blake2b(digest_size=16)

    def at(self, when_ms: int, act: Act, first: Any = None, second: Any = None) -> None:
        """Have something happen at a time, after all that was asked for earlier for the same time."""
        self.order += 1
        heappush(self.queue, (when_ms, self.order, act, first, second))

    def run(self, until_ms: int) -> None:
        """Let everything happen up to a time, or until the run is over."""
        queue = self.queue
        while queue and not self.is_over:
            if queue[0][0] > until_ms:
                self.now = until_ms
                return
            self.now, _, act, first, second = heappop(queue)
            act(first, second)

    def note(self, kind: int, who: int, other: int, digest: int) -> None:
        """Add an event to the trace."""
        self._trace += _RECORD.pack(self.now, kind, who, other, digest)
        if len(self._trace) >= _FLUSH_BYTES:
            self._hash.update(self._trace)
            self._trace.clear()

    def tell(self, who: str, text: str) -> None:
        """Write a line of the readable log, where one is wanted."""
        if self.log is not None:
            self.log(f"{self.now / 1000:10.3f}  {who:<6} {text}")

    def trace_hash(self) -> str:
        """Return the hash over all events so far."""
        self._hash.update(self._trace)
        self._trace.clear()
        return self._hash.hexdigest()
