"""The provider of elections that staking is given: it holds one at once, by one of the methods.

Responsible for translating between staking's records and the election's. Stakes beyond u64 are scaled down
for the election alone; what a backer gives is reckoned from its whole stake. For as many voters as fit into
a block; longer elections are held in pieces with `election.Election`.
"""

from pallets.staking import config
from pallets.staking.balancing import Balancing
from pallets.staking.election import Method, elect
from pallets.staking.election_graph import STAKE_MAX, Snapshot, Voter
from pallets.staking.election_score import compute_supports


class OneShotElection:
    """Elects when asked; it is always ready."""

    def __init__(self, method: Method = Method.PHRAGMEN, balancing: Balancing | None = None) -> None:
        self._method = method
        self._balancing = balancing

    def ready(self) -> bool:
        """Return True."""
        return True

    def elect(self, seats: int, snapshot: config.Snapshot) -> tuple[config.Support, ...] | None:
        """Return the winners in order of election with their supports; those whom nobody backs are left out.

        None when nobody is backed.
        """
        scale = max((voter.stake for voter in snapshot.voters), default=0) // (STAKE_MAX + 1) + 1
        voters = tuple(Voter(who, stake // scale, targets) for who, stake, targets in snapshot.voters)
        outcome = elect(Snapshot(snapshot.targets, voters), seats, self._method, self._balancing)
        stakes = {voter.who: voter.stake for voter in snapshot.voters}
        supports = compute_supports(stakes, outcome.assignments)
        found = tuple(
            config.Support(who, supports[who].voters) for who, _ in outcome.winners if who in supports
        )
        return found or None
