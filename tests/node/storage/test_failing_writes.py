"""A write that fails, done or not done, ends the store; reopening shows one whole block more or less."""

from collections.abc import Iterator

import pytest

from node.storage.blocks import BlockStore, Finality
from node.storage.columns import BlockRef, compute_block_hash
from node.storage.kv import Batch, ClosedError, Entry, Snapshot, WriteFailedError
from node.storage.memory import MemoryKeyValue
from node.storage.verify import walk
from tests.node.storage.support import GENESIS, create_store, make_body, make_header

BLOCKS = 4
WRITES = 2 * BLOCKS


class FailingKeyValue:
    """A store whose n-th write reports a failure, after or without doing it, and which is then poisoned."""

    def __init__(self, kv: MemoryKeyValue, failing: int, *, is_done: bool) -> None:
        self.kv = kv
        self.left = failing
        self.is_done = is_done

    def get(self, key: bytes) -> bytes | None:
        return self.kv.get(key)

    def iterate(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Entry]:
        return self.kv.iterate(start, stop, reverse=reverse)

    def keys(
        self, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[bytes]:
        return self.kv.keys(start, stop, reverse=reverse)

    def write(self, batch: Batch, *, sync: bool) -> None:
        if self.left == 0:
            raise ClosedError("poisoned")
        self.left -= 1
        changes = list(batch)
        if self.left > 0 or self.is_done:
            self.kv.write(changes, sync=sync)
        if self.left == 0:
            raise WriteFailedError("the write failed")

    def snapshot(self) -> Snapshot:
        return self.kv.snapshot()

    def approximate_size(self, start: bytes, stop: bytes) -> int:
        return self.kv.approximate_size(start, stop)

    def memory_bytes(self) -> int:
        return self.kv.memory_bytes()

    def compact(self, start: bytes | None = None, stop: bytes | None = None) -> None:
        self.kv.compact(start, stop)

    def close(self) -> None:
        self.kv.close()


def extend(store: BlockStore) -> int:
    """Insert and finalize block after block; return how many were confirmed before the failure."""
    parent, confirmed = GENESIS, 0
    for number in range(1, BLOCKS + 1):
        header = make_header(parent, number)
        parent = compute_block_hash(header)
        try:
            store.insert_block(parent, header, make_body(number)).result()
            store.finalize(number, parent, b"", {b"height": b"%d" % number}).result()
        except WriteFailedError:
            header = make_header(parent, number + 1)
            with pytest.raises(ClosedError) as caught:
                store.insert_block(compute_block_hash(header), header, ())
            assert isinstance(caught.value.failure, WriteFailedError)
            return confirmed
        confirmed = number
    raise AssertionError("no write failed")


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("failing", range(1, WRITES + 1))
def test_store_after_a_failed_write_is_whole(failing: int, is_done: bool) -> None:
    kv = MemoryKeyValue()
    create_store(kv)
    confirmed = extend(BlockStore(FailingKeyValue(kv, failing, is_done=is_done)))
    assert confirmed == (failing - 1) // 2
    store = BlockStore(kv)
    height = store.finalized().number
    assert height == (failing // 2 if is_done else confirmed)
    assert store.state_get(b"height") == (b"%d" % height if height else None)
    assert all(walked.fault is None for walked in walk(store, 0, height, lambda *_: True))


def test_failed_append_is_told_to_all_who_wait() -> None:
    kv = MemoryKeyValue()
    create_store(kv)
    store = BlockStore(FailingKeyValue(kv, 1, is_done=False))
    header = make_header(GENESIS, 1)
    block = BlockRef(1, compute_block_hash(header))
    done = store.append(header, (), Finality(block, None, {}))
    with pytest.raises(WriteFailedError):
        done.result()
    assert BlockStore(kv).finalized() == BlockRef(0, GENESIS)
