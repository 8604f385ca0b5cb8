"""Cost of the state tree by state size: build, update, fork, prove and verify keys and chunks, and memory.

`python -m benchmarks.tree [KEYS…]` prints one JSON line per size (10,000, 100,000 and 1,000,000 unless
told), each measured in a process of its own. Times are CPU times, the least and the median of several
batches; `foreign_cores` is what other processes used meanwhile, and with more than a fraction of a core the
least is the figure to trust. Keys and values have the lengths of `System.Account`. The roots after all
batches are asserted against a new build, and every proof and chunk against what it should show.
"""

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from blake3 import blake3

from benchmarks.measure import Meter, measure_us, report
from runtime.primitives.tree import Absent, Present, Tree, compute_path, verify, verify_range

SIZES: Final = (10_000, 100_000, 1_000_000)
BATCH: Final = 10_000
BATCHES: Final = 9
PROOFS: Final = 1_000
CHUNK: Final = 10_000
PER_STEP: Final = 500
PREFIX: Final = bytes.fromhex("26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9")

Change = tuple[bytes, bytes | None]


def make_key(number: int) -> bytes:
    """Eighty bytes, as of a map hashed by blake2_128_concat over an account."""
    return PREFIX + number.to_bytes(48, "little")


def make_value(number: int, version: int) -> bytes:
    return number.to_bytes(8, "little") + version.to_bytes(72, "little")


def choose(keys: int, count: int, seed: int) -> list[int]:
    """Different numbers below `keys`, the same on every run."""
    stream = blake3(seed.to_bytes(8, "little")).digest(length=16 * count)
    drawn = (int.from_bytes(stream[at : at + 8], "little") % keys for at in range(0, len(stream), 8))
    return list(dict.fromkeys(drawn))[:count]


def read_memory_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def summarize(times: list[float]) -> dict[str, float]:
    return {"least": round(min(times), 2), "median": round(statistics.median(times), 2)}


