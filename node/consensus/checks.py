"""What makes a validator's message right in itself, for the set that decides its instance.

Responsible for everything that needs no memory: who signed, for which set and instance, whether certificates
and justifications hold together, and which signatures that takes. It knows no engine: the driver asks before
an engine sees a message, so that engines never meet a forged one. A message of another instance is no
subject here.

The rules of justification (§4.4 of Castro & Liskov, with one instance in flight): a proposal above view 0
carries a quorum of claims for exactly its view. If none of them names a prepared block, any block will do.
Otherwise it must be the block of the highest view claimed, with that view's quorum of PREPAREs. Only the
highest claim binds: that others name other blocks says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from node.consensus.messages import Proposal, ViewChange
from runtime.primitives.certificate import STEP_COMMIT, Certificate, vote_message
from runtime.primitives.committee import Committee
from runtime.primitives.crypto import Scheme
from runtime.primitives.statements import (
    STEP_PREPARE,
    STEP_PROPOSE,
    Claim,
    Prepared,
    Statement,
    Vote,
    signed_bytes,
)


class Rejected(ValueError):
    """A message that no honest validator sends."""


class SignatureCheck(NamedTuple):
    """One signature to verify: arguments of `runtime.primitives.crypto.verify`."""

    scheme: int
    key: bytes
    signature: bytes
    message: bytes


def check_message(
    message: Vote | ViewChange | Proposal, instance: int, committee: Committee
) -> list[SignatureCheck]:
    """Return the signatures that a message stands on; Rejected when it is wrong whatever they are."""
    match message:
        case Vote():
            if message.step not in {STEP_PREPARE, STEP_COMMIT}:
                raise Rejected(f"a vote at step {message.step}")
            return [_check_statement(message, instance, committee)]
        case ViewChange():
            return _check_view_change(message, instance, committee)
        case Proposal():
            return _check_proposal(message, instance, committee)


def get_highest(claims: Iterable[Claim]) -> Prepared | None:
    """Return the claimed block of the highest view, None when nobody claims one."""
    highest: Prepared | None = None
    for claim in claims:
        if claim.prepared is not None and (highest is None or claim.prepared.view > highest.view):
            highest = claim.prepared
    return highest


def _check_view_change(change: ViewChange, instance: int, committee: Committee) -> list[SignatureCheck]:
    checks = [_check_claim(change.claim, instance, committee)]
    prepared = change.claim.prepared
    if prepared is not None:
        return checks + _check_prepared(prepared, change.certificate, instance, committee)
    if change.certificate is not None:
        raise Rejected("a certificate for a claim of nothing")
    return checks


def _check_proposal(proposal: Proposal, instance: int, committee: Committee) -> list[SignatureCheck]:
    vote = proposal.vote
    if vote.step != STEP_PROPOSE:
        raise Rejected(f"a proposal with a vote at step {vote.step}")
    checks = [_check_statement(vote, instance, committee)]
    if vote.view == 0:
        if proposal.claims or proposal.certificate is not None:
            raise Rejected("a justification in view 0")
        return checks
    checks += _check_claims(proposal.claims, vote.view, instance, committee)
    highest = get_highest(proposal.claims)
    if highest is None:
        if proposal.certificate is not None:
            raise Rejected("a certificate that no claim names")
        return checks
    if (highest.number, highest.block_hash) != (vote.number, vote.block_hash):
        raise Rejected("not the block that was prepared in the highest view claimed")
    return checks + _check_prepared(highest, proposal.certificate, instance, committee)


def _check_claims(
    claims: Sequence[Claim], view: int, instance: int, committee: Committee
) -> list[SignatureCheck]:
    checks: list[SignatureCheck] = []
    last = -1
    for claim in claims:
        if claim.view != view:
            raise Rejected(f"a claim for view {claim.view} in a proposal for view {view}")
        if claim.index <= last:
            raise Rejected("claims are not in ascending order of authorities")
        checks.append(_check_claim(claim, instance, committee))
        last = claim.index
    if not committee.is_quorum(committee.weigh(claim.index for claim in claims)):
        raise Rejected("the claims are no quorum")
    return checks


def _check_claim(claim: Claim, instance: int, committee: Committee) -> SignatureCheck:
    if claim.view == 0:
        raise Rejected("a view change to view 0")
    if claim.prepared is not None and claim.prepared.view >= claim.view:
        raise Rejected(f"prepared in view {claim.prepared.view}, which is not below {claim.view}")
    return _check_statement(claim, instance, committee)


def _check_prepared(
    prepared: Prepared, certificate: Certificate | None, instance: int, committee: Committee
) -> list[SignatureCheck]:
    """Check that a certificate of PREPAREs proves exactly what is claimed."""
    if certificate is None:
        raise Rejected("a prepared block without its certificate")
    expected = (committee.set_id, instance, prepared.number, prepared.view, prepared.block_hash)
    found = (
        certificate.set_id,
        certificate.instance,
        certificate.number,
        certificate.view,
        certificate.block_hash,
    )
    if found != expected:
        raise Rejected("the certificate is not for what is claimed")
    message = vote_message(committee.genesis, certificate, STEP_PREPARE)
    checks: list[SignatureCheck] = []
    last = -1
    for vote in certificate.votes:
        if vote.index <= last:
            raise Rejected("PREPAREs are not in ascending order of authorities")
        checks.append(_sign_check(vote.index, vote.signature, message, committee))
        last = vote.index
    if not committee.is_quorum(committee.weigh(vote.index for vote in certificate.votes)):
        raise Rejected("the PREPAREs are no quorum")
    return checks


def _check_statement(statement: Statement, instance: int, committee: Committee) -> SignatureCheck:
    if statement.set_id != committee.set_id:
        raise Rejected(f"set {statement.set_id} instead of {committee.set_id}")
    if statement.instance != instance:
        raise Rejected(f"instance {statement.instance} instead of {instance}")
    message = signed_bytes(committee.genesis, statement)
    return _sign_check(statement.index, statement.signature, message, committee)


def _sign_check(index: int, signature: bytes, message: bytes, committee: Committee) -> SignatureCheck:
    if index >= len(committee):
        raise Rejected(f"there is no authority {index}")
    return SignatureCheck(Scheme.ED25519, committee.authorities[index][0], signature, message)
