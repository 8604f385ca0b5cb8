"""Multiaddresses: where a peer listens, as `/ip4/127.0.0.1/tcp/30333/ws/p2p/12D3KooW…`.

Pure text. Of libp2p's many forms we take those that our transport can dial: host, TCP port, optional `ws`,
peer id.
"""

import ipaddress
import re
from typing import Literal, NamedTuple

from node.network.identity import PeerId, PeerIdError, parse_peer_id

LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
"""One label of a host name. Names are split at their dots first: one pattern for all of it would have many
ways to cut the same name into labels, and tries them all on one that is none."""
HOST_NAME_MAX = 253
LENGTH_MAX = 512


class MultiaddrError(ValueError):
    """The text is not an address that this node can use; `str()` says why."""


class Multiaddr(NamedTuple):
    """A parsed address; `peer` is the id that the peer must prove to have."""

    protocol: Literal["ip4", "ip6", "dns", "dns4", "dns6"]
    host: str
    port: int
    peer: PeerId | None

    def __str__(self) -> str:
        tail = f"/p2p/{self.peer}" if self.peer is not None else ""
        return f"/{self.protocol}/{self.host}/tcp/{self.port}/ws{tail}"


def parse_multiaddr(text: str) -> Multiaddr:
    """Return the parts of an address; raises MultiaddrError."""
    if len(text) > LENGTH_MAX:
        raise MultiaddrError(f"an address has at most {LENGTH_MAX} characters")
    match text.split("/"):
        case ["", protocol, host, "tcp", port, *rest]:
            peer = _parse_rest(rest)
            return _check(protocol, host, port, peer)
        case _:
            raise MultiaddrError("expected /ip4/ADDRESS/tcp/PORT/ws[/p2p/PEER]")


def is_host_name(text: str) -> bool:
    """Tell whether a text is a host name, with a dot behind it or not; in time proportional to its length."""
    labels = text.removesuffix(".").split(".")
    return len(text) <= HOST_NAME_MAX and all(LABEL.fullmatch(label) for label in labels)


def _parse_rest(rest: list[str]) -> PeerId | None:
    if rest and rest[0] == "ws":
        rest = rest[1:]
    match rest:
        case []:
            return None
        case ["p2p", peer]:
            try:
                parse_peer_id(peer)
            except PeerIdError as error:
                raise MultiaddrError(str(error)) from error
            return PeerId(peer)
        case _:
            raise MultiaddrError("after the port expected nothing, /ws or /ws/p2p/PEER")


def _check(protocol: str, host: str, port: str, peer: PeerId | None) -> Multiaddr:
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535):
        raise MultiaddrError("expected a TCP port from 0 to 65535")
    match protocol:
        case "ip4":
            return Multiaddr("ip4", _check_ip(host, 4), int(port), peer)
        case "ip6":
            return Multiaddr("ip6", _check_ip(host, 6), int(port), peer)
        case "dns" | "dns4" | "dns6":
            if not is_host_name(host):
                raise MultiaddrError("expected a host name")
            return Multiaddr(protocol, host, int(port), peer)
        case _:
            raise MultiaddrError("expected ip4, ip6, dns, dns4 or dns6")


def _check_ip(host: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise MultiaddrError(f"expected an IPv{version} address") from error
    if address.version != version:
        raise MultiaddrError(f"expected an IPv{version} address")
    return str(address)
