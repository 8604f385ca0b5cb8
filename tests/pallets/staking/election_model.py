"""Elections as plainly as they can be written: every score from scratch in every round, fractions as such.

The oracle of `test_elections.py`. It shares nothing with the product but the types of input and output.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from pallets.staking.balancing import Balancing
from pallets.staking.election_graph import Assignment, Outcome, Snapshot
from runtime.primitives.types import AccountId

MAX = 2**128 - 1


@dataclass
class ModelVoter:
    who: AccountId
    budget: int
    edges: list[AccountId]
    load: int = 0
    loads: dict[AccountId, int] = field(default_factory=dict)
    weights: dict[AccountId, int] = field(default_factory=dict)


class Model:
    def __init__(self, snapshot: Snapshot) -> None:
        self.candidates = list(snapshot.candidates)
        self.voters: list[ModelVoter] = []
        for who, stake, targets in snapshot.voters:
            edges: list[AccountId] = []
            for target in targets:
                if target in self.candidates and target not in edges:
                    edges.append(target)
            if edges:
                self.voters.append(ModelVoter(who, stake, edges, weights=dict.fromkeys(edges, 0)))
        self.backed = dict.fromkeys(self.candidates, 0)
        self.winners: list[AccountId] = []

    def approval(self, candidate: AccountId) -> int:
        return min(MAX, sum(voter.budget for voter in self.voters if candidate in voter.edges))

    def move(self, voter: ModelVoter, candidate: AccountId, weight: int) -> None:
        self.backed[candidate] += weight - voter.weights[candidate]
        voter.weights[candidate] = weight

    def phragmen(self, seats: int) -> None:
        for _ in range(min(seats, len(self.candidates))):
            unelected = [c for c in self.candidates if c not in self.winners]
            scores = {c: self.phragmen_score(c) for c in unelected}
            winner = min(unelected, key=lambda c: scores[c])
            self.winners.append(winner)
            for voter in self.voters:
                if winner in voter.edges:
                    numerator = min(scores[winner], MAX)
                    voter.loads[winner] = numerator - voter.load
                    voter.load = numerator
        for voter in self.voters:
            for candidate in [c for c in voter.edges if c in self.winners]:
                self.move(voter, candidate, voter.budget * voter.loads[candidate] // voter.load)
            voter.edges = [c for c in voter.edges if voter.weights[c] > 0]
            self.normalize(voter)

    def phragmen_score(self, candidate: AccountId) -> int:
        approval = self.approval(candidate)
        if approval == 0:
            return MAX + 1
        score = MAX // approval
        for voter in self.voters:
            if candidate in voter.edges:
                score = min(MAX, score + min(MAX, voter.load * voter.budget // approval))
        return score

    def phragmms(self, seats: int, balancing: Balancing | None, accuracy: int) -> None:
        for _ in range(seats):
            best, highest = None, Fraction(0)
            for candidate in self.candidates:
                score = self.phragmms_score(candidate, accuracy)
                if candidate not in self.winners and score > highest:
                    best, highest = candidate, score
            if best is None:
                return
            down = highest.numerator // highest.denominator
            cutoff = down + (highest - down > Fraction(1, 2))
            for voter in self.voters:
                if best in voter.edges:
                    gained = voter.budget - sum(voter.weights.values())
                    for other in voter.edges:
                        if other != best and voter.weights[other] > 0 and self.backed[other] > cutoff:
                            taken = min(MAX, voter.weights[other] * cutoff) // self.backed[other]
                            self.move(voter, other, voter.weights[other] - taken)
                            gained += taken
                    self.move(voter, best, max(0, gained))
            self.winners.append(best)
            if balancing:
                self.balance(balancing)

    def phragmms_score(self, candidate: AccountId, accuracy: int) -> Fraction:
        denominator = accuracy
        for voter in self.voters:
            if candidate in voter.edges:
                for other in voter.edges:
                    if other in self.winners:
                        denominator += ratio(voter.weights[other], self.backed[other], accuracy)
        return Fraction(min(MAX, self.approval(candidate) * accuracy), denominator)

    def balance(self, balancing: Balancing) -> None:
        for _ in range(balancing.iterations):
            differences = [self.balance_voter(voter, balancing.tolerance) for voter in self.voters]
            if max(differences, default=0) <= balancing.tolerance:
                return

    def balance_voter(self, voter: ModelVoter, tolerance: int) -> int:
        edges = [c for c in voter.edges if c in self.winners]
        if len(edges) < 2:
            return 0
        used = [self.backed[c] for c in edges if voter.weights[c] > 0]
        difference = voter.budget
        if used:
            unspent = max(0, voter.budget - sum(voter.weights[c] for c in edges))
            difference = max(used) - min(self.backed[c] for c in edges) + unspent
            if difference < tolerance:
                return difference
        for candidate in edges:
            self.move(voter, candidate, 0)
        edges.sort(key=lambda c: self.backed[c])
        last, cumulative = len(edges) - 1, 0
        for index, candidate in enumerate(edges):
            if self.backed[candidate] * index - cumulative > voter.budget:
                last = index - 1
                break
            cumulative += self.backed[candidate]
        level = self.backed[edges[last]]
        excess = max(0, voter.budget + cumulative - level * (last + 1))
        for candidate in edges[: last + 1]:
            self.move(voter, candidate, excess // (last + 1) + level - self.backed[candidate])
        self.normalize(voter)
        return difference

    def normalize(self, voter: ModelVoter) -> None:
        edges = [c for c in voter.edges if c in self.winners]
        fixed = model_normalize([voter.weights[c] for c in edges], voter.budget)
        for candidate, weight in zip(edges, fixed, strict=True):
            self.move(voter, candidate, weight)

    def outcome(self, accuracy: int) -> Outcome:
        assignments = []
        for voter in self.voters:
            parts = {c: ratio(voter.weights[c], voter.budget, accuracy) for c in voter.edges}
            kept = [c for c in voter.edges if voter.budget and parts[c] > 0]
            fixed = model_normalize([parts[c] for c in kept], accuracy)
            if kept:
                assignments.append(Assignment(voter.who, tuple(zip(kept, fixed, strict=True))))
        return Outcome(tuple((c, self.backed[c]) for c in self.winners), tuple(assignments))


def ratio(part: int, whole: int, accuracy: int) -> int:
    """As PerThing::from_rational: one where the fraction is more than one or has no value."""
    if whole == 0 or part > whole:
        return accuracy
    return accuracy * part // whole


def model_normalize(values: list[int], target: int) -> list[int]:
    """Move unit sums as the rule says, on pairs of value and place."""
    if not values or sum(values) == target:
        return values
    pairs = [[value, place] for place, value in enumerate(values)]
    pairs.sort(key=lambda pair: pair[0])
    assert sum(values) < target, "roundings down alone are made up for"
    each, left = divmod(target - sum(values), len(values))
    at = 0
    for step in [each] * (len(values) if each else 0) + [1] * left:
        pairs[at][0] += step
        if pairs[at][0] >= target // len(values):
            at = at + 1 if at + 1 < len(values) else 0
    return [value for value, _ in sorted(pairs, key=lambda pair: pair[1])]
