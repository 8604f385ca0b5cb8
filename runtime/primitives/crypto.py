"""Signatures: the one verify function of the program, and key pairs that sign; ignorant of what is signed.

Every extrinsic, vote, seal and certificate is verified here and nowhere else: two rule sets are a fork.

* ed25519 is libsodium's strict rule: S below the group order, key and R canonical and not of small order,
  no cofactor.
* sr25519 is schnorrkel with the signing context `substrate`. The identity key is refused: anybody can sign
  for it.
* ecdsa is secp256k1 over blake2b-256 of the message, 65 bytes r ‖ s ‖ recovery id 0..3, with s in the lower
  half, so that no third party can turn a signed extrinsic into a second one with another hash.

The only module that imports the signature wheels. Signing sr25519 draws a nonce inside the wheel; verifying
is pure.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self, TypeAlias, assert_never

import sr25519
from coincurve import PrivateKey, PublicKey
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from runtime.primitives.hashing import blake2_256
from runtime.primitives.keys import (
    SEED_LENGTH,
    Junction,
    UriError,
    derive_seed,
    derive_sr25519_seed,
    parse_uri,
    seed_from_phrase,
)
from runtime.primitives.types import AccountId

PUBLIC_LENGTH = 32
"""Bytes of an ed25519 or sr25519 public key, which is also the account id."""

SignatureCheck: TypeAlias = Callable[[int, bytes, bytes, bytes], bool]
"""`verify`, or something that remembers what it found right."""

ECDSA_PUBLIC_LENGTH = 33
SIGNATURE_LENGTH = 64
ECDSA_SIGNATURE_LENGTH = 65

SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
"""Order of the secp256k1 group, SEC 2 section 2.4.1."""

_RECOVERY_ID_MAX = 3
_SR25519_IDENTITY = bytes(PUBLIC_LENGTH)


class Scheme(IntEnum):
    """The signature schemes; the value is the variant index of `MultiSignature`."""

    ED25519 = 0
    SR25519 = 1
    ECDSA = 2


def verify(scheme: int, public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether the signature is valid; never raises, whatever the lengths, types and bytes.

    `public` is 32 bytes, or for ecdsa the 33-byte compressed key or the 32-byte account id.
    """
    if type(public) is not bytes or type(signature) is not bytes or type(message) is not bytes:
        return False
    if scheme == Scheme.SR25519:
        return _verify_sr25519(public, signature, message)
    if scheme == Scheme.ED25519:
        return _verify_ed25519(public, signature, message)
    if scheme == Scheme.ECDSA:
        return _verify_ecdsa(public, signature, message)
    return False


def get_account_id(scheme: Scheme, public: bytes) -> AccountId:
    """Return the 32-byte account id of a public key: the key itself, or blake2b-256 of an ecdsa key."""
    return AccountId(blake2_256(public) if scheme is Scheme.ECDSA else public)


