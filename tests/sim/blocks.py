"""Blocks as far as agreement sees them, and the sets that decide them.

A block says which set decides its child, as a header's digest does; the schedule says what is right.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from runtime.primitives.committee import Committee, rotate
from runtime.primitives.statements import Value
from runtime.primitives.types import Hash
from tests.sim.signing import Keys

GENESIS = Hash(blake2b(b"the simulator's genesis", digest_size=32).digest())

MakeCommittee: TypeAlias = Callable[[Hash, int, list[tuple[bytes, int]]], Committee]


class Block(NamedTuple):
    number: int
    parent: Hash
    author: int
    nonce: int
    timestamp_ms: int
    next_set: int
    is_valid: bool = True

    @property
    def hash(self) -> Hash:
        """The hash over all fields."""
        return Hash(blake2b(repr(tuple(self)).encode(), digest_size=32).digest())

    @property
    def value(self) -> Value:
        """What the engine knows of it."""
        return Value(self.number, self.hash)


def make_committee(genesis: Hash, set_id: int, authorities: list[tuple[bytes, int]]) -> Committee:
    """Return the committee that leads in turn."""
    return Committee(genesis, set_id, authorities, rotate)


class Schedule:
    """Which identities decide which height."""

    def __init__(
        self,
        keys: Keys,
        sets: Sequence[tuple[int, ...]],
        starts: Sequence[int],
        weights: Sequence[int],
        make: MakeCommittee = make_committee,
    ) -> None:
        """Sets in order, the height from which each is in force, ascending from 1; weights by identity."""
        assert len(sets) == len(starts), "each set has its beginning"
        assert starts[0] == 1, "the first set decides the first height"
        self.sets = tuple(sets)
        self._starts = tuple(starts)
        self._committees = [
            make(GENESIS, set_id, [(keys.public(identity), weights[identity]) for identity in members])
            for set_id, members in enumerate(sets)
        ]
        self._places = [{identity: place for place, identity in enumerate(members)} for members in sets]

    def set_id(self, height: int) -> int:
        """Return which set decides a height."""
        return max(set_id for set_id, start in enumerate(self._starts) if start <= height)

    def committee(self, set_id: int) -> Committee:
        """Return a set as the engine counts it, the same object every time."""
        return self._committees[set_id]

    def is_bearable(self, faulty: Sequence[int]) -> bool:
        """Tell whether every set holds with these of its members faulty."""
        return all(
            committee.weigh(place for place, each in enumerate(members) if each in faulty) <= committee.faulty
            for members, committee in zip(self.sets, self._committees, strict=True)
        )

    def place(self, set_id: int, identity: int) -> int | None:
        """Return an identity's place in a set."""
        return self._places[set_id].get(identity)

    def identity(self, set_id: int, place: int) -> int | None:
        """Return who has a place in a set, None when there is no such set or place."""
        if not 0 <= set_id < len(self.sets) or place >= len(self.sets[set_id]):
            return None
        return self.sets[set_id][place]
