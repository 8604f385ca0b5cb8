"""Which headers a chain's authorities certified, and who the authorities were.

Pure. Responsible for reading headers as a node tells them, for the certificate of a block, and for the set
that a certified header announces. What is believed without proof is the first set, or the one block that
the auditor names. Formats: `runtime/primitives/block.py` and `certificate.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Final, NamedTuple

from apps.audit.errors import Differs
from apps.chain.errors import AnswerError
from runtime.primitives.arithmetic import U32_MAX
from runtime.primitives.block import (
    Consensus,
    Digest,
    Header,
    PreRuntime,
    decode_digest_item,
    decode_header,
    hash_header,
    is_digest_bounded,
)
from runtime.primitives.certificate import (
    ENGINE_ID,
    Certificate,
    InvalidCertificate,
    decode_certificate,
    verify_certificate,
)
from runtime.primitives.scale import DecodeError, Length, Struct, codec, u64
from runtime.primitives.types import Hash

TIME_ENGINE: Final = b"TIME"
TIME_BYTES: Final = 8
HASH_BYTES: Final = 32


class Authority(Struct):
    """One vote: its ed25519 key and its weight."""

    key: Annotated[bytes, Length(32)]
    weight: u64


class AuthoritySet(Struct):
    """Who certifies blocks, in the order that votes are indexed by; as headers announce it."""

    set_id: u64
    authorities: tuple[Authority, ...]


class FinalityProof(NamedTuple):
    """A certificate, and the headers from the block in question up to the certified one."""

    certificate: Certificate
    headers: tuple[Header, ...]


_AUTHORITY_SET = codec(AuthoritySet)


def decode_authorities(data: bytes) -> AuthoritySet:
    """Return the set that exactly these bytes encode; DecodeError otherwise."""
    decoded: AuthoritySet = _AUTHORITY_SET.decode(data)
    return decoded


def read_header(answer: Any) -> Header:
    """Return the header of a node's JSON; AnswerError when it is none."""
    try:
        number = int(answer["number"], 16)
        digest = Digest(tuple(decode_digest_item(_bytes(item)) for item in answer["digest"]["logs"]))
        parent, state, body = (_hash(answer[name]) for name in ("parentHash", "stateRoot", "extrinsicsRoot"))
    except (KeyError, TypeError, ValueError, DecodeError) as error:
        raise AnswerError("a header has five fields") from error
    if not 0 <= number <= U32_MAX or not is_digest_bounded(digest):
        raise AnswerError("a header has a number of 32 bits and a bounded digest")
    return Header(parent, number, state, body, digest)


def read_proof(answer: Any) -> FinalityProof:
    """Return a node's proof of finality, its headers linked to the certified one; AnswerError otherwise."""
    try:
        certificate = decode_certificate(_bytes(answer["certificate"]))
        headers = tuple(decode_header(_bytes(one)) for one in answer["headers"])
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


def announced_set(header: Header) -> AuthoritySet | None:
    """Return the set that a header names for the blocks behind it, None as a rule; raises DecodeError."""
    found: AuthoritySet | None = None
    for item in header.digest.logs:
        if isinstance(item, Consensus) and item.field_0 == ENGINE_ID:
            found = decode_authorities(item.field_1)
    return found


def time_of(header: Header) -> int:
    """Return a block's time in milliseconds since 1970, which its header tells; 0 of genesis."""
    for item in header.digest.logs:
        if isinstance(item, PreRuntime) and item.field_0 == TIME_ENGINE and len(item.field_1) == TIME_BYTES:
            return int.from_bytes(item.field_1, "little")
    return 0


def _hash(text: Any) -> Hash:
    data = _bytes(text)
    if len(data) != HASH_BYTES:
        raise ValueError("a hash has 32 bytes")
    return Hash(data)


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError("hex digits after 0x are needed")
    return bytes.fromhex(text[2:])
