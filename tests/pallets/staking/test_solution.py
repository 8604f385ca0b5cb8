"""Submitted solutions: an election's own outcome is one, and every fault of another has its name."""

import pytest

from pallets.staking import solution as faults
from pallets.staking.election import Method, elect
from pallets.staking.election_graph import PERBILL, Assignment, Snapshot, Voter
from pallets.staking.election_score import ElectionScore
from pallets.staking.solution import InfeasibleSolution, Solution, WeakerThanClaimed, check_solution
from runtime.primitives.types import AccountId


def who(number: int) -> AccountId:
    return AccountId(number.to_bytes(32, "big"))


HALF = PERBILL // 2
SNAPSHOT = Snapshot(
    tuple(map(who, (1, 2, 3))),
    (
        Voter(who(10), 10, (who(1), who(2))),
        Voter(who(20), 20, (who(1), who(3))),
        Voter(who(30), 30, (who(2), who(3))),
    ),
)
WINNERS = (who(3), who(2))
TEN = Assignment(who(10), ((who(2), PERBILL),))
TWENTY = Assignment(who(20), ((who(3), PERBILL),))
THIRTY = Assignment(who(30), ((who(2), HALF), (who(3), HALF)))
GOOD = Solution(WINNERS, (TEN, TWENTY, THIRTY))
SCORE = ElectionScore(25, 60, 25**2 + 35**2)


def of_thirty(*distribution: tuple[AccountId, int]) -> Solution:
    return Solution(WINNERS, (TEN, TWENTY, Assignment(who(30), distribution)))


@pytest.mark.parametrize("method", Method)
def test_outcome_of_an_election_is_a_solution(method: Method) -> None:
    outcome = elect(SNAPSHOT, 2, method)
    solution = Solution(tuple(name for name, _ in outcome.winners), outcome.assignments)
    assert check_solution(SNAPSHOT, solution, 2).sum_stake == 60


def test_score_is_told_and_may_be_claimed_too_low_but_not_too_high() -> None:
    assert check_solution(SNAPSHOT, GOOD, 2) == SCORE
    assert check_solution(SNAPSHOT, GOOD, 2, SCORE) == SCORE
    assert check_solution(SNAPSHOT, GOOD, 2, ElectionScore(24, 99, 0)) == SCORE
    for claimed in (ElectionScore(26, 0, 0), ElectionScore(25, 61, 10**6), ElectionScore(25, 60, 1849)):
        with pytest.raises(WeakerThanClaimed) as caught:
            check_solution(SNAPSHOT, GOOD, 2, claimed)
        assert (caught.value.claimed, caught.value.actual) == (claimed, SCORE)


def test_winner_without_backing_counts_with_nothing() -> None:
    alone = Solution(WINNERS, (TEN,))
    assert check_solution(SNAPSHOT, alone, 2) == (0, 10, 100)


def test_seats_beyond_the_candidates_stay_empty() -> None:
    everyone = Solution(SNAPSHOT.candidates, GOOD.assignments)
    assert check_solution(SNAPSHOT, everyone, 9).minimal_stake == 0
    with pytest.raises(faults.WrongWinnerCount) as caught:
        check_solution(SNAPSHOT, GOOD, 9)
    assert (caught.value.limit, caught.value.actual) == (3, 2)


@pytest.mark.parametrize(
    ("solution", "fault"),
    [
        (Solution((who(3),), ()), faults.WrongWinnerCount),
        (Solution((), ()), faults.WrongWinnerCount),
        (Solution(SNAPSHOT.candidates, ()), faults.WrongWinnerCount),
        (Solution((who(3), who(3)), ()), faults.DuplicateWinner),
        (Solution((who(3), who(9)), ()), faults.UnknownWinner),
        (Solution(WINNERS, (Assignment(who(11), ((who(2), PERBILL),)),)), faults.UnknownVoter),
        (Solution(WINNERS, (TEN, TEN)), faults.DuplicateVoter),
        (Solution(WINNERS, (Assignment(who(10), ((who(1), PERBILL),)),)), faults.UnknownTarget),
        (Solution(WINNERS, (Assignment(who(10), ((who(99), PERBILL),)),)), faults.UnknownTarget),
        (Solution(WINNERS, (Assignment(who(10), ((who(3), PERBILL),)),)), faults.NotATarget),
        (of_thirty((who(2), HALF), (who(2), HALF)), faults.DuplicateTarget),
        (of_thirty((who(2), PERBILL), (who(3), 0)), faults.ZeroRatio),
        (of_thirty((who(2), PERBILL + 1), (who(3), -1)), faults.ZeroRatio),
        (of_thirty((who(2), HALF), (who(3), HALF - 1)), faults.RatiosNotOne),
        (of_thirty((who(2), HALF), (who(3), HALF + 1)), faults.RatiosNotOne),
        (of_thirty(), faults.RatiosNotOne),
    ],
)
def test_every_fault_has_its_name(solution: Solution, fault: type[InfeasibleSolution]) -> None:
    with pytest.raises(fault) as caught:
        check_solution(SNAPSHOT, solution, 2)
    assert type(caught.value) is fault
