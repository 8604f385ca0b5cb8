"""Encryption of what the vault keeps: XChaCha20-Poly1305 with a random nonce, bound to where it belongs.

The only module of the vault that imports pynacl. A sealed text is nonce (24 bytes), ciphertext and tag; it
opens only with its key and with the place that it was sealed for, so that a row moved to another subject,
kind or version is refused. Random nonces of 24 bytes may be drawn without counting (draft-irtf-cfrg-xchacha
§2.1).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import Aead
from nacl.utils import random

from apps.vault.errors import BadInput, Damaged

KEY_BYTES: Final = 32
SEALED_EXTRA: Final = Aead.NONCE_SIZE + Aead.MACBYTES
"""Bytes that a sealed text has more than its plain text."""
STRETCH_SALT_BYTES: Final = argon2id.SALTBYTES
PASSPHRASE_BYTES_MAX: Final = 1024


class Stretching(NamedTuple):
    """How a passphrase is made a key: argon2id's passes and memory."""

    passes: int
    memory_bytes: int


STRETCHING: Final = Stretching(argon2id.OPSLIMIT_MODERATE, 256 * 1024 * 1024)
"""libsodium's moderate limits: 0.7 s."""
STRETCHING_MAX: Final = Stretching(16, 1024 * 1024 * 1024)


def draw_bytes(count: int = KEY_BYTES) -> bytes:
    """Return random bytes for keys, salts and tokens."""
    return random(count)


def seal(key: bytes, plain: bytes, place: bytes) -> bytes:
    """Return a text that opens with this 32-byte key for this place alone."""
    return bytes(Aead(key).encrypt(plain, place))


def open_sealed(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Return the plain text; Damaged where key, place or bytes are others."""
    if len(sealed) < SEALED_EXTRA:
        raise Damaged("a sealed text is cut short")
    try:
        return Aead(key).decrypt(sealed, place)
    except CryptoError as error:
        raise Damaged("a sealed text was altered, moved, or has another key") from error


def stretch(passphrase: bytes, salt: bytes, how: Stretching) -> bytes:
    """Return the 32-byte key of a passphrase; BadInput for parameters out of bounds."""
    if not 1 <= len(passphrase) <= PASSPHRASE_BYTES_MAX:
        raise BadInput(f"a passphrase has 1 to {PASSPHRASE_BYTES_MAX} bytes")
    passes_fit = argon2id.OPSLIMIT_MIN <= how.passes <= STRETCHING_MAX.passes
    memory_fits = argon2id.MEMLIMIT_MIN <= how.memory_bytes <= STRETCHING_MAX.memory_bytes
    if not passes_fit or not memory_fits or len(salt) != STRETCH_SALT_BYTES:
        raise BadInput("the parameters of the passphrase are out of bounds")
    return argon2id.kdf(KEY_BYTES, passphrase, salt, how.passes, how.memory_bytes)
