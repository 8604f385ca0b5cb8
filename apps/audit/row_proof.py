"""Proofs of single rows as JSON that anybody checks without a chain.

Responsible for the document and its check: a row, its place, the length and root of the list, and the
hashes beside its way up (`runtime/primitives/row_tree.py` has the tree). A row is an object, hashed in
canonical form, or a leaf of the audit log, hashed as its bytes. What the root itself is worth it
does not know; a root goes with the length of its list, which the proof of one row does not show.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from apps.audit.errors import Differs, Unchecked
from apps.audit.plain import Record
from apps.chain.answers import to_hex
from pallets.compliance.commitment import CommitmentError, encode_canonical
from runtime.primitives.row_tree import verify_row
from runtime.primitives.types import Hash

FORMAT: Final = "loam-row-proof-1"
PROOF_BYTES_MAX: Final = 1 << 20
"""Of one document: a row, and 64 hashes at the most."""
SIBLINGS_MAX: Final = 64
HASH_BYTES: Final = 32


class RowProof(NamedTuple):
    """A row at a place of a list; `row` is an object, or the bytes of a leaf."""

    root: Hash
    length: int
    place: int
    row: Record | bytes
    siblings: tuple[Hash, ...]


def encode_row(row: Record | bytes) -> bytes:
    """Return the bytes of a row that its leaf hashes."""
    return row if isinstance(row, bytes) else encode_canonical(row)


def encode_proof(proof: RowProof) -> str:
    """Return the document, one line of JSON."""
    body = {"leaf": to_hex(proof.row)} if isinstance(proof.row, bytes) else {"row": proof.row}
    document = {
        "format": FORMAT,
        "root": to_hex(proof.root),
        "length": proof.length,
        "place": proof.place,
        **body,
        "siblings": [to_hex(one) for one in proof.siblings],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def decode_proof(text: str) -> RowProof:
    """Return what a document says; Unchecked when it is none."""
    if len(text) > PROOF_BYTES_MAX:
        raise Unchecked(f"a proof has {PROOF_BYTES_MAX} characters at most")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unchecked(f"this is no proof: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unchecked(f"this is no proof: its format is not {FORMAT!r}")
    siblings = document.get("siblings")
    if not isinstance(siblings, list) or len(siblings) > SIBLINGS_MAX:
        raise Unchecked(f"siblings: a list of up to {SIBLINGS_MAX} hashes is needed")
    return RowProof(
        _as_hash(document.get("root"), "root"),
        _as_number(document.get("length"), "length"),
        _as_number(document.get("place"), "place"),
        _as_row(document),
        tuple(_as_hash(one, "siblings") for one in siblings),
    )


def ensure_proven(proof: RowProof, root: Hash) -> None:
    """Raise Differs unless the proof shows that its row stands in the list of that root."""
    if proof.root != root:
        raise Differs(f"row {proof.place}: the proof is for the root {to_hex(proof.root)}")
    try:
        row = encode_row(proof.row)
    except CommitmentError as error:
        raise Unchecked(f"row {proof.place} has no canonical form: {error}") from error
    if not verify_row(root, proof.length, proof.place, row, proof.siblings):
        raise Differs(
            f"row {proof.place} is not at that place of the {proof.length} rows of root {to_hex(root)}"
        )


def parse_hash(text: str) -> Hash:
    """Return the hash that hex names; ValueError otherwise."""
    data = bytes.fromhex(text.removeprefix("0x"))
    if len(data) != HASH_BYTES:
        raise ValueError(f"a hash has {HASH_BYTES} bytes")
    return Hash(data)


def parse_bytes(text: str) -> bytes:
    """Return the bytes that hex names; ValueError otherwise."""
    return bytes.fromhex(text.removeprefix("0x"))


def _as_row(document: dict[str, Any]) -> Record | bytes:
    row, leaf = document.get("row"), document.get("leaf")
    if isinstance(row, dict) and leaf is None:
        return row
    if isinstance(leaf, str) and row is None:
        try:
            return parse_bytes(leaf)
        except ValueError:
            pass
    raise Unchecked("either `row` is an object or `leaf` is hex")


def _as_hash(value: object, name: str) -> Hash:
    if isinstance(value, str):
        try:
            return parse_hash(value)
        except ValueError:
            pass
    raise Unchecked(f"{name}: 32 bytes of hex are needed, got {value!r:.60}")


def _as_number(value: object, name: str) -> int:
    if type(value) is not int or value < 0:
        raise Unchecked(f"{name}: a number from 0 on is needed, got {value!r:.60}")
    return value
