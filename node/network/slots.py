"""Who may be connected: places for each direction, subnet and reserved nodes; one connection to a peer.

Pure. It must not know scores nor sockets.

Two nodes that dial each other at once have two connections, and both must keep the same one: that which the
node with the smaller id dialled. A second connection in the same direction is newer than the first, so its
dialler has lost that one: the newer stays.
"""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from node.network.identity import PeerId
from node.network.messages import GoodbyeReason
from node.network.subnets import LOOPBACK, Subnet


class Direction(Enum):
    """Who dialled."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Link(NamedTuple):
    """A connection as far as places are concerned."""

    peer: PeerId
    direction: Direction
    subnet: Subnet


class SlotLimits(NamedTuple):
    """How many peers; reserved ones come on top."""

    outbound: int = 8
    inbound: int = 32
    inbound_per_subnet: int = 2
    reserved_only: bool = False


class Admission(Enum):
    """That a link may be; with REPLACE the peer's present one ends."""

    NEW = "new"
    REPLACE = "replace"


class Slots:
    """The connected peers, one link each."""

    def __init__(self, own: PeerId, limits: SlotLimits, reserved: Iterable[PeerId] = ()) -> None:
        self.reserved = set(reserved)
        self._own = own
        self._limits = limits
        self._links: dict[PeerId, Link] = {}

    def judge(self, link: Link) -> Admission | GoodbyeReason:
        """Return whether the link may be, or why not; changes nothing."""
        present = self._links.get(link.peer)
        if present is not None:
            return self._judge_second(present.direction, link.direction, link.peer)
        if link.peer in self.reserved:
            return Admission.NEW
        if self._limits.reserved_only:
            return GoodbyeReason.RESERVED_ONLY
        return Admission.NEW if self._has_room(link) else GoodbyeReason.FULL

    def add(self, link: Link) -> None:
        """Give the link its place, or that of the peer's present one."""
        self._links[link.peer] = link

    def remove(self, peer: PeerId) -> None:
        """Take the peer's link out."""
        self._links.pop(peer, None)

    def count_free_outbound(self) -> int:
        """Return how many more peers may be dialled that are not reserved."""
        if self._limits.reserved_only:
            return 0
        return max(self._limits.outbound - self._count(Direction.OUTBOUND), 0)

    def count_outbound(self, subnet: Subnet) -> int:
        """Return how many peers in a subnet were dialled; loopback counts as nobody's."""
        if subnet == LOOPBACK:
            return 0
        links = self._links.values()
        return sum(link.direction is Direction.OUTBOUND and link.subnet == subnet for link in links)

    def _judge_second(self, present: Direction, new: Direction, peer: PeerId) -> Admission | GoodbyeReason:
        preferred = Direction.OUTBOUND if self._own < peer else Direction.INBOUND
        return Admission.REPLACE if new in (present, preferred) else GoodbyeReason.DUPLICATE

    def _has_room(self, link: Link) -> bool:
        match link.direction:
            case Direction.OUTBOUND:
                return self._count(Direction.OUTBOUND) < self._limits.outbound
            case Direction.INBOUND:
                return self._count(Direction.INBOUND) < self._limits.inbound and (
                    link.subnet == LOOPBACK
                    or self._count(Direction.INBOUND, link.subnet) < self._limits.inbound_per_subnet
                )

    def _count(self, direction: Direction, subnet: Subnet | None = None) -> int:
        return sum(
            link.direction is direction
            and link.peer not in self.reserved
            and (subnet is None or link.subnet == subnet)
            for link in self._links.values()
        )
