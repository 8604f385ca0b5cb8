"""Certificates: the proof that enough authorities voted for one block, in one format for every engine.

Responsible for what a vote signs, for the quorum rule and for verification by third parties. It knows no
engine and no chain state: genesis hash and authority set are arguments.

A vote signs SCALE(domain tag, genesis hash, set id, instance, number, view, step, block hash): nothing of
another chain, set, instance, view or step can be replayed. Quorum: 3 · signed > 2 · total weight, that is n
- ⌊(n-1)/3⌋ of n equal authorities; two quorums share an honest authority when fewer than a third are
faulty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Protocol, TypeAlias

from runtime.primitives.crypto import Scheme, SignatureCheck, verify
from runtime.primitives.scale import Length, MaxLen, Struct, codec, u8, u16, u32, u64
from runtime.primitives.types import Hash

ENGINE_ID: Final = b"LOAM"
VOTE_DOMAIN: Final = b"loam:vote"
STEP_COMMIT: Final = 3
"""The step of votes in certificates; lower steps belong to an engine's own rounds."""
AUTHORITIES_MAX: Final = 1000

Signature: TypeAlias = Annotated[bytes, Length(64)]
Weighted: TypeAlias = Sequence[tuple[bytes, int]]
"""Authorities in index order: (ed25519 key, weight)."""


class InvalidCertificate(ValueError):
    """A certificate does not prove what it claims."""


class IndexedVote(Struct):
    index: u16
    signature: Signature


class Certificate(Struct):
    """Votes of one authority set for one block, ascending by authority index."""

    set_id: u64
    instance: u64
    number: u32
    view: u64
    block_hash: Hash
    votes: Annotated[tuple[IndexedVote, ...], MaxLen(AUTHORITIES_MAX)]


class _Vote(Struct):
    domain: bytes
    genesis: Hash
    set_id: u64
    instance: u64
    number: u32
    view: u64
    step: u8
    block_hash: Hash


class Ballot(Protocol):
    """What a vote is about, whether it stands alone or in a certificate."""

    @property
    def set_id(self) -> int:
        """The authority set that votes."""
        ...

    @property
    def instance(self) -> int:
        """Which decision this is."""
        ...

    @property
    def number(self) -> int:
        """The block's number."""
        ...

    @property
    def view(self) -> int:
        """The attempt at the decision."""
        ...

    @property
    def block_hash(self) -> Hash:
        """The block voted for."""
        ...


_CERTIFICATE = codec(Certificate)
_VOTE = codec(_Vote)


def vote_message(genesis: Hash, ballot: Ballot, step: int = STEP_COMMIT) -> bytes:
    """Return the bytes that a vote for a ballot's block signs."""
    return _VOTE.encode(
        _Vote(
            VOTE_DOMAIN,
            genesis,
            ballot.set_id,
            ballot.instance,
            ballot.number,
            ballot.view,
            step,
            ballot.block_hash,
        )
    )


def is_quorum(signed: int, total: int) -> bool:
    """Tell whether a signed weight certifies against a total weight."""
    return 3 * signed > 2 * total


def compute_quorum(total: int) -> int:
    """Return the least weight that certifies against a total weight."""
    return 2 * total // 3 + 1


def encode_certificate(certificate: Certificate) -> bytes:
    """Return the SCALE bytes of a certificate."""
    return _CERTIFICATE.encode(certificate)


def decode_certificate(data: bytes) -> Certificate:
    """Return the certificate that exactly these bytes encode; DecodeError otherwise."""
    certificate: Certificate = _CERTIFICATE.decode(data)
    return certificate


def verify_certificate(
    certificate: Certificate,
    genesis: Hash,
    set_id: int,
    authorities: Weighted,
    check: SignatureCheck = verify,
) -> None:
    """InvalidCertificate unless a quorum of this very set signed; every signature is checked."""
    if certificate.set_id != set_id:
        raise InvalidCertificate(f"certificate of set {certificate.set_id}, not of {set_id}")
    message = vote_message(genesis, certificate)
    last, signed = -1, 0
    for vote in certificate.votes:
        if vote.index <= last:
            raise InvalidCertificate("votes are not in ascending order of authorities")
        if vote.index >= len(authorities):
            raise InvalidCertificate(f"there is no authority {vote.index}")
        key, weight = authorities[vote.index]
        if not check(Scheme.ED25519, key, vote.signature, message):
            raise InvalidCertificate(f"the signature of authority {vote.index} is wrong")
        last = vote.index
        signed += weight
    if not is_quorum(signed, sum(weight for _, weight in authorities)):
        raise InvalidCertificate(f"a weight of {signed} is no quorum")
