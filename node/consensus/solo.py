"""Finality of a chain with one authority: each block is certified by its author's own vote, a moment later.

System model: a single authority, so that its one vote is a quorum. Safe because the signing guard lets it
sign one block for each number at most. Live because every block is voted for `delay_ms` after it was
imported; of several that are due, only the newest is signed, since its certificate finalizes its ancestors.
The delay exists because wallets lose their inclusion notice when finality follows at once.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from node.consensus.effects import (
    BlockImported,
    CertificateReceived,
    Effect,
    Finalize,
    Input,
    SetTimer,
    SignVote,
    TimerFired,
    VoteSigned,
)
from runtime.primitives.certificate import Certificate

WAITING_MAX = 1024
"""Blocks waiting for their vote; beyond it the oldest are left to their descendants' certificates."""


class _Waiting(NamedTuple):
    block: BlockImported
    due_ms: int


class Solo:
    """The engine of a lone authority, or of an observer of one."""

    def __init__(self, delay_ms: int) -> None:
        assert delay_ms >= 0
        self._delay_ms = delay_ms
        self._waiting: deque[_Waiting] = deque(maxlen=WAITING_MAX)
        self._final = 0

    def start(self, now: int) -> list[Effect]:  # noqa: ARG002  # nothing to do before the first block
        """Begin; a lone authority waits for its first block."""
        return []

    def handle(self, event: Input, now: int) -> list[Effect]:
        """Take an input in; return the effects in order."""
        match event:
            case BlockImported():
                return self._on_block(event, now)
            case TimerFired():
                return self._on_timer(now)
            case VoteSigned(certificate) | CertificateReceived(certificate):
                return self._on_certificate(certificate)

    def _on_block(self, block: BlockImported, now: int) -> list[Effect]:
        if block.authority is None or block.number <= self._final:
            return []
        self._waiting.append(_Waiting(block, now + self._delay_ms))
        return [SetTimer(self._waiting[0].due_ms)]

    def _on_timer(self, now: int) -> list[Effect]:
        due: BlockImported | None = None
        while self._waiting and self._waiting[0].due_ms <= now:
            due = self._waiting.popleft().block
        effects: list[Effect] = []
        if due is not None and due.authority is not None and due.number > self._final:
            wanted = Certificate(due.set_id, due.number, due.number, 0, due.hash, ())
            effects.append(SignVote(wanted, due.authority))
        if self._waiting:
            effects.append(SetTimer(self._waiting[0].due_ms))
        return effects

    def _on_certificate(self, certificate: Certificate | None) -> list[Effect]:
        if certificate is None or certificate.number <= self._final:
            return []
        self._final = certificate.number
        return [Finalize(certificate)]
