"""Records come back as stored or not at all; keys sort as numbers do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.storage.columns import (
    EXTRINSICS_MAX,
    META_HEAD,
    BlockRef,
    ChainFacts,
    Column,
    Head,
    build_block_key,
    decode_block_key,
    decode_body,
    decode_chain_facts,
    decode_head,
    encode_body,
    encode_chain_facts,
    encode_head,
    encode_number,
    ensure_header,
    parse_header_start,
    seal,
    unseal,
)
from node.storage.kv import RESERVED_FIRST_BYTE, CorruptionError
from tests.node.storage.support import GENESIS, GENESIS_HEADER, make_header

BLOCK = BlockRef(3, bytes(range(32)))
KEY = build_block_key(Column.BODY, BLOCK)


def test_columns_are_distinct_single_bytes_and_none_is_reserved() -> None:
    assert len(set(Column.ALL)) == len(Column.ALL) == sum(map(len, Column.ALL))
    assert bytes([RESERVED_FIRST_BYTE]) not in Column.ALL


@given(st.lists(st.integers(0, 2**32 - 1), min_size=2))
def test_number_order_is_byte_order(numbers: list[int]) -> None:
    assert sorted(map(encode_number, numbers)) == list(map(encode_number, sorted(numbers)))


@given(st.lists(st.binary(max_size=20)))
def test_bodies_come_back(body: list[bytes]) -> None:
    assert decode_body(KEY, encode_body(KEY, body)) == tuple(body)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc0", b"\x80", b"\x91\x01", b"\x90\x90", b"\xdd\xff\xff\xff\xff", b"\xc1"]
)
def test_anything_but_a_list_of_extrinsics_is_refused(payload: bytes) -> None:
    with pytest.raises(CorruptionError):
        decode_body(KEY, seal(KEY, payload))


def test_number_of_extrinsics_is_bounded() -> None:
    with pytest.raises(AssertionError):
        encode_body(KEY, [b""] * (EXTRINSICS_MAX + 1))
    assert len(decode_body(KEY, encode_body(KEY, [b""] * EXTRINSICS_MAX))) == EXTRINSICS_MAX


@given(st.binary(min_size=1, max_size=8), st.binary(max_size=20), st.integers(0, 10**9))
def test_sealed_record_is_bound_to_content_and_key(key: bytes, payload: bytes, position: int) -> None:
    record = seal(key, payload)
    assert unseal(key, record) == payload
    damaged = bytearray(record)
    damaged[position // 8 % len(record)] ^= 1 << position % 8
    for wrong_key, wrong in ((key, bytes(damaged)), (key + b"x", record), (key, record[:3])):
        with pytest.raises(CorruptionError):
            unseal(wrong_key, wrong)


def test_block_keys_come_back_and_others_are_refused() -> None:
    assert decode_block_key(KEY) == BLOCK
    with pytest.raises(CorruptionError):
        decode_block_key(KEY + b"\x00")


def test_headers_are_checked_by_hash() -> None:
    assert ensure_header(BlockRef(0, GENESIS), GENESIS_HEADER) == GENESIS_HEADER
    with pytest.raises(CorruptionError, match="header of block 0"):
        ensure_header(BlockRef(0, GENESIS), GENESIS_HEADER + b"\x00")


@pytest.mark.parametrize("number", [0, 1, 63, 64, 2**14 - 1, 2**14, 2**30 - 1, 2**30, 2**32 - 1])
def test_header_start_is_parent_and_compact_number(number: int) -> None:
    assert parse_header_start(make_header(GENESIS, number)) == (GENESIS, number)


@pytest.mark.parametrize("header", [b"", bytes(32), bytes(32) + b"\x01", bytes(32) + b"\x07" + bytes(40)])
def test_other_bytes_are_no_header(header: bytes) -> None:
    with pytest.raises(ValueError, match="not a header"):
        parse_header_start(header)


def test_head_and_facts_come_back() -> None:
    head, facts = Head(BLOCK, 1), ChainFacts(GENESIS, "toy", 256)
    assert decode_head(encode_head(head)) == head
    assert decode_chain_facts(encode_chain_facts(facts)) == facts


@pytest.mark.parametrize(
    "payload", [b"\x93\x01\xa1x\x00", b"\x93\x01\xc4\x00\x02", b"\x92\x01\x02", b"\xc1", b"\x90" * 5000]
)
def test_malformed_head_is_refused(payload: bytes) -> None:
    with pytest.raises(CorruptionError):
        decode_head(seal(META_HEAD, payload))
