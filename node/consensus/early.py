"""Messages for instances that have not begun here: kept until the set is known that must have signed them.

Responsible for bounds: their signatures cannot be checked yet, so what is kept counts against the peer that
sent it, not against whom it claims to be from. Two instances ahead is as far as honest validators get before
one who is slower has fallen behind and is helped by certificates.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

from node.consensus.messages import Proposal, ViewChange, get_statement
from runtime.primitives.statements import Vote

INSTANCES_AHEAD: Final = 2
MESSAGES_MAX: Final = 256
"""For each peer; the oldest go first."""

P = TypeVar("P")


def instance_of(message: Vote | ViewChange | Proposal) -> int:
    """Return what a message is about."""
    return get_statement(message).instance


class EarlyMessages(Generic[P]):
    """See the module; `P` names peers."""

    def __init__(self) -> None:
        self._kept: dict[P, deque[Vote | ViewChange | Proposal]] = {}

    def keep(self, peer: P, message: Vote | ViewChange | Proposal, instance: int) -> bool:
        """Keep a message for one of the instances after this one; tell whether it is near enough."""
        if not instance < instance_of(message) <= instance + INSTANCES_AHEAD:
            return False
        self._kept.setdefault(peer, deque(maxlen=MESSAGES_MAX)).append(message)
        return True

    def take(self, instance: int) -> list[tuple[P, Vote | ViewChange | Proposal]]:
        """Return the messages for an instance that begins, and forget those for earlier ones."""
        found: list[tuple[P, Vote | ViewChange | Proposal]] = []
        for peer, messages in list(self._kept.items()):
            found += [(peer, message) for message in messages if instance_of(message) == instance]
            later = [message for message in messages if instance_of(message) > instance]
            if later:
                self._kept[peer] = deque(later, maxlen=MESSAGES_MAX)
            else:
                del self._kept[peer]
        return found

    def forget(self, peer: P) -> None:
        """Drop what a peer sent that is gone."""
        self._kept.pop(peer, None)
