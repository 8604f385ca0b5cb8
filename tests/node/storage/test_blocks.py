"""The block store keeps blocks, forks and states across reopening, and refuses what does not fit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.storage.blocks import (
    ARCHIVE,
    STATE_WINDOW,
    BlockStore,
    NotFilledError,
    PruningMismatchError,
)
from node.storage.columns import BlockRef, compute_block_hash
from node.storage.kv import Batch, KeyValue, WrongGenesisError
from node.storage.memory import MemoryKeyValue
from node.storage.states import StateDiscarded
from tests.node.storage.support import (
    GENESIS,
    GENESIS_HEADER,
    STATE_GENESIS,
    create_store,
    grow,
    insert,
    make_body,
    make_header,
    open_leveldb,
)


@pytest.fixture(params=["memory", "leveldb"])
def kv(request: pytest.FixtureRequest, tmp_path: Path) -> KeyValue:
    return MemoryKeyValue() if request.param == "memory" else open_leveldb(tmp_path / "db")


@pytest.fixture
def store(kv: KeyValue) -> Iterator[BlockStore]:
    store = create_store(kv)
    yield store
    store.close()


def test_production_window_is_substrates_default() -> None:
    assert STATE_WINDOW == 256


def test_created_store_holds_genesis_and_its_state(store: BlockStore) -> None:
    assert store.finalized() == BlockRef(0, GENESIS)
    assert store.header(GENESIS) == GENESIS_HEADER
    assert store.body(GENESIS) == ()
    assert store.justification(GENESIS) is None
    assert store.hash_by_number(0) == GENESIS
    assert store.leaves() == [BlockRef(0, GENESIS)]
    assert list(store.state_iter()) == STATE_GENESIS
    assert store.state_get(b"alice") == b"100"
    assert store.state_get(b"nobody") is None


def test_unfinalized_blocks_are_read_at_once_and_in_order(store: BlockStore) -> None:
    headers = {name: make_header(GENESIS, 1, name) for name in (b"a", b"b")}
    first, second = (compute_block_hash(header) for header in headers.values())
    store.insert_block(first, headers[b"a"], make_body(1))
    store.insert_block(second, headers[b"b"], ())
    assert store.header(first) == headers[b"a"]
    assert store.body(first) == make_body(1)
    assert store.number_by_hash(first) == 1
    third = insert(store, second, 2)
    assert store.leaves() == [BlockRef(2, third), BlockRef(1, first)]
    assert [(block.number, block.parent) for block in store.unfinalized()] == [
        (1, GENESIS),
        (1, GENESIS),
        (2, second),
    ]
    assert store.hash_by_number(1) is None


class Syncing(MemoryKeyValue):
    """Notes which writes were to survive power loss."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs: list[bool] = []

    def write(self, batch: Batch, *, sync: bool) -> None:
        super().write(batch, sync=sync)
        self.syncs.append(sync)


def test_bulk_import_is_synced_at_its_end_also_when_it_fails() -> None:
    kv = Syncing()
    store = create_store(kv)

    def load(number: int) -> None:
        kv.syncs.clear()
        with store.unsynced():
            grow(store, {b"alice": b"%d" % number})
            if number == 2:
                raise ZeroDivisionError

    load(1)
    assert kv.syncs == [False, False, True]
    with pytest.raises(ZeroDivisionError):
        load(2)
    assert kv.syncs == [False, False, True]
    grow(store, {})
    assert kv.syncs[3:] == [True, True]
    store.close()


def test_finalizing_drops_the_other_branches(store: BlockStore) -> None:
    keep, lose = insert(store, GENESIS, 1, b"keep"), insert(store, GENESIS, 1, b"lose")
    lose_child = insert(store, lose, 2)
    keep_child = insert(store, keep, 2)
    dead = store.finalize(1, keep, b"certificate", {b"alice": b"99", b"dora": b"1", b"bob": None}).result()
    assert dead == (BlockRef(1, lose), BlockRef(2, lose_child))
    assert store.finalized() == BlockRef(1, keep)
    assert store.header(lose) is None
    assert store.body(lose_child) is None
    assert store.number_by_hash(lose) is None
    assert store.leaves() == [BlockRef(2, keep_child)]
    assert store.justification(keep) == b"certificate"
    assert store.hash_by_number(1) == keep
    assert dict(store.state_iter()) == {
        b"alice": b"99",
        b"bob\x00": b"zero",
        b"carol": b"",
        b"dora": b"1",
    }
    assert list(store.undo(1)) == [(b"alice", b"100"), (b"bob", b"7"), (b"dora", None)]


def test_state_iteration_starts_after_a_key_and_ends_with_the_prefix(store: BlockStore) -> None:
    assert [key for key, _ in store.state_iter(b"bob")] == [b"bob", b"bob\x00"]
    assert [key for key, _ in store.state_iter(b"bob", b"bob")] == [b"bob\x00"]
    assert [key for key, _ in store.state_iter(b"", b"bob\x00")] == [b"carol"]
    assert [key for key, _ in store.state_iter(b"bob", b"a")] == [b"bob", b"bob\x00"]
    assert list(store.state_iter(b"bob", b"c")) == []


