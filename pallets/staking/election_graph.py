"""The graph of an election: who approves of whom with which stake, in flat lists that the methods work on.

Responsible for cleaning the input, for the exact normalisation of parts to a sum, and for turning weights
into an outcome. It knows no method of election. Candidates and voters keep the order of the snapshot, which
decides ties; a chain sorts both by account id. Source: npos-elections and sp-arithmetic of
polkadot-stable2503, with one difference: a voter without stake assigns nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from runtime.primitives.types import AccountId

PERBILL: Final = 1_000_000_000
"""The parts of one whole of a Perbill: the default accuracy of ratios."""
STAKE_MAX: Final = 2**64 - 1
BALANCE_MAX: Final = 2**128 - 1


class Voter(NamedTuple):
    """A voter with the candidates it approves of; its stake is a u64."""

    who: AccountId
    stake: int
    targets: tuple[AccountId, ...]


class Snapshot(NamedTuple):
    """What an election is held on. Candidates are distinct."""

    candidates: tuple[AccountId, ...]
    voters: tuple[Voter, ...]


class Assignment(NamedTuple):
    """How a voter divides its stake: targets with parts of one whole, which sum to the whole."""

    who: AccountId
    distribution: tuple[tuple[AccountId, int], ...]


class Outcome(NamedTuple):
    """The winners in the order of their election, with their backing, and how voters divide their stakes."""

    winners: tuple[tuple[AccountId, int], ...]
    assignments: tuple[Assignment, ...]


class Graph:
    """A snapshot cleaned, with the state of an election on it.

    Unknown targets are dropped, repeated ones counted once, and voters left without a target dropped.
    Candidates and voters are indices; `weights` runs parallel to `targets`. `seated` holds, for each voter,
    the positions of its edges that take part in balancing, ascending.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.candidates = snapshot.candidates
        index = {who: place for place, who in enumerate(snapshot.candidates)}
        assert len(index) == len(snapshot.candidates), "candidates are distinct"
        self.voters: list[AccountId] = []
        self.budgets: list[int] = []
        self.targets: list[list[int]] = []
        self.backers: list[list[int]] = [[] for _ in index]
        self.approvals = [0] * len(index)
        for who, stake, targets in snapshot.voters:
            assert 0 <= stake <= STAKE_MAX, "stakes are u64"
            known = [index[target] for target in dict.fromkeys(targets) if target in index]
            if known:
                self._add(who, stake, known)
        self.weights = [[0] * len(known) for known in self.targets]
        self.seated: list[list[int]] = [[] for _ in self.targets]
        self.backed = [0] * len(index)
        self.elected = [False] * len(index)
        self.winners: list[int] = []

    def _add(self, who: AccountId, stake: int, known: list[int]) -> None:
        place = len(self.voters)
        self.voters.append(who)
        self.budgets.append(stake)
        self.targets.append(known)
        for candidate in known:
            self.backers[candidate].append(place)
            self.approvals[candidate] = min(self.approvals[candidate] + stake, BALANCE_MAX)

    def normalize_voter(self, voter: int) -> None:
        """Make the weights of a voter's seated edges sum to its budget."""
        seated, weights = self.seated[voter], self.weights[voter]
        before = [weights[place] for place in seated]
        if sum(before) == self.budgets[voter]:
            return
        targets = self.targets[voter]
        for place, old, new in zip(seated, before, normalize(before, self.budgets[voter]), strict=True):
            weights[place] = new
            self.backed[targets[place]] += new - old

    def collect_outcome(self, accuracy: int = PERBILL) -> Outcome:
        """Return the outcome with ratios of so many parts. Voters without stake assign nothing."""
        winners = tuple((self.candidates[place], self.backed[place]) for place in self.winners)
        assignments = (self._assign(voter, accuracy) for voter in range(len(self.voters)))
        return Outcome(winners, tuple(found for found in assignments if found.distribution))

    def _assign(self, voter: int, accuracy: int) -> Assignment:
        budget = self.budgets[voter]
        edges = zip(self.targets[voter], self.weights[voter], strict=True)
        rounded = [
            (self.candidates[target], found)
            for target, weight in edges
            if budget and weight and (found := compute_parts(weight, budget, accuracy))
        ]
        parts = normalize([found for _, found in rounded], accuracy)
        return Assignment(self.voters[voter], tuple(zip((who for who, _ in rounded), parts, strict=True)))


def compute_parts(part: int, whole: int, accuracy: int) -> int:
    """Return part over whole in parts of one, rounded down; one where it is more, or nothing of nothing."""
    return accuracy * part // whole if part < whole else accuracy


def normalize(values: Sequence[int], target: int) -> list[int]:
    """Return the values changed as evenly as the rule of sp-arithmetic does, so that they sum to `target`.

    The smallest are raised first, the largest lowered first, ties by place. Its last step moves in units of
    one: it is for values that nearly sum to the target, as roundings do.
    """
    difference = target - sum(values)
    if not values or difference == 0:
        return list(values)
    order = sorted(range(len(values)), key=values.__getitem__)
    ascending = [values[place] for place in order]
    if difference > 0:
        _raise(ascending, difference, target // len(values))
    else:
        _lower(ascending, -difference)
    result = [0] * len(values)
    for place, value in zip(order, ascending, strict=True):
        result[place] = value
    return result


def _raise(ascending: list[int], difference: int, threshold: int) -> None:
    count = len(ascending)
    each, left = divmod(difference, count)
    place = 0
    for step in (each,) * (count if each else 0) + (1,) * left:
        ascending[place] += step
        if ascending[place] >= threshold:
            place = (place + 1) % count


def _lower(ascending: list[int], difference: int) -> None:
    count, threshold = len(ascending), ascending[0]
    each, left = divmod(difference, count)
    place = count - 1
    for _ in range(count if each else 0):
        taken = min(each, ascending[place])
        left += each - taken
        ascending[place] -= taken
        if ascending[place] <= threshold:
            place = (place - 1) % count
    while left:
        if ascending[place] > 0:
            ascending[place] -= 1
            left -= 1
        if ascending[place] <= threshold:
            place = (place - 1) % count
