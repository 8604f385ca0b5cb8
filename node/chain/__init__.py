"""The chain: blocks, forks, head and finality of one chain over its store.

First file to read: `chain.py`. It must not know a pallet, a socket or an engine.
"""
