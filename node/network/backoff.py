"""When a peer may be dialled again: twice as late after each failure, up to a limit.

Pure; time is monotonic and an argument, in milliseconds. It must not know why a dial failed.
"""

from typing import Final, NamedTuple

from node.network.identity import PeerId

ENTRIES_MAX: Final = 4096


class Wait(NamedTuple):
    """Failures in a row, and when the next dial is due."""

    failures: int
    due_ms: int


class Backoff:
    """The waits of all peers that failed."""

    def __init__(self, first_ms: int, limit_ms: int) -> None:
        self._first_ms = first_ms
        self._limit_ms = limit_ms
        self._waits: dict[PeerId, Wait] = {}

    def is_due(self, peer: PeerId, now_ms: int) -> bool:
        """Tell whether the peer may be dialled now."""
        wait = self._waits.get(peer)
        return wait is None or now_ms >= wait.due_ms

    def count_failures(self, peer: PeerId) -> int:
        """Return how many dials of the peer failed in a row."""
        wait = self._waits.get(peer)
        return 0 if wait is None else wait.failures

    def fail(self, peer: PeerId, now_ms: int) -> int:
        """Note a failure; return the milliseconds until the next dial."""
        failures = self._waits.pop(peer, Wait(0, 0)).failures + 1
        wait_ms = min(self._first_ms << min(failures - 1, 30), self._limit_ms)
        if len(self._waits) >= ENTRIES_MAX:
            del self._waits[next(iter(self._waits))]  # the one that failed longest ago
        self._waits[peer] = Wait(failures, now_ms + wait_ms)
        return wait_ms

    def clear(self, peer: PeerId) -> None:
        """Forget the peer's failures."""
        self._waits.pop(peer, None)