def test_older_states_are_read_through_the_undo_records(kv: KeyValue) -> None:
    store = create_store(kv, window=2)
    grow(store, {b"alice": b"1", b"dora": b"1"})
    grow(store, {b"alice": None, b"carol": b"c"})
    grow(store, {b"alice": b"3", b"dora": None})
    with store.state_at(1) as state:
        assert list(state.iterate()) == [
            (b"alice", b"1"),
            (b"bob", b"7"),
            (b"bob\x00", b"zero"),
            (b"carol", b""),
            (b"dora", b"1"),
        ]
        assert (state.get(b"alice"), state.get(b"dora"), state.get(b"bob")) == (b"1", b"1", b"7")
        assert [key for key, _ in state.iterate(b"bob", b"bob")] == [b"bob\x00"]
    with store.state_at(2) as state:
        assert state.get(b"alice") is None
        assert dict(state.iterate())[b"dora"] == b"1"
    with pytest.raises(StateDiscarded, match="blocks 1 to 3") as caught:
        store.state_at(0)
    assert (caught.value.number, caught.value.oldest, caught.value.newest) == (0, 1, 3)
    with pytest.raises(StateDiscarded):
        store.state_at(4)
    with pytest.raises(StateDiscarded):
        store.undo(1)
    store.close()


def test_archive_keeps_every_state(kv: KeyValue) -> None:
    store = create_store(kv, window=ARCHIVE)
    states = [dict(STATE_GENESIS)]
    for number in range(1, 30):
        changes = {b"alice": b"%d" % number, b"bob": None if number % 3 else b"x\x00", b"n%d" % number: b""}
        grow(store, changes)
        after = dict(states[-1])
        for key, value in changes.items():
            if value is None:
                after.pop(key, None)
            else:
                after[key] = value
        states.append(after)
    for number, expected in enumerate(states):
        with store.state_at(number) as state:
            assert dict(state.iterate()) == expected
            assert all(state.get(key) == expected.get(key) for key in states[-1])
    store.close()


def test_revert_takes_state_and_blocks_back(store: BlockStore) -> None:
    first = grow(store, {b"alice": b"1"})
    second = grow(store, {b"alice": None, b"dora": b"2"})
    insert(store, second, 3)
    assert store.revert(1).result() == BlockRef(1, first)
    assert store.finalized() == BlockRef(1, first)
    assert store.unfinalized() == []
    assert store.header(second) is None
    assert store.hash_by_number(2) is None
    assert store.state_get(b"alice") == b"1"
    assert store.state_get(b"dora") is None
    with pytest.raises(StateDiscarded):
        store.revert(2)
    assert store.revert(1).result() == BlockRef(0, GENESIS)
    assert list(store.state_iter()) == STATE_GENESIS
    grow(store, {b"alice": b"other"})
    assert store.state_get(b"alice") == b"other"


def test_reopened_store_is_the_same(tmp_path: Path) -> None:
    store = create_store(open_leveldb(tmp_path / "db"))
    first = grow(store, {b"alice": b"1"})
    fork, second = insert(store, first, 2, b"fork"), insert(store, first, 2)
    third = insert(store, second, 3)
    store.close()
    store = BlockStore(open_leveldb(tmp_path / "db"), genesis=GENESIS, window=STATE_WINDOW)
    assert store.finalized() == BlockRef(1, first)
    assert store.leaves() == [BlockRef(3, third), BlockRef(2, fork)]
    assert store.body(third) == make_body(3)
    assert store.facts.spec_name == "toy"
    store.close()


def test_unfilled_foreign_and_otherwise_pruned_stores_are_refused() -> None:
    kv = MemoryKeyValue()
    with pytest.raises(NotFilledError):
        BlockStore(kv)
    create_store(kv)
    with pytest.raises(WrongGenesisError, match="purge"):
        BlockStore(kv, genesis=bytes(32))
    with pytest.raises(PruningMismatchError, match="with --state-pruning 256, not archive"):
        BlockStore(kv, window=ARCHIVE)


def test_interrupted_creation_starts_over() -> None:
    kv = MemoryKeyValue()
    kv.write([(b"sleft over", b"1"), (b"hleft", b"2")], sync=True)
    store = create_store(kv)
    assert list(store.state_iter()) == STATE_GENESIS
    store.close()


def test_blocks_that_do_not_fit_are_refused(store: BlockStore) -> None:
    header = make_header(GENESIS, 1)
    with pytest.raises(ValueError, match="hash"):
        store.insert_block(bytes(32), header, ())
    for wrong in (make_header(GENESIS, 2), make_header(b"\x01" * 32, 1), make_header(GENESIS, 0)):
        with pytest.raises(ValueError, match="does not stand on"):
            store.insert_block(compute_block_hash(wrong), wrong, ())
    with pytest.raises(ValueError, match="not a header"):
        store.insert_block(compute_block_hash(b"\x00"), b"\x00", ())
    first = insert(store, GENESIS, 1)
    second = insert(store, first, 2)
    with pytest.raises(ValueError, match="not a child"):
        store.finalize(2, second, None, {})
    with pytest.raises(ValueError, match="not a child"):
        store.finalize(3, first, None, {})
    store.finalize(1, first, None, {}).result()
    with pytest.raises(ValueError, match="not a child"):
        store.finalize(1, first, None, {})
