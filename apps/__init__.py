"""Separate programs beside the node, and what they share; to the node they are wallets like any other.

First file to read: `chain/client.py`, through which all of them speak to a chain. A program here knows RPC,
metadata, the primitives and the pallets' pure algorithms; it must not know the node, a composition or the
frame.
"""
