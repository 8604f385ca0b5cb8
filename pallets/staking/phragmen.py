"""Sequential Phragmén: seats are given one after another to the candidate that costs its backers least.

Pure functions of a graph. Each candidate's score is kept exactly while loads change, so a round visits only
the edges of the winner's backers. Source: seq_phragmen of npos-elections in polkadot-stable2503; Brill and
others, Phragmén's voting methods and justified representation (2017).
"""

from collections.abc import Iterator

from pallets.staking.election_graph import BALANCE_MAX, Graph


def run_phragmen(graph: Graph, seats: int) -> Iterator[int]:
    """Elect and weigh, yielding the number of visits that each piece of work made.

    Loads and scores are parts of 2^128 - 1. The lowest score wins, of equal ones the earlier candidate; a
    candidate without approval comes last, and is elected where seats remain.
    """
    approvals = graph.approvals
    scores = [BALANCE_MAX // approval if approval else BALANCE_MAX + 1 for approval in approvals]
    loads = [0] * len(graph.voters)
    terms = [[0] * len(targets) for targets in graph.targets]
    edge_loads = [[0] * len(targets) for targets in graph.targets]
    for _ in range(min(seats, len(approvals))):
        winner = _find_lowest(graph, scores)
        yield len(approvals)
        graph.elected[winner] = True
        graph.winners.append(winner)
        if approvals[winner]:
            score = min(scores[winner], BALANCE_MAX)
            for voter in graph.backers[winner]:
                edge_loads[voter][graph.targets[voter].index(winner)] = score - loads[voter]
                loads[voter] = score
                _spread(graph, voter, score, scores, terms[voter])
                yield len(terms[voter])
    yield from _weigh(graph, loads, edge_loads)


def _find_lowest(graph: Graph, scores: list[int]) -> int:
    best, lowest = -1, BALANCE_MAX + 2
    for place, is_elected in enumerate(graph.elected):
        if is_elected:
            continue
        # A score saturates; only a candidate without approval stands above that.
        score = min(scores[place], BALANCE_MAX) if graph.approvals[place] else BALANCE_MAX + 1
        if score < lowest:
            best, lowest = place, score
    return best


def _spread(graph: Graph, voter: int, load: int, scores: list[int], terms: list[int]) -> None:
    """Replace the terms of a voter in the scores of its candidates by those of its new load."""
    elected, approvals = graph.elected, graph.approvals
    product = load * graph.budgets[voter]
    for place, candidate in enumerate(graph.targets[voter]):
        if not elected[candidate] and product:
            term = product // approvals[candidate]
            scores[candidate] += term - terms[place]
            terms[place] = term


def _weigh(graph: Graph, loads: list[int], edge_loads: list[list[int]]) -> Iterator[int]:
    """Divide each voter's budget by the loads of its elected edges."""
    for voter, load in enumerate(loads):
        targets, weights, budget = graph.targets[voter], graph.weights[voter], graph.budgets[voter]
        for place, part in enumerate(edge_loads[voter]):
            if weight := budget * part // load if part else 0:
                weights[place] = weight
                graph.backed[targets[place]] += weight
                graph.seated[voter].append(place)
        graph.normalize_voter(voter)
        yield len(targets)
