"""The pallets, a folder for each domain; a pallet never imports another.

First file to read: `core/sudo.py`, the shortest; docs/writing-a-pallet.md explains one. No pallet knows a
clock, a file, randomness or the
node.
"""
