"""The download of a state from many peers at once: an object that takes inputs and returns effects.

Responsible for finding a recent final block by following the chain's authorities, for fetching its state in
chunks, each of which is verified against the block's state root before it is stored, and for beginning anew
with a later block where nobody serves that one any more. It must not know a clock, a network or a disk.

System model: any number of peers may stall, refuse, vanish, say that they are further than they are, or serve
anything at all. Invariants:

* truth: nothing is stored but entries of the state under the certified root; `Complete` comes when all of
  them are stored, and the block's extrinsics are those of its header;
* bounds: one request to a peer, `parallel_max` in all; chunks asked for or not stored yet never exceed
  `chunks_max`; entries and bytes in all are bounded, though only a chain's own size could exceed them;
* justice: a peer suffers only for what an honest one does not do; so each has to show the whole way to a
  block by itself, and is not judged by what another has shown;
* end: while nothing but scraps comes for `patience_ms`, or blocks vanish again and again, it gives up.

Progress while an honest peer serves a block: whatever another failed is asked of it, and who failed is paused
twice as long each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from node.sync.effects import Fault, Offence, Peer, PeerLeft, PeerSaid, Penalise, Tick
from node.sync.path_space import PATHS, Part, PathSpace
from node.sync.snapshot_effects import (
    AskBody,
    AskChunk,
    AskProof,
    BodyServed,
    ChunkServed,
    Clear,
    Complete,
    Entries,
    GiveUp,
    ProofServed,
    RequestFailed,
    SnapshotEffect,
    SnapshotInput,
    Store,
    Stored,
)
from node.sync.standing import DOUBTED, Standing, Standings
from node.sync.warp import FollowedBlock, Fragment, InvalidFragment, OffTrustedBlock, WarpProof
from runtime.primitives.block import compute_extrinsics_root
from runtime.primitives.tree_proof import HASH_BYTES
from runtime.primitives.tree_range import InvalidRange, verify_range

NUMBER_MIN: Final = 32
"""The lowest block that is worth it; a shorter chain is executed sooner than its state is fetched."""
BEHIND_MAX: Final = 512
"""How far below a peer's last final block the one that it offers may be: as far as states are kept, and as
long again for who fetches one already."""
GRACE_MS: Final = 5_000
"""After the first peer came, in which others may come who know of a longer chain."""
TARGETS_MAX: Final = 8
"""Blocks tried one after another."""
SHORT_BYTES: Final = 64 * 1024
"""A chunk with fewer bytes, and fewer entries than were asked for, is a slow peer's."""


@dataclass(frozen=True, slots=True)
class SnapshotLimits:
    """The bounds of a download."""

    parallel_max: int = 5
    """Requests that are open at once, one to a peer."""
    chunk_entries: int = 4096
    chunks_max: int = 8
    """Chunks asked for or not stored yet; each has 16 MiB at most, as a rule one."""
    entries_max: int = 1 << 30
    bytes_max: int = 1 << 40
    patience_ms: int = 90_000
    """Without anything new, after which it gives up; a peer keeps one state for a minute after its use."""


class SnapshotProgress(NamedTuple):
    """How far a download is; `number` is the block's, None while none is found."""

    number: int | None
    entries: int
    bytes: int
    percent: int
    peers: int


class _AskedProof(NamedTuple):
    peer: Peer
    claim: int


class _AskedChunk(NamedTuple):
    peer: Peer
    start: bytes
    length: int


class _AskedBody(NamedTuple):
    peer: Peer


_Asked: TypeAlias = _AskedProof | _AskedChunk | _AskedBody


