"""A document with a row's proof shows what it says and nothing else."""

import json
from typing import Any

import pytest

from apps.audit.errors import Differs, Unchecked
from apps.audit.plain import Record
from apps.audit.row_proof import (
    PROOF_BYTES_MAX,
    RowProof,
    decode_proof,
    encode_proof,
    encode_row,
    ensure_proven,
)
from runtime.primitives.row_tree import compute_root, prove_row
from runtime.primitives.types import Hash

ROWS: list[Record | bytes] = [{"who": "ทดสอบ", "qty": 10**30}, {"qty": 2}, b"\1leaf", {"qty": None}, b""]
ENCODED = [encode_row(row) for row in ROWS]
ROOT = compute_root(ENCODED)


def proof_of(place: int) -> RowProof:
    return RowProof(ROOT, len(ROWS), place, ROWS[place], prove_row(ENCODED, place))


@pytest.mark.parametrize("place", range(len(ROWS)))
def test_every_row_is_proven_by_its_document(place: int) -> None:
    text = encode_proof(proof_of(place))
    assert "\n" not in text
    assert decode_proof(text) == proof_of(place)
    ensure_proven(decode_proof(text), ROOT)


@pytest.mark.parametrize(
    "change",
    [
        {"place": 1},
        {"length": 9},
        {"length": 2},
        {"place": 5},
        {"row": {"who": "ทดสอบ", "qty": 10**30 + 1}},
        {"row": {"who": "ทดสอบ"}},
        {"siblings": []},
        {"siblings": ["0x" + "00" * 32] * 3},
    ],
)
def test_a_forged_document_shows_nothing(change: dict[str, Any]) -> None:
    document = {**json.loads(encode_proof(proof_of(0))), **change}
    with pytest.raises(Differs, match=r"row \d is not at that place"):
        ensure_proven(decode_proof(json.dumps(document)), ROOT)


def test_a_proof_for_another_root_is_none_for_this_one() -> None:
    with pytest.raises(Differs, match="the proof is for the root"):
        ensure_proven(proof_of(0), Hash(bytes(32)))


def test_a_row_does_not_pass_for_its_bytes_in_hex() -> None:
    with pytest.raises(Differs):
        ensure_proven(proof_of(0)._replace(row=b"other"), ROOT)
    ensure_proven(proof_of(0)._replace(row=ENCODED[0]), ROOT)  # the very bytes that are hashed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"format":"loam-row-proof-2"}',
        json.dumps({**json.loads(encode_proof(proof_of(0))), "root": "0x12"}),
        json.dumps({**json.loads(encode_proof(proof_of(0))), "root": 7}),
        json.dumps({**json.loads(encode_proof(proof_of(0))), "length": True}),
        json.dumps({**json.loads(encode_proof(proof_of(0))), "place": -1}),
        json.dumps({**json.loads(encode_proof(proof_of(0))), "siblings": ["0x" + "00" * 32] * 65}),
        json.dumps({**json.loads(encode_proof(proof_of(0))), "siblings": "0x"}),
        json.dumps({**json.loads(encode_proof(proof_of(0))), "leaf": "0x00"}),
        json.dumps({**json.loads(encode_proof(proof_of(2))), "leaf": "0xzz"}),
        json.dumps({**json.loads(encode_proof(proof_of(0))), "row": None}),
    ],
)
def test_what_is_no_proof_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Unchecked):
        decode_proof(text)


def test_a_document_has_a_limit() -> None:
    text = encode_proof(proof_of(0))
    decode_proof(text + " " * (PROOF_BYTES_MAX - len(text)))
    with pytest.raises(Unchecked, match="at most"):
        decode_proof(text + " " * (PROOF_BYTES_MAX - len(text) + 1))


def test_a_row_with_a_fraction_cannot_be_checked() -> None:
    with pytest.raises(Unchecked, match="no canonical form"):
        ensure_proven(proof_of(0)._replace(row={"qty": 1.5}), ROOT)
