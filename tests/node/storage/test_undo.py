"""Undo records give back what was stored, one key at a time or all, and notice every missing part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.storage.columns import seal, unseal
from node.storage.kv import CorruptionError
from node.storage.memory import MemoryKeyValue
from node.storage.undo import (
    CHUNK_ENTRIES,
    UndoChunk,
    encode_undo,
    find_old_value,
    has_undo,
    iterate_undo,
    undo_range,
)

NUMBER = 7
OLD_VALUES = st.dictionaries(st.binary(max_size=6), st.one_of(st.none(), st.binary(max_size=4)), max_size=40)


def store(old_values: dict[bytes, bytes | None], number: int = NUMBER) -> MemoryKeyValue:
    kv = MemoryKeyValue()
    kv.write(encode_undo(number, old_values), sync=True)
    return kv


def make_values(count: int) -> dict[bytes, bytes | None]:
    return {b"key %05d" % (n * 3): None if n % 5 == 0 else b"%d" % n for n in range(count)}


@pytest.mark.parametrize("count", [0, 1, CHUNK_ENTRIES - 1, CHUNK_ENTRIES, CHUNK_ENTRIES + 1, 1000])
def test_every_key_is_found_with_what_it_held(count: int) -> None:
    values = make_values(count)
    kv = store(values)
    assert len(encode_undo(NUMBER, values)) == max(1, -(-count // CHUNK_ENTRIES))
    assert list(iterate_undo(kv, NUMBER)) == sorted(values.items())
    assert all(find_old_value(kv, NUMBER, key) == (True, value) for key, value in values.items())
    for key in (b"", b"a", b"key 00001", b"key 00001\x00", b"key 01000", b"zzz"):
        assert find_old_value(kv, NUMBER, key) == (key in values, values.get(key))


@given(old_values=OLD_VALUES, start=st.binary(max_size=6))
def test_iteration_starts_at_the_key_asked_for(old_values: dict[bytes, bytes | None], start: bytes) -> None:
    kv = store(old_values)
    assert list(iterate_undo(kv, NUMBER, start)) == sorted(e for e in old_values.items() if e[0] >= start)


def test_records_of_neighbouring_blocks_do_not_mix() -> None:
    kv = store(make_values(300), NUMBER - 1)
    kv.write(encode_undo(NUMBER, {}), sync=True)
    kv.write(encode_undo(NUMBER + 1, make_values(300)), sync=True)
    assert list(iterate_undo(kv, NUMBER)) == []
    assert find_old_value(kv, NUMBER, b"key 00003") == (False, None)
    assert has_undo(kv, NUMBER)
    assert not has_undo(kv, NUMBER + 2)
    with pytest.raises(CorruptionError, match="undo record of block 9 is missing"):
        find_old_value(kv, NUMBER + 2, b"key 00003")


def test_missing_part_is_an_error_and_not_unchanged() -> None:
    values = make_values(CHUNK_ENTRIES * 4)
    keys = sorted(values)
    for missing in range(4):
        kv = store(values)
        chunk_key = list(kv.keys(*undo_range(NUMBER)))[missing]
        kv.write([(chunk_key, None)], sync=True)
        for key in keys[missing * CHUNK_ENTRIES : (missing + 1) * CHUNK_ENTRIES : 40]:
            with pytest.raises(CorruptionError, match="missing"):
                find_old_value(kv, NUMBER, key)
        with pytest.raises(CorruptionError, match="missing"):
            list(iterate_undo(kv, NUMBER))


def test_every_flipped_bit_of_a_record_is_refused() -> None:
    ((key, record),) = encode_undo(NUMBER, {b"a": b"1", b"b": None, b"cc": b""})
    for position in range(len(record) * 8):
        damaged = bytearray(record)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptionError):
            UndoChunk(key, bytes(damaged))


@pytest.mark.parametrize("payload", [b"", b"\x00" * 5, b"\xff" * 6, b"\x01\x00" + bytes(4) + b"\xff" * 8])
def test_malformed_record_with_a_right_checksum_is_refused(payload: bytes) -> None:
    key = undo_range(NUMBER)[0]
    with pytest.raises(CorruptionError):
        UndoChunk(key, seal(key, payload))


def test_unsorted_or_misplaced_entries_are_refused() -> None:
    ((first, whole),) = encode_undo(NUMBER, {b"b": b"1", b"c": b"2"})
    payload = unseal(first, whole)
    swapped = payload.replace(b"bc", b"cb")
    with pytest.raises(CorruptionError):
        UndoChunk(first, seal(first, swapped))
    later = first + b"bb"
    with pytest.raises(CorruptionError):
        UndoChunk(later, seal(later, payload))
