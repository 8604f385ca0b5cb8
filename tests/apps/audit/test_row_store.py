"""A list of rows on disk has the root and the proofs of the tree in memory, and goes on where it was cut
off."""

import io

from hypothesis import given
from hypothesis import strategies as st

from apps.audit.row_store import HASH_BYTES, RowStore, count_hashes
from runtime.primitives.row_tree import EMPTY_ROOT, compute_root, prove_row, verify_row

ROWS = st.lists(st.binary(max_size=8), max_size=70)


def stored(rows: list[bytes]) -> tuple[io.BytesIO, RowStore]:
    file = io.BytesIO()
    store = RowStore(file)
    for row in rows:
        store.append(row)
    return file, store


@given(ROWS)
def test_root_and_proofs_are_those_of_the_tree_in_memory(rows: list[bytes]) -> None:
    file, store = stored(rows)
    assert store.root == compute_root(rows)
    assert len(file.getvalue()) == count_hashes(len(rows)) * HASH_BYTES
    for place, row in enumerate(rows):
        siblings = store.prove(place)
        assert siblings == prove_row(rows, place)
        assert verify_row(store.root, len(rows), place, row, siblings)


@given(ROWS, st.data())
def test_a_list_that_was_cut_off_anywhere_goes_on(rows: list[bytes], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(rows)))
    file, _ = stored(rows)
    file.write(b"half a hash")
    store = RowStore(file, kept)
    assert store.root == compute_root(rows[:kept])
    for row in rows[kept:]:
        store.append(row)
    assert store.root == compute_root(rows)
    assert [store.prove(place) for place in range(len(rows))] == [
        prove_row(rows, place) for place in range(len(rows))
    ]


@given(ROWS.filter(bool), st.data())
def test_root_changes_with_any_row_its_place_and_its_number(rows: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    root = stored(rows)[1].root
    changed = [*rows[:place], rows[place] + b"\0", *rows[place + 1 :]]
    missing = [*rows[:place], *rows[place + 1 :]]
    doubled = [*rows[:place], rows[place], *rows[place:]]
    assert root not in {stored(one)[1].root for one in (changed, missing, doubled)}
    moved = [*missing, rows[place]]
    assert (stored(moved)[1].root == root) == (moved == rows)


def test_an_empty_list_has_the_root_of_nothing() -> None:
    assert stored([])[1].root == EMPTY_ROOT
