"""The walk over the chain finds records that are missing or do not belong; the chain is cut below them."""

from collections.abc import Callable

import pytest

from node.storage.blocks import BlockStore
from node.storage.columns import BlockRef, Column, build_block_key, encode_body, encode_number
from node.storage.kv import CorruptionError
from node.storage.memory import MemoryKeyValue
from node.storage.undo import undo_range
from node.storage.verify import START_UP_DEPTH, cut_back_to_good, walk
from tests.node.storage.support import create_store, grow, make_body

BLOCKS = 12
BAD = 9
Damage = Callable[[MemoryKeyValue, BlockRef], tuple[bytes, bytes | None]]


def is_body_right(header: bytes, body: tuple[bytes, ...]) -> bool:
    return body in ((), *(make_body(number) for number in range(BLOCKS + 1)))


def build() -> tuple[MemoryKeyValue, BlockStore, list[BlockRef]]:
    kv = MemoryKeyValue()
    store = create_store(kv, window=6)
    chain = [store.finalized()]
    for number in range(1, BLOCKS + 1):
        grow(store, {b"alice": b"%d" % number, b"n%d" % number: b"x"})
        chain.append(store.finalized())
    return kv, store, chain


def flip_last(value: bytes | None) -> bytes:
    assert value is not None
    return value[:-1] + bytes([value[-1] ^ 1])


def of_block(column: bytes) -> Callable[[BlockRef], bytes]:
    return lambda block: build_block_key(column, block)


KEYS: list[tuple[str, Callable[[BlockRef], bytes]]] = [
    ("header", of_block(Column.HEADER)),
    ("body", of_block(Column.BODY)),
    ("justification", of_block(Column.JUSTIFICATION)),
    ("undo", lambda block: undo_range(block.number)[0]),
    ("canonical", lambda block: Column.CANONICAL + encode_number(block.number)),
    ("number", lambda block: Column.NUMBER + block.hash),
]
CUTTABLE = {"header", "body", "justification", "number", "canonical"}


def test_whole_chain_has_no_fault() -> None:
    _, store, chain = build()
    assert [walked.number for walked in walk(store, 0, BLOCKS, is_body_right)] == list(range(BLOCKS + 1))
    assert all(walked.fault is None for walked in walk(store, 0, BLOCKS, is_body_right))
    assert cut_back_to_good(store, is_body_right) is None
    assert store.finalized() == chain[-1]


@pytest.mark.parametrize(("name", "key_of"), KEYS)
def test_flipped_bit_is_found_in_every_record(name: str, key_of: Callable[[BlockRef], bytes]) -> None:
    kv, store, chain = build()
    key = key_of(chain[BAD])
    kv.write([(key, flip_last(kv.get(key)))], sync=True)
    faults = [walked.number for walked in walk(store, 0, BLOCKS, is_body_right) if walked.fault]
    assert faults[0] == BAD


@pytest.mark.parametrize(("name", "key_of"), [entry for entry in KEYS if entry[0] != "justification"])
def test_missing_record_is_found(name: str, key_of: Callable[[BlockRef], bytes]) -> None:
    kv, store, chain = build()
    kv.write([(key_of(chain[BAD]), None)], sync=True)
    faults = [walked.number for walked in walk(store, 0, BLOCKS, is_body_right) if walked.fault]
    assert faults[0] == BAD


@pytest.mark.parametrize(("name", "key_of"), KEYS)
def test_chain_is_cut_back_below_the_fault_or_given_up(
    name: str, key_of: Callable[[BlockRef], bytes]
) -> None:
    kv, store, chain = build()
    key = key_of(chain[BAD])
    kv.write([(key, flip_last(kv.get(key)))], sync=True)
    if name not in CUTTABLE:
        with pytest.raises(CorruptionError):
            cut_back_to_good(store, is_body_right)
        return
    cut = cut_back_to_good(store, is_body_right)
    assert cut is not None
    assert (cut.newest, cut.target) == (chain[BLOCKS], chain[BAD - 1])
    assert str(BAD) in cut.fault or chain[BAD].hash.hex() in cut.fault or "record" in cut.fault
    assert store.finalized() == chain[BAD - 1]
    assert store.state_get(b"alice") == b"%d" % (BAD - 1)
    assert all(walked.fault is None for walked in walk(store, 0, BAD - 1, is_body_right))
    reopened = BlockStore(kv)
    assert reopened.finalized() == chain[BAD - 1]


def test_body_of_another_block_is_found() -> None:
    kv, store, chain = build()
    key = build_block_key(Column.BODY, chain[BAD])
    kv.write([(key, encode_body(key, (b"forged",)))], sync=True)
    cut = cut_back_to_good(store, is_body_right)
    assert cut is not None
    assert cut.target == chain[BAD - 1]
    assert cut.fault == f"the extrinsics of block {BAD} are not those of its header"


def test_record_moved_to_another_key_is_found() -> None:
    kv, store, chain = build()
    for column in (Column.BODY, Column.JUSTIFICATION):
        kv.write(
            [(build_block_key(column, chain[BAD]), kv.get(build_block_key(column, chain[1])))], sync=True
        )
        with pytest.raises(CorruptionError, match="damaged"):
            (store.body if column == Column.BODY else store.justification)(chain[BAD].hash)


def test_fault_below_the_undo_records_cannot_be_cut_away() -> None:
    kv, store, chain = build()
    kv.write([(build_block_key(Column.HEADER, chain[3]), None)], sync=True)
    assert cut_back_to_good(store, is_body_right, depth=6) is None
    with pytest.raises(CorruptionError, match="cannot be taken back"):
        cut_back_to_good(store, is_body_right, depth=12)


def test_start_up_walks_the_default_window() -> None:
    assert START_UP_DEPTH == 256