class Bench:
    """One tree of some size, and the state it should hold."""

    def __init__(self, keys: int) -> None:
        self.keys = keys
        self.state: dict[bytes, bytes] = {}
        self.version = 0
        gc.collect()
        before = read_memory_bytes()
        generated = measure_us(lambda: sum(1 for _ in self.generate()), 1)
        trees: list[Tree] = []
        took = measure_us(lambda: trees.append(Tree.from_items(self.generate())), 1)
        self.tree = trees[0]
        gc.collect()
        self.ram_bytes_per_key = round((read_memory_bytes() - before) / keys)
        self.build_s = round((took - generated) / 1_000_000, 3)
        self.state.update(self.generate())
        gc.freeze()
        gc.disable()  # as the node does while it runs

    def generate(self) -> Iterator[tuple[bytes, bytes]]:
        return ((make_key(number), make_value(number, 0)) for number in range(self.keys))

    def make_batch(self, count: int) -> list[tuple[bytes, bytes]]:
        self.version += 1
        chosen = choose(self.keys, min(count, self.keys // 2), self.version)
        batch = [(make_key(number), make_value(number, self.version)) for number in chosen]
        self.state.update(batch)
        return batch

    def time_update(self, changes: Sequence[Change]) -> float:
        return measure_us(lambda: self.tree.update(changes), len(changes))

    def update(self, count: int, *, fork: bool = False) -> dict[str, float]:
        """Microseconds per key of batches of `count` keys, or half of all if those are fewer.

        With `fork`, each is applied to a state that another tree holds on to.
        """
        times = []
        for _ in range(BATCHES):
            batch = self.make_batch(count)
            held = self.tree.fork() if fork else None
            times.append(self.time_update(batch))
            assert held is None or held.root != self.tree.root
        return summarize(times)

    def insert_and_delete(self) -> tuple[dict[str, float], dict[str, float]]:
        inserts, deletes = [], []
        root = self.tree.root
        for turn in range(BATCHES):
            first = self.keys + turn * BATCH
            new: list[Change] = [(make_key(first + n), make_value(n, turn)) for n in range(BATCH)]
            gone: list[Change] = [(key, None) for key, _ in new]
            inserts.append(self.time_update(new))
            deletes.append(self.time_update(gone))
            assert self.tree.root == root
        return summarize(inserts), summarize(deletes)

    def slice_ms(self) -> float:
        """The longest time without a yield, the median of the batches."""
        longest = []
        for _ in range(BATCHES):
            steps = self.tree.update_steps(self.make_batch(2 * BATCH), PER_STEP)
            slices = []
            started = time.process_time_ns()
            for _ in steps:
                slices.append(time.process_time_ns() - started)
                started = time.process_time_ns()
            longest.append(max(slices))
        return round(statistics.median(longest) / 1_000_000, 2)

    def prove_and_verify(self) -> dict[str, object]:
        chosen = [make_key(number) for number in choose(self.keys, PROOFS, 0)]
        absent = [make_key(self.keys + number) for number in range(PROOFS)]
        queries = [(key, self.state[key]) for key in chosen] + [(key, None) for key in absent]
        proofs: list[bytes] = []
        prove_us = measure_us(
            lambda: proofs.extend(self.tree.prove(*query) for query in queries), len(queries)
        )
        answers: list[Present | Absent] = []
        root = self.tree.root
        verify_us = measure_us(
            lambda: answers.extend(
                verify(root, key, proof) for (key, _), proof in zip(queries, proofs, strict=True)
            ),
            len(queries),
        )
        assert answers == [Absent() if value is None else Present(value) for _, value in queries]
        sizes = [len(proof) for proof in proofs]
        return {
            "prove_us": round(prove_us, 1),
            "verify_us": round(verify_us, 1),
            "proof_bytes": {"mean": round(statistics.mean(sizes)), "max": max(sizes)},
        }

    def prove_and_verify_range(self) -> dict[str, object]:
        """Chunks of the state, each a quarter of it at most, from places spread over its first half."""
        entries_max = min(CHUNK, self.keys // 4)
        starts = [blake3(bytes([turn])).digest() for turn in range(BATCHES)]
        starts = [bytes([start[0] // 2]) + start[1:] for start in starts]
        chunks = [self.tree.prove_range(start, entries_max) for start in starts]
        prove_us = [
            measure_us(partial(self.tree.prove_range, start, entries_max), entries_max) for start in starts
        ]
        wanted = {entry[:32] for chunk in chunks for entry in chunk.entries}
        keys = {path: key for key in self.state if (path := compute_path(key)) in wanted}
        verify_us: list[float] = []
        for start, (found, proof, next_start) in zip(starts, chunks, strict=True):
            entries = [(keys[entry[:32]], self.state[keys[entry[:32]]]) for entry in found]
            check = partial(verify_range, self.tree.root, start, entries, proof)
            verify_us.append(measure_us(check, entries_max))
            assert len(entries) == entries_max
            assert check() == next_start
        sizes = [len(chunk.proof) for chunk in chunks]
        return {
            "range_entries": entries_max,
            "prove_range_us_per_entry": summarize(prove_us),
            "verify_range_us_per_entry": summarize(verify_us),
            "range_proof_bytes": {"mean": round(statistics.mean(sizes)), "max": max(sizes)},
        }


def measure_branch_hash_us() -> float:
    """The least time of one hash of a branch's length: how fast the machine was just then."""
    data = bytearray(513)
    return round(
        min(measure_us(lambda: [blake3(data).digest() for _ in range(1000)], 1000) for _ in range(20)), 3
    )


def run_size(keys: int) -> dict[str, Any]:
    meter = Meter()
    bench = Bench(keys)
    record: dict[str, Any] = {
        "keys": keys,
        "build_s": bench.build_s,
        "ram_bytes_per_key": bench.ram_bytes_per_key,
        "update_us_per_key": {count: bench.update(count) for count in (500, BATCH, 2 * BATCH)},
        "update_us_per_key_with_forks": {BATCH: bench.update(BATCH, fork=True)},
        "update_us_per_key_after_forks": {BATCH: bench.update(BATCH)},
    }
    record["insert_us_per_key"], record["delete_us_per_key"] = bench.insert_and_delete()
    record[f"longest_slice_ms_of_{PER_STEP}"] = bench.slice_ms()
    record |= bench.prove_and_verify()
    record |= bench.prove_and_verify_range()
    record["branch_hash_us"] = measure_branch_hash_us()
    assert Tree.from_items(bench.state.items()).root == bench.tree.root
    return record | {"foreign_cores": meter.read().foreign_cores}


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:]] or list(SIZES)
    if len(sizes) == 1:
        report("tree", **run_size(sizes[0]))
        return
    for size in sizes:
        subprocess.run([sys.executable, "-m", "benchmarks.tree", str(size)], check=True)


if __name__ == "__main__":
    main()
