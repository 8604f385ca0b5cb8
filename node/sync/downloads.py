"""The download of blocks from many peers at once: an object that takes inputs and returns effects.

Responsible for catching up with certified blocks: ranges of bounded size are asked of several peers, what
comes is looked through for what needs no state, and imported strictly in order. Certificates and execution
are the driver's. It must not know a clock, a network or a chain.

System model: any number of peers may stall, refuse, vanish, say that they are further than they are, or serve
anything at all. Invariants:

* order: blocks are imported one range at a time, each range behind the last final block;
* bounds: one request to a peer; `parallel_max` in all; kept blocks and bytes never exceed the limits,
  counting every open request with the longest possible answer; one answer's worth is left for the first
  range;
* justice: a peer suffers only for what an honest one does not do.

Progress while one honest peer is ahead: there is always room for the first range, a range that failed is
asked for before any later one, and whoever failed it is paused twice as long each time, while an honest
peer's faults are halved with each range that proved good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from node.sync.effects import (
    Advanced,
    Ask,
    CertifiedBlock,
    Failed,
    Fault,
    Import,
    ImportEnded,
    Offence,
    Peer,
    PeerLeft,
    PeerSaid,
    Penalise,
    Served,
    SyncEffect,
    SyncInput,
    Tick,
)
from node.sync.ranges import Range, Ranges
from node.sync.standing import DOUBTED, Standings
from runtime.primitives.block import hash_header

MIB: Final = 1024 * 1024
BEHIND_MIN: Final = 3
"""Blocks behind a peer from which on blocks are asked for many at a time; nearer, agreement helps itself."""


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """The bounds of a download."""

    parallel_max: int = 5
    """Requests that are open at once, one to a peer."""
    range_blocks: int = 64
    answer_bytes: int = 16 * MIB
    """What one answer may take."""
    ahead: int = 3
    """Answers that are kept beyond those that are open."""

    @property
    def kept_blocks(self) -> int:
        """Blocks planned at once, kept ones and those asked for together."""
        return (self.parallel_max + self.ahead) * self.range_blocks

    @property
    def kept_bytes(self) -> int:
        """Bytes of kept blocks, open requests counted as the longest answers."""
        return (self.parallel_max + self.ahead) * self.answer_bytes


class _Asked(NamedTuple):
    peer: Peer
    start: int
    length: int


class Downloads:
    """See the module."""

    def __init__(self, final: int, limits: SyncLimits) -> None:
        self._limits = limits
        self._ranges = Ranges(final, limits.kept_blocks)
        self._standings = Standings()
        self._asked: dict[int, _Asked] = {}
        self._importing: Range | None = None
        self._next_request = 0

    @property
    def target(self) -> int:
        """The highest final block that a peer credibly says it has, or this node's own."""
        return max(self._ranges.final, self._standings.compute_target())

    @property
    def is_syncing(self) -> bool:
        """Whether this node is far behind a peer."""
        return self.target >= self._ranges.final + BEHIND_MIN

    @property
    def kept(self) -> tuple[int, int]:
        """How many blocks wait to be imported or are being imported, and their bytes."""
        return self._ranges.kept_blocks, self._ranges.kept_bytes

    def handle(self, event: SyncInput, now_ms: int) -> list[SyncEffect]:
        """Take in what happened; return what is to be done, in order."""
        effects: list[SyncEffect] = []
        match event:
            case PeerSaid(peer, final):
                effects += self._on_said(peer, final, now_ms)
            case PeerLeft(peer):
                self._on_left(peer)
            case Served(request, blocks):
                effects += self._on_served(request, blocks, now_ms)
            case Failed(request, fault):
                effects += self._on_failed(request, fault, now_ms)
            case Advanced(final):
                self._ranges.advance(final)
            case ImportEnded(is_bad):
                effects += self._on_import_ended(now_ms, is_bad=is_bad)
            case Tick():
                pass
        return effects + self._import_next() + self._ask(now_ms)

    # --- inputs

    def _on_said(self, peer: Peer, final: int, now_ms: int) -> list[SyncEffect]:
        if not self._standings.say(peer, final):
            return []
        return self._blame(peer, Offence.WENT_BACK, now_ms)

    def _on_left(self, peer: Peer) -> None:
        left = self._standings.leave(peer)
        if left is not None and left.request is not None:
            self._release(left.request)

    def _on_served(self, request: int, blocks: tuple[CertifiedBlock, ...], now_ms: int) -> list[SyncEffect]:
        asked, found = self._settle(request)
        if asked is None:
            return []
        if not blocks:
            return self._doubt_claim(asked, Offence.NOT_KEPT, now_ms)
        is_long = sum(one.size for one in blocks) > self._limits.answer_bytes
        if is_long or has_flaw(asked.start, asked.length, blocks):
            return self._blame(asked.peer, Offence.BAD_BLOCK, now_ms)
        if found is not None:
            self._ranges.fill(found, asked.peer, blocks)
        return []

    def _on_failed(self, request: int, fault: Fault, now_ms: int) -> list[SyncEffect]:
        asked, _ = self._settle(request)
        standing = None if asked is None else self._standings.get(asked.peer)
        if asked is None or standing is None:
            return []
        match fault:
            case Fault.DAMAGED:
                return self._blame(asked.peer, Offence.BAD_BLOCK, now_ms)
            case Fault.REFUSED:
                return self._doubt_claim(asked, None, now_ms)
            case Fault.STALLED:  # the network has penalised it
                standing.pause(now_ms, 1)
            case Fault.BUSY | Fault.GONE:
                standing.pause(now_ms, 0)
        return []

    def _on_import_ended(self, now_ms: int, *, is_bad: bool) -> list[SyncEffect]:
        found, self._importing = self._importing, None
        assert found is not None, "an import was under way"
        server, is_done = found.server, found.start == found.end
        assert server is not None, "what is imported was served"
        found.reset()
        if is_bad:
            self._ranges.drop_served_by(server)
            return self._blame(server, Offence.BAD_BLOCK, now_ms)
        standing = self._standings.get(server)
        if standing is not None and is_done:
            standing.redeem()
        elif standing is not None:
            standing.pause(now_ms, 1)
        return []

    # --- effects

    def _import_next(self) -> list[SyncEffect]:
        front = self._ranges.get_front()
        if self._importing is not None or front is None or not front.blocks:
            return []
        self._importing = front
        return [Import(tuple(front.blocks))]

    def _ask(self, now_ms: int) -> list[SyncEffect]:
        """Ask everybody for something who has it and is free, as far as there is room."""
        effects: list[SyncEffect] = []
        for peer, standing in self._standings.iterate_free(now_ms):
            if len(self._asked) >= self._limits.parallel_max:
                break
            if standing.claim < self._ranges.final + BEHIND_MIN:
                continue
            found = self._reserve(standing.claim)
            if found is None:
                continue
            request, self._next_request = self._next_request, self._next_request + 1
            found.request = standing.request = request
            self._asked[request] = _Asked(peer, found.start, found.end - found.start)
            effects.append(Ask(request, peer, found.start, found.end - found.start))
        return effects

    def _reserve(self, claim: int) -> Range | None:
        """Return a range for a peer with blocks up to `claim`; None where it has none or memory is short."""
        limits = self._limits
        room = (limits.kept_bytes - self._ranges.kept_bytes) // limits.answer_bytes - len(self._asked)
        if room < 1:
            return None
        front = self._ranges.get_front()
        only_front = room == 1 and (front is None or front.request is None)
        return self._ranges.reserve(claim, limits.range_blocks, only_front=only_front)

    # --- leaves of the above

    def _settle(self, request: int) -> tuple[_Asked | None, Range | None]:
        """Close a request; return what was asked and the range that waits for it, None where nobody does."""
        asked = self._asked.get(request)
        if asked is None:
            return None, None
        standing = self._standings.get(asked.peer)
        if standing is not None:
            standing.request = None
        return asked, self._release(request)

    def _release(self, request: int) -> Range | None:
        """Forget a request; its range waits again unless it is filled."""
        del self._asked[request]
        found = self._ranges.find_asked(request)
        if found is not None:
            found.reset()
        return found

    def _doubt_claim(self, asked: _Asked, offence: Offence | None, now_ms: int) -> list[SyncEffect]:
        """Note that a peer has not what it said it had, until it says so again."""
        standing = self._standings.get(asked.peer)
        if standing is not None:
            standing.claim = min(standing.claim, asked.start - 1)
            standing.pause(now_ms, DOUBTED)
        return [] if offence is None else [Penalise(asked.peer, offence)]

    def _blame(self, peer: Peer, offence: Offence, now_ms: int) -> list[SyncEffect]:
        standing = self._standings.get(peer)
        if standing is not None:
            standing.pause(now_ms, DOUBTED)
        return [Penalise(peer, offence)]


def has_flaw(start: int, count: int, blocks: tuple[CertifiedBlock, ...]) -> bool:
    """Tell whether blocks are not what was asked for: others, more, out of order, or under certificates of
    other blocks."""
    if len(blocks) > count:
        return True
    parent: bytes | None = None
    for number, (block, certificate, _) in enumerate(blocks, start):
        block_hash = hash_header(block.header)
        if block.header.number != number or (certificate.number, certificate.block_hash) != (
            number,
            block_hash,
        ):
            return True
        if parent is not None and block.header.parent_hash != parent:
            return True
        parent = block_hash
    return False
