"""Keys of the simulated validators: a hash in place of a signature for volume, or ed25519.

With the fake ones anybody could sign for anybody; that nobody does is the adversaries' promise
(`tests/sim/forger.py` signs with the keys of its own coalition only).
"""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from typing import Protocol, TypeAlias

from runtime.primitives.crypto import Keypair, Scheme, verify

Check: TypeAlias = Callable[[int, bytes, bytes, bytes], bool]


class Keys(Protocol):
    """Who can sign what; identities are numbers that mean nothing to the protocol."""

    def public(self, identity: int) -> bytes:
        """Return the 32-byte key of an identity."""
        ...

    def sign(self, identity: int, message: bytes) -> bytes:
        """Return 64 bytes."""
        ...

    def check(self, scheme: int, key: bytes, signature: bytes, message: bytes) -> bool:
        """Tell whether a signature is right; the arguments of `runtime.primitives.crypto.verify`."""
        ...


class FakeKeys:
    """A signature is the hash of key and message."""

    def public(self, identity: int) -> bytes:
        return identity.to_bytes(4, "big") * 8

    def sign(self, identity: int, message: bytes) -> bytes:
        return blake2b(message, key=self.public(identity)).digest()

    def check(self, scheme: int, key: bytes, signature: bytes, message: bytes) -> bool:
        return scheme == Scheme.ED25519 and blake2b(message, key=key).digest() == signature


class RealKeys:
    """ed25519 as the node uses it."""

    def public(self, identity: int) -> bytes:
        return _keypair(identity).public

    def sign(self, identity: int, message: bytes) -> bytes:
        return _keypair(identity).sign(message)

    def check(self, scheme: int, key: bytes, signature: bytes, message: bytes) -> bool:
        return verify(scheme, key, signature, message)


@cache
def _keypair(identity: int) -> Keypair:
    return Keypair.from_seed(identity.to_bytes(32, "big"), Scheme.ED25519)
