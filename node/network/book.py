"""The peer store at work: with the wall clock, random choices and the file around it.

It must not know connections.
"""

import asyncio
import secrets
from collections.abc import Container, Iterable
from typing import Final

import structlog

from node.clock import Clock
from node.network.errors import Penalty
from node.network.identity import PeerId
from node.network.limits import is_banned
from node.network.messages import PEERS_MAX
from node.network.multiaddr import Multiaddr, MultiaddrError, parse_multiaddr
from node.network.peer_file import PeerFile
from node.network.peer_store import PeerStore
from node.network.settings import NetworkSettings
from node.network.subnets import Subnet, is_dialable

SEED_LENGTH: Final = 16
SAMPLE_S: Final = 10.0

log = structlog.get_logger("p2p")


class Book:
    """What one network remembers of peers."""

    def __init__(self, own: PeerId, settings: NetworkSettings, clock: Clock) -> None:
        self._own = own
        self._settings = settings
        self._clock = clock
        self._file = None if settings.path is None else PeerFile(settings.path)
        self._store = PeerStore() if self._file is None else self._file.load()
        self._saved = self._store.encode()
        self._sample: list[Multiaddr] = []
        self._sample_ends = 0.0

    def hear(self, texts: Iterable[str], source: Subnet) -> int:
        """Note those of the addresses that may be dialled; return how many were noted."""
        noted = 0
        for text in texts:
            try:
                address = parse_multiaddr(text)
            except MultiaddrError:
                continue
            if address.peer == self._own:
                continue
            if is_dialable(address, source, allow_private=self._settings.allow_private):
                noted += self._store.add(address, source)
        return noted

    def on_reached(self, address: Multiaddr) -> None:
        """Note a successful dial."""
        self._store.on_reached(address, self._clock.now_ms())

    def on_failed(self, address: Multiaddr, *, is_wrong: bool = False) -> None:
        """Note a failed dial; `is_wrong`: another node is there."""
        self._store.on_failed(address, is_wrong=is_wrong)

    def choose(self, count: int, excluded: Container[PeerId]) -> list[Multiaddr]:
        """Return whom to dial next."""
        return self._store.choose(count, excluded, self._make_seed(), self._clock.now_ms())

    def sample_reached(self) -> list[Multiaddr]:
        """Return some addresses that were good lately, the same for a while: drawing them takes time."""
        now_s = self._clock.monotonic()
        if now_s >= self._sample_ends:
            self._sample = self._store.sample_reached(PEERS_MAX, self._make_seed())
            self._sample_ends = now_s + SAMPLE_S
        return self._sample

    def get_score(self, peer: PeerId) -> int:
        """Return the present score of a peer."""
        return self._store.get_score(peer, self._clock.now_ms())

    def is_banned(self, peer: PeerId) -> bool:
        """Tell whether a peer is banned."""
        return self._store.is_banned(peer, self._clock.now_ms())

    def report(self, peer: PeerId, penalty: Penalty) -> bool:
        """Change a peer's score; return whether it is banned now."""
        was_banned = self.is_banned(peer)
        score = self._store.change_score(peer, penalty.change, self._clock.now_ms())
        if is_banned(score) and not was_banned:
            log.warning("peer_banned", peer=peer, score=score, reason=penalty.reason)
        return is_banned(score)

    def pardon(self, peer: PeerId) -> None:
        """Forget how a peer behaved."""
        self._store.clear_score(peer)

    async def keep(self) -> None:
        """Write the file now and then, for ever."""
        while True:
            await asyncio.sleep(self._settings.timing.saving_s)
            self._store.forget(self._clock.now_ms())
            encoded = self._store.encode()
            if self._file is not None and encoded != self._saved:
                self._saved = encoded
                await asyncio.to_thread(self._file.store, encoded)

    def save(self) -> None:
        """Write the file."""
        if self._file is not None:
            self._file.store(self._store.encode())

    def _make_seed(self) -> bytes:
        return secrets.token_bytes(SEED_LENGTH)
