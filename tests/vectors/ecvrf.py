"""Vectors of verifiable random functions (RFC 9381) and of hashing to their curve (RFC 9380).

Of the two columns of verdicts, `verify_strict` is the rule of this program.
"""

from functools import partial

from runtime.primitives.ecvrf import Suite, hash_to_curve, proof_to_hash, prove, verify
from runtime.primitives.hash_to_curve import encode_to_curve
from tests.vectors.case import Case, Document, Entry, Plan, ensure_equal, get_cases

SUITES = {"ECVRF-EDWARDS25519-SHA512-TAI": Suite.TAI, "ECVRF-EDWARDS25519-SHA512-ELL2": Suite.ELL2}


def plan_ecvrf(document: Document) -> Plan:
    """Return one case for each proof."""
    return Plan(tuple(Case(str(entry["id"]), partial(check_proof, entry)) for entry in get_cases(document)))


def plan_hash_to_curve(document: Document) -> Plan:
    """Return one case for each message."""
    domain = str(document["dst"]).encode()
    return Plan(
        tuple(Case(repr(one["msg"]), partial(check_point, one, domain)) for one in get_cases(document))
    )


def check_proof(entry: Entry) -> None:
    """Prove and verify; a proof that is refused has no output."""
    suite = SUITES[entry["suite"]]
    public, alpha, proof = (bytes.fromhex(entry[key]) for key in ("pk", "alpha", "pi"))
    output = verify(public, alpha, proof, suite)
    ensure_equal(output is not None, entry["verify_strict"], "verdict")
    if entry["kind"] == "prove+verify":
        ensure_equal(hash_to_curve(public, alpha, suite).hex(), entry["H"], "H")
        ensure_equal(prove(bytes.fromhex(entry["sk"]), alpha, suite).hex(), entry["pi"], "proof")
        ensure_equal(output, bytes.fromhex(entry["beta"]), "output")
        ensure_equal(proof_to_hash(proof, suite), output, "output without verification")


def check_point(entry: Entry, domain: bytes) -> None:
    """Compare the encoded point."""
    ensure_equal(encode_to_curve(entry["msg"].encode(), domain).hex(), entry["encoded"], "point")
