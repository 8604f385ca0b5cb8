"""Star balancing: each voter in turn levels the backings of the winners it approves of.

Pure functions of a graph in which some candidates are elected. Voters are visited in the order of the
snapshot. Source: balancing of npos-elections in polkadot-stable2503; Cevallos and Stewart, A verifiably
secure and proportional committee election rule (2021), appendix.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pallets.staking.election_graph import Graph


class Balancing(NamedTuple):
    """At most so many rounds, and fewer once no voter could level more than the tolerance."""

    iterations: int
    tolerance: int


def run_balancing(graph: Graph, balancing: Balancing) -> Iterator[int]:
    """Balance in place, yielding the number of edges that each piece of work visited."""
    if balancing.iterations == 0:
        return
    several = [voter for voter, seated in enumerate(graph.seated) if len(seated) > 1]
    yield len(graph.seated)
    for _ in range(balancing.iterations):
        largest = 0
        for voter in several:
            largest = max(largest, balance_voter(graph, voter, balancing.tolerance))
            yield len(graph.seated[voter])
        if largest <= balancing.tolerance:
            return


def balance_voter(graph: Graph, voter: int, tolerance: int) -> int:
    """Level what a voter backs, and return by how much it was uneven; less than the tolerance is left."""
    seated, weights, targets = graph.seated[voter], graph.weights[voter], graph.targets[voter]
    backed, budget = graph.backed, graph.budgets[voter]
    backings = [backed[targets[place]] for place in seated]
    spent = [weights[place] for place in seated]
    top = max((backing for backing, weight in zip(backings, spent, strict=True) if weight), default=None)
    if top is None:
        difference = budget
    else:
        difference = top - min(backings) + max(budget - sum(spent), 0)
        if difference < tolerance:
            return difference
    without = sorted(
        (max(backing - weight, 0), place)
        for backing, weight, place in zip(backings, spent, seated, strict=True)
    )
    for backing, place in without:
        backed[targets[place]] = backing
        weights[place] = 0
    _pour(graph, voter, without)
    graph.normalize_voter(voter)
    return difference


def _pour(graph: Graph, voter: int, ascending: list[tuple[int, int]]) -> None:
    """Fill the lowest backings up to a common level, as far as the budget reaches."""
    budget, cumulative, last = graph.budgets[voter], 0, len(ascending) - 1
    for index, (backing, _) in enumerate(ascending):
        if backing * index - cumulative > budget:
            last = index - 1
            break
        cumulative += backing
    level, ways = ascending[last][0], last + 1
    each = max(budget + cumulative - level * ways, 0) // ways
    for backing, place in ascending[:ways]:
        graph.weights[voter][place] = each + level - backing
        graph.backed[graph.targets[voter][place]] = each + level
