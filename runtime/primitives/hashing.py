"""The hash functions of the chain and the storage hashers built on them; knows bytes, not what they mean.

The names are Substrate's: `blake2_N` is unkeyed BLAKE2b with an N-bit digest, `twoxN` is xxHash64 under the
seeds 0, 1, … with every 64-bit result little-endian. The `_concat` hashers append their input, so that a
storage key can be listed back to the map key it came from. `twox` is not collision resistant: use it only
where a user cannot choose the input.
"""

from collections.abc import Callable
from hashlib import blake2b

from blake3 import blake3
from xxhash import xxh64_digest

__all__ = [
    "Hasher",
    "blake2_64",
    "blake2_128",
    "blake2_128_concat",
    "blake2_256",
    "blake2_512",
    "blake3",
    "blake3_256",
    "identity",
    "twox64",
    "twox64_concat",
    "twox128",
    "twox256",
]

# `blake3` itself is exported for the state tree, where one more call for each hash would be felt.

Hasher = Callable[[bytes], bytes]


def blake2_64(data: bytes) -> bytes:
    """Return the 8-byte BLAKE2b digest, which identifies runtime APIs."""
    return blake2b(data, digest_size=8).digest()


def blake2_128(data: bytes) -> bytes:
    """Return the 16-byte BLAKE2b digest."""
    return blake2b(data, digest_size=16).digest()


def blake2_256(data: bytes) -> bytes:
    """Return the 32-byte BLAKE2b digest, the hash of blocks and extrinsics."""
    return blake2b(data, digest_size=32).digest()


def blake2_512(data: bytes) -> bytes:
    """Return the 64-byte BLAKE2b digest, the checksum of addresses."""
    return blake2b(data).digest()


def blake2_128_concat(data: bytes) -> bytes:
    """Return the 16-byte BLAKE2b digest followed by `data`."""
    return blake2b(data, digest_size=16).digest() + data


def twox64(data: bytes) -> bytes:
    """Return the 8-byte xxHash64 of `data` under seed 0, little-endian."""
    return xxh64_digest(data, 0)[::-1]


def twox128(data: bytes) -> bytes:
    """Return 16 bytes, xxHash64 under the seeds 0 and 1."""
    return xxh64_digest(data, 0)[::-1] + xxh64_digest(data, 1)[::-1]


def twox256(data: bytes) -> bytes:
    """Return 32 bytes, xxHash64 under the seeds 0 to 3."""
    return b"".join(xxh64_digest(data, seed)[::-1] for seed in range(4))


def twox64_concat(data: bytes) -> bytes:
    """Return `twox64(data)` followed by `data`."""
    return xxh64_digest(data, 0)[::-1] + data


def identity(data: bytes) -> bytes:
    """Return `data`, the hasher of keys that are uniformly distributed already."""
    return data


def blake3_256(data: bytes) -> bytes:
    """Return the 32-byte BLAKE3 digest, the hash of the state tree."""
    return blake3(data).digest()
