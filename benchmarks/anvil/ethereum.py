"""Ethereum's plain transfer: keys, addresses, RLP and signed legacy transactions.

Only what the comparison sends; needs keccak from the optional dependency group `bench`. Source: EIP-155,
the Yellow Paper's appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from coincurve import PrivateKey
from Crypto.Hash import keccak

CHAIN_ID = 31_337
"""The chain id of development nodes."""
GAS = 21_000
GAS_PRICE = 2_000_000_000


class Account(NamedTuple):
    """A key and its 20-byte address."""

    key: PrivateKey
    address: bytes


def keccak_256(data: bytes) -> bytes:
    """Return the hash that Ethereum uses, which is not SHA3-256."""
    return keccak.new(data=data, digest_bits=256).digest()


def make_ethereum_accounts(count: int) -> list[Account]:
    """Return `count` accounts, the same in every run."""
    made = []
    for number in range(count):
        key = PrivateKey(keccak_256(b"load" + number.to_bytes(4, "big")))
        made.append(Account(key, keccak_256(key.public_key.format(compressed=False)[1:])[12:]))
    return made


def encode_item(data: bytes) -> bytes:
    """Return the RLP of a byte string shorter than 56 bytes."""
    assert len(data) < 56
    return data if len(data) == 1 and data[0] < 0x80 else bytes([0x80 + len(data)]) + data


def encode_int(value: int) -> bytes:
    """Return the RLP of an integer: big-endian without leading zeros."""
    return encode_item(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def encode_list(parts: Sequence[bytes]) -> bytes:
    """Return the RLP of a list of encoded parts, together shorter than 256 bytes."""
    body = b"".join(parts)
    head = bytes([0xC0 + len(body)]) if len(body) < 56 else bytes([0xF8, len(body)])
    return head + body


def sign_transfer(sender: Account, nonce: int, to: bytes, value: int) -> bytes:
    """Return the bytes of a signed legacy transaction."""
    fields = [
        encode_int(nonce),
        encode_int(GAS_PRICE),
        encode_int(GAS),
        encode_item(to),
        encode_int(value),
        encode_item(b""),
    ]
    digest = keccak_256(encode_list([*fields, encode_int(CHAIN_ID), encode_int(0), encode_int(0)]))
    signature = sender.key.sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    v = CHAIN_ID * 2 + 35 + signature[64]
    return encode_list([*fields, encode_int(v), encode_int(r), encode_int(s)])
