"""Elections: winners, ratios, supports and scores, and the arithmetic that they rest on."""

from functools import partial
from typing import Any

from pallets.staking.balancing import Balancing
from pallets.staking.election import Method, elect
from pallets.staking.election_graph import PERBILL, Snapshot, Voter, normalize
from pallets.staking.election_score import (
    ElectionScore,
    Support,
    compute_score,
    compute_slack,
    compute_supports,
    find_unrepresented,
)
from runtime.primitives.types import AccountId
from tests.vectors.case import Case, Document, Entry, MalformedFile, Plan, ensure_equal, get_cases

ACCURACY = {"Perbill": PERBILL, "PerU16": 65_535}
REDUCE = ("reduce_4", "reduce_all")


def plan_elections(document: Document) -> Plan:
    """Return one case for each election."""
    return Plan(tuple(Case(entry["name"], partial(check_election, entry)) for entry in get_cases(document)))


def plan_election_arithmetic(document: Document) -> Plan:
    """Return one case for each computation but those of `reduce`, which the chain does without."""
    entries = enumerate(get_cases(document))
    cases = (
        Case(f"cases[{i}]", partial(check_arithmetic, entry))
        for i, entry in entries
        if entry["fn"] not in REDUCE
    )
    return Plan(tuple(cases), dict.fromkeys(REDUCE, "optional; edges are not reduced here"))


def who(number: int) -> AccountId:
    return AccountId(number.to_bytes(32, "big"))


def number(account: AccountId) -> int:
    return int.from_bytes(account, "big")


def read_voters(rows: list[Any]) -> tuple[Voter, ...]:
    return tuple(Voter(who(name), int(stake), tuple(map(who, targets))) for name, stake, targets in rows)


def check_election(entry: Entry) -> None:
    """Hold the election and compare all that it leads to."""
    snapshot = Snapshot(tuple(map(who, entry["candidates"])), read_voters(entry["voters"]))
    balancing = None if entry["balancing"] is None else Balancing(**entry["balancing"])
    accuracy = ACCURACY[entry["accuracy"]]
    outcome = elect(snapshot, entry["to_elect"], Method(entry["algo"]), balancing, accuracy)
    winners = [[number(name), str(backing)] for name, backing in outcome.winners]
    ensure_equal(winners, entry["winners"], "winners")
    assignments = [
        [number(name), [[number(target), parts] for target, parts in distribution]]
        for name, distribution in outcome.assignments
    ]
    ensure_equal(assignments, entry["assignments"], "assignments")
    stakes = {voter.who: voter.stake for voter in snapshot.voters}
    supports = compute_supports(stakes, outcome.assignments, accuracy)
    shown = [
        [number(name), str(total), [[number(voter), str(stake)] for voter, stake in voters]]
        for name, (total, voters) in supports.items()
    ]
    ensure_equal(shown, entry["supports_normalized"], "supports")
    score = compute_score(support.total for support in supports.values())
    ensure_equal([str(value) for value in score], entry["score"], "score")


def check_arithmetic(entry: Entry) -> None:
    """Compare one computation."""
    match entry["fn"]:
        case "normalize":
            ensure_equal(normalize(entry["input"], entry["target"]), entry["expect"])
        case "score_strict_threshold_better":
            this, that = (ElectionScore(*map(int, entry[name])) for name in ("this", "that"))
            ensure_equal(this.is_better_by(that, entry["threshold_perbill"]), entry["expect"])
        case "t_pjr_phase_change":
            snapshot = Snapshot(tuple(map(who, entry["candidates"])), read_voters(entry["voters"]))
            supports = {
                who(name): Support(total, tuple((who(voter), stake) for voter, stake in voters))
                for name, total, voters in entry["supports"]
            }
            failing, passing = (
                entry["expect_highest_failing_threshold"],
                entry["expect_lowest_passing_threshold"],
            )
            ensure_equal(find_unrepresented(snapshot, supports, failing), who(30), "counter-example")
            ensure_equal(find_unrepresented(snapshot, supports, passing), None, "counter-example")
        case "pjr_slack":
            edges = [(weight, backing) for _, weight, backing in entry["voter"]["edges"]]
            ensure_equal(compute_slack(entry["voter"]["budget"], edges, entry["threshold"]), entry["expect"])
        case other:
            raise MalformedFile(f"no computation is named {other!r}")
