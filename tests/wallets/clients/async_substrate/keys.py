"""Key pairs in the shape async-substrate-interface asks for; the library brings none of its own."""

import hashlib
from typing import Any

import nacl.signing
import sr25519
from scalecodec.utils.ss58 import ss58_encode  # type: ignore[import-not-found]  # present in the client's environment

DEV_SEED = bytes.fromhex("fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e")
SS58_PREFIX = 42


def _junctions(uri: str) -> list[bytes]:
    names = uri.split("//")[1:]
    coded = [
        bytes([int(name), 0]) if name.isdigit() else bytes([len(name) << 2]) + name.encode() for name in names
    ]
    return [code.ljust(32, b"\0") for code in coded]


class Sr25519Pair:
    """An sr25519 key pair of a hard derivation path below the development mnemonic."""

    crypto_type = 1
    ss58_format = SS58_PREFIX

    def __init__(self, uri: str) -> None:
        public, secret = sr25519.pair_from_seed(DEV_SEED)
        for code in _junctions(uri):
            _, public, secret = sr25519.hard_derive_keypair((code, public, secret), b"")
        self._pair = (public, secret)
        self.public_key: bytes = public
        self.ss58_address: str = ss58_encode(public, SS58_PREFIX)

    def sign(self, data: Any) -> bytes:
        signature: bytes = sr25519.sign(self._pair, bytes(data))
        return signature


class Ed25519Pair:
    """An ed25519 key pair of a hard derivation path below the development mnemonic."""

    crypto_type = 0
    ss58_format = SS58_PREFIX

    def __init__(self, uri: str) -> None:
        seed = DEV_SEED
        tag = b"Ed25519HDKD"
        for code in _junctions(uri):
            seed = hashlib.blake2b(bytes([len(tag) << 2]) + tag + seed + code, digest_size=32).digest()
        self._key = nacl.signing.SigningKey(seed)
        self.public_key = bytes(self._key.verify_key)
        self.ss58_address: str = ss58_encode(self.public_key, SS58_PREFIX)

    def sign(self, data: Any) -> bytes:
        return self._key.sign(bytes(data)).signature
