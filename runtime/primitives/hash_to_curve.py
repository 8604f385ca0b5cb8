"""Hashing to the prime-order subgroup of edwards25519 by Elligator 2.

Responsible for the suite edwards25519_XMD:SHA-512_ELL2_NU_ of RFC 9380 (sections 5.3.1, 6.7.1, 6.8.2 and 7).
The message is public: the time that hashing takes depends on it.
"""

from __future__ import annotations

import hashlib
from typing import Final

from nacl.bindings import crypto_core_ed25519_add

FIELD: Final = 2**255 - 19
"""Order of the field of edwards25519, RFC 8032 section 5.1."""
IDENTITY: Final = bytes([1]) + bytes(31)
"""The neutral element, encoded."""

_MONTGOMERY_A: Final = 486_662
"""Coefficient of curve25519, RFC 7748 section 4.1."""
_ROOT_OF_MINUS_ONE: Final = pow(2, (FIELD - 1) // 4, FIELD)
_DST_MAX: Final = 255
_EXPANDED: Final = 48
"""Bytes that become one field element, L of RFC 9380 section 5."""
_BLOCK: Final = 128
"""Bytes of a block of SHA-512."""


def encode_to_curve(message: bytes, domain: bytes) -> bytes:
    """Return the encoded point of a message; ValueError where the domain tag has not 1 to 255 bytes."""
    u = int.from_bytes(expand_message(message, domain, _EXPANDED), "big") % FIELD
    return clear_cofactor(_encode(*_to_edwards(*_map(u))))


def clear_cofactor(point: bytes) -> bytes:
    """Return eight times a point of the curve."""
    for _ in range(3):
        point = crypto_core_ed25519_add(point, point)
    return point


def expand_message(message: bytes, domain: bytes, length: int) -> bytes:
    """Return `length` uniform bytes, at most 64: expand_message_xmd with SHA-512, RFC 9380 section 5.3.1."""
    if not 0 < len(domain) <= _DST_MAX:
        raise ValueError(f"a domain tag of {len(domain)} bytes; 1 to {_DST_MAX} are allowed")
    if not 0 < length <= hashlib.sha512().digest_size:
        raise ValueError(f"{length} bytes asked for")
    tag = domain + bytes([len(domain)])
    first = hashlib.sha512(bytes(_BLOCK) + message + length.to_bytes(2, "big") + b"\0" + tag).digest()
    return hashlib.sha512(first + b"\1" + tag).digest()[:length]


def _map(u: int) -> tuple[int, int]:
    """Return the point of curve25519 of a field element: Elligator 2 with Z = 2, RFC 9380 section 6.7.1."""
    x = -_MONTGOMERY_A * _invert(1 + 2 * u * u) % FIELD or -_MONTGOMERY_A % FIELD
    y = _root(_curve(x))
    if y is not None:
        return x, y if y & 1 else -y % FIELD
    x = (-x - _MONTGOMERY_A) % FIELD
    y = _root(_curve(x))
    assert y is not None, "one of the two candidates is on the curve"
    return x, -y % FIELD if y & 1 else y


def _curve(x: int) -> int:
    return (x * x + _MONTGOMERY_A * x + 1) * x % FIELD


def _to_edwards(x: int, y: int) -> tuple[int, int]:
    """Map a point of curve25519, exceptional ones to the identity: RFC 9380 section 6.8.2."""
    if not y or x == FIELD - 1:
        return 0, 1
    return _SCALE * x * _invert(y) % FIELD, (x - 1) * _invert(x + 1) % FIELD


def _encode(x: int, y: int) -> bytes:
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _invert(value: int) -> int:
    """Return the inverse, zero of zero."""
    return pow(value, FIELD - 2, FIELD)


def _root(value: int) -> int | None:
    """Return a square root, None where there is none."""
    root = pow(value, (FIELD + 3) // 8, FIELD)
    if root * root % FIELD != value % FIELD:
        root = root * _ROOT_OF_MINUS_ONE % FIELD
    return root if root * root % FIELD == value % FIELD else None


def _even_root(value: int) -> int:
    root = _root(value % FIELD)
    assert root is not None
    return -root % FIELD if root & 1 else root


_SCALE: Final = _even_root(-_MONTGOMERY_A - 2)
"""The root of -486664 with which curve25519 is mapped to edwards25519, RFC 9380 appendix D.1."""
