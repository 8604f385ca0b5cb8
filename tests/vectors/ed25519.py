"""The three ed25519 vector files: each case must get the verdict of the column `strict`, which is the
chain's rule.
"""

from functools import partial

from runtime.primitives.crypto import Scheme, verify
from tests.vectors.case import Case, Document, Entry, MalformedFile, Plan, ensure_equal, get_cases

RULE = "strict"


def plan_ed25519(document: Document) -> Plan:
    """Return one case for each signature of a CCTV, speccheck or Wycheproof file."""
    return Plan(
        tuple(Case(_get_name(entry), partial(check_signature, entry)) for entry in get_cases(document))
    )


def check_signature(entry: Entry) -> None:
    """Compare the one verify function with the verdict of the strict rule."""
    message = entry["msg_utf8"].encode() if "msg_utf8" in entry else bytes.fromhex(entry["msg"])
    public, signature = bytes.fromhex(entry["pk"]), bytes.fromhex(entry["sig"])
    ensure_equal(verify(Scheme.ED25519, public, signature, message), entry["verdicts"][RULE], "verdict")


def _get_name(entry: Entry) -> str:
    for key in ("number", "index", "tcId"):
        if key in entry:
            return f"{key} {entry[key]}"
    raise MalformedFile("a case has none of the keys 'number', 'index', 'tcId'")
