"""One authority set as an engine counts it: weights, thresholds, who leads.

Responsible for arithmetic only. Of total weight T, a quorum is the least weight above two thirds,
q = ⌊2T/3⌋ + 1; at most f = T - q may be faulty; more than f is weak: at least one honest validator is among
them. For n equal weights that is q = n - ⌊(n-1)/3⌋. Never 2f + 1, which forks for n = 5, 6 and 21.
Source: Castro & Liskov 1999; vectors `bft_quorum`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from runtime.primitives.certificate import Weighted, compute_quorum
from runtime.primitives.types import Hash

LeaderRule: TypeAlias = Callable[[int, int, int], int]
"""From instance, view and number of authorities to the index of who leads."""


def rotate(instance: int, view: int, count: int) -> int:
    """Lead in turn: a pure function, so a proposal by anybody else is evidence."""
    return (instance + view) % count


class Committee:
    """The authorities of one instance, in index order."""

    def __init__(self, genesis: Hash, set_id: int, authorities: Weighted, leader: LeaderRule) -> None:
        """Count for the set that decides one instance; an empty set decides nothing."""
        assert authorities, "a set has members"
        self.genesis = genesis
        self.set_id = set_id
        self.authorities = authorities
        self.total = sum(weight for _, weight in authorities)
        self.quorum = compute_quorum(self.total)
        self.faulty = self.total - self.quorum
        self._leader = leader

    def __len__(self) -> int:
        return len(self.authorities)

    def weigh(self, indices: Iterable[int]) -> int:
        """Return the weight of distinct authorities together."""
        return sum(self.authorities[index][1] for index in indices)

    def is_weak(self, weight: int) -> bool:
        """Tell whether at least one honest authority is in a group of this weight."""
        return weight > self.faulty

    def is_quorum(self, weight: int) -> bool:
        """Tell whether a group of this weight decides."""
        return weight >= self.quorum

    def leader(self, instance: int, view: int) -> int:
        """Return who proposes in a view."""
        return self._leader(instance, view, len(self.authorities))
