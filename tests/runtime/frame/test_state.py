"""State and storage items against a model of plain dicts: writes, nested rollbacks, iteration, clearing,
draining."""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.frame.state import Change, Mark, MemoryBackend, State, make_change
from runtime.frame.storage import (
    BLAKE2_128_CONCAT,
    BLAKE2_256,
    IDENTITY,
    TWOX_64_CONCAT,
    CountedMap,
    Cursor,
    DoubleMap,
    Map,
    NMap,
    Value,
)
from runtime.primitives.hashing import identity, twox128
from runtime.primitives.scale import EncodeError, codec, u8, u32
from tests.support.chain import ALICE, consortium_chain

KEYS = st.integers(0, 12)
VALUES = st.integers(0, 5)
STEP = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("remove"), KEYS),
    st.tuples(st.just("take"), KEYS),
    st.tuples(st.just("value"), VALUES),
    st.tuples(st.just("kill")),
    st.tuples(st.just("mark")),
    st.tuples(st.just("rollback"), st.integers(0, 5)),
    st.tuples(st.just("clear"), st.integers(1, 4), st.booleans()),
    st.tuples(st.just("drain"), st.booleans()),
    st.tuples(st.just("abandon")),
    st.tuples(st.just("settle")),
    st.tuples(st.just("after"), KEYS),
)
Flat = dict[Any, int]


class CountingBackend(MemoryBackend):
    """Notes which keys are read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.reads.append(key)
        return super().get(key)


class Items:
    """A counted map of bytes to bytes-wide numbers, and a value, on one state."""

    def __init__(self, backend: MemoryBackend) -> None:
        self.state = State(backend)
        keys = ((BLAKE2_128_CONCAT, codec(u8)),)
        self.map: CountedMap[int, int] = CountedMap(self.state, ("P", "M"), b"M", codec(u32), 7, keys)
        self.map.counter = Value(self.state, ("P", "C"), b"C", codec(u32), 0)
        self.value: Value[int] = Value(self.state, ("P", "V"), b"V", codec(u32), 9)

    def model(self) -> Flat:
        """Read everything through the public interface."""
        found: Flat = dict(self.map.items())
        if self.value.exists():
            found["value"] = self.value.get()
        return found

    def encoded(self, model: Flat) -> dict[bytes, bytes]:
        flat = {self.map.raw_key(k): codec(u32).encode(v) for k, v in model.items() if k != "value"}
        if "value" in model:
            flat[b"V"] = codec(u32).encode(model["value"])
        return flat


class Machine:
    """Applies steps to the items and to a dict, comparing both after each."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.items = Items(self.backend)
        self.model: Flat = {}
        self.committed: Flat = {}
        self.marks: list[tuple[Mark, Flat]] = []
        self.cursor: Cursor | None = None
        self.counter = 0

    def run(self, step: tuple[Any, ...]) -> None:
        getattr(self, "do_" + step[0])(*step[1:])
        self.compare()

    def do_put(self, key: int, value: int) -> None:
        self.items.map.put(key, value)
        self.model[key] = value

    def do_remove(self, key: int) -> None:
        self.items.map.remove(key)
        self.model.pop(key, None)

    def do_take(self, key: int) -> None:
        assert self.items.map.take(key) == self.model.pop(key, 7)

    def do_value(self, value: int) -> None:
        self.items.value.put(value)
        self.model["value"] = value

    def do_kill(self) -> None:
        assert self.items.value.take() == self.model.pop("value", 9)

    def do_mark(self) -> None:
        self.items.state.events.append(len(self.marks))
        self.marks.append((self.items.state.mark(), dict(self.model)))

    def do_rollback(self, back: int) -> None:
        if back >= len(self.marks):
            return
        del self.marks[len(self.marks) - back :]
        mark, self.model = self.marks.pop()
        self.items.state.rollback(mark)
        assert len(self.items.state.events) == mark.events

    def do_clear(self, limit: int, resume: bool) -> None:
        keys = sorted((self.items.map.raw_key(k), k) for k in self.model if k != "value")
        after = self.cursor if resume else None
        left = [(raw, k) for raw, k in keys if after is None or raw > after.key]
        cleared = self.items.map.clear_prefix(limit, after)
        assert cleared.removed == min(limit, len(left))
        for _, key in left[:limit]:
            del self.model[key]
        assert cleared.cursor == (Cursor(left[limit - 1][0]) if len(left) > limit else None)
        self.cursor = cleared.cursor

    def do_drain(self, forget: bool) -> None:
        old, new = self.items.encoded(self.committed), self.items.encoded(self.model)
        expected = [
            make_change(k, old.get(k), new.get(k)) for k in sorted(old | new) if old.get(k) != new.get(k)
        ]
        pending = self.items.state.pending()
        assert pending == self.items.state.drain()
        assert [each for each in pending if each.key != b"C"] == expected
        self.backend.apply(pending)
        self.committed = dict(self.model)
        self.marks.clear()
        if forget:
            self.items.state.retarget(self.backend)
        else:
            self.items.state.trim(2)

    def do_settle(self) -> None:
        self.items.state.settle()
        self.marks.clear()

    def do_abandon(self) -> None:
        self.items.state.abandon()
        self.model = dict(self.committed)
        self.marks.clear()
        assert self.items.state.pending() == []

    def do_after(self, key: int) -> None:
        raw = self.items.map.raw_key(key)
        present = sorted(self.items.map.raw_key(k) for k in self.model if k != "value")
        assert list(self.items.map.raw_keys(b"M", raw)) == [other for other in present if other > raw]

    def compare(self) -> None:
        assert self.items.model() == self.model
        listed = [self.items.map.raw_key(k) for k, _ in self.items.map.items()]
        assert listed == sorted(listed)
        assert self.items.map.count() == len(listed)
        for key in range(13):
            assert self.items.map.get(key) == self.model.get(key, 7)
            assert self.items.map.contains(key) == (key in self.model)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_items_behave_as_dicts_do(steps: list[tuple[Any, ...]]) -> None:
    machine = Machine()
    for step in steps:
        machine.run(step)
    machine.run(("drain", True))


