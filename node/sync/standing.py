"""What is known of each peer as a source of blocks: how far it says it is, how often that came to nothing.

A peer's word about its height is a hint: it counts until requests to it have failed, and after each failure
the peer is left alone for twice as long. Peers that left keep their failures, so going and coming heals
nothing. It must not know which blocks are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from node.sync.effects import Peer

PAUSE_MS: Final = 1_000
PAUSE_MAX_MS: Final = 64_000
DOUBTED: Final = 2
"""Faults from which on a peer's height is not shown as a target; one stalled request may be bad luck."""
ABSENT_MAX: Final = 64
"""Peers remembered after they left."""


@dataclass(slots=True)
class Standing:
    """One peer; `claim` is the last block that it can be asked for."""

    claim: int = 0
    said: int | None = None
    faults: int = 0
    free_at_ms: int = 0
    request: int | None = None

    @property
    def is_believed(self) -> bool:
        """Whether its height counts as one."""
        return self.faults < DOUBTED

    def pause(self, now_ms: int, faults: int) -> None:
        """Leave it alone for a while, twice as long with each fault."""
        self.faults += faults
        doublings = max(0, min(self.faults, 32) - 1)
        self.free_at_ms = now_ms + min(PAUSE_MS << doublings, PAUSE_MAX_MS)

    def redeem(self) -> None:
        """Note that what it served was right."""
        self.faults //= 2


class Standings:
    """The peers; see the module."""

    def __init__(self) -> None:
        self._here: dict[Peer, Standing] = {}
        self._absent: dict[Peer, Standing] = {}

    def say(self, peer: Peer, final: int) -> bool:
        """Take in which block a peer says is its last final one; tell whether it goes back on its word."""
        found = self._here.get(peer)
        if found is None:
            found = self._here[peer] = self._absent.pop(peer, Standing())
        went_back = found.said is not None and final < found.said
        found.said = found.claim = final
        return went_back

    def leave(self, peer: Peer) -> Standing | None:
        """Forget a peer that is gone, but for its faults; return where it stood."""
        found = self._here.pop(peer, None)
        if found is not None and found.faults:
            kept = Standing(faults=found.faults, free_at_ms=found.free_at_ms)
            self._absent[peer] = kept
            if len(self._absent) > ABSENT_MAX:
                del self._absent[next(iter(self._absent))]
        return found

    def get(self, peer: Peer) -> Standing | None:
        """Return where a peer stands that is here."""
        return self._here.get(peer)

    def names(self) -> tuple[Peer, ...]:
        """Return the peers that are here."""
        return tuple(self._here)

    def iterate_free(self, now_ms: int) -> Iterator[tuple[Peer, Standing]]:
        """Yield whom something can be asked, those with the fewest faults first, then the longest here."""
        for peer, found in sorted(self._here.items(), key=lambda item: item[1].faults):
            if found.request is None and found.free_at_ms <= now_ms:
                yield peer, found

    def compute_target(self) -> int:
        """Return the highest block that a believed peer says is final, 0 where there is none."""
        return max((found.claim for found in self._here.values() if found.is_believed), default=0)
