"""How a new node gets its state from peers before there is a chain to host: a filled database is the outcome.

Responsible for the order: the network runs alone, the state is stored, then the block that it belongs to, and
only then is the database one of a chain. Whatever ends this earlier leaves it unfilled, to be begun anew or
filled with the genesis. It knows no composition.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import structlog

from node.clock import Clock
from node.config import Config, ExitCode, StartError
from node.driver.snapshot import SnapshotDriver
from node.joining import Place, listening, make_network
from node.network.messages import Role, Status
from node.storage.columns import ChainFacts
from node.storage.filling import Filling, FirstBlock, Milestone
from node.storage.kv import KeyValue
from node.sync.snapshot import SnapshotDownload, SnapshotLimits
from node.sync.snapshot_effects import Complete, GiveUp
from node.sync.warp import WarpProof
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.block import Header, encode_header
from runtime.primitives.crypto import Keypair
from runtime.primitives.types import Hash

log = structlog.get_logger("sync")


class Newcomer(NamedTuple):
    """A node without a chain: what it trusts, where to begin, and what its database is to be of."""

    header: Header
    """The genesis block's."""
    authorities: AuthoritySet
    """Who certifies the block above it."""
    facts: ChainFacts
    boot_nodes: tuple[str, ...]
    directory: Path

    def describe(self) -> Status:
        """Return what it tells its peers of itself."""
        genesis = self.facts.genesis
        return Status(int(Role.FULL), 0, genesis, 0, genesis)


async def fetch_state(
    config: Config, newcomer: Newcomer, keypair: Keypair, kv: KeyValue, clock: Clock
) -> bool:
    """Fill an unfilled database with the state of a recent final block; tell whether that was to be had.

    StartError when the port for peers is in use, or when there is none and the operator trusts a block: what
    is executed instead would not be compared with that. A StorageError when the disk refuses to write.
    """
    genesis = Hash(newcomer.facts.genesis)
    filling = Filling(kv)
    began_s = clock.monotonic()
    limits = SnapshotLimits(parallel_max=config.max_parallel_downloads)
    trusted = config.get_trusted_block()
    proof = WarpProof(genesis, 0, newcomer.authorities, trusted)
    download = SnapshotDownload(proof, limits, int(began_s * 1000))
    log.info("state_download_began", patience_s=limits.patience_ms // 1000)
    async with asyncio.TaskGroup() as tasks:
        place = Place(genesis, newcomer.describe, newcomer.directory)
        network = make_network(config, newcomer.boot_nodes, place, keypair, tasks, clock)
        driver = SnapshotDriver(network, download, filling, clock)
        async with listening(network):
            outcome = await driver.run()
    if isinstance(outcome, GiveUp) and trusted is not None:
        raise StartError(f"no state was fetched: {outcome.reason}", ExitCode.ERROR)
    if isinstance(outcome, GiveUp):
        log.warning("state_not_downloaded", reason=outcome.reason, instead="every block is executed")
        return False
    _finish(filling, newcomer, outcome)
    log.info(
        "state_downloaded",
        number=outcome.block.header.number,
        hash=outcome.block.hash,
        entries=download.progress.entries,
        took_ms=int((clock.monotonic() - began_s) * 1000),
    )
    return True


def _finish(filling: Filling, newcomer: Newcomer, outcome: Complete) -> None:
    """Make the database that of the chain, in one write."""
    shown = outcome.block.fragment
    filling.finish(
        newcomer.facts,
        FirstBlock(encode_header(newcomer.header), ()),
        FirstBlock(shown.header, outcome.body, shown.certificate),
        [Milestone(*block.fragment) for block in outcome.set_changes],
    )
