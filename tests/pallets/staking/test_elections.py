"""Elections equal a plain model bit for bit, at once or in pieces; their parts refuse what is not theirs."""

from random import Random  # noqa: TID251 - seeded

import pytest

from pallets.staking.balancing import Balancing
from pallets.staking.election import Election, Method, elect
from pallets.staking.election_graph import BALANCE_MAX, PERBILL, STAKE_MAX, Snapshot, Voter, normalize
from pallets.staking.election_score import (
    ElectionScore,
    compute_score,
    compute_stakes,
    compute_standard_threshold,
    compute_supports,
    find_unrepresented,
)
from runtime.primitives.types import AccountId
from tests.pallets.staking.election_model import Model

PER_U16 = 65_535
STAKES = ((0, 1, 1, 2, 10), (10, 10, 20, 30), (10**12, 3 * 10**15, 10**17), (STAKE_MAX, STAKE_MAX - 1, 1, 0))


def who(number: int) -> AccountId:
    return AccountId(number.to_bytes(32, "big"))


def draw_snapshot(generator: Random) -> Snapshot:
    """Few candidates and stakes, so that ties, repeats and unknown targets are common."""
    candidates = [who(number) for number in range(generator.randint(0, 9))]
    generator.shuffle(candidates)
    stakes = generator.choice(STAKES)
    named = (*candidates, who(200), who(201))
    voters = tuple(
        Voter(who(100 + number), generator.choice(stakes), tuple(generator.choices(named, k=count)))
        for number in range(generator.randint(0, 14))
        for count in [generator.randint(0, 6)]
    )
    return Snapshot(tuple(candidates), voters)


def draw_balancing(generator: Random) -> Balancing | None:
    return generator.choice((None, Balancing(0, 0), Balancing(1, 0), Balancing(4, 0), Balancing(10, 5)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("method", Method)
def test_outcome_equals_that_of_the_plain_model(method: Method, seed: int) -> None:
    generator = Random(seed)
    for _ in range(60):
        snapshot, balancing = draw_snapshot(generator), draw_balancing(generator)
        seats, accuracy = generator.randint(0, 10), generator.choice((PERBILL, PER_U16))
        model = Model(snapshot)
        if method is Method.PHRAGMEN:
            model.phragmen(seats)
            if balancing:
                model.balance(balancing)
        else:
            model.phragmms(seats, balancing, accuracy)
        assert elect(snapshot, seats, method, balancing, accuracy) == model.outcome(accuracy)


@pytest.mark.parametrize("method", Method)
def test_progress_depends_on_all_units_granted_alone(method: Method) -> None:
    generator = Random(7)
    for _ in range(20):
        snapshot, balancing = draw_snapshot(generator), draw_balancing(generator)
        pieces, whole = (Election(snapshot, 5, method, balancing) for _ in range(2))
        while not pieces.is_done:
            pieces.step(generator.randint(0, 9))
            again = Election(snapshot, 5, method, balancing)
            again.step(pieces.units_granted)
            assert (again.units_spent, again.is_done) == (pieces.units_spent, pieces.is_done)
        whole.finish()
        assert pieces.outcome() == whole.outcome() == elect(snapshot, 5, method, balancing)
        assert pieces.units_spent == whole.units_spent


def test_step_exceeds_its_units_by_one_piece_of_work_at_most() -> None:
    snapshot = Snapshot((who(1), who(2)), tuple(Voter(who(n), n, (who(1), who(2))) for n in range(10, 90)))
    election = Election(snapshot, 2, balancing=Balancing(2, 0))
    granted = 0
    while not election.step(1):
        granted += 1
        assert election.units_spent < granted + len(snapshot.voters)
    assert granted > 100


def test_outcome_of_an_unfinished_election_is_not_to_be_had() -> None:
    election = Election(Snapshot((who(1),), (Voter(who(2), 1, (who(1),)),)), 1)
    with pytest.raises(AssertionError, match="the election is done"):
        election.outcome()


def test_candidates_named_twice_and_stakes_out_of_range_are_misuse() -> None:
    with pytest.raises(AssertionError, match="distinct"):
        elect(Snapshot((who(1), who(1)), ()), 1)
    for stake in (-1, STAKE_MAX + 1):
        with pytest.raises(AssertionError, match="u64"):
            elect(Snapshot((who(1),), (Voter(who(2), stake, (who(1),)),)), 1)


def test_normalize_gives_the_sum_and_lowers_none_below_zero() -> None:
    generator = Random(3)
    for _ in range(300):
        values = [generator.randint(0, 30) for _ in range(generator.randint(1, 6))]
        target = generator.randint(0, 60)
        found = normalize(values, target)
        assert sum(found) == target
        assert min(found) >= 0
    assert normalize([], 5) == []


def test_stakes_of_ratios_sum_to_the_stake() -> None:
    assert compute_stakes((333_333_333, 666_666_667), 100) == [33, 67]
    assert compute_stakes((500_000_000, 500_000_000), 3) == [2, 1]
    assert compute_stakes((PERBILL,), STAKE_MAX) == [STAKE_MAX]


def test_score_saturates_and_orders_by_least_sum_and_evenness() -> None:
    assert compute_score([BALANCE_MAX, BALANCE_MAX]) == (BALANCE_MAX, BALANCE_MAX, BALANCE_MAX)
    assert compute_score([]) == (BALANCE_MAX, 0, 0)
    assert ElectionScore(2, 0, 9).is_better(ElectionScore(1, 9, 0))
    assert ElectionScore(1, 9, 8).is_better(ElectionScore(1, 9, 9))
    assert not ElectionScore(1, 9, 9).is_better(ElectionScore(1, 9, 9))
    assert not ElectionScore(1, 9, 9).is_better_by(ElectionScore(1, 9, 9), 0)


def test_outcome_is_justified_and_one_that_leaves_out_the_strongest_is_not() -> None:
    generator = Random(5)
    names = tuple(map(who, range(8)))
    voters = tuple(
        Voter(who(100 + n), generator.randint(10**9, 10**12), tuple(generator.sample(names, 3)))
        for n in range(30)
    )
    snapshot, stakes = Snapshot(names, voters), {voter.who: voter.stake for voter in voters}
    threshold = compute_standard_threshold(stakes.values(), 4)
    supports = compute_supports(stakes, elect(snapshot, 4).assignments)
    assert find_unrepresented(snapshot, supports, threshold + threshold // 1_000_000) is None
    lone = Snapshot((*names, who(99)), (*voters, Voter(who(98), threshold, (who(99),))))
    assert find_unrepresented(lone, supports, threshold) == who(99)
