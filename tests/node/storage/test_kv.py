"""LevelDB and its in-memory twin answer every sequence of calls alike, and as a plain dictionary would."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from node.storage.kv import ClosedError, KeyValue, Snapshot, compute_prefix_stop
from node.storage.memory import MemoryKeyValue
from tests.node.storage.support import open_leveldb

KEYS = st.binary(min_size=1, max_size=3).map(lambda key: b"\x01" + bytes(b % 4 * 85 for b in key))
BOUNDS = st.one_of(st.just(b""), KEYS)
VALUES = st.one_of(st.none(), st.binary(max_size=3))
SNAPSHOTS_MAX = 3


class TwinMachine(RuleBasedStateMachine):
    """Every rule is done to both stores and to a dictionary, and the answers are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.stores: list[KeyValue] = [open_leveldb(self.directory / "db"), MemoryKeyValue()]
        self.model: dict[bytes, bytes] = {}
        self.snapshots: list[tuple[list[Snapshot], dict[bytes, bytes]]] = []

    @rule(batch=st.lists(st.tuples(KEYS, VALUES), max_size=8), sync=st.booleans())
    def write(self, batch: list[tuple[bytes, bytes | None]], sync: bool) -> None:
        for store in self.stores:
            store.write(batch, sync=sync)
        for key, value in batch:
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert [store.get(key) for store in self.stores] == [self.model.get(key)] * 2

    @rule(start=BOUNDS, stop=st.one_of(st.none(), BOUNDS), reverse=st.booleans())
    def iterate(self, start: bytes, stop: bytes | None, reverse: bool) -> None:
        expected = self.expect(self.model, start, stop, reverse)
        for store in self.stores:
            assert list(store.iterate(start, stop, reverse=reverse)) == expected
            assert list(store.keys(start, stop, reverse=reverse)) == [key for key, _ in expected]
        for snapshots, model in self.snapshots:
            old = self.expect(model, start, stop, reverse)
            for snapshot in snapshots:
                assert list(snapshot.iterate(start, stop, reverse=reverse)) == old
                assert list(snapshot.keys(start, stop, reverse=reverse)) == [key for key, _ in old]
                assert all(snapshot.get(key) == value for key, value in old)

    @rule()
    def snapshot(self) -> None:
        if len(self.snapshots) == SNAPSHOTS_MAX:
            for snapshot in self.snapshots.pop(0)[0]:
                snapshot.close()
        self.snapshots.append(([store.snapshot() for store in self.stores], dict(self.model)))

    @rule(batch=st.lists(st.tuples(KEYS, VALUES), max_size=4), start=BOUNDS)
    def iterators_see_the_moment_of_the_call(
        self, batch: list[tuple[bytes, bytes | None]], start: bytes
    ) -> None:
        expected = self.expect(self.model, start, None, False)
        iterators = [store.iterate(start) for store in self.stores]
        self.write(batch, False)
        assert [list(iterator) for iterator in iterators] == [expected] * 2

    @rule()
    def compact_and_reopen(self) -> None:
        for snapshots, _ in self.snapshots:
            for snapshot in snapshots:
                snapshot.close()
        self.snapshots.clear()
        self.stores[0].compact()
        self.stores[0].close()
        self.stores[0] = open_leveldb(self.directory / "db")

    @invariant()
    def whole_contents_agree(self) -> None:
        for store in self.stores:
            assert dict(store.iterate()) == self.model

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        shutil.rmtree(self.directory)

    @staticmethod
    def expect(
        model: dict[bytes, bytes], start: bytes, stop: bytes | None, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        chosen = [(k, v) for k, v in model.items() if start <= k and (stop is None or k < stop)]
        return sorted(chosen, reverse=reverse)


TestTwins = pytest.mark.slow(TwinMachine.TestCase)
TestTwins.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


@pytest.mark.parametrize(
    ("prefix", "stop"),
    [(b"", None), (b"\xff\xff", None), (b"a", b"b"), (b"a\xff", b"b"), (b"a\x00", b"a\x01")],
)
def test_prefix_stop_is_the_lowest_key_above_the_prefix(prefix: bytes, stop: bytes | None) -> None:
    assert compute_prefix_stop(prefix) == stop


@pytest.mark.parametrize("key", [b"", b"\x00", b"\x00sequence"])
def test_reserved_keys_are_not_written(key: bytes, tmp_path: Path) -> None:
    for store in (MemoryKeyValue(), open_leveldb(tmp_path / "db")):
        with pytest.raises(AssertionError):
            store.write([(key, b"")], sync=False)
        store.close()


def test_closed_stores_and_snapshots_refuse_all_calls(tmp_path: Path) -> None:
    stores: list[KeyValue] = [MemoryKeyValue(), open_leveldb(tmp_path / "db")]
    for store in stores:
        store.write([(b"a", b"1"), (b"b", b"2")], sync=False)
        with store.snapshot() as snapshot:
            assert snapshot.get(b"a") == b"1"
        for call in (snapshot.get, snapshot.iterate, snapshot.keys):
            with pytest.raises(ClosedError):
                call(b"a")
        store.close()
        store.close()
        for call in (store.get, store.iterate, store.keys):
            with pytest.raises(ClosedError):
                call(b"a")
        with pytest.raises(ClosedError):
            store.snapshot()
        with pytest.raises(ClosedError):
            store.write([], sync=False)


def test_iterator_of_a_closed_database_raises_instead_of_ending(tmp_path: Path) -> None:
    store = open_leveldb(tmp_path / "db")
    store.write([(b"a", b"1"), (b"b", b"2")], sync=False)
    entries = store.iterate()
    assert next(entries) == (b"a", b"1")
    store.close()
    with pytest.raises(ClosedError):
        next(entries)
