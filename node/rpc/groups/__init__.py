"""The RPC methods a chain offers, a module for each group of Substrate's names.

First file to read: `context.py`, what they share. They must not know a pallet or a transport.
"""
