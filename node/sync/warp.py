"""Following a chain's authorities from a known set to a later final block, by certified headers alone.

Pure, and the asker's side of a warp proof. A fragment is a header with its certificate. The set in force
certifies the next header that names another set; that one is in force behind it; and so on up to a last
header, which any block may have. What is shown: each set, by more than two thirds of its weight, has signed
for the change to the next, and the last one for the block. It must not know who serves fragments.

What is believed without proof: the set that this begins with, and that of no set on the way so many members
gave their keys away later that these are a quorum. A chain made with such keys looks like the right one to
whoever has never seen it (weak subjectivity; docs/network.md).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from runtime.primitives.authority_set import AuthoritySet, announced_set
from runtime.primitives.block import Header, decode_header, hash_header, is_digest_bounded
from runtime.primitives.certificate import (
    Certificate,
    InvalidCertificate,
    decode_certificate,
    verify_certificate,
)
from runtime.primitives.crypto import SignatureCheck, verify
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash


class InvalidFragment(ValueError):
    """A fragment that shows nothing; no honest peer sends it."""


class OffTrustedBlock(Exception):
    """What is shown does not go through the block that is trusted; nobody is to blame before it is known who
    is wrong."""


class Fragment(NamedTuple):
    """The SCALE bytes of a header and of its certificate, not checked."""

    header: bytes
    certificate: bytes


class FollowedBlock(NamedTuple):
    """A block that is final as far as is shown, with the fragment that shows it."""

    header: Header
    hash: Hash
    fragment: Fragment
    announces_set: bool


class WarpProof:
    """How far the authorities have been followed."""

    def __init__(
        self,
        genesis: Hash,
        number: int,
        current: AuthoritySet,
        trusted: tuple[int, bytes] | None = None,
    ) -> None:
        """Begin with the set in force behind a block.

        `trusted` is number and hash of a later block that announces a set, which has to come on the way: of
        sets before that one nothing needs to be believed any more.
        """
        self._genesis: Final = genesis
        self._trusted: Final = trusted
        self._origin: Final = (number, current)
        self.number = number
        """The last block that announced a set, or with which this began."""
        self.current = current
        """The set in force behind it."""

    @property
    def is_past_trusted(self) -> bool:
        """Whether the trusted block came, or there is none."""
        return self._trusted is None or self.number >= self._trusted[0]

    def begin_anew(self) -> WarpProof:
        """Return a proof that begins where this one did."""
        return WarpProof(self._genesis, *self._origin, self._trusted)

    def follow(self, fragment: Fragment, check: SignatureCheck = verify) -> FollowedBlock:
        """Return the block of the next fragment; InvalidFragment, and nothing is changed, if it is not one.

        OffTrustedBlock where it leaves the trusted block out, or is another block in its place. Cost: one
        check of a signature for each vote.
        """
        try:
            header = decode_header(fragment.header)
            certificate = decode_certificate(fragment.certificate)
            following = announced_set(header)
        except DecodeError as error:
            raise InvalidFragment(f"it cannot be decoded: {error}") from error
        if header.number <= self.number:
            raise InvalidFragment(f"block {header.number} is not above block {self.number}")
        if not is_digest_bounded(header.digest):
            raise InvalidFragment("the digest is larger than any block's")
        block_hash = hash_header(header)
        self._ensure_certified(header, block_hash, certificate, check)
        self._ensure_through_trusted(header.number, block_hash, announces_set=following is not None)
        if following is not None:
            self._ensure_follows(following)
            self.number, self.current = header.number, following
        return FollowedBlock(header, block_hash, fragment, announces_set=following is not None)

    def _ensure_certified(
        self, header: Header, block_hash: Hash, certificate: Certificate, check: SignatureCheck
    ) -> None:
        """InvalidFragment unless the set in force has certified this very block, as its own decision."""
        wanted = (header.number, header.number, block_hash)
        if (certificate.instance, certificate.number, certificate.block_hash) != wanted:
            raise InvalidFragment("the certificate is for another block")
        voters = [(one.key, one.weight) for one in self.current.authorities]
        try:
            verify_certificate(certificate, self._genesis, self.current.set_id, voters, check)
        except InvalidCertificate as error:
            raise InvalidFragment(f"block {header.number}: {error}") from error

    def _ensure_through_trusted(self, number: int, block_hash: Hash, *, announces_set: bool) -> None:
        if self._trusted is None or self.is_past_trusted or number < self._trusted[0]:
            return
        if (number, block_hash) != self._trusted:
            raise OffTrustedBlock(f"block {self._trusted[0]} is left out, or another one")
        if not announces_set:
            raise OffTrustedBlock(f"block {number} announces no authorities")

    def _ensure_follows(self, following: AuthoritySet) -> None:
        if following.set_id <= self.current.set_id or not following.authorities:
            raise InvalidFragment(f"set {following.set_id} cannot follow set {self.current.set_id}")
