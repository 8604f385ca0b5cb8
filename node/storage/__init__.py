"""Durable storage of one chain: an ordered key-value store, and on it the blocks and the finalized state.

First file to read: `blocks.py` (what the chain uses), then `kv.py` (what it stands on). Nothing here knows a
pallet, a codec of values or a consensus rule.
"""
