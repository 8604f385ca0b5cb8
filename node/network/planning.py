"""Whom to dial next: reserved nodes always, others where slots are free, none too often.

Decides only. It must not know sockets.
"""

from collections.abc import Iterable, KeysView
from typing import Final

from node.network.backoff import Backoff
from node.network.book import Book
from node.network.identity import PeerId
from node.network.multiaddr import Multiaddr
from node.network.settings import NetworkSettings
from node.network.slots import Slots
from node.network.subnets import LOOPBACK, NAMES, compute_subnet

CANDIDATES_MAX: Final = 64
OUTBOUND_PER_SUBNET: Final = 2
FIXED_ADDRESSES_MAX: Final = 8


class Planner:
    """The plans of one network."""

    def __init__(self, own: PeerId, settings: NetworkSettings, book: Book, slots: Slots) -> None:
        self.dialling: set[PeerId] = set()
        """Peers with a dial under way, or a connection that came of one."""
        self._own = own
        self._book = book
        self._slots = slots
        self._reserved = _group(settings.reserved)
        self._bootnodes = _group(settings.bootnodes)
        timing = settings.timing
        self._backoff = Backoff(int(timing.backoff_s * 1000), int(timing.backoff_max_s * 1000))
        slots.reserved.update(self._reserved)

    @property
    def reserved(self) -> tuple[PeerId, ...]:
        """The reserved nodes."""
        return tuple(self._reserved)

    def add_reserved(self, address: Multiaddr) -> None:
        """Keep a connection to this peer from now on; forgives what it did."""
        peer = address.peer
        assert peer is not None
        known = self._reserved.get(peer, ())
        self._reserved[peer] = (address, *(other for other in known if other != address))[
            :FIXED_ADDRESSES_MAX
        ]
        self._slots.reserved.add(peer)
        self._backoff.clear(peer)
        self._book.pardon(peer)

    def remove_reserved(self, peer: PeerId) -> None:
        """Treat this peer as any other from now on."""
        self._reserved.pop(peer, None)
        self._slots.reserved.discard(peer)

    def choose(self, connected: KeysView[PeerId], now_ms: int) -> list[Multiaddr]:
        """Return the addresses to dial now, all of different peers."""
        busy = {self._own, *connected, *self.dialling}
        chosen = self._choose_fixed(self._reserved, busy, now_ms)
        waiting = [peer for peer in self.dialling if peer not in connected and peer not in self._reserved]
        free = self._slots.count_free_outbound() - len(waiting)
        if free <= 0:
            return chosen
        others = self._choose_others(busy | self._reserved.keys(), now_ms)
        bootnodes = self._choose_fixed(self._bootnodes, busy | self._reserved.keys(), now_ms)
        # Alone, the node asks those it was told of; else it leaves them to newcomers while it can.
        candidates = [*others, *bootnodes] if connected else [*bootnodes, *others]
        return chosen + _drop_repeated(candidates)[:free]

    def on_ended(self, peer: PeerId, now_ms: int, *, is_steady: bool) -> None:
        """Note that a dial, or the connection that came of it, is over; `is_steady`: it lasted."""
        self.dialling.discard(peer)
        if is_steady:
            self._backoff.clear(peer)
        else:
            self._backoff.fail(peer, now_ms)

    def _choose_fixed(
        self, nodes: dict[PeerId, tuple[Multiaddr, ...]], busy: set[PeerId], now_ms: int
    ) -> list[Multiaddr]:
        return [
            addresses[self._backoff.count_failures(peer) % len(addresses)]
            for peer, addresses in nodes.items()
            if self._is_possible(peer, busy, now_ms)
        ]

    def _choose_others(self, busy: set[PeerId], now_ms: int) -> list[Multiaddr]:
        found: list[Multiaddr] = []
        taken: dict[str, int] = {}
        for address in self._book.choose(CANDIDATES_MAX, busy):
            subnet = compute_subnet(address.host)
            planned = taken.get(subnet, 0)
            room = OUTBOUND_PER_SUBNET - self._slots.count_outbound(subnet)
            is_roomy = subnet in (LOOPBACK, NAMES) or planned < room
            if is_roomy and address.peer is not None and self._is_possible(address.peer, busy, now_ms):
                taken[subnet] = planned + 1
                found.append(address)
        return found

    def _is_possible(self, peer: PeerId, busy: set[PeerId], now_ms: int) -> bool:
        return peer not in busy and self._backoff.is_due(peer, now_ms) and not self._book.is_banned(peer)


def _drop_repeated(addresses: list[Multiaddr]) -> list[Multiaddr]:
    """Return the first address of each peer, in order."""
    first: dict[PeerId | None, Multiaddr] = {}
    for address in addresses:
        first.setdefault(address.peer, address)
    return list(first.values())


def _group(addresses: Iterable[Multiaddr]) -> dict[PeerId, tuple[Multiaddr, ...]]:
    """Return the addresses by their peers, which all must name."""
    grouped: dict[PeerId, tuple[Multiaddr, ...]] = {}
    for address in addresses:
        assert address.peer is not None, "bootnodes and reserved nodes name their peer ids"
        grouped[address.peer] = (*grouped.get(address.peer, ()), address)[:FIXED_ADDRESSES_MAX]
    return grouped
