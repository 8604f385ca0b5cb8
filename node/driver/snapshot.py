"""The driver of the download of a state: performs what `node.sync.snapshot` asks for on a network and a disk.

Responsible for time, requests, penalties, the order of writes and the log. What is verified is the engine's
matter; there is no chain yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from node.clock import Clock
from node.driver.syncing import ANSWER_TIMEOUT_S, PENALTIES, TICK_S, name_fault
from node.network.errors import RequestError
from node.network.handlers import PeerInfo
from node.network.identity import PeerId
from node.network.messages import BlockFields, BlockRequest, StateRequest, Status, WarpRequest
from node.network.service import Network
from node.storage.filling import Filling
from node.storage.writer import Writer
from node.sync.effects import Fault, PeerLeft, PeerSaid, Penalise, Tick
from node.sync.snapshot import SnapshotDownload, SnapshotProgress
from node.sync.snapshot_effects import (
    AskBody,
    AskChunk,
    AskProof,
    BodyServed,
    ChunkServed,
    Clear,
    Complete,
    GiveUp,
    ProofServed,
    RequestFailed,
    SnapshotEffect,
    SnapshotInput,
    Store,
    Stored,
)
from node.sync.warp import Fragment

PROOF_TIMEOUT_S: Final = 10.0
REPORT_S: Final = 5.0

log = structlog.get_logger("sync")


class SnapshotDriver:
    """See the module."""

    def __init__(self, network: Network, download: SnapshotDownload, filling: Filling, clock: Clock) -> None:
        self._network = network
        self._download = download
        self._filling = filling
        self._clock = clock
        self._effects: deque[SnapshotEffect] = deque()
        self._wake = asyncio.Event()
        self._writes: asyncio.Queue[Store | Clear] = asyncio.Queue()
        network.on_message(Status, self._on_status)
        network.on_connected(self._on_connected)
        network.on_disconnected(self._on_disconnected)

    async def run(self) -> Complete | GiveUp:
        """Perform what the engine asks for until it ends; then all is stored that was to be."""
        async with asyncio.TaskGroup() as tasks, self._writing(tasks):
            helpers = [tasks.create_task(self._let_time_pass()), tasks.create_task(self._report())]
            try:
                return await self._perform_all(tasks)
            finally:
                for helper in helpers:
                    helper.cancel()

    async def _perform_all(self, tasks: asyncio.TaskGroup) -> Complete | GiveUp:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._effects:
                effect = self._effects.popleft()
                if isinstance(effect, Complete | GiveUp):
                    return effect
                self._perform(effect, tasks)

    def _on_status(self, peer: PeerId, status: Status) -> None:
        self._give(PeerSaid(peer, status.finalized_number))

    def _on_connected(self, info: PeerInfo) -> None:
        self._on_status(info.peer, info.status)

    def _on_disconnected(self, peer: PeerId) -> None:
        self._give(PeerLeft(peer))

    def _give(self, event: SnapshotInput) -> None:
        self._effects += self._download.handle(event, int(self._clock.monotonic() * 1000))
        self._wake.set()

    def _perform(self, effect: SnapshotEffect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case AskProof() | AskChunk() | AskBody():
                tasks.create_task(self._ask(effect))
            case Store() | Clear():
                self._writes.put_nowait(effect)
            case Penalise(peer, offence):
                log.debug("peer_penalised", peer=peer, reason=offence.value)
                self._network.report(PeerId(peer), PENALTIES[offence])
            case Complete() | GiveUp():
                raise AssertionError("the last effect is returned")

    # --- requests

    async def _ask(self, ask: AskProof | AskChunk | AskBody) -> None:
        try:
            answer = await self._fetch(ask)
        except RequestError as error:
            log.debug("state_not_fetched", peer=ask.peer, reason=str(error))
            answer = RequestFailed(ask.request, name_fault(error))
        self._give(answer)

    async def _fetch(self, ask: AskProof | AskChunk | AskBody) -> SnapshotInput:
        peer, request = PeerId(ask.peer), self._network.request
        match ask:
            case AskProof(number, _, start):
                proof = await request(peer, WarpRequest(start), PROOF_TIMEOUT_S)
                fragments = tuple(Fragment(one.header, one.certificate) for one in proof.fragments)
                return ProofServed(number, fragments, proof.is_complete)
            case AskChunk(number, _, block_hash, path, length):
                chunk = await request(peer, StateRequest(block_hash, path, length), ANSWER_TIMEOUT_S)
                return ChunkServed(number, chunk.entries, chunk.proof)
            case AskBody(number, _, block_hash):
                wanted = BlockRequest(block_hash, int(BlockFields.BODY))
                body = (await request(peer, wanted, ANSWER_TIMEOUT_S)).block.body
                return RequestFailed(number, Fault.DAMAGED) if body is None else BodyServed(number, body)

    # --- the disk

    @asynccontextmanager
    async def _writing(self, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Carry out writes in their order, in a thread; none is under way when the context has ended."""
        writer = Writer()
        task = tasks.create_task(self._write_all(writer))
        try:
            yield
        finally:
            task.cancel()
            writer.close()

    async def _write_all(self, writer: Writer) -> None:
        while True:
            match await self._writes.get():
                case Store(entries):
                    done = writer.submit("store a part of the state", partial(self._filling.add, entries))
                    await asyncio.wrap_future(done)
                    self._give(Stored())
                case Clear():
                    await asyncio.wrap_future(writer.submit("clear the state", self._filling.clear))

    # --- time

    async def _let_time_pass(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._give(Tick())

    async def _report(self) -> None:
        """Tell how far it is, for ever."""
        before = self._download.progress
        while True:
            await asyncio.sleep(REPORT_S)
            now = self._download.progress
            log.info("state_downloading", **describe(now, before))
            before = now


def describe(now: SnapshotProgress, before: SnapshotProgress) -> dict[str, object]:
    """Return the fields of a line of progress; the speed is that since the last one."""
    kib = max(0, now.bytes - before.bytes) / 1024 / REPORT_S
    return {
        "number": now.number,
        "percent": now.percent,
        "entries": now.entries,
        "state_kib": now.bytes // 1024,
        "download_kib": round(kib, 1),
        "peers": now.peers,
    }
