"""When a key may sign of which nobody knows what it has signed before.

Responsible for one decision: a key without a guard may be new, or its disk is gone and with it the record of
what it signed, and then it must never sign again. It watches from when it comes into the set, and looks for
its own signature in every certificate that comes to the node meanwhile, and in the latest ones that the node
has of the present set. One of three things ends that: decisions made before its eyes; a time in which no peer
is further than this node, which is shorter where the chain begins and so many peers are at genesis that a
quorum could be among them.

What peers say of themselves is unsigned. A claim to be further is believed for a while only: whoever is
further has the next certificate, and sends it when it hears where this node stands, once a second. So neither
one liar nor any number of them, under whatever names, can keep a key from signing. Nor can they make it sign
while one honest peer is connected that is further: its certificate comes before the time is over. It knows
no network and no clock.
"""

from __future__ import annotations

from typing import Final

from runtime.primitives.certificate import Certificate
from runtime.primitives.committee import Committee

DECISIONS: Final = 4
WATCHED_MS: Final = 10_000
"""Decisions, or milliseconds as far along as a peer, without its signature: a new key may sign after them."""
PROOF_MS: Final = 10_000
"""How long after the first of them claims to be further are believed, unless a certificate comes."""
GENESIS_MS: Final = 1_500
"""The same where a chain begins and a quorum could be there: time for two messages of where this node stands,
each of which is answered with the first certificate by a peer that has it."""
LOOKED_BACK: Final = 256
"""Certificates that a node looks at which it has already. Only the instance that is being decided matters,
for what was signed in an earlier one can be contradicted no more; who took part in it is in one of the latest
certificates too, unless it was too slow for every one of them."""


class NewKey:
    """What a key without a record has seen so far; `is_watching` until the matter is settled."""

    def __init__(self, *, is_watching: bool) -> None:
        self.is_watching = is_watching
        self._at_genesis: dict[str, None] = {}
        self._founders = 0
        self._decisions = 0
        self._level_ms: int | None = None
        self._claimed_ms: int | None = None
        self._speakers: dict[int, None] = {}

    def hear(self, peer: str, theirs: int, ours: int, committee: Committee, now_ms: int) -> None:
        """Take in which instance a peer says it is at."""
        if not self.is_watching:
            return
        if theirs > ours:
            self._hear_claim(peer, now_ms)
        elif theirs == ours:
            if self._level_ms is None:
                self._level_ms = now_ms
            if ours == 1:
                self._at_genesis[peer] = None
                self._founders = committee.quorum - 1

    def hear_statement(self, authority: int) -> None:
        """Take in that an authority has signed something about the instance that is being decided."""
        self._speakers[authority] = None

    def forget(self, peer: str) -> None:
        """Drop what a peer said that has gone."""
        self._at_genesis.pop(peer, None)

    def see(
        self, certificate: Certificate, committee: Committee, authority: int | None, *, is_past: bool
    ) -> bool:
        """Take in a decision, one of the past while the node catches up; tell whether this key has signed for
        it, and so may never sign again.

        One of the present is made before this node's eyes: it has heard more than f in it, for a certificate
        alone says nothing of when it was made.
        """
        speakers, self._speakers = self._speakers, {}
        if not self.is_watching:
            return False
        self._claimed_ms = None
        self._at_genesis.clear()
        if not is_past and committee.is_weak(committee.weigh(speakers)):
            self._decisions += 1
        else:
            self._level_ms = None
        if authority is not None and any(vote.index == authority for vote in certificate.votes):
            self.is_watching = False
            return True
        return False

    def has_seen_enough(self, now_ms: int) -> bool:
        """Tell, once, that the key may sign from now on; to be asked between two decisions."""
        if not self.is_watching:
            return False
        is_at_genesis = 0 < self._founders <= len(self._at_genesis)
        wait_ms = GENESIS_MS if is_at_genesis else WATCHED_MS
        is_enough = self._decisions >= DECISIONS or _is_over(self._level_ms, wait_ms, now_ms)
        self.is_watching = not is_enough
        return is_enough

    def _hear_claim(self, peer: str, now_ms: int) -> None:
        """Take in that a peer says it is further: there may be a present that this node does not see yet."""
        self.forget(peer)
        if self._claimed_ms is None:
            self._claimed_ms = now_ms
        if not _is_over(self._claimed_ms, PROOF_MS, now_ms):
            self._level_ms = None


def _is_over(since_ms: int | None, length_ms: int, now_ms: int) -> bool:
    return since_ms is not None and now_ms >= since_ms + length_ms
