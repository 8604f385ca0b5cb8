"""Secret URIs: each gives the public key that polkadot.js derives, or is refused for the reason given."""

from functools import partial

from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.keys import UriError
from tests.vectors.case import Case, Document, Entry, Mismatch, Plan, ensure_equal, from_hex, get_cases


def plan_suri(document: Document) -> Plan:
    """Return one case for each URI and scheme."""
    return Plan(
        tuple(Case(f"cases[{i}]", partial(check_uri, entry)) for i, entry in enumerate(get_cases(document)))
    )


def check_uri(entry: Entry) -> None:
    """Derive the key, or see it refused."""
    scheme = Scheme[entry["type"].upper()]
    try:
        public = Keypair.from_uri(entry["uri"], scheme).public
    except UriError as error:
        if "refused" not in entry:
            raise Mismatch(f"refused: {error}") from error
        return
    if "refused" in entry:
        raise Mismatch(f"accepted, to be refused: {entry['refused']}")
    ensure_equal(public, from_hex(entry["polkadot_js"]), "public key")
