"""Verifiable random functions on edwards25519: a key's owner proves a value that nobody else could foretell.

Responsible for the suites ECVRF-EDWARDS25519-SHA512-TAI and -ELL2 of RFC 9381, under the strict rule:
public key and Gamma are canonical and of prime order. RFC 9381 takes some crafted proofs besides, for the
same value.

The input `alpha` must be public: hashing it to the curve takes longer for some inputs than for others. Secret
numbers meet only libsodium, in constant time.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Final, NamedTuple

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)
from nacl.exceptions import RuntimeError as RefusedError

from runtime.primitives.hash_to_curve import FIELD, IDENTITY, clear_cofactor, encode_to_curve

PROOF_LENGTH: Final = 80
"""Bytes of a proof: Gamma 32, c 16, s 32."""
OUTPUT_LENGTH: Final = 64
SEED_LENGTH: Final = 32
GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""Order of the prime-order subgroup of edwards25519, RFC 8032 section 5.1."""

_POINT: Final = 32
_CHALLENGE: Final = 16
_TRIES: Final = 256
_ELL2_DOMAIN: Final = b"ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_\x04"


class Suite(IntEnum):
    """How alpha is hashed to the curve; the value is the suite's octet."""

    TAI = 3
    ELL2 = 4


class _Proof(NamedTuple):
    gamma: bytes
    challenge: bytes
    response: bytes


def prove(seed: bytes, alpha: bytes, suite: Suite = Suite.TAI) -> bytes:
    """Return the proof of 80 bytes for an ed25519 seed of 32; RFC 9381 section 5.1.

    ValueError where the seed has another length.
    """
    if len(seed) != SEED_LENGTH:
        raise ValueError(f"a seed of {len(seed)} bytes, not {SEED_LENGTH}")
    digest = hashlib.sha512(seed).digest()
    secret = bytes([digest[0] & 248]) + digest[1:31] + bytes([digest[31] & 63 | 64])
    public = crypto_scalarmult_ed25519_base_noclamp(secret)
    point = hash_to_curve(public, alpha, suite)
    gamma = crypto_scalarmult_ed25519_noclamp(secret, point)
    nonce = crypto_core_ed25519_scalar_reduce(hashlib.sha512(digest[32:] + point).digest())
    challenge = _challenge(suite, public, point, gamma, _base_times(nonce), _times(nonce, point))
    product = crypto_core_ed25519_scalar_mul(_scalar(challenge), secret)
    return gamma + challenge + crypto_core_ed25519_scalar_add(product, nonce)


def verify(public: bytes, alpha: bytes, proof: bytes, suite: Suite = Suite.TAI) -> bytes | None:
    """Return the output of 64 bytes that a proof stands for, None where it proves nothing.

    RFC 9381 section 5.3.
    """
    parts = _parse(proof)
    if parts is None or not _is_point(public):
        return None
    point = hash_to_curve(public, alpha, suite)
    challenge = _scalar(parts.challenge)
    u = crypto_core_ed25519_sub(_base_times(parts.response), _times(challenge, public))
    v = crypto_core_ed25519_sub(_times(parts.response, point), _times(challenge, parts.gamma))
    if _challenge(suite, public, point, parts.gamma, u, v) != parts.challenge:
        return None
    return _output(parts.gamma, suite)


def proof_to_hash(proof: bytes, suite: Suite = Suite.TAI) -> bytes | None:
    """Return the output of a proof that was made here or verified, None where it is malformed.

    RFC 9381 section 5.2.
    """
    parts = _parse(proof)
    return None if parts is None else _output(parts.gamma, suite)


def hash_to_curve(public: bytes, alpha: bytes, suite: Suite) -> bytes:
    """Return the encoded point of prime order that a key and alpha are hashed to; RFC 9381 section 5.4.1."""
    if suite is Suite.ELL2:
        return encode_to_curve(public + alpha, _ELL2_DOMAIN)
    prefix = bytes([suite, 1]) + public + alpha
    for attempt in range(_TRIES):
        encoded = hashlib.sha512(prefix + bytes([attempt, 0])).digest()[:_POINT]
        if (point := _on_curve(encoded)) is not None and (found := clear_cofactor(point)) != IDENTITY:
            return found
    raise AssertionError("256 tries in a row fail with a chance of 2^-256")


def _parse(proof: bytes) -> _Proof | None:
    if len(proof) != PROOF_LENGTH:
        return None
    parts = _Proof(proof[:_POINT], proof[_POINT : _POINT + _CHALLENGE], proof[_POINT + _CHALLENGE :])
    is_reduced = int.from_bytes(parts.response, "little") < GROUP_ORDER
    return parts if is_reduced and _is_point(parts.gamma) else None


def _output(gamma: bytes, suite: Suite) -> bytes:
    return hashlib.sha512(bytes([suite, 3]) + clear_cofactor(gamma) + b"\0").digest()


def _challenge(suite: Suite, *points: bytes) -> bytes:
    return hashlib.sha512(bytes([suite, 2]) + b"".join(points) + b"\0").digest()[:_CHALLENGE]


def _is_point(encoded: bytes) -> bool:
    """Tell whether bytes are the canonical encoding of a point of prime order."""
    return len(encoded) == _POINT and crypto_core_ed25519_is_valid_point(encoded)


def _on_curve(encoded: bytes) -> bytes | None:
    """Return the encoding of any point of the curve, None where it is none or not canonical."""
    y = int.from_bytes(encoded, "little") & (1 << 255) - 1
    if y >= FIELD or (encoded[-1] & 0x80 and y in {1, FIELD - 1}):
        return None
    try:
        crypto_core_ed25519_add(encoded, IDENTITY)
    except RefusedError:
        return None
    return encoded


def _scalar(challenge: bytes) -> bytes:
    return challenge + bytes(_POINT - _CHALLENGE)


def _times(scalar: bytes, point: bytes) -> bytes:
    """Return a point of prime order times a reduced scalar; libsodium refuses to give the identity."""
    return crypto_scalarmult_ed25519_noclamp(scalar, point) if any(scalar) else IDENTITY


def _base_times(scalar: bytes) -> bytes:
    return crypto_scalarmult_ed25519_base_noclamp(scalar) if any(scalar) else IDENTITY
