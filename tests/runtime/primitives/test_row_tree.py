"""The root over rows is the tree of RFC 6962, however it was built; proofs hold for their row alone."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.row_tree import (
    EMPTY_ROOT,
    append_row,
    compute_root,
    fold_peaks,
    prove_row,
    verify_row,
)
from runtime.primitives.types import Hash

ROWS = st.lists(st.binary(max_size=8), max_size=40)


def digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=32).digest()


def recursive_root(rows: list[bytes]) -> bytes:
    """The definition, word by word."""
    if not rows:
        return digest(b"")
    if len(rows) == 1:
        return digest(b"\0" + rows[0])
    split = 1
    while split * 2 < len(rows):
        split *= 2
    return digest(b"\1" + recursive_root(rows[:split]) + recursive_root(rows[split:]))


@given(ROWS)
def test_root_is_that_of_the_definition(rows: list[bytes]) -> None:
    assert compute_root(rows) == recursive_root(rows)


@given(ROWS, st.integers(0, 40))
def test_root_does_not_depend_on_how_the_list_grew(rows: list[bytes], at: int) -> None:
    peaks: tuple[Hash, ...] = ()
    for length, row in enumerate(rows):
        if length == at:
            assert fold_peaks(peaks) == recursive_root(rows[:at])
        peaks = append_row(peaks, length, row)
    assert fold_peaks(peaks) == recursive_root(rows)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=20))
def test_every_row_has_a_proof(rows: list[bytes]) -> None:
    root = compute_root(rows)
    for place, row in enumerate(rows):
        proof = prove_row(rows, place)
        assert verify_row(root, len(rows), place, row, proof)
        assert not verify_row(root, len(rows), place, row + b"x", proof)
        assert not verify_row(root, len(rows), place, row, (*proof, EMPTY_ROOT))
        assert not verify_row(root, len(rows), len(rows), row, proof)
        assert not verify_row(root, len(rows), -1, row, proof)
        if proof:
            assert not verify_row(root, len(rows), place, row, proof[1:])
            assert not verify_row(root, len(rows), place, row, (EMPTY_ROOT, *proof[1:]))


@given(ROWS.filter(bool), st.data())
def test_root_changes_with_any_row_and_with_their_order(rows: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    root = compute_root(rows)
    assert compute_root([*rows[:place], rows[place] + b"x", *rows[place + 1 :]]) != root
    assert compute_root([*rows[:place], *rows[place + 1 :]]) != root
    assert compute_root([*rows, b""]) != root
    if rows[::-1] != rows:
        assert compute_root(rows[::-1]) != root


@given(ROWS.filter(bool), st.data())
def test_proof_is_of_no_other_row_and_place(rows: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    root, proof = compute_root(rows), prove_row(rows, place)
    for other, row in enumerate(rows):
        if row != rows[place]:
            assert not verify_row(root, len(rows), other, rows[place], proof)
            assert not verify_row(root, len(rows), other, row, proof)


def test_node_does_not_pass_for_a_row() -> None:
    rows = [b"a", b"b"]
    node = digest(b"\0a") + digest(b"\0b")
    assert compute_root([node]) != compute_root(rows)


def test_peaks_must_be_those_of_the_length() -> None:
    with pytest.raises(AssertionError):
        append_row((), 1, b"a")
