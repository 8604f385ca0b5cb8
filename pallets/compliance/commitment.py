"""Commitments to personal data: what stands on chain instead of it.

Responsible for the hash and for the one form of the data that is hashed. It stores nothing and keeps no salt.

A commitment is the 256-bit BLAKE2b of a 32-byte salt and the data as canonical JSON in UTF-8. The salt is
drawn for each record and destroyed with it; after that nobody can tell by trying whether a commitment was to
something they can guess. Canonical: keys sorted, none twice, no space, no escape where the character itself
may stand; numbers are integers, for a fraction has many spellings.
"""

import json
from typing import Any, Final, Never

from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import Hash

SALT_BYTES: Final = 32
RECORD_BYTES_MAX: Final = 65_536
"""Of a record, so that a dispute about one can be settled by anybody."""


DEPTH_MAX: Final = 32
"""Of objects and lists in one another."""


class CommitmentError(ValueError):
    """A salt or data from which no commitment is made."""


class BadSalt(CommitmentError):
    """The salt has another length."""


class RecordTooLong(CommitmentError):
    """The data exceed what is committed to at once."""


class NotCanonical(CommitmentError):
    """The data are no JSON object, or not in the one form that is hashed."""


def compute_commitment(salt: bytes, record: bytes) -> Hash:
    """Return the commitment to a record; raises BadSalt, RecordTooLong and NotCanonical."""
    if len(salt) != SALT_BYTES:
        raise BadSalt(f"{len(salt)} bytes instead of {SALT_BYTES}")
    ensure_canonical(record)
    return Hash(blake2_256(salt + record))


def verify_commitment(commitment: Hash, salt: bytes, record: bytes) -> bool:
    """Answer whether salt and record are what was committed to; what cannot be committed to is not."""
    try:
        return compute_commitment(salt, record) == commitment
    except CommitmentError:
        return False


def ensure_canonical(record: bytes) -> None:
    """Raise RecordTooLong or NotCanonical unless the bytes are a JSON object in canonical form."""
    if encode_canonical(_parse(record)) != record:
        raise NotCanonical("is JSON in another form")


def encode_canonical(record: dict[str, Any]) -> bytes:
    """Return the canonical form of an object of objects, lists, text, integers, truth values and null.

    Raises NotCanonical for other values, text with half of a surrogate pair and too deep nesting, and
    RecordTooLong.
    """
    try:
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        encoded = text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise NotCanonical(str(error)) from error
    if _parse(encoded) != record:
        raise NotCanonical("has a key that is no text, or a tuple")
    return encoded


def _parse(record: bytes) -> dict[str, Any]:
    if len(record) > RECORD_BYTES_MAX:
        raise RecordTooLong(f"{len(record)} bytes, the limit is {RECORD_BYTES_MAX}")
    try:
        value = json.loads(record.decode(), parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"is not JSON of objects, text and integers: {error}") from error
    if not isinstance(value, dict):
        raise NotCanonical("is no object")
    _ensure_shallow(value)
    return value


def _ensure_shallow(value: object) -> None:
    """Refuse by a number what deep recursion would refuse at a depth that depends on the caller's."""
    level = [value]
    for _ in range(DEPTH_MAX):
        inner = [list(one.values()) if isinstance(one, dict) else one for one in level]
        level = [part for one in inner if isinstance(one, list) for part in one]
    if any(isinstance(one, dict | list) for one in level):
        raise NotCanonical(f"is nested deeper than {DEPTH_MAX}")


def _refuse(text: str) -> Never:
    raise NotCanonical(f"{text[:40]!r} is no integer")
