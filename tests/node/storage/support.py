"""Small blocks and a plain model of the chain for the storage tests."""

from hashlib import blake2b
from pathlib import Path

from node.storage.blocks import STATE_WINDOW, BlockStore
from node.storage.columns import ChainFacts, compute_block_hash
from node.storage.kv import Entry, KeyValue
from node.storage.leveldb import LevelDbKeyValue

STATE_GENESIS: list[Entry] = [(b"alice", b"100"), (b"bob", b"7"), (b"bob\x00", b"zero"), (b"carol", b"")]
GENESIS_HASH_OF_ANY_CHAIN = bytes(range(32))


def compact(number: int) -> bytes:
    if number < 1 << 6:
        return bytes([number << 2])
    if number < 1 << 14:
        return (number << 2 | 1).to_bytes(2, "little")
    if number < 1 << 30:
        return (number << 2 | 2).to_bytes(4, "little")
    return b"\x03" + number.to_bytes(4, "little")


def make_header(parent: bytes, number: int, salt: bytes = b"") -> bytes:
    return parent + compact(number) + blake2b(salt, digest_size=64).digest() + b"\x00"


def make_body(number: int, salt: bytes = b"") -> tuple[bytes, ...]:
    return (b"inherent %d" % number, b"", salt)


GENESIS_HEADER = make_header(bytes(32), 0)
GENESIS = compute_block_hash(GENESIS_HEADER)


def create_store(kv: KeyValue, window: int = STATE_WINDOW) -> BlockStore:
    return BlockStore.create(kv, GENESIS_HEADER, (), STATE_GENESIS, ChainFacts(GENESIS, "toy", window))


def open_leveldb(path: Path) -> LevelDbKeyValue:
    return LevelDbKeyValue(path, GENESIS, create=True)


def insert(store: BlockStore, parent: bytes, number: int, salt: bytes = b"") -> bytes:
    header = make_header(parent, number, salt)
    block_hash = compute_block_hash(header)
    store.insert_block(block_hash, header, make_body(number, salt)).result()
    return block_hash


def grow(store: BlockStore, changes: dict[bytes, bytes | None], salt: bytes = b"") -> bytes:
    """Insert and finalize one block on the finalized one."""
    number, parent = store.finalized()
    block_hash = insert(store, parent, number + 1, salt)
    store.finalize(number + 1, block_hash, b"certificate %d" % (number + 1), changes).result()
    return block_hash
