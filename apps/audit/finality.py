"""Which headers a chain's authorities certified, and who the authorities were.

Pure. Responsible for the certificate of a block. What is believed without proof is the first set, or the one
block that the auditor names. Formats: `runtime/primitives/block.py`, `certificate.py` and `authority_set.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

from apps.audit.errors import Differs
from apps.chain.answers import as_bytes
from apps.chain.errors import AnswerError
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.block import (
    Header,
    PreRuntime,
    decode_header,
    hash_header,
    is_digest_bounded,
)
from runtime.primitives.certificate import (
    Certificate,
    InvalidCertificate,
    decode_certificate,
    verify_certificate,
)
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash

TIME_ENGINE: Final = b"TIME"
TIME_BYTES: Final = 8


class FinalityProof(NamedTuple):
    """A certificate, and the headers from the block in question up to the certified one."""

    certificate: Certificate
    headers: tuple[Header, ...]


def read_proof(answer: Any) -> FinalityProof:
    """Return a node's proof of finality, its headers linked to the certified one; AnswerError otherwise."""
    try:
        certificate = decode_certificate(as_bytes(answer["certificate"]))
        headers = tuple(decode_header(as_bytes(one)) for one in answer["headers"])
    except (KeyError, TypeError, ValueError, DecodeError) as error:
        raise AnswerError("a proof of finality has a certificate and headers") from error
    if not headers or not all(is_digest_bounded(one.digest) for one in headers):
        raise AnswerError("a proof of finality has headers of bounded size")
    for parent, child in pairwise(headers):
        ensure_child(hash_header(parent), child, parent.number + 1)
    return FinalityProof(certificate, headers)


def ensure_child(parent: Hash, header: Header, number: int) -> None:
    """Raise Differs unless a header is that of the next block."""
    if (header.parent_hash, header.number) != (parent, number):
        raise Differs(f"the header of block {number} does not follow that of block {number - 1}")


def ensure_certified(genesis: Hash, proof: FinalityProof, authorities: AuthoritySet) -> None:
    """Raise Differs unless this set certified the last of the headers."""
    certificate, last = proof
    header = last[-1]
    if (certificate.number, certificate.block_hash) != (header.number, hash_header(header)):
        raise Differs(f"the certificate for block {header.number} is for another block")
    voters = [(one.key, one.weight) for one in authorities.authorities]
    try:
        verify_certificate(certificate, genesis, authorities.set_id, voters)
    except InvalidCertificate as error:
        raise Differs(f"block {header.number} is not final: {error}") from error


def time_of(header: Header) -> int:
    """Return a block's time in milliseconds since 1970, which its header tells; 0 of genesis."""
    for item in header.digest.logs:
        if isinstance(item, PreRuntime) and item.field_0 == TIME_ENGINE and len(item.field_1) == TIME_BYTES:
            return int.from_bytes(item.field_1, "little")
    return 0
