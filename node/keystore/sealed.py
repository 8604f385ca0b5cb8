"""Encryption of secrets at rest: argon2id (64 MiB) over the password, then an XSalsa20-Poly1305 secret box.

The only module here that imports pynacl. Container, version 1, msgpack map: v, kdf, ops, mem, salt, box;
the box is nonce and ciphertext. Whoever changes a byte of the file gets an error, never other plain text.
Parameters are read from the file within bounds, so they can be raised later without a new version.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random

from node.keystore.errors import KeystoreError

OPS = argon2id.OPSLIMIT_INTERACTIVE
MEMORY_BYTES = 64 * 1024 * 1024
OPS_MAX = 16
MEMORY_BYTES_MAX = 256 * 1024 * 1024
PASSWORD_BYTES_MAX = 1024


class SealedBox(Struct, frozen=True, forbid_unknown_fields=True):
    """The container as it lies in the file."""

    v: Literal[1]
    kdf: Literal["argon2id13"]
    ops: Annotated[int, Meta(ge=1, le=OPS_MAX)]
    mem: Annotated[int, Meta(ge=8 * 1024, le=MEMORY_BYTES_MAX, multiple_of=1024)]  # argon2 counts in KiB
    salt: Annotated[bytes, Meta(min_length=argon2id.SALTBYTES, max_length=argon2id.SALTBYTES)]
    box: Annotated[bytes, Meta(min_length=SecretBox.NONCE_SIZE + SecretBox.MACBYTES)]


class Sealer:
    """Seals and opens with one password; keeps derived keys, since deriving one takes 0.1 s and 64 MiB."""

    def __init__(self, password: str) -> None:
        self._password = password.encode("utf-8", "surrogateescape")
        if not 1 <= len(self._password) <= PASSWORD_BYTES_MAX:
            raise KeystoreError(f"a password has 1 to {PASSWORD_BYTES_MAX} bytes")
        self._keys: dict[tuple[bytes, int, int], SecretBox] = {}
        self._salt = random(argon2id.SALTBYTES)

    def seal(self, plain: bytes) -> bytes:
        """Return the container of the bytes, under a fresh nonce."""
        box = self._derive(self._salt, OPS, MEMORY_BYTES).encrypt(plain)
        return msgspec.msgpack.encode(
            SealedBox(v=1, kdf="argon2id13", ops=OPS, mem=MEMORY_BYTES, salt=self._salt, box=bytes(box))
        )

    def open(self, data: bytes) -> bytes:
        """Return the bytes of a container; raises KeystoreError if it is malformed, altered or not ours."""
        try:
            sealed = msgspec.msgpack.decode(data, type=SealedBox)
        except (ValueError, RecursionError) as error:
            raise KeystoreError("not a sealed key of a version that this release knows") from error
        if msgspec.msgpack.encode(sealed) != data:
            raise KeystoreError("not a sealed key in its one canonical form")
        secret_box = self._derive(sealed.salt, sealed.ops, sealed.mem)
        try:
            plain = secret_box.decrypt(sealed.box)
        except CryptoError as error:
            raise KeystoreError("wrong password, or the file was altered") from error
        if (sealed.ops, sealed.mem) == (OPS, MEMORY_BYTES):
            self._salt = sealed.salt  # one derivation then serves the whole keystore; nonces stay random
        return plain

    def _derive(self, salt: bytes, ops: int, memory_bytes: int) -> SecretBox:
        parameters = (salt, ops, memory_bytes)
        if parameters not in self._keys:
            key = argon2id.kdf(SecretBox.KEY_SIZE, self._password, salt, ops, memory_bytes)
            self._keys[parameters] = SecretBox(key)
        return self._keys[parameters]
