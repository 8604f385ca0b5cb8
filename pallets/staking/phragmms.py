"""PhragMMS: seats go to the candidate that can be backed best; its backers give up some of what they gave.

Pure functions of a graph. Unlike sequential Phragmén it is within a constant factor of the best least
backing. Source: phragmms of npos-elections in polkadot-stable2503; Cevallos and Stewart, A verifiably secure
and proportional committee election rule (2021).
"""

from bisect import insort
from collections.abc import Iterator

from pallets.staking.balancing import Balancing, run_balancing
from pallets.staking.election_graph import BALANCE_MAX, PERBILL, Graph, compute_parts


def run_phragmms(
    graph: Graph, seats: int, balancing: Balancing | None = None, accuracy: int = PERBILL
) -> Iterator[int]:
    """Elect and weigh, yielding the number of visits that each piece of work made; balances in each round.

    The highest score wins, of equal ones the earlier candidate; one without approval is never elected.
    """
    denominators = [accuracy] * len(graph.candidates)
    contributions = [0] * len(graph.voters)
    for _ in range(seats):
        yield from _contribute(graph, contributions, denominators, accuracy)
        winner = _find_highest(graph, denominators, accuracy)
        yield len(denominators)
        if winner is None:
            return
        cutoff = _round_nearest(min(graph.approvals[winner] * accuracy, BALANCE_MAX), denominators[winner])
        yield from _apply(graph, winner, cutoff)
        if balancing is not None:
            yield from run_balancing(graph, balancing)


def _contribute(
    graph: Graph, contributions: list[int], denominators: list[int], accuracy: int
) -> Iterator[int]:
    """Bring the denominators up to date with what each voter's elected edges weigh in their backings."""
    backed = graph.backed
    for voter, seated in enumerate(graph.seated):
        if not seated:
            continue
        targets, weights = graph.targets[voter], graph.weights[voter]
        found = 0
        for place in seated:
            found += compute_parts(weights[place], backed[targets[place]], accuracy)
        if change := found - contributions[voter]:
            contributions[voter] = found
            for candidate in targets:
                denominators[candidate] += change
        yield len(targets)


def _find_highest(graph: Graph, denominators: list[int], accuracy: int) -> int | None:
    best, best_numerator, best_denominator = None, 0, 1
    for place, (approval, denominator) in enumerate(zip(graph.approvals, denominators, strict=True)):
        if graph.elected[place]:
            continue
        numerator = min(approval * accuracy, BALANCE_MAX)
        if numerator * best_denominator > best_numerator * denominator:
            best, best_numerator, best_denominator = place, numerator, denominator
    return best


def _round_nearest(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator)


def _apply(graph: Graph, winner: int, cutoff: int) -> Iterator[int]:
    """Give the winner what its backers have not spent, and a share of what they spent above the cutoff."""
    backed = graph.backed
    for voter in graph.backers[winner]:
        targets, weights = graph.targets[voter], graph.weights[voter]
        gained = max(graph.budgets[voter] - sum(weights), 0)
        for place in graph.seated[voter]:
            backing, weight = backed[targets[place]], weights[place]
            if weight and backing > cutoff:
                taken = min(weight * cutoff, BALANCE_MAX) // backing
                weights[place] -= taken
                backed[targets[place]] -= taken
                gained += taken
        place = targets.index(winner)
        weights[place] = gained
        backed[winner] += gained
        insort(graph.seated[voter], place)
        yield len(targets)
    graph.elected[winner] = True
    graph.winners.append(winner)
