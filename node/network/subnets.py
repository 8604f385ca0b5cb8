"""Which addresses belong together and which may be dialled, so that one owner of many addresses stays one.

Pure. It must not know who uses the answer.
"""

import ipaddress
from typing import Final, TypeAlias

from node.network.identity import PeerId
from node.network.multiaddr import Multiaddr

Subnet: TypeAlias = str
"""The text of a subnet, or `name` for host names."""

IPV4_PREFIX: Final = 24
IPV6_PREFIX: Final = 48
"""What one site gets, as a rule."""
NAMES: Final = "name"
LOOPBACK: Final = "loopback"


def compute_subnet(host: str) -> Subnet:
    """Return the /24 of an IPv4 address or the /48 of an IPv6 one; loopback and names are one each."""
    address = _parse_ip(host)
    if address is None:
        return NAMES
    if address.is_loopback:
        return LOOPBACK
    prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return str(ipaddress.ip_network((address, prefix), strict=False))


def make_address(host: str, port: int, peer: PeerId) -> Multiaddr | None:
    """Return the address of a peer at an IP address and port; None where it listens nowhere."""
    ip = _parse_ip(host)
    if ip is None or port == 0:
        return None
    return Multiaddr("ip4" if ip.version == 4 else "ip6", str(ip), port, peer)


def is_dialable(address: Multiaddr, source: Subnet, *, allow_private: bool) -> bool:
    """Tell whether an address heard from a peer in the subnet `source` may be dialled.

    Nobody elsewhere may send us to this machine's own ports, and to a private network only where that is
    allowed.
    """
    if address.peer is None or address.port == 0:
        return False
    ip = _parse_ip(address.host)
    if ip is None:
        return address.host.rstrip(".").lower() != "localhost" or source == LOOPBACK
    if ip.is_unspecified or ip.is_multicast or ip.is_link_local:
        return False
    if ip.is_loopback:
        return source == LOOPBACK
    return allow_private or ip.is_global


def _parse_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
