"""Commitments: one form of the data, a salt that hides it, and refusals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.compliance.commitment import (
    DEPTH_MAX,
    RECORD_BYTES_MAX,
    BadSalt,
    CommitmentError,
    NotCanonical,
    RecordTooLong,
    compute_commitment,
    encode_canonical,
    ensure_canonical,
    verify_commitment,
)

SALT = bytes(range(32))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
RECORDS = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@given(RECORDS)
def test_every_record_has_one_canonical_form(record: dict[str, Any]) -> None:
    encoded = encode_canonical(record)
    ensure_canonical(encoded)
    assert encode_canonical(dict(reversed(record.items()))) == encoded
    commitment = compute_commitment(SALT, encoded)
    assert verify_commitment(commitment, SALT, encoded)
    assert not verify_commitment(commitment, bytes(32), encoded)
    assert not verify_commitment(commitment, SALT, encoded + b" ")


def test_form_is_sorted_compact_and_unescaped() -> None:
    assert encode_canonical({"b": "ผู้ใช้", "a": [1, None, True]}) == '{"a":[1,null,true],"b":"ผู้ใช้"}'.encode()


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b"{",
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}\n',
        b'{"a":' + b"9" * 5_000 + b"}",
        b'{"a":' + b"[" * 60_000,
    ],
)
def test_other_forms_are_refused(record: bytes) -> None:
    with pytest.raises(NotCanonical):
        compute_commitment(SALT, record)
    assert not verify_commitment(compute_commitment(SALT, b"{}"), SALT, record)


def nest(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_nesting_has_a_limit() -> None:
    ensure_canonical(nest(DEPTH_MAX))
    with pytest.raises(NotCanonical, match="nested deeper"):
        ensure_canonical(nest(DEPTH_MAX + 1))


def test_length_has_a_limit() -> None:
    longest = b'{"a":"' + b"x" * (RECORD_BYTES_MAX - 8) + b'"}'
    assert len(longest) == RECORD_BYTES_MAX
    ensure_canonical(longest)
    with pytest.raises(RecordTooLong):
        ensure_canonical(longest.replace(b'"}', b'x"}'))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_salt_has_32_bytes(length: int) -> None:
    with pytest.raises(BadSalt):
        compute_commitment(bytes(length), b"{}")


@pytest.mark.parametrize(
    "record",
    [{"a": 1.5}, {"a": float("nan")}, {"a": b"x"}, {"a": (1, 2)}, {1: 2}, {"a": "\ud800"}, {"a": {3}}],
)
def test_values_without_a_form_are_refused(record: dict[Any, Any]) -> None:
    with pytest.raises(CommitmentError):
        encode_canonical(record)
