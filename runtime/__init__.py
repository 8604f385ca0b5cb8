"""The deterministic half of the chain: primitives and the pallet framework.

First file to read: `frame/pallet.py`. It must not know the node, a clock, a file or randomness.
"""
