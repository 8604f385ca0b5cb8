"""What a node remembers of other nodes: where they are, and how they behaved.

Pure; wall time is an argument in milliseconds, random choices come from a seed. It must not know files nor
connections.

Addresses come from anybody, so the book is bounded as a whole, for each subnet they lie in and for each
subnet that told of them; and what was only heard of never displaces what was reached. Scores decay as
Substrate's; a ban is a score below the threshold and ends by decay.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Annotated, Final, NamedTuple

import msgspec

from node.network.identity import PeerId, PeerIdError, parse_peer_id
from node.network.limits import add_score, decay_score, is_banned
from node.network.multiaddr import Multiaddr, MultiaddrError, parse_multiaddr
from node.network.subnets import LOOPBACK, Subnet, compute_subnet

KNOWN_MAX: Final = 1024
REACHED_MAX: Final = 512
"""Of the known ones, how many may be such as cannot be displaced by hearsay."""
BUCKET_MAX: Final = 32
"""Known peers in one subnet, loopback excepted."""
SOURCE_MAX: Final = 64
"""Peers known only by hearsay from one subnet, loopback excepted."""
PEER_ADDRESSES_MAX: Final = 4
FAILURES_MAX: Final = 8
"""Dials in a row that fail before a peer never reached is forgotten."""
SCORES_MAX: Final = 4096
FORMAT: Final = 1
CONFIGURED: Final = "configured"
"""The source of addresses that the operator gave."""


class PeerStoreError(Exception):
    """The bytes are no peer store of ours."""


@dataclass(frozen=True, slots=True)
class Known:
    """A peer and where it may be; `reached_ms` is when it was last dialled with success, 0 for never."""

    addresses: tuple[Multiaddr, ...]
    subnet: Subnet
    """The bucket: where the first address lies."""
    source: Subnet
    failures: int = 0
    reached_ms: int = 0


class Score(NamedTuple):
    """A score as it was at a time."""

    value: int
    at_ms: int


class PeerStore:
    """The address book and the scores."""

    def __init__(self) -> None:
        self._known: dict[PeerId, Known] = {}
        self._scores: dict[PeerId, Score] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get_addresses(self, peer: PeerId) -> tuple[Multiaddr, ...]:
        """Return where a peer may be, the likeliest place first."""
        known = self._known.get(peer)
        return () if known is None else known.addresses

    def add(self, address: Multiaddr, source: Subnet) -> bool:
        """Note an address with a peer id, heard from the subnet `source`; False where there is no room."""
        peer = address.peer
        assert peer is not None
        known = self._known.get(peer)
        if known is not None:
            if address not in known.addresses and len(known.addresses) < PEER_ADDRESSES_MAX:
                self._known[peer] = replace(known, addresses=(*known.addresses, address))
            return True
        new = _make_known((address,), source)
        if self._is_source_full(source) or not self._make_room(new.subnet):
            return False
        self._known[peer] = new
        return True

    def on_reached(self, address: Multiaddr, now_ms: int) -> None:
        """Note that a peer was dialled at this address and proved its key."""
        peer = address.peer
        assert peer is not None
        known = self._known.get(peer) or _make_known((address,), CONFIGURED)
        others = tuple(other for other in known.addresses if other != address)
        addresses = (address, *others)[:PEER_ADDRESSES_MAX]
        self._known[peer] = _make_known(addresses, known.source, reached_ms=max(now_ms, 1))
        self._drop_surplus(peer)

    def on_failed(self, address: Multiaddr, *, is_wrong: bool) -> None:
        """Note that a dial failed; `is_wrong`: somebody else is at that address, so it is forgotten."""
        peer = address.peer
        assert peer is not None
        known = self._known.get(peer)
        if known is None:
            return
        # Another address is tried next time.
        others = tuple(other for other in known.addresses if other != address)
        addresses = others if is_wrong else (*others, address)
        failures = known.failures + 1
        if not addresses or (failures >= FAILURES_MAX and not known.reached_ms):
            del self._known[peer]
        else:
            self._known[peer] = _make_known(addresses, known.source, failures, known.reached_ms)

    def choose(self, count: int, excluded: Container[PeerId], seed: bytes, now_ms: int) -> list[Multiaddr]:
        """Return addresses of up to `count` peers worth dialling: fewest failures first, else at random."""
        allowed = [
            (known.failures, _rank(peer, seed), known.addresses[0])
            for peer, known in self._known.items()
            if peer not in excluded and not self.is_banned(peer, now_ms)
        ]
        return [address for _, _, address in sorted(allowed)[:count]]

    def sample_reached(self, count: int, seed: bytes) -> list[Multiaddr]:
        """Return addresses of peers that this node has reached itself, at random."""
        reached = [
            (_rank(peer, seed), known.addresses[0])
            for peer, known in self._known.items()
            if known.reached_ms and not known.failures
        ]
        return [address for _, address in sorted(reached)[:count]]

    def get_score(self, peer: PeerId, now_ms: int) -> int:
        """Return the present score of a peer, 0 for a stranger."""
        score = self._scores.get(peer)
        return 0 if score is None else decay_score(score.value, _count_seconds(score, now_ms))

    def is_banned(self, peer: PeerId, now_ms: int) -> bool:
        """Tell whether a peer is refused for its score."""
        score = self._scores.get(peer)
        # Decay only ever ends a ban, so most answers need none.
        return score is not None and is_banned(score.value) and is_banned(self.get_score(peer, now_ms))

    def change_score(self, peer: PeerId, change: int, now_ms: int) -> int:
        """Change a peer's score and return the new one."""
        value = add_score(self.get_score(peer, now_ms), change)
        self._scores.pop(peer, None)
        if len(self._scores) >= SCORES_MAX:
            self._drop_score()
        self._scores[peer] = Score(value, now_ms)
        return value

    def clear_score(self, peer: PeerId) -> None:
        """Forget how a peer behaved."""
        self._scores.pop(peer, None)

    def forget(self, now_ms: int) -> None:
        """Bring all scores up to now and drop those that have decayed to nothing.

        Done now and then, it keeps decaying cheap, and dates scores anew where the clock was set back.
        """
        self._scores = {
            peer: Score(value, min(score.at_ms + 1000 * _count_seconds(score, now_ms), now_ms))
            for peer, score in self._scores.items()
            if (value := self.get_score(peer, now_ms))
        }

    def encode(self) -> bytes:
        """Return the store as bytes, for `decode_peer_store`."""
        known = tuple(
            _KnownRecord(
                peer, tuple(map(str, known.addresses)), known.source, known.failures, known.reached_ms
            )
            for peer, known in self._known.items()
        )
        scores = tuple(_ScoreRecord(peer, *score) for peer, score in self._scores.items())
        return msgspec.msgpack.encode(_StoreRecord(FORMAT, known, scores))

    def restore(self, peer: PeerId, known: Known) -> None:
        """Put back where a peer may be."""
        self._known[peer] = known

    def restore_score(self, peer: PeerId, score: Score) -> None:
        """Put back how a peer behaved."""
        self._scores[peer] = score

    def _is_source_full(self, source: Subnet) -> bool:
        if source in (LOOPBACK, CONFIGURED):
            return False
        heard = (known for known in self._known.values() if not known.reached_ms)
        return sum(known.source == source for known in heard) >= SOURCE_MAX

    def _make_room(self, subnet: Subnet) -> bool:
        """Drop the least useful hearsay where a bucket or the book is full; False when there is none."""
        bucket = [peer for peer, known in self._known.items() if known.subnet == subnet]
        if subnet != LOOPBACK and len(bucket) >= BUCKET_MAX:
            return self._drop_hearsay(bucket)
        return len(self._known) < KNOWN_MAX or self._drop_hearsay(self._known)

    def _drop_hearsay(self, peers: Iterable[PeerId]) -> bool:
        """Drop the peer with the most failures that was never reached, if it has any."""
        heard = [peer for peer in peers if not self._known[peer].reached_ms]
        worst = max(heard, key=lambda peer: self._known[peer].failures, default=None)
        if worst is None or not self._known[worst].failures:
            return False
        del self._known[worst]
        return True

    def _drop_surplus(self, kept: PeerId) -> None:
        """Keep the number of reached peers: the one that failed most, or longest ago, goes."""
        reached = {peer: known for peer, known in self._known.items() if known.reached_ms and peer != kept}
        if len(reached) >= REACHED_MAX or len(self._known) > KNOWN_MAX:
            worst = min(
                reached or self._known,
                key=lambda peer: (-self._known[peer].failures, self._known[peer].reached_ms, peer == kept),
            )
            del self._known[worst]

    def _drop_score(self) -> None:
        """Drop the score nearest to zero: bans are kept longest."""
        del self._scores[min(self._scores, key=lambda peer: abs(self._scores[peer].value))]


