"""SS58, the text form of a 32-byte account id with network prefix and checksum; knows no network by name.

base58(prefix ‖ account id ‖ first two bytes of blake2b-512("SS58PRE" ‖ prefix ‖ account id)). A prefix
below 64 takes one byte, one up to 16,383 takes two. Only the one canonical text of an address is accepted:
no surrounding space, no wider prefix than needed. Source: sp-core `crypto::Ss58Codec`.
"""

from typing import NamedTuple

import base58

from runtime.primitives.hashing import blake2_512
from runtime.primitives.types import AccountId

PREFIX_MAX = 16_383
RESERVED_PREFIXES = frozenset({46, 47})
"""Prefixes that the SS58 registry keeps out of use."""

ACCOUNT_ID_LENGTH = 32
ADDRESS_LENGTH_MAX = 50
"""Characters that 2 + 32 + 2 bytes can take; longer text is refused before the quadratic base58 decoding."""

_SINGLE_BYTE_PREFIXES = 64
_CHECKSUM_LENGTH = 2
_CHECKSUM_TAG = b"SS58PRE"


class Ss58Error(ValueError):
    """The text is not the address of a 32-byte account id, or the prefix cannot be used."""


class Address(NamedTuple):
    """A decoded address: the network prefix and the 32-byte account id."""

    prefix: int
    account_id: AccountId


def encode_address(account_id: bytes, prefix: int) -> str:
    """Return the SS58 text of a 32-byte account id; raises Ss58Error on other lengths and bad prefixes."""
    if len(account_id) != ACCOUNT_ID_LENGTH:
        raise Ss58Error(f"an account id has {ACCOUNT_ID_LENGTH} bytes, not {len(account_id)}")
    _ensure_usable(prefix)
    body = _encode_prefix(prefix) + account_id
    return base58.b58encode(body + _checksum(body)).decode("ascii")


def decode_address(text: str) -> Address:
    """Return prefix and account id of a canonical SS58 address; raises Ss58Error."""
    if len(text) > ADDRESS_LENGTH_MAX:
        raise Ss58Error(f"an address has at most {ADDRESS_LENGTH_MAX} characters")
    raw = _decode_base58(text)
    prefix, start = _decode_prefix(raw)
    if len(raw) != start + ACCOUNT_ID_LENGTH + _CHECKSUM_LENGTH:
        raise Ss58Error(f"the address does not hold a {ACCOUNT_ID_LENGTH}-byte account id")
    body, checksum = raw[:-_CHECKSUM_LENGTH], raw[-_CHECKSUM_LENGTH:]
    if checksum != _checksum(body):
        raise Ss58Error("the checksum of the address is wrong")
    _ensure_usable(prefix)
    return Address(prefix, AccountId(body[start:]))


def _ensure_usable(prefix: int) -> None:
    if not 0 <= prefix <= PREFIX_MAX:
        raise Ss58Error(f"prefix {prefix} is not in 0..{PREFIX_MAX}")
    if prefix in RESERVED_PREFIXES:
        raise Ss58Error(f"prefix {prefix} is reserved")


def _encode_prefix(prefix: int) -> bytes:
    if prefix < _SINGLE_BYTE_PREFIXES:
        return bytes((prefix,))
    return bytes(((prefix & 0xFC) >> 2 | 0x40, prefix >> 8 | (prefix & 3) << 6))


def _decode_prefix(raw: bytes) -> tuple[int, int]:
    if len(raw) < 2:
        raise Ss58Error("the address is too short")
    first, second = raw[0], raw[1]
    if first < _SINGLE_BYTE_PREFIXES:
        return first, 1
    if first >= 2 * _SINGLE_BYTE_PREFIXES:
        raise Ss58Error(f"no prefix begins with byte {first}")
    prefix = (first & 0x3F) << 2 | second >> 6 | (second & 0x3F) << 8
    if prefix < _SINGLE_BYTE_PREFIXES:
        raise Ss58Error(f"prefix {prefix} takes one byte, not two")
    return prefix, 2


def _decode_base58(text: str) -> bytes:
    """Return the bytes of base58 text; each leading `1` is a zero byte, the rest a number in base 58."""
    if text != text.rstrip():  # the library drops trailing white space: one account would have many addresses
        raise Ss58Error("the address is not in its one base58 form")
    try:
        number = base58.b58decode_int(text)
    except ValueError as error:
        raise Ss58Error("the address has a character outside base58") from error
    # The library's own way to bytes is quadratic in Python; a genesis of 100,000 accounts shows it.
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _checksum(body: bytes) -> bytes:
    return blake2_512(_CHECKSUM_TAG + body)[:_CHECKSUM_LENGTH]
