"""Bytes, hashes, keys and trees: what both sides of a chain agree on; nothing here knows a pallet or a node."""
