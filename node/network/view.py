"""A chain's network as status lines, metrics and RPC methods see it."""

from typing import Protocol

from node.network.handlers import PeerInfo
from node.network.identity import PeerId


class PeersView(Protocol):
    """Who is connected, how far they are, and who is to stay connected."""

    @property
    def target(self) -> int:
        """The highest final block that a peer says it has, or this node's own."""
        ...

    @property
    def is_syncing(self) -> bool:
        """Whether this node is far behind a peer."""
        ...

    @property
    def queued_blocks(self) -> int:
        """How many downloaded blocks are not final here yet."""
        ...

    def connected(self) -> list[PeerInfo]:
        """Return the connected peers."""
        ...

    def addresses(self) -> list[str]:
        """Return where peers can reach this node."""
        ...

    def add_reserved(self, address: str) -> PeerId:
        """Stay connected to the peer at an address; MultiaddrError."""
        ...

    def remove_reserved(self, peer: PeerId) -> None:
        """Treat a peer as any other."""
        ...

    def reserved(self) -> list[PeerId]:
        """Return the reserved nodes."""
        ...

    def count_traffic(self) -> tuple[int, int]:
        """Return the bytes received and sent."""
        ...