class SnapshotDownload:
    """See the module."""

    def __init__(self, proof: WarpProof, limits: SnapshotLimits, now_ms: int) -> None:
        """`proof` begins with the set that is trusted."""
        self._proof = proof
        self._highest = proof.number
        self._guide: Peer | None = None
        self._is_off_trusted = False
        self._limits = limits
        self._standings = Standings()
        self._asked: dict[int, _Asked] = {}
        self._next_request = 0
        self._progress_ms = now_ms
        self._first_peer_ms: int | None = None
        self._set_changes: list[FollowedBlock] = []
        self._target: FollowedBlock | None = None
        self._targets = 0
        self._space = PathSpace()
        self._body: tuple[bytes, ...] | None = None
        self._refused: dict[Peer, None] = {}
        self._storing = 0
        self._entries = 0
        self._bytes = 0
        self._is_over = False

    @property
    def progress(self) -> SnapshotProgress:
        """How far it is."""
        number = None if self._target is None else self._target.header.number
        peers = len(self._standings.names())
        return SnapshotProgress(number, self._entries, self._bytes, self._space.covered_percent, peers)

    def handle(self, event: SnapshotInput, now_ms: int) -> list[SnapshotEffect]:
        """Take in what happened; return what is to be done, in order."""
        if self._is_over:
            return []
        effects: list[SnapshotEffect] = []
        match event:
            case PeerSaid(peer, final):
                effects += self._on_said(peer, final, now_ms)
            case PeerLeft(peer):
                self._on_left(peer)
            case ProofServed(request, fragments, is_complete):
                effects += self._on_proof(request, fragments, now_ms, is_complete=is_complete)
            case ChunkServed(request, entries, proof):
                effects += self._on_chunk(request, entries, proof, now_ms)
            case BodyServed(request, body):
                effects += self._on_body(request, body, now_ms)
            case RequestFailed(request, fault):
                effects += self._on_failed(request, fault, now_ms)
            case Stored():
                self._storing -= 1
            case Tick():
                pass
        return effects + self._go_on(now_ms)

    # --- inputs

    def _on_said(self, peer: Peer, final: int, now_ms: int) -> list[SnapshotEffect]:
        if self._first_peer_ms is None:
            self._first_peer_ms = now_ms
        if not self._standings.say(peer, final):
            return []
        return self._blame(peer, Offence.WENT_BACK, now_ms)

    def _on_left(self, peer: Peer) -> None:
        left = self._standings.leave(peer)
        if left is not None and left.request is not None:
            self._release(left.request)

    def _on_proof(
        self, request: int, fragments: tuple[Fragment, ...], now_ms: int, *, is_complete: bool
    ) -> list[SnapshotEffect]:
        asked, standing = self._settle(request)
        if not isinstance(asked, _AskedProof) or standing is None:
            return []
        if not fragments:
            standing.pause(now_ms, DOUBTED)
            return []
        offered: FollowedBlock | None = None
        for fragment in fragments:
            is_last = is_complete and fragment is fragments[-1]
            try:
                followed = self._follow(fragment, is_last=is_last)
            except InvalidFragment:
                self._guide = None
                return self._blame(asked.peer, Offence.BAD_PROOF, now_ms)
            except OffTrustedBlock:
                self._guide, self._is_off_trusted = None, True
                standing.pause(now_ms, DOUBTED)
                return []
            offered = followed if is_last else None
        if self._proof.number > self._highest:
            self._highest, self._progress_ms = self._proof.number, now_ms
        return [] if offered is None else self._on_offer(asked, standing, offered, now_ms)

    def _on_offer(
        self, asked: _AskedProof, standing: Standing, offered: FollowedBlock, now_ms: int
    ) -> list[SnapshotEffect]:
        """Take the block that a peer has shown the whole way to, if it is worth it."""
        number = offered.header.number
        if number + BEHIND_MAX < asked.claim:
            return self._blame(asked.peer, Offence.OLD_OFFER, now_ms)
        if number < NUMBER_MIN:  # as an honest peer may that serves an earlier one to another
            standing.pause(now_ms, DOUBTED)
            return []
        self._target, self._targets, self._progress_ms = offered, self._targets + 1, now_ms
        return []

    def _on_chunk(self, request: int, entries: Entries, proof: bytes, now_ms: int) -> list[SnapshotEffect]:
        asked, standing = self._settle(request)
        if not isinstance(asked, _AskedChunk) or standing is None or self._target is None:
            return []
        try:
            if len(entries) > asked.length:
                return self._blame(asked.peer, Offence.BAD_STATE, now_ms)
            behind = verify_range(self._target.header.state_root, asked.start, entries, proof)
        except InvalidRange:
            return self._blame(asked.peer, Offence.BAD_STATE, now_ms)
        start = int.from_bytes(asked.start, "big")
        end = PATHS if behind is None else int.from_bytes(behind, "big")
        self._space.cover(start, end, len(entries))
        size = sum(len(key) + len(value) for key, value in entries)
        self._entries += len(entries)
        self._bytes += size
        if behind is not None and len(entries) < asked.length and size < SHORT_BYTES:
            standing.pause(now_ms, 1)
        else:
            standing.redeem()
            self._progress_ms = now_ms
        if not entries:
            return []
        self._storing += 1
        return [Store(entries)]

    def _on_body(self, request: int, body: tuple[bytes, ...], now_ms: int) -> list[SnapshotEffect]:
        asked, _ = self._settle(request)
        if not isinstance(asked, _AskedBody) or self._target is None:
            return []
        if compute_extrinsics_root(body) != self._target.header.extrinsics_root:
            return self._blame(asked.peer, Offence.BAD_BLOCK, now_ms)
        self._body = body
        self._progress_ms = now_ms
        return []

    def _on_failed(self, request: int, fault: Fault, now_ms: int) -> list[SnapshotEffect]:
        asked, standing = self._settle(request)
        if asked is None or standing is None:
            return []
        match fault:
            case Fault.DAMAGED:
                return self._blame(asked.peer, Offence.BAD_STATE, now_ms)
            case Fault.REFUSED:
                standing.pause(now_ms, 1)
                if not isinstance(asked, _AskedProof):
                    self._refused[asked.peer] = None
            case Fault.STALLED:  # the network has penalised it
                standing.pause(now_ms, 1)
            case Fault.BUSY | Fault.GONE:
                standing.pause(now_ms, 0)
        return []

    # --- effects

    def _go_on(self, now_ms: int) -> list[SnapshotEffect]:
        target, limits = self._target, self._limits
        if target is not None and self._space.is_covered and self._body is not None and not self._storing:
            return self._end(Complete(target, self._body, tuple(self._set_changes)))
        reason = self._find_hindrance(now_ms)
        if reason is not None:
            return self._end(GiveUp(reason))
        if self._is_forsaken():
            return self._begin_anew()
        effects: list[SnapshotEffect] = []
        for peer, standing in self._list_free(now_ms):
            if len(self._asked) >= limits.parallel_max:
                break
            found = self._ask(peer, standing)
            if found is not None:
                effects.append(found)
        return effects

    def _find_hindrance(self, now_ms: int) -> str | None:
        """Return why no state can be had, None while it may be."""
        limits = self._limits
        if self._entries > limits.entries_max or self._bytes > limits.bytes_max:
            return "the state is larger than may be fetched"
        if self._targets > TARGETS_MAX:
            return f"no peer has kept serving one of {TARGETS_MAX} blocks"
        if now_ms - self._progress_ms >= limits.patience_ms:
            return self._describe_silence()
        is_known = self._first_peer_ms is not None and now_ms - self._first_peer_ms >= GRACE_MS
        is_anyone_believed = any(map(self._is_believed, self._standings.names()))
        is_short = is_anyone_believed and self._standings.compute_target() < NUMBER_MIN
        if self._target is None and is_known and is_short and self._proof.is_past_trusted:
            return f"the chain has fewer than {NUMBER_MIN} blocks"
        return None

    def _describe_silence(self) -> str:
        if self._is_off_trusted:
            return "no peer has shown a way through the trusted block"
        return f"no peer has served anything new for {self._limits.patience_ms // 1000} s"

    def _is_forsaken(self) -> bool:
        """Tell whether every peer who could serve the block has refused to, or is doubted where others have:
        whoever alone has it may have offered it in order to serve it a little at a time."""
        if self._target is None or self._asked:
            return False
        able = [peer for peer in self._standings.names() if self._is_able(peer)]
        left = [peer for peer in able if peer not in self._refused]
        return len(left) < len(able) and not any(self._is_believed(peer) for peer in left)

    def _begin_anew(self) -> list[SnapshotEffect]:
        self._target, self._body = None, None
        self._space = PathSpace()
        self._refused.clear()
        self._entries = self._bytes = 0
        return [Clear()]

    def _ask(self, peer: Peer, standing: Standing) -> SnapshotEffect | None:
        """Ask a free peer for what is wanted next; None where it has nothing of it, or there is no room."""
        request = self._next_request
        if self._target is None:
            if self._asked or standing.claim < NUMBER_MIN:
                return None
            if peer != self._guide:
                self._guide, self._proof, self._set_changes = peer, self._proof.begin_anew(), []
            return self._note(request, standing, _AskedProof(peer, standing.claim))
        if not self._is_able(peer) or peer in self._refused:
            return None
        if self._body is None and not any(isinstance(one, _AskedBody) for one in self._asked.values()):
            return self._note(request, standing, _AskedBody(peer))
        if len(self._asked) + self._storing >= self._limits.chunks_max:
            return None
        part = self._space.reserve(request)
        return None if part is None else self._note(request, standing, self._plan(peer, part))

    def _plan(self, peer: Peer, part: Part) -> _AskedChunk:
        length = self._space.estimate(part, self._limits.chunk_entries)
        return _AskedChunk(peer, part.start.to_bytes(HASH_BYTES, "big"), length)

    def _note(self, request: int, standing: Standing, asked: _Asked) -> SnapshotEffect:
        """Open a request."""
        self._next_request += 1
        standing.request = request
        self._asked[request] = asked
        target = self._target
        match asked:
            case _AskedProof(peer):
                return AskProof(request, peer, self._proof.number)
            case _AskedChunk(peer, start, length):
                assert target is not None, "chunks are of a block"
                return AskChunk(request, peer, target.hash, start, length)
            case _AskedBody(peer):
                assert target is not None, "extrinsics are of a block"
                return AskBody(request, peer, target.hash)

    # --- leaves of the above

    def _follow(self, fragment: Fragment, *, is_last: bool) -> FollowedBlock:
        """Follow the authorities one header further; the last one is of the block that is offered."""
        found = self._proof.follow(fragment)
        if is_last and not self._proof.is_past_trusted:
            raise OffTrustedBlock("the block is below it")
        if found.announces_set:
            self._set_changes.append(found)
        elif not is_last:
            raise InvalidFragment("a header in the middle that announces nothing")
        return found

    def _list_free(self, now_ms: int) -> list[tuple[Peer, Standing]]:
        """Return whom something can be asked; who says that it is furthest comes first among equals."""
        free = self._standings.iterate_free(now_ms)
        return sorted(free, key=lambda one: (one[1].faults, -one[1].claim))

    def _is_believed(self, peer: Peer) -> bool:
        standing = self._standings.get(peer)
        return standing is not None and standing.is_believed

    def _is_able(self, peer: Peer) -> bool:
        standing, target = self._standings.get(peer), self._target
        return standing is not None and target is not None and standing.claim >= target.header.number

    def _settle(self, request: int) -> tuple[_Asked | None, Standing | None]:
        """Close a request; return what was asked and where the peer stands, None where nobody waits."""
        asked = self._asked.get(request)
        if asked is None:
            return None, None
        standing = self._standings.get(asked.peer)
        if standing is not None:
            standing.request = None
        self._release(request)
        return asked, standing

    def _release(self, request: int) -> None:
        del self._asked[request]
        self._space.release(request)

    def _end(self, effect: Complete | GiveUp) -> list[SnapshotEffect]:
        self._is_over = True
        return [effect]

    def _blame(self, peer: Peer, offence: Offence, now_ms: int) -> list[SnapshotEffect]:
        standing = self._standings.get(peer)
        if standing is not None:
            standing.pause(now_ms, DOUBTED)
        return [Penalise(peer, offence)]
