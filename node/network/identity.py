"""Peer ids: libp2p's name of an ed25519 public key, so that tools that compute it themselves agree.

Pure bytes and text. Source: libp2p peer-ids specification; a key of up to 42 encoded bytes is embedded in
the id by the identity multihash.
"""

from typing import NewType

import base58

PeerId = NewType("PeerId", str)

PUBLIC_LENGTH = 32
ID_LENGTH = 52
# Identity multihash (code 0, 36 bytes) over the protobuf {Type: Ed25519 (1), Data: 32 bytes}.
PREFIX = bytes.fromhex("002408011220")


class PeerIdError(ValueError):
    """The text is not the peer id of an ed25519 key."""


def compute_peer_id(public: bytes) -> PeerId:
    """Return the peer id (`12D3KooW…`) of a 32-byte ed25519 public key."""
    assert len(public) == PUBLIC_LENGTH
    return PeerId(base58.b58encode(PREFIX + public).decode())


def parse_peer_id(text: str) -> bytes:
    """Return the 32-byte public key inside a peer id; raises PeerIdError."""
    if len(text) != ID_LENGTH:
        raise PeerIdError(f"a peer id has {ID_LENGTH} characters")
    try:
        data = base58.b58decode(text)
    except ValueError as error:
        raise PeerIdError("a peer id is base58 text") from error
    if not data.startswith(PREFIX) or len(data) != len(PREFIX) + PUBLIC_LENGTH:
        raise PeerIdError("a peer id holds an ed25519 key and begins with 12D3KooW")
    return data[len(PREFIX) :]
