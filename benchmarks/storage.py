"""Cost of storing blocks and of reading states, by state size and pruning mode.

`python -m benchmarks.storage [KEYS…]` prints one JSON line per size (100,000 and
1,000,000 unless told) and mode.
A block is that of a chain under full load: 12,000 extrinsics of 140 bytes, 22,000 changed keys of 80 bytes;
with fewer keys it is no larger than these.
`prepare_ms` is the processor time in Python per block, during which the event loop may have to wait for the
interpreter; `stored_ms` is the time from handing a block over until it is durable and final. States read back
at several depths are compared with a plain model.
"""

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from blake3 import blake3

from benchmarks.measure import Meter, progress, quantile, report, resident_mib
from node.storage.blocks import ARCHIVE, STATE_WINDOW, BlockStore
from node.storage.columns import BlockRef, ChainFacts, compute_block_hash
from node.storage.kv import Batch, Change, Entry
from node.storage.leveldb import LevelDbKeyValue
from node.storage.states import StateAt

SIZES: Final = (100_000, 1_000_000)
MODES: Final = {"pruned": STATE_WINDOW, "archive": ARCHIVE}
EXTRINSICS: Final = 12_000
EXTRINSIC_BYTES: Final = 140
CHANGED: Final = 22_000
VALUE_BYTES: Final = 80
BLOCKS: Final = 40
SMALL_BLOCKS: Final = 220
SMALL_CHANGED: Final = 2_000
DEPTHS: Final = (0, 1, 16, 64, 255)
READS: Final = 2_000
DEEP_READS: Final = 50
PAGE_KEYS: Final = 1_000
PREFIX: Final = bytes.fromhex("26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9")

Body = tuple[bytes, ...]


class TimedKeyValue(LevelDbKeyValue):
    """LevelDB that notes the Python time of each write: building the batch, handing it to LevelDB."""

    def __init__(self, path: Path, genesis: bytes) -> None:
        super().__init__(path, genesis, create=True)
        self.prepare_ms: list[float] = []

    def write(self, batch: Batch, *, sync: bool) -> None:
        started = time.thread_time()
        changes: list[Change] = list(batch)
        scratch = self._db.write_batch()
        for key, value in changes:
            if value is None:
                scratch.delete(key)
            else:
                scratch.put(key, value)
        self.prepare_ms.append((time.thread_time() - started) * 1000)
        super().write(changes, sync=sync)