class _KnownRecord(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    peer: str
    addresses: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=PEER_ADDRESSES_MAX)]
    source: Annotated[str, msgspec.Meta(max_length=64)]
    failures: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    reached_ms: Annotated[int, msgspec.Meta(ge=0)]


class _ScoreRecord(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    peer: str
    value: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
    at_ms: Annotated[int, msgspec.Meta(ge=0)]


class _StoreRecord(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    format: int
    known: Annotated[tuple[_KnownRecord, ...], msgspec.Meta(max_length=KNOWN_MAX)]
    scores: Annotated[tuple[_ScoreRecord, ...], msgspec.Meta(max_length=SCORES_MAX)]


def decode_peer_store(data: bytes) -> PeerStore:
    """Return the store that was encoded; raises PeerStoreError."""
    try:
        record = msgspec.msgpack.decode(data, type=_StoreRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PeerStoreError(str(error)) from error
    if record.format != FORMAT:
        raise PeerStoreError(f"format {record.format}, expected {FORMAT}")
    store = PeerStore()
    try:
        for known in record.known:
            store.restore(_parse_peer(known.peer), _parse_known(known))
        for score in record.scores:
            store.restore_score(_parse_peer(score.peer), Score(score.value, score.at_ms))
    except (PeerIdError, MultiaddrError) as error:
        raise PeerStoreError(str(error)) from error
    return store


def _parse_known(record: _KnownRecord) -> Known:
    addresses = tuple(map(parse_multiaddr, record.addresses))
    if any(address.peer != record.peer for address in addresses):
        raise PeerStoreError("an address names another peer")
    return _make_known(addresses, record.source, record.failures, record.reached_ms)


def _make_known(
    addresses: tuple[Multiaddr, ...], source: Subnet, failures: int = 0, reached_ms: int = 0
) -> Known:
    return Known(addresses, compute_subnet(addresses[0].host), source, failures, reached_ms)


def _count_seconds(score: Score, now_ms: int) -> int:
    """Return the whole seconds since a score was set, none where the wall clock was set back."""
    return max(now_ms - score.at_ms, 0) // 1000


def _parse_peer(text: str) -> PeerId:
    parse_peer_id(text)
    return PeerId(text)


def _rank(peer: PeerId, seed: bytes) -> bytes:
    """Return a number that orders peers differently under every seed."""
    return blake2b(peer.encode(), key=seed, digest_size=16).digest()
