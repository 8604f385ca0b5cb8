"""Bytes, hashes, keys and trees that both sides of a chain agree on.

First file to read: `scale.py`, with the vocabulary of types in `shape.py`. It knows no pallet and no node.
"""
