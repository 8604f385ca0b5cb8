"""Peers for tests: keys, ids and addresses by number."""

from node.network.identity import PeerId, compute_peer_id
from node.network.multiaddr import Multiaddr
from runtime.primitives.crypto import Keypair, Scheme


def make_key(number: int) -> Keypair:
    return Keypair.from_seed(number.to_bytes(32, "big"), Scheme.ED25519)


def make_peer(number: int) -> PeerId:
    """Return an id whose key nobody has; cheaper than a key."""
    return compute_peer_id(number.to_bytes(32, "big"))


def make_address(number: int, host: str | None = None, port: int = 30333) -> Multiaddr:
    """Return the address of peer `number`, by default in a /24 of its own."""
    own = f"{1 + number // 65536}.{number // 256 % 256}.{number % 256}.1"
    return Multiaddr("ip4", own if host is None else host, port, make_peer(number))
