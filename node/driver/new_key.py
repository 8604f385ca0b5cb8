"""When a key may sign of which nobody knows what it has signed before.

Responsible for one decision: a key without a guard may be new, or its disk is gone and with it the record of
what it signed, and then it must never sign again. It watches from when it comes into the set, until so many
peers that a quorum could be among them say that they are at genesis, or until it has seen enough of the
present without itself, every certificate that comes to the node meanwhile, and the latest ones that the node
has of the present set. It knows no network and no clock.
"""

from __future__ import annotations

from typing import Final

from runtime.primitives.certificate import Certificate
from runtime.primitives.committee import Committee

DECISIONS: Final = 4
WATCHED_MS: Final = 10_000
"""Decisions, or milliseconds as far along as a peer, without its signature: a new key may sign after them."""
LOOKED_BACK: Final = 256
"""Certificates that a node looks at which it has already. Only the instance that is being decided matters,
for what was signed in an earlier one can be contradicted no more; who took part in it is in one of the latest
certificates too, unless it was too slow for every one of them."""


class NewKey:
    """What a key without a record has seen so far; `is_watching` until the matter is settled."""

    def __init__(self, *, is_watching: bool) -> None:
        self.is_watching = is_watching
        self._at_genesis: dict[str, None] = {}
        self._decisions = 0
        self._since_ms: int | None = None

    def hear(self, peer: str, theirs: int, ours: int, committee: Committee, now_ms: int) -> bool:
        """Take in which instance a peer is at; tell whether the key may now begin with the chain."""
        if not self.is_watching:
            return False
        if theirs > ours:
            self._since_ms = None  # there is a present that this node does not see yet
        elif self._since_ms is None and theirs == ours:
            self._since_ms = now_ms
        if max(theirs, ours) > 1:
            return False
        self._at_genesis[peer] = None
        if len(self._at_genesis) < committee.quorum - 1:
            return False
        self.is_watching = False
        return True

    def see(self, certificate: Certificate, authority: int | None, *, is_past: bool) -> bool:
        """Take in a decision, one of the past while the node catches up; tell whether this key has signed for
        it, and so may never sign again."""
        if not self.is_watching:
            return False
        self._decisions += not is_past
        if authority is not None and any(vote.index == authority for vote in certificate.votes):
            self.is_watching = False
            return True
        return False

    def has_seen_enough(self, now_ms: int) -> bool:
        """Tell, once, that the present has been watched long enough; to be asked between two decisions."""
        if not self.is_watching:
            return False
        if self._decisions < DECISIONS and (self._since_ms is None or now_ms < self._since_ms + WATCHED_MS):
            return False
        self.is_watching = False
        return True