def in_one_go(
    steps: Generator[None, None, list[Change]], after_each: Callable[[], object] = lambda: None
) -> list[Change]:
    found: list[Change] = []

    def run() -> Iterator[None]:
        found.extend((yield from steps))

    for _ in run():
        after_each()
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(KEYS, st.none() | VALUES), max_size=30), st.integers(1, 4))
def test_draining_in_slices_gives_what_draining_at_once_gives(
    writes: list[tuple[int, int | None]], per_step: int
) -> None:
    sliced, whole = Items(MemoryBackend()), Items(MemoryBackend())
    for items in (sliced, whole):
        for key, value in writes:
            items.map.write(key, value)
    steps = sliced.state.drain_steps(per_step)
    changes = in_one_go(steps)
    assert changes == whole.state.drain()
    assert sliced.state.journal == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(KEYS, st.none() | VALUES), max_size=30), st.integers(1, 4), st.data())
def test_block_can_be_abandoned_until_its_collected_changes_are_committed(
    writes: list[tuple[int, int | None]], per_step: int, data: st.DataObject
) -> None:
    backend = MemoryBackend()
    items, fresh = Items(backend), Items(backend)
    for key in range(0, 12, 3):
        items.map.put(key, 1)
    backend.apply(items.state.drain())
    before = items.model()
    for key, value in writes:
        items.map.write(key, value)
    steps = items.state.collect_steps(per_step)
    if data.draw(st.booleans()):
        changes = in_one_go(steps)
        assert changes == sorted(changes, key=lambda change: change.key)
        assert changes == items.state.pending()
    else:
        next(steps, None)
        steps.close()
    items.state.abandon()
    assert items.model() == before
    assert items.state.pending() == []
    for key, value in writes:
        items.map.write(key, value)
    changes = in_one_go(items.state.collect_steps(per_step))
    for _ in items.state.commit_steps(per_step):
        pass
    backend.apply(changes)
    assert fresh.model() == items.model()
    assert items.state.pending() == items.state.events == items.state.journal == []