class Chain:
    """A store and the model of it: the version of each key's value after each block."""

    def __init__(self, path: Path, keys: int, window: int) -> None:
        header = make_header(bytes(32), 0)
        self.kv = TimedKeyValue(path, compute_block_hash(header))
        self.names = [make_key(number) for number in range(keys)]
        state = ((key, make_value(number, 0)) for number, key in enumerate(self.names))
        self.store = BlockStore.create(
            self.kv, header, (), state, ChainFacts(self.kv.genesis, "bench", window)
        )
        self.touched: list[dict[int, int]] = [{}]

    def extend(self, changed: int, body: Body) -> float:
        """Insert and finalize a block; return the milliseconds until that was durable."""
        number, parent = self.store.finalized()
        number += 1
        header = make_header(parent, number)
        block = BlockRef(number, compute_block_hash(header))
        total, before = len(self.names), self.touched[-1]
        stream = blake3(number.to_bytes(8, "little")).digest(length=8 * changed)
        chosen = sorted(
            {int.from_bytes(stream[at : at + 8], "little") % total for at in range(0, 8 * changed, 8)}
        )
        new: dict[bytes, bytes | None] = {self.names[n]: make_value(n, number) for n in chosen}
        old: dict[bytes, bytes | None] = {self.names[n]: make_value(n, before.get(n, 0)) for n in chosen}
        self.touched.append({**before, **dict.fromkeys(chosen, number)})
        started = time.perf_counter()
        self.store.insert_block(block.hash, header, body)
        self.store.finalize(number, block.hash, bytes(264), new, old).result()
        return (time.perf_counter() - started) * 1000

    def check(self, state: StateAt) -> None:
        versions = self.touched[state.number]
        for number in range(0, len(self.names), max(1, len(self.names) // DEEP_READS)):
            assert state.get(self.names[number]) == make_value(number, versions.get(number, 0))


def make_key(number: int) -> bytes:
    """Eighty bytes, as of a map hashed by blake2_128_concat over an account."""
    return PREFIX + blake3(number.to_bytes(8, "little")).digest(length=48)


def make_value(number: int, version: int) -> bytes:
    """Eighty bytes, of which some are random, as in an account."""
    return blake3(b"%d %d" % (number, version)).digest(length=16).ljust(VALUE_BYTES, b"\0")


def make_header(parent: bytes, number: int) -> bytes:
    return parent + ((number << 2) | 2).to_bytes(4, "little") + bytes(65)


def make_body(extrinsics: int) -> Body:
    stream = blake3(b"body").digest(length=EXTRINSIC_BYTES * extrinsics)
    return tuple(stream[at : at + EXTRINSIC_BYTES] for at in range(0, len(stream), EXTRINSIC_BYTES))


def measure_us(act: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    act()
    return round((time.perf_counter() - started) * 1e6 / count, 2)


def summarize(values: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(quantile(values, share), 1) for name, share in shares.items()}


def measure_writes(chain: Chain, path: Path) -> dict[str, object]:
    body, before = make_body(min(EXTRINSICS, len(chain.names))), measure_disk_mib(path)
    for _ in range(3):
        chain.extend(CHANGED, body)
    chain.kv.prepare_ms.clear()
    gc.collect()
    gc.disable()  # as the node does while it runs
    stored = [chain.extend(CHANGED, body) for _ in range(BLOCKS)]
    gc.enable()
    prepared = [a + b for a, b in zip(chain.kv.prepare_ms[::2], chain.kv.prepare_ms[1::2], strict=True)]
    small = [chain.extend(SMALL_CHANGED, body[:100]) for _ in range(SMALL_BLOCKS)]
    grown = measure_disk_mib(path) - before
    return {
        "prepare_ms": summarize(prepared),
        "stored_ms": summarize(stored),
        "stored_ms_small": summarize(small),
        "disk_mib_grown": grown,
    }


def measure_reads(chain: Chain) -> dict[str, object]:
    store, step = chain.store, max(1, len(chain.names) // READS)
    wanted = chain.names[::step][:READS]
    newest = store.finalized().number
    gets: dict[int, float] = {}
    pages: dict[int, float] = {}
    for depth in DEPTHS:
        with store.state_at(newest - depth) as state:
            chain.check(state)
            gets[depth], pages[depth] = measure_view(state, wanted if depth < 2 else wanted[:DEEP_READS])
    header = store.hash_by_number(newest)
    assert header is not None
    return {
        "state_get_us": measure_us(lambda: [store.state_get(key) for key in wanted], len(wanted)),
        "view_get_us_by_depth": gets,
        "view_page_ms_by_depth": pages,
        "open_view_us": measure_us(lambda: open_views(store, newest), READS),
        "header_us": measure_us(lambda: [store.header(header) for _ in range(READS)], READS),
        "iterate_us_per_key": measure_us(lambda: count(store), len(chain.names)),
    }


def measure_view(state: StateAt, wanted: list[bytes]) -> tuple[float, float]:
    """Return microseconds per read and milliseconds per page of keys."""
    get_us = measure_us(lambda: [state.get(key) for key in wanted], len(wanted))
    return get_us, measure_us(lambda: take(state.iterate(PREFIX), PAGE_KEYS), 1000)


def open_views(store: BlockStore, number: int) -> None:
    for _ in range(READS):
        store.state_at(number).close()


def take(entries: Iterator[Entry], number: int) -> None:
    """Consume so many entries."""
    assert sum(1 for _ in islice(entries, number)) == number


def count(store: BlockStore) -> None:
    assert sum(1 for _ in store.state_iter()) > 0


def measure_disk_mib(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) >> 20


def run(keys: int, mode: str) -> None:
    progress(f"storage: {keys} keys, {mode}")
    meter, started = Meter(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=".") as directory:
        path = Path(directory)
        chain = Chain(path, keys, MODES[mode])
        filled_s = round(time.perf_counter() - started, 1)
        figures = measure_writes(chain, path) | measure_reads(chain)
        chain.store.close()
        opened = time.perf_counter()
        BlockStore(LevelDbKeyValue(path, None, create=False)).close()
        figures["reopen_ms"] = round((time.perf_counter() - opened) * 1000)
    report(
        "storage",
        keys=keys,
        mode=mode,
        create_s=filled_s,
        **figures,
        rss_mib=resident_mib(os.getpid()),
        foreign_cores=meter.read().foreign_cores,
    )


if __name__ == "__main__":
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        for name in MODES:
            run(size, name)
