"""The signing guard and the quorum of certificates, against what is derived from other engines' rules."""

from functools import partial
from itertools import count

from node.consensus.guard import RECORD, GuardRecord, MaySign, MustNotSign, SignedBefore, judge
from runtime.primitives.certificate import (
    Certificate,
    IndexedVote,
    InvalidCertificate,
    is_quorum,
    verify_certificate,
)
from runtime.primitives.committee import Committee, rotate
from runtime.primitives.hashing import blake2_512
from runtime.primitives.statements import Position
from runtime.primitives.types import ZERO_HASH
from tests.vectors.case import Case, Document, Entry, Plan, ensure_equal, get_cases, get_entries

ANSWERS = {MaySign: "sign", SignedBefore: "resend stored signature", MustNotSign: "refuse"}
OTHERS = "what other engines count, for comparison"


def plan_guard(document: Document) -> Plan:
    """Return one case for each sequence of requests to sign."""
    return Plan(tuple(Case(entry["name"], partial(check_sequence, entry)) for entry in get_cases(document)))


def check_sequence(entry: Entry) -> None:
    """Ask for each signature in turn, with a restart from the stored record before each."""
    stored = b""
    for place, request in enumerate(get_entries(entry, "requests")):
        last: GuardRecord | None = RECORD.decode(stored) if stored else None
        position = Position(request["height"], request["view"], request["step"])
        message = request["digest"].encode()
        signature = blake2_512(repr((position, message)).encode())  # stands in for the key's
        verdict = judge(last, position, message)
        ensure_equal(ANSWERS[type(verdict)], request["expect"], f"answer {place}")
        if isinstance(verdict, MaySign):
            stored = RECORD.encode(GuardRecord(*position, message, signature))
        elif isinstance(verdict, SignedBefore):
            ensure_equal(verdict.signature, signature, f"signature {place}")


def plan_quorum(document: Document) -> Plan:
    """Return one case for each number of equal authorities."""
    cases = tuple(Case(f"n = {entry['n']}", partial(check_quorum, entry)) for entry in get_cases(document))
    return Plan(cases, {"ceil_2n_over_3": OTHERS})


def check_quorum(entry: Entry) -> None:
    """Compare the least number of votes that certifies, by the rule and by a certificate with that many."""
    total, quorum = entry["n"], entry["quorum"]
    ensure_equal(next(signed for signed in count() if is_quorum(signed, total)), quorum, "quorum")
    committee = Committee(ZERO_HASH, 0, [(bytes(32), 1)] * total, rotate)
    ensure_equal((committee.quorum, committee.faulty), (quorum, entry["f"]), "quorum and f of a committee")
    ensure_equal(next(weight for weight in count() if committee.is_weak(weight)), entry["weak"], "weak")
    ensure_equal(is_quorum(entry["pbft_2f_plus_1"], total), entry["two_f_plus_1_is_safe"], "2f + 1")
    for votes in (quorum - 1, quorum):
        ensure_equal(_is_certified(votes, total), votes == quorum, f"certificate of {votes} votes")


def _is_certified(votes: int, total: int) -> bool:
    signed = tuple(IndexedVote(index, bytes(64)) for index in range(votes))
    certificate = Certificate(0, 1, 1, 0, ZERO_HASH, signed)
    try:
        verify_certificate(certificate, ZERO_HASH, 0, [(bytes(32), 1)] * total, lambda *_: True)
    except InvalidCertificate:
        return False
    return True