@dataclass(frozen=True, slots=True)
class Keypair:
    """A key pair that can sign; compares by scheme and public key, and shows no secret in its text form."""

    scheme: Scheme
    public: bytes
    seed: bytes | None = field(repr=False, compare=False)
    """The 32-byte secret seed, which no sr25519 key has once it is derived by a path; `compute_seed` finds
    it."""
    _secret: bytes = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: bytes, scheme: Scheme) -> Self:
        """Return the key pair of a 32-byte seed; raises UriError on another length or an impossible ecdsa
        key.
        """
        if len(seed) != SEED_LENGTH:
            raise UriError(f"a seed has {SEED_LENGTH} bytes, not {len(seed)}")
        match scheme:
            case Scheme.ED25519:
                public, secret = crypto_sign_seed_keypair(seed)
            case Scheme.SR25519:
                public, secret = sr25519.pair_from_seed(seed)
            case Scheme.ECDSA:
                if not 0 < int.from_bytes(seed, "big") < SECP256K1_ORDER:
                    raise UriError("the seed is outside the scalars of secp256k1")
                public, secret = PrivateKey(seed).public_key.format(), seed
            case _:
                assert_never(scheme)
        return cls(scheme, public, seed, secret)

    @classmethod
    def from_uri(cls, uri: str, scheme: Scheme, password: str | None = None) -> Self:
        """Return the key pair of a secret URI, where `password` replaces the URI's own; raises UriError.

        Soft junctions exist for sr25519 only.
        """
        parsed = parse_uri(uri)
        seed = seed_from_phrase(parsed.phrase, parsed.password if password is None else password)
        pair = cls.from_seed(seed, scheme)
        for junction in parsed.junctions:
            pair = pair.derive(junction)
        return pair

    @property
    def account_id(self) -> AccountId:
        """The 32-byte account id."""
        return get_account_id(self.scheme, self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes or 65 for ecdsa; ed25519 and ecdsa give the same bytes every time,
        sr25519 does not.
        """
        match self.scheme:
            case Scheme.ED25519:
                return crypto_sign(message, self._secret)[:SIGNATURE_LENGTH]
            case Scheme.SR25519:
                return sr25519.sign((self.public, self._secret), message)
            case Scheme.ECDSA:
                return PrivateKey(self._secret).sign_recoverable(blake2_256(message), hasher=None)

    def derive(self, junction: Junction) -> Self:
        """Return the child key pair; raises UriError on a soft junction outside sr25519."""
        if self.scheme is Scheme.SR25519:
            step = sr25519.hard_derive_keypair if junction.is_hard else sr25519.derive_keypair
            _, public, secret = step((junction.chain_code, self.public, self._secret), b"")
            return type(self)(self.scheme, public, None, secret)
        if not junction.is_hard:
            raise UriError(f"{self.scheme.name.lower()} keys have no soft derivation")
        assert self.seed is not None, "only sr25519 keys lose their seed"
        tag = "Ed25519HDKD" if self.scheme is Scheme.ED25519 else "Secp256k1HDKD"
        return self.from_seed(derive_seed(tag, self.seed, junction.chain_code), self.scheme)


def compute_seed(uri: str, scheme: Scheme, password: str | None = None) -> bytes | None:
    """Return the 32-byte seed that has the key of a secret URI without its path; raises UriError.

    None where there is no such seed, after a soft junction. About a millisecond for each hard one of sr25519.
    """
    pair = Keypair.from_uri(uri, scheme, password)
    if scheme is not Scheme.SR25519:
        return pair.seed
    parsed = parse_uri(uri)
    seed = seed_from_phrase(parsed.phrase, parsed.password if password is None else password)
    for junction in parsed.junctions:
        if not junction.is_hard:
            return None
        _, secret = sr25519.pair_from_seed(seed)
        seed = derive_sr25519_seed(secret[:SEED_LENGTH], junction.chain_code)
    return seed


def _verify_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    # The binding does not look at the length of the key, so these guards keep it from reading past the end.
    if len(public) != PUBLIC_LENGTH or len(signature) != SIGNATURE_LENGTH:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


def _verify_sr25519(public: bytes, signature: bytes, message: bytes) -> bool:
    if public == _SR25519_IDENTITY:
        return False
    try:
        return sr25519.verify(signature, message, public)
    except (ValueError, TypeError):
        # The wheel raises on wrong lengths, an unmarked signature, a high scalar and a key that is no point.
        return False


def _verify_ecdsa(public: bytes, signature: bytes, message: bytes) -> bool:
    if len(signature) != ECDSA_SIGNATURE_LENGTH or signature[64] > _RECOVERY_ID_MAX:
        return False
    if int.from_bytes(signature[32:64], "big") > SECP256K1_ORDER // 2:
        return False
    try:
        recovered = PublicKey.from_signature_and_message(signature, blake2_256(message), hasher=None).format()
    except ValueError:
        return False
    if len(public) == ECDSA_PUBLIC_LENGTH:
        return recovered == public
    return blake2_256(recovered) == public
