"""Solutions: whether an outcome that somebody submits is one of the snapshot, and what it is worth.

Responsible for the check alone, in time linear in the edges of the voters that it names; how the outcome was
found does not matter. Source: the feasibility check of pallet_election_provider_multi_phase.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pallets.staking.election_graph import PERBILL, Assignment, Snapshot, Voter
from pallets.staking.election_score import ElectionScore, compute_score, compute_supports
from runtime.primitives.types import AccountId


class Solution(NamedTuple):
    """Winners, and how voters divide their stakes among them in parts of one."""

    winners: tuple[AccountId, ...]
    assignments: tuple[Assignment, ...]


class InfeasibleSolution(Exception):
    """The solution is not one of the snapshot; a subclass says why."""


class WrongWinnerCount(InfeasibleSolution):
    """There are not as many winners as seats, or as candidates where there are fewer."""

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(f"{actual} winners for {limit} seats")
        self.limit = limit
        self.actual = actual


class DuplicateWinner(InfeasibleSolution):
    """A winner is named twice."""


class UnknownWinner(InfeasibleSolution):
    """A winner is not a candidate."""


class UnknownVoter(InfeasibleSolution):
    """An assignment is of an account that does not vote."""


class DuplicateVoter(InfeasibleSolution):
    """A voter has two assignments."""


class UnknownTarget(InfeasibleSolution):
    """An assignment has a target that does not win."""


class NotATarget(InfeasibleSolution):
    """An assignment has a target that the voter does not approve of."""


class DuplicateTarget(InfeasibleSolution):
    """An assignment has a target twice."""


class ZeroRatio(InfeasibleSolution):
    """An assignment gives a target no part, or less."""


class RatiosNotOne(InfeasibleSolution):
    """The parts of an assignment do not sum to one."""


class WeakerThanClaimed(InfeasibleSolution):
    """The score is worse than the one claimed."""

    def __init__(self, claimed: ElectionScore, actual: ElectionScore) -> None:
        super().__init__(f"the score is {tuple(actual)}, not {tuple(claimed)}")
        self.claimed = claimed
        self.actual = actual


def check_solution(
    snapshot: Snapshot,
    solution: Solution,
    seats: int,
    claimed: ElectionScore | None = None,
    accuracy: int = PERBILL,
) -> ElectionScore:
    """Return the score of a solution of the snapshot; raises InfeasibleSolution.

    A winner without backing counts with 0. The score may be better than claimed, not worse.
    """
    winners = _check_winners(snapshot, solution.winners, seats)
    voters = {voter.who: voter for voter in snapshot.voters}
    seen: set[AccountId] = set()
    for assignment in solution.assignments:
        voter = voters.get(assignment.who)
        if voter is None:
            raise UnknownVoter(assignment.who.hex())
        if assignment.who in seen:
            raise DuplicateVoter(assignment.who.hex())
        seen.add(assignment.who)
        _check_distribution(voter, assignment.distribution, winners, accuracy)
    stakes = {who: voters[who].stake for who, _ in solution.assignments}
    supports = compute_supports(stakes, solution.assignments, accuracy)
    score = compute_score(supports[who].total if who in supports else 0 for who in solution.winners)
    if claimed is not None and claimed.is_better(score):
        raise WeakerThanClaimed(claimed, score)
    return score


def _check_winners(
    snapshot: Snapshot, winners: tuple[AccountId, ...], seats: int
) -> Mapping[AccountId, None]:
    wanted = min(seats, len(snapshot.candidates))
    if len(winners) != wanted:
        raise WrongWinnerCount(wanted, len(winners))
    distinct = dict.fromkeys(winners)
    if len(distinct) != len(winners):
        raise DuplicateWinner
    candidates = frozenset(snapshot.candidates)
    for who in winners:
        if who not in candidates:
            raise UnknownWinner(who.hex())
    return distinct


def _check_distribution(
    voter: Voter,
    distribution: tuple[tuple[AccountId, int], ...],
    winners: Mapping[AccountId, None],
    accuracy: int,
) -> None:
    approved = frozenset(voter.targets)
    seen: set[AccountId] = set()
    for target, parts in distribution:
        if target not in winners:
            raise UnknownTarget(target.hex())
        if target not in approved:
            raise NotATarget(target.hex())
        if target in seen:
            raise DuplicateTarget(target.hex())
        if parts <= 0:
            raise ZeroRatio(target.hex())
        seen.add(target)
    if sum(parts for _, parts in distribution) != accuracy:
        raise RatiosNotOne(voter.who.hex())
