"""How fast a full node catches up: empty blocks of four validators from a peer in memory to a real database.

`python -m benchmarks.sync [BLOCKS]` makes a chain, lets a new node ask for, check, execute and store all of
it, and prints one JSON line with blocks a second of wall time and milliseconds of processor time for a block.
The peer's own work, which is to look its blocks up, is part of both; a transport is not.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from benchmarks.measure import Meter, progress, report
from node.storage.leveldb import LevelDbKeyValue
from tests.support.observer import observer, source, status_of
from tests.support.peers import serving

BLOCKS = 1_000
PATIENCE_S = 600


async def catch_up(blocks: int, directory: Path) -> None:
    """Make a chain and follow it."""
    progress(f"making {blocks} blocks")
    chain = await source(blocks)
    done = asyncio.Event()
    async with observer(kv=LevelDbKeyValue(directory, chain.genesis_hash, create=True)) as node:
        node.chain.on_finalized(lambda info: done.set() if info.number == blocks else None)
        progress("catching up")
        meter = Meter()
        node.network.connect("ahead", status_of(chain), serving(chain))
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        reading = meter.read()
        assert node.chain.finalized.hash == chain.finalized.hash
        assert node.network.reports == []
    chain.store.close()
    report(
        "sync",
        blocks=blocks,
        blocks_per_s=round(blocks / reading.wall_s),
        cpu_ms_per_block=round(reading.own_s * 1000 / blocks, 2),
        foreign_cores=reading.foreign_cores,
    )


def main() -> None:
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else BLOCKS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as directory:
        asyncio.run(catch_up(blocks, Path(directory) / "db"))


if __name__ == "__main__":
    main()
