"""A child process that extends a chain until it is killed: `python -m tests.node.storage.crash_child PATH`.

Prints a line for each block whose finality was confirmed; on a storage error prints its type and ends.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from node.storage.blocks import BlockStore, NotFilledError
from node.storage.columns import compute_block_hash
from node.storage.kv import ClosedError, StorageError
from tests.node.storage.support import create_store, make_body, make_header, open_leveldb

ACCOUNTS = 300
CHANGES = 60
PADDING = bytes(100)


def make_changes(number: int) -> dict[bytes, bytes | None]:
    """Return what block `number` changes: a moving part of the accounts, some of them deleted."""
    first = number * 17
    changes: dict[bytes, bytes | None] = {
        b"account %d" % (account % ACCOUNTS): None
        if account % 11 == number % 11
        else b"%d" % number + PADDING
        for account in range(first, first + CHANGES)
    }
    changes[b"height"] = b"%d" % number
    return changes


def compute_states(genesis: dict[bytes, bytes]) -> Iterator[dict[bytes, bytes]]:
    """Yield the state after each block, starting with genesis; the same dictionary each time."""
    state = dict(genesis)
    number = 0
    while True:
        yield state
        number += 1
        for key, value in make_changes(number).items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value


def open_store(path: Path) -> BlockStore:
    kv = open_leveldb(path)
    try:
        return BlockStore(kv)
    except NotFilledError:
        return create_store(kv, window=8)


def extend(path: Path) -> None:
    store = open_store(path)
    number, parent = store.finalized()
    while True:
        number += 1
        header = make_header(parent, number)
        parent = compute_block_hash(header)
        if parent not in {block.hash for block in store.unfinalized()}:
            store.insert_block(parent, header, (*make_body(number), bytes(20_000)))
        store.insert_block(*make_fork(header, number))
        store.finalize(number, parent, b"certificate", make_changes(number)).result()
        print(number, parent.hex(), flush=True)  # noqa: T201 - for the parent


def make_fork(header: bytes, number: int) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    fork = make_header(header[:32], number, b"fork")
    return compute_block_hash(fork), fork, (bytes(1000),)


if __name__ == "__main__":
    try:
        extend(Path(sys.argv[1]))
    except StorageError as error:
        failure = error.failure if isinstance(error, ClosedError) else error
        print(type(failure).__name__, flush=True)  # noqa: T201 - for the parent
