"""Staking's provider of elections gives what an election gives, without loss and without idle winners."""

import pytest

from pallets.staking.balancing import Balancing
from pallets.staking.config import ElectionProvider, Snapshot, Support, Voter
from pallets.staking.election import Method
from pallets.staking.provider import OneShotElection
from runtime.primitives.types import AccountId
from tests.support.staking import Election, who

TARGETS = tuple(sorted(map(who, (11, 21, 31, 41))))
VOTERS = (
    Voter(who(11), 1_000, (who(11),)),
    Voter(who(21), 1_000, (who(21),)),
    Voter(who(31), 500, (who(31),)),
    Voter(who(101), 500, (who(11), who(21))),
)


def given(supports: tuple[Support, ...] | None) -> dict[AccountId, int]:
    sums: dict[AccountId, int] = {}
    for support in supports or ():
        for backer, value in support.backers:
            sums[backer] = sums.get(backer, 0) + value
    return sums


def test_winners_and_supports_are_those_of_exact_fractions() -> None:
    provider: ElectionProvider = OneShotElection()
    assert provider.ready()
    found, plain = (
        provider.elect(2, Snapshot(TARGETS, VOTERS)),
        Election().elect(2, Snapshot(TARGETS, VOTERS)),
    )
    assert found is not None
    assert plain is not None
    assert {s.winner: sorted(s.backers) for s in found} == {s.winner: sorted(s.backers) for s in plain}


@pytest.mark.parametrize("scale", [1, 10**20])
@pytest.mark.parametrize("method", Method)
def test_backers_give_their_whole_stake_even_beyond_u64(method: Method, scale: int) -> None:
    voters = tuple(Voter(name, stake * scale + 7, targets) for name, stake, targets in VOTERS)
    found = OneShotElection(method, Balancing(4, 0)).elect(3, Snapshot(TARGETS, voters))
    assert given(found) == {voter.who: voter.stake for voter in voters}


def test_winners_that_nobody_backs_are_left_out() -> None:
    found = OneShotElection().elect(4, Snapshot(TARGETS, VOTERS))
    assert found is not None
    assert who(41) not in {support.winner for support in found}
    assert len(found) == 3


def test_election_without_voters_fails() -> None:
    assert OneShotElection().elect(2, Snapshot(TARGETS, ())) is None
    assert OneShotElection().elect(2, Snapshot((), VOTERS)) is None
