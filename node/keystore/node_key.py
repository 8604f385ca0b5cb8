"""The ed25519 key of the network identity: given, read from its file, or made once and kept.

A validator's identity must be stable, so it never starts with a key made on the spot unless it is told to.
It must not know the network: the peer id is computed there.
"""

import re
import secrets
from pathlib import Path

from node.config import Config
from node.keystore.errors import KeystoreError
from node.keystore.files import ensure_private_directory, read_private_file, write_private_file
from runtime.primitives.crypto import Keypair, Scheme

SEED_LENGTH = 32
FILE_NAME = "secret_ed25519"
HEX = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


def get_node_key(config: Config, chain_id: str) -> Keypair:
    """Return the node's network key, making and keeping one where that is allowed; raises KeystoreError."""
    if config.node_key is not None:
        return parse_node_key(config.node_key.encode(), "--node-key")
    path = get_node_key_path(config, chain_id)
    if path.exists():
        return parse_node_key(read_private_file(path), str(path))
    if config.validator and not config.dev and not config.unsafe_force_node_key_generation:
        raise KeystoreError(
            f"a validator needs a stable network key and {path} does not exist; make one with:"
            f" loam key generate-node-key --file {path}"
        )
    if config.node_key_file is None:
        ensure_private_directory(path.parent)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)  # the operator's place: the file alone is ours
    seed = secrets.token_bytes(SEED_LENGTH)
    write_private_file(path, seed.hex().encode())
    return Keypair.from_seed(seed, Scheme.ED25519)


def get_node_key_path(config: Config, chain_id: str) -> Path:
    """Return the file of the network key: the one named, or the chain's own."""
    if config.node_key_file is not None:
        return Path(config.node_key_file)
    return config.get_chain_path(chain_id) / "network" / FILE_NAME


def parse_node_key(data: bytes, where: str) -> Keypair:
    """Return the key of 32 raw bytes or 64 hex digits; `where` names the source in the error."""
    if len(data) == SEED_LENGTH:
        return Keypair.from_seed(data, Scheme.ED25519)
    match = HEX.fullmatch(data.decode("latin-1").strip())
    if match is None:
        raise KeystoreError(f"{where}: expected a network key of 32 bytes or 64 hex digits")
    return Keypair.from_seed(bytes.fromhex(match[1]), Scheme.ED25519)
