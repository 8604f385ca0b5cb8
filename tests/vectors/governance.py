"""Governance: curves fall as exact fractions do, and votes sum up and carry as recorded."""

from decimal import Decimal
from functools import partial

from pallets.governance.curves import (
    BILLION,
    Curve,
    LinearDecreasing,
    Reciprocal,
    SteppedDecreasing,
    compute_threshold,
)
from pallets.governance.tally import (
    Vote,
    compute_tally,
    is_simple_majority,
    is_super_majority_against,
    is_super_majority_approve,
)
from tests.vectors.case import Case, Document, Entry, MalformedFile, Plan, ensure_equal, get_entries


def plan_curves(document: Document) -> Plan:
    """Return one case for each point of a curve."""
    entries = enumerate(get_entries(document, "cases"))
    return Plan(tuple(Case(f"cases[{i}]", partial(check_curve, entry)) for i, entry in entries), {})


def plan_tally(document: Document) -> Plan:
    """Return one case for each tally."""
    entries = enumerate(get_entries(document, "cases"))
    return Plan(tuple(Case(f"cases[{i}]", partial(check_tally, entry)) for i, entry in entries), {})


def check_curve(entry: Entry) -> None:
    """Compare a threshold with the exact one, within the rounding that the file allows."""
    found = compute_threshold(read_curve(entry), entry["x"])
    off = abs(found - entry["threshold"])
    ensure_equal(max(off, entry["tolerance"]), entry["tolerance"], "distance of the threshold")


def read_curve(entry: Entry) -> Curve:
    """Return the curve of a case."""
    match entry["curve"]:
        case "LinearDecreasing":
            return LinearDecreasing(entry["length"], entry["floor"], entry["ceil"])
        case "SteppedDecreasing":
            return SteppedDecreasing(entry["begin"], entry["end"], entry["step"], entry["period"])
        case "Reciprocal":
            parts = (int(Decimal(entry[name]) * BILLION) for name in ("factor", "x_offset", "y_offset"))
            return Reciprocal(*parts)
        case other:
            raise MalformedFile(f"no curve is named {other!r}")


def check_tally(entry: Entry) -> None:
    """Sum up the votes, and ask whether they carry."""
    tally = compute_tally(Vote(v["aye"], v["conviction"], v["balance"]) for v in entry["votes"])
    electorate = entry["electorate"]
    found = {
        **tally._asdict(),
        "SuperMajorityApprove": is_super_majority_approve(tally, electorate),
        "SuperMajorityAgainst": is_super_majority_against(tally, electorate),
        "SimpleMajority": is_simple_majority(tally),
    }
    ensure_equal(found, entry["expect"], "tally")