def test_write_back_to_the_first_value_is_no_change() -> None:
    items = Items(MemoryBackend())
    items.map.put(1, 5)
    items.state.drain()
    items.map.put(1, 6)
    items.map.put(1, 5)
    items.map.put(2, 1)
    items.map.remove(2)
    assert items.state.drain() == []


def test_rolled_back_write_is_no_change_and_leaves_the_block_usable() -> None:
    items = Items(MemoryBackend())
    mark = items.state.mark()
    items.map.put(1, 5)
    items.state.rollback(mark)
    assert items.state.pending() == []
    items.map.put(1, 6)
    assert [change.old for change in items.state.drain()] == [None, None]


def test_collected_changes_stay_with_commit_and_go_with_abandon() -> None:
    backend = MemoryBackend()
    items = Items(backend)
    items.map.put(1, 5)
    collected = in_one_go(items.state.collect_steps(1))
    items.state.abandon()
    assert items.map.get(1) == 7
    items.map.put(1, 5)
    assert in_one_go(items.state.collect_steps(1)) == collected
    items.state.commit()
    backend.apply(collected)
    assert items.state.journal == []
    items.map.put(1, 6)
    raw = items.map.raw_key(1)
    assert items.state.drain() == [make_change(raw, codec(u32).encode(5), codec(u32).encode(6))]


def test_only_what_was_collected_last_is_committed() -> None:
    items = Items(MemoryBackend())
    items.value.put(1)
    items.state.drain()
    with pytest.raises(AssertionError, match="collected"):
        items.state.commit()
    start = items.state.mark()
    items.value.put(2)
    items.state.pending()
    items.state.rollback(start)
    with pytest.raises(AssertionError, match="collected"):
        items.state.commit()
    assert items.state.pending() == []
    items.state.commit()
    items.value.put(3)
    items.state.pending()
    items.value.put(4)
    with pytest.raises(AssertionError, match="collected"):
        items.state.commit()
    assert [each.old for each in items.state.drain()] == [codec(u32).encode(1)]


def test_changes_of_a_failed_collection_can_be_abandoned() -> None:
    backend = MemoryBackend()
    items = Items(backend)
    for key in range(4):
        items.map.put(key, 1)
    backend.apply(items.state.drain())
    for key in range(4):
        items.map.put(key, 2 if key < 3 else 1 << 32)
    with pytest.raises(EncodeError):
        in_one_go(items.state.drain_steps(1))
    items.state.abandon()
    items.map.put(0, 3)
    assert [each.old for each in items.state.drain()] == [codec(u32).encode(1)]


def test_settled_writes_go_only_with_the_block() -> None:
    backend = MemoryBackend()
    items = Items(backend)
    items.map.put(1, 5)
    backend.apply(items.state.drain())
    before = items.state.mark()
    items.map.put(1, 6)
    items.map.put(2, 6)
    items.state.settle()
    with pytest.raises(AssertionError, match="undone"):
        items.state.rollback(before)
    mark = items.state.mark()
    items.map.put(1, 7)
    items.map.remove(2)
    items.state.rollback(mark)
    assert items.model() == {1: 6, 2: 6}
    items.state.pending()
    items.state.settle()
    with pytest.raises(AssertionError, match="collected"):
        items.state.commit()
    items.state.abandon()
    assert items.model() == {1: 5}
    assert items.state.drain() == []


