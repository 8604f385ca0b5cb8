"""Proofs that an authority broke the protocol: two of its signed statements that no honest one makes.

Responsible for finding a contradiction and for judging a pair that somebody else found. It must not know
what a chain does about it. Equivocation: two different statements at one position. Amnesia: a COMMIT in view
w, and a claim for a higher view of nothing prepared, or of a view below w; an honest one has w prepared,
durably, before it commits. A proposal out of turn is one statement, contradicted by the leader's rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from runtime.primitives.certificate import STEP_COMMIT
from runtime.primitives.committee import Committee
from runtime.primitives.crypto import Scheme, SignatureCheck, verify
from runtime.primitives.scale import Struct, enum_path
from runtime.primitives.statements import STEP_PROPOSE, Claim, Statement, Vote, position_of, signed_bytes


@enum_path("loam::consensus::OffenceKind")
class OffenceKind(IntEnum):
    """What is proven."""

    Equivocation = 0
    Amnesia = 1
    OutOfTurn = 2


class InvalidEvidence(ValueError):
    """A pair of statements that proves nothing."""


class Evidence(Struct, path="loam::consensus::Evidence"):
    """Two statements of one authority; for a proposal out of turn the second repeats the first."""

    first: Statement
    second: Statement


def find_amnesia(commits: Iterable[Vote], claims: Iterable[Claim]) -> Evidence | None:
    """Return the first contradiction between the COMMITs and the claims of one authority."""
    claimed = list(claims)
    for commit in commits:
        for claim in claimed:
            if _has_forgotten(commit, claim):
                return Evidence(commit, claim)
    return None


def judge_evidence(
    evidence: Evidence,
    committee: Committee,
    check: SignatureCheck = verify,
) -> OffenceKind:
    """Return what a pair proves against its author; InvalidEvidence when that is nothing."""
    offence = name_offence(evidence, committee)
    for statement in dict.fromkeys((evidence.first, evidence.second)):
        key = committee.authorities[statement.index][0]
        signed = signed_bytes(committee.genesis, statement)
        if not check(Scheme.ED25519, key, statement.signature, signed):
            raise InvalidEvidence("a signature is wrong")
    return offence


def name_offence(evidence: Evidence, committee: Committee) -> OffenceKind:
    """Return what a pair would prove if its signatures are right; InvalidEvidence when that is nothing."""
    first, second = evidence.first, evidence.second
    for statement in (first, second):
        if statement.set_id != committee.set_id:
            raise InvalidEvidence(f"a statement of set {statement.set_id}, not of {committee.set_id}")
    if (first.index, first.instance) != (second.index, second.instance):
        raise InvalidEvidence("the statements are of different authorities or instances")
    if first.index >= len(committee):
        raise InvalidEvidence(f"there is no authority {first.index}")
    return _name_offence(first, second, committee)


def _name_offence(first: Statement, second: Statement, committee: Committee) -> OffenceKind:
    if isinstance(first, Vote) and isinstance(second, Claim) and _has_forgotten(first, second):
        return OffenceKind.Amnesia
    is_proposal = isinstance(first, Vote) and first.step == STEP_PROPOSE
    if is_proposal and first == second and committee.leader(first.instance, first.view) != first.index:
        return OffenceKind.OutOfTurn
    if type(first) is not type(second) or position_of(first) != position_of(second):
        raise InvalidEvidence("the statements do not contradict each other")
    if _content(first) == _content(second):
        raise InvalidEvidence("the statements say the same")
    return OffenceKind.Equivocation


def _has_forgotten(commit: Vote, claim: Claim) -> bool:
    is_later = commit.step == STEP_COMMIT and claim.view > commit.view
    return is_later and (claim.prepared is None or claim.prepared.view < commit.view)


def _content(statement: Statement) -> object:
    return statement.value if isinstance(statement, Vote) else statement.prepared
