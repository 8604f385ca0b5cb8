"""What a node serves to peers who want a state instead of all blocks: proofs of its authorities, and chunks.

Responsible for which block's state is offered and for keeping at most one prepared at a time: whoever asks
for it shares it, and it is let go when nobody has for a while. What leads to the block comes from the list of
blocks that announce authorities. It must not know how an asker checks any of it.

A block's number decides which one is offered, so that whoever asks several nodes finds the same block at all
of them, and whoever comes soon after finds it prepared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from node.authoring.turns import Turns
from node.chain.chain import Chain
from node.chain.errors import UnknownBlock
from node.chain.snapshot import Chunk, StateSnapshot, Unpreparable
from node.clock import Clock
from node.network.identity import PeerId
from node.network.messages import (
    FRAGMENTS_MAX,
    STATE_BYTES_MAX,
    STATE_KEY_MAX,
    STATE_VALUE_MAX,
    Refusal,
    RefusalCode,
    StateRequest,
    StateResponse,
    WarpFragment,
    WarpRequest,
    WarpResponse,
)
from node.network.service import Network
from node.storage.states import StateDiscarded
from node.tasks import OwnTasks
from runtime.primitives.types import Hash

OFFER_STEP: Final = 16
"""The highest block whose number is a multiple of this is offered."""
BEHIND_MAX: Final = 256
"""How far below the last final block one may be that is prepared, or offered because it is prepared."""
IDLE_S: Final = 60.0
"""After which a prepared state that nobody asks for is let go."""
LIFE_S: Final = 3600.0
"""After which it gives way to another one although it is asked for. So it does once it has not been offered
for as many blocks as it was, but not within `IDLE_S`: who asks for the oldest keeps no newer one away."""
PREPARING_S: Final = 1.0
"""How long an answer waits for the preparation; later the asker is told to come again."""
READERS_MAX: Final = 8
"""Peers whose chunk, one each, is read or waits for it; more are told to come again. Chunks are read one by
one, and between two of them there is as long a rest as the first took: half the time stays for everything
else."""
LOOK_S: Final = 5.0

log = structlog.get_logger("sync")


@dataclass(slots=True)
class _Held:
    """A state that is prepared, or on the way; `snapshot` stays None where that came to nothing.

    It gives way once the last final block is `final_max`.
    """

    number: int
    hash: bytes
    final_max: int
    opened_s: float
    used_s: float
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    snapshot: StateSnapshot | None = None
    readers: dict[PeerId, None] = field(default_factory=dict)


class StateServer:
    """See the module."""

    def __init__(
        self,
        network: Network,
        chain: Chain,
        hold: Callable[[], AbstractAsyncContextManager[None]],
        tasks: OwnTasks,
        clock: Clock,
    ) -> None:
        """`hold` opens a time in which nobody else moves the head."""
        self._chain = chain
        self._hold = hold
        self._tasks = tasks
        self._clock = clock
        self._held: _Held | None = None
        self._reading = asyncio.Lock()
        self._rested_s = 0.0
        self._lowest = 1
        network.on_request(WarpRequest, self._serve_proof)
        network.on_request(StateRequest, self._serve_state)

    @property
    def prepared(self) -> int | None:
        """The number of the block whose state is prepared or on the way, None without one."""
        return None if self._held is None else self._held.number

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the context is open."""
        self._tasks.start(self._look_after())
        try:
            yield
        finally:
            await self._tasks.end()
            self._let_go()

    def let_go_unused(self) -> None:
        """Let the prepared state go if nobody has asked for it for a while."""
        held = self._held
        if held is not None and not self._is_in_use(held):
            self._let_go()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.let_go_unused()

    # --- proofs

    async def _serve_proof(self, peer: PeerId, request: WarpRequest) -> WarpResponse | Refusal:
        del peer
        number = self._choose(request.start)
        if number <= request.start:
            return WarpResponse((), is_complete=True)
        block_hash = self._chain.hash_at(number)
        header = None if block_hash is None else self._chain.store.header(block_hash)
        certificate = None if block_hash is None else self._chain.store.justification(block_hash)
        if header is None or certificate is None:
            return Refusal(RefusalCode.UNKNOWN)
        fragments: list[WarpFragment] = []
        for milestone in self._chain.store.milestones(request.start + 1, number):
            if milestone.justification is None:
                return Refusal(RefusalCode.UNKNOWN)
            fragments.append(WarpFragment(milestone.header, milestone.justification))
            if len(fragments) == FRAGMENTS_MAX:
                return WarpResponse(tuple(fragments), is_complete=False)
        return WarpResponse((*fragments, WarpFragment(header, certificate)), is_complete=True)

    def _choose(self, above: int) -> int:
        """Return the number of the block to offer to one who knows a block; not above it if there is none."""
        final = self._chain.finalized.number
        held = self._held
        if held is not None and held.number > above and held.number >= final - BEHIND_MAX:
            return held.number
        rounded = final - final % OFFER_STEP
        lowest = max(self._lowest, self._chain.store.oldest_state())
        return rounded if rounded > above and rounded >= lowest else final

    # --- states

    async def _serve_state(self, peer: PeerId, request: StateRequest) -> StateResponse | Refusal:
        held = self._find_held(request.block_hash)
        if isinstance(held, RefusalCode):
            return Refusal(held)
        held.used_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(PREPARING_S):
                await held.is_ready.wait()
        except TimeoutError:
            return Refusal(RefusalCode.BUSY)
        if held.snapshot is None or held.snapshot.is_closed:
            return Refusal(RefusalCode.UNKNOWN)
        if peer in held.readers or len(held.readers) >= READERS_MAX:
            return Refusal(RefusalCode.BUSY)
        held.readers[peer] = None
        try:
            chunk = await self._read(held.snapshot, request)
        finally:
            del held.readers[peer]
            if held is not self._held and not held.readers:
                held.snapshot.close()
        if not _is_sendable(chunk):
            log.error("state_not_sendable", number=held.number, reason="a key or a value is too long")
            return Refusal(RefusalCode.FAILED)
        return StateResponse(chunk.entries, chunk.proof)

    async def _read(self, snapshot: StateSnapshot, request: StateRequest) -> Chunk:
        """Read a chunk in slices, when it is its turn."""
        async with self._reading:
            began_s = self._clock.monotonic()
            if began_s < self._rested_s:
                await asyncio.sleep(self._rested_s - began_s)
                began_s = self._clock.monotonic()
            steps = snapshot.chunk_steps(request.start, request.count, STATE_BYTES_MAX)
            chunk = await Turns(self._clock.monotonic).run(steps)
            ended_s = self._clock.monotonic()
            self._rested_s = ended_s + (ended_s - began_s)
        return chunk

    def _find_held(self, block_hash: bytes) -> _Held | RefusalCode:
        """Return the state of a block, whose preparation begins now if need be; or why not."""
        held = self._held
        if held is not None and held.hash == block_hash:
            return held
        store, final = self._chain.store, self._chain.finalized.number
        number = store.number_by_hash(block_hash)
        lowest = max(self._lowest, final - BEHIND_MAX, store.oldest_state())
        if number is None or not lowest <= number <= final:
            return RefusalCode.UNKNOWN
        if held is not None and self._is_in_use(held) and not self._gives_way(held):
            return RefusalCode.BUSY
        self._let_go()
        now_s = self._clock.monotonic()
        offered_until = number + BEHIND_MAX
        final_max = offered_until + (offered_until - final)
        self._held = held = _Held(number, block_hash, final_max, now_s, now_s)
        self._tasks.start(self._prepare(held))
        return held

    def _is_in_use(self, held: _Held) -> bool:
        """Tell whether somebody has asked for a state lately, or waits for what he asked for."""
        now_s = self._clock.monotonic()
        is_used = bool(held.readers) or now_s - held.used_s < IDLE_S
        return is_used and now_s - held.opened_s < LIFE_S

    def _gives_way(self, held: _Held) -> bool:
        """Tell whether a state that is in use has been for long enough."""
        is_old = self._clock.monotonic() - held.opened_s >= IDLE_S
        return is_old and held.is_ready.is_set() and self._chain.finalized.number >= held.final_max

    async def _prepare(self, held: _Held) -> None:
        """Prepare a state in slices; what it needs of the chain stays as it was, whatever the chain does."""
        began_s = self._clock.monotonic()
        header = self._chain.header(Hash(held.hash))
        assert header is not None, "a final block has a header"
        turns = Turns(self._clock.monotonic)
        snapshot: StateSnapshot | None = None
        try:
            async with self._hold():
                tree = await turns.run(self._chain.tree_steps(self._chain.finalized.hash))
            state = self._chain.store.recent_state(held.number)
            snapshot = StateSnapshot(state, tree, header.state_root)
            await turns.run(snapshot.prepare_steps())
        except (StateDiscarded, UnknownBlock, Unpreparable) as error:
            if isinstance(error, Unpreparable):
                self._lowest = max(self._lowest, held.number + 1)
            log.info("state_not_prepared", number=held.number, reason=str(error))
        else:
            if self._held is held:
                held.snapshot = snapshot
                took_ms = int((self._clock.monotonic() - began_s) * 1000)
                log.info("state_prepared", number=held.number, took_ms=took_ms)
        finally:
            if held.snapshot is None:
                if snapshot is not None:
                    snapshot.close()
                if self._held is held:
                    self._held = None
            held.is_ready.set()

    def _let_go(self) -> None:
        """Hold a state no more; whoever reads it still is the last."""
        held, self._held = self._held, None
        if held is not None and held.snapshot is not None:
            if not held.readers:
                held.snapshot.close()
            log.debug("state_let_go", number=held.number)


def _is_sendable(chunk: Chunk) -> bool:
    return all(len(key) <= STATE_KEY_MAX and len(value) <= STATE_VALUE_MAX for key, value in chunk.entries)