def test_many_changes_of_an_item_leave_by_raw_key_in_bounded_slices() -> None:
    state = State(MemoryBackend())
    item: Map[int, int] = Map(state, ("P", "M"), b"M", codec(u8), None, ((TWOX_64_CONCAT, codec(u32)),))
    encoded: list[int] = []

    def encode_and_note(value: int) -> bytes:
        encoded.append(value)
        return bytes([value])

    item.encode_value = encode_and_note
    for key in range(2_000):
        item.put(key, 1)
    slices: list[int] = []
    changes = in_one_go(state.drain_steps(100), lambda: slices.append(len(encoded)))
    assert [each.key for each in changes] == sorted(item.raw_key(key) for key in range(2_000))
    collecting, distributing, sorting, forgetting = 20, 3, 4, 3 + 3
    assert slices[:collecting] == [100 * (n + 1) for n in range(collecting)]
    assert len(slices) == collecting + distributing + sorting + forgetting


def test_items_share_no_keys() -> None:
    state = State(MemoryBackend())
    Value(state, ("P", "V"), b"item", codec(u8), 0)
    Value(state, ("P", "W"), b"other", codec(u8), 0)
    for prefix in (b"item", b"items", b"i"):
        with pytest.raises(AssertionError, match="distinct"):
            Value(state, ("P", "X"), prefix, codec(u8), 0)


def test_a_migration_is_undone_with_what_was_written_after_it() -> None:
    backend = MemoryBackend({b"M" + identity(bytes([n])): bytes([n]) for n in range(3)})
    state = State(backend)
    item: Map[int, int] = Map(state, ("P", "M"), b"M", codec(u32), None, ((IDENTITY, codec(u8)),))
    start = state.mark()
    assert item.translate(u8, lambda key, old: 100 * old if key else None) == 3
    item.put(2, 7)
    assert dict(item.items()) == {1: 100, 2: 7}
    state.rollback(start)
    assert item.live == {}
    assert state.pending() == []
    assert list(item.raw_keys(b"M")) == sorted(backend.entries)
    assert item.translate(u8, lambda _key, old: 10 * old) == 3
    assert dict(item.items()) == {0: 0, 1: 10, 2: 20}
    state.abandon()
    assert item.live == {}
    assert state.pending() == []
    item.translate(u8, lambda _key, old: old + 1)
    changes = state.drain()
    assert changes == [make_change(b"M" + bytes([n]), bytes([n]), codec(u32).encode(n + 1)) for n in range(3)]


def test_order_of_changes_is_that_of_raw_keys_not_of_writes() -> None:
    forward, backward = Items(MemoryBackend()), Items(MemoryBackend())
    for key in range(10):
        forward.map.put(key, 1)
    for key in reversed(range(10)):
        backward.map.put(key, 1)
    assert forward.state.drain() == backward.state.drain()


def test_retarget_with_an_open_block_is_refused() -> None:
    items = Items(MemoryBackend())
    items.map.put(1, 5)
    with pytest.raises(AssertionError):
        items.state.retarget(MemoryBackend())
    with pytest.raises(AssertionError):
        items.state.trim(0)


def test_values_not_touched_for_two_generations_are_read_again() -> None:
    backend = CountingBackend()
    items = Items(backend)
    items.map.put(1, 5)
    items.map.put(2, 6)
    backend.apply(items.state.drain())
    backend.reads.clear()
    items.state.trim(2)
    assert items.map.get(1) == 5
    items.state.trim(0)
    assert items.map.get(1) == 5
    assert backend.reads == []
    assert items.map.get(2) == 6
    assert backend.reads == [items.map.raw_key(2)]


def test_aged_value_is_written_rolled_back_and_abandoned_like_any_other() -> None:
    backend = MemoryBackend()
    items = Items(backend)
    items.map.put(1, 5)
    backend.apply(items.state.drain())
    items.state.trim(0)
    mark = items.state.mark()
    items.map.put(1, 7)
    items.state.rollback(mark)
    assert items.map.get(1) == 5
    items.map.put(1, 8)
    items.state.abandon()
    assert items.map.get(1) == 5
    items.map.put(1, 9)
    assert [(c.old, c.new) for c in items.state.drain()] == [(codec(u32).encode(5), codec(u32).encode(9))]


