"""Authoring and import of a full block over a real database.

`python -m benchmarks.blocks [TRANSFERS [ACCOUNTS]]` builds BLOCKS blocks on one chain and imports them on two
others. It prints one JSON line: milliseconds of processor time and of wall time to execute transfers into the
open block, to seal it (events, encoding, state root), and until its body is durable; to import it where the
pool has all its transactions, decoded, verified and validated (`import`), and where they are unknown and the
workers verify meanwhile (`import_unknown`, without the workers' processor time); and the longest time
between two turns of the event loop in an import, in processor time of its thread. All chains must agree on
every hash.
"""

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.load import Signing, make_accounts, make_spec, sign_transfers
from benchmarks.measure import Meter, progress, report
from genesis.chain_spec import ChainSpec, load_spec, parse_spec, read_spec_version
from node.authoring.importer import Importer
from node.chain.chain import Chain
from node.chain.events import Imported
from node.chain.opening import Genesis, open_store
from node.clock import SystemClock
from node.verifier import Verifier
from pallets.core.timestamp import INHERENT_ID
from runtime.frame.extension import Extrinsic
from runtime.primitives.block import PreRuntime, hash_header
from runtime.primitives.types import Hash

TRANSFERS: Final = 10_000
ACCOUNTS: Final = 100_000
BLOCKS: Final = 3
STATE_BLOCKS: Final = 256
START_MS: Final = 1_700_000_000_000
WATCH_S: Final = 0.0005
"""Between two looks at the time; shorter than any slice, so that every slice is seen."""


class Cost(NamedTuple):
    """Milliseconds of processor and of wall time."""

    cpu_ms: float
    wall_ms: float


class Costs:
    """What the steps of every block cost, by name."""

    def __init__(self) -> None:
        self._steps: dict[str, list[Cost]] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        cost = Cost((time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3)
        self._steps.setdefault(name, []).append(cost)

    def least(self) -> dict[str, dict[str, float]]:
        return {
            name: {
                "cpu_ms": round(min(cost.cpu_ms for cost in costs), 1),
                "wall_ms": round(min(cost.wall_ms for cost in costs), 1),
            }
            for name, costs in self._steps.items()
        }


@contextmanager
def open_chain(spec: ChainSpec, path: Path) -> Iterator[Chain]:
    """Lend a new chain over a database on disk."""
    state = spec.genesis_state()
    genesis = Genesis(spec.genesis_header(state), lambda: state, spec.id)
    with open_store(path, genesis, STATE_BLOCKS) as store:
        chain = Chain(store, spec.runtimes(), read_spec_version)
        yield chain


def author(chain: Chain, raws: list[bytes], costs: Costs) -> Imported:
    """Make a block of transfers."""
    number = chain.head.number + 1
    now = (START_MS + number * 1_000).to_bytes(8, "little")
    logs = (PreRuntime(b"BABE", b"\2" + bytes(12)), PreRuntime(b"TIME", now))
    extrinsics: list[Extrinsic] = [chain.api.decode_extrinsic(raw) for raw in raws]
    block = chain.open_block(logs)
    block.push_inherents({INHERENT_ID: now})
    with costs.of("execute"):
        for extrinsic in extrinsics:
            block.push(extrinsic)
    with costs.of("seal"):
        return chain.seal()


async def wait_stored(chain: Chain, made: Imported, costs: Costs) -> None:
    with costs.of("store"):
        await chain.wait_stored(made.info.hash)


def fill_pool(chain: Chain, made: Imported) -> dict[Hash, Extrinsic]:
    """Return a block's transactions as the intake of another node would have them."""
    chain.open_block(())
    pooled = {extrinsic.hash: chain.api.decode_extrinsic(extrinsic.data) for extrinsic in made.extrinsics[1:]}
    for extrinsic in pooled.values():
        chain.api.validate(extrinsic)
    return pooled


async def import_known(chain: Chain, made: Imported, costs: Costs) -> float:
    pooled = fill_pool(chain, made)
    async with Verifier(0) as verifier:
        importer = Importer(
            chain, verifier, SystemClock(), nullcontext, is_verified=lambda *_: True, known=pooled.get
        )
        return await import_(importer, made, costs, "import")


async def import_unknown(chain: Chain, made: Imported, costs: Costs) -> float:
    async with Verifier(len(os.sched_getaffinity(0))) as verifier:
        job = chain.api.signature_job(made.extrinsics[1])
        await verifier.verify_many([job] * 1_000)  # the workers have started
        importer = Importer(
            chain, verifier, SystemClock(), nullcontext, is_verified=lambda *_: False, known=None
        )
        return await import_(importer, made, costs, "import_unknown")


async def import_(importer: Importer, made: Imported, costs: Costs, name: str) -> float:
    """Import a block; return the longest slice in milliseconds."""
    longest = 0.0
    is_done = False

    async def watch() -> None:
        nonlocal longest
        before = time.thread_time()
        while not is_done:
            await asyncio.sleep(WATCH_S)
            now = time.thread_time()
            longest, before = max(longest, now - before), now

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        await asyncio.sleep(0)
        with costs.of(name):
            imported = await importer.import_block(made.info.header, tuple(x.data for x in made.extrinsics))
        is_done = True
    assert imported is not None
    assert imported.info.hash == made.info.hash
    return longest * 1e3


def run(transfers: int, size: int) -> dict[str, Any]:
    progress(f"blocks: {transfers} transfers, {size} accounts")
    accounts = make_accounts(size)
    spec = parse_spec(make_spec(load_spec("dev").to_json(raw=False), accounts))
    genesis = hash_header(spec.genesis_header(spec.genesis_state()))
    signed = sign_transfers(accounts, transfers * BLOCKS, Signing(1, 1, genesis))
    raws = [bytes.fromhex(text[2:]) for text in signed]
    costs = Costs()
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as directory:
        path = Path(directory)
        with (
            open_chain(spec, path / "a") as first,
            open_chain(spec, path / "b") as second,
            open_chain(spec, path / "c") as third,
        ):
            gc.collect()
            gc.freeze()
            gc.disable()  # as the node does while it runs
            meter = Meter()
            slices: list[float] = []
            for start in range(0, len(raws), transfers):
                made = author(first, raws[start : start + transfers], costs)
                assert len(made.extrinsics) == transfers + 1
                asyncio.run(wait_stored(first, made, costs))
                slices.append(asyncio.run(import_known(second, made, costs)))
                gc.collect(1)
                slices.append(asyncio.run(import_unknown(third, made, costs)))
                gc.collect(1)
            used = meter.read()
            gc.enable()
            assert first.tree.root == second.tree.root == third.tree.root == first.head.header.state_root
    return {
        "transfers": transfers,
        "accounts": size,
        **costs.least(),
        "import_slice_ms": round(min(slices), 1),
        "foreign_cores": used.foreign_cores,
    }


def main() -> None:
    given = [int(argument) for argument in sys.argv[1:]]
    transfers, accounts = (*given, *(TRANSFERS, ACCOUNTS)[len(given) :])
    report("blocks", **run(transfers, accounts))


if __name__ == "__main__":
    main()
