"""Bytes, hashes, keys and trees that both sides of a chain agree on; it knows no pallet and no node."""
