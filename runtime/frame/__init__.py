"""The pallet framework: state, storage, calls, executive, metadata.

First file to read: `pallet.py`, then `executive.py` (what happens in a block). It knows no particular pallet.
"""