def test_trim_leaves_items_with_few_values_alone() -> None:
    items = Items(MemoryBackend())
    items.map.put(1, 5)
    items.state.drain()
    live = items.map.live
    items.state.trim(2)
    assert items.map.live is live
    assert items.map.aged == {}


def test_retargeted_state_forgets_aged_values_too() -> None:
    items = Items(MemoryBackend())
    items.map.put(1, 5)
    items.state.drain()
    items.state.trim(0)
    items.state.retarget(MemoryBackend())
    assert items.map.get(1) == items.map.default


# --- several keys


def test_double_map_lists_and_clears_one_first_key_only() -> None:
    state = State(MemoryBackend())
    keys = ((TWOX_64_CONCAT, codec(u8)), (IDENTITY, codec(u8)))
    item: DoubleMap[int, int, int] = DoubleMap(state, ("P", "D"), b"D", codec(u8), None, keys)
    for first in (1, 2):
        for second in (3, 1, 2):
            item.put(first, second, 10 * first + second)
    assert list(item.items_of(1)) == [(1, 11), (2, 12), (3, 13)]
    cleared = item.clear_prefix(1, 2)
    assert (cleared.removed, cleared.cursor is None) == (2, False)
    assert list(item.items_of(1)) == [(3, 13)]
    cleared = item.clear_prefix(1, 2, cleared.cursor)
    assert (cleared.removed, cleared.cursor) == (1, None)
    assert [node for node, _ in item.items()] == [(2, 1), (2, 2), (2, 3)]
    assert item.take(2, 1) == 21
    assert not item.contains(2, 1)


def test_n_map_lists_by_any_number_of_first_keys() -> None:
    state = State(MemoryBackend())
    keys = tuple((IDENTITY, codec(u8)) for _ in range(3))
    item: NMap[tuple[int, int, int], int] = NMap(state, ("P", "N"), b"N", codec(u8), None, keys)
    for node in [(1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1)]:
        item.put(node, sum(node))
    assert [node for node, _ in item.items_of(1, 1)] == [(1, 1, 1), (1, 1, 2)]
    assert [node for node, _ in item.items_of(1)] == [(1, 1, 1), (1, 1, 2), (1, 2, 1)]
    assert len(list(item.items_of())) == 4
    assert item.clear_prefix((1,), 10).removed == 3
    assert [node for node, _ in item.items_of()] == [(2, 1, 1)]


def test_map_whose_hasher_hides_the_key_cannot_be_listed() -> None:
    state = State(MemoryBackend())
    item: Map[int, int] = Map(state, ("P", "H"), b"H", codec(u8), None, ((BLAKE2_256, codec(u8)),))
    item.put(1, 1)
    with pytest.raises(AssertionError, match="hides the key"):
        list(item.items())


def test_raw_key_is_pallet_item_and_hashed_key() -> None:
    account = consortium_chain().pallets.system.account
    assert account.raw_key(ALICE)[:32] == twox128(b"System") + twox128(b"Account")
    assert account.raw_key(ALICE)[48:] == ALICE
    assert (
        account.raw_key(ALICE)
        .hex()
        .startswith(
            "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9de1e86a9a8c739864cf3cc5ec2bea59f"
        )
    )


@pytest.mark.parametrize("value", [2**32, -1])
def test_value_that_its_type_cannot_hold_is_named(value: int) -> None:
    items = Items(MemoryBackend())
    items.map.put(3, value)
    with pytest.raises(EncodeError, match=r"P\.M holds what its type cannot: "):
        items.state.drain()


def test_double_map_keeps_first_keys_apart_whatever_was_asked_for_last() -> None:
    keys = ((TWOX_64_CONCAT, codec(u32)), (BLAKE2_128_CONCAT, codec(u8)))
    one: DoubleMap[int, int, int] = DoubleMap(State(MemoryBackend()), ("P", "M"), b"M", codec(u32), 0, keys)
    for first in (0, 1, 1, 0, 2, 0):
        assert one.raw_key((first, 3)) == one.raw_prefix(first, 3)
