"""The memory of the state's values: bounded, never older than the database, never holding long values."""

import pytest

from node.storage.state_cache import ENTRY_BYTES, VALUE_MAX, StateCache


def make_cache(entries_max: int, *keys: bytes) -> StateCache:
    cache = StateCache(entries_max * ENTRY_BYTES + ENTRY_BYTES - 1)
    entries = [(key, b"old") for key in keys]
    assert list(cache.fill(entries)) == entries
    return cache


def test_what_passes_is_kept_while_there_is_room() -> None:
    cache = make_cache(2, b"a", b"b", b"c")
    assert [cache.get(key) for key in (b"a", b"b", b"c")] == [b"old", b"old", None]


def test_changed_value_replaces_the_old_one_and_a_removed_one_goes() -> None:
    cache = make_cache(3, b"a", b"b")
    cache.update({b"a": b"new", b"b": None, b"c": b"more"})
    assert [cache.get(key) for key in (b"a", b"b", b"c")] == [b"new", None, b"more"]


@pytest.mark.parametrize("length", [VALUE_MAX + 1, 4 * 1024 * 1024])
def test_value_that_became_long_is_not_answered_with_its_short_predecessor(length: int) -> None:
    cache = make_cache(3, b"a")
    cache.update({b"a": bytes(length)})
    assert cache.get(b"a") is None
    assert len(cache) == 0
    assert list(cache.fill([(b"a", bytes(length))])) == [(b"a", bytes(length))]
    assert len(cache) == 0


def test_longest_kept_value_is_kept() -> None:
    cache = make_cache(3)
    cache.update({b"a": bytes(VALUE_MAX)})
    assert cache.get(b"a") == bytes(VALUE_MAX)


def test_oldest_entries_go_when_there_are_too_many() -> None:
    cache = make_cache(3, b"a", b"b", b"c")
    cache.update({b"d": b"new", b"b": b"new"})
    assert [cache.get(key) for key in (b"a", b"b", b"c", b"d")] == [None, b"new", b"old", b"new"]
    cache.update({bytes((number,)): b"new" for number in range(100)})
    assert len(cache) == 3


def test_memory_of_no_size_keeps_nothing() -> None:
    cache = make_cache(0, b"a")
    cache.update({b"a": b"new"})
    assert cache.get(b"a") is None
    assert len(cache) == 0
