"""Secret URIs: their text, mnemonics and derivation junctions; knows no curve, key pairs are `crypto`'s.

A secret URI is `phrase(//hard|/soft)*(///password)?`. The phrase is a BIP-39 mnemonic of 12 to 24 English
words or a 32-byte seed as `0x` and 64 hex digits; a URI that begins with `/` stands on the public
development phrase. The grammar is sp-core's (`AddressUri`). Refused besides is what sp-core and polkadot.js
read as different keys (numbers outside u64, hex in a path, text that is not in Unicode's form NFC), and
control characters, which are typing accidents nobody sees. This is the one module that imports the BIP-39
wheel. No error message repeats secret text.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

from bip39 import bip39_generate, bip39_to_mini_secret

from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.hashing import blake2_256
from runtime.primitives.merlin import Transcript
from runtime.primitives.scale import encode_compact

DEV_PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
"""The mnemonic every Substrate development chain shares; its keys are public knowledge."""
_DEV_SEED = bytes.fromhex("fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e")
"""What PBKDF2 makes of the development phrase: a chain's preset derives two dozen keys from it."""

DEV_NAMES = ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
DEV_ACCOUNTS = tuple(f"//{name}{path}" for path in ("", "//stash") for name in DEV_NAMES)
"""Secret URIs of the accounts that development chains fund: //Alice … //Ferdie, then //Alice//stash …
//Ferdie//stash.
"""

SEED_LENGTH = 32
MNEMONIC_LENGTHS = (12, 15, 18, 21, 24)
URI_LENGTH_MAX = 4_096
"""Characters of a secret URI: far above any in use, low enough that no input file makes the parser work."""

_CHAIN_CODE_LENGTH = 32
_PHRASE = re.compile(r"[A-Za-z0-9 ]+")
_JUNCTION = re.compile(r"/(/?)([^/]+)")
_SEED = re.compile(r"0x[0-9A-Fa-f]{64}")
_NUMBER = re.compile(r"\+?[0-9]+")
_HEX = re.compile(r"0x[0-9A-Fa-f]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class UriError(ValueError):
    """The text is not a secret URI, or no key can be derived from it."""


class Junction(NamedTuple):
    """One step of a derivation path: hard or soft, and its 32-byte chain code."""

    is_hard: bool
    chain_code: bytes


@dataclass(frozen=True, slots=True)
class SecretUri:
    """A parsed secret URI; its text form hides the phrase and the password."""

    phrase: str = field(repr=False)
    junctions: tuple[Junction, ...]
    password: str = field(repr=False)


def parse_uri(uri: str) -> SecretUri:
    """Return the parts of a secret URI without checking that the phrase is a secret; raises UriError."""
    if len(uri) > URI_LENGTH_MAX:
        raise UriError(f"a secret URI has at most {URI_LENGTH_MAX} characters")
    if not uri:
        raise UriError("the secret URI is empty")
    _ensure_plain_text(uri)
    head, _, password = uri.partition("///")
    phrase, slash, rest = head.partition("/")
    if phrase and not _PHRASE.fullmatch(phrase):
        raise UriError("the phrase of a secret URI is made of ASCII letters, digits and spaces")
    return SecretUri(phrase or DEV_PHRASE, _parse_path(slash + rest), password)


def make_junction(code: str, *, is_hard: bool) -> Junction:
    """Return the junction of a path element, a decimal u64 or else text; raises UriError."""
    if not code:
        raise UriError("a derivation path has an empty element")
    if _NUMBER.fullmatch(code):
        # sp-core reads a sign as part of the number, polkadot.js as text; beyond u64 the reverse.
        if code.startswith("+") or len(code.lstrip("0")) > len(str(U64_MAX)) or int(code) > U64_MAX:
            raise UriError("a number in a derivation path is an unsigned u64: wallets disagree on any other")
        encoded = int(code).to_bytes(8, "little")
    elif _HEX.fullmatch(code):
        raise UriError("hex in a derivation path is text to some wallets and bytes to others")
    else:
        text = code.encode()
        encoded = encode_compact(len(text)) + text
    if len(encoded) > _CHAIN_CODE_LENGTH:
        return Junction(is_hard, blake2_256(encoded))
    return Junction(is_hard, encoded.ljust(_CHAIN_CODE_LENGTH, b"\0"))


def seed_from_phrase(phrase: str, password: str) -> bytes:
    """Return the 32-byte seed of a phrase; raises UriError.

    The password salts a mnemonic and is ignored with a hex seed, as by other wallets. A mnemonic costs about
    a millisecond: PBKDF2-HMAC-SHA512 over the entropy, 2,048 rounds, as in substrate-bip39.
    """
    _ensure_plain_text(password)
    if phrase.startswith("0x"):
        if not _SEED.fullmatch(phrase):
            raise UriError(f"a hex seed is 0x and {2 * SEED_LENGTH} hex digits")
        return bytes.fromhex(phrase[2:])
    if phrase == DEV_PHRASE and not password:
        return _DEV_SEED
    words = phrase.split()
    if len(words) not in MNEMONIC_LENGTHS:
        raise UriError("a mnemonic has 12, 15, 18, 21 or 24 words")
    try:
        return bip39_to_mini_secret(" ".join(words), password, "en")
    except ValueError:
        # The cause is cut off on purpose: the wheel's message may quote the phrase.
        raise UriError("the mnemonic has an unknown word or a wrong checksum") from None


def derive_seed(tag: str, seed: bytes, chain_code: bytes) -> bytes:
    """Return the hard child of a 32-byte seed of a curve by its tag, `Ed25519HDKD` or `Secp256k1HDKD`."""
    return blake2_256(encode_compact(len(tag)) + tag.encode() + seed + chain_code)


def derive_sr25519_seed(scalar: bytes, chain_code: bytes) -> bytes:
    """Return the hard child of an sr25519 key, given the 32-byte scalar of its secret key: schnorrkel's
    `hard_derive_mini_secret_key`.
    """
    transcript = Transcript(b"SchnorrRistrettoHDKD")
    transcript.append(b"sign-bytes", b"")
    transcript.append(b"chain-code", chain_code)
    transcript.append(b"secret-key", scalar)
    return transcript.challenge(b"HDKD-hard", SEED_LENGTH)


def generate_mnemonic(words: int) -> str:
    """Return a new English mnemonic; raises UriError unless it is of 12, 15, 18, 21 or 24 words.

    The wheel draws the randomness from the operating system, so only the edge of the node may call this.
    """
    if words not in MNEMONIC_LENGTHS:
        raise UriError("a mnemonic has 12, 15, 18, 21 or 24 words")
    return bip39_generate(words, "en")


def _parse_path(path: str) -> tuple[Junction, ...]:
    found = tuple(_JUNCTION.finditer(path))
    if "".join(match[0] for match in found) != path:
        raise UriError("a derivation path has an empty element")
    return tuple(make_junction(match[2], is_hard=match[1] == "/") for match in found)


def _ensure_plain_text(text: str) -> None:
    if _CONTROL.search(text):
        raise UriError("a secret URI or password holds a control character, such as a line end")
    # polkadot.js normalises a URI to this form before it derives, sp-core takes the bytes as they come.
    if not unicodedata.is_normalized("NFC", text):
        raise UriError("a secret URI or password is not in the Unicode form NFC: wallets disagree on its key")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UriError("a secret URI or password is not valid Unicode") from None
