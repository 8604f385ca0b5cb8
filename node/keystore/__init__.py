"""Secret keys on disk and in memory: the keystore of authority keys and the key of the network identity.

First file to read: `store.py`. It must not know what the keys sign. Formats: Substrate's plain files and our
sealed ones, side by side in a directory.
"""

from node.keystore.errors import KeystoreError
from node.keystore.node_key import get_node_key, parse_node_key
from node.keystore.passwords import read_password
from node.keystore.store import KeyId, Keystore

__all__ = ["KeyId", "Keystore", "KeystoreError", "get_node_key", "parse_node_key", "read_password"]
