"""Oracle rounds, freshness, rules against money laundering and commitments, against short scripts of the same
rules; the commitments against `hashlib`.
"""

from functools import partial

from pallets.compliance.aml import AmlRules, Flag, Memory, screen
from pallets.compliance.commitment import compute_commitment
from pallets.oracle.freshness import measure_freshness
from pallets.oracle.median import Answer, FeedRules, Status, aggregate
from tests.vectors.case import Case, Document, Entry, Plan, ensure_equal, get_entries

STATUS = {Status.FRESH: "Fresh", Status.INSUFFICIENT_QUORUM: "InsufficientQuorum"}


def plan_median(document: Document) -> Plan:
    """Return one case for each round."""
    return Plan(
        tuple(Case(entry["name"], partial(check_round, entry)) for entry in get_entries(document, "cases"))
    )


def check_round(entry: Entry) -> None:
    """Aggregate the answers; compare the value and whose answers were left out."""
    rules = FeedRules(
        *(entry["params"][key] for key in ("quorum", "max_age_ms", "deviation_ppm", "min", "max"))
    )
    found = aggregate([Answer(*submission) for submission in entry["submissions"]], rules, entry["now"])
    told = {
        "status": STATUS[found.status],
        "value": found.value,
        "n": found.counted,
        "out_of_range": list(found.out_of_range),
        "stale": list(found.stale),
        "outliers": list(found.outliers),
    }
    if found.oldest_ms is not None:
        told["oldest_ts"] = found.oldest_ms
    ensure_equal(told, entry["expect"], "round")


def plan_freshness(document: Document) -> Plan:
    """Return one case for each hour."""
    return Plan(
        tuple(Case(entry["name"], partial(check_hour, entry)) for entry in get_entries(document, "cases"))
    )


def check_hour(entry: Entry) -> None:
    """Count the fresh windows."""
    found = measure_freshness(entry["aggregate_ts"], 0, entry["windows"])
    ensure_equal((found.fresh, found.permille), (entry["fresh"], entry["permille"]), "fresh windows")
    ensure_equal(found.meets_target, entry["meets_95pct"], "target")


def plan_aml(document: Document) -> Plan:
    """Return one case for each sequence of transfers."""
    return Plan(
        tuple(
            Case(entry["name"], partial(check_transfers, entry)) for entry in get_entries(document, "cases")
        )
    )


def check_transfers(entry: Entry) -> None:
    """Screen the transfers in turn; compare the flags by their number, `R1_single` being 1."""
    names = ("single", "agg", "agg_window_s", "velocity_n", "velocity_window_s")
    rules = AmlRules(*(entry["rules"][name] for name in names))
    memories: dict[str, Memory] = {}
    for transfer, expected in zip(get_entries(entry, "transfers"), entry["flags"], strict=True):
        sender = transfer["frm"]
        flags, memories[sender] = screen(
            memories.get(sender, Memory()), rules, transfer["t"], transfer["thb"]
        )
        numbers = [Flag(int(name.partition("_")[0].removeprefix("R"))) for name in expected]
        ensure_equal(list(flags), numbers, f"flags of transfer {transfer['i']}")


def plan_commitment(document: Document) -> Plan:
    """Return one case for each record."""
    entries = get_entries(document, "cases")
    return Plan(tuple(Case(f"cases[{i}]", partial(check_record, entry)) for i, entry in enumerate(entries)))


def check_record(entry: Entry) -> None:
    """Commit to a record."""
    found = compute_commitment(bytes.fromhex(entry["salt"]), entry["data"].encode())
    ensure_equal(bytes(found).hex(), entry["commitment"], "commitment")
