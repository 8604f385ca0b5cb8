"""What an election's outcome is worth: stakes from ratios, supports, the score, and justification.

Pure functions; they know no method of election. Source: npos-elections of polkadot-stable2503 (helpers, pjr).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pallets.staking.election_graph import (
    BALANCE_MAX,
    PERBILL,
    Assignment,
    Snapshot,
    compute_parts,
    normalize,
)
from runtime.primitives.types import AccountId


class ElectionScore(NamedTuple):
    """Least backing of a winner, sum of backings, and the sum of their squares; u128, saturating."""

    minimal_stake: int
    sum_stake: int
    sum_stake_squared: int

    def is_better(self, other: "ElectionScore") -> bool:
        """Whether this is strictly better: more at least, then more in sum, then more even."""
        return self._key() > other._key()

    def is_better_by(self, other: "ElectionScore", threshold: int) -> bool:
        """Whether this is better by more than a threshold, in parts of a billion of each number of the other.

        A number within the threshold leaves the decision to the next, unless it is worse.
        """
        for place in range(3):
            mine, theirs = self[place], other[place]
            margin = min(-(-theirs * threshold // PERBILL), BALANCE_MAX)
            compared = _compare(mine, theirs, margin)
            if place == 2:
                return compared < 0
            if compared != 0 or mine < theirs:
                return compared > 0
        raise AssertionError("the third number decides")

    def _key(self) -> tuple[int, int, int]:
        return self.minimal_stake, self.sum_stake, -self.sum_stake_squared


class Support(NamedTuple):
    """What backs a winner: the sum, and each voter's part of it."""

    total: int
    voters: tuple[tuple[AccountId, int], ...]


def compute_stakes(distribution: Sequence[int], stake: int, accuracy: int = PERBILL) -> list[int]:
    """Return the stakes that parts of one come to, to the nearest, ties down; they sum to the stake."""
    return normalize([_round_nearest(parts * stake, accuracy) for parts in distribution], stake)


def compute_supports(
    stakes: Mapping[AccountId, int], assignments: Iterable[Assignment], accuracy: int = PERBILL
) -> dict[AccountId, Support]:
    """Return the support of each target that is assigned something, by account id; voters as assigned."""
    voters: dict[AccountId, list[tuple[AccountId, int]]] = {}
    for who, distribution in assignments:
        parts = [part for _, part in distribution]
        for (target, _), stake in zip(
            distribution, compute_stakes(parts, stakes[who], accuracy), strict=True
        ):
            voters.setdefault(target, []).append((who, stake))
    return {
        target: Support(min(sum(stake for _, stake in found), BALANCE_MAX), tuple(found))
        for target, found in sorted(voters.items())
    }


def compute_score(backings: Iterable[int]) -> ElectionScore:
    """Return the score of winners with these backings; without winners the least is the largest number."""
    least, total, squares = BALANCE_MAX, 0, 0
    for backing in backings:
        least = min(least, backing)
        total += backing
        squares += backing * backing
    return ElectionScore(least, min(total, BALANCE_MAX), min(squares, BALANCE_MAX))


def compute_standard_threshold(stakes: Iterable[int], seats: int) -> int:
    """Return the backing that entitles voters to a seat: all stake over the seats."""
    return sum(stakes) // max(seats, 1)


def find_unrepresented(
    snapshot: Snapshot, supports: Mapping[AccountId, Support], threshold: int
) -> AccountId | None:
    """Return the candidate that voters could still back with the threshold, the strongest one; None when the
    outcome is justified (PJR).

    A voter can spare what would leave every winner it backs with the threshold.
    """
    shares: dict[AccountId, list[tuple[int, int]]] = {}
    for support in supports.values():
        for who, weight in support.voters:
            shares.setdefault(who, []).append((weight, support.total))
    spare = {who: 0 for who in snapshot.candidates if who not in supports}
    for who, stake, targets in snapshot.voters:
        slack = compute_slack(stake, shares.get(who, ()), threshold)
        for target in dict.fromkeys(targets):
            if target in spare:
                spare[target] = min(spare[target] + slack, BALANCE_MAX)
    most = max(((stake, who) for who, stake in spare.items()), default=None)
    return most[1] if most is not None and most[0] >= threshold else None


def compute_slack(budget: int, edges: Iterable[tuple[int, int]], threshold: int) -> int:
    """Return what a voter can spare, whose edges are pairs of its weight and the backing of the winner."""
    kept = 0
    for weight, backing in edges:
        kept += _round_nearest(compute_parts(threshold, backing, PERBILL) * weight, PERBILL)
    return max(budget - kept, 0)


def _compare(this: int, that: int, margin: int) -> int:
    """Return -1, 0 or 1: numbers apart by no more than the margin are as good as equal."""
    if this > min(that + margin, BALANCE_MAX):
        return 1
    return -1 if this < max(that - margin, 0) else 0


def _round_nearest(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator)
