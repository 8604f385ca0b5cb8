"""Merkle trees of rows: every row counts, a proof shows one row alone, growth gives the same root."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.compliance.merkle import (
    EMPTY_ROOT,
    append_leaf,
    compute_root,
    fold_peaks,
    hash_leaf,
    make_proof,
    verify_proof,
)
from runtime.primitives.types import Hash

ROWS = st.lists(st.binary(max_size=8), max_size=40)


def digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=32).digest()


def by_definition(rows: list[bytes]) -> bytes:
    """Return the root as RFC 9162 §2.1.1 defines it."""
    if not rows:
        return digest(b"")
    if len(rows) == 1:
        return digest(b"\0" + rows[0])
    split = 1
    while split * 2 < len(rows):
        split *= 2
    return digest(b"\1" + by_definition(rows[:split]) + by_definition(rows[split:]))


@given(ROWS)
def test_root_is_the_one_of_the_definition(rows: list[bytes]) -> None:
    assert compute_root(rows) == by_definition(rows)


def test_tree_without_rows_has_a_root_of_its_own() -> None:
    assert fold_peaks(()) == EMPTY_ROOT == digest(b"")
    assert compute_root([b""]) != EMPTY_ROOT


@given(ROWS)
def test_growing_tree_has_a_peak_for_each_bit_and_the_same_root(rows: list[bytes]) -> None:
    peaks: tuple[Hash, ...] = ()
    for count, row in enumerate(rows):
        assert len(peaks) == count.bit_count()
        assert fold_peaks(peaks) == compute_root(rows[:count])
        peaks = append_leaf(peaks, count, hash_leaf(row))
    assert fold_peaks(peaks) == compute_root(rows)


@given(ROWS.filter(bool), st.data())
def test_root_changes_with_any_row_and_with_their_order(rows: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(rows) - 1))
    root = compute_root(rows)
    assert compute_root([*rows[:index], rows[index] + b"x", *rows[index + 1 :]]) != root
    assert compute_root([*rows[:index], *rows[index + 1 :]]) != root
    assert compute_root([*rows, b""]) != root
    if rows[::-1] != rows:
        assert compute_root(rows[::-1]) != root


@given(ROWS.filter(bool), st.data())
def test_proof_shows_its_row_at_its_index_and_no_other(rows: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(rows) - 1))
    root, proof = compute_root(rows), make_proof(rows, index)
    count = len(rows)
    assert verify_proof(root, rows[index], index, count, proof)
    assert not verify_proof(root, rows[index] + b"x", index, count, proof)
    assert not verify_proof(root, rows[index], index, count, (*proof, EMPTY_ROOT))
    for other in range(count):
        if rows[other] != rows[index]:
            assert not verify_proof(root, rows[index], other, count, proof)
            assert not verify_proof(root, rows[other], other, count, proof)
    if proof:
        wrong = Hash(bytes([proof[0][0] ^ 1]) + proof[0][1:])
        assert not verify_proof(root, rows[index], index, count, (wrong, *proof[1:]))
        assert not verify_proof(root, rows[index], index, count, proof[1:])


@pytest.mark.parametrize(("index", "count"), [(-1, 1), (1, 1), (0, 0), (5, 5)])
def test_no_proof_is_of_a_row_outside_of_the_tree(index: int, count: int) -> None:
    assert not verify_proof(hash_leaf(b"a"), b"a", index, count, ())


def test_inner_node_is_not_taken_for_a_row() -> None:
    rows = [b"a", b"b", b"c"]
    node = hash_leaf(b"a") + hash_leaf(b"b")
    assert not verify_proof(compute_root(rows), node, 0, 2, (hash_leaf(b"c"),))
